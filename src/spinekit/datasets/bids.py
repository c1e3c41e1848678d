"""Any BIDS folder: images of subjects, masks among its derivatives.

A mask belongs to an image when it has the name that this package gives to a result or a label map
of it, when its name goes on from the image's (`sub-1_T2w_label-SC_seg`), or when it bears the
image's entities and is the only candidate (`sub-1_dseg`, `sub-1_space-T2w_dseg`).
It knows names and the tables beside masks, nothing of voxels.
"""

from __future__ import annotations

import contextlib
import csv
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from spinekit.core.errors import InputError
from spinekit.datasets.case import Case, MaskFile
from spinekit.datasets.entry import Entry, Settings
from spinekit.datasets.meaning import is_known, mask_file, usual_name
from spinekit.datasets.naming import contrast_of, read_regex, session_of
from spinekit.datasets.sources import Own
from spinekit.io.derivatives import is_resampled, prepared_labels, split_derived
from spinekit.io.discovery import stem_of

ENDINGS = (".nii.gz", ".nii")
_LONGEST_POINTER = 1024
"""Bytes; the pointers git-annex writes are shorter."""
_KINDS = ("dseg", "parts")
"""What of this package's results says something of its own."""
MASK_SUFFIXES = ("dseg", "seg", "mask", "probseg", "dlabel")
_LABELS = {
    "SC": "spinal_cord",
    "spinalcord": "spinal_cord",
    "canal": "spinal_canal",
    "spinalcanal": "spinal_canal",
    "discs": "disc-points",
    "disc": "disc-points",
    "spine": "totalspineseg",
    "parts": "parts",
}
"""The entity `label-` to a meaning; a structure's own name means itself."""

LAYOUT = """\
dataset_description.json      required by BIDS
participants.tsv              participant_id, sex, age …
sub-*/[ses-*/]anat/sub-*_[ses-*_]*T2w.nii.gz
derivatives/*/sub-*/[ses-*/]anat/sub-*_*_{dseg,seg,mask,dlabel}.nii.gz
derivatives/**/*_dseg.tsv     index and name of a mask's values, where there is one
sub-*/…                       masks too, where all is derived and there is no derivatives/
"""


def find(root: Path, settings: Settings) -> list[Case]:
    """Every image outside derivatives, with its masks inside, or beside it where all is derived.

    Of this package's results, levels, soft maps and what lies on another grid than the rest are
    passed over.

    Args:
        root: The BIDS folder.
        settings: As in `ENTRY.settings`.

    Returns:
        Cases by name.

    Raises:
        RecipeError: A meaning or a pattern is none.
        InputError: A table cannot be read.
    """
    wanted = read_regex(settings, "images")
    masks = sorted(_masks(root, settings))
    people = _participants(root / "participants.tsv")
    images = [path for path in sorted(_images(root)) if not wanted or wanted.search(path.name)]
    by_stem = {stem_of(path): path for path in images}
    owners = _owners(masks, by_stem)
    tables: dict[Path, dict[int, str] | None] = {}
    return [
        Case(
            name=stem,
            dataset=str(settings.get("dataset", "bids")),
            subject=path.name.split("_", 1)[0],
            image=path,
            masks=tuple(_mask(mask, root, settings, tables) for mask in owners.get(stem, ())),
            session=session_of(stem),
            contrast=contrast_of(stem.split("_", 1)[-1]),
            facts=people.get(path.name.split("_", 1)[0], {}),
        )
        for stem, path in by_stem.items()
    ]


def _files(folder: Path) -> Iterator[Path]:
    """Volumes that are there; links and pointers to what git-annex has not fetched are not."""
    for ending in ENDINGS:
        for path in folder.glob(f"**/sub-*{ending}"):
            with contextlib.suppress(FileNotFoundError):
                short = path.stat().st_size < _LONGEST_POINTER
                if not (short and path.read_bytes().startswith(b"/annex/objects/")):
                    yield path


def _masks(root: Path, settings: Settings) -> Iterator[Path]:
    """Files of the derivatives; in a dataset that is derived itself and has none, its masks."""
    folder = root / "derivatives"
    if not folder.is_dir() and _is_derived(root):
        for path in _files(root):
            if stem_of(path).rsplit("_", 1)[-1] in MASK_SUFFIXES:
                yield path
    else:
        yield from _files(folder / settings.get("derivatives", ""))


def _is_derived(root: Path) -> bool:
    """Whether a dataset says of itself that all in it is derived."""
    try:
        said = json.loads((root / "dataset_description.json").read_text("utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(said, dict) and said.get("DatasetType") == "derivative"


def _images(root: Path) -> Iterator[Path]:
    for subject in root.glob("sub-*"):
        for path in _files(subject):
            if stem_of(path).rsplit("_", 1)[-1] not in MASK_SUFFIXES:
                yield path


def _owners(masks: list[Path], images: Mapping[str, Path]) -> dict[str, list[Path]]:
    """Image stem to its masks; a mask that could belong to several images belongs to none."""
    subjects: dict[str, list[str]] = {}
    for name in images:
        subjects.setdefault(name.split("_", 1)[0], []).append(name)
    named = _mask_names(images)
    results = {mask: split_derived(mask.name) for mask in masks}
    whole = {found[0] for mask, found in results.items() if found and not is_resampled(mask.name)}
    owners: dict[str, list[Path]] = {}
    for mask in masks:
        stem, result = stem_of(mask), results[mask]
        if result is not None:
            is_other = is_resampled(mask.name) and result[0] in whole
            owner = None if is_other or result[1] not in _KINDS else named.get(result[0])
        else:
            owner = named.get(stem) or _begun_by(stem, images)
        if owner is None and result is None:
            entities, space = _entities(stem)
            siblings = subjects.get(stem.split("_", 1)[0], ())
            fitting = [name for name in siblings if _fits(name, entities, space)]
            owner = fitting[0] if len(fitting) == 1 else None
        if owner is not None:
            owners.setdefault(owner, []).append(mask)
    return owners


def _mask_names(images: Mapping[str, Path]) -> dict[str, str]:
    """What this package calls the label map of an image, or the scan its result is of → image."""
    named: dict[str, str] = {}
    for name, path in images.items():
        labels, result = prepared_labels(name), split_derived(path.name)
        if labels is not None:
            named[labels] = name
        if result is not None:
            named.setdefault(result[0], name)
    return named | {name: name for name in images}


def _begun_by(stem: str, images: Mapping[str, Path]) -> str | None:
    """The longest image name that a mask's name goes on from."""
    while stem:
        if stem in images:
            return stem
        stem = stem.rpartition("_")[0]
    return None


def _entities(stem: str) -> tuple[dict[str, str], str | None]:
    pairs = dict(word.split("-", 1) for word in stem.split("_") if "-" in word)
    space = pairs.pop("space", None)
    for key in ("label", "desc", "res", "den", "seg"):
        pairs.pop(key, None)
    return pairs, space


def _fits(image: str, entities: dict[str, str], space: str | None) -> bool:
    own, _ = _entities(image)
    if space not in (None, "orig", "native", image.rsplit("_", 1)[-1]):
        return False
    return entities.items() <= own.items() and entities.get("sub") == own.get("sub")


def _mask(
    path: Path, root: Path, settings: Settings, tables: dict[Path, dict[int, str] | None]
) -> MaskFile:
    """The mask with what is known of its values: a setting, a table, or its `label-` or `seg-`."""
    stem = stem_of(path)
    table: Mapping[str, Any] = settings.get("masks", {})
    for ending, meaning in table.items():
        if stem.endswith(ending):
            return mask_file(path, meaning)
    result = split_derived(path.name)
    if result is not None and result[1] == "parts":
        return mask_file(path, "parts")
    if "values" in settings:
        return mask_file(path, settings["values"])
    values = _values_beside(path, root, tables)
    if values:
        return MaskFile(path, values)
    if result is not None:
        return mask_file(path, "spinekit")
    label = re.search(r"_label-([0-9a-zA-Z]+)", stem)
    if label:
        word = label.group(1)
        return mask_file(path, _LABELS.get(word, word if is_known(word) else None))
    return mask_file(path, "spinekit" if _is_ours(path) else None)


def _values_beside(
    path: Path, root: Path, tables: dict[Path, dict[int, str] | None]
) -> dict[int, str]:
    """Values by a `_dseg.tsv`: beside the mask, or higher up for all that end alike.

    `tables` remembers what lies where, for most folders are asked again and again.
    """
    stem = stem_of(path)
    suffix = stem.rsplit("_", 1)[-1]
    for folder in path.parents:
        names = [f"{suffix}.tsv"] if folder != path.parent else [f"{stem}.tsv", f"{suffix}.tsv"]
        for table in (folder / name for name in names):
            if table not in tables:
                tables[table] = _read_values(table) if table.is_file() else None
            found = tables[table]
            if found is not None:
                return found
        if folder.name == "derivatives" or folder == root:
            break
    return {}


def _read_values(table: Path) -> dict[int, str]:
    """Index and name of a table's rows, the background left out."""
    rows = _rows(table)
    return {
        int(row["index"]): usual_name(row["name"])
        for row in rows
        if (row.get("index") or "").isdecimal() and row.get("name") and int(row["index"]) != 0
    }


def _rows(table: Path) -> list[dict[str, str]]:
    try:
        text = table.read_text("utf-8-sig")
        return list(csv.DictReader(text.splitlines(), delimiter="\t"))
    except (OSError, ValueError, csv.Error) as error:
        raise InputError(
            "bad-table", f"{table.name}: {type(error).__name__}: {error}", "save it as UTF-8"
        ) from error


def _is_ours(path: Path) -> bool:
    """Whether the JSON beside a mask says that SpineKit wrote it."""
    sidecar = path.with_name(f"{stem_of(path)}.json")
    try:
        return "spinekit_version" in json.loads(sidecar.read_text("utf-8"))
    except (OSError, ValueError):
        return False


def _participants(path: Path) -> dict[str, dict[str, str]]:
    """Facts by subject; an absent table gives none."""
    if not path.is_file():
        return {}
    rows = _rows(path)
    return {
        row["participant_id"]: {
            key: value
            for key, value in row.items()
            if key in FACTS and isinstance(value, str) and value not in ("", "n/a", "-")
        }
        for row in rows
        if row.get("participant_id")
    }


FACTS = (
    "sex", "age", "height", "weight", "institution_id", "manufacturer",
    "manufacturers_model_name", "pathology",
)  # fmt: skip
"""Columns of `participants.tsv` that are repeated; names and dates are not among them."""


def recognise(root: Path) -> bool:
    """Whether the folder has a dataset description, or subjects with an `anat` folder."""
    has_subjects = any(path.is_dir() for path in root.glob("sub-*"))
    return has_subjects and (
        (root / "dataset_description.json").is_file()
        or next(root.glob("sub-*/**/anat"), None) is not None
    )


ENTRY = Entry(
    name="bids",
    title="Any BIDS folder with derivatives",
    citation="Gorgolewski et al., The brain imaging data structure, Sci Data 3, 160044 (2016), "
    "doi:10.1038/sdata.2016.44",
    licence="that of the folder's dataset_description.json",
    homepage="https://bids-specification.readthedocs.io",
    layout=LAYOUT,
    labels="by the setting `values` or `masks`, else a `_dseg.tsv`, else the entity `label-`",
    find=find,
    recognise=recognise,
    source=Own("files of your own"),
    settings={
        "derivatives": "only masks of this folder of derivatives, such as `labels`",
        "images": "regular expression that image names must match, such as `_T2w`",
        "masks": 'table of the end of a mask\'s name to its meaning: {"_seg" = "spinal_cord"}',
        "values": 'meaning of all masks: a scheme, a structure, or {1 = "L1"}',
        "dataset": "name of the set",
    },
)
