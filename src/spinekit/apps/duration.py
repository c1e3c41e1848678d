"""How long scans are going to take, before any is read: a guess from their headers, or file sizes.

It knows sizes, and nothing of what is done with them.
"""

import contextlib
import math
from collections.abc import Sequence
from pathlib import Path

from spinekit.core.errors import SpineKitError
from spinekit.core.geometry import working_grid
from spinekit.io.discovery import ending_of
from spinekit.prediction.predictor import available_cores

SECONDS_PER_MIB = 6.0
"""Of one core for a MiB of compressed DICOM, the mean of clinical lumbar scans."""
SECONDS_PER_WORKING = 2.5
"""Of one core for a million voxels as the network sees them."""
SECONDS_PER_OWN = 0.15
"""For a million voxels of the scan itself, which its results have too; more cores do not help."""
SECONDS_PER_STORED = 0.05
"""For a million voxels of all volumes of a scan, to read them; more cores do not help."""
SECONDS_PER_SCAN = 1.0
"""For whatever a scan takes of any size."""
_PACKED = 2
"""DICOM files are as many times larger than packed ones."""


def expect_seconds(scans: Sequence[Path], threads: int | None, jobs: int) -> float:
    """Guess how long scans take on an idle machine, within a factor of two or so.

    Args:
        scans: Files, or DICOM folders; a folder of several series once for each.
        threads: Of each scan; None for every core.
        jobs: Scans at the same time.

    Returns:
        Seconds; 0 for no scan or when they cannot be looked at.
    """
    cores = available_cores()
    at_once = min(jobs, max(1, len(scans)), cores)
    used = min(cores, (threads or cores) * at_once)
    divisible = serial = 0.0
    for scan in dict.fromkeys(scans):
        with contextlib.suppress(OSError, SpineKitError):
            of_all_cores, of_one = _of_scan(scan)
            divisible += of_all_cores
            serial += of_one
    return divisible / used + serial / at_once


def _of_scan(scan: Path) -> tuple[float, float]:
    """Seconds of one core that more of them shorten, and seconds that they do not.

    Raises:
        OSError: It cannot be looked at.
        SpineKitError: Its header is damaged.
    """
    ending = ending_of(scan)
    if scan.is_file() and ending in (".nii", ".nii.gz"):
        from spinekit.io.nifti import read_extent
    elif scan.is_file() and ending in (".mha", ".mhd", ".nrrd"):
        from spinekit.io.itk import read_extent
    else:
        files = [scan] if scan.is_file() else list(scan.iterdir())
        size = sum(path.stat().st_size for path in files) / 2**20
        return SECONDS_PER_MIB * size / _PACKED, 0.0
    grid, count = read_extent(scan)
    working = math.prod(working_grid(grid).shape) / 1e6
    own = math.prod(grid.shape) / 1e6
    once = SECONDS_PER_SCAN + SECONDS_PER_OWN * own + SECONDS_PER_STORED * own * count
    return SECONDS_PER_WORKING * working, once
