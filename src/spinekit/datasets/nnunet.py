"""A raw dataset of nnU-Net: `imagesTr`, `labelsTr` and a `dataset.json`.

It knows the names (`CASE_0000`) and the meaning of `labels`, whose values may be regions: lists of
values that belong together. A value gets the name of its smallest region. Version 1 wrote `labels`
the other way round, and `modality` for `channel_names`. What this package exported says under
`pairs` which set and patient each case is of.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from spinekit.core.errors import InputError, RecipeError
from spinekit.datasets.case import Case, MaskFile
from spinekit.datasets.decathlon import read_list, table_of
from spinekit.datasets.entry import Entry, Settings
from spinekit.datasets.meaning import mask_file, usual_name
from spinekit.datasets.naming import contrast_of, subject_of
from spinekit.datasets.sources import Own
from spinekit.io.discovery import FILE_ENDINGS, ending_of, stem_of

LAYOUT = """\
dataset.json                      channel_names, labels, file_ending
imagesTr/{case}_{channel}.nii.gz  channel is 0000, 0001 …
labelsTr/{case}.nii.gz
imagesTs/{case}_{channel}.nii.gz  without labels
"""

SPLITS = {"imagesTr": ("labelsTr", "train"), "imagesTs": ("labelsTs", "test")}
"""Folder of images to that of its masks, and the split."""


def find(root: Path, settings: Settings) -> list[Case]:
    """Every case of `imagesTr` and `imagesTs`.

    Args:
        root: The dataset's folder.
        settings: As in `ENTRY.settings`.

    Returns:
        Cases by name. Empty without images.

    Raises:
        InputError: `dataset.json` cannot be read.
        RecipeError: A meaning or the channel is none.
    """
    path = root / "dataset.json"
    content = read_list(path) if path.is_file() else {}
    channel = _channel(settings.get("channel", 0))
    channels = table_of(content, "channel_names") or table_of(content, "modality")
    contrast = channels.get(str(channel))
    meaning = settings.get("values")
    values = label_names(table_of(content, "labels"))
    owners = table_of(content, "pairs")
    cases = []
    for folder, (label_folder, split) in SPLITS.items():
        for image in sorted((root / folder).glob(f"[!.]*_{channel:04d}.*")):
            if ending_of(image) not in FILE_ENDINGS:
                continue
            name = stem_of(image).removesuffix(f"_{channel:04d}")
            mask = _beside(root / label_folder, name)
            if mask is not None:
                found = MaskFile(mask, values) if meaning is None else mask_file(mask, meaning)
            owner = table_of(owners, name)
            cases.append(
                Case(
                    name=name,
                    dataset=str(owner.get("dataset") or root.resolve().name),
                    subject=str(owner.get("subject") or subject_of(name)),
                    image=image,
                    masks=() if mask is None else (found,),
                    contrast=contrast_of(name) or contrast_of(str(contrast)),
                    facts={"split": split},
                )
            )
    return cases


def _channel(number: Any) -> int:
    if isinstance(number, bool) or not isinstance(number, int) or number < 0:
        raise RecipeError(
            "bad-setting", f"channel = {number!r} is no number of a channel", "such as channel=0"
        )
    return number


def label_names(labels: dict[str, Any]) -> dict[int, str]:
    """Value to name from nnU-Net's name to value or values, or version 1's value to name.

    Args:
        labels: As in `dataset.json`; a list of values is a region.

    Returns:
        Values above 0, ascending; each has the name of its smallest region.

    Raises:
        InputError: A value is no number.
    """
    found: dict[int, tuple[int, str]] = {}
    for name, value in labels.items():
        if name.isdecimal() and isinstance(value, str):
            name, value = value, int(name)
        region = value if isinstance(value, list) else [value]
        for number in region:
            if not isinstance(number, int):
                raise InputError(
                    "bad-table",
                    f"dataset.json: label {name!r} has the value {number!r}",
                    "correct it",
                )
            if number > 0 and (number not in found or len(region) < found[number][0]):
                found[number] = (len(region), usual_name(name))
    return {number: name for number, (_, name) in sorted(found.items())}


def _beside(folder: Path, name: str) -> Path | None:
    return next(
        (path for ending in FILE_ENDINGS if (path := folder / f"{name}{ending}").is_file()), None
    )


def recognise(root: Path) -> bool:
    """Whether images bear a channel's number, or the folder is called `Dataset…`."""
    found = next((root / "imagesTr").glob("*_0000.*"), None)
    return found is not None and (
        (root / "labelsTr").is_dir() or re.match(r"Dataset\d{3}_", root.name) is not None
    )


ENTRY = Entry(
    name="nnunet",
    title="A raw dataset of nnU-Net",
    citation="Isensee et al., nnU-Net: a self-configuring method for deep learning-based "
    "biomedical image segmentation, Nat Methods 18, 203–211 (2021), doi:10.1038/s41592-020-01008-z",
    licence="that of its scans",
    homepage="https://github.com/MIC-DKFZ/nnUNet",
    layout=LAYOUT,
    labels="`labels` of dataset.json, or the setting `values`",
    find=find,
    recognise=recognise,
    source=Own("a folder of your own"),
    settings={
        "channel": "number of the channel that is the image (0)",
        "values": 'meaning of all masks: a scheme, a structure, or {1 = "L1"}',
    },
)
