"""A folder with a Decathlon list: `dataset.json` naming images and masks, as MONAI reads it.

It knows the list's form: `training` (and `validation`, `test`) of `image` and `label`, and `labels`
of value to name. Names of structures are brought to this package's where they can be recognised.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from spinekit.core.errors import InputError
from spinekit.datasets.case import Case, MaskFile
from spinekit.datasets.entry import Entry, Settings
from spinekit.datasets.meaning import mask_file
from spinekit.datasets.naming import contrast_of, subject_of
from spinekit.datasets.sources import Own
from spinekit.io.discovery import stem_of

LAYOUT = """\
dataset.json           labels, and in training: [{"image": "./imagesTr/a.nii.gz", "label": …}]
imagesTr/*.nii.gz      or wherever the list says
labelsTr/*.nii.gz
"""

SPLITS = {"training": "train", "validation": "validation", "test": "test"}
"""Key of the list to the split it stands for."""


def find(root: Path, settings: Settings) -> list[Case]:
    """Every image of the list.

    Args:
        root: Holds the list.
        settings: As in `ENTRY.settings`.

    Returns:
        Cases by name, in any order; empty without a list.

    Raises:
        InputError: The list cannot be read, or two images bear one name.
        RecipeError: A meaning is none.
    """
    path = root / settings.get("list", "dataset.json")
    if not path.is_file():
        return []
    content = read_list(path)
    meaning = settings.get("values", table_of(content, "labels") or None)
    cases: dict[str, Case] = {}
    for key, split in SPLITS.items():
        for item in _listed(content, key):
            case = _case(root, item, meaning, split)
            if case.name in cases:
                raise InputError(
                    "same-name", f"{path.name}: two images are called {case.name}", "rename one"
                )
            cases[case.name] = case
    return list(cases.values())


def read_list(path: Path) -> dict[str, Any]:
    """Content of a `dataset.json`.

    Raises:
        InputError: It is no JSON object.
    """
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise InputError("bad-table", f"{path.name}: {error}", "correct the list") from error
    if not isinstance(content, dict):
        raise InputError("bad-table", f"{path.name} is no JSON object", "correct the list")
    return content


def table_of(content: Mapping[str, Any], key: str) -> dict[str, Any]:
    """A table in a `dataset.json`; empty where it is not there.

    Raises:
        InputError: What is there is none.
    """
    table = content.get(key) or {}
    if not isinstance(table, dict):
        raise InputError(
            "bad-table",
            f"dataset.json: {key} is no table but {table!r}"[:200],
            f'write {{…}}, such as "{key}": {{"0": …}}',
        )
    return table


def _listed(content: Mapping[str, Any], key: str) -> list[Any]:
    items = content.get(key) or []
    if not isinstance(items, list):
        raise InputError(
            "bad-table", f"dataset.json: {key} is no list of images", "correct the list"
        )
    return items


def _case(root: Path, item: Any, meaning: Any, split: str) -> Case:
    row = item if isinstance(item, dict) else {"image": item}
    image, label = _path(root, row.get("image")), row.get("label")
    masks: tuple[MaskFile, ...] = ()
    if label:
        masks = (mask_file(_path(root, label), meaning),)
    name = stem_of(image)
    return Case(
        name=name,
        dataset=str(row.get("dataset") or root.resolve().name),
        subject=str(row.get("subject") or subject_of(name)),
        image=image,
        masks=masks,
        contrast=row.get("contrast") or contrast_of(name),
        facts={"split": split},
    )


def _path(root: Path, text: Any) -> Path:
    if isinstance(text, list) and len(text) == 1:
        text = text[0]
    if not isinstance(text, str) or not text:
        raise InputError("bad-table", f"dataset.json: {text!r} is no file", "correct the list")
    return root / text


def recognise(root: Path) -> bool:
    """Whether a `dataset.json` lists training images by name."""
    try:
        listed = read_list(root / "dataset.json").get("training")
    except InputError:
        return False
    return isinstance(listed, list) and bool(listed)


ENTRY = Entry(
    name="decathlon",
    title="A Decathlon list (dataset.json), as MONAI reads it",
    citation="Antonelli et al., The Medical Segmentation Decathlon, Nat Commun 13, 4128 (2022), "
    "doi:10.1038/s41467-022-30695-9",
    licence="the list's `licence`",
    homepage="http://medicaldecathlon.com",
    layout=LAYOUT,
    labels="the list's `labels`, or the setting `values`",
    find=find,
    recognise=recognise,
    source=Own("a folder of your own"),
    settings={
        "list": "name of the list (`dataset.json`)",
        "values": 'meaning of all masks: a scheme, a structure, or {1 = "L1"}',
    },
)
