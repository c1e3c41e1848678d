"""How right and how sure names are: one row per case and labeller, tables and the picture of them.

It knows rows; not how columns are drawn or named.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from columns import COUNTS, Column
from shares import share_interval
from spinekit.anatomy.column import LEVELS
from spinekit.labelling.naming import Naming
from spinekit.metrics.intervals import bootstrap_interval

SURE = 0.8
"""Names below this are shown as unsure; the table's abstaining leaves them out."""
COVERAGE = 0.8
"""Share of the surest cases that accuracy is given for."""
BINS = 10


@dataclass(frozen=True)
class Row:
    """How one labeller named one column."""

    source: str
    view: str
    case: str
    dataset: str
    labeller: str
    thoracic: int
    lumbar: int
    ends: int
    """C2 and sacrum in view."""
    scored: int
    named: int
    right: int
    offset: int
    """By how many levels most of its names are off, downwards."""
    confidence: float
    """Probability of the least sure of the scored names; nan where the method has none."""
    found: str
    """Deviating counts that are likelier than not."""
    seconds: float
    """Of one core."""
    detail: str
    """Per scored name its probability in per mille and R or W."""
    discs: int = 0
    """Discs whose true name is known."""
    discs_right: int = 0

    @property
    def all_right(self) -> bool:
        """Every whole vertebra bears its name; where none was found, none does."""
        return 0 < self.scored == self.right

    @property
    def deviates(self) -> bool:
        """The patient has another count than 12 and 5."""
        return (self.thoracic, self.lumbar) != (12, 5)

    @property
    def calibration(self) -> list[tuple[float, bool]]:
        """Probability and truth of every scored name that has one."""
        return [(int(word[:-1]) / 1000, word[-1] == "R") for word in self.detail.split()]


def score(column: Column, naming: Naming, seconds: float, **about: str) -> Row:
    """Judge the names of one column's whole vertebrae."""
    items = column.instances.items
    discs = [n for n, item in enumerate(items) if item.kind == "disc" and column.truth[n]]
    pairs = [(column.truth[n], naming.names[n], naming.probability[n]) for n in column.scored]
    named = [(truth, name) for truth, name, _ in pairs if truth and name]
    offsets = Counter(_place(name) - _place(truth) for truth, name in named)
    known = [(p, truth == name) for truth, name, p in pairs if name and p is not None]
    sure = [0.0 if name is None else p for _, name, p in pairs]
    return Row(
        **about,  # type: ignore[arg-type]
        thoracic=sum(name[0] == "T" for name in column.levels),
        lumbar=sum(name[0] == "L" for name in column.levels),
        ends=int(column.shows_both_ends),
        scored=len(pairs),
        named=len(named),
        right=sum(truth == name for truth, name in named),
        offset=offsets.most_common(1)[0][0] if offsets else 0,
        confidence=round(min((np.nan if p is None else p for p in sure), default=0.0), 4),
        found=_found(naming),
        seconds=round(seconds, 4),
        detail=" ".join(f"{round(p * 1000)}{'R' if good else 'W'}" for p, good in known),
        discs=len(discs),
        discs_right=sum(column.truth[n] == naming.names[n] for n in discs),
    )


def _found(naming: Naming) -> str:
    """Deviating counts that are likelier than not; of L6 and T13, or their opposites, the likelier.

    Without ribs in view one vertebra too many may be either: their count is what is decided.
    """
    given = {a.name: a.probability for a in naming.anomalies if a.name in COUNTS}
    told = {name: 1.0 if p is None else float(p) for name, p in given.items()}
    found = []
    for pair in (("L6", "T13"), ("four-lumbar", "T11")):
        if sum(told.get(name, 0.0) for name in pair) >= 0.5:
            found.append(max(pair, key=lambda name: told.get(name, 0.0)))
    return "+".join(found)


def _place(level: str) -> int:
    """Place in the usual column; T13 as T12, L6 as L5."""
    usual = [name for name in LEVELS if name not in ("T13", "L6")]
    return usual.index({"T13": "T12", "L6": "L5"}.get(level, level))


def format_names(rows: Sequence[Row]) -> str:
    """Names right, with and without abstaining, per source, view and labeller."""
    lines = [
        f"| source | whole vertebrae in view | labeller | n | all names right | vertebrae right |"
        f" without names | all right in the surest {COVERAGE:.0%} |"
        f" cases with every name ≥ {SURE}: share, all right | calibration error |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for (source, view, labeller), group in _groups(rows):
        lines.append(
            f"| {source} | {view} | {labeller} | {len(group)} | "
            f"{_rate([(r.case, r.all_right) for r in group])} | "
            f"{_rate([(r.case, k < r.right) for r in group for k in range(r.scored)])} | "
            f"{np.mean([r.named == 0 for r in group]):.1%} | {_at_coverage(group)} | "
            f"{_above(group)} | {_format_ece(group)} |"
        )
    return "\n".join(lines)


def format_anomalies(rows: Sequence[Row]) -> str:
    """Deviating counts found and falsely found, per source, view and labeller."""
    lines = [
        "| source | in view | labeller | with / without | found | of the right kind |"
        " not found where there is none |",
        "|---|---|---|---|---|---|---|",
    ]
    for (source, view, labeller), group in _groups(rows):
        with_ends = [row for row in group if row.ends]
        odd = [row for row in with_ends if row.deviates]
        plain = [row for row in with_ends if not row.deviates]
        if odd:
            lines.append(
                f"| {source} | {view}, both ends | {labeller} | {len(odd)} / {len(plain)} | "
                f"{_rate([(r.case, bool(r.found)) for r in odd])} | "
                f"{_rate([(r.case, r.found == _kind(r)) for r in odd])} | "
                f"{_rate([(r.case, not r.found) for r in plain])} |"
            )
    return "\n".join(lines)


def format_offsets(rows: Sequence[Row]) -> str:
    """By how many levels cases are off, per source and labeller; share of all cases."""
    lines = [
        "| source | labeller | no names | −2 and more | −1 | 0, some wrong | all right | +1 |"
        " +2 and more |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for (source, labeller), group in _groups(rows, by_view=False):
        wrong = [r.offset for r in group if r.named and not r.all_right]
        counts = [
            sum(r.named == 0 and not r.all_right for r in group),
            sum(o <= -2 for o in wrong),
            sum(o == -1 for o in wrong),
            sum(o == 0 for o in wrong),
            sum(r.all_right for r in group),
            sum(o == 1 for o in wrong),
            sum(o >= 2 for o in wrong),
        ]
        cells = " | ".join(f"{count / len(group):.1%}" for count in counts)
        lines.append(f"| {source} | {labeller} | {cells} |")
    return "\n".join(lines)


def format_seconds(rows: Sequence[Row]) -> str:
    """Time per column."""
    lines = ["| labeller | mean s | slowest s |", "|---|---|---|"]
    for labeller in dict.fromkeys(row.labeller for row in rows):
        spent = [row.seconds for row in rows if row.labeller == labeller]
        lines.append(f"| {labeller} | {np.mean(spent):.3f} | {max(spent):.3f} |")
    return "\n".join(lines)


def calibration_error(pairs: Sequence[tuple[float, bool]]) -> float:
    """Expected calibration error with ten bins (Naeini et al., AAAI 2015; 29:2901)."""
    if not pairs:
        return float("nan")
    p, right = np.array(pairs, dtype=np.float64).T
    at = np.minimum((p * BINS).astype(int), BINS - 1)
    gaps = [abs(p[at == b].mean() - right[at == b].mean()) * (at == b).mean() for b in set(at)]
    return float(sum(gaps))


_STROKES = {"columns": "-", "images": "--", "real": ":"}
"""How lines of each source are drawn: there are more lines than colours."""


def draw_reliability(rows: Sequence[Row], path: Path) -> None:
    """Draw how often names of each probability are right, and how right the surest cases are.

    One line per source on the left, one per source and view on the right; the chain only.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    mine = [row for row in rows if row.labeller == "chain"]
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(10.4, 4.6), constrained_layout=True)
    left.plot([0, 1], [0, 1], color="0.6", linewidth=1)
    for source in dict.fromkeys(row.source for row in mine):
        pairs = [pair for row in mine if row.source == source for pair in row.calibration]
        p, good = np.array(pairs, dtype=np.float64).T
        at = np.minimum((p * BINS).astype(int), BINS - 1)
        bins = [b for b in range(BINS) if np.count_nonzero(at == b) >= 10]
        left.plot(
            [p[at == b].mean() for b in bins],
            [good[at == b].mean() for b in bins],
            marker="o",
            label=f"{source}: {len(pairs)} names, ECE {calibration_error(pairs):.3f}",
        )
    left.set(xlabel="probability given", ylabel="share of right names", xlim=(0, 1), ylim=(0, 1))
    for (source, view, _), group in _groups(mine):
        ranked = sorted(group, key=lambda row: -row.confidence)
        share = np.cumsum([row.all_right for row in ranked]) / np.arange(1, len(ranked) + 1)
        coverage = np.arange(1, len(ranked) + 1) / len(ranked)
        text = f"{source}, {view} in view: {len(ranked)} cases"
        right.plot(coverage, share, _STROKES[source], label=text)
    right.set(xlabel="share of cases, the surest first", ylabel="all names right", xlim=(0, 1))
    for axis in (left, right):
        axis.grid(alpha=0.3)
    left.legend(loc="upper left", fontsize=8)
    right.legend(loc="lower left", fontsize=7)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=80)


def _groups(
    rows: Sequence[Row], *, by_view: bool = True
) -> list[tuple[tuple[str, ...], list[Row]]]:
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        key = (row.source, row.view, row.labeller) if by_view else (row.source, row.labeller)
        groups.setdefault(key, []).append(row)
    return list(groups.items())


def _rate(pairs: Sequence[tuple[str, bool]]) -> str:
    """A share in per cent with its 95 % interval; Wilson's where no case comes twice."""
    if not pairs:
        return "–"
    cases = [case for case, _ in pairs]
    if len(set(cases)) == len(cases):
        found = share_interval([hit for _, hit in pairs])
    else:
        found = bootstrap_interval([float(hit) for _, hit in pairs], cases)
    return f"{found.mean:.1%} ({found.low:.1%}–{found.high:.1%})"


def _at_coverage(group: Sequence[Row]) -> str:
    if any(np.isnan(row.confidence) for row in group if row.named):
        return "–"
    ranked = sorted(group, key=lambda row: -row.confidence)
    kept = ranked[: max(1, round(COVERAGE * len(ranked)))]
    return _rate([(row.case, row.all_right) for row in kept])


def _above(group: Sequence[Row]) -> str:
    if any(np.isnan(row.confidence) for row in group if row.named):
        return "–"
    kept = [row for row in group if row.confidence >= SURE]
    return f"{len(kept) / len(group):.0%}, {_rate([(r.case, r.all_right) for r in kept])}"


def _format_ece(group: Sequence[Row]) -> str:
    pairs = [pair for row in group for pair in row.calibration]
    return f"{calibration_error(pairs):.3f}" if pairs else "–"


def _kind(row: Row) -> str:
    """The deviating counts as a row's `found` would write them."""
    kinds = {4: "four-lumbar", 6: "L6"}.get(row.lumbar), {11: "T11", 13: "T13"}.get(row.thoracic)
    return "+".join(kind for kind in kinds if kind)
