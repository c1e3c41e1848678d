"""What is annotated in a scan: the truth, or the part of it, that a case is judged by.

Knows no file and no prediction. Arrays are (I, J, K) with i→R, j→A, k→S.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from spinekit.anatomy.scheme import LEVELS, NAMES, PARTS, VALUES, kind_of_value
from spinekit.metrics.dice import Mask
from spinekit.metrics.surface import Spacing

LabelMap = NDArray[np.integer]

VERTEBRAE = tuple(value for value in NAMES if kind_of_value(value) == "vertebra")
DISCS = tuple(value for value in NAMES if kind_of_value(value) == "disc")
BELOW_EDGE_MM = 25.0
"""Above the topmost mark: less than a vertebra with its disc, from the middle of the back down."""
SPIDER_DISC, SPIDER_CANAL, SPIDER_VERTEBRA = 3, 4, 7
VERTEBRA_COUNTS = {
    count: name
    for count, name in enumerate(
        [name for name in LEVELS if name not in {"T13", "L6", "sacrum"}], start=1
    )
}


@dataclass(frozen=True)
class Reference:
    """All that is annotated in one scan; what is None is unknown, not absent.

    Attributes:
        name: of the scan.
        dataset: it belongs to.
        subject: the scanned person, so that several scans of one are not counted as several.
        bodies: (I, J, K) vertebral bodies by label value.
        vertebrae: (I, J, K) vertebrae, body and posterior elements, by label value.
        discs: (I, J, K) discs by label value.
        masks: semantic masks by structure ("vertebra", "disc", "canal", "canal-without-cord",
            "cord", "sacrum").
        points: level name and voxel (i, j, k) in the canal at that vertebra's height.
        with_arches: the bodies were told from arches, so that a whole vertebra is no answer.
        front: (I, J, K) mask of where vertebrae were taken for bodies, if by their place alone.
        complete: everything in the scan is annotated, so that the background is known.
    """

    name: str
    dataset: str = ""
    subject: str = ""
    bodies: LabelMap | None = None
    vertebrae: LabelMap | None = None
    discs: LabelMap | None = None
    masks: tuple[tuple[str, Mask], ...] = ()
    points: tuple[tuple[str, tuple[int, int, int]], ...] = ()
    with_arches: bool = False
    front: Mask | None = None
    complete: bool = False

    def joined(self, other: "Reference") -> "Reference":
        """This reference and what another one of the scan adds; what both have is this one's."""
        names = {structure for structure, _ in self.masks}
        return replace(
            self,
            bodies=other.bodies if self.bodies is None else self.bodies,
            with_arches=(other if self.bodies is None else self).with_arches,
            front=(other if self.bodies is None else self).front,
            vertebrae=other.vertebrae if self.vertebrae is None else self.vertebrae,
            discs=other.discs if self.discs is None else self.discs,
            masks=self.masks + tuple(row for row in other.masks if row[0] not in names),
            points=self.points + other.points,
            complete=self.complete or other.complete,
        )


def bodies_reference(name: str, label_map: LabelMap) -> Reference:
    """Vertebral bodies only, by label value; shape (I, J, K)."""
    return Reference(name, bodies=keep_values(label_map, VERTEBRAE))


def discs_reference(name: str, label_map: LabelMap) -> Reference:
    """Discs only, by label value; shape (I, J, K)."""
    return Reference(name, discs=keep_values(label_map, DISCS))


def cord_reference(name: str, label_map: LabelMap) -> Reference:
    """Spinal cord only, everything that is not 0; shape (I, J, K)."""
    return Reference(name, masks=(("cord", label_map > 0),))


def points_reference(name: str, label_map: LabelMap) -> Reference:
    """Single voxels in the canal that number the vertebra beside them, C1 being 1.

    Args:
        name: of the scan.
        label_map: (I, J, K) counts 1…24 (seven cervical, twelve thoracic, five lumbar).

    Returns:
        One point per count; a count that no vertebra bears is left out.
    """
    points = []
    for count in np.unique(label_map[label_map > 0]):
        if int(count) in VERTEBRA_COUNTS:
            i, j, k = np.argwhere(label_map == count).mean(axis=0).round().astype(int)
            points.append((VERTEBRA_COUNTS[int(count)], (int(i), int(j), int(k))))
    return Reference(name, points=tuple(points))


def spider_reference(name: str, parts: LabelMap, names: LabelMap) -> Reference:
    """SPIDER's masks: vertebrae without parts, discs, canal with cord.

    Its vertebra labels mix body and posterior elements, and posterior pieces may bear a
    neighbour's name. The bodies are therefore what lies in front of the canal's centre line.

    Args:
        name: of the scan.
        parts: (I, J, K) 7 vertebra, 3 disc, 4 canal with cord.
        names: (I, J, K) label values of vertebrae and discs.

    Returns:
        Bodies, discs and the three semantic masks.
    """
    canal = parts == SPIDER_CANAL
    front = in_front_of(canal)
    bodies = keep_values(np.where(parts == SPIDER_VERTEBRA, names, 0), VERTEBRAE)
    return Reference(
        name,
        bodies=np.where(front, bodies, 0),
        front=front,
        discs=keep_values(np.where(parts == SPIDER_DISC, names, 0), DISCS),
        masks=(
            ("vertebra", parts == SPIDER_VERTEBRA),
            ("disc", parts == SPIDER_DISC),
            ("canal", canal),
        ),
    )


def labels_reference(
    name: str,
    label_map: LabelMap,
    parts: LabelMap | None = None,
    *,
    spacing_mm: Spacing = (1.0, 1.0, 1.0),
) -> Reference:
    """A label map with SpineKit's values, such as a phantom's truth.

    Without a cord the canal is taken with the cord in it, as other tools and sets mark it; where
    the cord ends above the view, that is the same.

    Args:
        name: of the scan.
        label_map: (I, J, K) label values.
        parts: (I, J, K) parts; where given, vertebral bodies are known too: what of a vertebra is
            no posterior element.
        spacing_mm: voxel size along i, j, k.

    Returns:
        Every structure that occurs; complete when cord or canal, vertebrae, discs and sacrum do,
        and all of them reach from the sacrum to the upper edge or to C1.
    """
    vertebrae, discs = keep_values(label_map, VERTEBRAE), keep_values(label_map, DISCS)
    cord, canal, sacrum = (
        label_map == VALUES[structure] for structure in ("spinal_cord", "spinal_canal", "sacrum")
    )
    masks = {"cord": cord, "sacrum": sacrum}
    if canal.any():
        masks["canal"] = canal | cord
    if canal.any() and cord.any():
        masks["canal-without-cord"] = canal
    present = vertebrae.any() and discs.any() and sacrum.any() and (canal.any() or cord.any())
    to_the_top = (label_map == VALUES["C1"]).any() or all(
        _reaches_top(mask, spacing_mm[2]) for mask in ((vertebrae | discs) > 0, canal | cord)
    )
    arches = None if parts is None else parts == PARTS.index("posterior")
    return Reference(
        name,
        bodies=None if arches is None else np.where(arches, 0, vertebrae),
        with_arches=arches is not None and bool(vertebrae[arches].any()),
        vertebrae=vertebrae if vertebrae.any() else None,
        discs=discs if discs.any() else None,
        masks=tuple((structure, mask) for structure, mask in masks.items() if mask.any()),
        complete=bool(present and to_the_top),
    )


def _reaches_top(mask: Mask, slice_mm: float) -> bool:
    """Whether a mask (I, J, K) comes so near the upper edge that no bone fits in between."""
    heights = np.flatnonzero(mask.any(axis=(0, 1)))
    return bool(heights.size) and (mask.shape[2] - 1 - heights[-1]) * slice_mm < BELOW_EDGE_MM


def keep_values(label_map: LabelMap, values: tuple[int, ...]) -> LabelMap:
    """The label map, same shape, with 0 wherever its value is not among `values`."""
    keep = np.zeros(256, dtype=bool)
    keep[list(values)] = True
    return np.where(keep[np.clip(label_map, 0, 255)] & (label_map < 256), label_map, 0)


def in_front_of(canal: Mask) -> Mask:
    """Voxels anterior of the canal's centre line.

    Args:
        canal: (I, J, K) mask of the canal.

    Returns:
        (I, J, K) mask; heights without canal take the nearest one's line. All True without canal.
    """
    j = np.arange(canal.shape[1])
    count = canal.sum(axis=(0, 1))
    heights = np.flatnonzero(count)
    if heights.size == 0:
        return np.ones_like(canal)
    centre = (canal.sum(axis=0) * j[:, None]).sum(axis=0)[heights] / count[heights]
    line = np.interp(np.arange(canal.shape[2]), heights, centre)
    return np.broadcast_to(j[None, :, None] > line[None, None, :], canal.shape)
