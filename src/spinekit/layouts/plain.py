"""This package's own layout: the files of a scan side by side, folders of the input kept.

It knows names of files; the result writes itself.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from spinekit.core.errors import UsageError
from spinekit.io.discovery import FILE_ENDINGS, ScanSource
from spinekit.layouts.listed import find_kinds
from spinekit.layouts.wanted import Place, Wanted
from spinekit.segmentation import (
    FORMATS,
    Segmentation,
    Settle,
    leave_earlier,
    output_names,
    undo_name,
)

OPTIONS: Mapping[str, Any] = {}
"""Options of the segmentation that this layout fixes: none."""


def check(wanted: Wanted) -> None:
    """Refuse choices that this layout does not have.

    Raises:
        UsageError: Steps or folders to keep were asked for.
    """
    refuse_steps(wanted, "spinekit")


def refuse_steps(wanted: Wanted, layout: str) -> None:
    """Refuse what only a layout with steps has.

    Raises:
        UsageError: It was asked for.
    """
    if wanted.step1 or wanted.keep:
        option = "--step1" if wanted.step1 else "--keep-only"
        raise UsageError(
            "layout-option",
            f"{option} has no meaning in layout {layout!r}",
            "add --layout totalspineseg",
        )


def select(found: Sequence[ScanSource]) -> list[ScanSource]:
    """The scans to do, of those found: all."""
    return list(found)


def plan(wanted: Wanted) -> Place:
    """Where the files of a scan go."""
    names = output_names(
        wanted.stem, wanted.fmt, image=wanted.iso, levels=wanted.levels, soft=wanted.soft
    )
    return Place(wanted.out / wanted.inside, names, "preview", "dseg", undo_name(wanted.stem))


def reach(wanted: Wanted) -> list[Place]:
    """Where the files of a scan may lie, whatever else a run was asked for."""
    whole = dataclasses.replace(wanted, iso=True, levels=True, soft=True)
    return [plan(dataclasses.replace(whole, fmt=fmt)) for fmt in FORMATS]


def recall(labels: Path) -> Wanted | None:
    """What the run was asked for that wrote `<stem>_dseg`; None for any other name.

    The scan is taken to lie beside its result: its content will tell.
    """
    for fmt in sorted(FORMATS, key=len, reverse=True):
        ending = f"_dseg.{fmt}"
        if labels.name.endswith(ending) and labels.name != ending:
            break
    else:
        return None
    stem = labels.name.removesuffix(ending)
    beside = (labels.with_name(f"{stem}{end}") for end in FILE_ENDINGS)
    source = next((path for path in beside if path.is_file()), labels.with_name(stem))
    whole = Wanted(source, stem, labels.parent, fmt=fmt, iso=True, levels=True)
    kinds = find_kinds(plan(whole))
    has_levels = not kinds.isdisjoint(("levels", "levels_json"))
    return dataclasses.replace(whole, iso="image" in kinds, levels=has_levels)


def write(result: Segmentation, wanted: Wanted, settle: Settle = leave_earlier) -> None:
    """Write a result; all of its files appear, or none.

    Args:
        result: The result.
        wanted: What of it.
        settle: What becomes of an earlier result's files; by default they stay.

    Raises:
        OutputError: A file cannot be written or removed.
    """
    result.write(plan(wanted).root, wanted.fmt, wanted.stem, settle)
