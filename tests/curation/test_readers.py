"""What nnU-Net and MONAI check when they read a prepared set, done again here.

The rules are those of nnU-Net's `verify_dataset_integrity` and of MONAI's
`load_decathlon_datalist`; where the packages are installed, they are asked themselves.
"""

import json
import os
import re
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from curation.sets import recipe_table, write_set
from spinekit.curation.exports.classes import DATASETS
from spinekit.curation.recipe import prepare_recipe
from spinekit.curation.run import prepare_set

ENDING = ".nii.gz"


@pytest.fixture(scope="module")
def exported(tmp_path_factory) -> Path:
    """Four patients, one of them for the test, with folds and a changed copy each."""
    tmp = tmp_path_factory.mktemp("exported")
    layouts = ["nnunet-101", "nnunet-102", "nnunet-103", "decathlon"]
    table = recipe_table(
        write_set(tmp / "in", 4), exports=layouts, augment=1, test=0.25, validation=0.25, folds=3
    )
    prepare_set(prepare_recipe(table), tmp / "out")
    return tmp / "out"


def raw(exported: Path, number: int) -> Path:
    return exported / "nnUNet_raw" / DATASETS[number].folder


def regions_of(told: dict) -> list[tuple[int, ...]]:
    """Foreground regions in the order of the file, as nnU-Net takes them."""
    values = [v if isinstance(v, list) else [v] for v in told["labels"].values()]
    return [tuple(value) for value in values if value != [0]]


@pytest.mark.parametrize("number", DATASETS)
def test_nnunet_finds_as_many_cases_as_it_is_told(exported: Path, number: int) -> None:
    root = raw(exported, number)
    told = json.loads((root / "dataset.json").read_text())

    assert {"labels", "channel_names", "numTraining", "file_ending"} <= set(told)
    files = sorted(path.name for path in (root / "imagesTr").iterdir())
    names = {re.sub(rf"_\d{{4}}{re.escape(told['file_ending'])}$", "", name) for name in files}
    assert len(names) == told["numTraining"]
    assert sorted(told["channel_names"]) == [str(n) for n in range(len(told["channel_names"]))]
    for name in names:
        own = [f for f in files if re.fullmatch(rf"{re.escape(name)}_\d{{4}}\.nii\.gz", f)]
        assert len(own) == len(told["channel_names"])
    assert {path.name.removesuffix(ENDING) for path in (root / "labelsTr").iterdir()} == names
    for fold in json.loads((root / "splits_final.json").read_text()):
        assert set(fold) == {"train", "val"}
        assert set(fold["train"]) | set(fold["val"]) <= names
        assert not set(fold["train"]) & set(fold["val"])


@pytest.mark.parametrize("number", DATASETS)
def test_nnunet_s_labels_are_consecutive_and_the_regions_give_them_back(
    exported: Path, number: int
) -> None:
    root = raw(exported, number)
    told = json.loads((root / "dataset.json").read_text())
    regions = regions_of(told)
    every = sorted({0, *(value for region in regions for value in region)})

    assert every == list(range(len(every)))
    assert len(told["regions_class_order"]) == len(regions)
    path = next((root / "labelsTr").iterdir())
    labels = sitk.GetArrayFromImage(sitk.ReadImage(str(path)))
    assert set(np.unique(labels)) <= set(every)
    assert len(np.unique(labels)) > 3
    # A network answers per region; this is how the answers become labels again.
    again = np.zeros_like(labels)
    for region, value in zip(regions, told["regions_class_order"], strict=True):
        again[np.isin(labels, region)] = value
    assert (again == labels).all()


@pytest.mark.parametrize("number", DATASETS)
def test_nnunet_s_images_and_labels_share_a_grid(exported: Path, number: int) -> None:
    root = raw(exported, number)
    for path in (root / "labelsTr").iterdir():
        labels = sitk.ReadImage(str(path))
        for channel in range(len(DATASETS[number].channels)):
            name = f"{path.name.removesuffix(ENDING)}_{channel:04d}{ENDING}"
            image = sitk.ReadImage(str(root / "imagesTr" / name))
            assert image.GetSize() == labels.GetSize()
            assert np.allclose(image.GetSpacing(), labels.GetSpacing())
            assert np.allclose(image.GetOrigin(), labels.GetOrigin())
            assert np.allclose(image.GetDirection(), labels.GetDirection())
            assert np.isfinite(sitk.GetArrayFromImage(image)).all()


@pytest.mark.parametrize("file", ["dataset.json", "dataset_fold0.json"])
def test_monai_finds_every_file_of_a_list(exported: Path, file: str) -> None:
    told = json.loads((exported / file).read_text())

    assert told["numTraining"] == len(told["training"]) > 0
    assert told["numTest"] == len(told["test"]) > 0
    for row in (*told["training"], *told["validation"]):
        for key in ("image", "label"):
            assert Path(os.path.normpath(exported / row[key])).is_file()
    for image in told["test"]:
        assert Path(os.path.normpath(exported / image)).is_file()
    assert [int(value) for value in told["labels"]] == sorted(map(int, told["labels"]))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("number", DATASETS)
def test_nnunet_itself_is_content(exported: Path, number: int) -> None:
    integrity = pytest.importorskip("nnunetv2.experiment_planning.verify_dataset_integrity")

    integrity.verify_dataset_integrity(str(raw(exported, number)), 1)


@pytest.mark.filterwarnings("ignore")
def test_monai_itself_reads_the_lists(exported: Path) -> None:
    lists = pytest.importorskip("monai.data.decathlon_datalist")

    for key in ("training", "validation", "test"):
        rows = lists.load_decathlon_datalist(exported / "dataset.json", data_list_key=key)
        assert rows
        assert (
            lists.check_missing_files(rows, "image" if key == "test" else ("image", "label")) == []
        )
