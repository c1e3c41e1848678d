"""Faults to plant in phantoms, one function each; see doctor.py.

Knows what the doctor should say of each, and not how it finds out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from scipy import ndimage

from doctor_pairs import brighter_twin, leak, other_mask, overlap, twice, twice_turned
from doctor_scans import SPACING_MM, Scan, draw, write_scan
from spinekit.anatomy.column import LEVELS, successors
from spinekit.anatomy.scheme import NAMES, VALUES, kind_of_value
from spinekit.datasets.case import Case


@dataclass(frozen=True)
class Fault:
    """What is planted and what the doctor should say."""

    name: str
    expected: frozenset[str]
    change: Callable[[Scan], None] | None = None
    also: frozenset[str] = frozenset()
    """Findings that the fault brings with it."""
    write: Callable[[Path, str, Scan], list[Case]] | None = None
    spoil: Callable[[Case, Scan], None] | None = None
    """Changes the files once written."""


def write_faulty(folder: Path, name: str, seed: int, fault: Fault) -> list[Case]:
    scan = draw(seed, fault.name)
    if fault.change is not None:
        fault.change(scan)
    if fault.write is not None:
        return fault.write(folder, name, scan)
    case = write_scan(folder, name, scan)
    if fault.spoil is not None:
        fault.spoil(case, scan)
    return [case]


def truncate(case: Case, scan: Scan, *, mask: bool) -> None:
    path = case.masks[0].path if mask else case.image
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * scan.rng.uniform(0.2, 0.9))])


def remove_mask(case: Case, scan: Scan) -> None:
    case.masks[0].path.unlink()


def move_grid(scan: Scan) -> None:
    scan.mask_affine = scan.affine.copy()
    scan.mask_affine[int(scan.rng.integers(3)), 3] += scan.rng.uniform(3, 40)


def crop_mask(scan: Scan) -> None:
    scan.labels = scan.labels[:, :, : -int(scan.rng.integers(1, 8))]


def soften(scan: Scan) -> None:
    scan.labels = ndimage.gaussian_filter(scan.labels.astype(np.float32), (0, 0.6, 0.6))


def grey(scan: Scan) -> None:
    scale = scan.rng.uniform(0.8, 0.95)
    zoomed = ndimage.zoom(scan.labels.astype(np.float32), (1, scale, scale), order=1)
    back = [n / m for n, m in zip(scan.labels.shape, zoomed.shape, strict=True)]
    scan.labels = np.rint(ndimage.zoom(zoomed, back, order=1)).astype(np.int16)


def strange_value(scan: Scan) -> None:
    scan.labels = scan.labels.astype(np.int16)
    scan.labels[scan.labels == scan.pick()] = int(scan.rng.choice([47, 60, 150, 199, 300]))


def empty_mask(scan: Scan) -> None:
    scan.labels[:] = 0


def drop_vertebra(scan: Scan) -> None:
    scan.labels[scan.labels == scan.pick()] = 0


def drop_disc(scan: Scan) -> None:
    discs = [v for v in np.unique(scan.labels) if v and kind_of_value(int(v)) == "disc"]
    scan.labels[scan.labels == scan.rng.choice(discs[1:-1])] = 0


def drop_canal(scan: Scan) -> None:
    scan.labels[scan.labels == VALUES["spinal_canal"]] = 0


def swap_levels(scan: Scan) -> None:
    bones = scan.bones()
    n = int(scan.rng.integers(len(bones) - 1))
    one, two = scan.labels == bones[n], scan.labels == bones[n + 1]
    scan.labels[one], scan.labels[two] = bones[n + 1], bones[n]


def swap_discs(scan: Scan) -> None:
    discs = [int(v) for v in np.unique(scan.labels) if v and kind_of_value(int(v)) == "disc"][1:-1]
    n = int(scan.rng.integers(len(discs) - 1))
    one, two = scan.labels == discs[n], scan.labels == discs[n + 1]
    scan.labels[one], scan.labels[two] = discs[n + 1], discs[n]


def reverse_names(scan: Scan) -> None:
    for kind in ("vertebra", "disc"):
        found = [int(v) for v in np.unique(scan.labels) if v and kind_of_value(int(v)) == kind]
        lookup = np.arange(256)
        lookup[found] = found[::-1]
        scan.labels = lookup[scan.labels].astype(np.uint8)


def mix_tags(scan: Scan) -> None:
    """Part of a body under its neighbour's name: cut by a plane at random, or in patches."""
    value = scan.pick()
    bones = scan.bones(inner=False)
    other = bones[bones.index(value) + int(scan.rng.choice([-1, 1]))]
    voxels = scan.body(value)
    centre = voxels.mean(axis=0)
    mask = np.argwhere(scan.labels == value)
    near = mask[(np.abs((mask - centre) * SPACING_MM) < (26, 18, 18)).all(axis=1)]
    side = (near - centre) * SPACING_MM @ scan.rng.normal(size=3)
    share = scan.rng.uniform(0.25, 0.5)
    scan.labels[tuple(near[side > np.quantile(side, 1 - share)].T)] = other


def one_tag_on_two(scan: Scan) -> None:
    """A whole vertebra takes the name of the whole one above it."""
    bones = scan.whole()
    n = int(scan.rng.integers(len(bones) - 1))
    scan.labels[scan.labels == bones[n + 1]] = bones[n]


def skip_name(scan: Scan) -> None:
    """From a whole vertebra upwards, all are named one too high; discs are not marked.

    Not so that T11 is followed by L1: some people have eleven thoracic vertebrae.
    """
    discs = [v for v in NAMES if kind_of_value(v) == "disc"]
    scan.labels[np.isin(scan.labels, discs)] = 0
    bones = scan.bones(inner=False)
    column = [name for name in LEVELS if name not in ("T13", "L6")]

    def higher(value: int) -> str:
        return column[column.index("T12" if NAMES[value] == "T13" else NAMES[value]) - 1]

    below = {value: NAMES[bones[bones.index(value) + 1]] for value in scan.whole()}
    lowest = int(scan.rng.choice([v for v in below if below[v] not in successors(higher(v))]))
    renamed = scan.labels.copy()
    for value in bones[: bones.index(lowest) + 1]:
        renamed[scan.labels == value] = VALUES[higher(value)]
    scan.labels = renamed


def drill(scan: Scan) -> None:
    """A ball of background inside a body, 150 mm³ at least, with a shell around it."""
    value = scan.pick()
    # Padded: where the scan ends at its sides, a ball without a shell would be a notch.
    padded = np.pad(scan.labels == value, 1)
    depth = ndimage.distance_transform_edt(padded, sampling=SPACING_MM)[1:-1, 1:-1, 1:-1]
    inside = np.argwhere(depth > 0.8 * depth.max())
    centre = inside[int(scan.rng.integers(len(inside)))]
    spacing = np.reshape(SPACING_MM, (3, 1, 1, 1))
    away = np.linalg.norm(
        (np.indices(scan.labels.shape) - centre[:, None, None, None]) * spacing, axis=0
    )
    for radius in np.arange(scan.rng.uniform(4.0, 6.0), 12.0, 0.5):
        ball = (away < radius) & (depth > 2.5)
        if ball.sum() * np.prod(SPACING_MM) >= 150:
            break
    scan.labels[ball] = 0


def sprinkle(scan: Scan) -> None:
    """A few voxels of a vertebra's name 25 mm and more away from it."""
    value = scan.pick()
    away = ndimage.distance_transform_edt(scan.labels != value, sampling=SPACING_MM)
    places = np.argwhere((away > 25) & (scan.labels == 0))
    for _ in range(int(scan.rng.integers(1, 5))):
        i, j, k = places[int(scan.rng.integers(len(places)))]
        scan.labels[i, j : j + 2, k : k + 2] = value


def skip_slice(scan: Scan) -> None:
    value = scan.pick()
    middle = round(float(scan.body(value)[:, 0].mean()))
    scan.labels[middle][scan.labels[middle] == value] = 0


def flip_axis(scan: Scan, *, axis: int) -> None:
    scan.image, scan.labels = np.flip(scan.image, axis), np.flip(scan.labels, axis)


def permute_axes(scan: Scan) -> None:
    """Arrays turned, the header left as it was (spacings go with their axes)."""
    orders = [(0, 2, 1), (2, 1, 0), (1, 0, 2), (1, 2, 0), (2, 0, 1)]
    order = orders[int(scan.rng.integers(len(orders)))]
    scan.image, scan.labels = scan.image.transpose(order), scan.labels.transpose(order)
    affine = np.diag([*np.array(SPACING_MM)[list(order)], 1.0])
    scan.affine = affine


def shift_mask(scan: Scan) -> None:
    move = np.zeros(3, int)
    axis = int(scan.rng.integers(1, 3))
    move[axis] = round(float(scan.rng.choice([-1, 1]) * scan.rng.uniform(9, 16)) / SPACING_MM[axis])
    scan.labels = ndimage.shift(scan.labels, move, order=0)


def disagree(scan: Scan) -> None:
    turn = np.diag([-1.0, -1.0, 1.0, 1.0])
    scan.qform = scan.affine @ turn


def forget_orientation(scan: Scan) -> None:
    scan.codes = 0


def metres(scan: Scan) -> None:
    scan.units = "meter"
    scan.affine = np.diag([0.001, 0.001, 0.001, 1.0]) @ scan.affine


def wrong_scale(scan: Scan) -> None:
    scan.affine = np.diag([0.05, 0.05, 0.05, 1.0]) @ scan.affine


def odd_spacing(scan: Scan) -> None:
    """Every axis of a phantom drawn so."""
    factor = scan.rng.choice([2.2, 3.0])
    scan.image, scan.labels = (
        a[:, :: round(factor), :: round(factor)] for a in (scan.image, scan.labels)
    )
    scan.affine = scan.affine @ np.diag([1.0, round(factor), round(factor), 1.0])


def narrow_field(scan: Scan) -> None:
    """A field of 50 mm upwards, in a set of lumbar scans."""
    middle = round(float(scan.body(scan.pick())[:, 2].mean()))
    low = max(0, middle - 16)
    part = slice(low, low + 32)
    scan.image, scan.labels = scan.image[:, :, part], scan.labels[:, :, part]


def odd_brightness(scan: Scan) -> None:
    factor = float(scan.rng.choice([0.02, 60.0]))
    scan.image = (scan.image.astype(np.float32) * factor).astype(np.float32)


def spoil_voxels(scan: Scan) -> None:
    scan.image = scan.image.astype(np.float32)
    scan.image[tuple(scan.rng.integers(0, n, 30) for n in scan.image.shape)] = np.nan


def blank_slice(scan: Scan) -> None:
    scan.image[scan.image.shape[0] // 2] = 0


def constant(scan: Scan) -> None:
    scan.image[:] = 7


def clip(scan: Scan) -> None:
    scan.image = np.minimum(scan.image, np.quantile(scan.image, 0.93)).astype(np.int16)


def _fault(name: str, expected: str, change: Callable[[Scan], None] | None = None, *,
           also: str = "", **more: Callable) -> Fault:  # fmt: skip
    return Fault(name, frozenset(expected.split()), change, frozenset(also.split()), **more)


_VOLUMES = "volume-outlier"
FAULTS = (
    _fault("image cut off", "image-unreadable", spoil=partial(truncate, mask=False)),
    _fault("mask cut off", "mask-unreadable", spoil=partial(truncate, mask=True)),
    _fault("mask missing", "mask-missing", spoil=remove_mask),
    _fault("mask empty", "mask-empty", empty_mask),
    _fault("mask grid moved", "grid-mismatch", move_grid),
    _fault("mask grid cropped", "grid-mismatch", crop_mask),
    _fault("fractions", "mask-not-whole", soften),
    _fault("grey labels", "mask-grey", grey,
           also="tags-mixed order-wrong specks hole tag-on-two level-skipped structure-missing"
                " mask-off slice-skipped volume-outlier axes-wrong order-reversed"),
    _fault("unknown value", "value-unexpected", strange_value, also="structure-missing"),
    _fault("vertebra missing", "structure-missing", drop_vertebra),
    _fault("disc missing", "structure-missing", drop_disc),
    _fault("canal missing", "structure-missing", drop_canal),
    _fault("levels swapped", "order-wrong", swap_levels, also=_VOLUMES),
    _fault("discs swapped", "order-wrong", swap_discs, also=_VOLUMES),
    _fault("names reversed", "order-reversed", reverse_names, also=_VOLUMES),
    _fault("tags mixed", "tags-mixed", mix_tags, also=_VOLUMES + " specks"),
    _fault("one tag on two", "tag-on-two", one_tag_on_two, also=_VOLUMES),
    _fault("name skipped", "level-skipped", skip_name, also=_VOLUMES + " structure-missing"),
    _fault("hole", "hole", drill, also=_VOLUMES),
    _fault("stray voxels", "specks", sprinkle),
    _fault("slice skipped", "slice-skipped", skip_slice, also=_VOLUMES),
    _fault("upside down", "axes-wrong", partial(flip_axis, axis=2)),
    _fault("back to front", "axes-wrong", partial(flip_axis, axis=1)),
    _fault("axes permuted", "axes-wrong", permute_axes, also="size-outlier spacing-outlier"),
    _fault("mask moved aside", "mask-off", shift_mask, also=_VOLUMES + " structure-missing"),
    _fault("qform against sform", "forms-disagree", disagree),
    _fault("no orientation", "no-orientation", forget_orientation),
    _fault("metres", "units-not-mm", metres),
    _fault("wrong scale", "spacing-implausible", wrong_scale,
           also="spacing-outlier size-outlier structure-missing specks hole tag-on-two"),
    _fault("spacing unlike", "spacing-outlier", odd_spacing, also="structure-missing"),
    _fault("field unlike", "size-outlier", narrow_field,
           also=_VOLUMES + " structure-missing tag-on-two specks order-wrong"),
    _fault("brightness unlike", "intensity-outlier", odd_brightness),
    _fault("NaN", "not-finite", spoil_voxels),
    _fault("blank slice", "blank-slices", blank_slice),
    _fault("one value only", "image-unreadable", constant),
    _fault("clipped", "clipped", clip),
    _fault("twice", "duplicate-image", write=twice),
    _fault("twice, turned", "duplicate-image", write=twice_turned),
    _fault("twice, brighter", "near-duplicate", write=brighter_twin, also="duplicate-mask"),
    _fault("foreign mask", "duplicate-mask", write=other_mask, also="mask-off near-duplicate"),
    _fault("split by scan", "split-leak", write=leak),
    _fault("masks overlap", "masks-overlap", write=overlap, also="tag-on-two"),
)  # fmt: skip
