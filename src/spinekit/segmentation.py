"""The result of segmenting one scan: named labels, parts, a table of structures, a report.

It knows how to save and to draw itself, but not how it was made: no network, no naming.
"""

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spinekit.anatomy.scheme import COLOURS, PARTS, VALUES
from spinekit.core.errors import OutputError, UsageError
from spinekit.core.grid import Grid
from spinekit.core.volume import Volume
from spinekit.io.locks import alone
from spinekit.io.reading import HeaderInfo
from spinekit.io.reports import StoredReport
from spinekit.io.staging import remove_abandoned, staged
from spinekit.io.voxels import hash_voxels
from spinekit.io.writing import write_bytes, write_image, write_json, write_labels, write_seg_nrrd
from spinekit.levels import LevelPoint, describe_levels, draw_levels
from spinekit.structures import Segment, Structure, name_segments

if TYPE_CHECKING:
    from PIL.Image import Image

FORMATS = ("nii.gz", "nii", "mha", "nrrd", "seg.nrrd")
"""Endings a volume can be written with."""

Settle = Callable[[dict[str, Any]], tuple[dict[str, Any], Collection[str]]]
"""Takes a report with the hashes of what is written; gives it with its `files`, and what then goes.

What goes are paths inside the folder, of files that an earlier result has there.
"""


def leave_earlier(report: dict[str, Any]) -> tuple[dict[str, Any], Collection[str]]:
    """Settle that nothing of an earlier result goes, and that the report is as it should be."""
    return report, ()


def settle_over(
    before: StoredReport | None,
    folder: Path,
    files: Mapping[str, str],
    reach: Mapping[str, str],
    undo: str,
    *,
    beside: bool,
) -> Settle:
    """Settle that no file of an earlier result stays that would contradict the new one.

    Args:
        before: The earlier report; None without one, and nothing goes.
        folder: The folder under which both lie.
        files: Path below it → kind, of the new files.
        reach: The same of every file that a result of the scan may have.
        undo: Path below it of the archive that an earlier change of names left; it goes.
        beside: Leave the other files that the earlier report lists, such as the same in another
            format; not labels that say something else.
    """
    earlier = set() if before is None else before.files & (reach.keys() - files.keys())
    hashes = before.voxels_sha256 if before is not None and beside else {}

    def settle(report: dict[str, Any]) -> tuple[dict[str, Any], set[str]]:
        # What is known of files that stay beside the new ones goes into the new report.
        written = {**hashes, **report["voxels_sha256"]}
        stale = {kind for kind, digest in hashes.items() if written[kind] != digest}
        there = {name for name in earlier if (folder / name).exists()} if beside else set()
        kept = {name for name in there if reach[name] not in stale}
        gone = set() if before is None else {*earlier, undo} - kept
        return {**report, "voxels_sha256": written, "files": sorted({*files} | kept)}, gone

    return settle


@dataclass(frozen=True, slots=True)
class View:
    """What a preview is drawn from: everything on the working grid (i→R, j→A, k→S).

    Attributes:
        image: (I, J, K) float32, 0 to 1.
        labels: (I, J, K) uint8, values of `anatomy.scheme`.
        parts: (I, J, K) uint8, 0 to 6.
        grid: Where they lie.
    """

    image: NDArray[np.float32]
    labels: NDArray[np.uint8]
    parts: NDArray[np.uint8]
    grid: Grid


@dataclass(frozen=True)
class Segmentation:
    """A segmented scan.

    Attributes:
        labels: (I, J, K) uint8 on `grid`: one value for each named structure.
        parts: (I, J, K) uint8 on `grid`: body, posterior elements, disc, canal, cord, sacrum.
        grid: The input's grid, or the 1 mm isotropic one that was asked for.
        structures: The table, from the head down, canal and cord at the end.
        report: The sidecar's content, without the time that writing takes.
        stem: What the files are called.
        header: What the input's header asks to be kept; None for a fresh grid.
        image: The resampled scan, when a fresh grid was asked for.
        view: What the preview is drawn from.
        levels: One point per disc, from the top; None when they were not asked for.
        soft: `cord` and `canal` (with the cord) → (I, J, K) float32 probability on `grid`; None
            when they were not asked for.
        scan: What was segmented, where its voxels are at hand.
    """

    labels: NDArray[np.uint8]
    parts: NDArray[np.uint8]
    grid: Grid
    structures: tuple[Structure, ...]
    report: Mapping[str, Any]
    stem: str
    header: HeaderInfo | None
    image: Volume | None
    view: View
    levels: tuple[LevelPoint, ...] | None = None
    soft: Mapping[str, NDArray[np.float32]] | None = None
    scan: Volume | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the structures, in the table's order."""
        return tuple(structure.name for structure in self.structures)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What there is to doubt, one sentence each; empty when nothing is."""
        return tuple(warning["text"] for warning in self.report["warnings"])

    def preview(self) -> "Image":
        """Draw the scan along the curve of its spine with outlines and names.

        Returns:
            An RGB picture; without a spine, the middle slice alone.
        """
        from spinekit.preview import render_preview

        return render_preview(
            self.view.image,
            self.view.labels,
            self.view.parts,
            self.view.grid.spacing_mm,
            [{**asdict(row), "value": VALUES[row.name]} for row in self.structures],
            title=self.stem,
        )

    def save(
        self,
        folder: str | Path,
        *,
        fmt: str = "nii.gz",
        stem: str | None = None,
        overwrite: bool = False,
    ) -> dict[str, Path]:
        """Write labels, parts, report and preview; all of them appear, or none.

        Args:
            folder: Made when missing. Files of the same scan, options and model in it are replaced;
                the same result in another format stays, and the report lists both.
            fmt: Ending of the volumes, one of `FORMATS`.
            stem: First part of the names; that of the input by default.
            overwrite: Replace whatever is there; all of an earlier result goes.

        Returns:
            Kind of file (`dseg`, `parts`, `json`, `preview`, with a fresh grid `image`, where asked
            for `levels`, `levels_json`, `cord_soft`, `canal_soft`) → path.

        Raises:
            OutputError: The folder or a file cannot be written, there is no such format, or the
                names are none or would lead out of the folder.
            UsageError: Without `overwrite`, what is there is of another scan, was made with other
                options or by another program, or was changed by hand.
        """
        if fmt not in FORMATS:
            raise OutputError(
                "unknown-format", f"no volume is written as {fmt!r}", f"use {', '.join(FORMATS)}"
            )
        _check_place(folder, stem)
        folder, stem = Path(folder), stem or self.stem
        reach = [output_names(stem, other, image=True, levels=True, soft=True) for other in FORMATS]
        kinds = {name: kind for names in reach for kind, name in names.items()}
        files = {name: kind for kind, name in self._name_files(fmt, stem).items()}
        path = folder / f"{stem}_dseg.json"
        with alone(path):
            remove_abandoned(folder)
            if not overwrite:
                self._check_earlier(folder, files, reach)
            before, undo = StoredReport.find(path), undo_name(stem)
            settle = settle_over(before, folder, files, kinds, undo, beside=not overwrite)
            return self.write(folder, fmt, stem, settle)

    def _check_earlier(
        self, folder: Path, files: Collection[str], reach: Sequence[Mapping[str, str]]
    ) -> None:
        """Refuse to replace what is not this result: another scan's, or a person's work.

        Args:
            folder: Where to.
            files: Paths below it of the files that would be written.
            reach: For each format, kind → path below it of every file that a result may have.

        Raises:
            UsageError: It would be replaced.
        """
        before = StoredReport.find(folder / reach[0]["json"])
        if before is not None:
            obstacle = before.find_obstacle(folder, self.report, reach)
        else:
            there = [folder / name for name in files if (folder / name).exists()]
            text = f"{there[0]} is there, but no report of this program" if there else ""
            obstacle = ("results-exist", text) if there else None
        if obstacle is not None:
            raise UsageError(*obstacle, "say overwrite=True, or choose another folder or stem")

    def _name_files(self, fmt: str, stem: str) -> dict[str, str]:
        """Kind of file → name, of those that this result has."""
        return output_names(
            stem,
            fmt,
            image=self.image is not None,
            levels=self.levels is not None,
            soft=self.soft is not None,
        )

    def write(
        self, folder: Path, fmt: str, stem: str, settle: Settle = leave_earlier
    ) -> dict[str, Path]:
        """As `save`, where what becomes of an earlier result's files may be said.

        Args:
            folder: As there.
            fmt: As there.
            stem: First part of the names.
            settle: What the report lists, by default what is written, and what goes.

        Returns:
            As there.

        Raises:
            OutputError: The folder or a file cannot be written or removed.
        """
        import io
        import time

        started = time.perf_counter()
        files = self._name_files(fmt, stem)
        label_maps = {"dseg": self.labels, "parts": self.parts}
        if self.levels is not None:
            label_maps["levels"] = draw_levels(self.levels, self.grid.shape)
        report, gone = settle(self.report_with(label_maps))
        listed = report.get("files") or sorted(files.values())
        with staged(folder, last=files["json"], gone=gone) as stage:
            self._write_volumes(stage, files, fmt, label_maps)
            if self.levels is not None:
                write_json(stage / files["levels_json"], describe_levels(self.levels))
            png = io.BytesIO()
            self.preview().save(png, format="PNG", compress_level=3)
            write_bytes(stage / files["preview"], png.getvalue())
            seconds = {**report["seconds"], "write": round(time.perf_counter() - started, 3)}
            write_json(stage / files["json"], {**report, "seconds": seconds, "files": listed})
        return {kind: folder / name for kind, name in files.items()}

    def report_with(self, maps: Mapping[str, NDArray[np.uint8]]) -> dict[str, Any]:
        """The report with the hashes of label maps as they are written.

        Args:
            maps: Kind of label map → (I, J, K) its values; what is known of others stays.
        """
        hashes = {kind: hash_voxels(array) for kind, array in maps.items()}
        return {**self.report, "voxels_sha256": {**self.report.get("voxels_sha256", {}), **hashes}}

    def _write_volumes(
        self,
        stage: Path,
        files: Mapping[str, str],
        fmt: str,
        label_maps: Mapping[str, NDArray[np.uint8]],
    ) -> None:
        """Write images and label maps, which are given as kind → values."""
        header = self.header if self.header is not None else self.grid
        if self.image is not None:
            write_image(stage / files["image"], self.image.array, header, fmt=_plain(fmt))
        for name, soft in (self.soft or {}).items():
            write_image(stage / files[f"{name}_soft"], soft, header, fmt=_plain(fmt))
        segments = {
            "dseg": label_segments(self.structures),
            "parts": part_segments(),
            "levels": level_segments(self.levels or ()),
        }
        for kind, array in label_maps.items():
            if fmt == "seg.nrrd":
                write_seg_nrrd(stage / files[kind], array, self.grid, segments[kind])
            else:
                write_labels(stage / files[kind], array, header, fmt=fmt)


def _check_place(folder: Any, stem: Any) -> None:
    """Refuse what can be no folder, or no name within it.

    Raises:
        OutputError: It is not a text or path, empty, or leads elsewhere.
    """
    for given in (folder,) if stem is None else (folder, stem):
        if not isinstance(given, str | os.PathLike) or given == "" or "\0" in str(given):
            raise OutputError("no-name", f"{given!r} names no file or folder", "give its name")
    if stem is not None and (Path(stem).is_absolute() or ".." in Path(stem).parts):
        raise OutputError("stem-outside", f"{stem!r} leads out of {folder}", "give a mere name")


_PART_COLOURS = (
    (241, 214, 145),
    (216, 160, 92),
    (111, 184, 210),
    (144, 238, 144),
    (244, 214, 49),
    (176, 122, 74),
)
"""RGB of parts 1 to 6 in files that carry colours."""


def output_names(
    stem: str, fmt: str, *, image: bool, levels: bool = False, soft: bool = False
) -> dict[str, str]:
    """Name the files of one scan: kind of file → file name.

    Args:
        stem: First part of the names.
        fmt: Ending of the volumes.
        image: Whether the resampled image is written too.
        levels: Whether the points of the discs are.
        soft: Whether the soft maps of cord and canal are.
    """
    names = {
        "dseg": f"{stem}_dseg.{fmt}",
        "parts": f"{stem}_parts.{fmt}",
        "json": f"{stem}_dseg.json",
        "preview": f"{stem}_preview.png",
    }
    if image:
        names["image"] = f"{stem}_image.{_plain(fmt)}"
    if levels:
        names["levels"] = f"{stem}_levels.{fmt}"
        names["levels_json"] = f"{stem}_levels.json"
    if soft:
        names["cord_soft"] = f"{stem}_cord_soft.{_plain(fmt)}"
        names["canal_soft"] = f"{stem}_canal_soft.{_plain(fmt)}"
    return names


def undo_name(stem: str) -> str:
    """Name the archive that a change of names leaves beside the files of one scan."""
    return f"{stem}_undo.zip"


def _plain(fmt: str) -> str:
    """An image is no segmentation: `.seg.nrrd` becomes `.nrrd`."""
    return "nrrd" if fmt == "seg.nrrd" else fmt


def label_segments(structures: Sequence[Structure]) -> list[Segment]:
    """What the values of a label map stand for."""
    return name_segments((row.value, row.name) for row in structures if row.value is not None)


def level_segments(points: Sequence[LevelPoint]) -> list[Segment]:
    """What the values of a map of points stand for."""
    colours = list(COLOURS.values())
    return [
        (point.number, point.name, colours[point.number % len(colours)])
        for point in points
        if point.number is not None
    ]


def part_segments() -> list[Segment]:
    """What the values of a parts map stand for."""
    return [(n, PARTS[n], colour) for n, colour in enumerate(_PART_COLOURS, start=1)]
