"""Small lumbar phantoms on disk, clean or about to be spoilt; see doctor.py.

Knows no fault; those are planted by doctor_faults.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from spinekit.anatomy.scheme import kind_of_value
from spinekit.datasets.case import Case
from spinekit.datasets.meaning import mask_file
from spinekit.synth.phantom import draw_phantom

SPACING_MM = (4.5, 1.6, 1.6)
OWN_CLIPPING = 0.015
"""Share of voxels at the highest value from which a phantom counts as clipped by itself."""


@dataclass
class Scan:
    """A phantom about to be written, to be changed in place by a fault."""

    image: NDArray
    labels: NDArray
    affine: NDArray
    rng: np.random.Generator
    mask_affine: NDArray | None = None
    qform: NDArray | None = None
    codes: int = 1
    units: str = "mm"

    def bones(self, inner: bool = True) -> list[int]:
        """Values of vertebrae from the top, without those that end the column where `inner`."""
        present = [int(v) for v in np.unique(self.labels) if v]
        found = [v for v in present if kind_of_value(v) == "vertebra"]
        return found[1:-1] if inner else found

    def whole(self) -> list[int]:
        """Inner vertebrae, from the top, without those of which little is in view."""
        sizes = {value: int((self.labels == value).sum()) for value in self.bones()}
        return [v for v, n in sizes.items() if n > 0.6 * max(sizes.values())]

    def pick(self) -> int:
        """One inner vertebra that is whole."""
        return int(self.rng.choice(self.whole()))

    def body(self, value: int) -> NDArray:
        """(N, 3) voxels deep inside a vertebra: its body."""
        depth = ndimage.distance_transform_edt(self.labels == value, sampling=SPACING_MM)
        return np.argwhere(depth > 0.6 * depth.max())


def draw(seed: int, fault: str = "") -> Scan:
    """A lumbar T2 phantom, with anomalies as often as in people; chance differs by fault."""
    image, labels, affine = _drawn(seed)
    rng = np.random.default_rng([seed, *fault.encode()])
    return Scan(image.copy(), labels.copy(), affine.copy(), rng)


@lru_cache(maxsize=100)
def _drawn(seed: int) -> tuple[NDArray, NDArray, NDArray]:
    """The first phantom from the seed on that is not clipped by itself, as some are.

    Brightness is scaled as scanners do: the brightest hundredth at 1000, give or take a factor 2.
    """
    for number in range(seed, seed + 10**9, 10**6):
        phantom = draw_phantom(number, fov="lumbar", contrast="T2", spacing_mm=SPACING_MM)
        image = phantom.image
        if (image == image.max()).mean() < OWN_CLIPPING:
            gain = 2.0 ** np.random.default_rng(number).uniform(-1, 1)
            image = image * (1000 * gain / float(np.percentile(image, 99)))
            return np.rint(image).astype(np.int16), phantom.labels, phantom.grid.affine
    raise ValueError("every phantom is clipped")


def case_of(folder: Path, name: str, *, subject: str | None = None, split: str = "train") -> Case:
    image, mask = folder / "images" / f"{name}.nii.gz", folder / "labels" / f"{name}.nii.gz"
    return Case(
        name, "phantoms", subject or name, image, (mask_file(mask, "spinekit"),),
        contrast="T2w", facts={"split": split},
    )  # fmt: skip


def write_scan(folder: Path, name: str, scan: Scan) -> Case:
    case = case_of(folder, name)
    mask_affine = scan.affine if scan.mask_affine is None else scan.mask_affine
    labels = scan.labels if scan.labels.dtype.kind == "f" else scan.labels.astype(np.int16)
    for path, array, affine in (
        (case.image, scan.image, scan.affine),
        (case.masks[0].path, labels, mask_affine),
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        nifti = nib.Nifti1Image(array, affine)
        nifti.set_sform(affine, code=scan.codes)
        nifti.set_qform(affine if scan.qform is None else scan.qform, code=scan.codes)
        nifti.header.set_xyzt_units(scan.units)
        nib.save(nifti, path)
    return case


def write_clean(folder: Path, name: str, seed: int) -> Case:
    case = case_of(folder, name)
    return case if case.masks[0].path.exists() else write_scan(folder, name, draw(seed))
