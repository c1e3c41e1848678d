"""Files of others beside a result: none is taken for a part of it, or replaced with it."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from blocks import BlockSpine
from layouts.conftest import run
from results import bytes_of, listing, read_json, voxels
from spinekit.anatomy.scheme import VALUES
from spinekit.apps.cli import main

pytestmark = pytest.mark.usefixtures("small_oracle")
SCAN = "sub-01/anat/sub-01_T2w"
BIDS = "sub-01/anat/sub-01_space-orig"
END = "desc-T2w_dseg"
TREE = ("--layout", "totalspineseg")
PLAIN = "sub-01_T2w"


def relabel(path: Path, *words: str) -> int:
    return main(["relabel", str(path), *(words or ("--set", "L5=L6")), "--quiet"])


@pytest.mark.parametrize(
    ("options", "seg", "theirs"),
    [
        ((), f"{PLAIN}_dseg.nii.gz", (f"{PLAIN}_levels.nii.gz", f"{PLAIN}_levels.json")),
        ((), f"{PLAIN}_dseg.nii.gz", (f"{PLAIN}_image.nii.gz",)),
        (
            ("--layout", "bids"),
            f"{BIDS}_seg-spine_{END}.nii.gz",
            tuple(f"{BIDS}_seg-levels_{END}.{end}" for end in ("nii.gz", "json", "tsv")),
        ),
        (
            (*TREE, "--keep-only", "step2_output"),
            f"step2_output/{PLAIN}.nii.gz",
            (
                f"input/{PLAIN}_0000.nii.gz",
                f"step1_output/{PLAIN}.nii.gz",
                f"preview/{PLAIN}_step2_output.jpg",
            ),
        ),
    ],
)
def test_a_file_that_the_report_does_not_list_stays_as_it_is(
    store, tmp_path: Path, options: tuple[str, ...], seg: str, theirs: tuple[str, ...]
) -> None:
    out = tmp_path / "out"
    scan = store(tmp_path / "raw" / f"{SCAN}.nii.gz")
    assert run(scan, out, *options) == 0
    for name in theirs:
        (out / name).parent.mkdir(exist_ok=True)
        (out / name).write_bytes(b"mine")
    before = bytes_of(out)

    assert relabel(out / seg) == 0

    after = bytes_of(out)
    assert {after[name] for name in theirs} == {b"mine"}
    assert len(set(after) - set(before)) == 1  # what undoes it
    assert relabel(out / seg, "--undo") == 0
    assert bytes_of(out) == before


def test_an_image_of_others_is_not_the_scan_in_the_picture(
    small: BlockSpine, store, tmp_path: Path
) -> None:
    out, scan = tmp_path / "out", store(tmp_path / "spine.nii.gz")
    run(scan, out)
    seg, picture = out / "spine_dseg.nii.gz", out / "spine_preview.png"
    assert relabel(seg) == 0
    alone = np.asarray(Image.open(picture))
    assert relabel(seg, "--undo") == 0
    other = np.random.default_rng(0).normal(size=small.grid.shape).astype(np.float32)
    nib.save(nib.Nifti1Image(other, small.grid.affine), out / "spine_image.nii.gz")

    assert relabel(seg) == 0

    np.testing.assert_array_equal(np.asarray(Image.open(picture)), alone)


def test_labels_of_the_tool_itself_are_no_result(
    store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    run(store(tmp_path / "spine.nii.gz"), out, *TREE, "--keep-only", "step1_output")
    theirs = out / "step2_output" / "spine.nii.gz"
    theirs.parent.mkdir()
    theirs.write_bytes((out / "step1_output" / "spine.nii.gz").read_bytes())
    before = bytes_of(out)

    assert relabel(theirs) == 2

    assert "spine.nii.gz: not written by this program" in capsys.readouterr().err
    assert bytes_of(out) == before


def test_where_the_files_were_renamed_those_that_are_there_count(store, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(store(tmp_path / "spine.nii.gz"), out, "--levels")
    for name in listing(out):
        (out / name).rename(out / name.replace("spine_", "renamed_"))
    before = voxels(out / "renamed_levels.nii.gz")

    assert relabel(out / "renamed_dseg.nii.gz") == 0

    assert (voxels(out / "renamed_levels.nii.gz") != before).any()


def test_folders_and_points_that_somebody_deleted_do_not_come_back(store, tmp_path: Path) -> None:
    scan = store(tmp_path / "spine.nii.gz")
    run(scan, tmp_path / "plain", "--levels")
    run(scan, tmp_path / "tree", *TREE)
    for name in ("plain/spine_levels.nii.gz", "plain/spine_levels.json"):
        (tmp_path / name).unlink()
    (tmp_path / "tree" / "step1_raw" / "spine.nii.gz").unlink()
    before = listing(tmp_path)

    assert relabel(tmp_path / "plain" / "spine_dseg.nii.gz") == 0
    assert relabel(tmp_path / "tree" / "step2_output" / "spine.nii.gz") == 0

    assert [name for name in listing(tmp_path) if not name.endswith("_undo.zip")] == before


@pytest.mark.parametrize("first", [(), ("--iso",)])
def test_bids_results_on_both_grids_stand_side_by_side(
    small: BlockSpine, store, tmp_path: Path, first: tuple[str, ...]
) -> None:
    out = tmp_path / "out"
    words = (store(tmp_path / "raw" / f"{SCAN}.nii.gz"), out, "--layout", "bids")
    second = () if first else ("--iso",)
    assert run(*words, *first) == 0
    before = bytes_of(out)

    assert run(*words, *second) == 0

    after = bytes_of(out)
    assert {name: after[name] for name in before if "sub-01" in name} == {
        name: content for name, content in before.items() if "sub-01" in name
    }
    iso = f"{BIDS}_seg-spine_res-1mm_{END}"
    plain = f"{BIDS}_seg-spine_{END}"
    for base, has_res in ((iso, True), (plain, False)):
        files = read_json(out / f"{base}.json")["files"]
        own = [name for name in listing(out) if name.startswith("sub-01")]
        assert files == [name for name in own if ("res-1mm" in name) == has_res]

    assert relabel(out / f"{iso}.nii.gz") == 0
    assert (voxels(out / f"{iso}.nii.gz") == VALUES["L6"]).any()
    np.testing.assert_array_equal(voxels(out / f"{plain}.nii.gz"), small.labels)

    changed = {name: text for name, text in bytes_of(out).items() if "res-1mm" in name}
    assert run(*words, "--overwrite") == 0
    assert {name: text for name, text in bytes_of(out).items() if "res-1mm" in name} == changed
