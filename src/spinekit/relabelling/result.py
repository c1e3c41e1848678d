"""The files of one result, read back from the path of its labels, in whatever layout they lie.

It knows files, values and the scan they belong to; no word, and no rule of naming.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spinekit.adoption import refuse_elsewhere
from spinekit.anatomy.scheme import NAMES, PARTS, VALUES, kind_of_value
from spinekit.core.errors import InputError, SpineKitError, UsageError
from spinekit.core.geometry import normalise_geometry, normalise_labels
from spinekit.core.intensity import normalise_intensity
from spinekit.core.resampling import resample_linear
from spinekit.core.volume import Volume
from spinekit.io.header import HeaderInfo
from spinekit.io.reading import Scan, read_label_file, read_labels, read_scan
from spinekit.io.reports import StoredReport
from spinekit.layouts.listed import find_listed
from spinekit.layouts.registry import LAYOUTS, Layout
from spinekit.layouts.wanted import Place, Wanted
from spinekit.report import read_report
from spinekit.segmentation import View

_STAND_FOR = {
    "vertebra": "body",
    "disc": "disc",
    "sacrum": "sacrum",
    "spinal_canal": "canal",
    "spinal_cord": "cord",
}
"""Kind of structure → part, where a layout keeps no parts."""
_NAMED_KINDS = ("vertebra", "disc", "sacrum")
"""Kinds of structures that a change of names can rename."""
_SCANS = ("image", "input")
"""Kinds of files that are the scan itself on a grid of its own."""


@dataclass(frozen=True)
class Found:
    """Where a result lies."""

    layout: Layout
    wanted: Wanted
    """What the run was asked for that wrote it."""
    place: Place

    @property
    def labels(self) -> Path:
        """The label map that bears the names."""
        return self.place.path(self.place.labels)

    @property
    def places(self) -> list[Place]:
        """Where its files may lie, in every format."""
        return self.layout.reach(self.wanted)


@dataclass(frozen=True)
class Result:
    """The files of one result, read back."""

    found: Found
    report: StoredReport
    labels: Volume
    """As written."""
    own: NDArray[np.uint8]
    """(I, J, K) the same in this package's values."""
    parts: NDArray[np.uint8]
    """(I, J, K) 0 to 6."""
    header: HeaderInfo


def find_result(path: Path) -> Found:
    """Tell from the path of a result's labels where its other files are.

    Raises:
        UsageError: They are not there, no layout calls labels so, or these bear no names.
        InputError: What tells where the other files are is missing or damaged.
    """
    if not path.exists():
        raise UsageError("file-missing", f"{path}: no such file", "check the path")
    for layout in LAYOUTS.values():
        wanted = layout.recall(path)
        if wanted is None:
            continue
        found = Found(layout, wanted, layout.plan(wanted))
        if os.path.abspath(found.labels) != os.path.abspath(path):
            raise UsageError(
                "not-a-result",
                f"{path.name}: does not lie where it was written, so its other files are not found",
                f"put it back as {'/'.join(found.labels.parts[-2:])}, or segment the scan again",
            )
        return found
    raise UsageError(
        "not-a-result",
        f"{path.name}: not the labels of a result",
        "give a file that `spinekit segment` wrote: SCAN_dseg.nii.gz, in BIDS "
        "…_seg-spine_…_dseg.nii.gz, in TotalSpineSeg's tree step2_output/SCAN.nii.gz",
    )


def find_copies(found: Found, report: StoredReport) -> list[Found]:
    """The same result in other formats beside it, as its report lists them."""
    labels = [find_listed(place, report).get(place.labels) for place in found.places]
    return [find_result(path) for path in labels if path is not None and path != found.labels]


def refuse_changed(paths: Iterable[Path]) -> None:
    """Refuse to replace label volumes that somebody has painted in.

    Raises:
        InputError: There is one.
    """
    for path in paths:
        raise InputError(
            "changed-by-hand",
            f"{path.name}: was changed since it was written, by hand, and would be replaced",
            "move it away; labels are taken by `spinekit label`",
        )


def read_result(path: Path) -> Result:
    """Read a result back.

    Raises:
        UsageError: It is no result.
        InputError: Files of it are missing or damaged, or cannot be renamed.
    """
    found = find_result(path)
    labels, header = read_label_file(path)
    report = read_report(found.place.path("json"))
    _check_tables(found.place.path("json"), report)
    own = _own_values(path.name, report, labels.array)
    if "parts" in found.place.files:
        file = found.place.path("parts")
        parts = read_labels(file).array.astype(np.uint8)
        if parts.shape != own.shape:
            raise InputError(
                "parts-differ", f"{file.name}: not of the labels' shape", "segment the scan again"
            )
    else:
        parts = _stand_in(own)
    return Result(found, report, labels, own, parts, header)


def _check_tables(path: Path, report: StoredReport) -> None:
    """Refuse a report in which somebody has changed names: others would move to the wrong bones.

    Raises:
        InputError: Its table of structures has a name that is none, one twice, or one that its
            evidence does not know; or a value that no label map holds.
    """
    known = {row["name"] for row in report.evidence["items"]}
    try:
        names = [row["name"] for row in report.structures]
        values = [row["value"] for row in report.structures if row["value"] is not None]
        bones = {name for name in names if kind_of_value(VALUES[name]) in _NAMED_KINDS}
        is_sound = len(set(names)) == len(names) and bones <= known
        is_sound = is_sound and all(0 < value < 256 for value in values)
    except (KeyError, TypeError):
        is_sound = False
    if not is_sound:
        raise InputError(
            "report-damaged",
            f"{path.name}: its names or values were changed by hand and contradict each other",
            "put it back as it was, or segment the scan again; `spinekit relabel` changes names",
        )


def _own_values(name: str, report: StoredReport, labels: NDArray[np.integer]) -> NDArray[np.uint8]:
    """The labels in this package's values, whatever scheme they were written in.

    Raises:
        InputError: The scheme has lost structures, so that names cannot move, or the labels hold
            what the report does not tell of.
    """
    rows = report.structures
    written = [row["value"] for row in rows]
    if None in written or len(set(written)) < len(written):
        raise InputError(
            "lost-in-scheme",
            f"{name}: its label values cannot hold every structure",
            "segment the scan without --scheme and --layout, relabel that",
        )
    unknown = sorted({int(v) for v in np.unique(labels)} - {0, *written})
    if unknown:
        raise InputError(
            "report-of-another",
            f"{name}: holds {', '.join(map(str, unknown))}, which its report does not tell of",
            "`relabel --undo` if a change of names was cut short; hand-made labels go to "
            "`spinekit label`",
        )
    table = np.zeros(256, dtype=np.uint8)
    for row in rows:
        table[row["value"]] = VALUES[row["name"]]
    return np.asarray(table[labels.astype(np.uint8)])


def _stand_in(own: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Parts as far as labels tell them: a vertebra counts as body."""
    table = np.zeros(256, np.uint8)
    for value in NAMES:
        table[value] = PARTS.index(_STAND_FOR[kind_of_value(value)])
    return np.asarray(table[own])


def view_result(
    result: Result, labels: NDArray[np.uint8], image: str | Path | None
) -> tuple[View, bool]:
    """What a picture of other labels is drawn from, and whether it has the scan.

    Args:
        result: The result.
        labels: (I, J, K) this package's values.
        image: The scan; looked for where the layout has it when None, and where it is not found
            the parts stand for it.

    Raises:
        InputError: The scan that was named cannot be read, or lies elsewhere.
        UsageError: It is a DICOM folder of several series, none of them the one that was segmented.
    """
    grid = result.labels.grid
    scan = _find_image(result) if image is None else _read_named(Path(image), result)
    source = Volume(result.parts.astype(np.float32) / len(PARTS), grid)
    if scan is not None:
        source = Volume(resample_linear(scan.array, scan.grid, grid, antialias=True), grid)
    working, record = normalise_geometry(source, force=True)
    view = View(
        normalise_intensity(working.array),
        normalise_labels(labels, record),
        normalise_labels(result.parts, record),
        working.grid,
    )
    return view, scan is not None


def _read_named(path: Path, result: Result) -> Volume:
    """A scan that a person names, if the result lies in it."""
    scan = _read_as_segmented(path, result).volume
    labels = Volume(result.own, result.labels.grid)
    refuse_elsewhere(path, scan.grid, labels, is_a="result")
    return scan


def _read_as_segmented(path: Path, result: Result) -> Scan:
    """A scan, of several series or volumes the one that was segmented, where it has that."""
    options = result.report.options
    try:
        return read_scan(path, volume_index=options.get("volume"), series=options.get("series"))
    except UsageError:
        pass
    try:
        return read_scan(path)
    except UsageError as error:
        remedy = "give a folder that holds the series of the result alone"
        raise UsageError(error.code, error.message, remedy) from error


def _find_image(result: Result) -> Volume | None:
    """The scan as the result keeps it, or the one whose content the report knows."""
    place, source = result.found.place, result.found.wanted.source
    for kind in _SCANS:
        if kind in place.files and place.path(kind).is_file():
            return read_scan(place.path(kind)).volume
    try:
        scan = _read_as_segmented(source, result) if source.exists() else None
    except SpineKitError:
        return None
    known = result.report.input_sha256
    return scan.volume if scan is not None and scan.source["sha256"] == known else None
