"""What network and other sources say, beside a word that is certain."""

import dataclasses

import numpy as np
import pytest

from labelling.columns import DrawnColumn, draw
from spinekit.anatomy.column import LEVELS
from spinekit.labelling.chain import name_column
from spinekit.labelling.observation import observe
from spinekit.labelling.outside import weigh
from spinekit.labelling.terms import IMPOSSIBLE


def _under_an_arch(seed: int) -> DrawnColumn:
    """C1 to T6; of C1 there is but the anterior arch, a fifth of what the column's sizes tell."""
    column = draw(np.random.default_rng(seed), first="C1", last="T6")
    first, *others = column.instances.items
    arch = dataclasses.replace(first, volume_mm3=0.2 * first.volume_mm3)
    items = (arch, *others)
    return dataclasses.replace(column, instances=dataclasses.replace(column.instances, items=items))


@pytest.mark.parametrize("seed", [0, 4])
def test_a_word_that_says_what_a_bone_is_called_anyway_changes_no_other_name(seed: int) -> None:
    column = _under_an_arch(seed)
    named = name_column(column.instances, column.evidence)
    assert named.names == column.truth

    for bone in column.bones:
        again = name_column(
            column.instances, column.evidence, certain={bone: str(column.truth[bone])}
        )
        assert again.names == named.names
        assert again.probability[bone] == pytest.approx(1.0)


def test_beside_a_corrected_name_bones_are_as_surely_vertebrae_as_before() -> None:
    column = _under_an_arch(0)
    certain = {column.bones[3]: "C5"}
    before, after = (
        observe(column.instances, column.evidence, certain, is_corrected=is_corrected)
        for is_corrected in (False, True)
    )

    levels = [np.ptp(said.likeness, axis=1) for said in (before, after)]
    assert (levels[1] < 0.2 * levels[0]).all()
    against_none = [said.likeness.max(axis=1) - said.noise for said in (before, after)]
    assert np.allclose(*against_none)


def test_what_is_stated_to_be_a_vertebra_stays_one_beside_a_certain_name() -> None:
    column = draw(np.random.default_rng(0), first="T11", last="L4", known=False)
    last = column.bones[-1]
    cut = column.instances.items[last]
    small = dataclasses.replace(
        cut,
        height_mm=0.5 * cut.height_mm,
        bottom_mm=cut.top_mm + 0.5 * cut.height_mm,
        volume_mm3=0.2 * cut.volume_mm3,
    )
    items = (*column.instances.items[:last], small)
    instances = dataclasses.replace(column.instances, items=items)
    said = np.array([[name == level for level in LEVELS] for name in column.truth], dtype=float)
    outside = weigh(said, items, np.full(len(LEVELS), 0.97))
    outside[column.bones] += 5.0
    certain = {column.bones[1]: "T12"}

    named = name_column(instances, column.evidence, outside=outside)
    again = name_column(instances, column.evidence, outside=outside, certain=certain)

    assert named.names[column.bones[1]] == "T12"
    assert named.names[last] == again.names[last] == "L4"


@pytest.mark.parametrize(("share", "may_be", "may_hold"), [(0.6, True, False), (2.0, False, True)])
def test_a_sacrum_at_the_edge_is_a_cut_vertebra_if_small_and_holds_one_if_large(
    share: float, may_be: bool, may_hold: bool
) -> None:
    column = draw(np.random.default_rng(0), first="T11")
    *above, sacrum = column.instances.items
    usual = np.median([item.volume_mm3 for item in above if item.kind == "vertebra"])
    lowest = dataclasses.replace(
        sacrum,
        touches_edge=True,
        centroid_ijk=(*sacrum.centroid_ijk[:2], 4.0),
        volume_mm3=share * float(usual),
    )
    instances = dataclasses.replace(column.instances, items=(*above, lowest))

    seen = observe(instances, column.evidence)

    assert (seen.as_vertebra[-1] > IMPOSSIBLE) == may_be
    assert (seen.merged[-1] > IMPOSSIBLE) == may_hold
