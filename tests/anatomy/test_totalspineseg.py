import numpy as np

from spinekit.anatomy import totalspineseg as classes
from spinekit.anatomy.scheme import VALUES


def of(table: np.ndarray, *names: str) -> list[int]:
    return [int(table[VALUES[name]]) for name in names]


def test_the_first_step_tells_landmarks_and_c1_apart() -> None:
    table = classes.step1_classes()

    discs = of(table, "C2-C3", "C7-T1", "T12-L1", "L5-S1", "L4-L5", "T12-T13", "disc_3")
    assert discs == [2, 3, 4, 5, 1, 1, 1]
    assert of(table, "C1", "C2", "L6", "T13", "sacrum", "vertebra_1") == [7, 6, 6, 6, 6, 6]
    assert of(table, "spinal_canal", "spinal_cord") == [8, 9]
    assert table[0] == 0


def test_the_second_step_tells_neighbours_apart() -> None:
    table = classes.step2_classes()

    assert of(table, "C1", "C3", "C5", "C7", "T2", "T4", "T12", "L2", "L4", "L6") == [7] * 10
    assert of(table, "C2", "C4", "C6", "T1", "T3", "T11", "L1", "L3", "L5") == [8] * 9
    assert of(table, "sacrum", "spinal_canal", "spinal_cord", "vertebra_2") == [9, 10, 11, 6]
    assert of(table, "C2-C3", "T1-T2", "L4-S1") == [2, 1, 5]


def test_labels_of_the_steps() -> None:
    final, first = classes.step2_labels(), classes.step1_labels()

    assert of(final, "C1", "T12", "L6", "sacrum", "L5-L6", "L5-S1") == [11, 32, 46, 50, 96, 100]
    assert of(final, "T13", "T12-T13", "vertebra_1", "disc_1") == [0, 0, 0, 0]
    assert of(first, "C1", "C2", "T13", "L5", "sacrum", "vertebra_1") == [11, 50, 50, 50, 50, 50]
    assert of(first, "L5-S1", "spinal_canal", "spinal_cord") == [100, 2, 1]


def test_every_other_disc_from_the_uppermost_that_is_there() -> None:
    present = [VALUES[name] for name in ("L5-S1", "T12-L1", "L2-L3", "L1-L2", "L1", "disc_1")]

    table = classes.alternate_discs(present)

    assert np.flatnonzero(table).tolist() == [91, 93]
    assert np.flatnonzero(classes.alternate_discs([])).size == 0


def test_the_full_data_set_has_a_class_for_each_structure_of_an_ordinary_column() -> None:
    table = classes.full_classes()

    assert of(table, "C2-C3", "C7-T1", "T1-T2", "T12-L1", "L1-L2", "L5-S1") == [
        3,
        8,
        10,
        21,
        23,
        27,
    ]
    assert of(table, "C1", "C7", "T1", "T12", "L1", "L5") == [30, 36, 38, 49, 51, 55]
    assert of(table, "sacrum", "spinal_canal", "spinal_cord") == [56, 57, 58]
    assert of(table, "T13", "L6", "T12-T13", "L5-L6", "vertebra_1", "disc_1") == [0] * 6
    assert len(set(table[table > 0].tolist())) == np.count_nonzero(table)


def test_discs_in_turn_leave_out_the_lowest_and_those_without_a_label() -> None:
    first, second = classes.discs_in_turn()

    assert sorted(first) == [63, 65, 67, 72, 74, 76, 78, 80, 82, 92, 94, 96]
    assert sorted(second) == [64, 66, 71, 73, 75, 77, 79, 81, 91, 93, 95]
