"""A prepared set as a source: whose scans they are, what they mean, and who stays together."""

import numpy as np
import pytest

from curation.sets import prepare, recipe_table, save, small_spine, write_set
from results import read_json, voxels
from spinekit.anatomy.scheme import VALUES
from spinekit.core.errors import InputError
from spinekit.datasets.prepared import open_prepared
from spinekit.datasets.registry import find_cases, recognise


def again(tmp_path, **options):
    """A set of four, with a crop and a copy each, and one prepared from it."""
    root, first, second = (tmp_path / name for name in ("in", "first", "second"))
    write_set(root)
    prepare(recipe_table(root, crops=1, crop_vertebrae=[2, 3], augment=1, **options), first)
    prepare({"sources": [{"root": str(first), "dataset": recognise(first)}], "augment": 1}, second)
    return root, first, second


def test_patients_and_sets_stay_whose_they_were_and_copies_are_no_patients(tmp_path) -> None:
    _, first, second = again(tmp_path)

    old, new = (read_json(path / "splits.json")["pairs"] for path in (first, second))
    assert any(name.endswith("_crop01") for name in old)
    assert {name for name in new if not name.endswith("_a1")} == {
        path.stem for path in (first / "cases").iterdir()
    }
    assert all(new[name] == old[name] for name in new)
    records = [read_json(path / "cases" / "sub01_T2w.json") for path in (first, second)]
    for key in ("contrast", "session", "bodies_only", "shown"):
        assert records[0][key] == records[1][key]


def test_values_mean_what_the_first_recipe_made_of_them(tmp_path) -> None:
    root, _, second = again(tmp_path, labels=["L1-L5"], renumber=True)

    before = voxels(root / "labels" / "sub01_T2w.nii.gz")
    after = voxels(second / "labels" / "sub01_T2w.nii.gz")
    kept = [VALUES[f"L{n}"] for n in range(1, 6)]
    np.testing.assert_array_equal(after, np.where(np.isin(before, kept), before, 0))


def test_what_was_seen_before_structures_were_chosen_stays_known(tmp_path) -> None:
    """Else training would take what was left out, such as an L6, for background."""
    _, first, second = again(tmp_path, labels=["L3", "L4"])

    records = [read_json(path / "cases" / "sub01_T2w.json") for path in (first, second)]
    assert records[0]["shown"] == records[1]["shown"]
    assert {"L5", "sacrum"} <= set(records[1]["shown"])


def test_scans_that_a_set_held_once_are_none_of_it(tmp_path) -> None:
    root, first = tmp_path / "in", tmp_path / "first"
    prepare(recipe_table(write_set(root, 3)), first)
    for kind in ("images", "labels"):
        (root / kind / "sub03_T2w.nii.gz").unlink()
    prepare(recipe_table(root), first)

    assert (first / "cases" / "sub03_T2w.json").exists()
    assert [case.name for case in find_cases(first, "prepared")] == ["sub01_T2w", "sub02_T2w"]


def test_a_set_whose_making_was_interrupted_is_no_folder_of_patients(tmp_path) -> None:
    first = tmp_path / "first"
    prepare(recipe_table(write_set(tmp_path / "in", 2), augment=1), first)
    (first / "splits.json").unlink()

    assert recognise(first) == "prepared"
    with pytest.raises(InputError, match="run `spinekit data prepare"):
        find_cases(first, "prepared")


def test_masks_of_bodies_alone_stay_such(tmp_path) -> None:
    root, first, second = (tmp_path / name for name in ("in", "first", "second"))
    write_set(root, 2)
    table = recipe_table(root)
    table["sources"][0]["bodies_only"] = ["*"]
    prepare(table, first)
    prepare({"sources": [{"root": str(first), "dataset": "prepared"}]}, second)

    assert [read_json(p / "cases" / "sub01_T2w.json")["bodies_only"] for p in (first, second)] == [
        True,
        True,
    ]


def test_a_prepared_set_of_phantoms_has_its_masks(tmp_path) -> None:
    first = tmp_path / "first"
    root = tmp_path / "in"
    for name in ("phantom00000", "phantom00001"):
        spine = small_spine()
        save(root / "images" / f"{name}.nii.gz", spine.image, spine.grid.affine)
        save(root / "labels" / f"{name}_dseg.nii.gz", spine.labels, spine.grid.affine)
    prepare({"sources": [{"root": str(root), "dataset": "phantom"}]}, first)

    assert recognise(first) == "prepared"
    assert [len(case.masks) for case in find_cases(first, "prepared")] == [1, 1]


@pytest.mark.parametrize("told", [{}, {"dataset": "one"}])
def test_folders_of_one_name_are_two_sets_unless_a_person_says_one(tmp_path, told) -> None:
    sources = []
    for site in ("A", "B"):
        root = write_set(tmp_path / site / "scans", 3)
        (source,) = recipe_table(root)["sources"]
        sources.append(source | {"name": site, "settings": source.get("settings", {}) | told})
    prepare({"sources": sources, "validation": 0.34}, tmp_path / "out")

    pairs = open_prepared(tmp_path / "out").pairs
    assert {pair.dataset for pair in pairs} == ({"one"} if told else {"A", "B"})


def test_two_sources_of_one_folder_are_one_set(tmp_path) -> None:
    root = write_set(tmp_path / "scans", 2)
    (source,) = recipe_table(root)["sources"]
    prepare({"sources": [source | {"name": name} for name in ("x", "y")]}, tmp_path / "out")

    assert {pair.dataset for pair in open_prepared(tmp_path / "out").pairs} == {"scans"}


def test_a_patient_of_two_prepared_sets_stays_on_one_side(tmp_path) -> None:
    """Told by the set that both were taken from: the images differ."""
    sources = []
    root = write_set(tmp_path / "in", 4, ("T1w", "T2w"))
    for kind in ("T1w", "T2w"):
        prepare(recipe_table(root, contrasts=[kind]), tmp_path / kind)
        sources.append({"root": str(tmp_path / kind), "dataset": "prepared", "name": kind})
    prepare({"sources": sources, "validation": 0.5, "seed": 1}, tmp_path / "out")

    split = read_json(tmp_path / "out" / "splits.json")
    trains, validates = (
        {split["pairs"][name]["subject"] for name in split[part]}
        for part in ("train", "validation")
    )
    assert trains
    assert validates
    assert not trains & validates


def test_people_of_one_number_in_a_set_made_of_two_stay_two(tmp_path) -> None:
    sources = []
    for site in ("A", "B"):
        (source,) = recipe_table(write_set(tmp_path / site, 1))["sources"]
        image = np.rint(small_spine().image + ord(site)).astype(np.int16)
        save(tmp_path / site / "images/sub01_T2w.nii.gz", image, small_spine().grid.affine)
        sources.append(source)
    prepare({"sources": sources}, tmp_path / "first")
    again = {"root": str(tmp_path / "first"), "dataset": "prepared", "name": "mine"}
    prepare({"sources": [again], "validation": 0.5}, tmp_path / "second")

    split = read_json(tmp_path / "second" / "splits.json")
    assert (len(split["train"]), len(split["validation"])) == (1, 1)


def test_two_bids_folders_are_two_sets(tmp_path) -> None:
    sources = []
    for site in ("A", "B"):
        stem = tmp_path / site / "sub-01/anat/sub-01_T2w"
        image = np.rint(small_spine().image + ord(site)).astype(np.int16)
        save(stem.with_name("sub-01_T2w.nii.gz"), image, small_spine().grid.affine)
        name = "derivatives/labels/sub-01/anat/sub-01_T2w_dseg.nii.gz"
        save(tmp_path / site / name, small_spine().labels, small_spine().grid.affine)
        settings = {"values": "spinekit"}
        sources.append(
            {"root": str(tmp_path / site), "dataset": "bids", "name": site, "settings": settings}
        )
    report = prepare({"sources": sources, "validation": 0.0}, tmp_path / "out")

    assert {pair.dataset for pair in open_prepared(tmp_path / "out").pairs} == {"A", "B"}
    assert "are in several sets (A, B)" in report["doubts"][0]
