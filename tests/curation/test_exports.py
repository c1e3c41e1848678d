"""Layouts other tools read: TotalSpineSeg's nnU-Net datasets to the class, and three more."""

import hashlib
from itertools import pairwise

import numpy as np
import pytest

from curation.sets import recipe_table, save, small_spine, write_set
from results import read_json, voxels
from spinekit.anatomy import totalspineseg
from spinekit.anatomy.column import is_nameless
from spinekit.anatomy.scheme import NAMES, VALUES
from spinekit.curation.exports.classes import ALTERNATE_DISCS, DATASETS, OTHER_DISCS
from spinekit.curation.exports.registry import ALL
from spinekit.curation.recipe import EXPORTS, prepare_recipe
from spinekit.curation.run import prepare_set
from spinekit.datasets.registry import find_cases

SPINE = small_spine()


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A set of five patients in every layout, one of them for the test, one changed copy each."""
    tmp = tmp_path_factory.mktemp("exported")
    table = recipe_table(
        write_set(tmp / "in", 5), exports=list(EXPORTS), augment=1, test=0.2, folds=2
    )
    prepare_set(prepare_recipe(table), tmp / "out")
    return tmp / "out"


def test_every_layout_a_recipe_may_name_is_there() -> None:
    assert set(ALL) == set(EXPORTS)


def classes(number: int, *names: str) -> list[int]:
    return [DATASETS[number].classes[VALUES[name]] for name in names]


def test_classes_of_dataset_101() -> None:
    names = ("C3-C4", "C2-C3", "C7-T1", "T12-L1", "L5-S1", "C2", "L6", "sacrum", "C1",
             "spinal_canal", "spinal_cord")  # fmt: skip
    assert classes(101, *names) == [1, 2, 3, 4, 5, 6, 6, 6, 7, 8, 9]
    assert DATASETS[101].regions == {
        "background": 0, "disc": [1, 2, 3, 4, 5], "disc_C2_C3": 2, "disc_C7_T1": 3,
        "disc_T12_L1": 4, "disc_L5_S": 5, "vertebrae": [6, 7], "vertebrae_C1": 7,
        "canal": [8, 9], "cord": 9,
    }  # fmt: skip
    assert DATASETS[101].order == list(range(1, 10))


def test_classes_of_dataset_102() -> None:
    assert classes(102, "C1", "C3", "C7", "T2", "T12", "L2", "L6") == [7] * 7
    assert classes(102, "C2", "C6", "T1", "T11", "L1", "L3", "L5") == [8] * 7
    assert classes(102, "sacrum", "spinal_canal", "spinal_cord") == [9, 10, 11]
    assert classes(102, "L5-S1", "L1-L2", "L5-L6") == [5, 1, 1]
    assert DATASETS[102].order == list(range(1, 12))
    assert DATASETS[102].regions["vertebrae"] == [6, 7, 8, 9]
    assert DATASETS[102].lacks([VALUES["T13"], VALUES["L1"]]) == ["T13"]
    assert {63, 65, 67, 72, 82, 92, 94, 96} <= ALTERNATE_DISCS
    assert not ALTERNATE_DISCS & OTHER_DISCS


def test_datasets_have_the_classes_of_the_steps() -> None:
    """But for what the tool has no label for: its training sets leave such pairs out."""
    steps = {101: totalspineseg.step1_classes(), 102: totalspineseg.step2_classes()}
    lacking = {
        number: {NAMES[v] for v in NAMES if DATASETS[number].classes.get(v, 0) != table[v]}
        for number, table in steps.items()
    }

    assert lacking[101] == set()
    assert {name for name in lacking[102] if not is_nameless(name)} == {
        "T13",
        "T12-T13",
        "T13-L1",
    }
    assert lacking[102] == {NAMES[v] for v in NAMES if not totalspineseg.step2_labels()[v]}


def test_neighbours_are_of_different_classes_and_channels_in_102() -> None:
    """What the alternation is for."""
    from spinekit.anatomy.column import Variant

    chain = [VALUES[name] for name in Variant().levels]
    mapped = [DATASETS[102].classes[value] for value in chain]
    assert all(a != b for a, b in pairwise(mapped))
    discs = [v for v in sorted(NAMES) if 63 <= v <= 95 and v not in (83, 84)]
    sides = [value in ALTERNATE_DISCS for value in discs]
    assert all(a != b for a, b in pairwise(sides))


def test_classes_of_dataset_103() -> None:
    names = ("C2-C3", "C6-C7", "C7-T1", "T1-T2", "T11-T12", "T12-L1", "L1-L2", "L4-L5", "L5-S1")
    assert classes(103, *names) == [3, 7, 8, 10, 20, 21, 23, 26, 27]
    names = ("C1", "C7", "T1", "T12", "L1", "L5", "sacrum", "spinal_canal", "spinal_cord")
    assert classes(103, *names) == [30, 36, 38, 49, 51, 55, 56, 57, 58]
    regions = DATASETS[103].regions
    assert regions["vertebrae_T"] == list(range(37, 50))
    assert (regions["disc"], regions["canal"]) == (list(range(1, 28)), [57, 58])
    assert (len(regions), DATASETS[103].order) == (59, list(range(1, 59)))


def test_nnunet_folders_hold_what_the_json_promises(exported) -> None:
    split = read_json(exported / "splits.json")
    assert (len(split["train"]), len(split["test"])) == (6, 1)
    for number, dataset in DATASETS.items():
        root = exported / "nnUNet_raw" / dataset.folder
        told = read_json(root / "dataset.json")
        double = 2 if number == 102 else 1
        # Four patients of two pairs each: copies of the one that validates are left out.
        assert told["numTraining"] == len(list((root / "labelsTr").iterdir())) == 7 * double
        assert len(list((root / "imagesTr").iterdir())) == 7 * double * len(dataset.channels)
        assert len(list((root / "labelsTs").iterdir())) == 1
        assert told["channel_names"] == {str(n): c for n, c in enumerate(dataset.channels)}
        assert told["file_ending"] == ".nii.gz"
        for fold in read_json(root / "splits_final.json"):
            assert set(fold) == {"train", "val"}
            for name in (*fold["train"], *fold["val"]):
                assert (root / "labelsTr" / f"{name}.nii.gz").exists()


def test_second_cases_of_102_have_the_other_discs_and_classes(exported) -> None:
    root = exported / "nnUNet_raw" / DATASETS[102].folder
    name = read_json(exported / "splits.json")["train"][0].split("_a")[0]
    first, second = (voxels(root / "labelsTr" / f"{name}{e}.nii.gz") for e in ("", "_o2e"))
    channel, other = (voxels(root / "imagesTr" / f"{name}{e}_0001.nii.gz") for e in ("", "_o2e"))

    assert (channel == np.isin(SPINE.labels, sorted(ALTERNATE_DISCS))).all()
    assert (other == np.isin(SPINE.labels, sorted(OTHER_DISCS))).all()
    assert ((first == 7) == (second == 8)).all()
    assert ((first == 8) == (second == 7)).all()
    same = ~np.isin(first, (7, 8))
    assert (first[same] == second[same]).all()
    assert (voxels(root / "imagesTr" / f"{name}_o2e_0000.nii.gz").shape) == first.shape


def test_a_case_without_a_class_is_left_out_and_named(tmp_path) -> None:
    root = write_set(tmp_path / "in", 3)
    labels = np.where(SPINE.labels == VALUES["L1"], VALUES["T13"], SPINE.labels).astype(np.uint8)
    save(root / "labels" / "sub02_T2w.nii.gz", labels, SPINE.grid.affine)
    table = recipe_table(root, exports=["nnunet-101", "nnunet-103"], validation=0.0)

    report = prepare_set(prepare_recipe(table), tmp_path / "out")

    assert report["exports"]["nnunet-101"] == {"pairs": 3, "left_out": []}
    assert report["exports"]["nnunet-103"]["left_out"] == [
        {"name": "sub02_T2w", "reason": "no class for T13"}
    ]
    assert report["anomalies"] == {"T13": 1, "none": 2}


def test_noaug_leaves_copies_out_and_nothing_stays_behind(exported, tmp_path) -> None:
    root = write_set(tmp_path / "in", 3)
    table = recipe_table(root, exports=["nnunet-102"], augment=1, validation=0.0)
    folder = tmp_path / "out" / "nnUNet_raw" / DATASETS[102].folder / "labelsTr"

    prepare_set(prepare_recipe(table), tmp_path / "out")
    assert len(list(folder.iterdir())) == 12
    prepare_set(prepare_recipe(table | {"noaug": True}), tmp_path / "out")

    assert sorted(path.name for path in folder.iterdir()) == [
        f"sub0{n}_T2w{e}.nii.gz" for n in (1, 2, 3) for e in ("", "_o2e")
    ]


def test_patients_stay_apart_in_bids_whatever_letters_are_left_of_them(tmp_path) -> None:
    root = tmp_path / "in"
    for number, name in enumerate(("p1_1", "p11", "患者", "お")):
        save(root / "images" / f"{name}.nii.gz", SPINE.image + number, SPINE.grid.affine)
        save(root / "labels" / f"{name}.nii.gz", SPINE.labels, SPINE.grid.affine)
    table = recipe_table(root, exports=["bids"], validation=0.0)
    table["sources"][0]["settings"] = {"values": "spinekit", "dataset": "集"}

    prepare_set(prepare_recipe(table), tmp_path / "out")

    names = {path.name for path in (tmp_path / "out" / "bids").glob("sub-*")}
    assert names == {"sub-p11", "sub-p11x2", "sub-x", "sub-xx2"}


def test_patients_that_come_to_the_test_leave_the_training_behind(tmp_path) -> None:
    root, out = write_set(tmp_path / "in", 4), tmp_path / "out"
    table = recipe_table(root, exports=["nnunet-101", "monai-label"], validation=0.0)
    prepare_set(prepare_recipe(table), out)
    final = out / "monai-label" / "labels" / "final"
    for path in final.iterdir():
        path.write_bytes(b"corrected by hand")

    prepare_set(prepare_recipe(table | {"test": 0.5}), out)

    split = read_json(out / "splits.json")
    raw = out / "nnUNet_raw" / DATASETS[101].folder
    for part, kind in (("train", "Tr"), ("test", "Ts")):
        files = {path.name for path in (raw / f"images{kind}").iterdir()}
        assert files == {f"{name}_0000.nii.gz" for name in split[part]}
        assert {p.name[:9] for p in (raw / f"labels{kind}").iterdir()} == set(split[part])
    assert {path.name[:9] for path in final.iterdir()} == set(split["train"])
    for path in final.with_name("original").iterdir():
        assert path.read_bytes() == b"corrected by hand"


def test_decathlon_lists_pairs_that_are_there(exported) -> None:
    told = read_json(exported / "dataset.json")

    assert told["labels"]["0"] == "background"
    assert told["labels"][str(VALUES["L4"])] == "L4"
    assert (told["numTraining"], len(told["validation"]), told["numTest"]) == (6, 1, 1)
    for row in (*told["training"], *told["validation"]):
        assert (exported / row["image"]).exists()
        assert (exported / row["label"]).exists()
    assert read_json(exported / "dataset_fold1.json")["validation"]
    pairs = {
        name: row["pairs"] for name, row in read_json(exported / "report.json")["exports"].items()
    }
    assert pairs["decathlon"] == 8
    assert all(pairs.values())


@pytest.mark.parametrize("layout", ["decathlon", *(f"nnunet-{n}" for n in DATASETS)])
def test_a_layout_read_back_knows_set_and_patient_of_crops_and_copies(exported, layout) -> None:
    word, _, number = layout.partition("-")
    root = exported / "nnUNet_raw" / DATASETS[int(number)].folder if number else exported
    whose = read_json(exported / "splits.json")["pairs"]

    for case in find_cases(root, word):
        if case.masks:
            owner = whose[case.name.removesuffix("_o2e")]
            assert (case.dataset, case.subject) == (owner["dataset"], owner["subject"])
    assert any(case.name.endswith("_a1") for case in find_cases(root, word))


def test_a_monai_label_server_finds_its_files(exported) -> None:
    root = exported / "monai-label"
    told = read_json(root / "datastore_v2.json")

    assert (told["images_dir"], told["labels_dir"]) == (".", "labels")
    final = [name for name, row in told["objects"].items() if "final" in row["labels"]]
    assert sorted(final) == sorted(read_json(exported / "splits.json")["train"])
    for name, row in told["objects"].items():
        assert (root / f"{name}{row['image']['ext']}").exists()
        for tag, label in row["labels"].items():
            path = root / "labels" / tag / f"{name}{label['ext']}"
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            assert label["info"]["checksum"] == f"SHA256:{digest}"


def test_correcting_a_label_there_leaves_the_set_alone(exported) -> None:
    name = read_json(exported / "splits.json")["train"][0]
    mine = exported / "labels" / f"{name}.nii.gz"
    before = mine.read_bytes()

    with (exported / "monai-label" / "labels" / "final" / f"{name}.nii.gz").open("ab") as file:
        file.write(b"x")

    assert mine.read_bytes() == before


def test_bids_derivatives_have_names_and_a_table(exported) -> None:
    root = exported / "bids"

    assert read_json(root / "dataset_description.json")["DatasetType"] == "derivative"
    labels = sorted(p.name for p in root.glob("sub-*/anat/*_dseg.nii.gz"))
    images = sorted(p.name for p in root.glob("sub-*/anat/*_T2w.nii.gz"))
    assert len(labels) == len(images) == 8
    assert "sub-insub01_desc-prepared_dseg.nii.gz" in labels
    head, *rows = (line.split("\t") for line in (root / "dseg.tsv").read_text().splitlines())
    assert head == ["index", "name", "color"]
    labels = read_json(exported / "labels.json")["labels"]
    known = {str(row["value"]): row["name"] for row in labels}
    assert {index: name for index, name, _ in rows} == known
    people = (root / "participants.tsv").read_text().splitlines()
    assert len(people) == 6
    assert sum(line.endswith("\ttest") for line in people) == 1
