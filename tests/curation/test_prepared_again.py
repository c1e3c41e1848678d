"""A prepared set as a source: whose scans they are, what they mean, and who stays together."""

import numpy as np
import pytest

from curation.sets import prepare, recipe_table, save, small_spine, write_set
from results import read_json, voxels
from spinekit.anatomy.scheme import VALUES
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
