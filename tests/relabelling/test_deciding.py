"""Words about discs, and about bones above a sacrum: what follows, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest

from labelling.columns import build, delete, merge, split, uniform
from spinekit.anatomy.scheme import VALUES
from spinekit.core.errors import UsageError
from spinekit.core.grid import Grid
from spinekit.labelling.chain import name_column
from spinekit.labelling.naming import Naming
from spinekit.relabelling.agreement import find_misfit
from spinekit.relabelling.deciding import decide_names, find_items
from spinekit.relabelling.words import Column, Word

LEVELS = ("T11", "T12", "L1", "L2", "L3", "L4", "L5", "sacrum")
GRID = Grid((1, 1, 1), np.eye(4))
EMPTY = np.zeros((1, 1, 1), np.uint8)


def draw(lacking: str = "", *, sacrum: bool = True):
    """T11 to the sacrum in vertebrae of 26 mm and discs of 9 mm, one bone not found."""
    levels = LEVELS if sacrum else LEVELS[:-1]
    pieces, truth, top = [], [], 8.0
    for n, level in enumerate(levels):
        pieces.append(("sacrum" if level == "sacrum" else "vertebra", top, 26.0, 32.0))
        truth.append(level)
        if n + 1 < len(levels):
            pieces.append(("disc", top + 26.0, 9.0, 32.0))
            truth.append(f"{level}-{levels[n + 1]}".replace("sacrum", "S1"))
        top += 35.0
    column = build(truth, np.array([uniform()] * len(pieces)), pieces)
    return delete(column, truth.index(lacking)) if lacking else column


def decide(drawn, *words: str, earlier: str = "") -> Naming:
    """The names when words such as `L4=L5` are in force."""
    names = name_column(drawn.instances, drawn.evidence).names
    column = Column("a.nii.gz", drawn.instances, names, [], EMPTY, GRID)
    before = find_items(column, [Word(*earlier.split("="))]) if earlier else {}
    given = find_items(column, [Word(*word.split("=")) for word in words])
    return decide_names(column, drawn.evidence, before | given, earlier=before)


def check(naming: Naming) -> None:
    """No two structures share a value, and probabilities add up to no more than 1."""
    for names in (naming.names, *(names for names, _ in naming.alternatives)):
        values = [VALUES[name] for name in names if name]
        assert len(values) == len(set(values))
    for n, sure in enumerate(naming.probability):
        others = sum(p for names, p in naming.alternatives if names[n] != naming.names[n])
        if naming.names[n] is not None:
            assert sure + others <= 1.0 + 1e-9


def test_a_column_without_one_bone_is_named_as_it_was_drawn() -> None:
    drawn = draw(lacking="L5")

    assert decide(drawn).names == drawn.truth


@pytest.mark.parametrize(
    ("word", "lower"),
    [
        ("L6-S1", ("L5", "L5-L6", "L6-S1", "sacrum")),
        ("L5-S1", ("L4", "L4-L5", "L5-S1", "sacrum")),
        ("L4-S1", ("L3", "L3-L4", "L4-S1", "sacrum")),
    ],
)
def test_the_last_disc_states_the_count_though_the_bone_above_it_was_missed(
    word: str, lower: tuple[str, ...]
) -> None:
    naming = decide(draw(lacking="L5"), f"L5-S1={word}")

    assert naming.names[-4:] == lower
    assert naming.probability[-2] == 1.0
    check(naming)
    assert all(names[-4:-1] == lower[:-1] for names, _ in naming.alternatives)
    told = {found.name: found.probability for found in naming.anomalies}
    assert told.get("L6") == (1.0 if word == "L6-S1" else None)
    assert told.get("four-lumbar") == (1.0 if word == "L4-S1" else None)
    assert "missed" in told


@pytest.mark.parametrize("word", ["L4-L5=L5-S1", "L4-L5=L4-S1", "L4-L5=L6-S1"])
def test_a_disc_above_another_one_is_not_the_last(word: str) -> None:
    with pytest.raises(UsageError, match=r"a\.nii\.gz: ") as error:
        decide(draw(lacking="L5"), word)

    assert error.value.code == "contradicting-names"


def test_discs_that_share_a_value_are_not_named_at_once() -> None:
    drawn = draw(lacking="L5")

    with pytest.raises(UsageError, match="two structures cannot both be L6-S1"):
        decide(drawn, "L4-L5=L5-S1", "L5-S1=L6-S1")


@pytest.mark.parametrize("upper", ["T11", "T12", "T13"])
def test_the_disc_above_the_loin_states_the_count_though_a_bone_was_missed(upper: str) -> None:
    naming = decide(draw(lacking="T12"), f"T12-L1={upper}-L1")

    assert naming.names[2:4] == (f"{upper}-L1", "L1")
    assert naming.names[0] == f"T{int(upper[1:]) - 1}"
    check(naming)
    told = {found.name: found.probability for found in naming.anomalies}
    assert told.get("T11") == (1.0 if upper == "T11" else None)
    assert told.get("T13") == (1.0 if upper == "T13" else None)


def test_a_disc_between_two_bones_makes_their_count_as_sure_as_itself() -> None:
    naming = decide(draw(), "T12-L1=T11-L1")

    at = naming.names.index("T11-L1")
    assert naming.names[at - 1 : at + 2] == ("T11", "T11-L1", "L1")
    assert naming.probability[at] == 1.0
    (found,) = [found for found in naming.anomalies if found.name == "T11"]
    assert (found.probability, found.text) == (1.0, "eleven thoracic vertebrae: 100%")
    check(naming)


def test_the_last_disc_in_view_may_state_a_count_without_a_sacrum() -> None:
    drawn = draw(sacrum=False)
    names = name_column(drawn.instances, drawn.evidence).names
    pieces = drawn.instances.items[:-1]
    assert pieces[-1].kind == "disc"
    ends = build(drawn.truth[:-1], drawn.evidence[:-1], [
        (item.kind, item.top_mm, item.height_mm, item.depth_mm) for item in pieces
    ])  # fmt: skip
    column = Column("a.nii.gz", ends.instances, names[:-1], [], EMPTY, GRID)

    naming = decide_names(column, ends.evidence, {len(pieces) - 1: "L4-S1"}, earlier={})

    assert naming.names[-2:] == ("L4", "L4-S1")


@pytest.mark.parametrize("word", ["L3=L1", "L5=L3", "L1=T11", "L4=T12"])
def test_a_sacrum_is_not_made_to_hold_a_vertebra_by_a_word(word: str) -> None:
    with pytest.raises(UsageError, match="above the sacrum in view") as error:
        decide(draw(), word)

    assert error.value.code == "contradicting-names"


@pytest.mark.parametrize(("word", "last"), [("L3=L2", "L4"), ("L5=L6", "L6"), ("L5=L5", "L5")])
def test_names_that_can_stand_above_the_sacrum_are_taken(word: str, last: str) -> None:
    assert [name for name in decide(draw(), word).names if name and "-" not in name][-2] == last


def test_where_a_bone_was_missed_above_the_sacrum_there_is_room_for_one_more() -> None:
    lacking = draw(lacking="L5")

    assert "L3" in decide(lacking, "L4=L3").names
    with pytest.raises(UsageError, match="above the sacrum in view"):
        decide(lacking, "L4=L2")


@pytest.mark.parametrize(
    ("word", "text"),
    [
        ("sacrum=L5", "sacrum is no vertebra, L5 is one"),
        ("sacrum=L4-L5", "sacrum is no disc, L4-L5 is one"),
        ("L5=sacrum", "L5 is a vertebra, sacrum is not"),
        ("L5-S1=L5", "L5-S1 is a disc, L5 is not"),
    ],
)
def test_a_word_of_another_kind_is_refused(word: str, text: str) -> None:
    with pytest.raises(UsageError, match=text) as error:
        decide(draw(), word)

    assert error.value.code == "wrong-kind"


@pytest.mark.parametrize(("word", "lowest"), [("sacrum=L5", "L5"), ("L5=L3", "L4")])
def test_what_the_edge_cuts_need_not_be_a_sacrum(word: str, lowest: str) -> None:
    drawn = draw()
    *items, sacrum = drawn.instances.items
    cut = replace(sacrum, touches_edge=True, partial=True, centroid_ijk=(5.0, 60.0, 6.0))
    drawn = replace(drawn, instances=replace(drawn.instances, items=(*items, cut)))

    naming = decide(drawn, word)

    assert naming.names[-1] == lowest
    assert naming.cut == (len(items),)


@pytest.mark.parametrize("words", [("L5=L6", "L4=L4"), ("L2=T12", "L3=L3")])
def test_neighbours_are_not_made_to_leave_out_a_vertebra(words: tuple[str, str]) -> None:
    with pytest.raises(UsageError, match="no vertebra fits") as error:
        decide(draw(sacrum=False), *words)

    assert error.value.code == "contradicting-names"


def test_a_vertebra_may_be_left_out_where_one_was_missed_or_the_column_has_none() -> None:
    missed = decide(draw(lacking="L4", sacrum=False), "L3=L3", "L5=L5")
    assert [name for name in missed.names if name and "-" not in name][-2:] == ["L3", "L5"]

    eleven = decide(draw(sacrum=False), "T12=T11", "L1=L1")
    assert [name for name in eleven.names if name and "-" not in name][:3] == ["T10", "T11", "L1"]


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("T12=L1", "L4=L4"), "between L1 and L4 there: 3, more than the 2"),
        (("T12=L1", "L5-S1=L5-S1"), "between L1 and L5 there: 4, more than the 3"),
        (("T12=L1", "L3=L3", "L5=L5"), "between L1 and L3 there: 2, more than the 1"),
        (("L1=L2", "L3=L3"), "between L2 and L3 there: 1, more than the 0"),
    ],
)
def test_no_vertebra_is_left_without_a_name_between_two_that_have_one(
    words: tuple[str, ...], text: str
) -> None:
    with pytest.raises(UsageError, match=text) as error:
        decide(draw(), *words)

    assert error.value.code == "contradicting-names"


@pytest.mark.parametrize("last", ["L4", "L5"])
def test_a_count_that_a_column_may_have_is_taken_from_two_words(last: str) -> None:
    assert "T13" in decide(draw(), "T11=T12", f"{last}={last}").names


def test_what_bore_no_name_needs_none_between_two_words() -> None:
    drawn = draw()
    bears = [None if name == "L2" else name for name in drawn.truth]
    column = Column("a.nii.gz", drawn.instances, bears, [], EMPTY, GRID)
    given = find_items(column, [Word("T12", "L1"), Word("L4", "L4")])

    names = decide_names(column, drawn.evidence, given, earlier={}).names

    assert [names[n] for n in drawn.bones].count(None) == 1


def test_a_piece_between_two_words_needs_no_name() -> None:
    whole = draw(sacrum=False)
    broken = split(whole, whole.truth.index("L2"))
    bones = list(LEVELS[:-1])
    bears: list[str | None] = [None] * len(broken.truth)
    for n, name in zip(broken.bones, ["T10", *bones], strict=True):
        bears[n] = name
    column = Column("a.nii.gz", broken.instances, bears, [], EMPTY, GRID)
    given = find_items(column, [Word("T12", "L1"), Word("L3", "L3")])

    naming = decide_names(column, broken.evidence, given, earlier={})

    assert [naming.names[n] for n in broken.bones if naming.names[n]] == bones


def test_a_word_is_not_refused_for_what_earlier_words_left_out() -> None:
    drawn = draw(sacrum=False)
    names = name_column(drawn.instances, drawn.evidence).names
    column = Column("a.nii.gz", drawn.instances, names, [], EMPTY, GRID)
    before = find_items(column, [Word("L5", "L6"), Word("L4", "L4")])
    given = find_items(column, [Word("L2", "L2")])

    naming = decide_names(column, drawn.evidence, before | given, earlier=before)

    assert naming.names[drawn.truth.index("L2")] == "L2"


def draw_neck(*, joined: str = "", lacking: str = ""):
    """C2 to T1: a C2 of 31 mm, else vertebrae of 14 mm, and discs of 5 mm."""
    levels = ("C2", "C3", "C4", "C5", "C6", "C7", "T1")
    pieces, truth, top = [], [], 8.0
    for n, level in enumerate(levels):
        height = 31.0 if level == "C2" else 14.0
        pieces.append(("vertebra", top, height, 16.0))
        truth.append(level)
        if n + 1 < len(levels):
            pieces.append(("disc", top + height, 5.0, 16.0))
            truth.append(f"{level}-{levels[n + 1]}")
        top += height + 5.0
    column = build(truth, np.array([uniform()] * len(pieces)), pieces)
    if joined:
        return merge(column, column.truth.index(joined))
    return delete(column, column.truth.index(lacking)) if lacking else column


def misfit_of(drawn, first: str, second: str, *, at: int = 0, names=None):
    """The misfit of two names for the bone at this place from the top and the next one."""
    names = names or [None] * len(drawn.truth)
    column = Column("a.nii.gz", drawn.instances, names, [], EMPTY, GRID)
    upper, lower = drawn.bones[at : at + 2]
    return find_misfit(column, {upper: first, lower: second})


def test_the_dens_takes_no_room_from_a_vertebra_that_was_missed_below_c2() -> None:
    lacking = draw_neck(lacking="C3")

    assert misfit_of(lacking, "C2", "C4") is None
    assert misfit_of(lacking, "C2", "C5") == ("C2", "C5")
    assert misfit_of(draw_neck(), "C2", "C4") == ("C2", "C4")
    assert misfit_of(draw_neck(), "C3", "C5", at=1) == ("C3", "C5")


def test_the_smaller_vertebra_beside_a_gap_tells_what_fits() -> None:
    kinds = [("vertebra", 0.0, 30.0, 32.0), ("vertebra", 50.0, 16.0, 32.0)]
    drawn = build(("L1", "L3"), np.array([uniform()] * 2), kinds)

    assert misfit_of(drawn, "L1", "L3") is None
    assert misfit_of(drawn, "L1", "L4") == ("L1", "L4")


def test_a_block_has_room_for_the_vertebra_that_is_in_it() -> None:
    block = draw_neck(joined="C5")

    assert misfit_of(block, "C5", "C7", at=3) is None
    assert misfit_of(block, "C4", "C6", at=2) is None
    assert misfit_of(block, "C5", "T1", at=3) == ("C5", "T1")
    assert misfit_of(block, "C3", "C5", at=1) == ("C3", "C5")
    assert misfit_of(draw_neck(joined="C2"), "C2", "C4") is None


def test_names_that_two_bones_bear_may_be_confirmed_without_room_between_them() -> None:
    drawn = draw(sacrum=False)
    missing = [name.replace("L5", "L6") for name in drawn.truth]
    at = drawn.bones.index(drawn.truth.index("L4"))

    assert misfit_of(drawn, "L4", "L6", at=at) == ("L4", "L6")
    assert misfit_of(drawn, "L4", "L6", at=at, names=missing) is None
    assert misfit_of(drawn, "L3", "L5", at=at, names=missing) == ("L3", "L5")


def test_a_block_above_the_sacrum_may_hold_the_last_vertebra() -> None:
    drawn = draw()
    block = merge(drawn, drawn.truth.index("L4"))
    n = block.bones[-2]
    names = name_column(block.instances, block.evidence).names
    column = Column("a.nii.gz", block.instances, names, [], EMPTY, GRID)

    assert decide_names(column, block.evidence, {n: "L3"}, earlier={}).names[n] == "L3"
    with pytest.raises(UsageError, match="above the sacrum in view"):
        decide_names(column, block.evidence, {n: "L2"}, earlier={})
