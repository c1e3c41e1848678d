"""Inputs and outputs that lie where they cannot be read or written, through the real command.

Lack of permission and a full disk are real: an unprivileged user, a limit of file size.
"""

import os
import resource
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nibabel as nib
import pytest

import spinekit
from spinekit.apps.cli import main

pytestmark = pytest.mark.usefixtures("oracle")
NOBODY = 65534


def test_an_empty_folder_cannot_start(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "nothing").mkdir()

    assert main(["segment", str(tmp_path / "nothing"), str(tmp_path / "out")]) == 2
    assert "nothing: no scan in this folder" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_out_may_not_be_the_input(scan_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = scan_file.read_bytes()

    for out in (scan_file, scan_file / "inside", scan_file.parent):
        source = scan_file.parent if out == scan_file.parent else scan_file
        assert main(["segment", str(source), str(out)]) == 2
        assert len(capsys.readouterr().err.splitlines()) == 1
    assert scan_file.read_bytes() == before
    assert [path.name for path in scan_file.parent.iterdir()] == [scan_file.name]


def test_two_scans_of_one_name_cannot_start(
    scan_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nib.save(nib.load(scan_file), scan_file.parent / "spine.nii")

    assert main(["segment", str(scan_file.parent), str(tmp_path / "out")]) == 2
    told = "spine.nii and spine.nii.gz would write the same files"
    assert told in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that every user can reach."""
    folder = Path(tempfile.mkdtemp(prefix="spinekit-test-"))
    folder.chmod(0o777)
    yield folder
    shutil.rmtree(folder)


@contextmanager
def unprivileged() -> Iterator[None]:
    """Give up the right to read and write everything, for a while."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        if not os.access(spinekit.__file__, os.R_OK, effective_ids=True):
            pytest.skip("the package lies where no other user can read it")
        yield
    finally:
        os.seteuid(0)


def test_no_permission_to_read(
    scan_file: Path, public: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    locked = public / "locked.nii.gz"
    shutil.copy(scan_file, locked)
    locked.chmod(0)

    with unprivileged():
        assert main(["segment", str(locked), str(public / "out")]) == 1

    (line,) = capsys.readouterr().err.splitlines()
    assert "locked.nii.gz: no permission to read it" in line
    assert not (public / "out").exists()


def test_no_permission_to_write(
    scan_file: Path, public: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(scan_file, public / "scan.nii.gz")
    closed = public / "closed"
    closed.mkdir(mode=0o555)

    with unprivileged():
        # Told before any work is done.
        assert main(["segment", str(public / "scan.nii.gz"), str(closed / "out")]) == 2

    (line,) = capsys.readouterr().err.splitlines()
    assert "no permission to write it; choose a folder you may write to" in line
    assert list(closed.iterdir()) == []


def test_a_full_disk(scan_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, hard))
    try:
        code = main(["segment", str(scan_file), str(tmp_path / "out")])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    assert code == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "the disk or quota is full" in line
    assert not (tmp_path / "out").exists()
