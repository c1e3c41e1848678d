"""Faults that need two scans or two masks, one function each; see doctor.py.

Each writes what it needs and gives the cases; what the doctor should say is in doctor_faults.py.
"""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
from scipy import ndimage

from doctor_scans import Scan, case_of, draw, write_scan
from spinekit.anatomy.scheme import NAMES
from spinekit.datasets.case import Case
from spinekit.datasets.meaning import mask_file

SECOND_SEED = 200_000
"""Of second scans in one fault, far from those of the first."""


def twice(folder: Path, name: str, scan: Scan) -> list[Case]:
    one, two = (write_scan(folder, name + end, scan) for end in "ab")
    shutil.copyfile(one.image, two.image)
    return [one, two]


def twice_turned(folder: Path, name: str, scan: Scan) -> list[Case]:
    """The same voxels as floats, axes turned, uncompressed differently."""
    one = write_scan(folder, name + "a", scan)
    two = case_of(folder, name + "b")
    for source, target in ((one.image, two.image), (one.masks[0].path, two.masks[0].path)):
        nifti = nib.load(source)
        turned = nib.as_closest_canonical(nifti).as_reoriented(np.array([[1, -1], [2, 1], [0, 1]]))
        data = np.asanyarray(turned.dataobj)
        data = data.astype(np.float32) if source == one.image else data
        plain = target.with_name(target.name[: -len(".gz")])
        nib.save(nib.Nifti1Image(data, turned.affine), plain)
        target.write_bytes(gzip.compress(plain.read_bytes(), 9))
        plain.unlink()
    return [one, two]


def brighter_twin(folder: Path, name: str, scan: Scan) -> list[Case]:
    one = write_scan(folder, name + "a", scan)
    noise = scan.rng.normal(0, 0.01 * scan.image.max(), scan.image.shape)
    scan.image = (scan.image * 1.7 + noise + 3).astype(np.int16)
    scan.labels = scan.labels.copy()
    return [one, write_scan(folder, name + "b", scan)]


def other_mask(folder: Path, name: str, scan: Scan) -> list[Case]:
    """A second image of the same size beside the first one's mask."""
    one = write_scan(folder, name + "a", scan)
    image = draw(SECOND_SEED + int(name[-4:])).image.astype(np.float32)
    factors = [n / m for n, m in zip(scan.image.shape, image.shape, strict=True)]
    scan.image = ndimage.zoom(image, factors, order=1).astype(np.int16)
    return [one, write_scan(folder, name + "b", scan)]


def leak(folder: Path, name: str, scan: Scan) -> list[Case]:
    write_scan(folder, name + "a", scan)
    write_scan(folder, name + "b", draw(SECOND_SEED + int(name[-4:])))
    return [
        case_of(folder, name + "a", subject=name),
        case_of(folder, name + "b", subject=name, split="validation"),
    ]


def overlap(folder: Path, name: str, scan: Scan) -> list[Case]:
    """A mask each for two vertebrae, one of them grown into the other."""
    whole = scan.labels
    bones = scan.bones()
    n = int(scan.rng.integers(len(bones) - 1))
    one, two = whole == bones[n], whole == bones[n + 1]
    two = ndimage.binary_dilation(two, iterations=7)
    cases = []
    masks = []
    for value, mask in ((bones[n], one), (bones[n + 1], two)):
        scan.labels = mask.astype(np.uint8)
        case = write_scan(folder, f"{name}_{NAMES[value]}", scan)
        masks.append(mask_file(case.masks[0].path, NAMES[value]))
        cases.append(case)
    return [Case(name, "masks", name, cases[0].image, tuple(masks), contrast="T2w")]
