"""One case examined: its findings, its measures for comparison, and a picture.

It joins reading, census, axes and checks for one case. What it returns is small, so that a set of
any size can be examined case by case.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from spinekit.core.errors import ModelError, describe
from spinekit.core.geometry import oriented_volume
from spinekit.core.grid import Grid
from spinekit.core.intensity import normalise_intensity
from spinekit.core.parallel import LOST
from spinekit.curation.doctor.axes import AxisReading, read_axes
from spinekit.curation.doctor.census import Census, take_census
from spinekit.curation.doctor.checks.registry import CHECKS
from spinekit.curation.doctor.column import Column, trace_column
from spinekit.curation.doctor.evidence import Evidence
from spinekit.curation.doctor.findings import Finding
from spinekit.curation.doctor.image_axes import ask_image
from spinekit.curation.doctor.picture import draw_case
from spinekit.curation.doctor.specimen import (
    Specimen,
    digest_in_order,
    digest_voxels,
    file_digest,
    open_specimen,
)
from spinekit.datasets.case import Case
from spinekit.io.reading import Scan

FAILED = "examination-failed"
"""Code of the finding of a case whose examination came to nothing."""
SIGNATURE = (6, 12, 12)
"""Blocks along R, A and S whose mean brightness tells a scan from others."""


@dataclass(frozen=True)
class ExamineOptions:
    """How cases are examined."""

    image_axes: bool = True
    """Ask the model where front and up are, when the masks do not tell."""
    pictures: bool = True
    """Draw a picture of every case with findings."""


@dataclass(frozen=True)
class ImageFacts:
    """Measures of an image."""

    shape: tuple[int, ...]
    spacing_mm: tuple[float, ...]
    """Along R, A, S as the header states them, so that they compare whatever the storage."""
    size_mm: tuple[float, ...]
    """Along R, A, S."""
    orientation: str
    levels: tuple[float, float, float]
    """1st, 50th and 99th percentile of brightness."""
    digest: str
    """Of the voxels in any order."""
    file_digest: str | None
    signature: NDArray[np.float32] = field(repr=False, compare=False)
    """Standardised block means; unlike for any two different scans."""


@dataclass(frozen=True)
class StructureFacts:
    """Measures of what bears one name."""

    voxels: int
    volume_mm3: float
    is_cut: bool
    """By the upper or lower edge."""


@dataclass(frozen=True)
class Examination:
    """What is kept of a case."""

    case: Case
    findings: tuple[Finding, ...]
    image: ImageFacts | None
    structures: dict[str, StructureFacts]
    mask_digests: dict[str, str]
    """Name of a mask file → digest of its voxels in order."""
    step_mm: float | None
    """Usual distance between neighbouring levels."""
    room_mm: tuple[float, float] | None
    """From the middle of the highest and of the lowest level to the upper and lower edge."""
    axes: AxisReading | None
    seconds: float
    picture: bytes | None = field(default=None, repr=False)
    """PNG."""


def examine_case(case: Case, options: ExamineOptions) -> Examination:
    """Open a case and run every check over it.

    Args:
        case: The case.
        options: How.

    Returns:
        The examination; files that cannot be read are findings, not errors.
    """
    started = time.perf_counter()
    specimen = open_specimen(case)
    census = take_census(specimen)
    column = None if census is None else trace_column(census)
    mask_axes = None if column is None else read_axes(column)
    image_axes = None
    if options.image_axes and specimen.scan is not None:
        image_axes = ask_image(specimen.scan.volume, mask_axes)
    evidence = Evidence(specimen, column, mask_axes, image_axes)
    findings = [*specimen.findings]
    for check in CHECKS:
        findings += check(evidence)
    image = None if specimen.scan is None else _image_facts(case, specimen.scan)
    picture = None
    if options.pictures and any(f.kind.severity != "note" for f in findings):
        # The findings are what is asked for: a picture that cannot be drawn is left out.
        with contextlib.suppress(Exception):
            picture = draw_case(evidence, findings)
    return Examination(
        case=case,
        findings=tuple(findings),
        image=image,
        structures={} if census is None else _structure_facts(census),
        mask_digests=_mask_digests(specimen),
        step_mm=None if column is None or not np.isfinite(column.step_mm) else column.step_mm,
        room_mm=None if column is None else _room(column),
        axes=mask_axes or image_axes,
        seconds=time.perf_counter() - started,
        picture=picture,
    )


def attempt_case(case: Case, options: ExamineOptions) -> Examination:
    """Examine a case, or say why that cannot be done.

    Args:
        case: The case.
        options: How.

    Returns:
        The examination; whatever goes wrong in it is a finding.

    Raises:
        ModelError: The model cannot be used, for this case and all others.
    """
    started = time.perf_counter()
    try:
        return examine_case(case, options)
    except ModelError:
        raise
    except Exception as error:
        return _fail(case, describe(error)[1], time.perf_counter() - started)


def lose_case(case: Case) -> Examination:
    """The examination of a case whose process the system has ended."""
    return _fail(case, LOST)


def _fail(case: Case, text: str, seconds: float = 0.0) -> Examination:
    """An examination that came to nothing."""
    return Examination(
        case=case,
        findings=(Finding(FAILED, case.name, text, case.image.name),),
        image=None,
        structures={},
        mask_digests={},
        step_mm=None,
        room_mm=None,
        axes=None,
        seconds=seconds,
    )


def picture_of(case: Case, findings: Sequence[Finding]) -> bytes | None:
    """Open a case again and draw it.

    Args:
        case: The case.
        findings: What was found in it, by itself or by comparison.

    Returns:
        A PNG; None where nothing of it can be read.
    """
    specimen = open_specimen(case)
    census = take_census(specimen)
    column = None if census is None else trace_column(census)
    return draw_case(Evidence(specimen, column, None, None), findings)


def _image_facts(case: Case, scan: Scan) -> ImageFacts:
    upright = oriented_volume(scan.volume)
    low, middle, high = np.percentile(upright.array[..., ::2, ::2], [1.0, 50.0, 99.0])
    return ImageFacts(
        shape=scan.volume.shape,
        spacing_mm=tuple(round(mm, 4) for mm in upright.spacing_mm),
        size_mm=tuple(round(mm, 2) for mm in upright.grid.size_mm),
        orientation=scan.volume.grid.orientation,
        levels=(float(low), float(middle), float(high)),
        digest=digest_voxels(scan.volume.array),
        file_digest=file_digest(case.image),
        signature=_signature(upright.array),
    )


def _signature(array: NDArray[Any]) -> NDArray[np.float32]:
    """(6 · 12 · 12,) block means of brightness with mean 0 and length 1; zeros if all are equal."""
    zoomed: NDArray[np.floating] = normalise_intensity(array)
    for axis, blocks in enumerate(SIGNATURE):
        edges = np.linspace(0, zoomed.shape[axis], blocks + 1).astype(int)
        starts = np.minimum(edges[:-1], zoomed.shape[axis] - 1)
        counts = np.maximum(np.diff(edges), 1).astype(np.float32)
        shape = [1, 1, 1]
        shape[axis] = blocks
        zoomed = np.add.reduceat(zoomed, starts, axis=axis) / counts.reshape(shape)
    zoomed = zoomed - ndimage.uniform_filter(zoomed, 3)
    flat = (zoomed - zoomed.mean()).ravel()
    length = float(np.linalg.norm(flat))
    return (flat / length if length > 0 else np.zeros_like(flat)).astype(np.float32)


def _structure_facts(census: Census) -> dict[str, StructureFacts]:
    facts: dict[str, StructureFacts] = {}
    for s in census.structures:
        before = facts.get(s.name)
        if before is None or s.voxels > before.voxels:
            facts[s.name] = StructureFacts(
                s.voxels, round(s.voxels * census.grid.voxel_mm3, 1), census.is_cut(s)
            )
    return facts


def _mask_digests(specimen: Specimen) -> dict[str, str]:
    """Digests of masks that hold enough to be told from others."""
    return {
        layer.file: digest_in_order(layer.volume.array)
        for layer in specimen.layers
        if np.count_nonzero(layer.volume.array) >= 200
    }


def _room(column: Column) -> tuple[float, float] | None:
    """Distance in mm along S from the outermost levels to the edges of the scan."""
    levels = column.census.levels
    if not levels:
        return None
    heights = [float(column.place_of(s)[0][2]) for s in levels]
    low, high = _extent(column.census.grid)
    return max(0.0, high - heights[0]), max(0.0, heights[-1] - low)


def _extent(grid: Grid) -> tuple[float, float]:
    corners = grid.ijk_to_ras(np.indices((2, 2, 2)).reshape(3, -1).T * (np.array(grid.shape) - 1))
    return float(corners[:, 2].min()), float(corners[:, 2].max())
