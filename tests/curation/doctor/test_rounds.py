"""Rounds over a set: on several processes as on one, and no process goes on after an interrupt."""

import os
import time
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from curation.doctor.plants import write_case
from spinekit.core.parallel import _PATIENCE_S
from spinekit.curation.doctor.examination import ExamineOptions
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
