"""Scan in, named spine out: the one page that joins the steps.

read → normalise → predict → split → name → restore → report. It knows their order and nothing
of how any of them works; writing and drawing are the result's own business.
"""

import dataclasses
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spinekit.anatomy.items import Instances
from spinekit.consequences import apply_naming
from spinekit.core.errors import GeometryError, Notice, UsageError
from spinekit.core.geometry import (
    GeometryRecord,
    isotropic_grid,
    normalise_geometry,
)
from spinekit.core.grid import Grid
from spinekit.core.intensity import normalise_intensity
from spinekit.core.margins import Imaged, clear_fill, find_imaged, trim_margins
from spinekit.core.resampling import resample_linear
from spinekit.core.volume import Volume
from spinekit.doubts import doubt_image, doubt_orientation, doubt_prediction, doubt_spine
from spinekit.instances import split_instances
from spinekit.instances.cutting import mark_cut
from spinekit.io.reading import Scan, read_scan, scan_from_array
from spinekit.io.voxels import is_plausible
from spinekit.labelling.evidence import pool_levels
from spinekit.labelling.localizer import ask, read_localizer
from spinekit.labelling.methods import name_with
from spinekit.labelling.naming import Naming, leave_out_unsure
from spinekit.labelling.outside import Outside
from spinekit.levels import find_levels
from spinekit.options import SegmentOptions, change_options
from spinekit.prediction.predictor import Predictor, Progress, ask_predictor, load_predictor
from spinekit.report import build_report, describe_evidence
from spinekit.restoring import restore_instances, restore_soft
from spinekit.segmentation import Segmentation, View
from spinekit.structures import (
    NamedInstance,
    compose_labels,
    convert_labels,
    give_names,
    tabulate,
)

_CROP = "crop the scan to the spine, or use --force if the computer has the memory"


@dataclass(frozen=True)
class Findings:
    """What is in one scan, before anything has a name."""

    scan: Scan
    """As it was read."""
    imaged: Imaged
    """Where it holds image."""
    card: dict[str, Any]
    """Of the model that looked at it."""
    working: Volume
    """The normalised image on the working grid."""
    record: GeometryRecord
    """The way back from there."""
    probs: NDArray[np.floating]
    """(7, I, J, K) probabilities of the parts on the working grid."""
    instances: Instances
    """Bones and discs, one at a time."""
    evidence: NDArray[np.float64]
    """(n, 27) distributions over LEVELS per instance."""
    doubts: tuple[Notice, ...]
    """What there is to doubt about it."""
    seconds: dict[str, float]
    """Step → time it took; grows with every step."""


def segment(
    source: str | Path | ArrayLike,
    options: SegmentOptions | None = None,
    *,
    affine: ArrayLike | None = None,
    spacing_mm: tuple[float, float, float] | None = None,
    predictor: Predictor | None = None,
    progress: Progress | None = None,
    **changes: Any,
) -> Segmentation:
    """Name the spine in one scan.

    Args:
        source: A scan file, a DICOM folder, or an (I, J, K) array.
        options: How; the defaults when None.
        affine: (4, 4) voxel → RAS+ mm, for an array.
        spacing_mm: For an array without an affine: spacing along i → R, j → A, k → S.
        predictor: What to predict with, instead of loading `options.model` again.
        progress: Told the share of the prediction that is done, 0 to 1.
        **changes: Single options by name, such as `iso=True`.

    Returns:
        The result; without a spine in view its labels are empty and it carries a warning.

    Raises:
        InputError: The scan cannot be read or makes no sense.
        GeometryError: Its grid makes no sense in millimetres.
        ModelError: The model file, or what the predictor answers, cannot be used.
        UsageError: An unknown option or label scheme, or a grid for a file, which has its own.
    """
    options = change_options(options or SegmentOptions(), changes)
    found = examine(
        source,
        options,
        affine=affine,
        spacing_mm=spacing_mm,
        predictor=predictor,
        progress=progress,
    )
    with _timed(found.seconds, "label"):
        naming, outside = decide(found, options)
    return conclude(found, naming, options, outside=outside)


def examine(
    source: str | Path | ArrayLike,
    options: SegmentOptions,
    *,
    affine: ArrayLike | None = None,
    spacing_mm: tuple[float, float, float] | None = None,
    predictor: Predictor | None = None,
    progress: Progress | None = None,
) -> Findings:
    """Find the bones and discs of one scan and what speaks for their names; name none.

    Arguments and errors are those of `segment`.
    """
    seconds: dict[str, float] = {}
    with _timed(seconds, "read"):
        scan = _read(source, options, affine, spacing_mm)
    if predictor is None:
        predictor = load_predictor(options.model, threads=options.threads)
    with _timed(seconds, "normalise"):
        imaged = find_imaged(scan.volume)
        working, record, doubts = _normalise(scan, imaged, predictor, options)
        foreign = any(notice.code == "not-mri" for notice in scan.notices)
        unseen = bool(doubts)
        doubts += [] if foreign else doubt_image(scan.volume.array)
    with _timed(seconds, "predict"):
        prediction = ask_predictor(predictor, working, progress)
        probs, ends = prediction.parts_probs, imaged.ends_in(working.grid)
        clear_fill(probs, imaged.fill_in(working.grid), ends)
        if unseen or ((foreign or doubts) and not options.force):
            _empty(probs)
    with _timed(seconds, "label"):
        instances = mark_cut(split_instances(probs, working.spacing_mm), ends)
        spurious = () if options.force else doubt_spine(probs, instances)
        if spurious:
            _empty(probs)
            instances = split_instances(probs, working.spacing_mm)
        evidence = pool_levels(prediction.level_probs, prediction.level_stride, instances)
        doubts += spurious or doubt_prediction(probs, instances)
        doubts = doubt_orientation(doubts, scan.volume.grid)
    return Findings(
        scan,
        imaged,
        predictor.card,
        working,
        record,
        probs,
        instances,
        evidence,
        tuple(doubts),
        seconds,
    )


def _empty(probs: NDArray[np.floating]) -> None:
    """Make all of it background, in place."""
    probs[0], probs[1:] = 1, 0


def decide(found: Findings, options: SegmentOptions) -> tuple[Naming, Outside]:
    """Name the instances of one scan, the localizer's word included where there is one.

    Args:
        found: What `examine` found.
        options: How the scan is to be segmented.

    Returns:
        The names, and what others say of them.

    Raises:
        InputError: The localizer cannot be read.
    """
    instances, least = found.instances, options.min_probability
    own = name_with(options.labeller, instances, found.evidence)
    told = consult(found, options)
    naming = own
    if told.likelihood is not None:
        naming = name_with(options.labeller, instances, found.evidence, outside=told.likelihood)
    kept = leave_out_unsure(instances.items, naming, least)
    return kept, told.settle(own, kept, instances.items)


def consult(found: Findings, options: SegmentOptions) -> Outside:
    """What the localizer says of one scan's bones and discs.

    Raises:
        InputError: It cannot be read.
    """
    if options.localizer is None or not found.instances.items:
        return Outside()
    place = Path(options.localizer)
    if place.is_dir():
        text = f"{place.name} has no localizer for this scan; it was named without"
        return Outside(notices=(Notice("localizer-missing", text),))
    named = read_localizer(place)
    return ask(found.instances, found.working.grid, named)


def conclude(
    found: Findings, naming: Naming, options: SegmentOptions, *, outside: Outside
) -> Segmentation:
    """Bring named instances back onto the scan's grid and report them.

    What the names say of the instances comes first: a cut vertebra is none of the sacrum, and
    pieces are joined.

    Args:
        found: What `examine` found.
        naming: The names of its instances.
        options: How the scan was to be segmented.
        outside: What was known from elsewhere when the names were decided.
    """
    instances, naming, kept = apply_naming(found.instances, naming)
    found = dataclasses.replace(found, instances=instances, evidence=found.evidence[list(kept)])
    record, outside, seconds = found.record, outside.keep(kept), found.seconds
    named = give_names(instances.items, naming.names, naming.probability)
    with _timed(seconds, "restore"):
        view = View(found.working.array, *compose_labels(instances, named), found.working.grid)
        if options.iso:
            record = dataclasses.replace(record, input_grid=_iso_grid(found.scan, options))
        probs, imaged = found.probs, found.imaged
        soft = restore_soft(probs, instances.parts, record, imaged) if options.soft else None
        labels, parts = restore_instances(probs, instances, named, record, imaged)
        grid = record.input_grid
        structures = tabulate(labels, grid, named, seen=imaged.seen_in(grid))
        levels = find_levels(labels, grid, structures) if options.levels else None
        labels, structures, lost = convert_labels(labels, structures, options.scheme)
    report = build_report(
        source=found.scan.source,
        card=found.card,
        options=options.recorded(),
        seconds=seconds,
        structures=structures,
        naming=naming,
        notices=(*found.scan.notices, *found.doubts, *outside.notices, *lost),
        evidence=_tell_evidence(found, naming, named, outside),
        outside=outside.readings,
    )
    return Segmentation(
        labels=labels,
        parts=parts,
        grid=grid,
        structures=structures,
        report=report,
        stem=found.scan.stem,
        header=None if options.iso else found.scan.header,
        image=_resampled(found.scan.volume, record) if options.iso else None,
        view=view,
        levels=levels,
        soft=soft,
        scan=found.scan.volume,
    )


def _tell_evidence(
    found: Findings, naming: Naming, named: Sequence[NamedInstance], outside: Outside
) -> dict[str, Any]:
    """What the names were decided from; what is a cut vertebra was found as a sacrum.

    A person's word may make it one again.
    """
    told = describe_evidence(
        found.instances, found.evidence, named, found.working.grid, outside.likelihood
    )
    for n in naming.cut:
        told["items"][n] |= {"kind": "sacrum", "index": 1}
    return told


@contextmanager
def _timed(seconds: dict[str, float], step: str) -> Iterator[None]:
    started = time.perf_counter()
    yield
    # Labelling is timed in two stretches: splitting, and naming, which a study does later.
    seconds[step] = round(seconds.get(step, 0.0) + time.perf_counter() - started, 3)


def _read(
    source: str | Path | ArrayLike,
    options: SegmentOptions,
    affine: ArrayLike | None,
    spacing_mm: tuple[float, float, float] | None,
) -> Scan:
    if isinstance(source, str | Path):
        if source == "":
            raise UsageError("file-missing", "the scan's name is empty", "name a file or folder")
        if affine is not None or spacing_mm is not None:
            raise UsageError(
                "file-has-grid",
                f"{Path(source).name}: an affine or a spacing was given for a file",
                "leave it out, for the file states its own, or give an array",
            )
        return read_scan(
            Path(source),
            volume_index=options.volume,
            series=options.series,
            force=options.force,
            strict=options.strict,
        )
    return scan_from_array(
        source,
        affine=affine,
        spacing_mm=spacing_mm,
        volume_index=options.volume,
        strict=options.strict,
    )


def _iso_grid(scan: Scan, options: SegmentOptions) -> Grid:
    """The grid of isotropic results.

    Raises:
        GeometryError: It has too many voxels.
    """
    grid = scan.volume.grid
    try:
        return isotropic_grid(grid, force=options.force and is_plausible(grid))
    except GeometryError as error:
        raise _too_large(scan, error, options) from error


def _too_large(scan: Scan, error: GeometryError, options: SegmentOptions) -> GeometryError:
    """The error of a grid, with the scan's name and what helps where its size is plausible."""
    is_header_right = is_plausible(scan.volume.grid) and not options.force
    remedy = _CROP if is_header_right else error.remedy
    return GeometryError(error.code, f"{scan.source['file']}: {error.message}", remedy)


def _normalise(
    scan: Scan, imaged: Imaged, predictor: Predictor, options: SegmentOptions
) -> tuple[Volume, GeometryRecord, list[Notice]]:
    """The scan on the working grid with intensities in [0, 1], the way back, and what it lacks.

    What is many metres by its header is no spine at its size; it stays on voxels of its own size,
    and the notice says that nothing can be seen there.

    Raises:
        GeometryError: A scan of plausible size, or its isotropic grid, has too many voxels.
    """
    if options.iso:
        _iso_grid(scan, options)
    in_plane_mm, min_slice_mm = predictor.grid_mm
    volume, notices = trim_margins(scan.volume, imaged), []
    may_be_spine = is_plausible(volume.grid)
    try:
        working, record = normalise_geometry(
            volume,
            in_plane_mm=in_plane_mm,
            min_slice_mm=min_slice_mm,
            force=options.force and may_be_spine,
        )
    except GeometryError as error:
        if may_be_spine:
            raise _too_large(scan, error, options) from error
        working, record = normalise_geometry(
            volume, in_plane_mm=max(volume.spacing_mm), min_slice_mm=min_slice_mm
        )
        text = "it is too large to be looked at; correct the spacing or unit in its header"
        notices = [Notice("grid-too-large", text)]
    record = dataclasses.replace(record, input_grid=scan.volume.grid)
    return Volume(normalise_intensity(working.array), working.grid), record, notices


def _resampled(volume: Volume, record: GeometryRecord) -> Volume:
    image = resample_linear(volume.array, volume.grid, record.input_grid, antialias=True)
    return Volume(image, record.input_grid)
