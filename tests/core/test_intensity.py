import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from spinekit.core.intensity import normalise_intensity


def test_percentiles_become_0_and_1() -> None:
    image = np.arange(1001, dtype=np.float32)
    result = normalise_intensity(image)
    assert result.dtype == np.float32
    assert (result[:6] == 0).all()
    assert (result[995:] == 1).all()
    assert result[500] == pytest.approx(0.5)


@pytest.mark.parametrize("image", [np.zeros((3, 4)), np.full(5, 7.0), np.full(3, np.nan), []])
def test_constant_empty_and_non_finite_give_zeros(image: np.ndarray) -> None:
    result = normalise_intensity(np.asarray(image))
    assert result.shape == np.shape(image)
    assert not result.any()


def test_nan_becomes_0_and_infinities_the_ends() -> None:
    result = normalise_intensity(np.array([np.nan, 1, 2, 3, np.inf, -np.inf]))
    assert result[[0, 4, 5]].tolist() == [0, 1, 0]


def test_two_values_are_told_apart_however_rare_one_is() -> None:
    image = np.zeros((100, 100), np.float32)
    image[3, 4] = 5
    result = normalise_intensity(image)
    assert result[3, 4] == 1
    assert result.sum() == 1


def test_input_is_not_changed() -> None:
    image = np.linspace(-5, 5, 100, dtype=np.float32)
    before = image.copy()
    normalise_intensity(image)
    np.testing.assert_array_equal(image, before)


def test_large_scans_are_sampled_without_visible_error() -> None:
    image = np.random.default_rng(0).gamma(2, 50, (8, 600, 700)).astype(np.float32)
    low, high = np.percentile(image, (0.5, 99.5))
    expected = np.clip((image - low) / (high - low), 0, 1)
    np.testing.assert_allclose(normalise_intensity(image), expected, atol=0.01)


@given(
    hnp.arrays(np.float32, hnp.array_shapes(max_dims=3, max_side=8), elements=st.floats(width=32)),
)
def test_result_is_always_finite_within_0_and_1(image: np.ndarray) -> None:
    result = normalise_intensity(image)
    assert result.shape == image.shape
    assert np.isfinite(result).all()
    assert result.min() >= 0
    assert result.max() <= 1


@given(
    hnp.arrays(np.int16, (6, 7), elements=st.integers(0, 2000)),
    st.sampled_from([0.5, 2.0, 16.0]),
    st.sampled_from([-512.0, 0.0, 64.0]),
)
def test_scanner_gain_and_offset_do_not_matter(
    image: np.ndarray, gain: float, offset: float
) -> None:
    expected = normalise_intensity(image)
    np.testing.assert_allclose(normalise_intensity(image * gain + offset), expected, atol=1e-4)
