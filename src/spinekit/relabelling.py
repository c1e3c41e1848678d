"""A person's word about one bone or disc, and every name that follows from it.

Names are decided again from the report of a result; no network, and the scan itself only for
the picture. It knows results and words, and nothing of how instances were found.
"""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spinekit.anatomy.items import Instances
from spinekit.anatomy.scheme import LEVELS, PARTS, VALUES
from spinekit.core.errors import InputError, SpineKitError, UsageError
from spinekit.core.geometry import normalise_geometry, normalise_labels
from spinekit.core.intensity import normalise_intensity
from spinekit.core.resampling import resample_linear
from spinekit.core.volume import Volume
from spinekit.io.discovery import FILE_ENDINGS, stem_of
from spinekit.io.header import HeaderInfo
from spinekit.io.reading import read_label_file, read_labels, read_scan
from spinekit.io.undo import put_back, take_back
from spinekit.labelling.methods import name_with
from spinekit.levels import find_levels
from spinekit.report import describe_column, recall_evidence, recall_outside
from spinekit.segmentation import FORMATS, Segmentation, View, output_names
from spinekit.structures import convert_labels, give_names, tabulate

BIDS_MARK = "_seg-spine"
"""In the names of labels that `--layout bids` wrote."""
NEAR_MM = 10.0
"""A place that lies in no bone or disc means the nearest one up to this far away, mm."""


@dataclass(frozen=True)
class Word:
    """What a person says of one structure."""

    where: str | tuple[float, float, float]
    """Its value or name in the result, or a place in it in RAS+ mm."""
    name: str
    """What it is: a level such as `L5`, or a disc such as `L4-L5`."""


@dataclass(frozen=True)
class Result:
    """The files of one result, read back."""

    folder: Path
    files: Mapping[str, str]
    fmt: str
    stem: str
    report: dict[str, Any]
    labels: Volume
    parts: Volume
    header: HeaderInfo


def relabel(
    path: str | Path, words: Sequence[Word], *, image: str | Path | None = None
) -> tuple[Segmentation, bool]:
    """Name the column again with some names certain, and replace the files of the result.

    Args:
        path: `<stem>_dseg` volume of a result, its JSON and parts beside it.
        words: What is certain; earlier words about other structures stay in force.
        image: The scan, for the picture; looked for beside the result when None.

    Returns:
        The renamed result as it was written, and whether its picture shows the scan.

    Raises:
        InputError: Files of the result are missing or damaged, or no structure is meant.
        UsageError: A word makes no sense, no legal column has all that is certain, or the result
            is in the BIDS layout.
        OutputError: The files cannot be written; the old ones are then still there.
    """
    result = _read_result(Path(path))
    instances, evidence, names = recall_evidence(result.report["evidence"])
    own = _own_values(result)
    earlier = _words_in_force(result.report)
    given = {_find_item(word, result, own, names): word.name for word in words}
    certain = _certain_levels(instances, {**earlier, **given}, names)
    outside = recall_outside(result.report["evidence"])
    options = result.report["options"]
    naming = name_with(
        str(options.get("labeller", "chain")),
        instances,
        evidence,
        certain=certain,
        outside=outside,
        min_probability=float(options.get("min_probability", 0.0)),
    )
    named = give_names(instances.items, naming.names, naming.probability)
    new_names = _names_by_item(instances, named)

    labels = _moved(own, names, new_names)
    structures = tabulate(labels, result.labels.grid, named)
    written, structures, lost = convert_labels(
        labels, structures, str(options.get("scheme", "spinekit"))
    )
    warnings = [w for w in result.report["warnings"] if w["code"] != "lost-in-scheme"]
    report = {
        **result.report,
        "structures": [dataclasses.asdict(row) for row in structures],
        "column": {**result.report["column"], **describe_column(naming)},
        "warnings": warnings + [dataclasses.asdict(notice) for notice in lost],
        "evidence": _renamed(result.report["evidence"], new_names),
        "provenance": [
            *result.report.get("provenance", []),
            _change(given, names),
        ],
    }
    picture, has_image = _view(result, labels, image)
    segmentation = Segmentation(
        labels=written,
        parts=result.parts.array.astype(np.uint8),
        grid=result.labels.grid,
        structures=structures,
        report=report,
        stem=result.stem,
        header=result.header,
        image=None,
        view=picture,
        levels=find_levels(labels, result.labels.grid, structures) if _has_levels(result) else None,
    )
    files = output_names(
        result.stem, result.fmt, image=False, levels=segmentation.levels is not None
    )
    with put_back(result.folder, _undo_name(result.stem), files.values(), bool(earlier)):
        segmentation.save(result.folder, fmt=result.fmt, stem=result.stem)
    return segmentation, has_image


def _moved(
    own: NDArray[np.uint8], names: Sequence[str | None], new_names: Sequence[str | None]
) -> NDArray[np.uint8]:
    """The label map with every name's voxels under its new name."""
    table = np.arange(256, dtype=np.uint8)
    for old, new in zip(names, new_names, strict=True):
        if old is not None:
            table[VALUES[old]] = 0 if new is None else VALUES[new]
    return np.asarray(table[own])


def _change(given: Mapping[int, str], names: Sequence[str | None]) -> dict[str, Any]:
    """A row of the report's `provenance`."""
    words = [{"item": item, "from": names[item], "to": word} for item, word in given.items()]
    return {"action": "relabel", "spinekit_version": version("spinekit"), "words": words}


def undo(path: str | Path) -> dict[str, Any]:
    """Take back the last `relabel` of a result: its files are, byte for byte, what they were.

    Args:
        path: `<stem>_dseg` volume of the result.

    Returns:
        The report as it is again.

    Raises:
        UsageError: Nothing was relabelled.
        InputError: What was kept for this is missing or damaged.
        OutputError: The files cannot be written.
    """
    folder, stem, fmt = _place(Path(path))
    files = output_names(stem, fmt, image=False)
    if not _words_in_force(_read_report(folder / files["json"])):
        raise UsageError("nothing-to-undo", f"{stem}: no name was changed", "nothing to do")
    take_back(folder, _undo_name(stem))
    return _read_report(folder / files["json"])


def _has_levels(result: Result) -> bool:
    """Whether the result has points of its discs, which then follow."""
    names = output_names(result.stem, result.fmt, image=False, levels=True)
    return (result.folder / names["levels"]).is_file()


def _undo_name(stem: str) -> str:
    return f"{stem}_undo.zip"


def _place(path: Path) -> tuple[Path, str, str]:
    """Folder, stem and format of a result from the path of its labels."""
    for fmt in sorted(FORMATS, key=len, reverse=True):
        ending = f"_dseg.{fmt}"
        if path.name.endswith(ending) and path.name != ending:
            return path.parent, path.name.removesuffix(ending), fmt
    raise UsageError(
        "not-a-result",
        f"{path.name}: not the labels of a result",
        "give a file that `spinekit segment` wrote and that ends in _dseg.nii.gz",
    )


def _read_result(path: Path) -> Result:
    folder, stem, fmt = _place(path)
    if BIDS_MARK in stem:
        raise UsageError(
            "relabel-layout",
            f"{path.name}: results in the BIDS layout cannot be relabelled",
            "segment the scan without --layout, relabel that",
        )
    labels, header = read_label_file(path)
    files = output_names(stem, fmt, image=False)
    report = _read_report(folder / files["json"])
    parts = read_labels(folder / files["parts"])
    if parts.array.shape != labels.array.shape:
        raise InputError(
            "parts-differ", f"{files['parts']}: not of the labels' shape", "segment the scan again"
        )
    return Result(folder, files, fmt, stem, report, labels, parts, header)


def _read_report(path: Path) -> dict[str, Any]:
    try:
        report = json.loads(path.read_bytes())
        recall_evidence(report["evidence"])
        return {**report, "options": report["options"], "warnings": report["warnings"]}
    except OSError as error:
        raise InputError(
            "report-missing", f"{path.name}: cannot be read", "keep it beside the labels"
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            "report-damaged", f"{path.name}: no report of this program", "segment the scan again"
        ) from error


def _own_values(result: Result) -> NDArray[np.uint8]:
    """The labels in this package's values, whatever scheme they were written in.

    Raises:
        InputError: The scheme has lost structures, so that names cannot move.
    """
    rows = result.report["structures"]
    written = [row["value"] for row in rows]
    if None in written or len(set(written)) < len(written):
        raise InputError(
            "lost-in-scheme",
            f"{result.stem}: its label scheme cannot hold every structure",
            "segment the scan without --scheme, relabel that",
        )
    table = np.zeros(256, dtype=np.uint8)
    for row in rows:
        table[row["value"]] = VALUES[row["name"]]
    return np.asarray(table[result.labels.array.astype(np.uint8)])


def _words_in_force(report: Mapping[str, Any]) -> dict[int, str]:
    """Item → name, for all words given before; a later one replaces an earlier one."""
    return {
        int(word["item"]): str(word["to"])
        for change in report.get("provenance", [])
        if change["action"] == "relabel"
        for word in change["words"]
    }


def _find_item(
    word: Word, result: Result, own: NDArray[np.uint8], names: Sequence[str | None]
) -> int:
    """The item that a word is about."""
    if isinstance(word.where, str):
        name = next(
            (
                row["name"]
                for row in result.report["structures"]
                if word.where in (row["name"], str(row["value"]))
            ),
            word.where,
        )
    else:
        name = _name_at(word.where, result, own, names)
    if name not in names:
        shown = ", ".join(known for known in names if known)
        raise UsageError("unknown-structure", f"the result has no {name}", f"it has {shown}")
    return names.index(name)


def _name_at(
    place: tuple[float, float, float],
    result: Result,
    own: NDArray[np.uint8],
    names: Sequence[str | None],
) -> str:
    """Name of the vertebra, disc or sacrum at a place in RAS+ mm, or of the nearest."""
    values = {VALUES[name]: name for name in names if name}
    voxels = np.argwhere(np.isin(own, list(values)))
    shown = ", ".join(f"{mm:g}" for mm in place)
    if len(voxels):
        far = np.linalg.norm(result.labels.grid.ijk_to_ras(voxels) - np.array(place), axis=1)
        nearest = int(far.argmin())
        if far[nearest] <= NEAR_MM:
            return values[int(own[tuple(voxels[nearest])])]
    raise UsageError(
        "nothing-there",
        f"no vertebra or disc within {NEAR_MM:g} mm of {shown}",
        "give R, A, S in mm, A growing to the front",
    )


def _certain_levels(
    instances: Instances, words: Mapping[int, str], names: Sequence[str | None]
) -> dict[int, str]:
    """Item → level; what is said of a disc holds for the bones beside it."""
    certain: dict[int, str] = {}
    items = instances.items
    for item, word in words.items():
        is_disc = items[item].kind == "disc"
        ends = _levels_of(word)
        if len(ends) != 1 + is_disc or (ends == ["sacrum"]) != (items[item].kind == "sacrum"):
            what = "a disc" if is_disc else "the sacrum" if ends == ["sacrum"] else "a vertebra"
            what = "the sacrum" if items[item].kind == "sacrum" else what
            raise UsageError(
                "wrong-kind",
                f"{names[item] or 'the structure'} is {items[item].kind}, {word} is not",
                "name a vertebra T12, a disc L4-L5",
            )
        beside = [item]
        if is_disc:
            bones = [n for n, other in enumerate(items) if other.kind != "disc"]
            above = [n for n in bones if n < item][-1:]
            below = [n for n in bones if n > item][:1]
            ends = ends[: len(above)] + ends[2 - len(below) :] if above or below else []
            beside = above + below
        for bone, level in zip(beside, ends, strict=True):
            if certain.setdefault(bone, level) != level:
                raise UsageError(
                    "contradicting-names",
                    f"one bone cannot be {certain[bone]} and {level}",
                    "check the names against the preview; names already given count too",
                )
    return certain


def _levels_of(word: str) -> list[str]:
    """The level, or the two beside a disc.

    Raises:
        UsageError: It is no name of a level or disc.
    """
    if word not in LEVELS and (word not in VALUES or "-" not in word):
        raise UsageError(
            "unknown-name", f"{word!r} is no vertebra or disc", "names are like C3, T12, L4-L5"
        )
    return ["sacrum" if end == "S1" else end for end in word.split("-")]


def _names_by_item(instances: Instances, named: Sequence[Any]) -> tuple[str | None, ...]:
    found = {id(entry.item): entry.name for entry in named}
    return tuple(found.get(id(item)) for item in instances.items)


def _renamed(evidence: Mapping[str, Any], names: Sequence[str | None]) -> dict[str, Any]:
    items = [{**row, "name": name} for row, name in zip(evidence["items"], names, strict=True)]
    return {**evidence, "items": items}


def _view(result: Result, labels: NDArray[np.uint8], image: str | Path | None) -> tuple[View, bool]:
    """What the picture is drawn from, and whether it has the scan; else parts stand for it."""
    grid = result.labels.grid
    scan = _find_image(result, image)
    flat = result.parts.array.astype(np.float32) / len(PARTS)
    source = Volume(flat, grid)
    if scan is not None:
        source = Volume(resample_linear(scan.array, scan.grid, grid, antialias=True), grid)
    working, record = normalise_geometry(source)
    view = View(
        normalise_intensity(working.array),
        normalise_labels(labels, record),
        normalise_labels(result.parts.array.astype(np.uint8), record),
        working.grid,
    )
    return view, scan is not None


def _find_image(result: Result, image: str | Path | None) -> Volume | None:
    """The scan as told, or the one beside the result whose content the report knows."""
    if image is not None:
        return read_scan(Path(image)).volume
    for ending in FILE_ENDINGS:
        written = result.folder / f"{result.stem}_image{ending}"
        if written.is_file():
            return read_scan(written).volume
    known = result.report["input"]
    beside = result.folder / Path(str(known["file"])).name
    try:
        scan = read_scan(beside) if stem_of(beside) == result.stem else None
    except SpineKitError:
        return None
    return scan.volume if scan is not None and scan.source["sha256"] == known["sha256"] else None
