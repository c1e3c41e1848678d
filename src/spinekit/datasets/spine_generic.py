"""Spine Generic: cervical MRI of one person on many scanners, and of many people.

BIDS with git-annex. Masks are of the cord and, in the multi-subject set, of canal, vertebrae and
discs too; disc points are counted as the Spinal Cord Toolbox does. Which masks belong to which
image is the BIDS adapter's knowledge; here stands what their names mean.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from spinekit.datasets import bids
from spinekit.datasets.case import Case, MaskFile
from spinekit.datasets.entry import Entry, Settings
from spinekit.datasets.meaning import mask_file
from spinekit.datasets.sources import GitAnnex
from spinekit.io.discovery import stem_of

LAYOUT = """\
participants.tsv              participant_id, sex, age, manufacturer …
sub-{site}[{nn}]/anat/sub-{site}[{nn}]_{T1w,T2w,T2star,…_MTS}.nii.gz
derivatives/labels/sub-*/anat/sub-*_{T1w,…}_label-{SC,canal}_seg.nii.gz      also _seg-manual
derivatives/labels/sub-*/anat/sub-*_{T1w,…}_label-spine_dseg.nii.gz
derivatives/labels/sub-*/anat/sub-*_{T1w,…}_label-discs_dlabel.nii.gz        or _labels-disc-manual
"""

ENDINGS: dict[str, str | None] = {
    "_label-SC_seg": "spinal_cord",
    "_seg-manual": "spinal_cord",
    "_label-canal_seg": "spinal_canal",
    "_label-spine_dseg": "totalspineseg",
    "_label-discs_dlabel": "disc-points",
    "_labels-disc-manual": "disc-points",
}
"""End of a mask's name to its meaning; other files of the derivatives are passed over."""


def find(root: Path, settings: Settings, name: str = "spine-generic") -> list[Case]:
    """Every anatomical image, with the masks whose meaning is known.

    Args:
        root: The repository's folder.
        settings: `images`, a regular expression for names.
        name: The set's.

    Returns:
        Cases by name. Files that git-annex has not fetched are absent. Empty without images.
    """
    chosen = {"derivatives": "labels", "dataset": name} | dict(settings)
    return [
        replace(case, masks=tuple(_known(case.masks)))
        for case in bids.find(root, chosen)
        if "/anat" in case.image.parent.as_posix()
    ]


def _known(masks: tuple[MaskFile, ...]) -> list[MaskFile]:
    found = []
    for mask in masks:
        stem = stem_of(mask.path)
        meaning = next((m for end, m in ENDINGS.items() if stem.endswith(end)), None)
        if meaning is not None:
            found.append(mask_file(mask.path, meaning))
    return found


def _find_single(root: Path, settings: Settings) -> list[Case]:
    # All scanners saw the same person: they must stay together.
    return [
        replace(case, subject="spine-generic-single")
        for case in find(root, settings, "spine-generic-single")
    ]


def _find_multi(root: Path, settings: Settings) -> list[Case]:
    return find(root, settings, "spine-generic-multi")


def _is(root: Path, site: str) -> bool:
    return bids.recognise(root) and (root / site).is_dir()


_CITATION = (
    "Cohen-Adad et al., Open-access quantitative MRI data of the spinal cord and reproducibility "
    "across participants, sites and manufacturers, Sci Data 8, 219 (2021), "
    "doi:10.1038/s41597-021-00941-8"
)
_LABELS = """\
label-SC and seg-manual: cord; label-canal: canal; label-spine: TotalSpineSeg's values;
label-discs: one voxel per disc, 3 at C2-C3, one more per disc downward"""
_SETTINGS = {"images": "regular expression for image names, such as `_T2w`"}
_WANTED = ("sub-*/anat/*", "derivatives/labels/*/anat/*")
_STORE = "https://data-{}-subject---spine-generic---neuropoly.s3.ca-central-1.amazonaws.com"

SINGLE = Entry(
    name="spine-generic-single",
    title="Spine Generic single subject: cervical MRI of one person on many scanners",
    citation=_CITATION,
    licence="as stated in the repository; not verified here",
    homepage="https://github.com/spine-generic/data-single-subject",
    layout=LAYOUT,
    labels=_LABELS,
    find=_find_single,
    recognise=lambda root: _is(root, "sub-chiba750"),
    source=GitAnnex("spine-generic/data-single-subject", _STORE.format("single"), _WANTED),
    settings=_SETTINGS,
)

MULTI = Entry(
    name="spine-generic-multi",
    title="Spine Generic multi subject: cervical MRI of many people, sites and makers",
    citation=_CITATION,
    licence="as stated in the repository; not verified here",
    homepage="https://github.com/spine-generic/data-multi-subject",
    layout=LAYOUT,
    labels=_LABELS,
    find=_find_multi,
    recognise=lambda root: _is(root, "sub-amu01"),
    source=GitAnnex("spine-generic/data-multi-subject", _STORE.format("multi"), _WANTED),
    settings=_SETTINGS,
)
