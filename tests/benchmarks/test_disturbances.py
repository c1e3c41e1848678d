"""Every disturbance changes what the model sees and is undone exactly before scoring."""

import numpy as np
import pytest

import disturbances
from disturbances import DISTURBANCES, Trial, crop, disturb
from spinekit.core.geometry import normalise_geometry
from spinekit.core.grid import Grid
from spinekit.core.volume import Volume
from spinekit.evaluation.reference import labels_reference
from spinekit.evaluation.scoring import evaluate_case

STRENGTHS = [(name, s) for name, (_, all_of) in DISTURBANCES.items() for s in all_of]


@pytest.fixture(scope="module")
def scan(spine):
    """The block spine and all that is known of it."""
    return Volume(spine.image, spine.grid), labels_reference("toy", spine.labels, spine.parts)


def sample(trial: Trial, truth: np.ndarray, grid: Grid) -> np.ndarray:
    """The true labels at the places that the shown voxels really have."""
    ijk = np.indices(trial.seen.array.shape).reshape(3, -1)
    ras = trial.seen.true[:3, :3] @ ijk + trial.seen.true[:3, 3:]
    at = np.rint(np.linalg.inv(grid.affine)[:3, :3] @ (ras - grid.affine[:3, 3:])).astype(int)
    inside = ((at >= 0) & (at < np.array(grid.shape)[:, None])).all(axis=0)
    found = np.zeros(ijk.shape[1], truth.dtype)
    found[inside] = truth[tuple(at[:, inside])]
    return found.reshape(trial.seen.array.shape)


@pytest.mark.parametrize(("name", "strength"), STRENGTHS)
def test_truth_survives_the_way_there_and_back(name, strength, scan, spine):
    image, reference = scan
    trial = disturb(name, strength, image, reference)
    labels, parts = (
        trial.bring_back(sample(trial, truth, spine.grid)) for truth in (spine.labels, spine.parts)
    )
    scores = evaluate_case(labels, parts, trial.judged(), spine.grid.spacing_mm)
    assert len(scores.scored("body")) >= 4
    assert all(body.named_right for body in scores.scored("body"))
    least = 0.85 if name in ("slice_mm", "in_plane_mm", "rotation") else 1.0
    assert scores.mean_dice("body") >= least


@pytest.mark.parametrize(("name", "strength"), STRENGTHS[1:])
def test_the_model_sees_something_else(name, strength, scan):
    image, reference = scan
    if not disturbances.applies(name, strength, image):
        pytest.skip("slices cannot be made thinner")
    before, after = (
        normalise_geometry(volume, in_plane_mm=1.0, min_slice_mm=2.0)[0].array
        for volume in (image, shown(disturb(name, strength, image, reference)))
    )
    if before.shape == after.shape:
        same = np.corrcoef(before.ravel(), after.ravel())[0, 1]
        spread = np.abs(after / after.std() - before / before.std()).mean()
        assert same < 0.99999
        assert spread > 1e-3
    else:
        assert name in ("slice_mm", "in_plane_mm")


def shown(trial: Trial) -> Volume:
    return Volume(trial.seen.array, Grid(trial.seen.array.shape, trial.seen.shown))


def test_rotation_turns_what_the_model_sees(scan, spine):
    image, reference = scan
    trial = disturb("rotation", 20, image, reference)
    rows = [
        np.argwhere(sample(trial, spine.labels, spine.grid) == v).mean(axis=0) for v in (41, 45)
    ]
    j, k = (rows[0] - rows[1])[1:] * np.array(spine.grid.spacing_mm[1:])
    assert abs(np.degrees(np.arctan2(j, k))) == pytest.approx(20, abs=1)


def test_what_is_turned_out_of_view_is_not_judged(scan, spine):
    image, reference = scan
    trial = disturb("rotation", 20, image, reference)
    inside = trial.bring_back(np.ones(image.shape, np.uint8)) > 0
    judged = trial.judged()
    assert not inside.all()
    for structure, mask in judged.masks:
        assert not mask[~inside].any(), structure


@pytest.mark.parametrize("count", [3, 5, 6])
def test_crops_leave_so_many_vertebrae(count, scan, spine):
    image, reference = scan
    trial = crop(count, image, reference)
    assert len(np.unique(trial.reference.bodies)) - 1 == count
    moved = trial.grid.affine[2, 3] - spine.grid.affine[2, 3]
    k = round(moved / spine.grid.spacing_mm[2])
    assert np.array_equal(trial.seen.array, image.array[:, :, k : k + trial.grid.shape[2]])


def test_no_crop_of_more_than_there_are(scan):
    assert crop(7, *scan) is None
