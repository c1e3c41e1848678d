"""Packs of real scans: what is read from a folder of partially annotated scans."""

import ast
import importlib.util
import json
import os
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from spinekit.anatomy.scheme import LEVELS
from spinekit.core.errors import InputError, OutputError
from spinekit.core.geometry import normalise_geometry
from spinekit.core.grid import Grid
from spinekit.core.intensity import normalise_intensity
from spinekit.core.volume import Volume
from spinekit.datasets.partial import ALLOW_BODY, ALLOW_CORD, UNKNOWN
from spinekit.loaders.pack import load_pack
from spinekit.training.packing import (
    READ_BY,
    SHARED,
    _draw_block,
    _lose_block,
    find_packed,
    hash_source,
    pack_phantoms,
    pack_real,
)

AFFINE = np.diag([4.0, 1.0, 1.0, 1.0])


@pytest.fixture
def folder(tmp_path):
    """Two sets with the same two bodies, one with a cord, one scan without masks."""
    bodies = np.zeros((13, 60, 100), np.uint8)
    bodies[2:11, 20:45, 55:80] = 44
    bodies[2:11, 20:45, 20:45] = 45
    cord = np.zeros(bodies.shape, np.uint8)
    cord[6, 10:14, 10:90] = 1
    masks = {
        "tight01": ("chu", {"bodies": bodies}),
        "loose01": ("myosegmentum", {"bodies": bodies}),
        "neck01": ("errsm", {"cord": cord}),
        "bare01": ("sct", {}),
    }
    rng = np.random.default_rng(0)
    rows = []
    for name, (dataset, kinds) in masks.items():
        rows.append({"name": name, "dataset": dataset, "subject": name})
        _save(tmp_path / "images" / f"{name}.nii.gz", rng.uniform(0, 900, bodies.shape))
        for kind, mask in kinds.items():
            _save(tmp_path / "labels" / f"{name}_{kind}.nii.gz", mask)
    (tmp_path / "index.json").write_text(json.dumps(rows), encoding="utf-8")
    return tmp_path


def _save(path, array, affine=AFFINE):
    path.parent.mkdir(exist_ok=True)
    dtype = np.uint8 if array.dtype == np.uint8 else np.float32
    nib.save(nib.Nifti1Image(array.astype(dtype), affine), path)


def pack_at(tmp_path, in_plane_mm, image, bodies, **options):
    """One scan of slices of 1.5 mm, packed."""
    affine = np.diag([1.5, in_plane_mm, in_plane_mm, 1.0])
    _save(tmp_path / "real/images/one.nii.gz", image, affine)
    _save(tmp_path / "real/labels/one_bodies.nii.gz", bodies, affine)
    rows = [{"name": "one", "dataset": "chu", "subject": "p"}]
    (tmp_path / "real/index.json").write_text(json.dumps(rows))
    (case,) = load_pack(pack_real(tmp_path / "real", tmp_path / "packs", **options)["chu"])
    return case


@pytest.fixture
def scan(tmp_path):
    """Noise with a body in it, 6 × 60 × 90 voxels."""
    (tmp_path / "real").mkdir()
    bodies = np.zeros((6, 60, 90), np.uint8)
    bodies[1:5, 20:44, 30:60] = 44
    return np.random.default_rng(0).uniform(0, 900, bodies.shape), bodies


@pytest.mark.parametrize("in_plane_mm", [0.87, 0.94, 1.0, 1.4])
def test_a_scan_that_is_no_finer_than_the_prediction_is_packed_as_it_is(
    tmp_path, scan, in_plane_mm
):
    image, bodies = scan
    case = pack_at(tmp_path, in_plane_mm, image, bodies)
    assert case.spacing_mm == pytest.approx((1.5, in_plane_mm, in_plane_mm))
    wanted = np.round(normalise_intensity(image) * 255).astype(np.uint8)
    np.testing.assert_array_equal(case.image, wanted)
    np.testing.assert_array_equal(case.allowed == ALLOW_BODY, bodies > 0)


def test_a_finer_scan_is_packed_as_the_prediction_sees_it_in_its_plane(tmp_path, scan):
    image, bodies = scan
    case = pack_at(tmp_path, 0.435, image, bodies)
    working, _ = normalise_geometry(
        Volume(image, Grid(image.shape, np.diag([1.5, 0.435, 0.435, 1.0]))),
        in_plane_mm=0.87,
        min_slice_mm=1.5,
    )
    assert case.spacing_mm == pytest.approx((1.5, 0.87, 0.87))
    assert case.image.shape == working.shape == (6, 30, 45)
    wanted = normalise_intensity(working.array) * 255
    np.testing.assert_allclose(case.image, wanted, atol=0.6)
    np.testing.assert_array_equal(case.allowed == ALLOW_BODY, bodies[:, ::2, ::2] > 0)


def test_a_pack_for_another_grid_of_prediction_is_another(tmp_path, scan):
    image, bodies = scan
    assert pack_at(tmp_path, 0.6, image, bodies, working_mm=1.2).spacing_mm[1] == pytest.approx(1.2)
    assert pack_at(tmp_path, 0.6, image, bodies, working_mm=0.6).spacing_mm[1] == pytest.approx(0.6)


def test_sets_with_masks_are_packed_with_what_their_masks_say(folder, tmp_path):
    paths = pack_real(folder, tmp_path / "packs")
    assert set(paths) == {"chu", "myosegmentum", "errsm"}
    (tight,), (neck,) = load_pack(paths["chu"]), load_pack(paths["errsm"])
    assert tight.spacing_mm == (4.0, 1.0, 1.0)
    assert (tight.allowed[2:11, 20:45, 55:80] == ALLOW_BODY).all()
    assert set(np.unique(tight.level[:, 20:45, 55:80])) == {0, LEVELS.index("L4") + 1}
    assert (neck.allowed[6, 10:14, 10:90] == ALLOW_CORD).all()
    assert not neck.level.any()


def move(path, by_mm, shape=None):
    """Let a file lie elsewhere, or hold fewer slices."""
    image = nib.load(path)
    array = np.asarray(image.dataobj).astype(np.uint8)
    affine = image.affine.copy()
    affine[:3, 3] += by_mm
    nib.save(nib.Nifti1Image(array if shape is None else array[:shape], affine), path)


@pytest.mark.parametrize(
    ("by_mm", "shape"), [((0, 0, 0), 12), ((0, 0, 0.2), None), ((4, 0, 0), None)]
)
def test_a_mask_on_another_grid_is_refused(folder, tmp_path, by_mm, shape):
    path = folder / "labels" / "tight01_bodies.nii.gz"
    move(path, by_mm, shape)
    with pytest.raises(
        InputError, match=r"tight01_bodies.*another grid than .*tight01\."
    ) as caught:
        pack_real(folder, tmp_path / "packs")
    assert caught.value.code == "grid-mismatch"
    assert not list((tmp_path / "packs").glob("real-chu-*"))


def test_rounded_headers_and_other_orders_of_axes_are_the_same_grid(folder, tmp_path):
    (before,) = load_pack(pack_real(folder, tmp_path / "packs")["chu"])
    path = folder / "labels" / "tight01_bodies.nii.gz"
    move(path, (0, 0, 0.05))
    image = nib.load(path)
    turned = image.as_reoriented(nib.orientations.axcodes2ornt("PIL"))
    nib.save(turned, path)
    (after,) = load_pack(pack_real(folder, tmp_path / "packs")["chu"])
    np.testing.assert_array_equal(after.allowed, before.allowed)


def test_loose_sides_of_a_set_say_nothing_of_part_or_level(folder, tmp_path):
    (case,) = load_pack(pack_real(folder, tmp_path / "packs")["myosegmentum"])
    column = case.allowed[:, 30, 60]
    assert (column[[2, 3, 9, 10]] == UNKNOWN).all()
    assert (column[4:9] == ALLOW_BODY).all()
    assert not case.level[[2, 3, 9, 10]].any()


def test_a_pack_that_exists_is_not_made_again(folder, tmp_path):
    first = pack_real(folder, tmp_path / "packs")["chu"]
    before = first.stat().st_ino
    said = []
    pack_real(folder, tmp_path / "packs", report=said.append)
    assert first.stat().st_ino == before
    assert not said


def test_masks_that_changed_are_packed_anew_and_the_old_pack_stays(folder, tmp_path):
    """Another run may be reading it; without the scans, what was used last is taken."""
    packs = tmp_path / "packs"
    first = pack_real(folder, packs)["chu"]
    name = folder / "labels" / "tight01_bodies.nii.gz"
    written = name.stat()
    mask = np.asarray(nib.load(name).dataobj).astype(np.uint8)
    drawn = name.read_bytes()
    mask[mask == 44] = 43
    _save(name, mask)
    second = pack_real(folder, packs)["chu"]
    (case,) = load_pack(second)
    assert LEVELS.index("L3") + 1 in np.unique(case.level)
    assert LEVELS.index("L4") + 1 not in np.unique(case.level)
    assert LEVELS.index("L4") + 1 in np.unique(load_pack(first)[0].level)
    assert find_packed(packs)["chu"] == second
    name.write_bytes(drawn)
    os.utime(name, ns=(written.st_atime_ns, written.st_mtime_ns))
    assert pack_real(folder, packs)["chu"] == first
    assert find_packed(packs)["chu"] == first


def test_phantoms_of_earlier_code_are_drawn_anew(tmp_path, monkeypatch):
    (first,) = pack_phantoms(tmp_path, 1, 5)
    before = first.stat().st_mtime_ns
    assert pack_phantoms(tmp_path, 1, 5) == [first]
    assert first.stat().st_mtime_ns == before
    monkeypatch.setattr("spinekit.training.packing.hash_source", lambda *_: "changed-code")
    (second,) = pack_phantoms(tmp_path, 1, 5)
    assert second != first
    assert sorted(tmp_path.iterdir()) == sorted([first, second])


def test_phantoms_are_drawn_by_processes_that_share_nothing(tmp_path, monkeypatch):
    """A fork of a process whose libraries have started threads may never come back."""
    asked = []

    def each(work, items, *, lost, processes):
        asked.append((work, processes))
        return map(lambda block: block[0], items)

    monkeypatch.setattr("spinekit.training.packing.each", each)
    monkeypatch.setattr("spinekit.training.packing.os.cpu_count", lambda: 8)
    monkeypatch.setattr("spinekit.training.packing.PHANTOM_BLOCK", 1)
    said = []
    paths = pack_phantoms(tmp_path, 3, 5, processes=4, report=said.append)
    assert asked == [(_draw_block, 3)]
    assert said == [
        "drawing 3 phantoms",
        *(f"  {path.name}: block {n} of 3" for n, path in enumerate(paths, start=1)),
    ]


def test_a_block_that_cannot_be_drawn_is_named(tmp_path):
    with pytest.raises(OutputError, match=r"b\.npz: not drawn: its process was ended"):
        _lose_block((tmp_path / "b.npz", 0, 1, ("lumbar",)))


def test_phantoms_show_what_was_asked_for(tmp_path):
    (usual,) = pack_phantoms(tmp_path, 1, 5)
    (neck,) = pack_phantoms(tmp_path, 1, 5, views=("cervical",))
    assert usual.is_file()
    (case,) = load_pack(neck)
    assert LEVELS.index("C5") + 1 in np.unique(case.level)
    assert LEVELS.index("L1") + 1 not in np.unique(case.level)


def test_code_is_told_by_its_source_and_that_of_what_all_share(tmp_path, monkeypatch):
    for file in ("kit/__init__.py", "kit/drawer/__init__.py", "kit/drawer/pens.py"):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text("A = 1\n")
    (tmp_path / "kit/shared.py").write_text("B = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("spinekit.training.packing.SHARED", ("kit.shared",))
    before = hash_source("kit.drawer")
    assert hash_source("kit.drawer") == before
    (tmp_path / "kit/drawer/pens.py").write_text("A = 2\n")
    drawn_otherwise = hash_source("kit.drawer")
    (tmp_path / "kit/shared.py").write_text("B = 2\n")
    assert len({before, drawn_otherwise, hash_source("kit.drawer")}) == 3


def test_a_package_may_be_the_root():
    assert hash_source("spinekit") not in (hash_source(), hash_source("spinekit.core"))


def imported_by(name):
    """Modules of the package that a module imports, anywhere in it."""
    tree = ast.parse(Path(importlib.util.find_spec(name).origin).read_text(encoding="utf-8"))
    lines = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    return {line.module for line in lines if line.module.startswith("spinekit.")}


def test_a_pack_is_told_by_all_the_code_that_makes_it():
    """But for errors, processes, and recipes, of which a pack's name tells what it was asked."""
    found, left = set(), {"spinekit.training.packing"}
    while left:
        found |= left
        left = {name for one in left for name in imported_by(one)} - found
    told = (*SHARED, *READ_BY, "spinekit.synth")
    untold = {name for name in found if not any(f"{name}.".startswith(f"{t}.") for t in told)}
    other = {"core.errors", "core.parallel", "core.settings", "training.recipe"}
    assert untold == {f"spinekit.{name}" for name in other}


def test_phantoms_of_other_views_are_others_whatever_the_default(tmp_path, monkeypatch):
    monkeypatch.setattr("spinekit.training.packing._draw_blocks", lambda *_: None)
    before = pack_phantoms(tmp_path, 1, 5, views=("lumbar",))
    monkeypatch.setattr("spinekit.training.packing.FIELDS_OF_VIEW", ("lumbar",))
    assert pack_phantoms(tmp_path, 1, 5, views=("lumbar",)) == before
    assert pack_phantoms(tmp_path, 1, 5, views=("whole",)) != before


def test_what_all_packs_go_through_is_there():
    for name in (*SHARED, *READ_BY):
        assert importlib.util.find_spec(name) is not None
