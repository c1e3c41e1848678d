import numpy as np

from spinekit.doubts import doubt_image, doubt_prediction


def test_a_ct_is_seen_by_its_air() -> None:
    image = np.full((4, 8, 8), 40.0, np.float32)
    image[:, :2] = -1000

    assert [notice.code for notice in doubt_image(image)] == ["not-mri"]


def test_mri_with_a_few_negative_voxels_is_no_ct() -> None:
    image = np.full((10, 10, 10), 400.0, np.float32)
    image[0, 0, :3] = -1000

    assert doubt_image(image) == ()
    assert doubt_image(np.zeros((0, 1, 1), np.float32)) == ()


def test_no_instance_is_no_spine() -> None:
    probs = np.zeros((7, 1, 2, 2), np.float16)
    probs[0] = 1

    (notice,) = doubt_prediction(probs, np.zeros((1, 2, 2), np.uint8), ())

    assert notice.code == "no-spine"
