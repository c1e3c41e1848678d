"""`spinekit labels`: files and folders of label maps between schemes."""

import json

import nibabel as nib
import numpy as np
import pytest

from results import listing
from spinekit.anatomy.scheme import VALUES, scheme_names
from spinekit.apps.cli import main
from spinekit.core.grid import Grid
from spinekit.io.writing import write_seg_nrrd


@pytest.fixture
def label_file(tmp_path):
    array = np.zeros((6, 6, 6), np.uint8)
    array[0, 0, :5] = (43, 44, 45, 95, 50)
    path = tmp_path / "in" / "scan.nii.gz"
    path.parent.mkdir()
    nib.save(nib.Nifti1Image(array, np.diag([3.0, 1.0, 1.0, 1.0])), path)
    return path


def segments_of(path) -> dict[int, str]:
    """Value → name of the segments of a file for 3D Slicer."""
    header = path.read_bytes().split(b"\n\n")[0].decode().splitlines()
    told = dict(line.split(":=", 1) for line in header if ":=" in line)
    numbers = range(sum(key.endswith("_LabelValue") for key in told))
    return {int(told[f"Segment{n}_LabelValue"]): told[f"Segment{n}_Name"] for n in numbers}


def voxels(path) -> list[int]:
    return np.asarray(nib.load(path).dataobj)[0, 0, :5].tolist()


def test_without_out_only_the_report(label_file, tmp_path, capsys) -> None:
    assert main(["labels", "convert", str(label_file), "--to", "spider"]) == 0

    printed = capsys.readouterr().out
    assert "scan.nii.gz: spinekit → spider, 4 structures kept, 1 lost or merged" in printed
    assert "sacrum (50, 1 voxels) has no value in the target" in printed
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_a_file_there_and_back(label_file, tmp_path) -> None:
    there, back = tmp_path / "there.nii.gz", tmp_path / "back.nii.gz"

    assert main(["labels", "convert", str(label_file), "--to", "lumbar9", "--out", str(there)]) == 0
    assert main(["labels", "convert", str(there), "--from", "lumbar9", "--out", str(back)]) == 0

    assert voxels(there) == [3, 4, 5, 9, 0]
    assert voxels(back) == [43, 44, 45, 95, 0]
    assert (nib.load(back).affine == nib.load(label_file).affine).all()


def test_a_segmentation_for_slicer_bears_names_and_colours(label_file, tmp_path) -> None:
    out = tmp_path / "out.seg.nrrd"
    words = ["labels", "convert", str(label_file), "--to", "totalspineseg", "--out", str(out)]

    assert main(words) == 0

    assert segments_of(out) == {43: "L3", 44: "L4", 45: "L5", 95: "L4-L5", 50: "sacrum"}
    colours = {
        row.partition(b":=")[2] for row in out.read_bytes().splitlines() if b"_Color:=" in row
    }
    assert len(colours) == 5
    again = tmp_path / "again.nii.gz"
    assert main(["labels", "convert", str(out), "--out", str(again)]) == 0
    assert voxels(again) == [43, 44, 45, 95, 50]


def test_structures_that_share_a_value_share_a_segment(label_file, tmp_path) -> None:
    array = np.zeros((6, 6, 6), np.uint8)
    array[0, 0, :3] = (VALUES["spinal_cord"], VALUES["spinal_canal"], VALUES["L5"])
    nib.save(nib.Nifti1Image(array, np.eye(4)), label_file)
    out = tmp_path / "out.seg.nrrd"
    words = ["labels", "convert", str(label_file), "--to", "spider", "--out", str(out)]

    assert main(words) == 0

    names = [name for _, name in sorted(segments_of(out).items())]
    assert names == ["L5", "spinal_cord + spinal_canal"]


def test_a_folder_that_is_not_there_yet_is_made(label_file, tmp_path) -> None:
    words = ["labels", "convert", str(label_file), "--to", "lumbar9", "--out"]

    assert main([*words, f"{tmp_path / 'conv'}/"]) == 0

    assert listing(tmp_path / "conv") == ["scan.nii.gz"]


def test_a_folder_goes_on_after_a_bad_file(label_file, tmp_path, capsys) -> None:
    (label_file.parent / "bad.nii.gz").write_bytes(b"no")
    out, report = tmp_path / "out", tmp_path / "report.json"
    words = ["labels", "convert", str(label_file.parent), "--to", "gliwa"]

    assert main([*words, "--out", str(out), "--json", str(report)]) == 1

    assert voxels(out / "scan.nii.gz")[:3] == [41, 43, 45]
    assert "bad.nii.gz" in capsys.readouterr().err
    assert [row["input"] for row in json.loads(report.read_text())] == ["scan.nii.gz"]


@pytest.mark.usefixtures("oracle")
@pytest.mark.parametrize(
    ("options", "label_map"),
    [
        (["--levels", "--soft", "--iso"], "spine_dseg.nii.gz"),
        (["--levels", "--format", "seg.nrrd"], "spine_dseg.seg.nrrd"),
        (["--layout", "totalspineseg"], "step2_output/spine.nii.gz"),
        (
            ["--layout", "bids", "--soft"],
            "sub-1/anat/sub-1_space-orig_seg-spine_desc-T2w_dseg.nii.gz",
        ),
    ],
)
def test_of_results_only_the_maps_that_bear_names_are_converted(
    scan_file, tmp_path, capsys, options, label_map
) -> None:
    if "bids" in options:
        place = scan_file.parent / "sub-1" / "anat" / "sub-1_T2w.nii.gz"
        place.parent.mkdir(parents=True)
        scan_file.rename(place)
    results, out = tmp_path / "results", tmp_path / "out"
    assert main(["segment", str(scan_file.parent), str(results), *options, "--quiet"]) == 0

    assert (
        main(["labels", "convert", str(results), "--to", "totalsegmentator", "--out", str(out)])
        == 0
    )

    assert listing(out) == [label_map]
    assert "bear no names (parts, points, images); passed over" in capsys.readouterr().err


@pytest.mark.usefixtures("oracle")
def test_masks_of_others_are_converted_whatever_they_are_called(
    label_file, scan_file, tmp_path
) -> None:
    results, out = tmp_path / "results", tmp_path / "out"
    assert main(["segment", str(scan_file), str(results), "--quiet"]) == 0
    for name in ("mine_parts.nii.gz", "mine_levels.nii.gz"):
        (results / name).write_bytes(label_file.read_bytes())

    assert main(["labels", "convert", str(results), "--to", "gliwa", "--out", str(out)]) == 0

    assert listing(out) == ["mine_levels.nii.gz", "mine_parts.nii.gz", "spine_dseg.nii.gz"]


def test_a_segmentation_of_slicer_is_converted_with_the_other_maps(
    label_file, tmp_path, capsys
) -> None:
    array = np.asarray(nib.load(label_file).dataobj)
    grid = Grid((6, 6, 6), np.diag([3.0, 1.0, 1.0, 1.0]))
    for name in ("scan", "more"):
        write_seg_nrrd(label_file.with_name(f"{name}.seg.nrrd"), array, grid, [])
    (label_file.parent / "third.nii.gz").write_bytes(label_file.read_bytes())
    out = tmp_path / "out"

    words = ["labels", "convert", str(label_file.parent), "--to", "gliwa", "--out", str(out)]
    assert main(words) == 0

    assert listing(out) == ["more.seg.nrrd", "scan.seg.nrrd", "third.nii.gz"]
    assert "1 files in " in capsys.readouterr().err


def test_nothing_is_overwritten_unasked(label_file, capsys) -> None:
    words = ["labels", "convert", str(label_file), "--to", "gliwa", "--quiet", "--out"]
    before = label_file.read_bytes()

    assert main([*words, str(label_file)]) == 2
    assert "is the input; choose another file" in capsys.readouterr().err
    other = label_file.with_name("other.nii.gz")
    other.write_bytes(b"mine")
    assert main([*words, str(other)]) == 2
    assert "other.nii.gz is in OUT already; add --overwrite" in capsys.readouterr().err
    assert other.read_bytes() == b"mine"
    assert main([*words, str(other), "--overwrite"]) == 0
    assert voxels(other) == [41, 43, 45, 44, 49]
    assert label_file.read_bytes() == before


def test_schemes_are_listed(label_file, capsys) -> None:
    assert main(["labels", "list"]) == 0

    listed = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert listed == list(scheme_names())
    assert main(["labels", "convert", str(label_file), "--to", "nothing"]) == 2
    assert "no label scheme is called 'nothing'" in capsys.readouterr().err


def test_a_scan_among_the_masks_is_not_converted(label_file, tmp_path, capsys) -> None:
    grey = np.arange(8 * 9 * 10).reshape(8, 9, 10).astype(np.int16)
    nib.save(nib.Nifti1Image(grey, np.eye(4)), label_file.parent / "image.nii.gz")

    words = ["labels", "convert", str(label_file.parent), "--to", "totalsegmentator", "--quiet"]
    assert main([*words, "--out", str(tmp_path / "out")]) == 1

    assert "image.nii.gz: holds 720 values, so it is a scan" in capsys.readouterr().err
    assert listing(tmp_path / "out") == [label_file.name]


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("L3", "L4"), "calls 1 'L3', which is spinal_cord by the values of spinekit"),
        (("spinal_cord", "L4 new"), "calls 43 'L4 new', which is L3 by the values of spinekit"),
    ],
)
def test_a_segmentation_that_calls_its_values_otherwise_is_refused(
    tmp_path, capsys, names, said
) -> None:
    labels = np.zeros((4, 5, 6), np.uint8)
    labels[1], labels[2] = 1, 43
    path = tmp_path / "slicer.seg.nrrd"
    rows = [(value, name, (1, 2, 3)) for value, name in zip((1, 43), names, strict=True)]
    write_seg_nrrd(path, labels, Grid((4, 5, 6), np.eye(4)), rows)

    assert main(["labels", "convert", str(path), "--to", "totalspineseg"]) == 1

    assert f"slicer.seg.nrrd: {said}" in capsys.readouterr().err


@pytest.mark.usefixtures("oracle")
def test_structures_that_share_a_value_are_one_segment_that_is_read_back(
    scan_file, tmp_path
) -> None:
    words = ["segment", str(scan_file), str(tmp_path), "--scheme", "spider", "--quiet"]
    assert main([*words, "--format", "seg.nrrd"]) == 0
    made, back = tmp_path / "spine_dseg.seg.nrrd", tmp_path / "back.nii.gz"

    assert segments_of(made)[100].startswith("spinal_canal")
    assert main(["labels", "convert", str(made), "--from", "spider", "--out", str(back)]) == 0
    assert VALUES["spinal_canal"] in np.unique(np.asarray(nib.load(back).dataobj))


def test_all_maps_of_a_folder_are_not_put_into_a_file(label_file, tmp_path, capsys) -> None:
    words = ["labels", "convert", str(label_file.parent), "--to", "gliwa"]

    assert main([*words, "--out", str(tmp_path / "out.nii.gz")]) == 2

    assert "is called like a file" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_the_last_disc_is_called_by_the_vertebra_above_it(tmp_path) -> None:
    labels = np.zeros((4, 5, 8), np.uint8)
    for k, value in enumerate((50, 100, 46, 96, 45)):
        labels[:, :, k] = value
    source, target, report = (tmp_path / name for name in ("a.nii.gz", "b.nii.gz", "r.json"))
    nib.save(nib.Nifti1Image(labels, np.eye(4)), source)

    words = ["labels", "convert", str(source), "--to", "spineps", "--out", str(target)]
    assert main([*words, "--json", str(report)]) == 0

    names = {row["name"] for row in json.loads(report.read_text())[0]["kept"]}
    assert {"L6-S1", "L5-L6", "L6"} <= names
    assert "L5-S1" not in names
