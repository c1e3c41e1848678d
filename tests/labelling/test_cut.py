"""What splitting calls a sacrum at the lower edge may be a vertebra that the edge cuts."""

import dataclasses

import numpy as np
import pytest

from labelling.columns import bump, draw
from spinekit.labelling.chain import name_column
from spinekit.labelling.naming import keep_items, leave_out_unsure

CUT_MM = 12.0
"""What the edge leaves of the lowest bone."""


def _column(said: str, *, touches: bool = True, height: float = CUT_MM):
    """Bones from T11 to L5, the last found as a sacrum, which the network calls `said`."""
    column = draw(np.random.default_rng(4), first="T11", last="L5", noise=0.0, spread=0.3)
    *items, last = column.instances.items
    evidence = np.array([*column.evidence[:-1], bump(said, spread=0.3, flat=0.02)])
    lowest = dataclasses.replace(
        last,
        kind="sacrum",
        index=1,
        height_mm=height,
        bottom_mm=last.top_mm + height,
        position_mm=last.top_mm + 0.5 * height,
        touches_edge=touches,
        partial=touches,
    )
    items = [
        dataclasses.replace(item, centroid_ijk=(5.0, 60.0, lowest.bottom_mm - item.position_mm))
        for item in (*items, lowest)
    ]
    instances = dataclasses.replace(column.instances, items=tuple(items))
    return dataclasses.replace(column, instances=instances, evidence=evidence)


def test_a_vertebra_at_the_edge_that_was_found_as_a_sacrum_is_named_by_its_levels() -> None:
    column = _column("L5")

    naming = name_column(column.instances, column.evidence)

    assert naming.names == column.truth
    assert naming.cut == (len(column.truth) - 1,)
    assert 0.5 < min(naming.probability) < 0.95
    assert any(names[-1] == "sacrum" for names, _ in naming.alternatives)
    assert not {anomaly.name for anomaly in naming.anomalies} & {"merged", "four-lumbar"}


def test_a_sacrum_that_the_network_calls_one_stays_one() -> None:
    column = _column("sacrum")

    naming = name_column(column.instances, column.evidence)

    assert naming.names[-1] == "sacrum"
    assert naming.cut == ()


@pytest.mark.parametrize("view", [{"touches": False}, {"height": 70.0}])
def test_what_is_whole_or_taller_than_a_vertebra_is_no_cut_one(view: dict) -> None:
    column = _column("L5", **view)

    naming = name_column(column.instances, column.evidence)

    assert naming.names[-1] == "sacrum"
    assert naming.probability[-1] == pytest.approx(1.0, abs=1e-3)


def test_a_word_that_leaves_room_for_the_cut_vertebra_alone_is_heard() -> None:
    column = _column("sacrum")
    lowest = len(column.truth) - 1

    named = name_column(column.instances, column.evidence, certain={lowest: "L5"})

    assert named.names == column.truth


def test_a_cut_vertebra_is_left_out_where_it_is_unsure_and_a_sacrum_is_not() -> None:
    column = _column("L5")
    items, naming = column.instances.items, name_column(column.instances, column.evidence)

    assert leave_out_unsure(items, naming, 1.0).names[-1] is None
    whole = dataclasses.replace(naming, names=(*naming.names[:-1], "sacrum"), cut=())
    assert leave_out_unsure(items, whole, 1.0).names[-1] == "sacrum"


def test_a_cut_vertebra_keeps_its_place_when_pieces_are_joined() -> None:
    column = _column("L5")
    naming = name_column(column.instances, column.evidence)
    kept = list(range(1, len(column.truth)))

    assert keep_items(naming, kept).cut == (len(kept) - 1,)
