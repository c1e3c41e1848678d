"""The command as a process of its own, with a model file: what no patch in this one can show."""

import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from blocks import BlockSpine

CONSOLE = [sys.executable, "-m", "spinekit"]


@pytest.fixture
def scans(scan_file: Path) -> Path:
    """A folder of four scans, one of them broken."""
    for name in ("b", "c"):
        (scan_file.parent / f"{name}.nii.gz").write_bytes(scan_file.read_bytes())
    (scan_file.parent / "broken.nii").write_text("nothing")
    return scan_file.parent


def test_python_m_is_the_program() -> None:
    program = shutil.which("spinekit", path=sysconfig.get_path("scripts"))
    assert program is not None
    for words in (["--help"], ["segment", "--help"], ["segment"]):
        said = [
            subprocess.run([*start, *words], capture_output=True, text=True)
            for start in ([program], CONSOLE)
        ]
        assert said[0].stdout + said[0].stderr == said[1].stdout + said[1].stderr
        assert said[0].returncode == said[1].returncode == (0 if "--help" in words else 2)
        assert f"{said[1].stdout}{said[1].stderr}".removeprefix("usage: ").startswith("spinekit ")


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_a_model_file_names_the_spine_with_any_number_of_threads(
    scan_file: Path, spine: BlockSpine, tiny_model: Path, tmp_path: Path
) -> None:
    for threads in ("1", "2"):
        options = ["--model", tiny_model, "--threads", threads]
        done = subprocess.run(
            [*CONSOLE, "segment", scan_file, tmp_path / threads, *options],
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr

    found = np.asarray(nib.load(tmp_path / "1" / "spine_parts.nii.gz").dataobj)
    assert (found == spine.parts).mean() > 0.999
    for name in ("spine_dseg.nii.gz", "spine_parts.nii.gz", "spine_preview.png"):
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()


def test_several_processes_do_what_one_does(scans: Path, tiny_model: Path, tmp_path: Path) -> None:
    for jobs in ("1", "2"):
        done = subprocess.run(
            [*CONSOLE, "segment", scans, tmp_path / jobs, "--model", tiny_model, "--jobs", jobs],
            capture_output=True,
            text=True,
        )
        assert done.returncode == 1
        assert [line.split(": ")[2] for line in done.stderr.splitlines()[:1]] == ["broken.nii"]

    assert files(tmp_path / "1") == files(tmp_path / "2")
    assert len(files(tmp_path / "1")) == 3 * 4 + 2
    for name in ("b_dseg.nii.gz", "spine_parts.nii.gz", "failures.json"):
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()


@pytest.mark.parametrize(("number", "jobs"), [(signal.SIGINT, "1"), (signal.SIGTERM, "2")])
def test_an_interrupt_keeps_finished_scans_and_nothing_half_written(
    scans: Path, tiny_model: Path, tmp_path: Path, number: int, jobs: str
) -> None:
    # So many that they are not done before this process, on a busy machine, gets its turn.
    for index in range(200):
        os.link(scans / "b.nii.gz", scans / f"more{index:03d}.nii.gz")
    out = tmp_path / "out"
    process = subprocess.Popen(
        [*CONSOLE, "segment", scans, out, "--model", tiny_model, "--jobs", jobs],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        # A test run in the background of a shell inherits that interrupts are ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    while not list(out.glob("*_dseg.json")) and process.poll() is None:
        time.sleep(0.02)
    os.kill(process.pid, number)
    _, errors = process.communicate(timeout=600)

    assert process.returncode == 130
    assert errors.splitlines()[-1] == "spinekit: interrupted; nothing half-written was left"
    assert "Traceback" not in errors
    written = [name for name in files(out) if name not in ("summary.csv", "failures.json")]
    finished = {name.removesuffix("_dseg.json") for name in written if name.endswith(".json")}
    assert 1 <= len(finished) < 203
    for stem in finished:
        assert nib.load(out / f"{stem}_dseg.nii.gz").get_fdata().max() > 0
    assert len(written) == 4 * len(finished)


LOST = """
import os, signal, sys
from spinekit.apps.interruption import heed_interrupt, hear_interrupts

class Library:
    def __del__(self):
        os.kill(os.getpid(), signal.{name})

hear_interrupts()
heed_interrupt()
library = Library()
del library
print("lost")
try:
    heed_interrupt()
except KeyboardInterrupt:
    print("heeded")
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_an_interrupt_that_a_destructor_swallowed_is_heeded(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOST.format(name=name)],
        capture_output=True,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert done.stdout.split() == ["lost", "heeded"]
    assert "KeyboardInterrupt" in done.stderr


def test_a_missing_model_cannot_start(scan_file: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [*CONSOLE, "segment", scan_file, tmp_path / "out", "--model", tmp_path / "none.onnx"],
        capture_output=True,
        text=True,
    )

    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "none.onnx" in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    process = subprocess.Popen(
        [*CONSOLE, "data", "list", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    errors = process.stderr.read()
    process.stderr.close()

    assert process.wait(timeout=600) == 141
    assert errors == ""
