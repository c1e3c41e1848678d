"""Label tables lead back to our values."""

import json

import numpy as np
import pytest

from spinekit.anatomy.scheme import VALUES
from spinekit.core.errors import InputError
from spinekit.curation.tables import (
    describe_table,
    find_scheme,
    find_varying,
    number_structures,
    read_table,
)


def test_numbers_run_from_one_without_gaps() -> None:
    assert number_structures(["L1", "L5", "L6-S1", "L5-S1"]) == {"L1": 1, "L5": 2, "L5-S1": 3}
    assert number_structures([]) == {}


def test_a_table_undoes_the_numbering(tmp_path) -> None:
    values = number_structures(["L4", "L5", "L6", "L4-L5", "L5-S1"])
    path = tmp_path / "labels.json"
    path.write_text(json.dumps(describe_table(values, name="set", inverse="read it")))

    scheme = read_table(path)
    ours = np.array([44, 46, 100, 95], np.uint8)
    theirs, lost = scheme.convert(ours)

    assert (theirs.tolist(), lost) == ([1, 3, 5, 4], ())
    assert scheme.read(theirs)[0].tolist() == ours.tolist()
    assert find_scheme(str(path)).values["L6-S1"] == find_scheme(str(path)).values["L5-S1"] == 5


def test_rows_carry_name_value_and_colour() -> None:
    row = describe_table({"L4": 1}, name="set", inverse="")["labels"][0]

    assert (row["name"], row["value"], row["spinekit_value"]) == ("L4", 1, VALUES["L4"])
    assert len(row["colour"]) == 3


@pytest.mark.parametrize("text", ["", "[]", '{"labels": [{"value": 1, "name": "L9"}]}'])
def test_anything_else_is_no_table(tmp_path, text: str) -> None:
    path = tmp_path / "labels.json"
    path.write_text(text)

    with pytest.raises(InputError, match=r"labels\.json: no label table"):
        read_table(path)


def test_a_value_that_is_one_bone_here_and_another_there_is_in_no_table() -> None:
    l4, l5, l6 = VALUES["L4"], VALUES["L5"], VALUES["L6"]

    assert find_varying([{l5: 1, l4: 2}, {l6: 1, l5: 2, l4: 3}]) == {
        1: [l5, l6], 2: [l4, l5], 3: [l4]}  # fmt: skip
    assert find_varying([{l5: 1}, {l4: 2}]) == {}


def test_structures_that_every_map_joins_are_one_meaning() -> None:
    cord, canal, l5 = (VALUES[name] for name in ("spinal_cord", "spinal_canal", "L5"))

    assert find_varying([{cord: 100, canal: 100}, {canal: 100}]) == {}
    assert find_varying([{canal: 100}, {cord: 100}, {canal: 100, cord: 100}]) == {}
    assert find_varying([{cord: 100, canal: 100}, {l5: 100}]) == {100: [cord, canal, l5]}
    assert find_varying([{1: 9, 2: 9}, {3: 9}, {2: 9, 3: 9}, {1: 9}]) == {}
    assert find_varying([{cord: 100}, {canal: 100}]) == {100: [cord, canal]}
