"""Predictions and references found on disk, whatever their grids."""

import json

import nibabel as nib
import numpy as np
import pytest

from spinekit.anatomy.scheme import VALUES
from spinekit.core.errors import GeometryError, InputError, UsageError
from spinekit.core.grid import Grid
from spinekit.evaluation import files
from spinekit.evaluation.files import evaluate_files
from spinekit.evaluation.table import to_csv, write_csv
from spinekit.io.reading import read_labels
from spinekit.io.writing import write_seg_nrrd

AFFINE = np.diag([4.0, 1.0, 1.0, 1.0])


def save(path, array, affine=AFFINE):
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(array.astype(np.uint8), affine), path)


def two_bodies():
    labels = np.zeros((6, 40, 70), np.uint8)
    labels[1:5, 10:35, 10:30] = 44
    labels[1:5, 10:35, 36:56] = 43
    return labels


@pytest.fixture
def folders(tmp_path):
    labels = two_bodies()
    for name in ("one", "two"):
        save(tmp_path / "pred" / f"{name}_dseg.nii.gz", labels)
        save(tmp_path / "pred" / f"{name}_parts.nii.gz", labels > 0)
        save(tmp_path / "ref" / f"{name}_bodies.nii.gz", labels)
    return tmp_path


def test_folders_are_matched_by_stem(folders):
    save(folders / "ref" / "three_bodies.nii.gz", two_bodies())
    save(folders / "pred" / "four_dseg.nii.gz", two_bodies())
    found = evaluate_files(folders / "pred", folders / "ref")
    assert [case.name for case in found.cases] == ["one", "two"]
    assert {case.dataset for case in found.cases} == {"ref"}
    assert found.without_prediction == ("three",)
    assert all(case.mean_dice("body") == 1.0 for case in found.cases)


def test_places_may_be_strings(folders):
    found = evaluate_files(str(folders / "pred"), str(folders / "ref"))
    assert found == evaluate_files(folders / "pred", folders / "ref")
    write_csv(str(folders / "scores.csv"), found.cases)
    assert (folders / "scores.csv").read_bytes() == to_csv(found.cases)


def test_index_beside_the_references_names_dataset_and_subject(folders):
    index = [{"name": "one", "dataset": "chu", "subject": "s7"}]
    (folders / "index.json").write_text(json.dumps(index), encoding="utf-8")
    first, second = evaluate_files(folders / "pred", folders / "ref").cases
    assert (first.dataset, first.subject) == ("chu", "s7")
    assert (second.dataset, second.subject) == ("ref", "two")


def test_folders_that_tell_scans_apart_are_subjects_of_one_dataset(folders):
    for patient in ("p1", "p2"):
        save(folders / "seg" / patient / "T2_dseg.nii.gz", two_bodies())
        save(folders / "truth" / patient / "T2.nii.gz", two_bodies())
    found = evaluate_files(folders / "seg", folders / "truth")
    owners = [(case.name, case.dataset, case.subject) for case in found.cases]
    assert owners == [("p1/T2", "truth", "p1"), ("p2/T2", "truth", "p2")]
    index = [{"name": "p2/T2", "dataset": "chu", "subject": "s7"}]
    (folders / "truth" / "index.json").write_text(json.dumps(index), encoding="utf-8")
    _, second = evaluate_files(folders / "seg", folders / "truth").cases
    assert (second.dataset, second.subject) == ("chu", "s7")


def test_scans_of_one_bids_subject_are_its_own(folders):
    for run in ("run-1", "run-2"):
        name = f"sub-07/ses-1/anat/sub-07_ses-1_{run}_T2w_dseg.nii.gz"
        save(folders / "seg" / name, two_bodies())
        save(folders / "chu" / name, two_bodies())
    found = evaluate_files(folders / "seg", folders / "chu")
    assert [(case.dataset, case.subject) for case in found.cases] == [("chu", "sub-07")] * 2


def test_two_files_are_compared_whatever_their_names(folders):
    save(folders / "truth.nii.gz", two_bodies())
    found = evaluate_files(
        folders / "pred" / "one_dseg.nii.gz", folders / "truth.nii.gz", bodies=True
    )
    assert [case.kinds for case in found.cases] == [("body",)]
    assert found.cases[0].mean_dice("body") == 1.0


def vertebrae_with_arches():
    """Two vertebrae, and their parts."""
    labels, parts = two_bodies(), (two_bodies() > 0).astype(np.uint8)
    for value, low in ((44, 12), (43, 38)):
        labels[2:4, 2:8, low : low + 12], parts[2:4, 2:8, low : low + 12] = value, 2
    return labels, parts


@pytest.mark.parametrize("bodies", [False, True])
def test_without_parts_beside_it_a_prediction_s_bodies_are_not_compared(tmp_path, bodies):
    labels, parts = vertebrae_with_arches()
    for side, name in (("ref", "one"), ("ref", "two"), ("pred", "one")):
        save(tmp_path / side / f"{name}_parts.nii.gz", parts)
    for name in ("one", "two"):
        save(tmp_path / "ref" / f"{name}_dseg.nii.gz", labels)
        save(tmp_path / "pred" / f"{name}_dseg.nii.gz", labels)
    found = evaluate_files(tmp_path / "pred", tmp_path / "ref", bodies=bodies)
    whole = () if bodies else ("vertebra",)
    assert [case.kinds for case in found.cases] == [("body", *whole), whole]
    assert found.without_parts == ("two",)
    assert found.cases[0].mean_dice("body") == 1.0


def test_what_is_called_bodies_needs_no_parts_and_answers_no_vertebra(tmp_path):
    labels, parts = vertebrae_with_arches()
    save(tmp_path / "ref" / "one_dseg.nii.gz", labels)
    save(tmp_path / "ref" / "one_parts.nii.gz", parts)
    save(tmp_path / "pred" / "one_bodies.nii.gz", two_bodies())
    found = evaluate_files(tmp_path / "pred", tmp_path / "ref")
    assert found.without_parts == ()
    assert found.cases[0].kinds == ("body",)
    assert found.cases[0].mean_dice("body") == 1.0


def test_plain_label_map_is_read_as_whole_vertebrae_unless_told(folders):
    save(folders / "truth.nii.gz", two_bodies())
    found = evaluate_files(folders / "pred" / "one_dseg.nii.gz", folders / "truth.nii.gz")
    assert [case.kinds for case in found.cases] == [("vertebra",)]


@pytest.mark.parametrize("code", ["RAS", "LPS", "PIR", "SAL", "IRP"])
def test_orientation_of_the_files_does_not_matter(folders, code):
    image = nib.load(folders / "ref" / "one_bodies.nii.gz")
    turned = image.as_reoriented(
        nib.orientations.ornt_transform(
            nib.io_orientation(image.affine), nib.orientations.axcodes2ornt(tuple(code))
        )
    )
    nib.save(turned, folders / "turned_bodies.nii.gz")
    found = evaluate_files(folders / "pred" / "one_dseg.nii.gz", folders / "turned_bodies.nii.gz")
    assert [i.name for i in found.cases[0].instances] == ["L3", "L4"]
    assert found.cases[0].mean_dice("body") == 1.0


def test_prediction_on_a_finer_grid_is_brought_onto_the_reference(folders):
    fine = two_bodies().repeat(4, axis=0)
    affine = np.eye(4)
    affine[0, 3] = -1.5
    save(folders / "fine" / "one_dseg.nii.gz", fine, affine)
    found = evaluate_files(folders / "fine", folders / "ref")
    assert found.cases[0].mean_dice("body") == 1.0


def test_a_coarse_prediction_counts_to_the_edge_of_its_voxels(folders):
    whole = np.full((24, 40, 70), 44, np.uint8)
    save(folders / "ref" / "one_bodies.nii.gz", whole, np.eye(4))
    affine = AFFINE.copy()
    affine[0, 3] = 1.5
    save(folders / "coarse" / "one_dseg.nii.gz", whole[::4], affine)
    save(folders / "coarse" / "one_parts.nii.gz", whole[::4] > 0, affine)
    (case,) = evaluate_files(folders / "coarse", folders / "ref").cases
    assert [item.dice for item in case.instances] == [1.0]


def test_prediction_elsewhere_in_space_is_an_error(folders):
    far = AFFINE.copy()
    far[2, 3] = 5000.0
    save(folders / "far" / "one_dseg.nii.gz", two_bodies(), far)
    with pytest.raises(GeometryError, match=r"one_dseg\.nii\.gz lies elsewhere"):
        evaluate_files(folders / "far" / "one_dseg.nii.gz", folders / "ref")


def test_spider_masks_need_their_names(folders):
    save(folders / "spider" / "one_parts.nii.gz", np.where(two_bodies() > 0, 7, 0))
    with pytest.raises(InputError, match="names"):
        evaluate_files(folders / "pred" / "one_dseg.nii.gz", folders / "spider")
    save(folders / "spider" / "one_names.nii.gz", two_bodies())
    case = evaluate_files(folders / "pred", folders / "spider").cases[0]
    assert case.mask_dice("vertebra") == 1.0
    assert [i.name for i in case.instances] == ["L3", "L4"]


def test_bodies_and_points_of_one_scan_are_joined(folders):
    points = np.zeros((6, 40, 70), np.uint8)
    points[3, 5, 20] = 23
    save(folders / "ref" / "one_points.nii.gz", points)
    case = evaluate_files(folders / "pred", folders / "ref").cases[0]
    assert [(p.name, p.predicted) for p in case.points] == [("L4", "L4")]
    assert len(case.instances) == 2


def test_a_scan_that_cannot_be_scored_costs_no_other(folders):
    cut = (folders / "pred" / "two_dseg.nii.gz").read_bytes()
    far = AFFINE.copy()
    far[2, 3] = 5000.0
    for name in ("cut", "far"):
        save(folders / "ref" / f"{name}_bodies.nii.gz", two_bodies())
    (folders / "pred" / "cut_dseg.nii.gz").write_bytes(cut[:-30])
    save(folders / "pred" / "far_dseg.nii.gz", two_bodies(), far)
    found = evaluate_files(folders / "pred", folders / "ref")
    assert [case.name for case in found.cases] == ["one", "two"]
    assert all(case.mean_dice("body") == 1.0 for case in found.cases)
    assert {name: error.code for name, error in found.failed.items()} == {
        "cut": "file-damaged",
        "far": "no-common-voxel",
    }


@pytest.mark.parametrize("kind", ["cord_soft", "image", "levels", "label-cord_probseg"])
def test_what_lies_beside_labels_and_is_none_is_passed_over(folders, kind):
    for name in ("one", "two"):
        beside = folders / "pred" / f"{name}_{kind}.nii.gz"
        nib.save(nib.Nifti1Image(np.full((6, 40, 70), 0.5, np.float32), AFFINE), beside)
        save(folders / "ref" / f"{name}_{kind}.nii.gz", np.full((6, 40, 70), 20))
    found = evaluate_files(folders / "pred", folders / "ref")
    assert [case.name for case in found.cases] == ["one", "two"]
    assert (found.without_prediction, found.failed, found.foreign) == ((), {}, {})


def test_every_file_is_read_once_and_those_that_are_not_compared_never(folders, monkeypatch):
    (folders / "pred" / "one.nii.gz").write_bytes(b"older, and damaged")
    values = two_bodies()
    values[0, 0, :2] = (210, 110)
    save(folders / "ref" / "two_bodies.nii.gz", values)
    read = []
    monkeypatch.setattr(files, "read_labels", lambda path: read.append(path) or read_labels(path))
    found = evaluate_files(folders / "pred", folders / "ref")
    names = ("pred/{}_dseg", "pred/{}_parts", "ref/{}_bodies")
    wanted = [folders / f"{name.format(s)}.nii.gz" for s in ("one", "two") for name in names]
    assert sorted(read) == sorted(wanted)
    assert found.foreign == {folders / "ref" / "two_bodies.nii.gz": (110,)}


def test_parts_alone_are_no_prediction(folders):
    (folders / "pred" / "one_dseg.nii.gz").unlink()
    found = evaluate_files(folders / "pred", folders / "ref")
    assert [case.name for case in found.cases] == ["two"]
    assert found.failed["one"].code == "prediction-incomplete"


def test_a_file_that_is_named_is_compared_whatever_its_name(folders):
    save(folders / "my_levels.nii.gz", two_bodies())
    (case,) = evaluate_files(folders / "my_levels.nii.gz", folders / "ref/one_bodies.nii.gz").cases
    assert (case.name, case.mean_dice("body")) == ("my_levels", 1.0)


@pytest.mark.parametrize("value", [1, 255])
def test_a_predicted_cord_may_have_any_value(tmp_path, value):
    cord = np.zeros((6, 40, 70))
    cord[2:4, 5:9] = 1
    save(tmp_path / "pred" / "one_cord.nii.gz", value * cord)
    save(tmp_path / "ref" / "one_cord.nii.gz", cord)
    (case,) = evaluate_files(tmp_path / "pred", tmp_path / "ref").cases
    assert case.mask_dice("cord") == 1.0


def test_a_prediction_in_several_files_is_joined_as_a_reference_is(tmp_path):
    bodies = two_bodies()
    discs, cord = np.zeros((2, *bodies.shape), np.uint8)
    discs[1:5, 10:35, 30:36] = VALUES["L3-L4"]
    cord[2:4, 3:7] = 1
    for side in ("pred", "ref"):
        save(tmp_path / side / "one_bodies.nii.gz", bodies)
        save(tmp_path / side / "one_discs.nii.gz", discs)
        save(tmp_path / side / "one_cord.nii.gz", cord)
    (case,) = evaluate_files(tmp_path / "pred", tmp_path / "ref").cases
    assert [case.mean_dice(kind) for kind in ("body", "disc")] == [1.0, 1.0]
    assert case.mask_dice("cord") == 1.0


def test_nothing_in_common_and_nothing_there(folders):
    (folders / "empty").mkdir()
    with pytest.raises(UsageError, match="no file"):
        evaluate_files(folders / "pred", folders / "empty")
    with pytest.raises(UsageError, match="does not exist"):
        evaluate_files(folders / "nowhere", folders / "ref")


@pytest.fixture
def scan():
    """The grey values of an image, whole numbers of 12 bits."""
    return np.random.default_rng(0).integers(0, 900, (6, 40, 70)).astype(np.int16)


@pytest.mark.parametrize("beside", ["images/one", "ref/one"])
def test_a_scan_near_its_reference_is_none(folders, scan, beside):
    path = folders / "all" / f"{beside}.nii.gz"
    path.parent.mkdir(parents=True)
    nib.save(nib.Nifti1Image(scan, AFFINE), path)
    (folders / "ref").rename(folders / "all" / "ref2")
    found = evaluate_files(folders / "pred", folders / "all")
    assert [(case.name, case.dataset) for case in found.cases] == [("one", "ref2"), ("two", "ref2")]
    assert all(case.mean_dice("body") == 1.0 for case in found.cases)
    assert (found.foreign, found.failed) == ({}, {})


@pytest.mark.parametrize("side", ["pred", "ref"])
def test_a_scan_is_no_label_map(folders, scan, side):
    path = folders / "scan.nii.gz"
    nib.save(nib.Nifti1Image(scan, AFFINE), path)
    labels = folders / "ref" / "one_bodies.nii.gz"
    with pytest.raises(InputError, match=r"scan\.nii\.gz: holds 900 values") as error:
        evaluate_files(*((path, labels) if side == "pred" else (labels, path)))
    assert error.value.code == "labels-are-scan"


@pytest.mark.parametrize(
    "text",
    ["[{", '[{"name": "one", "dataset": "a"}]', '[{"name": "one", "subject": "s"}, 3]'],
)
def test_a_damaged_index_is_named(folders, text):
    (folders / "ref" / "index.json").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"index\.json: is no list of scans"):
        evaluate_files(folders / "pred", folders / "ref")


@pytest.mark.parametrize("text", ['{"pages": [1]}', "[1, 2]", '["name"]'])
def test_another_program_s_index_is_passed_over(folders, text):
    (folders / "index.json").write_text(text, encoding="utf-8")
    found = evaluate_files(folders / "pred", folders / "ref")
    assert {case.dataset for case in found.cases} == {"ref"}


def test_labels_painted_in_since_count_and_not_the_parts_of_before(folders):
    truth = two_bodies()
    truth[1:5, 36:39, 5:60] = 2
    truth[1:5, 5:30, 0:8] = 50
    stale = np.where(truth == 44, 1, 0)
    stale[1:5, 10:35, 36:40] = 1
    save(folders / "pred" / "one_dseg.nii.gz", truth)
    save(folders / "pred" / "one_parts.nii.gz", stale)
    save(folders / "ref" / "one_bodies.nii.gz", np.where(truth > 10, truth, 0) * (truth != 50))
    save(folders / "truth.nii.gz", truth)
    (case,) = evaluate_files(folders / "pred" / "one_dseg.nii.gz", folders / "truth.nii.gz").cases
    assert case.mask_dice("canal") == case.mask_dice("sacrum") == 1.0
    (case, _) = evaluate_files(folders / "pred", folders / "ref").cases
    assert case.mean_dice("body") == 1.0


def test_a_reference_in_which_nothing_is_marked_is_told(folders):
    nothing = np.zeros((6, 40, 70))
    for name in ("three_bodies", "four_cord", "five"):
        save(folders / "ref" / f"{name}.nii.gz", nothing)
        save(folders / "pred" / f"{name.split('_')[0]}_dseg.nii.gz", two_bodies())
    found = evaluate_files(folders / "pred", folders / "ref")
    assert [case.name for case in found.cases] == ["one", "two"]
    assert found.unmarked == ("five", "four", "three")


def test_a_scan_near_its_prediction_is_passed_over(folders, scan):
    nib.save(nib.Nifti1Image(scan, AFFINE), folders / "pred" / "one.nii.gz")
    (folders / "pred" / "one_dseg.nii.gz").rename(folders / "pred" / "one_bodies.nii.gz")
    found = evaluate_files(folders / "pred", folders / "ref")
    assert (found.failed, [case.name for case in found.cases]) == ({}, ["one", "two"])
    assert found.cases[0].mean_dice("body") == 1.0


def segmented(path, array, names):
    """A segmentation of 3D Slicer."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [(value, name, (255, 0, 0)) for value, name in names.items()]
    write_seg_nrrd(path, array.astype(np.uint8), Grid(array.shape, AFFINE), rows)


def test_segments_are_what_they_are_called(tmp_path):
    labels = two_bodies()
    segmented(tmp_path / "pred.seg.nrrd", labels, {44: "L4", 43: "L3"})
    segmented(tmp_path / "renamed.seg.nrrd", labels, {44: "L5", 43: "L4"})
    segmented(tmp_path / "anew.seg.nrrd", np.where(labels == 44, 101, labels), {101: "L4"})

    (case,) = evaluate_files(tmp_path / "pred.seg.nrrd", tmp_path / "renamed.seg.nrrd").cases
    assert [(row.name, row.predicted) for row in case.instances] == [("L4", "L3"), ("L5", "L4")]
    found = evaluate_files(tmp_path / "anew.seg.nrrd", tmp_path / "pred.seg.nrrd")
    assert [(row.name, row.predicted) for row in found.cases[0].instances] == [
        ("L3", "L3"),
        ("L4", "L4"),
    ]
    assert found.foreign == {}


def test_a_segment_whose_name_is_none_of_ours_and_contradicts_its_value_fails(tmp_path):
    for name in ("one", "two"):
        save(tmp_path / "pred" / f"{name}_dseg.nii.gz", two_bodies())
    segmented(tmp_path / "ref" / "one.seg.nrrd", two_bodies(), {44: "L5 new", 43: "L3"})
    (more := two_bodies())[0, 0, 0] = 5
    segmented(tmp_path / "ref" / "two.seg.nrrd", more, {44: "mine", 43: "L3", 5: "root L4"})

    found = evaluate_files(tmp_path / "pred", tmp_path / "ref")

    assert [case.name for case in found.cases] == ["two"]
    assert found.failed["one"].code == "segment-names"
    assert "calls 44 'L5 new', which is L4 by its value" in found.failed["one"].message
