"""Tables keep scores, and their tops say how they came about."""

import math
from pathlib import Path

import pytest

from spinekit.evaluation.scoring import CaseScores, InstanceScore, MaskScore, PointScore
from tables import read_scores, spoken_command, write_scores

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results"
BODY = InstanceScore(
    "body", "L1", 30000.0, False, "T12", 0.5, 0.625, 1.25, 3.5, split=True, merged=False
)
MISSED = InstanceScore(
    "body", "L2", 31000.5, True, "", 0.0, 0.0, math.inf, math.inf, split=False, merged=True
)


def test_a_command_names_files_without_their_folders() -> None:
    words = ["real", "--model", "/somewhere/of/mine/h1.onnx", "--sets", "chu"]
    assert spoken_command("naming.py", words) == (
        "python benchmarks/naming.py real --model h1.onnx --sets chu"
    )


def test_no_committed_table_names_a_folder_of_a_machine() -> None:
    tables = sorted(RESULTS.rglob("*.csv"))
    assert tables
    for path in tables:
        lines = path.read_text(encoding="utf-8").splitlines()
        comments = [line for line in lines if line.startswith("#")]
        assert not [line for line in comments if " /" in line], path.name


def test_scores_come_back_and_the_comments_stand_above(tmp_path: Path) -> None:
    cases = [
        CaseScores("a1", "chu", "a", (BODY,), extra=(("body", 1),)),
        CaseScores("s1", "spider", "s", masks=(MaskScore("canal", 0.91, 0.5, 2.0),)),
        CaseScores("e1", "errsm", "e", points=(PointScore("C2", "C2"), PointScore("T2", "T3"))),
    ]
    path = tmp_path / "scores.csv"
    write_scores(path, cases, {"weights": "abc", "command": "run, it"})
    assert path.read_text(encoding="utf-8").startswith("# weights: abc\n# command: run, it\n")
    assert read_scores(path) == cases


def test_what_is_no_number_comes_back_as_none(tmp_path: Path) -> None:
    write_scores(tmp_path / "scores.csv", [CaseScores("a", "d", "s", (MISSED,))], {})
    ((again,),) = (case.instances for case in read_scores(tmp_path / "scores.csv"))
    assert math.isnan(again.assd_mm)
    assert math.isnan(again.hd95_mm)
    assert (again.dice, again.partial, again.merged, again.missed) == (0.0, True, True, True)


@pytest.mark.parametrize("name", ["#7", "a\u2028b", "a\nb", 'a, "b"'])
def test_scores_keep_every_name(tmp_path: Path, name: str) -> None:
    case = CaseScores(name, name, name, (BODY,))
    write_scores(tmp_path / "scores.csv", [case], {"row": "x"})
    assert read_scores(tmp_path / "scores.csv") == [case]
