"""Two columns of one spine, one of them moved: bones, thin discs and slivers find their like."""

from dataclasses import replace

import numpy as np
import pytest

from spinekit.anatomy.items import Instance
from spinekit.labelling.matching import match_items, move_along, shifts_along

BONE_MM, DISC_MM = 18.0, 5.0
PITCH_MM = BONE_MM + DISC_MM


def item(kind: str, top_mm: float, bottom_mm: float) -> Instance:
    return Instance(
        kind=kind, index=1, centroid_ijk=(0.0, 0.0, 0.0), volume_mm3=5000.0, touches_edge=False,
        partial=False, position_mm=(top_mm + bottom_mm) / 2, top_mm=top_mm, bottom_mm=bottom_mm,
        height_mm=bottom_mm - top_mm, depth_mm=30.0, width_mm=40.0,
    )  # fmt: skip


def spine(bones: int, *, start_mm: float = 0.0) -> list[Instance]:
    """Bones from the top with a disc below each."""
    items = []
    for n in range(bones):
        top = start_mm + n * PITCH_MM
        items.append(item("vertebra", top, top + BONE_MM))
        items.append(item("disc", top + BONE_MM, top + PITCH_MM))
    return items


def shares(items: list[Instance], others: list[Instance], *, apart_mm: float) -> np.ndarray:
    """What two have in common where the first curve's 0 lies `apart_mm` below the other's."""
    result = np.zeros((len(items), len(others)))
    for n, one in enumerate(items):
        for e, other in enumerate(others):
            top = max(one.top_mm + apart_mm, other.top_mm)
            common = min(one.bottom_mm + apart_mm, other.bottom_mm) - top
            if one.kind == other.kind and common > 0:
                result[n, e] = common / min(one.height_mm, other.height_mm)
    return result


@pytest.mark.parametrize("moved_mm", [0.0, 3.0, 5.0, -6.0, 8.0])
def test_discs_of_a_patient_who_moved_follow_the_bones_beside_them(moved_mm: float) -> None:
    whole, lower = spine(8), spine(6)
    apart = 2 * PITCH_MM + moved_mm

    found = match_items(shares(lower, whole, apart_mm=apart), lower, whole)

    assert sorted(found) == [(n, n + 4) for n in range(12)]


@pytest.mark.parametrize("moved_mm", [4.0, -4.0, -7.0])
def test_a_sliver_at_the_edge_is_not_taken_for_the_bone_it_lies_in(moved_mm: float) -> None:
    whole = spine(8)
    top = 2 * PITCH_MM
    sliver = item("vertebra", top + BONE_MM - 3.0, top + BONE_MM)
    lower = [replace(sliver, touches_edge=True), *spine(8)[5:]]

    found = match_items(shares(lower, whole, apart_mm=-moved_mm), lower, whole)

    assert sorted(found) == [(n, n + 4) for n in range(len(lower))]


def test_a_disc_that_the_other_does_not_show_has_no_pair() -> None:
    whole = spine(5)
    without = [item for n, item in enumerate(whole) if n != 3]

    found = match_items(shares(whole, without, apart_mm=0.0), whole, without)

    assert 3 not in dict(found)
    assert len(found) == len(without)


def test_curves_that_stretch_are_followed_to_their_ends() -> None:
    items = spine(12)
    stretched = [item(one.kind, 1.1 * one.top_mm, 1.1 * one.bottom_mm) for one in items]
    same = np.eye(len(items))

    found = match_items(same, items, stretched)

    assert sorted(found) == [(n, n) for n in range(len(items))]
    shifts = shifts_along(found, items, stretched)
    assert move_along(100.0, shifts) == pytest.approx(110.0)


def test_nothing_in_common_gives_no_pairs() -> None:
    assert match_items(np.zeros((4, 4)), spine(2), spine(2)) == []
    assert match_items(np.zeros((0, 4)), [], spine(2)) == []
