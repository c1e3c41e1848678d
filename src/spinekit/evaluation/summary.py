"""Scores of many scans joined to one row per dataset and structure.

Knows scores only, no arrays.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from spinekit.evaluation.scoring import NAN, CaseScores, finite_mean
from spinekit.metrics.intervals import Interval, bootstrap_interval

INSTANCES, WHOLE, POINTS = "instances", "whole", "points"


@dataclass(frozen=True, slots=True)
class SummaryRow:
    """One structure of one dataset. Nothing is ever pooled over datasets.

    Attributes:
        dataset: name of the dataset.
        structure: "body", "vertebra", "disc", … or "level" for annotated points.
        scope: "instances": each scan's mean over its instances, which are also counted; "whole":
            all voxels of the structure at once; "points": names only.
        n_scans: scans that annotate the structure, and of which there is a score.
        n_subjects: persons they belong to.
        dice: mean over scans with a 95 % bootstrap interval over subjects.
        worst_dice: lowest scan; nan for no scan.
        worst_scan: its name.
        assd_mm: mean over scans, as dice; missed instances have no distance and are left out.
        hd95_mm: mean over scans, as assd_mm.
        n_instances: scored reference instances.
        n_partial: reference instances reported but not scored.
        missed: scored instances without an answer.
        split: scored instances shared by several predictions.
        merged: scored instances whose prediction covers another one too.
        extra: predicted instances that answer none.
        named_right: scored, matched instances that bear the right name.
        unnamed: scored, matched instances that were left without a name.
        nameless: scored, matched instances whose reference has no name; no share of names
            counts them.
        scans_all_right: scans in which no scored instance is missed or misnamed.
    """

    dataset: str
    structure: str
    scope: str
    n_scans: int
    n_subjects: int
    dice: Interval
    worst_dice: float
    worst_scan: str
    assd_mm: float
    hd95_mm: float
    n_instances: int = 0
    n_partial: int = 0
    missed: int = 0
    split: int = 0
    merged: int = 0
    extra: int = 0
    named_right: int = 0
    unnamed: int = 0
    nameless: int = 0
    scans_all_right: int = 0

    @property
    def missed_pct(self) -> float:
        """Missed share of the scored instances in percent; nan for none."""
        return _percent(self.missed, self.n_instances)

    @property
    def named_right_pct(self) -> float:
        """Rightly named share of the matched instances with a name in percent; nan for none."""
        return _percent(self.named_right, self.n_instances - self.missed - self.nameless)

    @property
    def scans_all_right_pct(self) -> float:
        """Share of the scans with all names right in percent; nan for none."""
        return _percent(self.scans_all_right, self.n_scans if self.n_instances else 0)


def summarise(cases: Sequence[CaseScores]) -> tuple[SummaryRow, ...]:
    """One row per dataset, structure and scope, in the order of their first appearance.

    Args:
        cases: scores of any number of scans of any datasets.

    Returns:
        The rows; none for no cases.
    """
    rows = []
    for dataset in dict.fromkeys(case.dataset for case in cases):
        members = [case for case in cases if case.dataset == dataset]
        for kind in dict.fromkeys(kind for case in members for kind in case.kinds):
            rows.append(_instance_row(dataset, kind, members))
        structures = dict.fromkeys(mask.structure for case in members for mask in case.masks)
        rows += [_mask_row(dataset, structure, members) for structure in structures]
        if any(case.points for case in members):
            rows.append(_point_row(dataset, members))
    return tuple(rows)


def _instance_row(dataset: str, kind: str, members: Sequence[CaseScores]) -> SummaryRow:
    cases = [case for case in members if case.scored(kind)]
    scored = [instance for case in cases for instance in case.scored(kind)]
    matched = [instance for instance in scored if not instance.missed]
    worst_dice, worst_scan = _worst([(case.mean_dice(kind), case.name) for case in cases])
    everything = [i for case in members for i in case.instances if i.kind == kind]
    return SummaryRow(
        dataset=dataset,
        structure=kind,
        scope=INSTANCES,
        n_scans=len(cases),
        n_subjects=len({case.subject for case in cases}),
        dice=bootstrap_interval(
            [case.mean_dice(kind) for case in cases], [case.subject for case in cases]
        ),
        worst_dice=worst_dice,
        worst_scan=worst_scan,
        assd_mm=finite_mean(finite_mean(i.assd_mm for i in c.scored(kind)) for c in cases),
        hd95_mm=finite_mean(finite_mean(i.hd95_mm for i in c.scored(kind)) for c in cases),
        n_instances=len(scored),
        n_partial=len(everything) - len(scored),
        missed=len(scored) - len(matched),
        split=sum(instance.split for instance in scored),
        merged=sum(instance.merged for instance in scored),
        extra=sum(count for case in members for name, count in case.extra if name == kind),
        named_right=sum(instance.named_right for instance in matched),
        unnamed=sum(instance.predicted == "?" for instance in matched),
        nameless=sum(not instance.is_named for instance in matched),
        scans_all_right=sum(
            not any(i.missed or (i.is_named and not i.named_right) for i in case.scored(kind))
            for case in cases
        ),
    )


def _mask_row(dataset: str, structure: str, members: Sequence[CaseScores]) -> SummaryRow:
    found = [
        (case, mask)
        for case in members
        for mask in case.masks
        if mask.structure == structure and math.isfinite(mask.dice)
    ]
    worst_dice, worst_scan = _worst([(mask.dice, case.name) for case, mask in found])
    return SummaryRow(
        dataset=dataset,
        structure=structure,
        scope=WHOLE,
        n_scans=len(found),
        n_subjects=len({case.subject for case, _ in found}),
        dice=bootstrap_interval(
            [mask.dice for _, mask in found], [case.subject for case, _ in found]
        ),
        worst_dice=worst_dice,
        worst_scan=worst_scan,
        assd_mm=finite_mean(mask.assd_mm for _, mask in found),
        hd95_mm=finite_mean(mask.hd95_mm for _, mask in found),
    )


def _point_row(dataset: str, members: Sequence[CaseScores]) -> SummaryRow:
    cases = [case for case in members if case.points]
    points = [point for case in cases for point in case.points]
    return SummaryRow(
        dataset=dataset,
        structure="level",
        scope=POINTS,
        n_scans=len(cases),
        n_subjects=len({case.subject for case in cases}),
        dice=Interval(NAN, NAN, NAN),
        worst_dice=NAN,
        worst_scan="",
        assd_mm=NAN,
        hd95_mm=NAN,
        n_instances=len(points),
        missed=sum(point.predicted == "" for point in points),
        named_right=sum(point.predicted == point.name for point in points),
        unnamed=sum(point.predicted == "?" for point in points),
        scans_all_right=sum(all(p.predicted == p.name for p in case.points) for case in cases),
    )


def _worst(scans: list[tuple[float, str]]) -> tuple[float, str]:
    return min((scan for scan in scans if math.isfinite(scan[0])), default=(NAN, ""))


def _percent(part: int, whole: int) -> float:
    return 100.0 * part / whole if whole else NAN
