"""One case judged against its reference.

Knows label maps on one grid, i→R, j→A, k→S; neither files nor how a prediction came about.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from spinekit.anatomy.scheme import ABSTAINED_DISC, ABSTAINED_VERTEBRA, NAMES, PARTS, VALUES
from spinekit.evaluation.reference import DISCS, VERTEBRAE, LabelMap, Reference, keep_values
from spinekit.evaluation.region import annotated_region
from spinekit.metrics.dice import Mask, measure_dice, tolerance_band
from spinekit.metrics.matching import match_instances
from spinekit.metrics.surface import (
    NO_DISTANCES,
    Spacing,
    bounding_box,
    measure_surface_distances,
)

PARTIAL_BELOW_MM3 = 500.0  # smaller reference instances are reported, not scored
POINT_REACH_MM = 30.0  # farther from the canal's centre no vertebral body begins
NAN = float("nan")


@dataclass(frozen=True, slots=True)
class InstanceScore:
    """How one reference instance was answered.

    Attributes:
        kind: "body", "vertebra" or "disc".
        name: of the reference instance; "?" without a name.
        volume_mm3: of the reference instance.
        partial: under 500 mm³ or cut by the upper or lower edge of the scan; not scored.
        predicted: name of the matched instance; "?" without a name, "" when missed.
        iou: with the instance that overlaps it most.
        dice: 0 when missed.
        assd_mm: nan when missed.
        hd95_mm: nan when missed.
        split: several predicted instances share it.
        merged: its predicted instance covers another one too.
    """

    kind: str
    name: str
    volume_mm3: float
    partial: bool
    predicted: str
    iou: float
    dice: float
    assd_mm: float
    hd95_mm: float
    split: bool
    merged: bool

    @property
    def missed(self) -> bool:
        """Whether no predicted instance answers."""
        return self.predicted == ""

    @property
    def named_right(self) -> bool:
        """Whether the matched instance bears the reference's name, which has to be one."""
        return self.is_named and self.predicted == self.name

    @property
    def is_named(self) -> bool:
        """Whether the reference says what it is called; else no name is right or wrong."""
        return self.name != "?"


@dataclass(frozen=True, slots=True)
class MaskScore:
    """How all voxels of one structure were answered, whatever their instance.

    Attributes:
        structure: "vertebra", "disc", "disc-tolerant", "canal", "canal-without-cord", "cord" or
            "sacrum".
        dice: within the annotated region.
        assd_mm: nan where not measured or one side is empty.
        hd95_mm: nan where not measured or one side is empty.
    """

    structure: str
    dice: float
    assd_mm: float
    hd95_mm: float


@dataclass(frozen=True, slots=True)
class PointScore:
    """Name of the vertebra beside an annotated point: wanted and predicted ("" for none)."""

    name: str
    predicted: str


@dataclass(frozen=True, slots=True)
class CaseScores:
    """All scores of one scan.

    Attributes:
        name: of the scan.
        dataset: it belongs to.
        subject: the scanned person.
        instances: one per reference instance.
        masks: one per annotated structure.
        points: one per annotated point.
        extra: predicted instances by kind that answer no reference instance although they lie
            within the annotated region.
    """

    name: str
    dataset: str
    subject: str
    instances: tuple[InstanceScore, ...] = ()
    masks: tuple[MaskScore, ...] = ()
    points: tuple[PointScore, ...] = ()
    extra: tuple[tuple[str, int], ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether it holds no score: nothing was marked that could be compared."""
        scored = any(math.isfinite(mask.dice) for mask in self.masks)
        return not (self.instances or self.points or scored)

    @property
    def kinds(self) -> tuple[str, ...]:
        """Kinds of instances that were asked for."""
        return tuple(dict.fromkeys(instance.kind for instance in self.instances))

    def scored(self, kind: str) -> tuple[InstanceScore, ...]:
        """The instances of a kind that count, that is, without the partial ones."""
        return tuple(i for i in self.instances if i.kind == kind and not i.partial)

    def mean_dice(self, kind: str) -> float:
        """Mean over the scored instances of a kind; nan for none."""
        return finite_mean(instance.dice for instance in self.scored(kind))

    def mask_dice(self, structure: str) -> float:
        """Dice of a whole structure; nan where it was not annotated."""
        return finite_mean(mask.dice for mask in self.masks if mask.structure == structure)


def evaluate_case(
    pred_dseg: LabelMap,
    pred_parts: LabelMap | None,
    reference: Reference,
    spacing_mm: Spacing,
    *,
    annotated_only: bool | None = None,
) -> CaseScores:
    """Score one prediction by everything its reference annotates.

    Instances of bodies, vertebrae and discs are matched by overlap and scored one by one;
    semantic masks are scored as one; points ask only for the name of the nearest body.

    Args:
        pred_dseg: (I, J, K) label values, i→R, j→A, k→S.
        pred_parts: (I, J, K) parts. Without them bodies are not compared where the reference
            tells them from arches (see tells_bodies); else every vertebra voxel counts as body,
            or, where the reference took bodies by their place alone, those in that place.
        reference: what is annotated, on the same grid.
        spacing_mm: voxel size along i, j, k.
        annotated_only: ignore predictions beyond the outermost annotated structure of a kind
            plus 3 mm. When None, unless the reference is complete.

    Returns:
        All scores; empty lists for what the reference does not annotate.

    Raises:
        ValueError: the shapes differ.
    """
    annotated_only = not reference.complete if annotated_only is None else annotated_only
    instances: list[InstanceScore] = []
    masks: list[MaskScore] = []
    extra: list[tuple[str, int]] = []
    for kind, ref_map in _instance_maps(reference):
        if kind == "body" and not tells_bodies(pred_parts, reference):
            continue
        pred_map = _predicted_map(kind, pred_dseg, pred_parts, reference.front)
        where = _region(ref_map > 0, spacing_mm, annotated_only=annotated_only, instances=ref_map)
        scores, unanswered = _score_instances(kind, pred_map, ref_map, spacing_mm, where)
        instances += scores
        extra.append((kind, unanswered))
    for structure, ref in reference.masks:
        ends = {"vertebra": reference.bodies, "disc": reference.discs}.get(structure)
        where = _region(ref, spacing_mm, annotated_only=annotated_only, instances=ends)
        pred = _predicted_mask(structure, pred_dseg)
        masks += _score_mask(structure, pred, ref, spacing_mm, where)
    bodies = _predicted_map("body", pred_dseg, pred_parts)
    return CaseScores(
        name=reference.name,
        dataset=reference.dataset,
        subject=reference.subject or reference.name,
        instances=tuple(instances),
        masks=tuple(masks),
        points=tuple(
            PointScore(name, _name_beside(bodies, point, spacing_mm))
            for name, point in reference.points
        ),
        extra=tuple(extra),
    )


def tells_bodies(pred_parts: LabelMap | None, reference: Reference) -> bool:
    """Whether a prediction's bodies can be compared with the reference's.

    Args:
        pred_parts: (I, J, K) parts, None where there are none.
        reference: what is annotated.

    Returns:
        False without parts where the reference tells bodies from arches: whole vertebrae are no
        bodies. True for a reference of bodies alone, or none.
    """
    return pred_parts is not None or not reference.with_arches


def finite_mean(values: Iterable[float]) -> float:
    """Mean of the finite values; nan for none."""
    finite = [value for value in values if math.isfinite(value)]
    return sum(finite) / len(finite) if finite else NAN


def display_name(value: int) -> str:
    """Name of a label value; "?" for an instance that was left without a name."""
    return "?" if value in ABSTAINED_VERTEBRA or value in ABSTAINED_DISC else NAMES[value]


def _instance_maps(reference: Reference) -> Iterator[tuple[str, LabelMap]]:
    for kind, ref_map in (
        ("body", reference.bodies),
        ("vertebra", reference.vertebrae),
        ("disc", reference.discs),
    ):
        if ref_map is not None and (ref_map > 0).any():
            yield kind, ref_map


def _predicted_map(
    kind: str, dseg: LabelMap, parts: LabelMap | None, front: Mask | None = None
) -> LabelMap:
    if kind == "disc":
        return keep_values(dseg, DISCS)
    vertebrae = keep_values(dseg, VERTEBRAE)
    if kind == "body" and parts is not None:
        return np.where(parts == PARTS.index("posterior"), 0, vertebrae)
    return np.where(front, vertebrae, 0) if kind == "body" and front is not None else vertebrae


def _predicted_mask(structure: str, dseg: LabelMap) -> Mask:
    """Where a structure is by the labels, which may have been painted in since the parts were."""
    cord, canal = VALUES["spinal_cord"], VALUES["spinal_canal"]
    values = {
        "vertebra": VERTEBRAE,
        "disc": DISCS,
        "canal": (cord, canal),
        "canal-without-cord": (canal,),
        "cord": (cord,),
        "sacrum": (VALUES["sacrum"],),
    }
    return np.isin(dseg, values[structure])


def _region(
    annotated: Mask,
    spacing_mm: Spacing,
    *,
    annotated_only: bool,
    instances: LabelMap | None,
) -> Mask:
    if not annotated_only:
        return np.ones(annotated.shape, dtype=bool)
    return annotated_region(annotated, spacing_mm, instances=instances)


def _score_instances(
    kind: str, pred_map: LabelMap, ref_map: LabelMap, spacing_mm: Spacing, where: Mask
) -> tuple[list[InstanceScore], int]:
    matching = match_instances(pred_map, ref_map, where=where)
    voxel_mm3 = float(np.prod(spacing_mm))
    scores = []
    for match in matching.matches:
        ref = ref_map == match.ref
        volume_mm3 = int(np.count_nonzero(ref)) * voxel_mm3
        cut = bool(ref[:, :, 0].any() or ref[:, :, -1].any())
        dice, distances = 0.0, NO_DISTANCES
        if match.pred is not None:
            box = bounding_box(ref | (pred_map == match.pred), margin=1)
            assert box is not None
            pred, here = pred_map[box] == match.pred, where[box]
            dice = measure_dice(pred, ref[box], where=here)
            distances = measure_surface_distances(pred, ref[box], spacing_mm, where=here)
        scores.append(
            InstanceScore(
                kind=kind,
                name=display_name(match.ref),
                volume_mm3=volume_mm3,
                partial=cut or volume_mm3 < PARTIAL_BELOW_MM3,
                predicted="" if match.pred is None else display_name(match.pred),
                iou=match.iou,
                dice=dice,
                assd_mm=distances.assd_mm,
                hd95_mm=distances.hd95_mm,
                split=match.split,
                merged=match.merged,
            )
        )
    return scores, _count_extra(pred_map, matching.extra, where, voxel_mm3)


def _count_extra(pred_map: LabelMap, labels: tuple[int, ...], where: Mask, voxel_mm3: float) -> int:
    """Unanswered predictions that are not slivers and lie for the greater part in the region."""
    count = 0
    for label in labels:
        pred = pred_map == label
        inside, total = int(np.count_nonzero(pred & where)), int(np.count_nonzero(pred))
        count += inside * 2 > total and inside * voxel_mm3 >= PARTIAL_BELOW_MM3
    return count


def _score_mask(
    structure: str, pred: Mask, ref: Mask, spacing_mm: Spacing, where: Mask
) -> list[MaskScore]:
    distances = measure_surface_distances(pred, ref, spacing_mm, where=where)
    scores = [
        MaskScore(
            structure,
            measure_dice(pred, ref, where=where),
            distances.assd_mm,
            distances.hd95_mm,
        )
    ]
    if structure == "disc":
        counted = where & ~tolerance_band(ref)
        scores.append(MaskScore("disc-tolerant", measure_dice(pred, ref, where=counted), NAN, NAN))
    return scores


def _name_beside(bodies: LabelMap, point: tuple[int, int, int], spacing_mm: Spacing) -> str:
    """Name of the body nearest to a point in the canal; "" when none is near."""
    voxels = np.argwhere(bodies > 0)
    if len(voxels) == 0:
        return ""
    distance_mm = np.linalg.norm((voxels - np.asarray(point)) * np.asarray(spacing_mm), axis=1)
    nearest = int(distance_mm.argmin())
    if distance_mm[nearest] > POINT_REACH_MM:
        return ""
    return display_name(int(bodies[tuple(voxels[nearest])]))
