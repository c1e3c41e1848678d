"""The committed recipes on small trees in the layout of the set they are for."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from curation.sets import save, small_spine
from results import voxels
from spinekit.anatomy.scheme import VALUES, load_scheme
from spinekit.core.geometry import oriented_grid
from spinekit.core.resampling import resample_nearest
from spinekit.curation.exports.classes import DATASETS
from spinekit.curation.run import prepare_set
from spinekit.io.writing import write_image, write_labels

RECIPES = Path(__file__).parents[2] / "recipes" / "data"
SPINE = small_spine()
NINE = ("L1", "L2", "L3", "L4", "L5", "L1-L2", "L2-L3", "L3-L4", "L4-L5")


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run a committed recipe where `data/` is this test's; its report and its folder."""
    from spinekit.curation.recipe import read_prepare_recipe

    monkeypatch.chdir(tmp_path)

    def go(name: str, **changes: object) -> tuple[dict, Path]:
        out = tmp_path / f"out-{name}"
        report = prepare_set(read_prepare_recipe(RECIPES / f"{name}.toml", changes), out)
        assert report["failures"] == []
        return report, out

    return go


def al_khalil(root: Path, patients: int, missing: tuple[str, ...] = ()) -> None:
    """One binary `.mha` mask per structure and patient, none of those that are missing."""
    for n in range(1, patients + 1):
        folder = root / f"P{n:02d}"
        folder.mkdir(parents=True)
        write_image(folder / "T2.mha", SPINE.image + n, SPINE.grid)
        write_image(folder / "T1.mha", SPINE.image - n, SPINE.grid)
        for name in NINE:
            if name not in missing:
                mask = (SPINE.labels == VALUES[name]).astype(np.uint8)
                write_labels(folder / f"{name}.mha", mask, SPINE.grid)


def test_nine_masks_become_nine_labels(run, tmp_path) -> None:
    al_khalil(tmp_path / "data" / "al_khalil", 5, missing=("L3-L4",))

    report, out = run("lumbar9")

    assert report["contrasts"] == {"T2w": 5}
    assert report["splits"] == {"train": 4, "validation": 1, "test": 0, "folds": []}
    assert report["missing"] == [{"name": "L3-L4", "cases": 5}]
    assert "in no case: L3-L4" in (out / "report.txt").read_text()
    file = next((out / "labels").iterdir())
    wanted, _ = load_scheme("lumbar9").convert(SPINE.labels)
    wanted[SPINE.labels == VALUES["L3-L4"]] = 0
    assert (voxels(file) == wanted).all()
    assert nib.load(file).get_data_dtype() == np.uint8


@pytest.mark.parametrize(("name", "count"), [("discs", 4), ("vertebrae", 5)])
def test_one_kind_alone_is_numbered_from_one(run, tmp_path, name: str, count: int) -> None:
    al_khalil(tmp_path / "data" / "al_khalil", 2)

    _, out = run(name)

    values = np.unique(voxels(next((out / "labels").iterdir())))
    assert values.tolist() == list(range(count + 1))


def test_two_sets_of_different_axes_and_tags_become_one(run, tmp_path) -> None:
    """One set's bone is in one tag and lies the other way round; in the result both are alike."""
    al_khalil(tmp_path / "data" / "al_khalil", 2)
    spine = small_spine(("T11", "T12", "L1", "L2", "L3", "L4", "L5"))
    stored = oriented_grid(spine.grid, "PIR")
    image = resample_nearest(spine.image, spine.grid, stored)
    bone = resample_nearest((spine.parts == 1).astype(np.uint8), spine.grid, stored)
    for n in (1, 2, 3):
        save(tmp_path / "data" / "chu" / f"Img_{n:02d}.nii", image + n, stored.affine)
        save(tmp_path / "data" / "chu" / f"Img_{n:02d}_Labels.nii", bone, stored.affine)

    report, out = run("merged")

    assert report["datasets"] == {"alkhalil": 2, "chu": 3}
    for path in (out / "labels").iterdir():
        labels = voxels(path)
        assert nib.aff2axcodes(nib.load(path).affine) == ("R", "A", "S")
        assert np.unique(labels).tolist() == [0, 1, 2, 3, 4, 5]
        heights = [np.argwhere(labels == value)[:, 2].mean() for value in range(1, 6)]
        assert (np.diff(heights) < 0).all()


def test_spider_on_one_size(run, tmp_path) -> None:
    theirs, _ = load_scheme("spider").convert(SPINE.labels)
    root = tmp_path / "data" / "spider"
    for n in (1, 2):
        for contrast in ("t1", "t2"):
            for kind, array in (("images", SPINE.image), ("masks", theirs)):
                (root / kind).mkdir(parents=True, exist_ok=True)
                write = write_image if kind == "images" else write_labels
                write(root / kind / f"{n}_{contrast}.mha", array, SPINE.grid)
    (root / "overview.csv").write_text("new_file_name,subset\n1_t1,training\n")

    report, out = run("spider", folds=2)

    assert len(report["structures"]) == 19
    for path in (*(out / "images").iterdir(), *(out / "labels").iterdir()):
        assert nib.load(path).shape == (32, 128, 128)
    size = np.array(nib.load(path).header.get_zooms()) * (32, 128, 128)
    assert size == pytest.approx(SPINE.grid.size_mm, rel=1e-4)
    names = {row["name"]: row["pairs"] for row in report["structures"]}
    assert (names["L5"], names["T12"], names["L5-S1"], names["spinal_canal"]) == (4, 4, 4, 4)
    for fold in json.loads((out / "splits.json").read_text())["folds"]:
        assert not {n[:1] for n in fold["train"]} & {n[:1] for n in fold["validation"]}


def test_totalspinesegs_datasets_from_its_labels(run, tmp_path) -> None:
    root = tmp_path / "data" / "totalspineseg" / "bids" / "one"
    spine = np.where(SPINE.labels > 2, SPINE.labels, 0).astype(np.uint8)
    canal = (SPINE.labels == 2).astype(np.uint8)
    for n in (1, 2, 3):
        stem = f"sub-{n}/anat/sub-{n}_T2w"
        save(root / f"{stem}.nii.gz", SPINE.image + n, SPINE.grid.affine)
        labels = root / "derivatives" / "labels_iso" / f"{stem}_space-resampled_label-"
        for end, array in (("spine_dseg", spine), ("canal_seg", canal)):
            save(Path(f"{labels}{end}.nii.gz"), array, SPINE.grid.affine)

    report, out = run("totalspineseg", augment=1, spacing_mm=[4, 4, 4], folds=3)

    assert {name: row["pairs"] for name, row in report["exports"].items()} == {
        "nnunet-101": 5, "nnunet-102": 10, "nnunet-103": 5}  # fmt: skip
    for dataset in DATASETS.values():
        folder = out / "nnUNet_raw" / dataset.folder
        path = next((folder / "labelsTr").glob("*1_T2w.nii.gz"))
        assert set(np.unique(voxels(path))) <= {0, *dataset.classes.values()}
        assert dataset.classes[VALUES["sacrum"]] in voxels(path)
        assert dataset.classes[VALUES["spinal_canal"]] in voxels(path)


def test_small_fields_of_phantoms(run, tmp_path) -> None:
    root = tmp_path / "data" / "phantoms"
    write_image_to = root / "images" / "phantom00001.nii.gz"
    save(write_image_to, SPINE.image, SPINE.grid.affine)
    save(root / "labels" / "phantom00001_dseg.nii.gz", SPINE.labels, SPINE.grid.affine)
    save(root / "labels" / "phantom00001_parts.nii.gz", SPINE.parts, SPINE.grid.affine)

    report, out = run("small-fields", validation=0.0)

    assert report["counts"]["pairs"] == 5
    rows = json.loads((out / "cases" / "phantom00001.json").read_text())["outputs"]
    for row in rows[1:]:
        assert 3 <= len(row["vertebrae"]) <= 8
        labels = voxels(out / row["labels"])
        for name in row["vertebrae"]:
            assert (labels == VALUES[name]).sum() == (SPINE.labels == VALUES[name]).sum()
    assert report["conflicts"] == []
