"""Which prediction answers which reference, by names alone."""

import numpy as np
import pytest

from spinekit.core.errors import UsageError
from spinekit.core.grid import Grid
from spinekit.evaluation.pairing import pair_files, split_name
from spinekit.io.writing import write_labels


def make(root, *names):
    for name in names:
        path = root / f"{name}.nii.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root


def pair(tmp_path, preds, refs):
    """(name, predicted files, reference's files) of every pair, and what has no prediction."""
    pred, ref = make(tmp_path / "pred", *preds), make(tmp_path / "ref", *refs)
    pairs, missing = pair_files(pred, ref)

    def inside(root, files):
        return sorted(str(p.relative_to(root)).removesuffix(".nii.gz") for p in files.values())

    return [(p.name, inside(pred, p.pred), inside(ref, p.ref)) for p in pairs], missing


def test_stems_suffice_where_they_are_unique_whatever_the_trees(tmp_path):
    found = pair(tmp_path, ["p1/a_dseg", "p1/a_parts", "b_dseg", "c"], ["x/y/a", "b", "q/d"])
    assert found == (
        [("a", ["p1/a_dseg", "p1/a_parts"], ["x/y/a"]), ("b", ["b_dseg"], ["b"])],
        ["d"],
    )


def test_files_of_one_scan_may_lie_in_several_folders(tmp_path):
    found = pair(tmp_path, ["a_dseg"], ["parts/a_parts", "names/a_names"])
    assert found == ([("a", ["a_dseg"], ["names/a_names", "parts/a_parts"])], [])


def test_what_label_made_of_a_mask_answers_the_mask(tmp_path):
    made = ["a_bodies_dseg", "a_bodies_parts"]
    assert pair(tmp_path, made, ["a_bodies"]) == ([("a", made, ["a_bodies"])], [])


def test_folders_tell_what_label_made_of_masks_of_one_name_apart(tmp_path):
    made, masks = ["p1/a_bodies_dseg", "p2/a_bodies_dseg"], ["p1/a_bodies", "p2/a_bodies"]
    found = [(f"p{n}/a", [made[n - 1]], [masks[n - 1]]) for n in (1, 2)]
    assert pair(tmp_path, made, masks) == (found, [])


def test_results_of_two_masks_of_one_scan_answer_neither(tmp_path):
    made, masks = ["a_bodies_dseg", "a_discs_dseg", "b"], ["a_bodies", "a_discs", "b"]
    assert pair(tmp_path, made, masks) == ([("b", ["b"], ["b"])], ["a"])


def test_folders_tell_scans_of_one_stem_apart(tmp_path):
    found = pair(
        tmp_path,
        ["p1/T2_dseg", "p1/T2_parts", "p2/T2_dseg", "p2/T2_parts", "p4/T2_dseg"],
        ["p2/T2", "p1/T2", "p3/T2"],
    )
    assert found == (
        [
            ("p1/T2", ["p1/T2_dseg", "p1/T2_parts"], ["p1/T2"]),
            ("p2/T2", ["p2/T2_dseg", "p2/T2_parts"], ["p2/T2"]),
        ],
        ["p3/T2"],
    )


def test_a_patient_is_never_answered_by_another(tmp_path):
    preds, refs = ["p1/T2", "p2/T2", "p1/T1"], ["p1/T2", "p2/T2", "p2/T1"]
    pairs, missing = pair(tmp_path, preds, refs)
    assert [name for name, *_ in pairs] == ["p1/T2", "p2/T2"]
    assert missing == ["p2/T1"]


def test_patients_annotated_in_different_ways_are_not_joined(tmp_path):
    pairs, _ = pair(tmp_path, ["p1/T2", "p2/T2"], ["p1/T2_bodies", "p2/T2_discs"])
    assert [files for _, _, files in pairs] == [["p1/T2_bodies"], ["p2/T2_discs"]]


def test_a_folder_of_one_side_alone_is_paired_by_stem(tmp_path):
    pairs, missing = pair(tmp_path, ["p1/T2", "p2/T2", "x/T1"], ["p1/T2", "p2/T2", "y/T1"])
    assert pairs[-1] == ("y/T1", ["x/T1"], ["y/T1"])
    assert missing == []


def test_a_stem_twice_on_one_side_alone_is_named_by_its_folders(tmp_path):
    pairs, missing = pair(tmp_path, ["a"], ["a", "p1/T2", "p2/T2"])
    assert [name for name, *_ in pairs] == ["a"]
    assert missing == ["p1/T2", "p2/T2"]


@pytest.mark.parametrize(
    ("preds", "refs"),
    [
        (["p1/T2", "p2/T2"], ["T2"]),
        (["p1/T2", "p2/T2"], ["q1/T2", "q2/T2"]),
        (["step1_output/a", "step2_output/a"], ["a"]),
    ],
)
def test_several_files_that_may_be_meant_are_an_error(tmp_path, preds, refs):
    with pytest.raises(UsageError, match="have the same name"):
        pair(tmp_path, preds, refs)


def test_a_file_does_not_say_which_folder_it_is_of(tmp_path):
    ref = make(tmp_path / "ref", "T2", "p1/T2")
    pred = make(tmp_path / "pred", "T2_dseg") / "T2_dseg.nii.gz"
    with pytest.raises(UsageError, match="have the same name"):
        pair_files(pred, ref)


@pytest.mark.parametrize("other", ["same", "painted", "moved"])
def test_of_two_formats_that_hold_the_same_one_is_taken(tmp_path, other):
    ref = make(tmp_path / "ref", "T2")
    labels = np.zeros((4, 5, 6), np.uint8)
    labels[1:3, 2, 3] = 41
    grid = Grid((4, 5, 6), np.diag([4.0, 0.7, 0.7, 1.0]))
    (tmp_path / "pred").mkdir()
    write_labels(tmp_path / "pred" / "T2_dseg.mha", labels, grid, fmt="mha")
    if other == "painted":
        labels[0, 0, 0] = 41
    if other == "moved":
        grid = Grid((4, 5, 6), np.diag([4.0, 0.7, 0.8, 1.0]))
    write_labels(tmp_path / "pred" / "T2_dseg.nii.gz", labels, grid)

    if other == "same":
        ((found,), _) = pair_files(tmp_path / "pred", ref)
        assert found.pred["dseg"].name == "T2_dseg.mha"
    else:
        with pytest.raises(UsageError, match="have the same name"):
            pair_files(tmp_path / "pred", ref)


def test_two_formats_of_one_file_are_an_error(tmp_path):
    ref = make(tmp_path / "ref", "T2")
    (ref / "T2.mha").touch()
    with pytest.raises(UsageError, match=r"T2\.nii\.gz and .*T2\.mha") as error:
        pair_files(ref, ref)
    assert error.value.remedy == "move one of the two away"


def test_what_segment_writes_beside_labels_is_no_scan(tmp_path):
    kinds = ("dseg", "parts", "levels", "image", "cord_soft", "canal_soft")
    tree = [f"{folder}/s_{kind}" for folder in ("p1", "p2") for kind in kinds]
    pairs, missing = pair(tmp_path, tree, tree)
    assert [name for name, *_ in pairs] == ["p1/s", "p2/s"]
    assert pairs[0][1] == ["p1/s_dseg", "p1/s_parts"]
    assert missing == []


def test_hidden_files_are_passed_over(tmp_path):
    pairs, missing = pair(tmp_path, ["a", "._a"], ["a", "._a", ".old/b"])
    assert [name for name, *_ in pairs] == ["a"]
    assert missing == []


BIDS = "sub-01/anat/sub-01_acq-sag_space-orig"


def test_bids_derivatives_answer_what_bears_the_scan_s_name(tmp_path):
    spine, parts = (f"{BIDS}_seg-{kind}_desc-T2w_dseg" for kind in ("spine", "parts"))
    beside = (f"{BIDS}_seg-levels_desc-T2w_dseg", f"{BIDS}_label-cord_desc-T2w_probseg")
    found = pair(tmp_path, [spine, parts, *beside], ["sub-01_acq-sag_T2w"])
    assert found == ([("sub-01_acq-sag_T2w", [parts, spine], ["sub-01_acq-sag_T2w"])], [])


ONE_MM = f"{BIDS}_seg-{{}}_res-1mm_desc-T2w_dseg"
OWN = f"{BIDS}_seg-{{}}_desc-T2w_dseg"


@pytest.mark.parametrize(
    ("own", "resampled", "chosen"),
    [
        (("spine",), ("spine",), OWN),
        (("spine", "parts"), ("spine", "parts"), OWN),
        (("parts",), ("spine", "parts"), ONE_MM),
        ((), ("spine", "parts"), ONE_MM),
    ],
)
def test_of_bids_derivatives_on_both_grids_one_grid_is_compared(tmp_path, own, resampled, chosen):
    preds = [*(OWN.format(kind) for kind in own), *(ONE_MM.format(kind) for kind in resampled)]
    kinds = own if chosen == OWN else resampled
    found = pair(tmp_path, preds, ["sub-01_acq-sag_T2w"])
    wanted = sorted(chosen.format(kind) for kind in kinds)
    assert found == ([("sub-01_acq-sag_T2w", wanted, ["sub-01_acq-sag_T2w"])], [])


def test_parts_of_another_grid_do_not_come_with_the_labels(tmp_path):
    preds = [OWN.format("spine"), ONE_MM.format("spine"), ONE_MM.format("parts")]
    ((_, files, _),), _ = pair(tmp_path, preds, ["sub-01_acq-sag_T2w"])
    assert files == [OWN.format("spine")]


@pytest.mark.parametrize("name", [OWN, ONE_MM])
def test_two_files_of_one_grid_are_an_error(tmp_path, name):
    pred = make(tmp_path / "pred", *(grid.format("spine") for grid in (OWN, ONE_MM)))
    (pred / f"{name.format('spine')}.nii").touch()
    with pytest.raises(UsageError, match="have the same name"):
        pair_files(pred, make(tmp_path / "ref", "sub-01_acq-sag_T2w"))


@pytest.mark.parametrize("name", ["scan_{}", "sub-01_space-orig_seg-{}_desc-T2w_dseg"])
def test_parts_beside_a_file_come_with_it(tmp_path, name):
    known = "spine" if "desc" in name else "dseg"
    make(tmp_path, *(name.format(kind) for kind in (known, "parts", "levels")))
    (tmp_path / f"{name.format('parts')}.mha").touch()
    label, parts = (tmp_path / f"{name.format(kind)}.nii.gz" for kind in (known, "parts"))
    ((pair,), _) = pair_files(label, label)
    assert pair.pred == {"dseg": label, "parts": parts}


@pytest.mark.parametrize(
    ("name", "stem", "kind"),
    [
        ("scan_dseg.nii.gz", "scan", "dseg"),
        ("scan_dseg.seg.nrrd", "scan", "dseg"),
        ("my_scan.v2_bodies.mha", "my_scan.v2", "bodies"),
        ("scan.nii", "scan", ""),
        ("scan_cord_soft.nii.gz", "scan_cord", "soft"),
        ("sub-1_space-orig_res-1mm_desc-resampled_T1w.nii", "sub-1_T1w", "image"),
    ],
)
def test_suffix_says_what_a_file_holds(tmp_path, name, stem, kind):
    assert split_name(tmp_path / name) == (stem, kind)


def test_parts_belong_to_labels_on_the_same_grid(tmp_path):
    stem = "sub-1_space-orig_seg-{}_desc-T2w_dseg"
    kinds = ("spine", "parts", "parts_res-1mm", "spine_res-1mm")
    folder = make(tmp_path / "a", *(stem.format(kind) for kind in kinds))
    for kind, parts in (("spine", "parts"), ("spine_res-1mm", "parts_res-1mm")):
        ((pair, *_), _) = pair_files(*[folder / f"{stem.format(kind)}.nii.gz"] * 2)
        assert pair.pred["parts"].name == f"{stem.format(parts)}.nii.gz"


def test_links_are_followed_and_endings_may_be_in_capitals(tmp_path):
    make(tmp_path / "elsewhere", "T2_bodies")
    (tmp_path / "ref").mkdir()
    (tmp_path / "ref" / "p1").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    pred = make(tmp_path / "pred", "T2_dseg")
    (pred / "UP_dseg.NII.GZ").touch()
    (tmp_path / "ref" / "UP.NII.GZ").touch()
    pairs, missing = pair_files(pred, tmp_path / "ref")
    assert ([(p.name, set(p.pred), set(p.ref)) for p in pairs], missing) == (
        [("T2", {"dseg"}, {"bodies"}), ("UP", {"dseg"}, {""})],
        [],
    )
