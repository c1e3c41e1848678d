"""A scan that shows no vertebra and no disc still shows its sacrum."""

import numpy as np
import pytest

from instances.toys import CANAL, SACRUM, probabilities
from spinekit.instances import split_instances

SPACING = (4.0, 1.0, 1.0)


def sacrum_of(layers: int) -> np.ndarray:
    """A block 28 by 30 mm that ends at the lower edge, a canal that goes on, and a speck."""
    parts = np.zeros((11, 60, 60), np.uint8)
    parts[2:9, 20:50, :layers] = SACRUM
    parts[4:7, 10:20, : layers + 15] = CANAL
    parts[10, 58:, 58:] = SACRUM
    return parts


def test_it_is_an_item_with_its_place_and_the_canal_beside_it_stays() -> None:
    parts = sacrum_of(20)

    found = split_instances(probabilities(parts), SPACING)

    (item,) = found.items
    assert (item.kind, item.index, item.touches_edge) == ("sacrum", 1, True)
    assert item.volume_mm3 == 7 * 30 * 20 * 4
    assert item.centroid_ijk == pytest.approx((5.0, 34.5, 9.5))
    assert item.bottom_mm - item.top_mm == pytest.approx(20, abs=2)
    parts[10] = 0
    np.testing.assert_array_equal(found.parts, parts)
    assert not found.vertebra_map.any()
    assert not found.disc_map.any()


def test_what_is_too_small_for_one_is_none() -> None:
    found = split_instances(probabilities(sacrum_of(5)), SPACING)

    assert found.items == ()
    assert not found.parts.any()
