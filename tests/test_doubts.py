import numpy as np
import pytest
from numpy.typing import NDArray

from spinekit.anatomy.items import Instances
from spinekit.core.errors import Notice
from spinekit.core.grid import Grid
from spinekit.doubts import doubt_image, doubt_orientation, doubt_prediction, doubt_spine

SHAPE = (8, 64, 64)


def mixture(*parts: tuple[float, float, float]) -> NDArray[np.float32]:
    """Voxels of several tissues at random: share, mean and spread of each."""
    rng = np.random.default_rng(3)
    shares, means, spreads = np.array(parts).T
    kind = rng.choice(len(parts), SHAPE, p=shares / shares.sum())
    return np.rint(rng.normal(means[kind], spreads[kind])).astype(np.float32)


def ct_body(noise: float = 20.0) -> NDArray[np.float32]:
    """Fat, muscle, spongy and compact bone in Hounsfield units."""
    return mixture((30, -100, noise), (45, 50, noise), (15, 180, 60), (10, 700, 250))


def mri(low: float = 0.0) -> NDArray[np.float32]:
    """Air, muscle, bone, fat and water, magnitudes on top of ``low``."""
    return low + np.abs(mixture((40, 0, 12), (25, 150, 25), (20, 300, 40), (15, 800, 90)))


def padded(image: NDArray[np.float32], value: float, rows: int = 16) -> NDArray[np.float32]:
    image = image.copy()
    image[:, :rows] = value
    return image


CT = {
    "with air": np.concatenate([ct_body(), mixture((1, -1000, 15))]),
    "with air, clipped": np.concatenate([ct_body(), mixture((1, -1000, 15)).clip(-1000)]),
    "with air, padded": padded(np.concatenate([ct_body(), mixture((1, -1000, 15))]), -3024),
    "within the body": ct_body(),
    "within the body, noisy": ct_body(30),
    "within the body, padded": padded(ct_body(), -1024),
    "a thin person": mixture((6, -100, 20), (60, 50, 20), (34, 250, 150)),
    "a chest without outside": mixture((35, -820, 60), (20, -100, 20), (30, 50, 20), (15, 300, 99)),
}
MRI = {
    "magnitude": mri(),
    "padded with -1000": padded(mri(), -1000),
    "padded with -1024 on most of it": padded(mri(), -1024, 50),
    "mean taken off": mri(-180),
    "mean and spread taken off": (mri() - 180) / 240,
    "a few odd voxels": padded(mri(), -1000, 1) - np.eye(64, dtype=np.float32),
    "drawn in few values": np.rint(mixture((30, -100, 1), (45, 50, 1), (25, 300, 1)) / 50) * 50,
    "signed, around 0": mixture((50, 0, 60), (25, 200, 60), (25, -200, 60)),
}


@pytest.mark.parametrize("case", CT)
def test_a_ct_is_seen_by_its_air_or_by_fat_and_muscle(case: str) -> None:
    assert [notice.code for notice in doubt_image(CT[case])] == ["not-mri"]


@pytest.mark.parametrize("case", MRI)
def test_an_mri_is_no_ct_whatever_it_is_padded_with_or_shifted_by(case: str) -> None:
    assert doubt_image(MRI[case]) == ()


@pytest.mark.parametrize("kind", [np.uint8, np.float32])
def test_a_mask_is_no_scan(kind: type) -> None:
    mask = np.zeros((4, 30, 40), kind)
    mask[1:3, 5:20, 10:30] = 43
    mask[1:3, 22:25] = 1
    assert [notice.code for notice in doubt_image(mask)] == ["label-map"]
    assert doubt_image(mask + np.linspace(0, 1, mask.size).reshape(mask.shape)) == ()
    assert doubt_image(np.where(mask == 0, 7, mask)) == ()


def test_no_voxel_is_no_ct() -> None:
    assert doubt_image(np.zeros((0, 1, 1), np.float32)) == ()


def found(side: int, sure: float) -> tuple[NDArray[np.float16], Instances]:
    """Three square bodies in two slices of 1 mm pixels, and how sure the model is of them."""
    parts = np.zeros((2, 50, 150), np.uint8)
    numbers = parts.copy()
    for n in range(3):
        where = (slice(None), slice(5, 5 + side), slice(50 * n + 5, 50 * n + 5 + side))
        parts[where], numbers[where] = 1, n + 1
    probs = np.zeros((7, *parts.shape), np.float16)
    probs[1] = np.where(parts == 1, sure, 0)
    probs[0] = 1 - probs[1]
    return probs, Instances(parts, numbers, 0 * parts, (), (4.0, 1.0, 1.0))


def test_no_instance_is_no_spine() -> None:
    probs, nothing = found(0, 0.0)

    (notice,) = doubt_prediction(probs, nothing)

    assert notice.code == "no-spine"
    assert doubt_spine(probs, nothing) == ()


@pytest.mark.parametrize(
    ("side", "sure", "codes"),
    [
        (10, 0.6, ["no-spine"]),  # as in noise
        (10, 0.75, []),  # bodies of a neck, dimly seen
        (30, 0.6, []),  # of the loin's size, and all alike
    ],
)
def test_small_and_unsure_bodies_are_no_spine(side: int, sure: float, codes: list[str]) -> None:
    assert [notice.code for notice in doubt_spine(*found(side, sure))] == codes


def test_unsure_bodies_of_all_sizes_are_no_spine() -> None:
    probs, uneven = found(30, 0.6)
    uneven.parts[:, :, 61:100] = uneven.vertebra_map[:, :, 61:100] = 0

    assert [notice.code for notice in doubt_spine(probs, uneven)] == ["no-spine"]


def test_a_field_of_few_vertebrae_is_left_to_its_names() -> None:
    probs, small = found(10, 0.6)
    low = Instances(
        small.parts[:, :, :90], small.vertebra_map[:, :, :90], small.disc_map[:, :, :90], (),
        small.spacing_mm,
    )  # fmt: skip

    assert doubt_spine(probs[:, :, :, :90], low) == ()


def test_a_sure_canal_speaks_for_a_dim_spine() -> None:
    probs, small = found(10, 0.6)
    small.parts[:, 20:24], probs[4, :, 20:24] = 4, 0.9

    assert doubt_spine(probs, small) == ()


@pytest.mark.parametrize(
    ("shape", "affine", "is_told"),
    [
        ((256, 256, 19), np.eye(4), True),
        ((256, 256, 19), np.diag([-1.0, -1.0, 4.0, 1.0]), True),
        ((19, 256, 256), np.diag([4.0, 1.0, 1.0, 1.0]), False),
        ((256, 256, 19), np.eye(4)[[2, 0, 1, 3]], False),
    ],
)
def test_slices_that_may_only_by_their_header_be_axial_are_told(
    shape: tuple[int, int, int], affine: NDArray[np.float64], is_told: bool
) -> None:
    missing, other = Notice("no-spine", "nothing was found"), Notice("sheared", "so it is")

    told = doubt_orientation([missing, other], Grid(shape, affine))

    assert [notice.code for notice in told] == ["no-spine", "sheared"]
    assert ("repair its orientation" in told[0].text) == is_told
    assert told[1] == other
