"""A corrected name in a result of any labeller: the column stays a legal one."""

import itertools
from pathlib import Path

import pytest

from blocks import BlockSpine, draw_blocks, oracle_for
from results import bytes_of, report_of
from spinekit.anatomy.column import LEVELS, successors
from spinekit.apps.cli import main
from spinekit.labelling.methods import LABELLERS
from spinekit.pipeline import segment


@pytest.fixture(scope="module")
def small() -> BlockSpine:
    """T12 to sacrum."""
    return draw_blocks((4.0, 2.0, 2.0))


@pytest.fixture(params=LABELLERS)
def result(request: pytest.FixtureRequest, small: BlockSpine, tmp_path: Path) -> Path:
    """Labels of a result that one of the labellers named."""
    found = segment(
        small.image,
        affine=small.grid.affine,
        predictor=oracle_for(small),
        labeller=request.param,
    )
    return found.save(tmp_path / "out", stem="spine")["dseg"]


def bones(path: Path) -> list[str]:
    rows = report_of(path.parent)["structures"]
    return [row["name"] for row in rows if row["part"] in ("vertebra", "sacrum")]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("L3=T5",), "no legal column"),
        (("L4=L2", "L3=L4"), "no legal column has all these names in this order"),
        (("L1-L2=L2-L3", "L2=L4"), "one bone cannot be L3 and L4"),
        (("2=L1",), "spinal_canal cannot be renamed; name a vertebra, a disc or the sacrum"),
    ],
)
def test_words_that_make_no_sense_are_refused(
    result: Path, words: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = bytes_of(result.parent)

    assert main(["relabel", str(result), *(f"--set={word}" for word in words)]) == 2

    assert said in capsys.readouterr().err
    assert bytes_of(result.parent) == before


def test_the_names_beside_a_word_are_those_of_a_legal_column(result: Path) -> None:
    before = bytes_of(result.parent)
    options = report_of(result.parent)["options"]
    assert bones(result) == ["T12", "L1", "L2", "L3", "L4", "L5", "sacrum"]

    assert main(["relabel", str(result), "--set", "L5=L6", "--quiet"]) == 0

    names = bones(result)
    assert names[-2:] == ["L6", "sacrum"]
    assert set(names) <= set(LEVELS)
    assert all(lower in successors(upper) for upper, lower in itertools.pairwise(names))
    report = report_of(result.parent)
    assert report["provenance"][0]["labeller"] == "chain"
    assert report["options"] == options
    assert main(["relabel", str(result), "--undo", "--quiet"]) == 0
    assert bytes_of(result.parent) == before
