"""The output tree of TotalSpineSeg, so that a script written for it finds its files.

It knows folders, names and the tool's classes; how a spine is found is not its business. Its two
networks are not here: what they would have put out is computed from the labels.
"""

import io
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from spinekit.anatomy import totalspineseg as classes
from spinekit.anatomy.scheme import kind_of_value, name_in_context
from spinekit.core.errors import UsageError
from spinekit.core.geometry import isotropic_grid
from spinekit.core.grid import Grid
from spinekit.core.resampling import resample_linear
from spinekit.core.volume import Volume
from spinekit.io.discovery import ScanSource
from spinekit.io.staging import staged
from spinekit.io.writing import write_bytes, write_image, write_json, write_labels
from spinekit.labelling.localizer import read_localizer
from spinekit.labelling.places import values_at
from spinekit.layouts.listed import find_kinds
from spinekit.layouts.wanted import Place, Wanted
from spinekit.levels import draw_levels
from spinekit.preview.layers import Sheet, make_sheet, spread_points
from spinekit.segmentation import Segmentation, Settle, View, leave_earlier
from spinekit.structures import convert_labels

OPTIONS: Mapping[str, Any] = {"levels": True, "soft": True, "scheme": "spinekit"}
"""Options of the segmentation that this layout fixes; it converts the values itself."""
STEP1 = ("step1_raw", "step1_output", "step1_canal", "step1_cord", "step1_levels")
STEP2 = ("step2_raw", "step2_output")
_NAMED = "step2_output"
"""The folder whose label maps bear all names."""
PREVIEWS1 = ("input", "step1_raw", "step1_output", "step1_output_tags", "step1_levels_tags")
PREVIEWS_LOC = ("loc", "loc_tags")
PREVIEWS2 = ("step2_input", "step2_raw", "step2_output", "step2_output_tags")
REPORTS = ".spinekit"
"""Folder of the reports; hidden, for the tool has none."""
JPEG_QUALITY = 92


def check(wanted: Wanted) -> None:
    """Refuse choices that the tool does not have.

    Raises:
        UsageError: Another format or scheme, a folder to keep that there is not, or none left.
    """
    if wanted.fmt != "nii.gz":
        raise UsageError(
            "layout-option", "layout 'totalspineseg' is always nii.gz", "leave --format out"
        )
    if wanted.scheme not in ("spinekit", "totalspineseg"):
        raise UsageError(
            "layout-option",
            "layout 'totalspineseg' always has that tool's values",
            "leave --scheme out",
        )
    folders = _folders(wanted.step1)
    for name in wanted.keep:
        if name not in folders:
            raise UsageError(
                "unknown-folder",
                f"--keep-only: there is no folder {name!r}",
                f"choose of {', '.join(folders)}",
            )


def select(found: Sequence[ScanSource]) -> list[ScanSource]:
    """The scans to do, of those found: all."""
    return list(found)


def plan(wanted: Wanted) -> Place:
    """Where the files of a scan go: in one folder per kind, whatever folder the scan lay in."""
    name = wanted.stem
    kept = wanted.keep or _folders(wanted.step1)
    files = {"input": f"input/{name}_0000.nii.gz"}
    files |= {folder: f"{folder}/{name}.nii.gz" for folder in (*STEP1, *STEP2)}
    previews = [*PREVIEWS1, *(() if wanted.step1 else PREVIEWS2)]
    previews += PREVIEWS_LOC if wanted.localizer is not None else ()
    files |= {f"preview_{kind}": f"preview/{name}_{kind}.jpg" for kind in previews}
    files = {kind: path for kind, path in files.items() if path.partition("/")[0] in kept}
    files["json"] = f"{REPORTS}/{name}.json"
    looked_at = (
        *("preview_step2_output_tags", "preview_step1_output_tags"),
        *("step2_output", "step1_output", *STEP2, *STEP1),
    )
    shown = next((kind for kind in looked_at if kind in files), "json")
    return Place(wanted.out, files, shown, _NAMED, f"{REPORTS}/{name}_undo.zip")


def reach(wanted: Wanted) -> list[Place]:
    """Where the files of a scan may lie, whatever else a run was asked for."""
    return [plan(replace(wanted, keep=(), step1=False, localizer=wanted.source))]


def recall(labels: Path) -> Wanted | None:
    """What the run was asked for that wrote a file of this tree; None for any other place.

    Raises:
        UsageError: It is not the label map that bears all names, or was not written here.
    """
    path = Path(os.path.abspath(labels))
    out, folder = path.parent.parent, path.parent.name
    stem = labels.name.removesuffix(".nii.gz")
    if folder not in ("input", *STEP1, *STEP2) or not (out / REPORTS / f"{stem}.json").is_file():
        return None
    if folder != _NAMED:
        raise UsageError(
            "not-a-result",
            f"{folder}/{labels.name}: does not bear all names",
            f"give {_NAMED}/{labels.name}; segment the scan again if that was not kept",
        )
    source = out / "input" / f"{stem}_0000.nii.gz"
    whole = Wanted(source=source, stem=stem, out=out, levels=True, soft=True)
    place = plan(whole)
    kept = {place.files[kind].partition("/")[0] for kind in find_kinds(place)}
    if _NAMED not in kept:
        raise UsageError(
            "not-a-result",
            f"{folder}/{labels.name}: not written by this program",
            f"segment the scan again with {_NAMED} among the folders to keep",
        )
    return replace(whole, keep=tuple(name for name in _folders(step1=False) if name in kept))


def write(result: Segmentation, wanted: Wanted, settle: Settle = leave_earlier) -> None:
    """Write a result; all of its files appear, or none.

    The report is in the tool's values.

    Args:
        result: In this package's values, with levels and soft maps, and the scan at hand.
        wanted: What of it.
        settle: What becomes of an earlier result's files; by default they stay.

    Raises:
        OutputError: A file cannot be written or removed.
    """
    place = plan(wanted)
    _, structures, lost = convert_labels(result.labels, result.structures, "totalspineseg")
    header = result.header if result.header is not None else result.grid
    maps = _label_maps(result.labels)
    known = [point for point in result.levels or () if point.number in classes.LEVELS_KNOWN]
    maps["step1_levels"] = draw_levels(known, result.grid.shape)
    maps = {kind: array for kind, array in maps.items() if kind in place.files}
    report = {
        **result.report_with(maps),
        "structures": [asdict(row) for row in structures],
        "warnings": [*result.report["warnings"], *map(asdict, lost)],
    }
    soft = {f"step1_{name}": array for name, array in (result.soft or {}).items()}
    report, gone = settle(report)
    with staged(place.root, last=place.files["json"], gone=gone) as stage:
        for kind, path in place.files.items():
            if kind in maps:
                write_labels(stage / path, maps[kind], header)
            elif kind in soft:
                write_image(stage / path, soft[kind], header)
            elif kind == "input" and result.scan is not None:
                image = _isotropic(result)
                write_image(stage / path, image.array, image.grid)
        for kind, picture in _pictures(result, wanted, place):
            write_bytes(stage / place.files[kind], _jpeg(picture))
        write_json(stage / place.files["json"], report)


def _folders(step1: bool) -> tuple[str, ...]:
    return ("input", "preview", *STEP1, *(() if step1 else STEP2))


def _label_maps(labels: NDArray[np.uint8]) -> dict[str, NDArray[np.uint8]]:
    """Folder → label map of each step, from our values."""
    return {
        "step1_raw": classes.step1_classes()[labels],
        "step1_output": classes.step1_labels()[labels],
        "step2_input": classes.alternate_discs(np.unique(labels).tolist())[labels],
        "step2_raw": classes.step2_classes()[labels],
        "step2_output": classes.step2_labels()[labels],
    }


def _isotropic(result: Segmentation) -> Volume:
    """The scan as the tool's networks see it: 1 mm, axes to R, A, S."""
    if result.image is not None:
        return result.image
    scan = result.scan
    assert scan is not None
    grid = isotropic_grid(scan.grid)
    return Volume(resample_linear(scan.array, scan.grid, grid, antialias=True), grid)


def _pictures(result: Segmentation, wanted: Wanted, place: Place) -> list[tuple[str, Image.Image]]:
    """Kind of file → picture, for every preview that is wanted; without the scan, none of it."""
    kinds = [kind for kind in place.files if kind.startswith("preview_")]
    if result.scan is None and result.image is None:
        kinds = [kind for kind in kinds if kind != "preview_input"]
    if not kinds:
        return []
    view = result.view
    sheet = make_sheet(view.image, view.parts, view.grid.spacing_mm)
    maps = _label_maps(view.labels)
    if wanted.localizer is not None:
        maps["loc"] = look_through(read_localizer(wanted.localizer).labels, view.grid)
    return [(kind, _picture(kind, sheet, maps, result, view)) for kind in kinds]


def look_through(source: Volume, grid: Grid) -> NDArray[np.uint8]:
    """What a label map shows on another grid, 0 outside of it.

    Layer by layer: the places of all voxels at once would need a hundred times their memory.
    """
    seen = np.empty(grid.shape, np.uint8)
    voxels = np.indices((1, *grid.shape[1:])).reshape(3, -1).T
    for i, layer in enumerate(seen):
        layer[:] = values_at(source, grid.ijk_to_ras(voxels + np.array([i, 0, 0]))).reshape(
            layer.shape
        )
    return seen


def _picture(
    kind: str,
    sheet: Sheet,
    maps: Mapping[str, NDArray[np.uint8]],
    result: Segmentation,
    view: View,
) -> Image.Image:
    layer = kind.removeprefix("preview_").removesuffix("_tags")
    if layer == "input":
        return sheet.draw()
    if layer == "step1_levels":
        known = [point for point in result.levels or () if point.number in classes.LEVELS_KNOWN]
        places = view.grid.ras_to_ijk([point.ras_mm for point in known])
        numbers = [point.number or 0 for point in known]
        dots = spread_points(
            list(zip(numbers, places, strict=True)), view.grid.shape, view.grid.spacing_mm
        )
        return sheet.draw(dots, {number: str(number) for number in numbers})
    names = None
    if kind.endswith("_tags"):
        wanted = ("disc",) if layer == "step1_output" else ("disc", "vertebra", "sacrum")
        present = [int(value) for value in np.unique(maps[layer]) if value]
        names = {v: name_in_context(v, present) for v in present if kind_of_value(v) in wanted}
    return sheet.draw(maps[layer], names)


def _jpeg(picture: Image.Image) -> bytes:
    content = io.BytesIO()
    picture.save(content, format="JPEG", quality=JPEG_QUALITY)
    return content.getvalue()
