"""TotalSpineSeg's own release of labels, for images of other sets.

The archive holds masks only (`bids/SET/derivatives/labels_iso`), on an isotropic grid of their own;
images are those of the sets, put at `bids/SET`. Layout follows the tool's scripts. The release of
September 2024 is meant; an older one used other values.
"""

from __future__ import annotations

from pathlib import Path

from spinekit.datasets.case import Case
from spinekit.datasets.entry import Entry, Settings, holds
from spinekit.datasets.meaning import mask_file
from spinekit.datasets.naming import contrast_of, session_of
from spinekit.datasets.sources import Web
from spinekit.io.discovery import stem_of

LAYOUT = """\
bids/{set}/derivatives/labels_iso/sub-*/anat/sub-*_{contrast}_space-resampled_label-spine_dseg.nii.gz
bids/{set}/derivatives/labels_iso/sub-*/anat/sub-*_{contrast}_space-resampled_label-{SC,canal}_seg.nii.gz
bids/{set}/sub-*/anat/sub-*_{contrast}.nii.gz      images, to be had from the sets themselves
"""

ENDINGS = {
    "_space-resampled_label-spine_dseg": "totalspineseg",
    "_space-resampled_label-SC_seg": "spinal_cord",
    "_space-resampled_label-canal_seg": "spinal_canal",
}
"""End of a mask's name to its meaning."""


def find(root: Path, settings: Settings) -> list[Case]:
    """Every image that has a mask of the release.

    Args:
        root: Holds `bids`, or is it.
        settings: None are known.

    Returns:
        Cases by name; a subject's name begins with its set, for sets share names. Empty where no
        image lies beside the masks.
    """
    cases = []
    for labels in sorted(root.glob("**/derivatives/labels_iso")):
        home = labels.parents[1]
        masks: dict[str, list[Path]] = {}
        for path in sorted(labels.glob("sub-*/**/sub-*.nii.gz")):
            end = next((end for end in ENDINGS if stem_of(path).endswith(end)), None)
            if end is not None:
                masks.setdefault(stem_of(path).removesuffix(end), []).append(path)
        for stem, paths in sorted(masks.items()):
            image = home / paths[0].parent.relative_to(labels) / f"{stem}.nii.gz"
            if image.is_file():
                cases.append(_case(home.name, stem, image, paths))
    return cases


def _case(home: str, stem: str, image: Path, masks: list[Path]) -> Case:
    return Case(
        name=f"{home}_{stem}",
        dataset="totalspineseg",
        subject=f"{home}_{stem.split('_', 1)[0]}",
        image=image,
        masks=tuple(
            mask_file(path, next(m for end, m in ENDINGS.items() if stem_of(path).endswith(end)))
            for path in masks
        ),
        session=session_of(stem),
        contrast=contrast_of(stem.split("_", 1)[-1]),
        facts={"set": home},
    )


ENTRY = Entry(
    name="totalspineseg",
    title="TotalSpineSeg's labels of whole spine, SPIDER and Spine Generic scans (masks only)",
    citation="Warszawer et al., Fully automatic vertebrae and spinal cord segmentation using a "
    "hybrid approach combining nnU-Net and iterative algorithm, Proc. 32nd ISMRM (2024)",
    licence="as stated in the repository; not verified here",
    homepage="https://github.com/neuropoly/totalspineseg",
    layout=LAYOUT,
    labels="TotalSpineSeg's values (docs/reference/labels.md), cord and canal in own files",
    find=find,
    recognise=holds("**/derivatives/labels_iso/sub-*"),
    source=Web(
        (
            "https://github.com/neuropoly/totalspineseg/releases/download/labels/"
            "labels_iso_bids_0924.zip",
        )
    ),
)
