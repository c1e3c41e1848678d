"""A mask made elsewhere, split and named: bone in one piece, parts, or vertebrae with any numbers.

It joins the steps that need no network. It knows nothing of an image but how to draw on it.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from spinekit.anatomy.items import Instances
from spinekit.anatomy.scheme import LEVELS, PARTS
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
from spinekit.io.reading import read_label_file, read_scan
from spinekit.labelling.chain import name_column
from spinekit.labelling.naming import Naming
from spinekit.report import build_report, describe_evidence
from spinekit.segmentation import Segmentation, View
from spinekit.structures import (
    BODY,
    NamedInstance,
    compose_labels,
    give_names,
    grow_map,
    tabulate,
)

Meaning = Literal["bone", "parts"]
SURE = 0.95
"""Names without a landmark are ambiguous below this probability."""
REACH_VOXELS = 4
"""How far from the instances found a voxel of the mask may lie and still take their name."""


def adopt_mask(
    path: str | Path, *, meaning: Meaning | None = None, image: str | Path | None = None
) -> Segmentation:
    """Split and name a mask without any network.

    Only sizes, distances and a sacrum speak for levels, so the names of a stretch without
    landmark are unsure and marked ambiguous; order and splitting are not.

    Args:
        path: Label map. `bone` takes every voxel for vertebral body, `parts` reads 1 to 6 as this
            package's parts.
        meaning: What its values mean; None takes a single value for bone.
        image: The scan, for the picture only.

    Returns:
        The result on the mask's grid; voxels that belong to no vertebra or disc are left out.

    Raises:
        InputError: The mask cannot be read, is empty, or holds values without a meaning.
        UsageError: It holds several values and no meaning was given.
    """
    path = Path(path)
    mask, header = read_label_file(path)
    parts = _parts_of(path.name, mask.array, meaning)
    scan = read_scan(path)
    adopted = name_parts(parts, mask.grid)
    labels, kept, named = adopted.labels, adopted.kept, adopted.named
    instances, naming, record = adopted.instances, adopted.naming, adopted.record
    structures = tabulate(labels, mask.grid, named)
    doubts = [Notice("no-spine", "no vertebra and no disc was found; the labels are empty")]
    report = build_report(
        source=scan.source,
        card={"name": None, "sha256": None, "recipe": None, "scores": {}},
        options={"meaning": meaning, "scheme": "spinekit"},
        seconds={},
        structures=structures,
        naming=naming,
        notices=[] if instances.items else doubts,
        evidence=describe_evidence(instances, adopted.evidence, named, record.working_grid),
    )
    drawn = Volume(parts.astype(np.float32), mask.grid)
    if image is not None:
        found = read_scan(image).volume
        drawn = Volume(
            resample_linear(found.array, found.grid, mask.grid, antialias=True), mask.grid
        )
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
        stem=scan.stem,
        header=header,
        image=None,
        view=view,
    )


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


def name_parts(parts: NDArray[np.uint8], grid: Grid, *, names: Sequence[str] = ()) -> Adopted:
    """Split parts into vertebrae and discs and name them, without an image.

    Args:
        parts: (I, J, K) this package's parts, 0 to 6.
        grid: Where they lie.
        names: What the vertebrae are called from the top, the sacrum not counted; sizes and the
            sacrum decide where empty.

    Returns:
        The named structures; none for empty parts.

    Raises:
        InputError: Another number of vertebrae than of names was found.
    """
    working, record = normalise_geometry(Volume(parts.astype(np.float32), grid))
    working_parts = normalise_labels(parts, record)
    one_hot = (np.arange(len(PARTS))[:, None, None, None] == working_parts).astype(np.float16)
    instances = split_instances(one_hot, working.grid.spacing_mm)
    evidence = np.full((len(instances.items), len(LEVELS)), 1.0 / len(LEVELS))
    bones = [n for n, item in enumerate(instances.items) if item.kind == "vertebra"]
    if names and len(bones) != len(names):
        raise InputError(
            "bone-count",
            f"the bone splits into {len(bones)} vertebrae, but {len(names)} names were given",
            "correct the mask or the names",
        )
    certain = dict(zip(bones, names, strict=True)) if names else None
    naming = _doubted(name_column(_without_room(instances), evidence, certain=certain))
    named = give_names(instances.items, naming.names, naming.probability)
    restored: Instances = dataclasses.replace(
        instances,
        parts=parts,
        vertebra_map=restore_labels(grow_map(instances.vertebra_map, voxels=REACH_VOXELS), record),
        disc_map=restore_labels(grow_map(instances.disc_map, voxels=REACH_VOXELS), record),
    )
    labels, kept = compose_labels(restored, named)
    return Adopted(labels, kept, named, naming, instances, record, evidence)


def _doubted(naming: Naming) -> Naming:
    """Names that rest on sizes alone are ambiguous unless hardly another column fits."""
    sure = max((p or 0.0 for p in naming.probability), default=0.0)
    if naming.ambiguous or "sacrum" in naming.names or sure >= SURE:
        return naming
    reason = f"no sacrum in the mask, sizes alone decide: {sure:.0%}"
    return dataclasses.replace(naming, ambiguous=True, reason=reason)


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


def _parts_of(
    name: str, label_map: NDArray[np.integer], meaning: Meaning | None
) -> NDArray[np.uint8]:
    """Parts 0 to 6 of a foreign label map."""
    values = [int(value) for value in np.unique(label_map) if value != 0]
    if not values:
        raise InputError("empty-mask", f"{name}: nothing is marked", "give a mask of the bones")
    if meaning is None and len(values) > 1:
        raise UsageError(
            "mask-meaning",
            f"{name}: holds {len(values)} values",
            "say what they are: --as bone takes all for vertebral bodies, --as parts for parts 1-6",
        )
    if meaning == "parts":
        if values[0] < 0 or values[-1] >= len(PARTS):
            raise InputError(
                "not-parts", f"{name}: holds values beyond 1 to 6", "renumber them, or --as bone"
            )
        return label_map.astype(np.uint8)
    return np.where(label_map != 0, np.uint8(BODY), np.uint8(0))
