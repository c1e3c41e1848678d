"""Damaged files: each gives a valid scan or one clear line, never anything else."""

from pathlib import Path

import numpy as np
import pytest

from mutations import write_mutations
from spinekit.core.errors import SpineKitError
from spinekit.core.geometry import normalise_geometry
from spinekit.io.discovery import find_scans
from spinekit.io.reading import Scan, read_scan


def read(path: Path) -> Scan | SpineKitError:
    """What becomes of a scan on its way to the model."""
    try:
        scan = read_scan(path)
        normalise_geometry(scan.volume)
    except SpineKitError as error:
        return error
    return scan


def test_every_mutation_is_read_or_refused_in_one_line(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    scans = write_mutations(tmp_path)
    assert len(scans) >= 200
    outcomes = {path: read(path) for path in scans}
    for path, outcome in outcomes.items():
        if isinstance(outcome, Scan):
            image = outcome.volume.array
            assert image.dtype == np.float32, path
            assert np.isfinite(image).all(), path
            assert image.min() < image.max(), path
            continue
        text = str(outcome)
        assert outcome.remedy, path
        assert 20 < len(text) < 400, (path, text)
        assert "\n" not in text, path
        named = [path.name, *(file.name for file in path.glob("*.dcm"))]
        # A grid alone does not know its file; the command names it.
        assert outcome.code == "grid-too-large" or any(n in text for n in named), (path, text)
    refused = sum(isinstance(outcome, SpineKitError) for outcome in outcomes.values())
    assert 0.4 < refused / len(scans) < 0.9
    printed = capfd.readouterr()
    assert printed.out == ""
    assert printed.err == ""


def test_a_folder_of_mutations_is_found_whole_and_always_the_same(tmp_path: Path) -> None:
    scans = write_mutations(tmp_path / "once")
    assert {scan.path for scan in find_scans(tmp_path / "once")} == set(scans)
    again = write_mutations(tmp_path / "again")
    for one, other in zip(scans, again, strict=True):
        assert one.name == other.name
        assert one.is_dir() or one.read_bytes() == other.read_bytes()
