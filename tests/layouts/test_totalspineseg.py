"""The tool's tree, by what its users' scripts read of it."""

import csv
import os
import subprocess
import sys
import tracemalloc
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from blocks import BlockSpine
from layouts.conftest import run
from results import bytes_of, listing, read_json, voxels
from spinekit.anatomy.scheme import VALUES
from spinekit.apps.cli import main
from spinekit.core.grid import Grid
from spinekit.core.volume import Volume
from spinekit.layouts.totalspineseg import look_through, plan
from spinekit.layouts.wanted import Wanted

pytestmark = pytest.mark.usefixtures("small_oracle")
SCRIPT = Path(__file__).parent / "script_for_totalspineseg.sh"
TREE = ("--layout", "totalspineseg")


def tree(name: str, *, step2: bool = True) -> list[str]:
    first = ("step1_canal", "step1_cord", "step1_levels", "step1_output", "step1_raw")
    folders = (*first, *(("step2_output", "step2_raw") if step2 else ()))
    previews = ["input", "step1_levels_tags", "step1_output", "step1_output_tags", "step1_raw"]
    if step2:
        previews += ["step2_input", "step2_output", "step2_output_tags", "step2_raw"]
    return sorted(
        [
            f".spinekit/{name}.json",
            f"input/{name}_0000.nii.gz",
            *(f"{folder}/{name}.nii.gz" for folder in folders),
            *(f"preview/{name}_{kind}.jpg" for kind in previews),
        ]
    )


def test_the_tree_is_the_tools_on_the_inputs_grid(small: BlockSpine, store, tmp_path: Path) -> None:
    scan = store(tmp_path / "spine.nii.gz")
    out = tmp_path / "out"

    assert run(scan, out, *TREE) == 0

    assert listing(out) == tree("spine")
    np.testing.assert_array_equal(voxels(out / "step2_output/spine.nii.gz"), small.labels)
    for folder in ("step1_raw", "step1_levels", "step1_canal", "step2_raw"):
        image = nib.load(out / folder / "spine.nii.gz")
        assert image.shape == small.grid.shape
        np.testing.assert_array_equal(image.affine, small.grid.affine)
    seen = nib.load(out / "input/spine_0000.nii.gz")
    np.testing.assert_allclose(seen.header.get_zooms(), 1.0)
    assert nib.aff2axcodes(seen.affine) == ("R", "A", "S")
    levels = voxels(out / "step1_levels/spine.nii.gz")
    assert sorted(levels[levels > 0].tolist()) == [20, 21, 22, 23, 24, 25]
    report = read_json(out / ".spinekit/spine.json")
    assert report["structures"][0]["name"] == "T12"


def test_a_script_written_for_the_tool_keeps_working(store, tiny_model, tmp_path: Path) -> None:
    for name in ("sub-01_T2w", "sub-02_T2w"):
        store(tmp_path / "images" / f"{name}.nii.gz")
    stand_in = tmp_path / "bin" / "totalspineseg"
    stand_in.parent.mkdir()
    command = "import sys; from spinekit.apps.cli import console; console()"
    stand_in.write_text(
        f'#!/bin/bash\nexec {sys.executable} -c "{command}" segment --layout totalspineseg '
        f'--model {tiny_model} "$@"\n'
    )
    stand_in.chmod(0o755)
    path = f"{stand_in.parent}{os.pathsep}{os.environ['PATH']}"

    done = subprocess.run(
        ["bash", SCRIPT, tmp_path / "images", tmp_path / "output", sys.executable],
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "2 images"


def test_the_tools_short_options_and_those_that_do_nothing_here(
    small: BlockSpine, store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a_T2w", "b_T1w"):
        store(tmp_path / "scans" / f"{name}.nii.gz")
    (tmp_path / "locs").mkdir()
    nib.save(nib.Nifti1Image(small.labels, small.grid.affine), tmp_path / "locs/a_loc.nii.gz")
    known = ("-s", "_T2w", "_STIR", "-l", tmp_path / "locs", "-ls", "_loc", "-k", "step2_output")
    idle = ("--device", "cpu", "-w", 2, "--max-workers-nnunet", 1, "-d", "w", "--no-stalling")

    words = ["segment", tmp_path / "scans", tmp_path / "out", *TREE, *known, *idle]

    assert main([*map(str, words), "-q"]) == 0
    assert capsys.readouterr().err == ""
    assert main([*map(str, words)]) == 0

    said = "--device, --max-workers, --max-workers-nnunet, --data-dir, --no-stalling not used"
    assert said in capsys.readouterr().err
    assert [name for name in listing(tmp_path / "out") if name.endswith("nii.gz")] == [
        "step2_output/a_T2w.nii.gz"
    ]
    report = read_json(tmp_path / "out" / ".spinekit" / "a_T2w.json")
    assert report["options"]["localizer"]["file"] == "a_loc.nii.gz"


def test_only_the_first_step_or_only_some_folders(store, tmp_path: Path) -> None:
    scan = store(tmp_path / "spine.nii.gz")

    assert run(scan, tmp_path / "first", *TREE, "--step1") == 0
    kept = ("step2_output", "step1_levels")
    assert run(scan, tmp_path / "kept", *TREE, "--keep-only", *kept) == 0

    assert listing(tmp_path / "first") == tree("spine", step2=False)
    assert listing(tmp_path / "kept") == [
        ".spinekit/spine.json",
        "step1_levels/spine.nii.gz",
        "step2_output/spine.nii.gz",
    ]


@pytest.mark.parametrize(
    ("kept", "shown"),
    [
        (("step2_raw", "step2_output", "step1_raw"), "step2_output"),
        (("step1_raw", "step1_output", "step2_raw"), "step1_output"),
        (("step2_raw", "preview"), "preview_step2_output_tags"),
        (("step1_levels",), "step1_levels"),
    ],
)
def test_a_person_is_pointed_to_what_bears_names(kept: tuple[str, ...], shown: str) -> None:
    assert plan(Wanted(Path("a.nii.gz"), "a", Path("out"), keep=kept)).shown == shown


def test_a_localizer_is_shown_too(small: BlockSpine, store, tmp_path: Path) -> None:
    from PIL import Image

    scan = store(tmp_path / "spine.nii.gz")
    labels = nib.Nifti1Image(small.labels[2:14, 10:50], small.grid.affine)
    labels.affine[:3, 3] += (8, 20, 0)
    nib.save(labels, tmp_path / "loc.nii.gz")
    words = (*TREE, "--loc", tmp_path / "loc.nii.gz", "--keep-only", "preview")

    assert run(scan, tmp_path / "out", *words) == 0

    pictures = {path.stem: path for path in (tmp_path / "out" / "preview").iterdir()}
    assert {"spine_loc", "spine_loc_tags"} < set(pictures)
    with Image.open(pictures["spine_loc"]) as shown, Image.open(pictures["spine_input"]) as plain:
        tint = [np.ptp(np.asarray(image, int), axis=2) > 60 for image in (shown, plain)]
    assert tint[0].mean() > 0.1
    assert tint[1].mean() == 0


def test_a_localizer_is_looked_through_in_little_memory(small: BlockSpine) -> None:
    source = Volume(small.labels[:8], Grid((8, *small.grid.shape[1:]), small.grid.affine))
    grid = Grid((32, *small.grid.shape[1:]), small.grid.affine @ np.diag([0.5, 1, 1, 1]))
    tracemalloc.start()

    seen = look_through(source, grid)

    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 12 * seen.size
    np.testing.assert_array_equal(seen[:15:2], small.labels[:8])
    assert not seen[16:].any()


def test_a_run_goes_on_where_it_stopped_and_tells_of_failures(store, tmp_path: Path) -> None:
    scans, out = tmp_path / "scans", tmp_path / "out"
    store(scans / "a.nii.gz")
    store(scans / "deep" / "b.nii.gz")
    (scans / "broken.nii.gz").write_bytes(b"no scan")
    assert run(scans, out, *TREE) == 1
    labels = out / "step2_output" / "a.nii.gz"
    before = labels.stat().st_mtime_ns
    (out / "step1_raw" / "b.nii.gz").unlink()

    assert run(scans, out, *TREE) == 1

    with (out / "summary.csv").open() as file:
        status = {row["input"]: row["status"] for row in csv.DictReader(file)}
    assert status == {"a.nii.gz": "skipped", "broken.nii.gz": "failed", "deep/b.nii.gz": "done"}
    assert labels.stat().st_mtime_ns == before
    assert not [name for name in listing(out) if "broken" in name]
    assert set(tree("b")) < set(listing(out))
    assert run(scans, out, *TREE, "--iso") == 1
    assert "other options" in read_json(out / "failures.json")[0]["message"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((*TREE, "--format", "nrrd"), "always nii.gz"),
        ((*TREE, "--scheme", "spider"), "always has that tool's values"),
        ((*TREE, "--keep-only", "step3"), "no folder 'step3'"),
        ((*TREE, "--step1", "--keep-only", "step2_output"), "no folder 'step2_output'"),
        (("--step1",), "--step1 has no meaning in layout 'spinekit'"),
        (("--keep-only", "input", "--layout", "bids"), "--keep-only has no meaning"),
        (("--device", "cpu"), "--device has no meaning in layout 'spinekit'"),
    ],
)
def test_wrong_use_is_told_before_anything_runs(
    store, tmp_path: Path, words: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    scan = store(tmp_path / "sub-1" / "anat" / "sub-1_T2w.nii.gz")

    assert run(scan, tmp_path / "out", *words) == 2

    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_two_scans_of_one_name_are_refused_before_anything_runs(
    store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for folder in ("one", "two"):
        store(tmp_path / "scans" / folder / "t2.nii.gz")

    assert run(tmp_path / "scans", tmp_path / "out", *TREE) == 2

    assert "would write the same files" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_what_the_tool_has_no_value_for_is_told(small: BlockSpine, tmp_path: Path) -> None:
    from blocks import draw_blocks, oracle_for
    from spinekit.layouts import totalspineseg
    from spinekit.layouts.wanted import Wanted
    from spinekit.pipeline import segment

    names = ("T11", "T12", "T13", "L1", "L2", "L3", "L4")
    spine = draw_blocks((4.0, 2.0, 2.0), names)
    found = segment(
        spine.image,
        affine=spine.grid.affine,
        predictor=oracle_for(spine),
        **totalspineseg.OPTIONS,
    )
    if "T13" not in found.names:
        pytest.skip("the naming does not follow the drawn T13")
    wanted = Wanted(tmp_path / "s.nii.gz", "s", tmp_path / "out", keep=("step2_output",))

    totalspineseg.write(found, wanted)

    report = read_json(tmp_path / "out/.spinekit/s.json")
    assert "T13" in report["warnings"][-1]["text"]
    rows = {row["name"]: row["value"] for row in report["structures"]}
    assert rows["T13"] is None
    assert rows["T12"] == VALUES["T12"]
    assert VALUES["T13"] not in voxels(tmp_path / "out/step2_output/s.nii.gz")


@pytest.mark.parametrize("kept", [(), ("step2_output", "preview", "step1_levels")])
def test_one_word_moves_every_name_of_the_tree_and_comes_back(
    store, tmp_path: Path, kept: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    scan, out = store(tmp_path / "spine.nii.gz"), tmp_path / "out"
    run(scan, out, *TREE, *(("--keep-only", *kept) if kept else ()))
    before = bytes_of(out)
    seg = out / "step2_output" / "spine.nii.gz"
    old, marked = voxels(seg), voxels(out / "step1_levels/spine.nii.gz")

    assert main(["relabel", str(seg), "--set", "45=L6"]) == 0

    # The resampled scan is kept only with `input/`.
    assert ("--image" in capsys.readouterr().err) == bool(kept)
    for was, now in (("L5", "L6"), ("L4-L5", "L5-L6"), ("sacrum", "sacrum")):
        np.testing.assert_array_equal(voxels(seg) == VALUES[now], old == VALUES[was])
    report = read_json(out / ".spinekit/spine.json")
    assert report["provenance"][0]["words"][0]["to"] == "L6"
    new = bytes_of(out)
    assert set(new) == {*before, ".spinekit/spine_undo.zip"}
    assert (voxels(out / "step1_levels/spine.nii.gz") > 0).sum() == (marked > 0).sum() - 1
    changed = {name for name in before if new[name] != before[name]}
    assert {"step2_output/spine.nii.gz", "preview/spine_step2_output_tags.jpg"} < changed
    same = {"input/spine_0000.nii.gz", "preview/spine_input.jpg", "step1_cord/spine.nii.gz"}
    assert not same & changed

    assert main(["relabel", str(seg), "--undo", "--quiet"]) == 0

    assert bytes_of(out) == before


def test_there_is_nothing_to_say_of_a_picture_that_was_not_kept(
    store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    run(store(tmp_path / "spine.nii.gz"), out, *TREE, "--keep-only", "step2_output")
    (tmp_path / "spine.nii.gz").unlink()

    assert main(["relabel", str(out / "step2_output/spine.nii.gz"), "--set", "45=L6"]) == 0

    assert "preview" not in capsys.readouterr().err


def test_folders_that_are_no_longer_kept_lose_the_scan_and_no_other(store, tmp_path: Path) -> None:
    out = tmp_path / "out"
    for name in ("spine", "spine_2"):
        run(store(tmp_path / f"{name}.nii.gz"), out, *TREE)
    assert main(["relabel", str(out / "step2_output/spine.nii.gz"), "--set", "45=L6"]) == 0
    (out / "step2_raw" / "spine.txt").write_bytes(b"mine")
    words = ("--keep-only", "step2_output", "preview")

    assert run(tmp_path / "spine.nii.gz", out, *TREE, "--overwrite", *words) == 0

    kept = [".spinekit/spine.json", "step2_output/spine.nii.gz"]
    kept += [name for name in tree("spine") if name.startswith("preview/")]
    assert listing(out) == sorted([*kept, *tree("spine_2"), "step2_raw/spine.txt"])

    assert run(tmp_path / "spine.nii.gz", out, *TREE, "--overwrite", "--step1") == 0

    first = tree("spine", step2=False)
    assert listing(out) == sorted([*first, *tree("spine_2"), "step2_raw/spine.txt"])


def test_only_the_final_labels_can_be_renamed(
    store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    run(store(tmp_path / "spine.nii.gz"), out, *TREE)

    assert main(["relabel", str(out / "step1_output/spine.nii.gz"), "--set", "45=L6"]) == 2

    assert "give step2_output/spine.nii.gz" in capsys.readouterr().err


def test_a_scan_in_the_trees_own_input_folder_stays_a_scan_and_its_copy_is_none(
    store, tmp_path: Path
) -> None:
    store(tmp_path / "input" / "a.nii.gz")
    words = (tmp_path / "input", tmp_path, "--layout", "totalspineseg")
    assert run(*words) == 0
    before = listing(tmp_path)

    assert run(*words) == 0

    assert listing(tmp_path) == before
    rows = (tmp_path / "summary.csv").read_text().splitlines()
    assert [row.split(",")[:2] for row in rows[1:]] == [["a.nii.gz", "skipped"]]
