"""The parts and their values."""

from spinekit.anatomy import parts


def test_values_of_the_contract():
    assert (parts.BACKGROUND, parts.BODY, parts.POSTERIOR, parts.DISC) == (0, 1, 2, 3)
    assert (parts.CANAL, parts.CORD, parts.SACRUM, parts.VERTEBRA) == (4, 5, 6, 7)
    assert parts.BONE == (1, 2, 7)


def test_a_name_for_every_value_of_a_parts_map():
    assert parts.PARTS[parts.BODY] == "body"
    assert parts.PARTS[parts.SACRUM] == "sacrum"
    assert len(parts.PARTS) == 7
