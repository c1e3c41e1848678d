"""Names decided again with some of them certain, and the files of the result replaced.

Names come from the report of a result; no network, and the scan itself only for the picture. It
knows how these steps follow on each other, and nothing of how instances were found.
"""

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spinekit.anatomy.items import Instances
from spinekit.anatomy.parts import BODY, SACRUM
from spinekit.anatomy.scheme import VALUES
from spinekit.core.errors import InputError, Notice, UsageError
from spinekit.instances.recasting import recast_sacrum
from spinekit.io.locks import alone
from spinekit.io.reading import read_label_file
from spinekit.io.reports import StoredReport
from spinekit.io.staging import remove_abandoned
from spinekit.io.undo import put_back, read_kept, take_back
from spinekit.labelling.naming import Naming
from spinekit.labelling.omissions import tell_nameless
from spinekit.layouts.listed import find_changed
from spinekit.layouts.wanted import Place
from spinekit.levels import find_levels
from spinekit.relabelling.deciding import LABELLER, decide_names, find_items
from spinekit.relabelling.result import (
    Found,
    Result,
    find_copies,
    find_result,
    read_result,
    refuse_changed,
    view_result,
)
from spinekit.relabelling.words import Column, Word, add_words, split_word, words_in_force
from spinekit.report import describe_column, read_report, recall_evidence, recall_outside, sum_canal
from spinekit.segmentation import Segmentation
from spinekit.structures import Structure, convert_labels, give_names, tabulate

NAMELESS_KINDS = (
    "image", "image_json", "input", "preview_input", "step1_canal", "step1_cord"
)  # fmt: skip
"""Files that no name changes; they stay as they are."""
OF_NAMING = (
    "structures", "canal_with_cord_mm3", "column", "warnings", "evidence", "provenance", "seconds",
    "files", "voxels_sha256",
)  # fmt: skip
"""Keys of the report that a change of names may change; all others tell which result it is."""
OF_NAMES = ("lost-in-scheme", "sources-disagree", "series-disagree")
"""Warnings about the names before; a person's word settles what sources say."""
PAINTED = "labels-changed"
"""The warning about parts that the labels have left behind."""


@dataclass(frozen=True)
class Corrected:
    """A result after a change of names."""

    report: Mapping[str, Any]
    """Its report as it is now."""
    shown: Path
    """The file to look at."""
    has_image: bool = True
    """The picture shows the scan, or there is none; else it shows the labels alone."""


def relabel(
    path: str | Path,
    words: Word | str | Sequence[Word | str],
    *,
    image: str | Path | None = None,
) -> Corrected:
    """Name the column again with some names certain, and replace the files of the result.

    Args:
        path: The labels of a result, in any layout, its other files where the layout has them.
        words: What is certain, one word or several, or texts such as `L2=L1`; earlier words about
            other structures stay in force.
        image: The scan, for the picture; looked for where it was, or beside, when None.

    Returns:
        The result as it is now.

    Raises:
        InputError: Files of the result are missing or damaged, or no structure is meant; or other
            label volumes than these were changed by hand, and would be replaced.
        UsageError: No result is there, a word makes no sense, or no legal column has all of them.
        OutputError: The files cannot be written; the old ones are then still there.
    """
    path = Path(path)
    several = [words] if isinstance(words, Word | str) else words
    given = [Word(*split_word(word)) if isinstance(word, str) else word for word in several]
    with _held(find_result(path)):
        return _relabel(path, given, image)


@contextlib.contextmanager
def _held(found: Found) -> Iterator[None]:
    """Keep other processes out of a result; what one that was killed had still to move is moved."""
    with alone(found.place.path("json")):
        remove_abandoned(found.place.root)
        yield


def _relabel(path: Path, words: Sequence[Word], image: str | Path | None) -> Corrected:
    """`relabel`, while no other process is at the result."""
    result = read_result(path)
    before, grid = result.report, result.labels.grid
    changed = find_changed(result.found.places, before)
    refuse_changed(set(changed) - _taken_over(result.found))
    instances, evidence, names = recall_evidence(before.evidence)
    column = Column(path.name, instances, names, before.structures, result.own, grid)
    earlier = words_in_force(before.provenance)
    given = find_items(column, words)
    naming = decide_names(
        column,
        evidence,
        add_words(earlier, given),
        earlier=earlier,
        outside=recall_outside(before.evidence),
        min_probability=float(before.options.get("min_probability", 0.0)),
    )
    result = dataclasses.replace(result, parts=_recast(result, instances, names, naming.cut))
    instances = recast_sacrum(instances, naming.cut)
    named = give_names(instances.items, naming.names, naming.probability)
    new_names = _names_by_item(instances, named)

    labels = _moved(result.own, names, new_names)
    structures = _with_tubes_cut(tabulate(labels, grid, named), before.structures)
    levels = find_levels(labels, grid, structures) if result.found.wanted.levels else None
    scheme = str(before.options.get("scheme", "spinekit"))
    written, structures, lost = convert_labels(labels, structures, scheme)
    rows = zip(before.evidence["items"], new_names, strict=True)
    items = [{**row, "name": name} for row, name in rows]
    report = {
        **before.whole,
        "structures": [dataclasses.asdict(row) for row in structures],
        "canal_with_cord_mm3": sum_canal(structures),
        "column": {**before.column, **describe_column(naming)},
        "warnings": _warnings(result, naming, [*_tell_painted(result, changed), *lost]),
        "evidence": {**before.evidence, "items": items},
        "provenance": [*before.provenance, _change(given, names)],
    }
    picture, has_image = view_result(result, labels, image)
    segmentation = Segmentation(
        labels=written,
        parts=result.parts,
        grid=grid,
        structures=structures,
        report=report,
        stem=result.found.wanted.stem,
        header=result.header,
        image=None,
        view=picture,
        levels=levels,
    )
    _write(result, segmentation, again=bool(earlier))
    place = result.found.place
    now = StoredReport.read(place.path("json")).whole
    return Corrected(now, place.path(place.shown), has_image or not place.is_drawn)


def _write(result: Result, segmentation: Segmentation, *, again: bool) -> None:
    """Replace the files of a result in every format that lies there.

    Args:
        result: What is there.
        segmentation: What takes its place.
        again: The names were changed before: what is kept of that stays within what is kept now.
    """
    found, place = result.found, result.found.place
    copies = find_copies(found, result.report)
    files = {file for one in (found, *copies) for file in _replaced(one.place)}
    with put_back(place.root, place.undo, files, nested=again):
        for copy in copies:
            _, header = read_label_file(copy.labels)
            copy.layout.write(dataclasses.replace(segmentation, header=header), copy.wanted)
        found.layout.write(segmentation, found.wanted)


def undo(path: str | Path) -> Corrected:
    """Take back the last `relabel` of a result, also one that was cut short.

    Its files are, byte for byte, what they were.

    Args:
        path: The labels of the result.

    Returns:
        The result as it is again.

    Raises:
        UsageError: Nothing was relabelled.
        InputError: What was kept for this is missing, damaged or of another result, or labels were
            changed by hand since.
        OutputError: The files cannot be written.
    """
    path = Path(path)
    found = find_result(path)
    with _held(found):
        return _undo(path, found)


def _undo(path: Path, found: Found) -> Corrected:
    """`undo`, while no other process is at the result."""
    place = found.place
    report = read_report(place.path("json"))
    kept = read_kept(place.root, place.undo, place.files["json"])
    is_own = kept is not None and _is_before(kept, report)
    # A change that was cut short has kept the files before, but its word may not be told yet.
    if not is_own and not words_in_force(report.provenance):
        raise UsageError("nothing-to-undo", f"{path.name}: no name was changed", "nothing to do")
    if kept is not None and not is_own:
        raise InputError(
            "undo-missing",
            f"{place.undo}: kept of another result, so the names before cannot come back",
            "segment the scan again",
        )
    refuse_changed(_painted_since(found, report))
    take_back(place.root, place.undo)
    return Corrected(StoredReport.read(place.path("json")).whole, place.path(place.shown))


def _taken_over(found: Found) -> set[Path]:
    """The volumes that a change of names reads and writes again, with all that is painted there."""
    kinds = {found.place.labels, "parts"} & set(found.place.files)
    return {found.place.path(kind) for kind in kinds}


def _warnings(result: Result, naming: Naming, new: Sequence[Notice]) -> list[dict[str, Any]]:
    """The warnings before that no change of names settles, and the new ones."""
    before, column = result.report.warnings, result.report.column
    masks = [row["names"] for row in column.get("outside", ()) if row["source"] == "mask"]
    # Without what the mask said, none can tell whether its names have one now.
    settled = {*OF_NAMES, PAINTED, *(["names-left-out"] if masks else [])}
    told = [*new, *(notice for names in masks for notice in tell_nameless(names, naming.names))]
    kept = [warning for warning in before if warning["code"] not in settled]
    return kept + [dataclasses.asdict(notice) for notice in told]


def _tell_painted(result: Result, changed: Sequence[Path]) -> list[Notice]:
    """A warning where the labels were changed by hand, now or before, and parts do not follow."""
    told = any(warning["code"] == PAINTED for warning in result.report.warnings)
    if "parts" not in result.found.place.files or not (told or result.found.labels in changed):
        return []
    count = int(np.count_nonzero((result.own > 0) != (result.parts > 0)))
    alone = f": {count} voxels have a label or a part alone" if count else ""
    text = f"the labels were changed by hand, and the parts do not follow{alone}"
    return [Notice(PAINTED, text)]


def _painted_since(found: Found, report: StoredReport) -> list[Path]:
    """The label volumes that are neither as the last change of names left them nor as before it."""
    place = found.place
    if read_kept(place.root, place.undo, place.files["json"]) == place.path("json").read_bytes():
        return []  # The change was cut short: what it had written already, no report tells of.
    return [
        path
        for path in find_changed(found.places, report)
        if read_kept(place.root, place.undo, path.relative_to(place.root).as_posix())
        != path.read_bytes()
    ]


def _is_before(kept: bytes, report: StoredReport) -> bool:
    """Whether a report that was kept is that of the same result before a change of names."""
    try:
        before = StoredReport.parse(kept)
    except ValueError:
        return False
    others = dict.fromkeys(OF_NAMING)
    return before is not None and {**before.whole, **others} == {**report.whole, **others}


def _replaced(place: Place) -> list[str]:
    """The files that a change of names replaces."""
    return [path for kind, path in place.files.items() if kind not in NAMELESS_KINDS]


def _with_tubes_cut(
    rows: tuple[Structure, ...], before: Sequence[Mapping[str, Any]]
) -> tuple[Structure, ...]:
    """The table with canal and cord cut where they were: the scan's image may end before it."""
    cut = {row["name"] for row in before if row["touches_edge"]}
    return tuple(
        dataclasses.replace(row, touches_edge=row.name in cut or row.touches_edge)
        if row.part.startswith("spinal_")
        else row
        for row in rows
    )


def _recast(
    result: Result, instances: Instances, names: Sequence[str | None], cut: Sequence[int]
) -> NDArray[np.uint8]:
    """The parts with what was found as a sacrum as what its new name makes it.

    Args:
        result: What is there.
        instances: The items as they were found.
        names: The names that they bear in it.
        cut: Places of those that are a cut vertebra, whose body they are.
    """
    if cut:
        return np.where(result.parts == SACRUM, np.uint8(BODY), result.parts)
    parts = result.parts
    for item, name in zip(instances.items, names, strict=True):
        if item.kind == "sacrum" and name is not None:
            was_cut = (result.own == VALUES[name]) & (parts == BODY)
            parts = np.where(was_cut, np.uint8(SACRUM), parts)
    return parts


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
    made = {"spinekit_version": version("spinekit"), "labeller": LABELLER}
    return {"action": "relabel", **made, "words": words}


def _names_by_item(instances: Instances, named: Sequence[Any]) -> tuple[str | None, ...]:
    found = {id(entry.item): entry.name for entry in named}
    return tuple(found.get(id(item)) for item in instances.items)
