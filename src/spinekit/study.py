"""The series of one study, named jointly: what one does not show, another may.

Each series is looked at by itself; then bones that lie at the same place count as one, and all
are named at once. It knows the steps of the main job and nothing of how they work.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from spinekit.anatomy.column import LEVELS
from spinekit.anatomy.items import Instance
from spinekit.core.errors import ModelError, Notice
from spinekit.labelling.methods import name_with
from spinekit.labelling.naming import Naming, leave_out_unsure
from spinekit.labelling.outside import (
    Outside,
    compare,
    differing,
    read_out,
    tell_given,
    usual_reliability,
    weigh,
)
from spinekit.labelling.series import Pool, SeriesColumn, pool_series
from spinekit.options import SegmentOptions
from spinekit.pipeline import Findings, conclude, consult, examine
from spinekit.prediction.predictor import Predictor, Progress
from spinekit.segmentation import Segmentation


def segment_study(
    series: Sequence[tuple[str | Path, SegmentOptions]],
    *,
    names: Sequence[str],
    frames: Sequence[str] = (),
    lacking: Sequence[bool] = (),
    predictor: Predictor,
    progress: Progress | None = None,
) -> list[Segmentation | Exception]:
    """Name the spine in all series of one study, whose scanner frame is one.

    Args:
        series: Scan and options of each.
        names: What each is called in warnings and reports.
        frames: What the scanner's frame of each is called, where that is known; series of
            different frames are not compared.
        lacking: Which of them lack a result, all by default; where none of those can be done, the
            others are not looked at either.
        predictor: What to predict with.
        progress: Told the share of the predictions that is done, 0 to 1.

    Returns:
        For each series its result, or what it failed with; one failure does not stop the others.

    Raises:
        ModelError: What the predictor answers cannot be used.
    """
    results: list[Segmentation | Exception] = [RuntimeError("not done")] * len(series)
    found: dict[int, Findings] = {}
    told: dict[int, Outside] = {}
    for s, seen in _look(series, lacking, predictor, progress):
        if isinstance(seen, Exception):
            results[s] = seen
        else:
            found[s], told[s] = seen
    order = sorted(found)
    columns = [_column(found[s], told[s], frames[s] if frames else "") for s in order]
    method = series[0][1].labeller if series else "chain"
    alone = [name_with(method, column.instances, column.evidence) for column in columns]
    for pool in pool_series(columns):
        joint = name_with(method, pool.instances, pool.evidence, outside=pool.outside)
        known = [names[order[n]] for n in pool.members]
        for m, member in enumerate(pool.members):
            s, items = order[member], columns[member].instances.items
            options, naming = series[s][1], pool.share_out(joint, m)
            kept = leave_out_unsure(items, naming, options.min_probability)
            outside = _account(pool, m, naming, kept, items, alone, known)
            outside = _with_localizer(outside, told[s], alone[member], kept, items)
            if len(series) > 1 and len(pool.members) == 1 and items:
                outside = dataclasses.replace(outside, notices=(*outside.notices, _ALONE))
            try:
                results[s] = conclude(found[s], kept, options, outside=outside)
            except Exception as error:
                results[s] = error
    return results


_ALONE = Notice(
    "named-alone",
    "no other series shows a bone where this one does, or in its frame; it was named by itself",
)


def _look(
    series: Sequence[tuple[str | Path, SegmentOptions]],
    lacking: Sequence[bool],
    predictor: Predictor,
    progress: Progress | None,
) -> Iterator[tuple[int, tuple[Findings, Outside] | Exception]]:
    """What is in each series and what its localizer says; those that lack a result come first."""
    order = sorted(range(len(series)), key=lambda s: bool(lacking) and not lacking[s])
    is_worthwhile = False
    for n, s in enumerate(order):
        if lacking and not lacking[s] and not is_worthwhile:
            return
        source, options = series[s]
        try:
            share = None if progress is None else _part_of(progress, n, len(series))
            found = examine(source, options, predictor=predictor, progress=share)
            told = consult(found, options)
        except ModelError:
            raise
        except Exception as error:
            yield s, error
        else:
            is_worthwhile = True
            yield s, (found, told)


def _part_of(progress: Progress, s: int, count: int) -> Progress:
    return lambda share: progress((s + share) / count)


def _column(found: Findings, told: Outside, frame: str) -> SeriesColumn:
    return SeriesColumn(found.instances, found.working.grid, found.evidence, told.likelihood, frame)


def _account(
    pool: Pool,
    member: int,
    naming: Naming,
    kept: Naming,
    items: Sequence[Instance],
    alone: Sequence[Naming],
    known: Sequence[str],
) -> Outside:
    """What the other series of a pool say of one: their own readings, and what they add up to.

    `naming` is what they come to together, `kept` what is left of it where unsure names are not.
    """
    if len(pool.members) == 1:
        return Outside()
    place = pool.place[member]
    own = alone[pool.members[member]]
    cut = {*own.cut, *naming.cut}
    items = [
        dataclasses.replace(item, kind="vertebra") if n in cut else item
        for n, item in enumerate(items)
    ]
    readings: list[dict[str, Any]] = []
    for m, other in enumerate(pool.members):
        if m != member:
            said = dict(zip(pool.place[m].tolist(), alone[other].names, strict=True))
            heard = [said.get(int(n)) if n >= 0 else None for n in place]
            row = {"source": "series", "file": known[m], "names": heard}
            readings.append(compare(row, own, naming, items)[0])
    notices = []
    bones = [n for n, item in enumerate(items) if item.kind == "vertebra" and place[n] >= 0]
    differ = [n for n in bones if own.names[n] != naming.names[n]]
    if differ and not own.ambiguous:
        others = ", ".join(name for m, name in enumerate(known) if m != member)
        shown = differing(naming.names, own.names, bones)
        text = (
            f"this series alone says {read_out(own, shown)}; {tell_given(kept.names, shown)} "
            f"together with {others}, look at the previews"
        )
        notices.append(Notice("series-disagree", text))
    shares = np.zeros((len(items), len(LEVELS)))
    sure_of = np.full(len(LEVELS), 0.0)
    unsaid = usual_reliability([name for name in naming.names if name])
    for n in bones:
        name = naming.names[n]
        if name is not None:
            shares[n, LEVELS.index(name)] = 1.0
            sure = naming.probability[n]
            sure_of[LEVELS.index(name)] = unsaid if sure is None else sure
    return Outside(weigh(shares, items, sure_of), tuple(readings), tuple(notices))


def _with_localizer(
    outside: Outside, told: Outside, own: Naming, naming: Naming, items: Sequence[Instance]
) -> Outside:
    """The same with what the series' localizer says."""
    told = told.settle(own, naming, items)
    likelihood = outside.likelihood if outside.likelihood is not None else told.likelihood
    return Outside(
        likelihood, (*outside.readings, *told.readings), (*outside.notices, *told.notices)
    )
