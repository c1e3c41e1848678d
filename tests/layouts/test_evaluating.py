"""What `segment` writes, in every layout, `evaluate` reads."""

import csv
from pathlib import Path

import pytest

from layouts.conftest import run
from spinekit.apps.cli import main
from spinekit.evaluation.pairing import ENDINGS, split_name
from spinekit.io.derivatives import split_derived
from spinekit.layouts.bids import reach
from spinekit.layouts.wanted import Wanted

PATIENTS = ("p1/T2", "p2/T2")
BIDS = ("sub-01/anat/sub-01_T2w", "sub-02/anat/sub-02_T2w")


@pytest.mark.usefixtures("small_oracle")
@pytest.mark.parametrize(
    ("scans", "words", "inside", "named"),
    [
        (PATIENTS, ("--levels", "--soft"), "", {"p1/T2": "p1", "p2/T2": "p2"}),
        (PATIENTS, ("--iso", "--format", "nrrd"), "", {"p1/T2": "p1", "p2/T2": "p2"}),
        (
            BIDS,
            ("--levels", "--soft", "--iso", "--layout", "bids"),
            "",
            {"sub-01_T2w": "sub-01", "sub-02_T2w": "sub-02"},
        ),
        (("a", "b"), ("--layout", "totalspineseg"), "step2_output", {"a": "a", "b": "b"}),
    ],
)
def test_results_compared_with_themselves_are_right_and_nothing_else_is_a_scan(
    store, tmp_path: Path, scans, words, inside, named, capsys: pytest.CaptureFixture[str]
) -> None:
    for scan in scans:
        store(tmp_path / "raw" / f"{scan}.nii.gz")
    assert run(tmp_path / "raw", tmp_path / "out", *words) == 0
    out, table = tmp_path / "out" / inside, tmp_path / "scores.csv"
    capsys.readouterr()

    assert main(["evaluate", str(out), str(out), "--csv", str(table)]) == 0

    assert capsys.readouterr().err == ""
    rows = list(csv.DictReader(table.read_text(encoding="utf-8").splitlines()))
    assert {row["scan"]: row["subject"] for row in rows} == named
    assert len({row["dataset"] for row in rows}) == 1
    assert {row["dice"] for row in rows if row["scope"] == "instances" and row["dice"]} == {
        "1.0000"
    }


@pytest.mark.parametrize("iso", [False, True])
def test_every_volume_of_bids_derivatives_is_known_by_its_name(iso: bool) -> None:
    source = Path("/raw/sub-01/ses-a/anat/sub-01_ses-a_acq-sag_T2w.nii.gz")
    for place in reach(Wanted(source, "", Path("/out"), iso=iso)):
        volumes = {k: Path(v) for k, v in place.files.items() if v.endswith(ENDINGS)}
        for kind in ("dseg", "parts", "levels", "image"):
            if kind in volumes:
                found = split_derived(volumes.pop(kind).name)
                assert found == ("sub-01_ses-a_acq-sag_T2w", kind)
        assert {split_name(path)[1] for path in volumes.values()} == {"probseg"}
