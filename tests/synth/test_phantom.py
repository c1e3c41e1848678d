"""What a drawn scan must be, whatever it looks like."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys

import numpy as np
import pytest
from scipy import ndimage

from spinekit.anatomy.column import CERVICAL, LEVELS, THORACIC
from spinekit.anatomy.scheme import NAMES, VALUES
from spinekit.core.grid import Grid
from spinekit.synth.phantom import draw_phantom


def centre_of(labels, value, mask=None):
    where = np.argwhere((labels == value) & (True if mask is None else mask))
    return where.mean(axis=0)


def test_one_seed_gives_one_scan():
    first = draw_phantom(5, fov="lumbar", spacing_mm=(5, 1.5, 1.5))
    again = draw_phantom(5, fov="lumbar", spacing_mm=(5, 1.5, 1.5))
    other = draw_phantom(6, fov="lumbar", spacing_mm=(5, 1.5, 1.5))
    np.testing.assert_array_equal(first.image, again.image)
    np.testing.assert_array_equal(first.labels, again.labels)
    assert first.truth == again.truth
    assert first.truth != other.truth


@pytest.mark.parametrize("plane", ["sagittal", "axial", "isotropic"])
@pytest.mark.parametrize("fov", ["lumbar", "cervical"])
def test_shapes_types_and_frame(plane, fov):
    p = draw_phantom(3, fov=fov, plane=plane, spacing_mm=(4, 3, 3))
    assert p.image.dtype == np.float32
    assert p.parts.dtype == p.labels.dtype == np.uint8
    assert p.image.shape == p.parts.shape == p.labels.shape == p.grid.shape
    assert p.grid.orientation == "RAS"
    assert np.isfinite(p.image).all()
    assert p.image.min() >= 0
    assert p.image.std() > 0


def test_truth_can_be_written(drawn):
    p = drawn()
    assert json.loads(json.dumps(p.truth)) == p.truth
    assert p.truth["levels"] == [n for n in p.truth["column"] if n in p.truth["levels"]]


@pytest.mark.parametrize("fov", ["lumbar", "thoracolumbar", "cervical", "whole"])
def test_labels_and_parts_speak_of_the_same_thing(drawn, fov):
    p = drawn(2, fov)
    allowed = {
        0: {0},
        1: {VALUES[n] for n in LEVELS[:-1]},
        2: {VALUES[n] for n in LEVELS[:-1]},
        3: {v for v, n in NAMES.items() if "-" in n},
        4: {2},
        5: {1},
        6: {50},
    }
    for part, values in allowed.items():
        assert set(np.unique(p.labels[p.parts == part])) <= values
    shown = {NAMES.get(int(v)) for v in np.unique(p.labels)} & set(LEVELS)
    assert shown == set(p.truth["levels"])


@pytest.mark.parametrize("fov", ["lumbar", "cervical", "whole"])
def test_order_along_the_column(drawn, fov):
    p = drawn(4, fov)
    bodies = [centre_of(p.labels, VALUES[n], p.parts == 1)[2] for n in p.truth["levels"]
              if n != "sacrum" and ((p.labels == VALUES[n]) & (p.parts == 1)).any()]  # fmt: skip
    assert len(bodies) >= 4
    assert all(above > below for above, below in itertools.pairwise(bodies))


@pytest.mark.parametrize(("seed", "fov"), [(1, "lumbar"), (8, "whole"), (9, "cervical")])
def test_every_disc_lies_between_its_two_bodies(drawn, seed, fov):
    p = drawn(seed, fov)
    column = p.truth["column"]
    assert len(p.truth["discs"]) >= 3
    for name in p.truth["discs"]:
        upper = name.split("-")[0]
        lower = column[column.index(upper) + 1]
        disc = p.labels == VALUES[name]
        near = ndimage.binary_dilation(disc, iterations=2) & ~disc  # over the endplate
        touched = set(np.unique(p.labels[near]))
        for neighbour in (upper, lower):
            if neighbour in p.truth["levels_complete"]:
                assert VALUES[neighbour] in touched, name
        strange = {v for v in touched if NAMES.get(int(v)) in LEVELS} - {
            VALUES[upper], VALUES[lower]
        }  # fmt: skip
        assert not strange, (name, strange)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_canal_runs_behind_every_body(drawn, seed):
    p = drawn(seed, "lumbar")
    for name in p.truth["levels_complete"]:
        if name == "sacrum":
            continue
        body = (p.labels == VALUES[name]) & (p.parts == 1)
        _, j, k = (round(float(x)) for x in np.argwhere(body).mean(axis=0))
        canal = np.argwhere(np.isin(p.parts[:, :, k], (4, 5)))
        assert len(canal), name
        assert canal[:, 1].mean() < j, name


@pytest.mark.parametrize("seed", [1, 2, 4])
def test_posterior_elements_end_where_their_dark_cortex_begins(drawn, seed):
    p = drawn(seed, "lumbar")
    bone = p.parts == 2
    in_plane = np.array([[[0, 1, 0], [1, 1, 1], [0, 1, 0]]], dtype=bool)
    around = ndimage.binary_dilation(bone, in_plane) & (p.parts == 0)
    marrow = ndimage.binary_erosion(bone, in_plane)
    # The median, for fat lies on some of the cortex.
    assert np.median(p.image[around]) < 0.75 * np.median(p.image[marrow])


def test_laminae_lie_close_behind_the_canal(drawn):
    # In SPIDER's masks it is 5.2 mm from 2.5 to 7.5 mm beside the middle (3.8 to 6.6 mm in eight
    # scans of ten).
    distances = [d for seed in (1, 2, 3, 4) for d in lamina_distances(drawn(seed, "lumbar"))]
    assert len(distances) > 100
    assert 3.8 <= np.median(distances) <= 6.6


def canal_slices(p):
    """The slices that show the canal, and how many mm each lies beside its middle."""
    canal = (p.parts == 4) | (p.parts == 5)
    slices = np.flatnonzero(canal.any(axis=(1, 2)))
    return slices, 4 * abs(slices - np.argwhere(canal)[:, 0].mean())


def lamina_distances(p):
    """Millimetres from canal to bone behind it, in rows of lumbar bodies beside the middle."""
    canal = (p.parts == 4) | (p.parts == 5)
    slices, aside_mm = canal_slices(p)
    lumbar = [VALUES[name] for name in ("L1", "L2", "L3", "L4")]
    for i in slices[(aside_mm > 2.5) & (aside_mm < 7.5)]:
        for k in np.flatnonzero(np.isin(p.labels[i], lumbar).any(axis=0)):
            back = canal[i, :, k].argmax()
            bone = np.flatnonzero(p.parts[i, :back, k] == 2)
            if len(bone):
                yield back - 1 - bone[-1]


def test_laminae_are_as_large_as_in_masks(drawn):
    # In SPIDER's masks a lumbar lamina has 42 to 210 mm² (tenth to ninetieth percentile, median
    # 105) from 5 to 10 mm beside the middle, and is 19 mm tall.
    sizes = [s for seed in (1, 2, 3, 4) for s in lamina_sizes(drawn(seed, "lumbar"))]
    areas, heights = np.array(sizes).T
    assert len(areas) > 20
    assert 75 <= np.median(areas) <= 145
    assert 14 <= np.median(heights) <= 24


def lamina_sizes(p):
    """Area in mm² and height in mm of each lumbar lamina's section beside the middle."""
    slices, aside_mm = canal_slices(p)
    for i in slices[(aside_mm > 5) & (aside_mm < 10)]:
        for name in ("L1", "L2", "L3", "L4"):
            bone = (p.labels[i] == VALUES[name]) & (p.parts[i] == 2)
            pieces, count = ndimage.label(bone)
            if count:
                largest = pieces == np.bincount(pieces[bone]).argmax()
                yield largest.sum(), largest.any(axis=0).sum()


def test_spinous_processes_are_shaped_as_in_masks(drawn):
    # In SPIDER's masks they are 10.3 mm tall near the canal and 13.1 mm near their tip (medians),
    # and their lower edge falls by 7.5 mm on the way, the upper one by 3.8 mm.
    found = [s for seed in (1, 2, 3, 4) for s in spinous_shapes(drawn(seed, "lumbar"))]
    root, tip, upper, lower = np.median(found, axis=0)
    assert len(found) > 10
    assert 6 <= root < tip <= 17
    assert 0 < upper < lower <= 10


def spinous_shapes(p):
    """Height near the canal and near the tip, fall of the upper and lower edge, all in mm."""
    slices, aside_mm = canal_slices(p)
    for i in slices[aside_mm < 3]:
        for name in ("L1", "L2", "L3", "L4"):
            bone = (p.labels[i] == VALUES[name]) & (p.parts[i] == 2)
            pieces, count = ndimage.label(bone)
            largest = pieces == np.bincount(pieces[bone]).argmax() if count else bone
            backward = largest[largest.any(axis=1)][::-1]
            if len(backward) < 16:
                continue
            root, tip = (backward[round(f * len(backward))] for f in (0.15, 0.8))
            tops = [np.flatnonzero(row)[-1] for row in (root, tip)]
            ends = [np.flatnonzero(row)[0] for row in (root, tip)]
            yield root.sum(), tip.sum(), tops[0] - tops[1], ends[0] - ends[1]


def test_nerve_roots_darken_the_back_of_the_sac(drawn):
    # In 29 scans of SPIDER the back third of the canal has 0.42 of the brightness of the front one
    # beside L3 (0.31 to 0.77 in eight of ten).
    shares = [back_share(drawn(seed, "lumbar")) for seed in (1, 2, 3, 4)]
    assert 0.3 <= np.median(shares) <= 0.54


def back_share(p):
    """Mean brightness of the sac's back third by that of its front one, beside L3 in the middle."""
    i = round(np.argwhere(p.parts == 4)[:, 0].mean())
    rows = (p.labels[i] == VALUES["L3"]).any(axis=0) & (p.parts[i] == 4).any(axis=0)
    front, back = [], []
    for k in np.flatnonzero(rows):
        sac = np.flatnonzero(p.parts[i, :, k] == 4)
        third = len(sac) // 3
        back.append(p.image[i, sac[1 : third + 1], k].mean())
        front.append(p.image[i, sac[-third - 2 : -2], k].mean())
    return np.mean(back) / np.mean(front)


@pytest.mark.parametrize("seed", [11, 12])
def test_a_body_is_one_piece(drawn, seed):
    p = drawn(seed, "lumbar")
    for name in p.truth["levels_complete"]:
        body = (p.labels == VALUES[name]) & ((p.parts == 1) | (p.parts == 6))
        pieces, _ = ndimage.label(body, np.ones((3, 3, 3)))
        sizes = np.bincount(pieces.ravel())[1:]
        assert sizes.max() > 0.97 * sizes.sum(), name


def test_sizes_of_the_truth_are_found_in_the_labels():
    p = draw_phantom(
        21, fov="lumbar", contrast="T2", anomalies=(), plane="isotropic", spacing_mm=(2, 1, 1)
    )
    found = 0
    for name in set(p.truth["levels_complete"]) & {"L1", "L2", "L3", "L4"}:
        size = p.truth["vertebrae"][name]
        body = (p.labels == VALUES[name]) & (p.parts == 1)
        i, j, k = np.argwhere(body).mean(axis=0).round().astype(int)
        # The endplates are hollow and the rim has lips: a few mm either way.
        height = body[i - 1 : i + 2, j - 3 : j + 4].sum(axis=2).mean()
        width = 2 * body[:, :, k - 2 : k + 3].any(axis=1).sum(axis=0).mean()
        assert height == pytest.approx(size["body_height_mm"], abs=6.0), name
        assert width == pytest.approx(0.9 * size["body_width_mm"], rel=0.16), name
        disc = next(n for n in p.truth["discs"] if n.startswith(f"{name}-"))
        mask = p.labels == VALUES[disc]
        i, j, _ = np.argwhere(mask).mean(axis=0).round().astype(int)
        tall = mask[i - 1 : i + 2, j - 3 : j + 4].sum(axis=2).mean()
        expected = p.truth["discs"][disc]["height_mm"]
        assert expected - 1.5 < tall < expected + 7.0, disc
        found += 1
    assert found >= 3


def test_a_part_of_the_grid_shows_the_same():
    whole = draw_phantom(7, fov="lumbar", contrast="T2", spacing_mm=(4, 1, 1))
    lo, hi = np.array([3, 40, 60]), np.array([9, 160, 180])
    affine = whole.grid.affine.copy()
    affine[:3, 3] = whole.grid.ijk_to_ras(lo)[0]
    box = Grid(tuple(int(n) for n in hi - lo), affine)
    part = draw_phantom(7, fov="lumbar", contrast="T2", grid=box)
    cut = tuple(slice(a, b) for a, b in zip(lo, hi, strict=True))
    assert (part.labels != whole.labels[cut]).mean() < 1e-3
    assert part.labels.any()


def test_numpy_and_torch_draw_the_same():
    torch = pytest.importorskip("torch")
    by_numpy = draw_phantom(3, fov="cervical", contrast="T1", spacing_mm=(4, 1.5, 1.5))
    by_torch = draw_phantom(3, fov="cervical", contrast="T1", spacing_mm=(4, 1.5, 1.5), xp=torch)
    assert (by_numpy.labels != by_torch.labels).mean() < 1e-4
    assert (by_numpy.parts != by_torch.parts).mean() < 1e-4
    difference = np.abs(by_numpy.image - by_torch.image)
    assert np.percentile(difference, 99.9) <= 0.01 * by_numpy.image.max()


def test_drawing_does_not_import_torch():
    code = "import sys; import spinekit.synth.phantom; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("argument", "value"), [("fov", "knee"), ("contrast", "CT"), ("plane", "oblique")]
)
def test_unknown_words_are_refused(argument, value):
    with pytest.raises(ValueError, match=value):
        draw_phantom(1, **{argument: value})


def test_cervical_view_shows_atlas_dens_and_cord():
    p = draw_phantom(
        13, fov="cervical", contrast="T2", plane="isotropic", spacing_mm=(1.5, 1.5, 1.5),
        anomalies=(),
    )  # fmt: skip
    assert {"C1", "C2"} <= set(p.truth["levels"])
    atlas = p.labels == VALUES["C1"]
    assert (p.parts[atlas] == 1).any()
    assert (p.parts[atlas] == 2).any()
    dens = (p.labels == VALUES["C2"]) & (p.parts == 1)
    top_of_dens = np.argwhere(dens)[:, 2].max()
    assert top_of_dens > np.argwhere(atlas)[:, 2].min()
    cord = np.argwhere(p.labels == 1)[:, 2]
    assert len(cord)
    assert cord.max() < np.argwhere(atlas)[:, 2].max() + 20
    assert set(CERVICAL) & set(p.truth["levels"])
    assert not set(THORACIC[10:]) & set(p.truth["levels"])


@pytest.mark.parametrize("seed", [13, 14, 15])
def test_anterior_arch_and_dens_never_touch(seed):
    p = draw_phantom(seed, fov="cervical", plane="isotropic", spacing_mm=(1.0, 1.0, 1.0))
    arch = (p.labels == VALUES["C1"]) & (p.parts == 1)
    axis = (p.labels == VALUES["C2"]) & (p.parts == 1)
    near = ndimage.binary_dilation(arch, np.ones((3, 3, 3), bool))
    assert arch.sum() > 200
    assert not (near & axis).any()
    before = np.argwhere(arch)[:, 1].mean()
    level = np.argwhere(axis & arch.any(axis=(0, 1)))
    assert before > level[:, 1].mean() + 5
