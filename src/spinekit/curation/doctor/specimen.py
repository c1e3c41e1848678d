"""A case opened: image and masks in memory, and what went wrong while reading them.

It knows files and what readers say of them, nothing of spines.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spinekit.core.errors import InputError, Notice, SpineKitError
from spinekit.core.volume import Volume
from spinekit.curation.doctor.findings import Finding
from spinekit.curation.doctor.meaning import names_of
from spinekit.curation.layer import Layer
from spinekit.curation.segments import settle_values
from spinekit.datasets.case import Case, MaskFile
from spinekit.doubts import MOST_VALUES
from spinekit.io.reading import Scan, hash_files, read_label_file, read_scan

GRID_TOLERANCE_MM = 0.5
"""Corners of image and mask may lie this far apart: headers round, voxels are larger."""

FLAT_SHARE = 0.75
"""In a mask, more than this share of neighbours that both have a meaning have the same."""

_NOTICES = {
    "implausible-spacing": "spacing-implausible",
    "units-converted": "units-not-mm",
    "orientation-assumed": "no-orientation",
    "sheared": "sheared",
    "not-finite": "not-finite",
    "volumes-averaged": "four-dimensional",
}
"""Code of a reader's notice → code of a finding."""


@dataclass(frozen=True)
class Specimen:
    """A case with everything read that can be read."""

    case: Case
    scan: Scan | None
    layers: tuple[Layer, ...]
    """Masks that could be read and lie on the image's grid."""
    findings: tuple[Finding, ...]
    """What was wrong with the files."""


def open_specimen(case: Case) -> Specimen:
    """Read a case; what cannot be read becomes a finding.

    Args:
        case: The case.

    Returns:
        Image and masks, without those that cannot be used.
    """
    findings: list[Finding] = []
    scan: Scan | None = None
    try:
        scan = read_scan(case.image, series=case.series)
        findings += _noted(case, scan.notices)
    except SpineKitError as error:
        findings.append(_unreadable("image-unreadable", case, case.image, error))
    layers: list[Layer] = []
    for mask in case.masks:
        layer, found = _open_mask(case, mask)
        findings += found
        if layer is None:
            continue
        reference = scan.volume if scan is not None else (layers or [layer])[0].volume
        mismatch = _mismatch(case, layer, reference)
        if mismatch is None:
            layers.append(layer)
        else:
            findings.append(mismatch)
    if not case.masks:
        findings.append(Finding("mask-missing", case.name, "no file with a mask was found"))
    return Specimen(case, scan, tuple(layers), tuple(findings))


def _open_mask(case: Case, mask: MaskFile) -> tuple[Layer | None, list[Finding]]:
    name = mask.path.name
    try:
        volume, _ = read_label_file(mask.path)
    except InputError as error:
        if error.code == "not-labels":
            return None, [_fractions(case, mask)]
        if error.code == "file-missing":
            text = f"{name}: there is no such file"
            return None, [Finding("mask-missing", case.name, text, name)]
        return None, [_unreadable("mask-unreadable", case, mask.path, error)]
    except SpineKitError as error:
        return None, [_unreadable("mask-unreadable", case, mask.path, error)]
    array = volume.array
    all_values, counts = np.unique(array, return_counts=True)
    values = [int(v) for v in all_values if v != 0]
    marked = counts[all_values != 0]
    if not values:
        return None, [Finding("mask-empty", case.name, f"{name}: every voxel is 0", name)]
    if len(all_values) > MOST_VALUES and not _is_smoothed(mask, array, all_values, counts):
        text = f"{name}: holds {len(all_values)} values, so it is a scan and no mask"
        return None, [Finding("labels-are-scan", case.name, text, name)]
    if marked.sum() == array.size:
        text = f"{name}: every voxel is marked, none is 0"
        return None, [Finding("mask-full", case.name, text, name)]
    found: list[Finding] = []
    known, against = settle_values(mask, values)
    if against:
        found.append(Finding("segment-names", case.name, f"{name}: {against}", name))
    names, guess = names_of(mask, values, known)
    if guess is not None:
        text = f"{name}: values {_listed(values)}, taken for {guess}"
        found.append(Finding("meaning-unknown", case.name, text, name, facts={"values": values}))
    return Layer(mask, volume, names), found


def _is_smoothed(
    mask: MaskFile, array: NDArray[Any], values: NDArray[Any], counts: NDArray[np.intp]
) -> bool:
    """Whether a mask of many values is one with smoothed borders, and no scan.

    Then one structure has one value in most of what is marked. Of several, most is not marked, most
    of what is marked has a meaning, and neighbours that have one share it: in a scan, grey values
    that happen to have a meaning change from voxel to voxel.
    """
    marked = counts[values != 0].sum()
    if mask.binary:
        return bool(2 * counts[values != 0].max() > marked)
    meant = np.isin(values, [value for value in mask.values if value != 0])
    if 2 * marked > array.size or 2 * counts[meant].sum() <= marked:
        return False
    return _is_flat(array, np.isin(array, values[meant]))


def _is_flat(array: NDArray[Any], known: NDArray[np.bool_]) -> bool:
    """Whether neighbours among the known voxels have one value."""
    pairs = same = 0
    for axis in range(array.ndim):
        values, meant = np.moveaxis(array, axis, 0), np.moveaxis(known, axis, 0)
        both = meant[1:] & meant[:-1]
        pairs += int(np.count_nonzero(both))
        same += int(np.count_nonzero(both & (values[1:] == values[:-1])))
    return same > FLAT_SHARE * pairs


def digest_voxels(array: NDArray[Any]) -> str:
    """Hash of an array's values that does not change with the order of its voxels.

    Turning or flipping an image, compressing it otherwise or storing it with another type leaves
    it as it is.

    Args:
        array: Of any shape; its values are compared as 32-bit floats.

    Returns:
        Hex digits of the sorted sizes of its axes and of two sums over mixed bits of its values
        (Steele, Lea and Flood 2014, "Fast splittable pseudorandom number generators": the finaliser
        of splitmix64).
    """
    bits = np.ascontiguousarray(array, np.float32).ravel()
    sums = [0, 0]
    for start in range(0, bits.size, 1 << 20):
        # Adding zero makes -0 and +0 one value.
        mixed = (bits[start : start + (1 << 20)] + np.float32(0)).view(np.uint32).astype(np.uint64)
        for index, salt in enumerate((0x9E3779B97F4A7C15, 0xD1B54A32D192ED03)):
            z = (mixed + np.uint64(1)) * np.uint64(salt)
            z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            sums[index] += int((z ^ (z >> np.uint64(31))).sum(dtype=np.uint64))
    text = f"{sorted(array.shape)} {sums[0] % 2**64:x} {sums[1] % 2**64:x}"
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def digest_in_order(array: NDArray[Any]) -> str:
    """Hash of an (I, J, K) label map in C order, whatever its type or the header says."""
    small = np.ascontiguousarray(array, np.int32)
    return hashlib.sha256(str(array.shape).encode() + small.tobytes()).hexdigest()[:32]


def file_digest(path: Path) -> str | None:
    """SHA-256 of a file; None for a folder or where it cannot be read."""
    try:
        return hash_files([path]) if path.is_file() else None
    except OSError:
        return None


def _noted(case: Case, notices: tuple[Notice, ...]) -> Iterator[Finding]:
    for notice in notices:
        if notice.code in _NOTICES:
            yield Finding(_NOTICES[notice.code], case.name, notice.text, case.image.name)


def _unreadable(code: str, case: Case, path: Path, error: SpineKitError) -> Finding:
    return Finding(code, case.name, error.message, path.name, facts={"error": error.code})


def _fractions(case: Case, mask: MaskFile) -> Finding:
    """A mask whose values are not whole: how many voxels, and around which values."""
    name = mask.path.name
    try:
        array = read_scan(mask.path).volume.array
    except SpineKitError as error:
        return _unreadable("mask-unreadable", case, mask.path, error)
    odd = array != np.rint(array)
    share = float(odd.mean()) / max(float((array != 0).mean()), 1e-9)
    spot = tuple(float(n) for n in np.argwhere(odd)[int(odd.sum()) // 2])
    text = (
        f"{name}: {int(odd.sum())} voxels ({min(share, 1):.0%} of what is marked) are not whole "
        f"numbers, such as {array[odd][0]:.4g}; the mask was left out of all further checks"
    )
    return Finding("mask-not-whole", case.name, text, name, spot_ijk=(spot[0], spot[1], spot[2]))


def _mismatch(case: Case, layer: Layer, reference: Volume) -> Finding | None:
    if layer.volume.grid.is_close(reference.grid, tolerance_mm=GRID_TOLERANCE_MM):
        return None
    mine, other = layer.volume.grid, reference.grid
    if mine.shape != other.shape:
        text = f"the mask has {_times(mine.shape)} voxels, the image {_times(other.shape)}"
    else:
        corners = np.indices((2, 2, 2)).reshape(3, -1).T * (np.array(mine.shape) - 1)
        away = np.linalg.norm(mine.ijk_to_ras(corners) - other.ijk_to_ras(corners), axis=1).max()
        text = (
            f"as many voxels, but corners lie up to {away:.1f} mm apart (spacing "
            f"{_times(mine.spacing_mm)} and {_times(other.spacing_mm)} mm, orientation "
            f"{mine.orientation} and {other.orientation})"
        )
    return Finding("grid-mismatch", case.name, f"{layer.file}: {text}", layer.file)


def _times(numbers: tuple[float, ...]) -> str:
    return "×".join(f"{n:.4g}" for n in numbers)


def _listed(values: list[int], most: int = 12) -> str:
    shown = ", ".join(map(str, values[:most]))
    return f"{shown} … ({len(values)} values)" if len(values) > most else shown
