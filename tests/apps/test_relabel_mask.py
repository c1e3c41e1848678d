"""A corrected name in a mask's result: what the mask said goes on to count."""

from pathlib import Path

import numpy as np
import pytest

from blocks import BlockSpine
from results import report_of, run
from spinekit.anatomy.scheme import VALUES
from spinekit.io.reading import read_labels
from spinekit.io.writing import write_labels

UPPER, LOWER = "L1-L2", VALUES["disc_1"]


def left_out(out: Path) -> list[str]:
    return [row["text"] for row in report_of(out)["warnings"] if row["code"] == "names-left-out"]


def discs(out: Path) -> dict[str, float | None]:
    rows = report_of(out)["structures"]
    return {row["name"]: row["probability"] for row in rows if row["part"] == "disc"}


@pytest.fixture
def halves(spine: BlockSpine, tmp_path: Path) -> tuple[Path, np.ndarray, np.ndarray]:
    """OUT of a mask with two discs between L1 and L2, the upper named, and where they lie.

    The lower is nearer the middle of those between, so it gets the name.
    """
    mask = np.where(np.isin(spine.labels, (1, 2)), 0, spine.labels).astype(np.uint8)
    disc = mask == VALUES[UPPER]
    heights = np.flatnonzero(disc.any(axis=(0, 1)))
    lower = disc & (np.arange(mask.shape[2]) < heights.mean())
    mask[lower] = LOWER
    path = tmp_path / "spine.nii.gz"
    write_labels(path, mask, spine.grid)
    assert run("label", path, tmp_path / "out", "--from", "spinekit") == 0
    return tmp_path / "out", disc & ~lower, lower


def test_a_name_of_the_mask_that_nothing_bears_is_told_until_something_does(
    halves: tuple[Path, np.ndarray, np.ndarray],
) -> None:
    out, _, _ = halves
    seg = out / "spine_dseg.nii.gz"
    assert left_out(out) == ["named in the mask, without a name here: L1-L2; look at the preview"]

    assert run("relabel", seg, "--set", "L5=L5") == 0
    assert len(left_out(out)) == 1

    assert run("relabel", seg, "--set", "disc_1=L1-L2") == 0
    assert left_out(out) == []

    assert run("relabel", seg, "--undo") == 0
    assert len(left_out(out)) == 1


def test_what_the_mask_said_is_not_known_without_its_reading(
    halves: tuple[Path, np.ndarray, np.ndarray],
) -> None:
    import json

    out, _, _ = halves
    report = report_of(out)
    report["column"]["outside"] = []
    (out / "spine_dseg.json").write_text(json.dumps(report))

    assert run("relabel", out / "spine_dseg.nii.gz", "--set", "disc_1=L1-L2") == 0

    assert len(left_out(out)) == 1


def test_a_nameless_disc_gets_a_name_by_a_word_and_keeps_it(
    halves: tuple[Path, np.ndarray, np.ndarray],
) -> None:
    out, upper, lower = halves
    seg = out / "spine_dseg.nii.gz"
    before = read_labels(seg).array
    assert (before[upper] == VALUES["disc_1"]).all()
    assert (before[lower] == VALUES[UPPER]).all()

    for word in ("disc_1=L1-L2", "L4=L4"):
        assert run("relabel", seg, "--set", word) == 0

        after = read_labels(seg).array
        assert (after[upper] == VALUES[UPPER]).all()
        assert (after[lower] == VALUES["disc_1"]).all()
        np.testing.assert_array_equal(after[~(upper | lower)], before[~(upper | lower)])
        assert discs(out)[UPPER] == 1.0
        assert discs(out)["disc_1"] is None
        names = [item["name"] for item in report_of(out)["evidence"]["items"]]
        alternatives = [row["names"] for row in report_of(out)["column"]["alternatives"]]
        told = [None if name == "disc_1" else name for name in names]
        assert told not in alternatives
        assert len({tuple(names) for names in alternatives}) == len(alternatives)

    assert run("relabel", seg, "--set", "disc_1=L1-L2") == 0
    np.testing.assert_array_equal(read_labels(seg).array, before)
