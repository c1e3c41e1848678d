"""Label tables lead back to our values."""

import json

import numpy as np
import pytest

from spinekit.anatomy.scheme import VALUES
from spinekit.core.errors import InputError
from spinekit.curation.tables import describe_table, find_scheme, number_structures, read_table


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
