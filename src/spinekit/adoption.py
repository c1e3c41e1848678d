"""A mask made elsewhere, split and named: bone in one piece, parts, or vertebrae with any numbers.

It joins the steps that need no network; where there is an image, one may look at the levels.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from spinekit.anatomy.parts import BODY, DISC, POSTERIOR
from spinekit.anatomy.scheme import LEVELS, Lost
from spinekit.bones import Adopted, Box, describe_bones, name_given, name_parts
from spinekit.core.errors import InputError, Notice, UsageError
from spinekit.core.geometry import (
    normalise_labels,
)
from spinekit.core.grid import Grid
from spinekit.core.intensity import normalise_intensity
from spinekit.core.resampling import resample_linear
from spinekit.core.volume import Volume
from spinekit.doubts import doubt_image, is_label_map
from spinekit.io.discovery import ending_of
from spinekit.io.nrrd import read_segments
from spinekit.io.reading import Scan, hash_scan, read_label_file, read_scan
from spinekit.labelling.earlier import digest_beside, names_in, rely_on, rows_beside
from spinekit.labelling.numbers import (
    Given,
    Meaning,
    leave_out_negative,
    read_given,
    read_parts,
    tell_left_out,
)
from spinekit.labelling.omissions import tell_off_column
from spinekit.labelling.outside import Outside
from spinekit.prediction.predictor import Predictor
from spinekit.report import build_report
from spinekit.segmentation import Segmentation, View
from spinekit.sight import Sight, look_at, normalise_like
from spinekit.structures import tabulate

LEAST_INSIDE = 0.9
"""Share of the marked voxels that must lie in the scan a mask is said to be drawn on."""
MOST_WIDE = 2**27
"""Voxels of the scan's extent on the mask's grid, beyond which the mask's own is kept."""
MARKED_STEP = 7
"""Of the marked voxels, every so many are looked up there."""

NO_MODEL: Mapping[str, Any] = {"name": None, "sha256": None, "recipe": None, "scores": {}}
"""What a report says of the model where none was used."""


@dataclass(frozen=True)
class MaskOptions:
    """How a mask is to be read and named."""

    meaning: Meaning | None = None
    """What its values mean; None takes a single value for bone."""
    scheme: str | None = None
    """The label scheme its values are of, instead of a meaning."""
    image: str | None = None
    """Path of the scan it was drawn on, for evidence and the picture."""
    rules_only: bool = False
    """Keep the network out although there is an image."""

    def __post_init__(self) -> None:
        """Refuse what says nothing, or two things.

        Raises:
            UsageError: There is no such meaning, or a scheme is given too.
        """
        known = get_args(Meaning)
        if self.meaning is not None and self.meaning not in known:
            raise UsageError(
                "mask-meaning",
                f"no meaning of a mask is called {self.meaning!r}",
                f"choose one of {', '.join(known)}",
            )
        if self.meaning is not None and self.scheme is not None:
            raise UsageError(
                "mask-meaning",
                "--as and --from (meaning and scheme) say two things of one mask",
                "give one of them",
            )

    def recorded(self, mask: Path) -> dict[str, Any]:
        """What the report keeps of naming a mask: all that can change the result, and no path.

        Raises:
            InputError: The scan is not there, or the report beside the mask is damaged.
        """
        image = None if self.image is None else hash_scan(self.image)
        has_names = self.scheme is not None or self.meaning == "instances"
        return {
            "meaning": self.meaning,
            "from": self.scheme,
            "image": image,
            "report": digest_beside(mask) if has_names else None,
            "rules_only": self.rules_only,
            "scheme": "spinekit",
        }


def adopt_mask(
    path: str | Path, options: MaskOptions | None = None, *, predictor: Predictor | None = None
) -> Segmentation:
    """Split and name a mask.

    Without an image only sizes, distances, a sacrum and the numbers of a known scheme speak for
    levels, so the names of a stretch without landmark are unsure and marked ambiguous; order and
    splitting are not. With one, so does what the network sees there.

    Args:
        path: Label map. `bone` takes every voxel for vertebral body, `parts` reads 1 to 6 as this
            package's parts, `instances` takes every value for one vertebra. A scheme's values are
            what they are there; the names they give are evidence. Negative values are left out,
            with a warning. What a segmentation of 3D Slicer calls its segments counts more
            than their values do.
        options: How it is to be read and named.
        predictor: What sees levels in the image; None for nothing.

    Returns:
        The result on the mask's grid; voxels that belong to no vertebra or disc are left out.

    Raises:
        InputError: The mask cannot be read, is empty, or holds no value with a meaning.
        UsageError: It holds several values and no meaning was given, or the scheme is unknown.
    """
    path, options = Path(path), options or MaskOptions()
    read, header = read_label_file(path)
    array, negative = leave_out_negative(path.name, read.array)
    mask = Volume(array, read.grid)
    scan = None if options.image is None else _read_scan_of(options.image, mask)
    shown, within, cut = (mask, ..., []) if scan is None else _widen(mask, scan.volume.grid)
    looking = None if options.rules_only else predictor
    image, sight, doubts = _look_at(scan, shown.grid, looking)
    # What no network looks at lends nothing but the picture, so that names are those without it.
    wide, own = (mask, ...) if sight is None else (shown, within)
    adopted, told, lost, is_marked = _name(path, wide, options, sight, own)
    source = read_scan(path)
    labels, parts = adopted.labels[own], adopted.kept[own]
    structures = tabulate(labels, mask.grid, adopted.named)
    report = build_report(
        source=source.source,
        card=NO_MODEL if sight is None or predictor is None else predictor.card,
        options=options.recorded(path),
        seconds={},
        structures=structures,
        naming=adopted.naming,
        notices=[
            *source.notices,
            *doubts,
            *(() if sight is None else cut),
            *tell_left_out((*negative, *lost), options.scheme),
            *told.notices,
            *tell_off_column(is_marked, adopted.labels, mask.grid.voxel_mm3),
            *_tell_empty(adopted),
        ],
        evidence=describe_bones(adopted, told.likelihood),
        outside=told.readings,
    )
    return Segmentation(
        labels=labels,
        parts=parts,
        grid=mask.grid,
        structures=structures,
        report=report,
        stem=source.stem,
        header=header,
        image=None,
        view=_view(labels, parts, within, _binary(mask) if image is None else image, sight),
    )


def _name(
    path: Path, mask: Volume, options: MaskOptions, sight: Sight | None, own: Box
) -> tuple[Adopted, Outside, tuple[Lost, ...], NDArray[np.bool_]]:
    """The bones of a mask with their names, and what else the mask says.

    Args:
        path: Its file.
        mask: What it marks.
        options: How it is to be read.
        sight: What a network sees in the scan, where one looks.
        own: What of the grid was the mask's before it was widened.

    Returns:
        The named structures, what else is known of their names, its values without a meaning,
        and (I, J, K) where it marks bones and discs.
    """
    if options.scheme is not None or options.meaning == "instances":
        given = _read_named(path, mask, options.scheme)
        adopted, told = name_given(given, mask.grid, sight=sight, own=own)
        return adopted, told, given.lost, given.numbers > 0
    parts = read_parts(path.name, mask.array, options.meaning)
    adopted, told = name_parts(parts, mask.grid, sight=sight, own=own)
    return adopted, told, (), np.isin(parts, (BODY, POSTERIOR, DISC))


def _read_named(path: Path, mask: Volume, scheme: str | None) -> Given:
    """What a mask says; the names of an earlier result are believed as its report beside says.

    Values or names that are not in that report were given since, and then it says nothing of any.
    """
    segments = read_segments(path) if ending_of(path) == ".nrrd" else None
    given = read_given(path.name, mask.array, scheme, segments)
    rows = rows_beside(path)
    told = {(given.values[n], name) for n, name in given.names.items() if name in LEVELS}
    if not told <= {(row["value"], row["name"]) for row in rows}:
        return given
    sure = names_in(rows)
    reliability = rely_on(sure, given.reliability)
    return dataclasses.replace(given, reliability=reliability, sure=sure)


def _tell_empty(adopted: Adopted) -> list[Notice]:
    """A warning of a mask in which no bone was found."""
    if adopted.instances.items:
        return []
    rest = "" if adopted.labels.any() else "; the labels are empty"
    return [Notice("no-spine", f"no vertebra and no disc was found{rest}")]


def _binary(mask: Volume) -> Volume:
    """What to draw a mask on that has no scan: itself."""
    return Volume((mask.array != 0).astype(np.float32), mask.grid)


def _view(
    labels: NDArray[np.uint8],
    parts: NDArray[np.uint8],
    own: Box,
    drawn: Volume,
    sight: Sight | None,
) -> View:
    """What the picture is drawn from.

    Args:
        labels: Values on the mask's grid.
        parts: Parts there.
        own: What the mask covers of what is drawn.
        drawn: The scan, on a grid that goes on from the mask's; the mask itself without one.
        sight: What a network sees there.
    """
    working, record = normalise_like(drawn, sight)
    laid = np.zeros((2, *drawn.grid.shape), np.uint8)
    for around, inner in zip(laid, (labels, parts), strict=True):
        around[own] = inner
    shown, structures = (normalise_labels(around, record) for around in laid)
    return View(normalise_intensity(working.array), shown, structures, working.grid)


def _look_at(
    scan: Scan | None, grid: Grid, predictor: Predictor | None
) -> tuple[Volume | None, Sight | None, list[Notice]]:
    """The scan of a mask on a grid, what the network sees there, and what to doubt.

    Of what is no MRI the network says nothing.
    """
    if scan is None:
        return None, None, []
    found = scan.volume
    image = Volume(resample_linear(found.array, found.grid, grid, antialias=True), grid)
    file = scan.source["file"]
    told = [notice for notice in scan.notices if notice.code != "not-mri"]
    doubts = [Notice(notice.code, f"{file}: {notice.text}") for notice in told]
    if predictor is None:
        return image, None, doubts
    if len(told) < len(scan.notices) or doubt_image(scan.volume.array):
        text = f"{file}: no MRI by its header or its intensities, not looked at for levels"
        return image, None, [*doubts, Notice("not-mri", text)]
    return image, look_at(image, predictor, file=file), doubts


def _widen(mask: Volume, grid: Grid) -> tuple[Volume, tuple[slice, ...], list[Notice]]:
    """A mask on a grid that goes on as far as the scan, where the mask lies in it, and a warning.

    What a mask was cut off to hides neither sacrum nor neck from the network. One that marks every
    voxel is none, and stays as it is; so does one of so fine a grid that the scan's whole extent
    would not fit into memory, which is told.
    """
    corners = np.indices((2, 2, 2)).reshape(3, -1).T * (np.array(grid.shape) - 1)
    reached = mask.grid.ras_to_ijk(grid.ijk_to_ras(corners))
    size = np.array(mask.grid.shape)
    before = np.ceil(np.maximum(-reached.min(axis=0) - 0.5, 0.0)).astype(int)
    behind = np.ceil(np.maximum(reached.max(axis=0) - size + 0.5, 0.0)).astype(int)
    told = []
    if np.prod(size + before + behind, dtype=float) > MOST_WIDE:
        text = "the network looks at what the mask's file covers alone; its voxels are too fine"
        told = [Notice("image-cut", text)]
    if mask.array.all() or told:
        before, behind = np.zeros((2, 3), dtype=int)
    affine = mask.grid.affine.copy()
    affine[:3, 3] = mask.grid.ijk_to_ras([-before])[0]
    i, j, k = (int(n) for n in size + before + behind)
    array = np.pad(mask.array, np.stack([before, behind], axis=1))
    own = tuple(slice(int(at), int(at + n)) for at, n in zip(before, size, strict=True))
    return Volume(array, Grid((i, j, k), affine)), own, told


def _read_scan_of(path: str, mask: Volume) -> Scan:
    """The scan that a mask was drawn on.

    Raises:
        InputError: It is not there, cannot be read, is a mask itself, or lies elsewhere.
        UsageError: It is a DICOM folder of several series.
    """
    if not Path(path).exists():
        raise InputError(
            "file-missing",
            f"{path}: no such scan for this mask",
            "check --image; a mask's name begins with its scan's",
        )
    try:
        scan = read_scan(path)
    except UsageError as error:
        remedy = "give a folder that holds the series of the mask alone"
        raise UsageError(error.code, error.message, remedy) from error
    if is_label_map(scan.volume.array):
        raise InputError(
            "scan-is-mask",
            f"{path}: holds a few whole numbers, so it is a mask itself and no scan",
            "give the scan with --image FILE, or a folder that holds scans alone",
        )
    refuse_elsewhere(path, scan.volume.grid, mask, is_a="mask")
    return scan


def refuse_elsewhere(path: str | Path, grid: Grid, labels: Volume, *, is_a: str) -> None:
    """Refuse a scan that lies elsewhere than what is labelled.

    Args:
        path: The scan, for the message.
        grid: Its grid.
        labels: What is said to be drawn on it; anything fits where nothing is labelled.
        is_a: What the labels are called in the message.

    Raises:
        InputError: It shows hardly anything of them.
    """
    marked = labels.grid.ijk_to_ras(np.argwhere(labels.array)[::MARKED_STEP])
    at = grid.ras_to_ijk(marked)
    inside = np.all((at > -1) & (at < grid.shape), axis=1)
    share = float(np.mean(inside)) if len(marked) else 1.0
    if share < LEAST_INSIDE:
        raise InputError(
            "scan-elsewhere",
            f"{path}: holds {share:.0%} of what is marked, so the {is_a} is of another scan",
            "give the scan it was drawn on, or leave --image out",
        )
