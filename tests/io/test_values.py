"""Values as arrays hold them: beyond 32-bit floats, or hidden by a mask."""

import numpy as np
import pytest

from scan_files import AFFINE, picture
from spinekit.core.errors import SpineKitError
from spinekit.io.reading import scan_from_array


@pytest.mark.parametrize(
    ("scale", "offset"), [(1e300, 0.0), (1e-60, 0.0), (1.0, 1e12), (1e305, -1e308)]
)
def test_values_that_32_bits_cannot_tell_apart_are_scaled(scale: float, offset: float) -> None:
    plain = picture().astype(np.float64)

    scan = scan_from_array(plain * scale + offset, affine=AFFINE)

    ranked = (plain - plain.min()) / (plain.max() - plain.min())
    np.testing.assert_allclose(scan.volume.array, ranked, atol=1e-3)
    assert [notice.code for notice in scan.notices] == ["values-scaled"]


def test_large_whole_numbers_are_told_apart() -> None:
    plain = picture().astype(np.int64)

    scan = scan_from_array(plain + 2**52, affine=AFFINE)

    ranked = (plain - plain.min()) / (plain.max() - plain.min())
    np.testing.assert_allclose(scan.volume.array, ranked, atol=1e-6)


@pytest.mark.parametrize("kind", [np.float64, np.int32, np.uint64])
def test_usual_values_stay_as_they_are(kind: type) -> None:
    scan = scan_from_array(picture().astype(kind), affine=AFFINE)

    np.testing.assert_array_equal(scan.volume.array, picture().astype(kind).astype(np.float32))
    assert scan.notices == ()


def test_infinite_values_do_not_decide_the_range() -> None:
    plain = picture().astype(np.float64)
    plain[0, 0, 0] = np.inf

    scan = scan_from_array(plain, affine=AFFINE)

    assert scan.volume.array.max() == np.float32(picture().ravel()[1:].max())
    assert [notice.code for notice in scan.notices] == ["not-finite"]


def test_what_a_masked_array_hides_is_no_image() -> None:
    hidden = np.zeros(picture().shape, dtype=bool)
    hidden[:3] = True
    masked = np.ma.array(np.where(hidden, 9e5, picture()), mask=hidden)

    scan = scan_from_array(masked, affine=AFFINE)

    assert scan.volume.array.max() == picture()[3:].max()
    assert [(n.code, n.text.split()[0]) for n in scan.notices] == [
        ("not-finite", str(hidden.sum()))
    ]


@pytest.mark.parametrize("values", [1j * picture(), picture().astype(str)], ids=["complex", "text"])
def test_masked_values_that_are_no_real_numbers_are_refused(values: np.ndarray) -> None:
    hidden = np.zeros(values.shape, dtype=bool)
    hidden[0] = True

    with pytest.raises(SpineKitError, match="not real numbers"):
        scan_from_array(np.ma.array(values, mask=hidden), affine=AFFINE)
