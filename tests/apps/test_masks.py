"""Which files of a folder `spinekit label` takes for masks, and what their results are called."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from results import listing
from scan_files import Slices
from spinekit.adoption import MaskOptions
from spinekit.apps.cli import main
from spinekit.apps.options import RunOptions
from spinekit.apps.planning import plan_masks
from spinekit.core.errors import UsageError
from spinekit.io.reading import read_label_file
from spinekit.io.writing import write_labels
from spinekit.labelling.numbers import Meaning

PARTS = "sub-1_space-orig_seg-parts_desc-T2w_dseg"
"""What layout `bids` calls the parts of `sub-1_T2w`."""


def plan(
    source: Path, meaning: Meaning | None = None, *, out: Path | None = None, quiet: bool = False
) -> dict[str, str]:
    """Mask → first part of its results' names; nothing is opened."""
    run = RunOptions(out or source.parent / "out", quiet=quiet)
    jobs = plan_masks(source, MaskOptions(meaning), run)
    return {job.shown.removesuffix(".nii.gz"): job.wanted.stem for job in jobs}


def touch(folder: Path, names: str) -> Path:
    for name in names.split():
        path = folder / (name if "." in name else f"{name}.nii.gz")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return folder


@pytest.mark.parametrize(
    ("files", "meaning", "expected"),
    [
        ("s_dseg s_parts s_levels s_image s_cord_soft s_canal_soft", None, {"s_dseg": "s"}),
        ("s_dseg s_parts s_levels", "parts", {"s_parts": "s_parts"}),
        ("s_parts s_levels", None, {"s_parts": "s_parts", "s_levels": "s_levels"}),
        ("s_dseg t_parts", None, {"s_dseg": "s", "t_parts": "t_parts"}),
        ("s s_dseg", None, {"s": "s", "s_dseg": "s_dseg"}),
        ("a/s b/s_dseg", None, {"a/s": "s", "b/s_dseg": "s"}),
        ("_dseg", None, {"_dseg": "_dseg"}),
        (
            "s_seg-spine_desc-T2w_dseg s_seg-levels_desc-T2w_dseg s_seg-parts_desc-T2w_dseg",
            None,
            {"s_seg-spine_desc-T2w_dseg": "s_seg-spine_desc-T2w"},
        ),
        ("s.seg.nrrd s t", None, {"s.seg.nrrd": "s", "t": "t"}),
    ],
)
def test_of_files_that_belong_together_one_is_the_mask(
    tmp_path: Path, files: str, meaning: Meaning | None, expected: dict[str, str]
) -> None:
    assert plan(touch(tmp_path / "in", files), meaning) == expected


def test_labels_painted_in_one_format_are_taken_from_it(
    scan_file: Path, tmp_path: Path, oracle: None
) -> None:
    out = tmp_path / "results"
    for ending in ("seg.nrrd", "nii.gz"):
        assert main(["segment", str(scan_file), str(out), "--format", ending, "--quiet"]) == 0
    assert set(plan(out)) == {"spine_dseg.seg.nrrd"}

    map_file = out / "spine_dseg.nii.gz"
    image = nib.load(map_file)
    nib.save(nib.Nifti1Image(np.asarray(image.dataobj)[:, ::-1], image.affine), map_file)

    assert set(plan(out)) == {"spine_dseg"}


def test_two_grids_of_one_scan_keep_their_names(tmp_path: Path) -> None:
    name = "sub-1_space-orig_seg-spine{}_desc-T2w_dseg"
    folder = touch(tmp_path / "in", f"{name.format('')} {name.format('_res-1mm')}")
    assert sorted(plan(folder).values()) == sorted([name.format(""), name.format("_res-1mm")])


@pytest.mark.usefixtures("oracle")
def test_labels_of_bids_derivatives_are_read_named_and_scored_again(
    scan_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = scan_file.parent / "sub-1" / "anat" / "sub-1_T2w.nii.gz"
    place.parent.mkdir(parents=True)
    scan_file.rename(place)
    first, again = tmp_path / "first", tmp_path / "again"
    run = ["segment", str(scan_file.parent), str(first), "--layout", "bids", "--quiet"]
    assert main(run) == 0

    assert main(["label", str(first), str(again), "--from", "spinekit", "--quiet"]) == 0

    (labels,) = again.rglob("sub-1_T2w_dseg.nii.gz")
    assert main(["relabel", str(labels), "--undo"]) == 2  # it is found, and has no change yet
    assert "no name was changed" in capsys.readouterr().err
    assert main(["evaluate", str(again), str(first)]) == 0
    assert "no prediction" not in capsys.readouterr().err


def test_a_result_never_takes_the_place_of_its_mask(tmp_path: Path) -> None:
    mask = touch(tmp_path / "in", "s_dseg") / "s_dseg.nii.gz"
    (tmp_path / "link").symlink_to(tmp_path / "in")

    assert plan(mask) == {"s_dseg": "s"}
    assert plan(mask, out=tmp_path / "in") == {"s_dseg": "s_dseg"}
    assert plan(mask, out=tmp_path / "link") == {"s_dseg": "s_dseg"}


def test_what_is_passed_over_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = touch(tmp_path / "in", "a.seg.nrrd a b s_dseg s_parts s_levels")
    Slices().write(folder / "dicom")

    assert plan(folder) == {"a.seg.nrrd": "a", "b": "b", "s_dseg": "s"}

    told = capsys.readouterr().err
    assert "2 files in " in told
    assert "bear no names (parts, points, images); passed over" in told
    assert "1 files in " in told
    assert "are there in another format; passed over" in told
    assert "1 DICOM folders in " in told
    plan(folder, quiet=True)
    assert capsys.readouterr().err == ""


@pytest.mark.usefixtures("oracle")
@pytest.mark.parametrize("meaning", [None, "parts"])
def test_of_the_formats_of_one_result_one_is_the_mask(
    scan_file: Path, tmp_path: Path, meaning: Meaning | None
) -> None:
    out, kind = tmp_path / "first", "parts" if meaning else "dseg"
    for fmt in ("nii", "mha", "nrrd"):
        assert main(["segment", str(scan_file), str(out), "--format", fmt, "--quiet"]) == 0
    stem = f"spine_{kind}" if meaning else "spine"

    assert plan(out, meaning) == {f"spine_{kind}.nii": stem}

    painted, header = read_label_file(out / f"spine_{kind}.mha")
    array = painted.array.copy()
    array[0, 0, 0] = 1
    write_labels(out / f"spine_{kind}.mha", array, header)
    assert plan(out, meaning) == {f"spine_{kind}.mha": stem}

    (out / f"spine_{kind}.nii.gz").touch()  # of another program: the report does not list it
    with pytest.raises(UsageError, match="would write the same files"):
        plan(out, meaning)


@pytest.mark.usefixtures("oracle")
@pytest.mark.parametrize(
    ("options", "below", "name", "parts"),
    [
        (["--levels", "--soft", "--iso"], "", "spine", "spine_parts"),
        (["--layout", "totalspineseg"], "", "spine", None),
        (["--layout", "bids", "--levels", "--soft"], "", "sub-1_T2w", f"sub-1/anat/{PARTS}"),
        (["--layout", "bids", "--soft"], "sub-1/anat", "sub-1_T2w", PARTS),
    ],
)
def test_of_results_in_any_layout_the_labels_are_the_masks(
    scan_file: Path, tmp_path: Path, options: list[str], below: str, name: str, parts: str | None
) -> None:
    if "bids" in options:
        place = scan_file.parent / "sub-1" / "anat" / "sub-1_T2w.nii.gz"
        place.parent.mkdir(parents=True)
        scan_file.rename(place)
    results = tmp_path / "results"
    assert main(["segment", str(scan_file.parent), str(results), *options, "--quiet"]) == 0

    assert list(plan(results / below).values()) == [name]
    if parts is not None:
        assert list(plan(results / below, "parts")) == [parts]


@pytest.mark.usefixtures("oracle")
def test_a_folder_of_results_is_named_again_under_the_same_names(
    scan_file: Path, tmp_path: Path
) -> None:
    first, again = tmp_path / "first", tmp_path / "again"
    assert main(["segment", str(scan_file.parent), str(first), "--levels", "--quiet"]) == 0

    assert main(["label", str(first), str(again), "--from", "spinekit", "--quiet"]) == 0

    names = {name for name in listing(first) if "levels" not in name}
    assert set(listing(again)) == names
    found = [np.asarray(nib.load(out / "spine_dseg.nii.gz").dataobj) for out in (first, again)]
    assert np.mean(found[0] == found[1]) > 0.999
    assert main(["evaluate", str(again), str(first)]) == 0
