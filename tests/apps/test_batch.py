"""What a run over several scans says of each, whatever becomes of the processes that do them."""

import os
from pathlib import Path
from typing import Any

import pytest

from dying import Fatal
from spinekit.apps.batch import _report, describe, run_jobs
from spinekit.apps.job import Job, Outcome
from spinekit.apps.options import RunOptions
from spinekit.apps.summary import write_rows
from spinekit.layouts.wanted import Wanted
from spinekit.options import SegmentOptions


def job(out: Path, source: Path, *, model: str | None = None, frame: Any = "") -> Job:
    return Job(
        source=source,
        shown=source.name,
        wanted=Wanted(source, source.name.split(".")[0], out),
        layout="spinekit",
        options=SegmentOptions(model=model),
        overwrite=False,
        debug=False,
        alone=False,
        frame=frame,
    )


def test_scans_of_a_process_that_was_ended_count_as_failed(tmp_path: Path) -> None:
    jobs = [job(tmp_path, Path(name), frame=Fatal()) for name in ("a", "b", "c")]

    outcomes = run_jobs(jobs, RunOptions(tmp_path, jobs=2, quiet=True), many=True)

    assert [outcome.input for outcome in outcomes] == ["a", "b", "c"]
    assert {(outcome.status, outcome.code) for outcome in outcomes} == {("failed", "process-ended")}


def test_a_scan_whose_process_was_ended_costs_no_other(
    scan_file: Path, tmp_path: Path, tiny_model: Path
) -> None:
    names = [f"scan{number}.nii.gz" for number in range(7)]
    scans = [scan_file.with_name(name) for name in names]
    for scan in scans:
        os.link(scan_file, scan)
    out = tmp_path / "out"
    jobs = [job(out, scan, model=str(tiny_model)) for scan in scans]
    jobs[1] = job(out, scans[1], model=str(tiny_model), frame=Fatal())

    outcomes = run_jobs(jobs, RunOptions(out, jobs=2, quiet=True), many=True)

    assert [outcome.input for outcome in outcomes] == names
    failed = [outcome.input for outcome in outcomes if outcome.status == "failed"]
    assert failed == names[1:2]
    assert outcomes[1].code == "process-ended"
    assert len(list(out.glob("scan*_dseg.nii.gz"))) == 6


def test_a_single_bone_is_no_stretch_and_a_line_stays_one() -> None:
    outcome = Outcome("two\nlines", "done", vertebrae=("sacrum",), preview="p.png")

    assert describe(outcome) == "two lines: sacrum, 0 discs (0.0 s) → p.png"


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"vertebrae": ("T9", "L3"), "discs": 1, "probability": 0.93}, "T9 to L3, 1 disc ("),
        (
            {"vertebrae": ("T9", "L3"), "discs": 2, "probability": 0.66},
            "T9 to L3, 2 discs, names unsure (66%) (",
        ),
        ({"vertebrae": ("T9",), "ambiguous": True}, "T9, 0 discs, names unsure ("),
        (
            {"vertebrae": ("L4", "vertebra_1", "sacrum"), "probability": 0.97},
            "L4 to sacrum, 0 discs, 1 without a name (",
        ),
        ({"discs": 1}, "1 disc without a vertebra ("),
        ({}, "no spine found ("),
    ],
)
def test_the_line_says_how_sure_the_names_are(row: dict, said: str) -> None:
    assert describe(Outcome("a", "done", **row)).startswith(f"a: {said}")


def test_anomalies_are_told_like_warnings(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outcome = Outcome("a", "done", anomalies=("six lumbar vertebrae: 69%",))

    _report(outcome, RunOptions(tmp_path))

    assert "warning: a: six lumbar vertebrae: 69%" in capsys.readouterr().err


def test_a_summary_holds_names_that_are_no_text(tmp_path: Path) -> None:
    write_rows(tmp_path / "summary.csv", ["input"], [{"input": os.fsdecode(b"caf\xe9")}])

    assert (tmp_path / "summary.csv").read_text(encoding="utf-8") == "input\ncaf\\udce9\n"
