from pathlib import Path

import pytest

from dataset_trees import touch
from spinekit.core.errors import InputError, RecipeError
from spinekit.datasets.registry import find_cases, recognise


def tree(root: Path) -> Path:
    touch(root, "sub-01/anat/sub-01_T1w.nii.gz", "sub-01/anat/sub-01_T2w.nii.gz")
    touch(root, "sub-02/ses-a/anat/sub-02_ses-a_T2w.nii.gz")
    (root / "dataset_description.json").write_text("{}")
    (root / "participants.tsv").write_text(
        "participant_id\tsex\tage\tname\nsub-01\tF\t30\tJane\nsub-02\tM\tn/a\tJohn\n"
    )
    return root


def test_masks_of_derivatives_find_their_image(tmp_path: Path) -> None:
    tree(tmp_path)
    touch(tmp_path, "derivatives/labels/sub-01/anat/sub-01_T2w_label-SC_seg.nii.gz")
    touch(tmp_path, "derivatives/labels/sub-01/anat/sub-01_T1w_label-discs_dlabel.nii.gz")
    touch(tmp_path, "derivatives/x/sub-02/ses-a/anat/sub-02_ses-a_space-T2w_dseg.nii.gz")
    touch(tmp_path, "derivatives/x/sub-01/anat/sub-01_dseg.nii.gz")

    t1, t2, other = find_cases(tmp_path, "bids")

    assert recognise(tmp_path) == "bids"
    assert (t1.name, t1.subject, t1.contrast, t1.facts) == (
        "sub-01_T1w",
        "sub-01",
        "T1w",
        {"sex": "F", "age": "30"},
    )
    assert t1.masks[0].values[3] == "C2-C3"
    assert [(mask.binary, mask.values) for mask in t2.masks] == [(True, {1: "spinal_cord"})]
    assert (other.session, other.facts) == ("ses-a", {"sex": "M"})
    assert [mask.path.name for mask in other.masks] == ["sub-02_ses-a_space-T2w_dseg.nii.gz"]


def test_values_come_from_a_setting_or_a_table(tmp_path: Path) -> None:
    tree(tmp_path)
    touch(tmp_path, "derivatives/me/sub-01/anat/sub-01_T2w_dseg.nii.gz")
    (tmp_path / "derivatives/me/dseg.tsv").write_text("index\tname\n0\tair\n4\tL4\n")

    by_table = find_cases(tmp_path, "bids", {"images": "sub-01_T2w"})[0].masks[0]
    by_setting = find_cases(tmp_path, "bids", {"values": "totalspineseg"})[1].masks[0]
    by_end = find_cases(tmp_path, "bids", {"masks": {"_dseg": "parts"}})[1].masks[0]

    assert by_table.values == {4: "L4"}
    assert by_setting.values[41] == "L1"
    assert by_setting.scheme == "totalspineseg"
    assert by_end.values[7] == "vertebra"


def test_our_own_results_are_known_by_their_report(tmp_path: Path) -> None:
    tree(tmp_path)
    touch(tmp_path, "derivatives/s/sub-01/anat/sub-01_T2w_dseg.nii.gz")
    (tmp_path / "derivatives/s/sub-01/anat/sub-01_T2w_dseg.json").write_text(
        '{"spinekit_version": "1"}'
    )

    mask = find_cases(tmp_path, "bids")[1].masks[0]

    assert (mask.scheme, mask.values[44]) == ("spinekit", "L4")


def test_what_git_annex_has_not_fetched_is_absent(tmp_path: Path) -> None:
    tree(tmp_path)
    (tmp_path / "sub-01/anat/sub-01_T1w.nii.gz").write_text("/annex/objects/SHA256E-s1--a.nii.gz\n")
    (tmp_path / "sub-01/anat/sub-01_T2w.nii.gz").unlink()
    (tmp_path / "sub-01/anat/sub-01_T2w.nii.gz").symlink_to("../.git/annex/objects/none")

    assert [case.name for case in find_cases(tmp_path, "bids")] == ["sub-02_ses-a_T2w"]


def test_a_table_in_another_encoding_is_named(tmp_path: Path) -> None:
    tree(tmp_path)
    (tmp_path / "participants.tsv").write_bytes(
        "participant_id\tsite\nsub-01\tKöln\n".encode("latin-1")
    )

    with pytest.raises(InputError, match=r"participants\.tsv.*save it as UTF-8"):
        find_cases(tmp_path, "bids")


def test_a_pattern_of_images_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"images = '\(' is no regular expression"):
        find_cases(tree(tmp_path), "bids", {"images": "("})


OURS = "derivatives/spinekit/sub-01/anat/sub-01_space-orig_"


def test_a_result_belongs_to_the_contrast_that_its_name_tells(tmp_path: Path) -> None:
    tree(tmp_path)
    for contrast in ("T1w", "T2w"):
        touch(tmp_path, f"{OURS}seg-spine_desc-{contrast}_dseg.nii.gz")
        touch(tmp_path, f"{OURS}seg-parts_desc-{contrast}_dseg.nii.gz")

    t1, t2, _ = find_cases(tmp_path, "bids", {"values": "spinekit"})

    for case, contrast in ((t1, "T1w"), (t2, "T2w")):
        parts, spine = case.masks
        assert (f"desc-{contrast}_" in parts.path.name, f"desc-{contrast}_" in spine.path.name) == (
            True, True)  # fmt: skip
        assert (parts.values[1], spine.values[44]) == ("body", "L4")


def test_of_a_result_only_what_outlines_on_the_scan_s_grid_is_a_mask(tmp_path: Path) -> None:
    tree(tmp_path)
    own = f"{OURS}seg-spine_desc-T2w_dseg.nii.gz"
    touch(
        tmp_path,
        own,
        f"{OURS}seg-levels_desc-T2w_dseg.nii.gz",
        f"{OURS}label-cord_desc-T2w_probseg.nii.gz",
        f"{OURS}seg-spine_res-1mm_desc-T2w_dseg.nii.gz",
        f"{OURS}seg-parts_res-1mm_desc-T1w_dseg.nii.gz",
    )

    t1, t2, _ = find_cases(tmp_path, "bids")

    assert [mask.path for mask in t2.masks] == [tmp_path / own]
    assert ["res-1mm" in mask.path.name for mask in t1.masks] == [True]


def test_a_result_of_a_scan_that_is_not_there_is_no_other_s(tmp_path: Path) -> None:
    tree(tmp_path)
    (tmp_path / "sub-01/anat/sub-01_T1w.nii.gz").unlink()
    touch(tmp_path, f"{OURS}seg-spine_desc-T1w_dseg.nii.gz")

    assert [case.masks for case in find_cases(tmp_path, "bids")] == [(), ()]


def test_a_table_says_more_than_the_name(tmp_path: Path) -> None:
    tree(tmp_path)
    touch(tmp_path, f"{OURS}seg-spine_desc-T2w_dseg.nii.gz")
    (tmp_path / f"{OURS}seg-spine_desc-T2w_dseg.tsv").write_text("index\tname\n1\tL5\n")

    assert find_cases(tmp_path, "bids")[1].masks[0].values == {1: "L5"}


@pytest.mark.parametrize("kind", ["derivative", "raw"])
def test_masks_lie_beside_images_where_all_is_derived(tmp_path: Path, kind: str) -> None:
    """As in the layout `bids` of a prepared set."""
    for contrast, desc in (("T1w", "preparedT1w"), ("T2w", "prepared")):
        for stem in ("sub-01", "sub-01_run-2"):
            touch(tmp_path, f"sub-01/anat/{stem}_desc-prepared_{contrast}.nii.gz")
            touch(tmp_path, f"sub-01/anat/{stem}_desc-{desc}_dseg.nii.gz")
    (tmp_path / "dataset_description.json").write_text(f'{{"DatasetType": "{kind}"}}')
    (tmp_path / "dseg.tsv").write_text("index\tname\n7\tL4\n")

    found = {c.name: [m.path.name for m in c.masks] for c in find_cases(tmp_path, "bids")}

    is_derived = kind == "derivative"
    assert found == {
        f"{stem}_desc-prepared_{contrast}": [f"{stem}_desc-{desc}_dseg.nii.gz"] * is_derived
        for contrast, desc in (("T1w", "preparedT1w"), ("T2w", "prepared"))
        for stem in ("sub-01", "sub-01_run-2")
    }
    values = [mask.values for case in find_cases(tmp_path, "bids") for mask in case.masks]
    assert values == [{7: "L4"}] * 4 * is_derived
