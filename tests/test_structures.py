import numpy as np
import pytest

from spinekit.anatomy.items import Instance, Instances
from spinekit.core.grid import Grid
from spinekit.structures import (
    compose_labels,
    convert_labels,
    find_cut,
    give_names,
    grow_map,
    tabulate,
)


def instance(kind: str, index: int) -> Instance:
    values = dict.fromkeys(Instance.__dataclass_fields__, 1.0)
    values |= {"kind": kind, "index": index, "touches_edge": False, "partial": False}
    return Instance(**(values | {"centroid_ijk": (0.0, 0.0, 0.0)}))


def column(items: tuple[Instance, ...]) -> Instances:
    """A voxel of every part, and one that belongs to no instance."""
    parts = np.array([[[0, 1, 2, 3, 4, 5, 6, 1]]], np.uint8)
    vertebrae = np.array([[[2, 2, 2, 2, 0, 0, 0, 0]]], np.uint8)
    discs = np.array([[[1, 1, 1, 1, 0, 0, 0, 0]]], np.uint8)
    return Instances(parts, vertebrae, discs, items, (1.0, 1.0, 1.0))


def test_the_nameless_are_numbered_from_the_top() -> None:
    items = [instance("vertebra", 1), instance("disc", 1), instance("vertebra", 2)]

    named = give_names(items, [None, None, "L1"], [0.4, 0.3, 0.91239])

    assert [(entry.name, entry.value, entry.probability) for entry in named] == [
        ("vertebra_1", 201, None),
        ("disc_1", 231, None),
        ("L1", 41, 0.9124),
    ]


def test_more_nameless_than_values_are_left_out() -> None:
    items = [instance("disc", n + 1) for n in range(30)]

    named = give_names(items, [None] * 30, [0.0] * 30)

    assert [entry.value for entry in named] == list(range(231, 256))


def test_every_voxel_takes_the_value_of_its_instance() -> None:
    items = (instance("vertebra", 2), instance("disc", 1), instance("sacrum", 1))
    named = give_names(items, ["L4", "L4-L5", None], [1.0, 1.0, 1.0])

    labels, kept = compose_labels(column(items), named)

    assert labels.ravel().tolist() == [0, 44, 44, 95, 2, 1, 50, 0]
    assert kept.ravel().tolist() == [0, 1, 2, 3, 4, 5, 6, 0]


def test_without_a_sacrum_among_the_instances_none_is_painted() -> None:
    items = (instance("vertebra", 2), instance("disc", 1))
    named = give_names(items, ["L4", "L4-L5"], [1.0, 1.0])

    labels, kept = compose_labels(column(items), named)

    assert labels.ravel().tolist() == [0, 44, 44, 95, 2, 1, 0, 0]
    assert kept.ravel().tolist() == [0, 1, 2, 3, 4, 5, 0, 0]


def test_growing_fills_the_gap_and_no_more() -> None:
    index_map = np.zeros((1, 1, 9), np.uint8)
    index_map[0, 0, 2] = 3

    assert grow_map(index_map)[0, 0].tolist() == [3, 3, 3, 3, 3, 0, 0, 0, 0]
    assert index_map.sum() == 3
    assert grow_map(np.zeros((2, 2, 2), np.uint8)).sum() == 0


def test_the_table_has_volumes_and_places_in_millimetres() -> None:
    labels = np.zeros((4, 4, 4), np.uint8)
    labels[1:3, 1:3, 1] = 44
    labels[0, 0, 3] = 2
    grid = Grid((4, 4, 4), np.diag([2.0, 1.0, 3.0, 1.0]))
    named = give_names([instance("vertebra", 1)], ["L4"], [0.9])

    rows = tabulate(labels, grid, named)

    assert [row.name for row in rows] == ["L4", "spinal_canal"]
    assert rows[0].volume_mm3 == pytest.approx(24.0)
    assert rows[0].centroid_ras_mm == (3.0, 1.5, 3.0)
    assert rows[1].probability is None
    assert tabulate(np.zeros_like(labels), grid, named) == ()


TURNS = {
    "RAS": np.diag([1.0, 1.0, 1.0, 1.0]),
    "LPI": np.diag([-1.0, -1.0, -1.0, 1.0]),
    "SRA": np.array([[0.0, 1, 0, 0], [0, 0, 1, 0], [1, 0, 0, 0], [0, 0, 0, 1]]),
    "ASR": np.array([[0, 0, 1, 0], [0.9, -0.4, 0, 0], [0.4, 0.9, 0, 0], [0, 0, 0, 1]]),
}


@pytest.mark.parametrize(("codes", "up"), [("RAS", 2), ("LPI", 2), ("SRA", 0), ("ASR", 1)])
@pytest.mark.parametrize("layer", [0, -1])
def test_canal_and_cord_tell_whether_an_end_of_the_scan_cuts_them(
    codes: str, up: int, layer: int
) -> None:
    labels = np.zeros((5, 5, 5), np.uint8)
    sides = np.moveaxis(labels, up, 2)
    sides[2, 2, layer] = 1
    sides[0, 0, 1:-1] = 2
    sides[:, 4, 2] = 44
    grid = Grid((5, 5, 5), TURNS[codes])
    named = give_names([instance("vertebra", 1)], ["L4"], [0.9])

    rows = tabulate(labels, grid, named)

    assert find_cut(labels, grid) == {1}
    assert {row.name: row.touches_edge for row in rows} == {
        "L4": False,
        "spinal_canal": False,
        "spinal_cord": True,
    }
    assert not any(row.partial for row in rows)
    assert find_cut(np.zeros_like(labels), grid) == frozenset()


@pytest.mark.parametrize(
    ("scheme", "values", "converted", "told"),
    [
        ("spider", [45, 1, 2, 50], [1, 100, 100, 0],
         "has no value for sacrum; one value, 100, for spinal_cord and spinal_canal"),
        ("spider", [45, 2], [1, 100], None),
        ("lumbar9", [41, 50], [1, 0], "has no value for sacrum"),
        ("spineps", [45, 1, 2, 50], [24, 60, 61, 26], None),
        ("spider", [32, 41, 42, 44, 45], [6, 5, 4, 2, 1], None),
        ("spider", [31, 91, 41, 92, 42], [3, 203, 2, 202, 1],
         "has values that read back T11 as T12"),
        ("spider", [50, 42, 201, 44, 2], [0, 3, 2, 1, 100],
         "has no value for sacrum; values that read back vertebra_1 as L3"),
    ],
)  # fmt: skip
def test_a_scheme_says_what_it_leaves_out_and_what_it_puts_together(
    scheme: str, values: list[int], converted: list[int], told: str | None
) -> None:
    found, rows, notices = convert_labels(np.array([[values]], np.uint8), (), scheme)

    assert found.ravel().tolist() == converted
    assert rows == ()
    assert [notice.text for notice in notices] == ([f"scheme '{scheme}' {told}"] if told else [])
