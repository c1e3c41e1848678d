"""A mask made elsewhere, split and named: bone in one piece, parts, or vertebrae with any numbers.

It joins the steps that need no network; where there is an image, one may look at the levels.
"""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spinekit.anatomy.items import Instances
from spinekit.anatomy.scheme import ABSTAINED_VERTEBRA, LEVELS, PARTS, VALUES
from spinekit.core.errors import InputError, Notice, UsageError
from spinekit.core.geometry import (
    GeometryRecord,
    normalise_geometry,
    normalise_labels,
    restore_labels,
)
from spinekit.core.grid import Grid
from spinekit.core.intensity import normalise_intensity
from spinekit.core.resampling import resample_linear
from spinekit.core.volume import Volume
from spinekit.instances import split_instances
from spinekit.instances.given import find_scattered, take_instances
from spinekit.io.discovery import ending_of
from spinekit.io.nrrd import read_segments
from spinekit.io.reading import hash_scan, read_label_file, read_scan
from spinekit.labelling.chain import name_column
from spinekit.labelling.evidence import pool_levels
from spinekit.labelling.naming import Naming
from spinekit.labelling.numbers import (
    Given,
    Meaning,
    leave_out_negative,
    read_given,
    read_parts,
    tell_left_out,
    tell_scattered,
)
from spinekit.labelling.omissions import tell_nameless, tell_off_column, tell_too_small
from spinekit.labelling.outside import Outside, weigh
from spinekit.prediction.predictor import Predictor
from spinekit.report import build_report, describe_evidence
from spinekit.segmentation import Segmentation, View
from spinekit.structures import (
    BODY,
    CANAL,
    CORD,
    DISC,
    POSTERIOR,
    SACRUM,
    NamedInstance,
    compose_labels,
    give_names,
    grow_map,
    tabulate,
)

SURE = 0.95
"""Names without a landmark are ambiguous below this probability."""
REACH_VOXELS = 4
"""How far from the instances found a voxel of the mask may lie and still take their name."""
LEAST_INSIDE = 0.9
"""Share of the marked voxels that must lie in the scan a mask is said to be drawn on."""
MARKED_STEP = 7
"""Of the marked voxels, every so many are looked up there."""
STATED = 5.0
"""Log likelihood that a value said to be one vertebra is one, whatever its level: against a piece
of noise of the same shape, 150 to 1."""
MOST_VERTEBRAE = len(LEVELS) + len(ABSTAINED_VERTEBRA)
"""A result has no names and numbers for more, and no spine has them."""


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

    def recorded(self) -> dict[str, Any]:
        """What the report keeps: all that can change the result, and no path."""
        image = None if self.image is None else hash_scan(self.image)
        return {
            "meaning": self.meaning,
            "from": self.scheme,
            "image": image,
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
    array, lost = leave_out_negative(path.name, read.array)
    mask = Volume(array, read.grid)
    image = None if options.image is None else _on_grid(options.image, mask)
    see = None if image is None or predictor is None else see_levels(image, predictor)
    told = Outside()
    if options.scheme is not None or options.meaning == "instances":
        segments = read_segments(path) if ending_of(path) == ".nrrd" else None
        given = read_given(path.name, mask.array, options.scheme, segments)
        adopted, told = name_given(given, mask.grid, see=see)
        lost = (*lost, *given.lost)
        is_bone = given.numbers > 0
    else:
        parts = read_parts(path.name, mask.array, options.meaning)
        adopted = name_parts(parts, mask.grid, see=see)
        is_bone = np.isin(parts, (BODY, POSTERIOR, DISC))
    source = read_scan(path)
    labels, kept, named, record = adopted.labels, adopted.kept, adopted.named, adopted.record
    structures = tabulate(labels, mask.grid, named)
    rest = "" if labels.any() else "; the labels are empty"
    empty = [Notice("no-spine", f"no vertebra and no disc was found{rest}")]
    card: dict[str, Any] = {"name": None, "sha256": None, "recipe": None, "scores": {}}
    report = build_report(
        source=source.source,
        card=card if see is None or predictor is None else predictor.card,
        options=options.recorded(),
        seconds={},
        structures=structures,
        naming=adopted.naming,
        notices=[
            *tell_left_out(lost, options.scheme),
            *told.notices,
            *tell_off_column(is_bone, labels, mask.grid.voxel_mm3),
            *([] if adopted.instances.items else empty),
        ],
        evidence=_describe_column(adopted, told.likelihood),
        outside=told.readings,
    )
    drawn = Volume((mask.array != 0).astype(np.float32), mask.grid) if image is None else image
    view = View(
        normalise_intensity(normalise_geometry(drawn)[0].array),
        normalise_labels(labels, record),
        normalise_labels(kept, record),
        record.working_grid,
    )
    return Segmentation(
        labels=labels,
        parts=kept,
        grid=mask.grid,
        structures=structures,
        report=report,
        stem=source.stem,
        header=header,
        image=None,
        view=view,
    )


See = Callable[[Instances], NDArray[np.float64]]
"""What a network says of the levels of instances on the working grid."""


def see_levels(image: Volume, predictor: Predictor) -> See:
    """Let a network look at the scan a mask was drawn on, for the levels alone.

    Args:
        image: (I, J, K) on the mask's grid.
        predictor: What to look with.
    """
    working = normalise_geometry(image)[0]
    seen = predictor.predict(Volume(normalise_intensity(working.array), working.grid), None)
    return lambda instances: pool_levels(seen.level_probs, seen.level_stride, instances)


def _on_grid(path: str, mask: Volume) -> Volume:
    """A scan as it lies on the grid of a mask that was drawn on it.

    Raises:
        InputError: It is not there, cannot be read, or lies elsewhere.
        UsageError: It is a DICOM folder of several series.
    """
    if not Path(path).exists():
        raise InputError(
            "file-missing",
            f"{path}: no such scan for this mask",
            "check --image; a mask's name begins with its scan's",
        )
    try:
        found = read_scan(path).volume
    except UsageError as error:
        remedy = "give a folder that holds the series of the mask alone"
        raise UsageError(error.code, error.message, remedy) from error
    marked = mask.grid.ijk_to_ras(np.argwhere(mask.array)[::MARKED_STEP])
    at = found.grid.ras_to_ijk(marked)
    inside = np.all((at > -1) & (at < found.grid.shape), axis=1)
    share = float(np.mean(inside)) if len(marked) else 1.0
    if share < LEAST_INSIDE:
        raise InputError(
            "scan-elsewhere",
            f"{path}: holds {share:.0%} of what is marked, so the mask is of another scan",
            "give the scan it was drawn on, or leave --image out",
        )
    return Volume(resample_linear(found.array, found.grid, mask.grid, antialias=True), mask.grid)


@dataclass(frozen=True)
class Adopted:
    """Parts that were split and named."""

    labels: NDArray[np.uint8]
    """(I, J, K) our values; voxels that belong to no structure are 0."""
    kept: NDArray[np.uint8]
    """(I, J, K) the parts of what has a value."""
    named: tuple[NamedInstance, ...]
    """From the top."""
    naming: Naming
    instances: Instances
    """On the working grid."""
    record: GeometryRecord
    """Between the grid of the parts and the working grid."""
    evidence: NDArray[np.float64]
    """(items, levels) the same for all levels: nothing but sizes speaks."""


def name_parts(
    parts: NDArray[np.uint8], grid: Grid, *, names: Sequence[str] = (), see: See | None = None
) -> Adopted:
    """Split parts into vertebrae and discs and name them.

    Args:
        parts: (I, J, K) this package's parts, 0 to 6.
        grid: Where they lie.
        names: What the vertebrae are called from the top, the sacrum not counted; sizes and the
            sacrum decide where empty.
        see: What a network says of the levels, where there is an image.

    Returns:
        The named structures; none for empty parts.

    Raises:
        InputError: Another number of vertebrae than of names was found.
    """
    working, record = normalise_geometry(Volume(parts.astype(np.float32), grid))
    working_parts = normalise_labels(parts, record)
    one_hot = (np.arange(len(PARTS))[:, None, None, None] == working_parts).astype(np.float16)
    instances = split_instances(one_hot, working.grid.spacing_mm)
    evidence = _nothing(instances) if see is None else see(instances)
    bones = [n for n, item in enumerate(instances.items) if item.kind == "vertebra"]
    if names and len(bones) != len(names):
        raise InputError(
            "bone-count",
            f"the bone splits into {len(bones)} vertebrae, but {len(names)} names were given",
            "correct the mask or the names",
        )
    certain = dict(zip(bones, names, strict=True)) if names else None
    naming = name_column(_without_room(instances), evidence, certain=certain)
    naming = _doubted(naming) if see is None else naming
    named = give_names(instances.items, naming.names, naming.probability)
    restored: Instances = dataclasses.replace(
        instances,
        parts=parts,
        vertebra_map=restore_labels(grow_map(instances.vertebra_map, voxels=REACH_VOXELS), record),
        disc_map=restore_labels(grow_map(instances.disc_map, voxels=REACH_VOXELS), record),
    )
    labels, kept = compose_labels(restored, named)
    return Adopted(labels, kept, named, naming, instances, record, evidence)


def name_given(given: Given, grid: Grid, *, see: See | None = None) -> tuple[Adopted, Outside]:
    """Order and name vertebrae that are told apart already.

    Args:
        given: What the mask says.
        grid: Where it lies.
        see: What a network says of the levels, where there is an image.

    Returns:
        The named structures, and what the mask's own names say of them.

    Raises:
        InputError: More vertebrae are told apart than any spine has.
    """
    working, record = normalise_geometry(Volume((given.tissue > 0).astype(np.float32), grid))
    numbers, spacing_mm = normalise_labels(given.numbers, record), working.grid.spacing_mm
    tissue = normalise_labels(given.tissue, record)
    instances, bore = take_instances(numbers, tissue, spacing_mm)
    items, column = instances.items, _without_room(instances)
    bones = sum(item.kind == "vertebra" for item in items)
    if bones > MOST_VERTEBRAE:
        raise InputError(
            "too-many-values",
            f"{given.file}: {bones} values are as large as vertebrae, more than a spine has",
            "give a map with one value per vertebra; a scan goes with --image",
        )
    evidence = _nothing(instances) if see is None else see(instances)
    stated = np.full((len(items), len(LEVELS)), STATED)
    stated[[item.kind != "vertebra" for item in items]] = 0.0
    own = name_column(column, evidence, outside=stated)
    own = _doubted(own) if see is None else own
    names = tuple(given.names.get(number) for number in bore)
    shares = np.array([[name == level for level in LEVELS] for name in names], dtype=np.float64)
    likelihood = weigh(shares.reshape(len(items), len(LEVELS)), items, given.reliability)
    told, naming = Outside(stated), own
    if likelihood.any():
        naming = name_column(column, evidence, outside=stated + likelihood)
        row = {"source": "mask", "file": given.file, "names": list(names)}
        told = Outside(stated + likelihood, (row,)).settle(own, naming, items)
    notices = [
        *given.notices,
        *told.notices,
        *tell_nameless(given, bore, naming.names),
        *tell_too_small(given, bore),
        *tell_scattered(given, find_scattered(numbers, spacing_mm)),
    ]
    told = dataclasses.replace(told, notices=tuple(notices))
    named = give_names(items, naming.names, naming.probability)
    table = np.zeros(256, np.uint8)
    values = {id(entry.item): entry.value for entry in named}
    for item, number in zip(items, bore, strict=True):
        table[number] = values.get(id(item), 0)
    table[0] = 0
    labels = table[given.numbers]
    for part, value in ((SACRUM, "sacrum"), (CANAL, "spinal_canal"), (CORD, "spinal_cord")):
        labels[given.tissue == part] = VALUES[value]
    restored = restore_labels(grow_map(instances.parts), record)
    is_arch = (given.tissue == BODY) & (restored == POSTERIOR)
    parts = np.where(is_arch, np.uint8(POSTERIOR), given.tissue)
    kept = np.where(labels > 0, parts, 0).astype(np.uint8)
    return Adopted(labels, kept, named, naming, instances, record, evidence), told


def _nothing(instances: Instances) -> NDArray[np.float64]:
    """(n, 27) evidence that says nothing."""
    return np.full((len(instances.items), len(LEVELS)), 1.0 / len(LEVELS))


def _doubted(naming: Naming) -> Naming:
    """Names that rest on sizes alone are ambiguous unless hardly another column fits."""
    sure = max((p or 0.0 for p in naming.probability), default=0.0)
    if naming.ambiguous or "sacrum" in naming.names or sure >= SURE:
        return naming
    reason = f"no sacrum in the mask, sizes alone decide: {sure:.0%}"
    return dataclasses.replace(naming, ambiguous=True, reason=reason)


def _describe_column(adopted: Adopted, likelihood: NDArray[np.float64] | None) -> dict[str, Any]:
    """What naming was decided from, with the column as naming saw it."""
    described = describe_evidence(
        adopted.instances, adopted.evidence, adopted.named, adopted.record.working_grid, likelihood
    )
    column = _without_room(adopted.instances)
    rows = [
        {**row, "centroid_ijk": [float(at) for at in item.centroid_ijk]}
        for row, item in zip(described["items"], column.items, strict=True)
    ]
    return {**described, "shape": list(column.parts.shape), "items": rows}


def _without_room(instances: Instances) -> Instances:
    """The column as if the scan ended with it: what is not marked may be there all the same."""
    heights = [item.centroid_ijk[2] for item in instances.items if item.kind != "disc"]
    low, high = min(heights, default=0.0), max(heights, default=0.0)
    items = tuple(
        dataclasses.replace(item, centroid_ijk=(*item.centroid_ijk[:2], item.centroid_ijk[2] - low))
        for item in instances.items
    )
    empty = np.broadcast_to(np.uint8(0), (1, 1, int(high - low) + 1))
    return dataclasses.replace(instances, parts=empty, items=items)
