"""Rounds over a set: on several processes as on one, and no process goes on after an interrupt."""

import os
import time
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from curation.doctor import plants
from curation.doctor.plants import write_case
from dying import Fatal
from spinekit.core.errors import ModelError
from spinekit.core.parallel import _PATIENCE_S, LOST
from spinekit.curation.doctor import examination
from spinekit.curation.doctor.evidence import Evidence
from spinekit.curation.doctor.examination import ExamineOptions
from spinekit.curation.doctor.findings import Finding
from spinekit.curation.doctor.rounds import diagnose

QUICK = ExamineOptions(image_axes=False, pictures=False)


def test_several_processes_find_what_one_does(tmp_path: Path) -> None:
    cases = [write_case(tmp_path, name, seed=n) for n, name in enumerate("abc")]

    one, two = (diagnose(cases, QUICK, jobs=jobs) for jobs in (1, 2))

    assert [examination.case.name for examination in two.examinations] == ["a", "b", "c"]
    assert one.findings == two.findings


@pytest.mark.parametrize("sign", [0, -1])
def test_a_mask_without_any_structure_is_a_finding_and_has_a_picture(
    tmp_path: Path, sign: int
) -> None:
    case = write_case(tmp_path, "odd")
    mask = case.masks[0].path
    drawn = nib.load(mask)
    values = np.asarray(drawn.dataobj).astype(np.int16)
    nib.save(nib.Nifti1Image(sign * values, drawn.affine), mask)

    diagnosis = diagnose([case], ExamineOptions(image_axes=False))

    found = {finding.code for finding in diagnosis.findings}
    assert found & {"mask-empty", "value-unexpected"}
    assert diagnosis.examinations[0].picture


def trip_over(name: str, error: Exception) -> object:
    """A check that fails at one case."""

    def check(evidence: Evidence) -> list[Finding]:
        if evidence.specimen.case.name == name:
            raise error
        return []

    return check


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ZeroDivisionError("by\nzero"), "ZeroDivisionError: by zero"),
        (MemoryError(), "not enough memory"),
    ],
)
def test_a_case_that_cannot_be_examined_is_a_finding_and_stops_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, text: str
) -> None:
    cases = [write_case(tmp_path, name, seed=n) for n, name in enumerate("abc")]
    checks = (*examination.CHECKS, trip_over("b", error))
    monkeypatch.setattr(examination, "CHECKS", checks)

    diagnosis = diagnose(cases, ExamineOptions(image_axes=False))

    (failed,) = [f for f in diagnosis.findings if f.code == "examination-failed"]
    assert (failed.case, failed.kind.severity) == ("b", "error")
    assert failed.text.startswith(text)
    assert [bool(e.structures) for e in diagnosis.examinations] == [True, False, True]


def test_a_model_that_cannot_be_used_is_no_finding_of_every_case(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = ModelError("model-missing", "there is none", "install it")
    monkeypatch.setattr(examination, "CHECKS", (trip_over("a", error),))

    with pytest.raises(ModelError):
        diagnose([write_case(tmp_path, "a")], QUICK)


def test_a_picture_that_cannot_be_drawn_costs_no_finding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_picture(*_: object) -> bytes:
        raise ValueError

    cases = [write_case(tmp_path, name) for name in "ab"]
    cases.append(write_case(tmp_path, "c", labels=plants.swap(plants.spine().labels), seed=1))
    monkeypatch.setattr(examination, "draw_case", no_picture)

    diagnosis = diagnose(cases, ExamineOptions(image_axes=False))

    found = {(f.case, f.code) for f in diagnosis.findings}
    assert found >= {("c", "order-wrong")}
    assert {code for _, code in found} >= {"duplicate-image"}
    assert "examination-failed" not in {code for _, code in found}
    assert [(bool(e.structures), e.picture) for e in diagnosis.examinations] == [(True, None)] * 3


def test_a_case_whose_process_is_ended_is_a_finding_and_stops_no_other(tmp_path: Path) -> None:
    cases = [write_case(tmp_path, name, seed=n) for n, name in enumerate("abcdef")]
    cases[1] = replace(cases[1], facts={"sex": Fatal()})

    diagnosis = diagnose(cases, ExamineOptions(image_axes=False), jobs=2)

    (failed,) = [f for f in diagnosis.findings if f.code == "examination-failed"]
    assert (failed.case, failed.text) == ("b", LOST)
    assert [bool(e.structures) for e in diagnosis.examinations] == [True, False, *[True] * 4]


def test_an_interrupt_ends_the_processes_whatever_they_wait_for(tmp_path: Path) -> None:
    first = write_case(tmp_path, "first")
    endless = tmp_path / "endless.nii.gz"
    os.mkfifo(endless)
    stuck = [replace(first, name=f"stuck{n}", image=endless) for n in range(4)]

    interrupted = []

    def interrupt(_: object) -> None:
        time.sleep(1)
        interrupted.append(time.monotonic())
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        diagnose([first, *stuck], QUICK, jobs=2, progress=interrupt)

    assert time.monotonic() - interrupted[0] < _PATIENCE_S
