"""A folder of one's own: images and masks, found by patterns.

Without settings, images lie in `images/` (or `image/`, `imagesTr/`, `img/`) and masks in `labels/`,
`masks/`, `labelsTr/`, `mask/` or `segmentations/`, named as the image, with or without a further
`_word` that tells their kind; of a result of this package, its label map alone. It knows names of
files, not what is in them.
"""

from __future__ import annotations

import csv
import json
import re
from bisect import bisect_left
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spinekit.core.errors import InputError, RecipeError
from spinekit.datasets.case import Case, MaskFile
from spinekit.datasets.entry import Entry, Settings
from spinekit.datasets.meaning import mask_file
from spinekit.datasets.naming import (
    contrast_of,
    first_channel,
    literal_start,
    pattern_to_regex,
    read_regex,
    session_of,
    stem_path,
    subject_of,
    volumes,
)
from spinekit.datasets.sources import Own
from spinekit.io.discovery import stem_of
from spinekit.io.reports import is_report
from spinekit.io.results import KINDS

IMAGE_FOLDERS = ("images", "image", "imagesTr", "img")
MASK_FOLDERS = ("labels", "masks", "labelsTr", "mask", "segmentations")

LAYOUT = """\
images/{name}.nii.gz          or .nii .mha .mhd .nrrd, or a folder of DICOM files
labels/{name}.nii.gz          a mask, or several: labels/{name}_{kind}.nii.gz
"""


@dataclass(frozen=True)
class _Pattern:
    """Where masks of one meaning lie."""

    text: str
    meaning: str | Mapping[str, Any] | None


def find(root: Path, settings: Settings) -> list[Case]:
    """Every image that the pattern finds, with the masks that bear its name.

    Args:
        root: The folder.
        settings: As in `ENTRY.settings`.

    Returns:
        Cases by name.

    Raises:
        RecipeError: A pattern or meaning makes no sense.
        InputError: The table cannot be read, or two images, or two files of one image or mask,
            bear one name.
    """
    found, twins = _volumes(root)
    images = _images(root, settings, found)
    patterns = _patterns(root, settings)
    regex = read_regex(settings, "subject")
    _drop_masks(images, patterns)
    owned = _owned_masks(images, patterns, found)
    if settings.get("masks") is None:
        owned = {stem: _without_results(images[stem]["name"], owned[stem]) for stem in owned}
    for stem in images:
        for path in (found[stem], *(mask.path for mask in owned[stem])):
            _refuse_twin(path, twins)
    names = {fields["name"] for fields in images.values()}
    rows = _table(root / settings["table"], names) if "table" in settings else {}
    cases: dict[str, Case] = {}
    for stem, fields in images.items():
        name = fields["name"]
        row = rows.get(name, {})
        if name in cases:
            raise InputError(
                "same-name",
                f"{found[stem]}: another image is called {name}",
                "put what tells them apart into {name} of the pattern",
            )
        cases[name] = Case(
            name=name,
            dataset=str(settings.get("dataset", row.get("dataset", root.resolve().name))),
            subject=_subject(first_channel(name, names), fields, row, regex),
            image=found[stem],
            masks=tuple(owned[stem]),
            session=fields.get("session") or session_of(name),
            contrast=settings.get("contrast")
            or fields.get("contrast")
            or row.get("contrast")
            or contrast_of(name),
            facts={k: v for k, v in row.items() if k in _FACTS},
        )
    return [cases[name] for name in sorted(cases)]


_FACTS = ("sex", "age", "scanner", "manufacturer", "field_strength", "site", "split", "pathology")
"""Columns of a table that may be repeated; names and dates are not among them."""


def _volumes(root: Path) -> tuple[dict[str, Path], dict[Path, Path]]:
    """Stem path to the first volume of that name, and that volume to another of its name."""
    found: dict[str, Path] = {}
    twins: dict[Path, Path] = {}
    for path in volumes(root):
        first = found.setdefault(stem_path(root, path), path)
        if first != path:
            twins[first] = path
    return found, twins


def _refuse_twin(path: Path, twins: Mapping[Path, Path]) -> None:
    """Refuse a file beside which another bears its name: either may be meant."""
    if path in twins:
        raise InputError(
            "same-name",
            f"{path} and {twins[path]} have the same name",
            "rename one of them, or move it away",
        )


def _images(root: Path, settings: Settings, found: dict[str, Path]) -> dict[str, dict[str, str]]:
    """Stem path to fields of every image."""
    pattern = settings.get("images")
    if pattern is None:
        folder = next((name for name in IMAGE_FOLDERS if (root / name).is_dir()), None)
        pattern = "{name}" if folder is None else f"{folder}/{{name}}"
    regex = pattern_to_regex(pattern)
    images = {}
    for stem in found:
        match = regex.fullmatch(stem)
        if match:
            fields = match.groupdict()
            images[stem] = {"name": "_".join(fields.values()) or stem.rsplit("/", 1)[-1]} | fields
    return images


def _drop_masks(images: dict[str, dict[str, str]], patterns: list[_Pattern]) -> None:
    """Take out what a wide pattern of images found and is another image's mask."""
    stems = sorted(images)
    masks = set()
    for image, fields in images.items():
        for pattern in patterns:
            masks |= set(_matches(pattern.text, fields, stems)) - {image}
    for stem in masks:
        del images[stem]


def _patterns(root: Path, settings: Settings) -> list[_Pattern]:
    """Patterns of masks; a key without `{` is a kind, found in the usual folder."""
    scheme = settings.get("values")
    masks = settings.get("masks")
    folder = next((name for name in MASK_FOLDERS if (root / name).is_dir()), MASK_FOLDERS[0])
    if masks is None:
        return [
            _Pattern(f"{folder}/{{name}}", scheme),
            _Pattern(f"{folder}/{{name}}_{{kind}}", scheme),
        ]
    if isinstance(masks, str):
        return [_Pattern(masks, scheme)]
    if not isinstance(masks, Mapping):
        raise RecipeError(
            "bad-pattern", f"masks = {masks!r} is no pattern", 'such as "labels/{name}.nii.gz"'
        )
    return [
        _Pattern(key if "{" in key else f"{folder}/{{name}}_{key}", meaning)
        for key, meaning in masks.items()
    ]


def _owned_masks(
    images: Mapping[str, dict[str, str]], patterns: list[_Pattern], found: Mapping[str, Path]
) -> dict[str, list[MaskFile]]:
    """Masks by their image's stem path.

    Where the masks of `p1` and those of `p1_T1` could be meant, the longer name wins.
    """
    stems = sorted(stem for stem in found if stem not in images)
    owned: dict[str, list[MaskFile]] = {stem: [] for stem in images}
    for pattern in patterns:
        takers: dict[str, dict[str, int]] = {}
        for image, fields in images.items():
            length = len(literal_start(pattern.text, fields))
            for stem in _matches(pattern.text, fields, stems):
                takers.setdefault(stem, {})[image] = length
        for stem, lengths in sorted(takers.items()):
            for image, length in lengths.items():
                if length == max(lengths.values()):
                    owned[image].append(mask_file(found[stem], pattern.meaning))
        stems = [stem for stem in stems if stem not in takers]
    return owned


def _without_results(name: str, masks: list[MaskFile]) -> list[MaskFile]:
    """The masks of an image without what `segment` writes beside its label map.

    Parts, points and soft maps tell nothing that the label map does not, and stay as they were
    where a person corrects it. Those without a report beside them are a person's own.
    """
    kinds = [stem_of(mask.path).removeprefix(name) for mask in masks]
    if "_dseg" not in kinds:
        return masks
    beside = set(KINDS) - {"_dseg"}
    return [
        mask
        for mask, kind in zip(masks, kinds, strict=True)
        if kind not in beside or not is_report(mask.path.with_name(f"{name}_dseg.json"))
    ]


def _matches(pattern: str, fields: Mapping[str, str], stems: list[str]) -> list[str]:
    """Those of the sorted stems that the pattern finds with an image's fields put in."""
    start = literal_start(pattern, fields)
    first = bisect_left(stems, start)
    last = bisect_left(stems, start + chr(0x10FFFF))
    if first == last:
        return []
    regex = pattern_to_regex(pattern, fields)
    return [stem for stem in stems[first:last] if regex.fullmatch(stem)]


def told_subjects(table: Path) -> frozenset[str]:
    """Names of the images whose patient a table tells.

    Args:
        table: As the setting `table` names it, inside the folder.

    Raises:
        InputError: It cannot be read.
    """
    return frozenset(name for name, row in _table(table, ()).items() if row.get("subject"))


def _subject(
    name: str, fields: dict[str, str], row: Mapping[str, str], regex: re.Pattern[str] | None
) -> str:
    if fields.get("subject"):
        return fields["subject"]
    if row.get("subject"):
        return row["subject"]
    if regex is None:
        return subject_of(name)
    match = regex.search(name)
    if match is None:
        raise RecipeError(
            "no-subject",
            f"{name}: the setting subject = {regex.pattern!r} finds no patient in it",
            "a regular expression that matches every name, such as '^[^_]+'",
        )
    return match.group(match.lastindex or 0)


def _table(path: Path, names: Collection[str]) -> dict[str, dict[str, str]]:
    """Rows of a CSV, TSV or JSON list by their `name`, which may have a scan's ending."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        if path.suffix == ".json":
            rows = json.loads(text)
        else:
            rows = list(csv.DictReader(text.splitlines(), dialect=_dialect(path)))
        found = {stem_of(Path(str(row["name"]))): _texts(row) for row in rows}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            "bad-table",
            f"{path.name}: {type(error).__name__}: {error}",
            "a table is CSV, TSV or a JSON list whose rows have a name",
        ) from error
    if names and not names & found.keys():
        raise InputError(
            "bad-table",
            f"{path.name}: none of its rows is of an image, such as {min(names)}",
            "its column name holds the images' names",
        )
    return found


def _texts(row: Mapping[str, Any]) -> dict[str, str]:
    """What a row says, numbers as text; lists and empty fields say nothing."""
    kinds = (str, int, float)
    return {
        key: str(value) for key, value in row.items() if isinstance(value, kinds) and value != ""
    }


def _dialect(path: Path) -> str:
    return "excel-tab" if path.suffix == ".tsv" else "excel"


def recognise(root: Path) -> bool:
    """Whether the folder has one for images and one for masks."""
    return any((root / name).is_dir() for name in IMAGE_FOLDERS) and any(
        (root / name).is_dir() for name in MASK_FOLDERS
    )


ENTRY = Entry(
    name="folder",
    title="Images and masks in folders of your own",
    citation="none: cite where your scans come from",
    licence="that of your scans",
    homepage="https://bids.neuroimaging.io (a layout worth changing to)",
    layout=LAYOUT,
    labels="what the setting `values` or `masks` says",
    find=find,
    recognise=recognise,
    source=Own("files of your own"),
    settings={
        "images": 'pattern such as "images/{subject}_{contrast}.nii.gz"',
        "masks": 'pattern, or table of pattern or kind to meaning: {bodies = "totalspineseg"}',
        "values": 'meaning of all masks: a scheme, a structure, or {1 = "L1"}',
        "subject": "regular expression that finds the patient in a name",
        "contrast": "contrast of all images",
        "dataset": "name of the set",
        "table": "CSV, TSV or JSON list beside them with name, subject, contrast, dataset",
    },
)
