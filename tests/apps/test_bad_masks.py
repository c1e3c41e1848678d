"""`spinekit label` on masks that mark something else than was said."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from blocks import NAMES, draw_blocks
from spinekit.anatomy.scheme import PARTS, VALUES, load_scheme
from spinekit.apps.cli import main

SPINE = draw_blocks((4.0, 2.0, 2.0))
BONES = np.isin(SPINE.parts, (PARTS.index("body"), PARTS.index("posterior")))
NUMBERS = np.where(BONES, SPINE.labels, 0).astype(np.int16)
BODIES = (SPINE.parts == PARTS.index("body")).astype(np.int16)
THEIRS = load_scheme("totalspineseg").convert(SPINE.labels)[0].astype(np.int16)


def label(folder: Path, array: np.ndarray, *words: str) -> int:
    """The exit status of naming the mask."""
    nib.save(nib.Nifti1Image(array, SPINE.grid.affine), folder / "mask.nii.gz")
    return main(["label", str(folder / "mask.nii.gz"), str(folder / "out"), "--quiet", *words])


def found_in(folder: Path, kind: str = "dseg") -> np.ndarray:
    return np.asarray(nib.load(folder / "out" / f"mask_{kind}.nii.gz").dataobj)


def warnings_of(folder: Path) -> dict[str, str]:
    report = json.loads((folder / "out" / "mask_dseg.json").read_text(encoding="utf-8"))
    return {row["code"]: row["text"] for row in report["warnings"]}


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (NUMBERS, ["--as", "instances"]),
        (BODIES, ["--as", "bone"]),
        (BODIES, []),
        (SPINE.parts.astype(np.int16), ["--as", "parts"]),
        (THEIRS, ["--from", "totalspineseg"]),
    ],
    ids=["instances", "bone", "", "parts", "scheme"],
)
def test_negative_values_are_left_out_and_told(
    tmp_path: Path, array: np.ndarray, words: list[str]
) -> None:
    ignored = (array == 0) & (np.arange(array.shape[1]) < 5)[None, :, None]
    for name, mask in (("without", array), ("with", np.where(ignored, np.int16(-1), array))):
        (tmp_path / name).mkdir()
        assert label(tmp_path / name, mask, *words) == 0

    for kind in ("dseg", "parts"):
        without, found = (found_in(tmp_path / name, kind) for name in ("without", "with"))
        np.testing.assert_array_equal(found, without)
    assert "values-left-out" not in warnings_of(tmp_path / "without")
    assert f"-1 ({ignored.sum()} voxels)" in warnings_of(tmp_path / "with")["values-left-out"]


def test_bone_that_is_no_part_of_the_column_is_told(tmp_path: Path) -> None:
    assert label(tmp_path, BODIES) == 0
    assert "voxels-left-out" not in warnings_of(tmp_path)
    mask = BODIES.copy()
    mask[:, :10, 20:40] = 1

    assert label(tmp_path, mask, "--overwrite") == 0

    lost = mask * (found_in(tmp_path) == 0)
    told = warnings_of(tmp_path)["voxels-left-out"]
    assert f"1 piece of what is marked, {lost.sum() * 16 / 1000:.1f} cm³" in told
    assert lost.sum() == mask[:, :10].sum()


def test_a_bone_beyond_two_that_are_not_marked_is_kept(tmp_path: Path) -> None:
    kept = np.isin(SPINE.labels, [VALUES[name] for name in ("T12", "L3", "L4", "L5")])
    mask = np.where(kept, BODIES, 0)

    assert label(tmp_path, mask) == 0

    found = found_in(tmp_path)
    assert ((found > 0) == (mask > 0)).all()
    assert len(np.unique(found[mask > 0])) == 4
    assert "voxels-left-out" not in warnings_of(tmp_path)


@pytest.mark.parametrize("name", ["T12", "L2"])
def test_a_vertebra_without_its_body_is_kept_and_named(tmp_path: Path, name: str) -> None:
    body = (SPINE.labels == VALUES[name]) & (BODIES > 0)
    speck = (SPINE.parts == 0) & (np.cumsum(SPINE.parts == 0).reshape(SPINE.parts.shape) <= 2)
    mask = np.where(body, 0, THEIRS)
    mask[speck] = 17

    assert label(tmp_path, mask, "--from", "totalspineseg") == 0

    np.testing.assert_array_equal(found_in(tmp_path), np.where(body, 0, SPINE.labels))
    report = json.loads((tmp_path / "out" / "mask_dseg.json").read_text(encoding="utf-8"))
    rows = {row["name"]: row["partial"] for row in report["structures"]}
    assert [rows[bone] for bone in NAMES] == [bone == name for bone in NAMES]
    assert warnings_of(tmp_path) == {
        "values-left-out": "too small for a bone or disc, left out: 17 (2 voxels)"
    }


def test_halves_of_an_arch_numbered_apart_stop_nothing(tmp_path: Path) -> None:
    arch = (SPINE.labels == VALUES["L2"]) & (SPINE.parts == PARTS.index("posterior"))
    is_left = np.arange(arch.shape[0])[:, None, None] < arch.shape[0] // 2
    mask = np.where(SPINE.parts == PARTS.index("disc"), 0, THEIRS)
    mask[arch & is_left], mask[arch & ~is_left] = VALUES["vertebra_1"], VALUES["vertebra_2"]

    assert label(tmp_path, mask, "--from", "spinekit") == 0

    found = found_in(tmp_path)
    np.testing.assert_array_equal(found > 0, mask > 0)
    for name in ("L3", "L4", "L5"):
        assert set(found[SPINE.labels == VALUES[name]].tolist()) == {VALUES[name]}


@pytest.mark.parametrize(
    ("change", "unit", "code"),
    [
        (np.diag([0.001, 0.001, 0.001, 1]), "meter", "units-converted"),
        (np.diag([0.05, 0.05, 0.05, 1]), "mm", "implausible-spacing"),
        (np.array([[1, 0, 0.15, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]), "mm", "sheared"),
    ],
    ids=["metres", "tiny", "sheared"],
)
def test_a_doubtful_header_is_told_as_of_a_scan(
    tmp_path: Path, change: np.ndarray, unit: str, code: str
) -> None:
    image = nib.Nifti1Image(THEIRS, change @ SPINE.grid.affine)
    image.header.set_xyzt_units(unit)
    nib.save(image, tmp_path / "mask.nii.gz")
    words = ["label", str(tmp_path / "mask.nii.gz"), str(tmp_path / "out"), "--quiet"]

    assert main([*words, "--from", "totalspineseg"]) == 0

    assert code in warnings_of(tmp_path)


def test_nothing_but_negative_values_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert label(tmp_path, -BODIES) == 1

    assert "mask.nii.gz: nothing is marked but with negative values" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("array", "words"),
    [(NUMBERS, ["--as", "instances"]), (THEIRS, ["--from", "totalspineseg"])],
    ids=["instances", "scheme"],
)
def test_a_value_on_two_bones_far_apart_is_told(
    tmp_path: Path, array: np.ndarray, words: list[str]
) -> None:
    top, low = ((SPINE.labels == VALUES[name]) & BONES for name in ("T12", "L5"))
    value = array[top][0]
    # Without a canal nothing but the middles of the bones tells bodies from arches.
    marked = np.where(BONES, array, 0)

    assert label(tmp_path, np.where(low, value, marked), *words) == 0

    told = warnings_of(tmp_path)["value-scattered"]
    height = 2 * np.ptp(np.flatnonzero((top | low).any(axis=(0, 1)))) + 2
    assert f": {value} (over {height} mm)" in told
    np.testing.assert_array_equal(found_in(tmp_path) > 0, marked > 0)


def test_whole_vertebrae_taken_for_bodies_are_told_with_what_to_do(tmp_path: Path) -> None:
    assert label(tmp_path, BONES.astype(np.int16)) == 0

    told = warnings_of(tmp_path)["bone-has-arches"]
    assert "--as instances" in told
    assert "--as parts" in told


def test_of_bodies_and_of_parts_no_arches_are_told(tmp_path: Path) -> None:
    for name, array, words in (
        ("bodies", BODIES, []),
        ("parts", SPINE.parts.astype(np.int16), ["--as", "parts"]),
    ):
        (tmp_path / name).mkdir()
        assert label(tmp_path / name, array, *words) == 0
        assert "bone-has-arches" not in warnings_of(tmp_path / name)


def test_a_value_on_two_neighbours_is_told(tmp_path: Path) -> None:
    upper, lower = ((SPINE.labels == VALUES[name]) & BONES for name in ("L2", "L3"))
    doubled = np.where(upper, NUMBERS[lower][0], NUMBERS)

    assert label(tmp_path, doubled, "--as", "instances") == 0

    assert f": {NUMBERS[lower][0]} (over" in warnings_of(tmp_path)["value-scattered"]


def test_a_body_in_two_halves_is_one(tmp_path: Path) -> None:
    body = (SPINE.labels == VALUES["L3"]) & (BODIES > 0)
    middle = int(np.median(np.flatnonzero(body.any(axis=(0, 1)))))
    halved = np.where(BODIES > 0, SPINE.labels, 0).astype(np.int16)
    halved[:, :, middle][body[:, :, middle]] = 0

    assert label(tmp_path, halved, "--as", "instances") == 0

    assert "value-scattered" not in warnings_of(tmp_path)


def test_no_value_is_told_where_each_is_one_bone(tmp_path: Path) -> None:
    assert label(tmp_path, NUMBERS, "--as", "instances") == 0

    assert warnings_of(tmp_path) == {}


def test_a_scan_is_no_mask(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scan = np.clip(SPINE.image, 1, 250).astype(np.int16)

    assert label(tmp_path, scan, "--as", "instances") == 1

    assert "every voxel is marked, so it is no mask" in capsys.readouterr().err


def test_more_bones_than_any_spine_has_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    blocks = np.zeros((4, 20, 6 * 60), np.int16)
    for n in range(60):
        blocks[:, 5:15, 6 * n + 1 : 6 * n + 5] = n + 1

    assert label(tmp_path, blocks, "--as", "instances") == 1

    assert "60 values are as large as vertebrae" in capsys.readouterr().err


@pytest.mark.parametrize("names", [("sacrum",), ("L5-S1", "sacrum")], ids=["alone", "disc"])
def test_a_sacrum_is_named_where_no_vertebra_is_marked(
    tmp_path: Path, names: tuple[str, ...]
) -> None:
    marked = np.where(np.isin(SPINE.labels, [VALUES[name] for name in names]), SPINE.labels, 0)

    assert label(tmp_path, marked, "--from", "spinekit") == 0

    np.testing.assert_array_equal(found_in(tmp_path), marked)
    report = json.loads((tmp_path / "out" / "mask_dseg.json").read_text(encoding="utf-8"))
    assert [row["name"] for row in report["structures"]] == list(names)
    assert all(row["probability"] > 0.9 for row in report["structures"])
    assert not report["column"]["ambiguous"]
    assert report["warnings"] == []


def test_specks_are_no_spine(tmp_path: Path) -> None:
    specks = np.zeros_like(NUMBERS)
    for n in range(len(NAMES)):
        specks[8, 30, 20 + 10 * n] = n + 1

    assert label(tmp_path, specks, "--as", "instances") == 0

    assert "no-spine" in warnings_of(tmp_path)
    assert not found_in(tmp_path).any()


def test_an_unknown_meaning_in_a_scheme_names_the_command_that_lists_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert label(tmp_path, BODIES, "--from", "totalspineseg") == 1

    assert "`spinekit labels list`" in capsys.readouterr().err
    assert main(["labels", "list"]) == 0
