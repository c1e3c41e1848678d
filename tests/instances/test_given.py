"""Bones told apart already: ordered, measured, their bodies parted from their arches."""

from dataclasses import replace

import numpy as np
import pytest

from instances.toys import BODY, CANAL, DISC, NECK, POSTERIOR, SACRUM, Toy, draw, draw_ring, levels
from spinekit.instances.atlas import RING_BESIDE_MM
from spinekit.instances.given import find_doubled, find_scattered, take_instances

NUMBERS = (9, 2, 200, 41, 7)


def numbered(toy: Toy) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Parts, a number per bone and disc in no order, and the tissue without canal's arch."""
    parts, truth = draw(toy)
    table = np.zeros(300, np.uint8)
    table[1 : toy.count + 1] = NUMBERS[: toy.count]
    table[101 : 101 + toy.count] = np.arange(101, 101 + toy.count)
    is_bone = np.isin(parts, (BODY, POSTERIOR))
    numbers = np.where(is_bone | (parts == DISC), table[truth], 0).astype(np.uint8)
    return parts, numbers, np.where(is_bone, BODY, parts).astype(np.uint8)


def dice(first: np.ndarray, second: np.ndarray) -> float:
    return float(2 * (first & second).sum() / max(first.sum() + second.sum(), 1))


@pytest.mark.parametrize("known", ["all", "bones"])
@pytest.mark.parametrize("toy", [Toy(), Toy(lean=0.3), Toy(bend=12.0)], ids=["", "lean", "bend"])
def test_order_sizes_and_bodies_are_those_that_were_drawn(toy: Toy, known: str) -> None:
    parts, numbers, tissue = numbered(toy)
    if known == "bones":
        tissue = np.where(tissue == BODY, tissue, 0).astype(np.uint8)

    found, bore = take_instances(numbers, tissue, toy.spacing)

    bones = [n for n, item in enumerate(found.items) if item.kind == "vertebra"]
    assert [bore[n] for n in bones] == list(NUMBERS)
    assert dice(found.parts == BODY, parts == BODY) > 0.93
    assert dice(found.parts == POSTERIOR, parts == POSTERIOR) > 0.85
    for n in bones:
        # A leaning toy is sheared, not turned: measured along the column it is longer.
        assert found.items[n].height_mm == pytest.approx(toy.height, rel=0.1 + toy.lean)
        assert found.items[n].depth_mm == pytest.approx(toy.depth, rel=0.12)
        assert found.items[n].posterior_mm3 > 0
    kinds = [item.kind for item in found.items]
    if known == "all":
        assert kinds[:4] == ["vertebra", "disc", "vertebra", "disc"]
        assert kinds[-1] == "sacrum"
    else:
        assert kinds == ["vertebra"] * toy.count


def test_bodies_alone_have_no_arch() -> None:
    parts, numbers, _ = numbered(Toy())
    body = (parts == BODY).astype(np.uint8)

    found, _ = take_instances(numbers * body, body, Toy().spacing)

    np.testing.assert_array_equal(found.parts, body)


def test_nothing_in_nothing_out() -> None:
    empty = np.zeros((5, 30, 30), np.uint8)

    found, bore = take_instances(empty, empty, (4.0, 1.0, 1.0))

    assert found.items == bore == ()


@pytest.mark.parametrize("toy", [Toy(), Toy(lean=0.3), Toy(bend=12.0)], ids=["", "lean", "bend"])
def test_a_number_on_more_than_one_vertebra_is_found(toy: Toy) -> None:
    parts, numbers, tissue = numbered(toy)
    assert find_scattered(numbers, toy.spacing) == {}

    numbers[numbers == 41] = 2
    layers = np.flatnonzero((numbers == 2).any(axis=(0, 1)))
    height_mm = (layers[-1] - layers[0] + 1) * toy.spacing[2]
    assert find_scattered(numbers, toy.spacing) == pytest.approx({2: height_mm})
    found, _ = take_instances(numbers, tissue, toy.spacing)
    assert len([item for item in found.items if item.kind == "vertebra"]) == toy.count - 1

    everything = (parts == BODY).astype(np.uint8)
    assert list(find_scattered(everything, toy.spacing)) == [1]


def test_a_speck_far_off_is_no_other_place() -> None:
    toy = Toy()
    _, numbers, _ = numbered(toy)
    numbers[0, 0, 0] = NUMBERS[0]

    assert find_scattered(numbers, toy.spacing) == {}
    assert find_scattered(numbers * 0, toy.spacing) == {}


def bodies_of(toy: Toy) -> np.ndarray:
    """A number per body, and nothing else."""
    parts, numbers, _ = numbered(toy)
    return np.where(parts == BODY, numbers, 0).astype(np.uint8)


def doubled_in(bodies: np.ndarray, toy: Toy) -> list[int]:
    found, bore = take_instances(bodies, (bodies > 0).astype(np.uint8) * BODY, toy.spacing)
    return list(find_doubled(found, bore))


def test_a_number_on_two_bodies_is_found_and_one_on_two_halves_is_not() -> None:
    toy = Toy()
    bodies = bodies_of(toy)
    assert doubled_in(bodies, toy) == []

    assert doubled_in(np.where(bodies == NUMBERS[2], NUMBERS[1], bodies), toy) == [NUMBERS[1]]
    halved = bodies.copy()
    upper, lower = levels(toy)[2]
    halved[:, :, bodies.shape[2] - 1 - (upper + lower) // 2] = 0
    assert doubled_in(halved, toy) == []


@pytest.mark.parametrize(("axis", "voxels"), [(0, 12), (1, -40)], ids=["beside", "behind"])
def test_what_is_taken_for_body_at_the_height_of_one_is_no_second_body(
    axis: int, voxels: int
) -> None:
    toy = Toy(slices=35)
    bodies = bodies_of(toy)
    found, bore = take_instances(bodies, (bodies > 0).astype(np.uint8) * BODY, toy.spacing)
    second = np.roll(bodies == NUMBERS[2], voxels, axis=axis)
    assert not (second & (bodies > 0)).any()
    aside = replace(
        found,
        parts=np.where(second, np.uint8(BODY), found.parts),
        vertebra_map=np.where(second, np.uint8(3), found.vertebra_map),
    )
    assert bore[2] == NUMBERS[2]

    assert find_doubled(aside, bore) == {}


def test_bodies_that_the_edge_cuts_tell_no_size() -> None:
    toy = Toy(count=3)
    bodies = bodies_of(toy)
    end, (first, _, last) = bodies.shape[2], levels(toy)
    upper, lower = levels(toy)[1]
    bodies[:, :, end - 1 - (upper + lower) // 2] = 0
    cut = bodies[:, :, end - (last[0] + 10) : end - (first[1] - 10)]
    assert 1.4 * (cut == NUMBERS[0]).sum() < (cut == NUMBERS[1]).sum()

    assert doubled_in(cut, toy) == []


@pytest.mark.parametrize(("slim", "expected"), [(True, []), (False, [NUMBERS[0]])])
def test_a_slim_piece_above_the_second_bone_is_a_dens(slim: bool, expected: list[int]) -> None:
    toy = NECK
    bodies = bodies_of(toy)
    above = np.roll(bodies == NUMBERS[0], toy.height + 1, axis=2)
    if slim:
        above &= np.arange(bodies.shape[0])[:, None, None] >= toy.slices // 2
    assert 0.4 * (bodies == NUMBERS[0]).sum() < above.sum()
    bodies[above] = NUMBERS[0]

    assert doubled_in(bodies, toy) == expected


@pytest.mark.parametrize("margin", [0, 30])
@pytest.mark.parametrize("known", ["all", "bones"])
@pytest.mark.parametrize("toy", [Toy(), Toy(lean=0.3)], ids=["", "lean"])
def test_of_a_process_alone_at_the_edge_nothing_is_body(toy: Toy, known: str, margin: int) -> None:
    """The spinous process of the first vertebra hangs below its body, which is out of view.

    The mask may have been given a margin since.
    """
    parts, numbers, tissue = numbered(toy)
    if known == "bones":
        tissue = np.where(tissue == BODY, tissue, 0).astype(np.uint8)
    kept = numbers.shape[2] - levels(toy)[0][1]

    in_view = [np.pad(one[:, :, :kept], ((0, 0), (0, 0), (0, margin))) for one in (numbers, tissue)]
    found, bore = take_instances(*in_view, toy.spacing)

    bones = [n for n, item in enumerate(found.items) if item.kind == "vertebra"]
    assert [bore[n] for n in bones] == list(NUMBERS)
    first, second = (found.items[n] for n in bones[:2])
    assert (first.volume_mm3, first.partial, first.touches_edge) == (0.0, True, not margin)
    assert first.posterior_mm3 == (numbers[:, :, :kept] == NUMBERS[0]).sum() * 4.0
    assert first.bottom_mm <= second.top_mm
    assert second.height_mm == pytest.approx(toy.height, rel=0.1 + toy.lean)
    assert dice(found.parts[:, :, :kept] == BODY, parts[:, :, :kept] == BODY) > 0.93


@pytest.mark.parametrize("known", [(SACRUM,), (SACRUM, DISC)], ids=["sacrum", "disc"])
def test_without_a_vertebra_sacrum_and_discs_are_found(known: tuple[int, ...]) -> None:
    toy = Toy()
    _, numbers, tissue = numbered(toy)
    tissue[~np.isin(tissue, known)] = 0
    numbers[(tissue != DISC) | (numbers < 104)] = 0
    tissue[(tissue == DISC) & (numbers == 0)] = 0

    found, bore = take_instances(numbers, tissue, toy.spacing)

    expected = [("disc", 104), ("disc", 105), ("sacrum", 0)] if DISC in known else [("sacrum", 0)]
    assert [(item.kind, n) for item, n in zip(found.items, bore, strict=True)] == expected
    np.testing.assert_array_equal(found.parts, tissue)
    for disc, item in zip((104, 105), found.items[:-1], strict=False):
        assert item.volume_mm3 == (numbers == disc).sum() * 4.0
        assert item.height_mm == pytest.approx(toy.disc, rel=0.1)


@pytest.mark.parametrize("bodiless", [(0,), (4,), (1, 2)], ids=["first", "last", "two"])
def test_a_vertebra_whose_body_is_not_marked_keeps_its_place(bodiless: tuple[int, ...]) -> None:
    toy = Toy()
    parts, numbers, tissue = numbered(toy)
    gone = (parts == BODY) & np.isin(numbers, [NUMBERS[n] for n in bodiless])
    numbers[gone] = tissue[gone] = 0

    found, bore = take_instances(numbers, tissue, toy.spacing)

    bones = [n for n, item in enumerate(found.items) if item.kind == "vertebra"]
    assert [bore[n] for n in bones] == list(NUMBERS)
    assert [found.items[n].volume_mm3 == 0.0 for n in bones] == [n in bodiless for n in range(5)]
    pitch = toy.height + toy.disc
    middles = [found.items[n].position_mm for n in bones]
    np.testing.assert_allclose(np.diff(middles), pitch, atol=toy.disc + 1)
    assert not (found.parts[gone] == BODY).any()


def test_arches_alone_are_taken_for_what_they_are() -> None:
    parts, numbers, tissue = numbered(Toy())
    gone = parts == BODY
    numbers[gone] = tissue[gone] = 0

    found, bore = take_instances(numbers, tissue, Toy().spacing)

    assert [n for n, item in zip(bore, found.items, strict=True) if item.kind == "vertebra"] == [
        *NUMBERS
    ]


@pytest.mark.parametrize("known", ["all", "bones"])
def test_of_the_ring_around_the_dens_the_anterior_arch_is_body(known: str) -> None:
    toy = NECK
    _, numbers, tissue = numbered(toy)
    if known == "bones":
        tissue = np.where(tissue == BODY, tissue, 0).astype(np.uint8)
    dens, arch, rest = draw_ring()
    for where, number in ((dens, NUMBERS[0]), (arch | rest, 99)):
        numbers[where], tissue[where] = number, BODY

    found, bore = take_instances(numbers, tissue, toy.spacing)

    bones = [n for n, item in enumerate(found.items) if item.kind == "vertebra"]
    assert [bore[n] for n in bones] == [99, *NUMBERS[:4]]
    ring = (found.parts == BODY) & (numbers == 99)
    beside_mm = np.abs(np.arange(toy.slices) * 2.0 - 24.0)[:, None, None]
    assert np.array_equal(ring, arch & (beside_mm < RING_BESIDE_MM))
    assert found.items[bones[0]].height_mm == pytest.approx(11, rel=0.1)
    assert (found.parts[dens] == BODY).all()


def test_what_the_edge_cuts_is_partial() -> None:
    toy = Toy()
    _, numbers, tissue = numbered(toy)
    cut = numbers.shape[2] - (levels(toy)[0][0] + 12)

    found, _ = take_instances(numbers[:, :, :cut], tissue[:, :, :cut], toy.spacing)

    assert [item.partial for item in found.items if item.kind == "vertebra"][:2] == [True, False]
    assert {CANAL, SACRUM} < set(np.unique(found.parts).tolist())
