"""Known columns come back with every voxel at its vertebra or disc."""

from dataclasses import replace

import numpy as np
import pytest

from instances.toys import (
    BODY,
    CANAL,
    CORD,
    DISC,
    POSTERIOR,
    SACRUM,
    Toy,
    draw,
    levels,
    overlap,
    probabilities,
)
from spinekit.instances import split_instances
from spinekit.instances.column import _far_from_canal


def _split(parts, toy, **kwargs):
    return split_instances(probabilities(parts, **kwargs), toy.spacing)


def _kinds(result):
    return [item.kind for item in result.items]


def _bodies_match(result, truth, count, least=0.97):
    body = result.parts == BODY
    return all(
        overlap((result.vertebra_map == n) & body, (truth == n) & body) >= least
        for n in range(1, count + 1)
    )


COLUMNS = {
    "lumbar": Toy(),
    "neck": Toy(count=6, height=13, disc=5, depth=16, width=20, spacing=(2.0, 1.0, 1.0)),
    "thorax": Toy(count=8, height=20, disc=4, depth=28, width=30, sacrum=False),
    "isotropic": Toy(count=3, spacing=(1.0, 1.0, 1.0), slices=45),
    "one slice": Toy(count=4, slices=1),
    "two slices": Toy(count=4, slices=2),
    "leaning": Toy(lean=0.3),
    "bent": Toy(bend=20.0, slices=21),
    "cut at the bottom": Toy(bottom=0, sacrum=False),
    "many": Toy(count=20, height=20, disc=5, depth=26, width=30),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_every_body_disc_and_the_sacrum_come_back_in_order(name):
    toy = COLUMNS[name]
    parts, truth = draw(toy)
    result = _split(parts, toy)
    last = ["sacrum"] if toy.sacrum else []
    assert _kinds(result) == ["vertebra", "disc"] * toy.count + last
    assert _bodies_match(result, truth, toy.count)
    for n in range(1, toy.count + 1):
        assert overlap(result.disc_map == n, truth == 100 + n) >= 0.97
    assert np.array_equal(result.parts, parts)


@pytest.mark.parametrize("name", ["lumbar", "isotropic", "leaning", "bent", "one slice"])
def test_posterior_elements_go_to_their_body(name):
    toy = COLUMNS[name]
    parts, truth = draw(toy)
    result = _split(parts, toy)
    rear = parts == POSTERIOR
    right = (result.vertebra_map[rear] == truth[rear]).mean()
    assert right > 0.95


def test_noise_does_not_change_the_count():
    toy = Toy()
    parts, truth = draw(toy)
    result = _split(parts, toy, seed=3)
    assert _kinds(result) == ["vertebra", "disc"] * toy.count + ["sacrum"]
    assert _bodies_match(result, truth, toy.count, least=0.9)


def test_sizes_are_those_drawn():
    toy = Toy()
    parts, _ = draw(toy)
    result = _split(parts, toy)
    bones = [item for item in result.items if item.kind == "vertebra"]
    body = parts == BODY
    for item in bones:
        assert item.height_mm == pytest.approx(26.0, abs=1.0)
        assert item.depth_mm == pytest.approx(35.0, abs=1.5)
        mask = (result.vertebra_map == item.index) & body
        assert item.volume_mm3 == pytest.approx(mask.sum() * 4.0)
        assert item.centroid_ijk == pytest.approx(np.argwhere(mask).mean(axis=0))
        assert not item.touches_edge
        assert not item.partial
    gaps = np.diff([item.position_mm for item in bones])
    assert gaps == pytest.approx(34.0, abs=1.0)


def test_missing_disc_between_separate_bodies():
    toy = Toy()
    parts, truth = draw(toy)
    parts[truth == 102] = 0
    result = _split(parts, toy)
    assert _kinds(result).count("vertebra") == 5
    assert _kinds(result).count("disc") == 4
    assert _bodies_match(result, truth, 5)


def test_bodies_that_touch_around_a_remnant_of_disc_are_parted():
    toy = Toy(disc=4)
    parts, truth = draw(toy)
    j = np.arange(parts.shape[1])[None, :, None]
    parts[(truth == 102) & (np.abs(j - 85) > 6)] = BODY
    result = _split(parts, toy)
    assert _kinds(result).count("vertebra") == 5
    assert _bodies_match(result, truth, 5, least=0.85)


def test_fused_bodies_are_parted_by_their_length():
    toy = Toy(count=6)
    parts, truth = draw(toy)
    parts[truth == 103] = BODY
    result = _split(parts, toy)
    assert _kinds(result).count("vertebra") == 6
    assert _bodies_match(result, truth, 6, least=0.8)


@pytest.mark.parametrize("disc", [102, 103])
def test_fused_bodies_are_parted_where_all_others_are_short_for_their_depth(disc):
    toy = Toy(count=8, height=20, disc=4, depth=34)
    parts, truth = draw(toy)
    parts[truth == disc] = BODY
    result = _split(parts, toy)
    assert _kinds(result).count("vertebra") == 8
    assert _bodies_match(result, truth, 8, least=0.75)


def test_touching_discs_do_not_join_their_bodies():
    toy = Toy(disc=6, depth=30)
    parts, truth = draw(toy)
    down = parts.shape[2] - 1 - np.arange(parts.shape[2])[None, None, :]
    upper, lower = levels(toy)[2]
    j = np.arange(parts.shape[1])[None, :, None]
    bridge = (truth == 3) & (j > 98) & (down >= upper) & (down < lower)
    parts[bridge] = DISC
    result = _split(parts, toy)
    assert _kinds(result).count("vertebra") == 5
    assert _kinds(result).count("disc") == 5


def test_body_with_a_dark_cleft_stays_one():
    toy = Toy()
    parts, truth = draw(toy)
    down = parts.shape[2] - 1 - np.arange(parts.shape[2])[None, None, :]
    middle = sum(levels(toy)[2]) / 2
    parts[(truth == 3) & (np.abs(down - middle) <= 1)] = 0
    result = _split(parts, toy)
    assert _kinds(result) == ["vertebra", "disc"] * 5 + ["sacrum"]
    assert _bodies_match(result, truth, 5)


def test_collapsed_body_between_two_discs_stays():
    toy = Toy()
    parts, truth = draw(toy)
    down = parts.shape[2] - 1 - np.arange(parts.shape[2])[None, None, :]
    upper, _ = levels(toy)[2]
    parts[(truth == 3) & (parts == BODY) & (down < upper + 14)] = DISC
    result = _split(parts, toy)
    assert _kinds(result) == ["vertebra", "disc"] * 5 + ["sacrum"]


def test_missing_body_leaves_the_others_in_place():
    toy = Toy(count=6)
    parts, truth = draw(toy)
    parts[truth == 3] = 0
    result = _split(parts, toy)
    assert _kinds(result).count("vertebra") == 5
    kept = [n for n in range(1, 7) if n != 3]
    body = result.parts == BODY
    for index, n in enumerate(kept, start=1):
        assert overlap((result.vertebra_map == index) & body, (truth == n) & body) > 0.97


@pytest.mark.parametrize("missing", [2, 3, 5])
def test_bodies_alone_beyond_a_missing_one_are_whole_but_specks_are_not(missing):
    """Without discs and a canal nothing but the curve leads over the gap, twice at either end."""
    toy = Toy(count=6)
    parts, truth = draw(toy)
    kept = [n for n in range(1, 7) if n != missing]
    parts = np.where(np.isin(truth, kept) & (parts == BODY), np.uint8(BODY), np.uint8(0))
    # Two specks that would lead from the lowest body to the end of the scan.
    parts = np.pad(parts, [(0, 0), (0, 0), (90, 0)])
    for k in (80, 20):
        parts[5:8, 82:90, k : k + 4] = BODY
    result = _split(parts, toy)
    assert _kinds(result) == ["vertebra"] * 5
    found = result.vertebra_map[:, :, 90:]
    for index, n in enumerate(kept, start=1):
        assert np.array_equal(found == index, (truth == n) & (parts[:, :, 90:] > 0))
    assert not result.vertebra_map[:, :, :40].any()


def test_arches_beyond_a_missing_vertebra_stay_with_their_bodies():
    toy = Toy(count=6, sacrum=False)
    parts, truth = draw(toy)
    parts[np.isin(truth, (3, 103, 102)) | (parts == CANAL)] = 0
    result = _split(parts, toy)
    for index, n in enumerate([1, 2, 4, 5, 6], start=1):
        assert overlap(result.vertebra_map == index, (truth == n) & (parts > 0)) > 0.9


def test_last_body_without_disc_above_the_sacrum_is_kept():
    toy = Toy()
    parts, truth = draw(toy)
    parts[truth == 105] = SACRUM
    result = _split(parts, toy)
    assert _kinds(result) == [*(["vertebra", "disc"] * 4), "vertebra", "sacrum"]
    assert _bodies_match(result, truth, 5)


def test_blobs_away_from_the_column_and_specks_are_dropped():
    toy = Toy()
    parts, truth = draw(toy)
    clean = parts.copy()
    parts[2:6, 5:20, 60:80] = BODY
    parts[6, 120:122, 50:52] = DISC
    parts[0, 2:4, 5] = SACRUM
    result = _split(parts, toy)
    assert _kinds(result) == ["vertebra", "disc"] * 5 + ["sacrum"]
    assert np.array_equal(result.parts, clean)
    assert _bodies_match(result, truth, 5)


def test_bodies_far_from_the_canal_beside_them_are_told():
    """The shape of teeth: at heights with a canal, but a long way in front of it."""
    toy = Toy()
    parts, _ = draw(toy)
    parts = np.pad(parts, [(0, 0), (0, 90), (0, 0)])
    column, canal = (parts == BODY) | (parts == DISC), parts == CANAL
    teeth = np.zeros_like(column)
    front = int(np.argwhere(parts > 0)[:, 1].max()) + round(35 / toy.spacing[1])
    teeth[2:12, front : front + 20, 60:90] = True
    assert np.array_equal(_far_from_canal(column | teeth, canal, toy.spacing), teeth)
    canal[:, :, 55:95] = False
    assert not _far_from_canal(column | teeth, canal, toy.spacing).any()


def test_a_speck_of_canal_far_off_says_nothing_where_no_canal_is_in_view():
    toy = Toy()
    parts, truth = draw(toy)
    parts[parts == CANAL] = 0
    parts[0, 2:4, 120] = CANAL
    result = _split(parts, toy)
    assert _kinds(result) == ["vertebra", "disc"] * 5 + ["sacrum"]
    assert _bodies_match(result, truth, 5)


def test_pieces_of_cord_below_its_end_are_canal():
    toy = Toy()
    parts, _ = draw(toy)
    canal = np.argwhere(parts == CANAL)
    middle = canal[:, 2].mean()
    (upper, lower) = (canal[:, 2] > middle), (canal[:, 2] < middle - 10)
    parts[tuple(canal[upper].T)] = CORD
    expected = parts.copy()
    parts[tuple(canal[lower][:10].T)] = CORD
    assert np.array_equal(_split(parts, toy).parts, expected)


def test_stray_patch_of_sacrum_in_a_body_becomes_body():
    toy = Toy()
    parts, truth = draw(toy)
    patch = (truth == 2) & (parts == BODY)
    patch[:6] = False
    parts[patch] = SACRUM
    result = _split(parts, toy)
    assert _kinds(result) == ["vertebra", "disc"] * 5 + ["sacrum"]
    assert (result.parts[patch] == BODY).all()


def test_body_cut_by_the_upper_edge_is_flagged():
    toy = Toy(top=0)
    parts, _ = draw(toy)
    result = split_instances(probabilities(parts[:, :, :-14]), toy.spacing)
    bones = [item for item in result.items if item.kind == "vertebra"]
    assert [item.touches_edge for item in bones] == [True, False, False, False, False]
    assert bones[0].partial
    assert not bones[1].partial


def test_small_body_is_partial():
    toy = Toy(count=4, height=9, disc=3, depth=9, width=4, sacrum=False, spacing=(2.0, 1.0, 1.0))
    parts, _ = draw(toy)
    result = _split(parts, toy)
    bones = [item for item in result.items if item.kind == "vertebra"]
    assert len(bones) == 4
    assert all(item.volume_mm3 < 500 and item.partial for item in bones)
    assert not any(item.touches_edge for item in bones)


def test_atlas_in_front_of_the_dens_is_its_own_vertebra():
    toy = replace(COLUMNS["neck"], sacrum=False, top=45)
    parts, truth = draw(toy)
    down = parts.shape[2] - 1 - np.arange(parts.shape[2])[None, None, :]
    j = np.arange(parts.shape[1])[None, :, None]
    i = np.arange(parts.shape[0])[:, None, None]
    middle = np.abs(i - 6) <= 3
    dens = middle & (j >= 81) & (j <= 90) & (down >= 23) & (down < 45)
    arch = middle & (j >= 93) & (j <= 98) & (down >= 24) & (down < 35)
    parts[dens | arch] = BODY
    truth[dens] = 1
    result = _split(parts, toy)
    assert _kinds(result).count("vertebra") == 7
    body = result.parts == BODY
    assert overlap(result.vertebra_map == 1, arch) > 0.9
    assert overlap((result.vertebra_map == 2) & body, (truth == 1) & body) > 0.95


@pytest.mark.parametrize("has_disc", [True, False])
def test_a_small_lowest_bone_is_a_vertebra_where_a_disc_lies_below_it(has_disc):
    toy = COLUMNS["lumbar"]
    parts, truth = draw(toy)
    i = np.arange(parts.shape[0])[:, None, None]
    parts[(truth == 5) & (parts == BODY) & (np.abs(i - 6) > 0)] = 0
    if not has_disc:
        parts[truth == 105] = 0
    result = _split(parts, toy)
    assert _kinds(result).count("vertebra") == (5 if has_disc else 4)
    assert _bodies_match(result, truth, 4)


def test_nothing_and_canal_alone_give_nothing():
    for part in (0, CANAL):
        parts = np.zeros((5, 40, 60), np.uint8)
        parts[2, 10:15, 5:55] = part
        result = split_instances(probabilities(parts), (4.0, 1.0, 1.0))
        assert result.items == ()
        assert not result.vertebra_map.any()
        assert not result.disc_map.any()
        assert result.parts.shape == parts.shape


def test_single_body_and_sacrum_alone():
    toy = Toy(count=1, sacrum=False)
    parts, truth = draw(toy)
    parts[truth == 101] = 0
    assert _kinds(_split(parts, toy)) == ["vertebra"]
    only = np.where(draw(Toy())[0] == SACRUM, SACRUM, 0)
    assert _kinds(split_instances(probabilities(only), (4.0, 1.0, 1.0))) == ["sacrum"]


def test_maps_agree_with_parts_and_items():
    toy = Toy()
    parts, _ = draw(toy)
    result = _split(parts, toy, seed=5)
    assert np.isin(result.parts[result.vertebra_map > 0], (BODY, POSTERIOR)).all()
    assert (result.parts[result.disc_map > 0] == DISC).all()
    assert (result.vertebra_map[result.parts == BODY] > 0).all()
    assert (result.disc_map[result.parts == DISC] > 0).all()
    for kind, numbers in (("vertebra", result.vertebra_map), ("disc", result.disc_map)):
        indices = [item.index for item in result.items if item.kind == kind]
        assert indices == list(range(1, numbers.max() + 1))


def test_same_input_gives_the_same_result():
    toy = Toy()
    probs = probabilities(draw(toy)[0], seed=1)
    first, second = (split_instances(probs, toy.spacing) for _ in range(2))
    assert first.items == second.items
    assert np.array_equal(first.vertebra_map, second.vertebra_map)


def test_a_canal_among_specks_of_bone_is_no_spine():
    parts = np.zeros((9, 40, 60), dtype=np.uint8)
    parts[1:8:3, 20:36:4, 4:56:4] = BODY
    parts[3:6, 8:16] = CANAL
    result = split_instances(probabilities(parts), (2.0, 1.0, 1.0))
    assert result.items == ()
    assert not result.parts.any()


def test_a_column_bent_round_stays_whole():
    """The centre of a half circle lies far from it."""
    j, k = np.mgrid[:200, :200]
    ring = (abs(np.hypot(j - 20, k - 100) - 95) < 6) & (j > 20)
    probs = np.zeros((7, 9, *ring.shape), np.float16)
    probs[BODY], probs[0] = ring, ~ring

    found = split_instances(probs, (4.0, 1.0, 1.0))

    assert (found.vertebra_map > 0).sum() > 0.9 * 9 * ring.sum()
