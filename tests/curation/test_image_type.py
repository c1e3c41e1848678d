"""Images are written as they are, or it is said why not."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from curation.sets import recipe_table, save, small_spine, write_set
from results import voxels
from spinekit.curation.recipe import prepare_recipe
from spinekit.curation.run import prepare_set


def prepare(root: Path, image: np.ndarray, out: Path, **values: object) -> dict:
    """The report of a set of one scan with this image."""
    write_set(root, 1)
    save(root / "images" / "sub01_T2w.nii.gz", image.astype(np.float32), small_spine().grid.affine)
    return prepare_set(prepare_recipe(recipe_table(root, **values)), out)


def stored(out: Path) -> np.dtype:
    return nib.load(out / "images" / "sub01_T2w.nii.gz").get_data_dtype()


@pytest.mark.parametrize("top", [1.0, 20.0])
def test_grey_values_that_whole_numbers_blur_are_not_rounded(tmp_path, top) -> None:
    image = np.random.default_rng(0).random(small_spine().image.shape) * top

    report = prepare(tmp_path / "in", image, tmp_path / "out", image_type="int16")

    (row,) = report["failures"]
    assert row["code"] == "image-rounded"
    assert row["name"] == "sub01_T2w"
    assert "cannot tell its grey values of" in row["message"]
    assert not list((tmp_path / "out").rglob("sub01*"))


def test_grey_values_that_lose_less_than_a_hundredth_are_rounded(tmp_path) -> None:
    image = np.random.default_rng(0).random(small_spine().image.shape) * 400

    report = prepare(tmp_path / "in", image, tmp_path / "out", image_type="int16")

    assert report["notices"] == []
    assert stored(tmp_path / "out") == np.int16
    assert np.abs(voxels(tmp_path / "out/images/sub01_T2w.nii.gz") - image).max() <= 0.501


def test_few_whole_grey_values_are_no_loss(tmp_path) -> None:
    image = np.random.default_rng(0).integers(0, 3, small_spine().image.shape)

    report = prepare(tmp_path / "in", image, tmp_path / "out", image_type="int16")

    assert report["counts"]["done"] == 1
    assert stored(tmp_path / "out") == np.int16


def test_grey_values_beyond_16_bits_are_noted(tmp_path) -> None:
    image = np.random.default_rng(0).integers(0, 60000, small_spine().image.shape)

    report = prepare(tmp_path / "in", image, tmp_path / "out", image_type="int16")

    assert report["notices"] == [{"code": "image-float32", "cases": 1, "names": ["sub01_T2w"]}]
    record = json.loads((tmp_path / "out/cases/sub01_T2w.json").read_text())
    assert "do not fit into 16 bits" in record["notices"][0]["text"]
    assert stored(tmp_path / "out") == np.float32


def test_auto_and_float32_keep_every_value(tmp_path) -> None:
    image = np.random.default_rng(0).random(small_spine().image.shape).astype(np.float32)

    for kind in ("auto", "float32"):
        report = prepare(tmp_path / kind, image, tmp_path / f"out-{kind}", image_type=kind)
        assert report["notices"] == []
        np.testing.assert_array_equal(
            voxels(tmp_path / f"out-{kind}/images/sub01_T2w.nii.gz"), image
        )


def files_of(out: Path) -> dict[str, bytes]:
    """What there is of the case."""
    return {str(p): p.read_bytes() for p in out.rglob("sub01*")}


def test_what_was_there_stays_where_an_image_is_refused(tmp_path) -> None:
    image = np.random.default_rng(0).random(small_spine().image.shape)
    prepare(tmp_path / "in", image, tmp_path / "out")
    before = files_of(tmp_path / "out")
    recipe = prepare_recipe(recipe_table(tmp_path / "in", image_type="int16"))

    report = prepare_set(recipe, tmp_path / "out", overwrite=True)

    assert [row["code"] for row in report["failures"]] == ["image-rounded"]
    assert len(before) == 3
    assert files_of(tmp_path / "out") == before


def test_what_was_there_stays_where_a_changed_copy_is_refused(tmp_path) -> None:
    """The scan's few grey values are whole, its copies' are not."""
    image = np.random.default_rng(0).integers(0, 3, small_spine().image.shape)
    prepare(tmp_path / "in", image, tmp_path / "out")
    before = files_of(tmp_path / "out")
    table = recipe_table(tmp_path / "in", image_type="int16", augment=3, crops=1)

    report = prepare_set(prepare_recipe(table), tmp_path / "out", overwrite=True)

    assert [row["code"] for row in report["failures"]] == ["image-rounded"]
    assert files_of(tmp_path / "out") == before
