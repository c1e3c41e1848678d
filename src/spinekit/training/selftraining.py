"""Self-training: what a teacher is sure of fills what the masks of real scans leave open.

A mask's word is never changed, only narrowed: a voxel gets the teacher's part where the mask
allows it, two readings at different pixel sizes agree on it, its share among the allowed parts is
high, and it is where that part can be. It knows nothing of losses or checkpoints.
"""

from __future__ import annotations

import dataclasses
import hashlib
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch.nn import functional

from spinekit.anatomy.parts import (
    BACKGROUND,
    BODY,
    CANAL,
    CORD,
    DISC,
    PARTS,
    POSTERIOR,
    SACRUM,
)
from spinekit.core.errors import RecipeError
from spinekit.core.slices import neighbour_slices
from spinekit.loaders.pack import PackedCase, load_pack, making, pack_hash, save_pack
from spinekit.networks.slice_unet import DOWNSCALE, SliceUNet
from spinekit.training.checkpoint import hash_weights
from spinekit.training.network import shape_network
from spinekit.training.recipe import Recipe
from spinekit.training.start import Start

PIXELS_MM = (0.87, 1.1)
"""In-plane pixels of the two readings."""
LEAST_ALLOWED = 0.5
"""Share of the teacher's word that must lie on parts the mask allows."""
SURE = 0.9
"""Share of the part among the allowed ones, in the mean of both readings."""
LEAST_MM3 = {
    BODY: 1000.0,
    POSTERIOR: 150.0,
    DISC: 500.0,
    CANAL: 1000.0,
    CORD: 500.0,
    SACRUM: 4000.0,
}
"""Smaller pieces are left open."""
BONES = ((BODY, SACRUM), (POSTERIOR, SACRUM))
"""What lies in front of the canal and behind it at every height, but for gaps."""
GAP_MM = 12.0
"""Along the column, half of what may lie between two bones."""
SINGLE = (CANAL, CORD, SACRUM)
"""Of these the largest piece alone counts."""
RULES = "5"
"""Changes whenever the rules do, so that filled packs are made anew."""

Bytes = NDArray[np.uint8]


def fill_sets(
    sets: dict[str, list[PackedCase]],
    teacher: Start,
    packs: Path,
    *,
    device: torch.device,
    report: Callable[[str], None] = lambda _: None,
) -> dict[str, list[PackedCase]]:
    """The sets with their real scans' open voxels filled; phantoms are as they were.

    What was filled is kept in `packs`, by the teacher's weights and the cases.

    Raises:
        RecipeError: The teacher's weights do not fit the network its recipe names.
    """
    network = _network(teacher)
    weights = hash_weights(network.state_dict())
    network.to(device)
    filled = {}
    for name, cases in sets.items():
        if name == "phantom":
            filled[name] = cases
            continue
        digest = hashlib.sha256((RULES + pack_hash(cases) + weights).encode()).hexdigest()
        path = packs / f"self-{name}-{digest[:16]}.npz"

        with making(path, report=report) as missing:
            if missing:
                report(f"filling what the masks of {name} leave open, by {teacher.name}")
                save_pack(path, _fill_all(cases, network, teacher.recipe, device, report))
        filled[name] = load_pack(path)
    return filled


def _fill_all(
    cases: list[PackedCase],
    network: SliceUNet,
    recipe: Recipe,
    device: torch.device,
    report: Callable[[str], None],
) -> list[PackedCase]:
    """Every case filled, telling how far it is."""
    started = time.monotonic()
    filled = []
    for number, case in enumerate(cases, start=1):
        filled.append(fill_case(case, network, recipe, device))
        left_s = (time.monotonic() - started) / number * (len(cases) - number)
        report(f"  {case.name}: {number} of {len(cases)}, {left_s:.0f} s left")
    return filled


def _network(teacher: Start) -> SliceUNet:
    """The teacher's network, ready to read."""
    network = shape_network(teacher.recipe)
    try:
        network.load_state_dict(dict(teacher.weights))
    except RuntimeError as error:
        raise RecipeError(
            "start-shape",
            f"the teacher {teacher.name} is no network of the shape its recipe names",
            "name another teacher",
        ) from error
    return network.eval()


def fill_case(
    case: PackedCase, network: SliceUNet, recipe: Recipe, device: torch.device
) -> PackedCase:
    """One case with its open voxels filled where the teacher and anatomy agree.

    Args:
        case: Image and allowed parts, (I, J, K) in the frame i→R, j→A, k→S.
        network: The teacher.
        recipe: What the teacher was trained by: slices and their distance.
        device: Where the network is.
    """
    readings = [read_case(case, network, recipe, mm, device) for mm in PIXELS_MM]
    return dataclasses.replace(case, allowed=fill_open(case.allowed, readings, case.spacing_mm))


@torch.no_grad()
def read_case(
    case: PackedCase, network: SliceUNet, recipe: Recipe, pixel_mm: float, device: torch.device
) -> NDArray[np.float32]:
    """(7, I, J, K) probabilities of the parts on the case's own grid, read at one pixel size."""
    total, *size = case.image.shape
    grid = [
        max(1, round(n * mm / pixel_mm)) for n, mm in zip(size, case.spacing_mm[1:], strict=True)
    ]
    image = torch.from_numpy(case.image.astype(np.float32) / 255.0)
    image = functional.interpolate(image[None], grid, mode="bilinear", antialias=True)[0]
    image = functional.pad(image, (0, (-grid[1]) % DOWNSCALE, 0, (-grid[0]) % DOWNSCALE))
    near = neighbour_slices(
        total,
        slice_mm=case.spacing_mm[0],
        neighbour_mm=recipe.neighbour_mm,
        context=recipe.context,
    )
    probs = np.empty((len(PARTS), *case.image.shape), np.float32)
    for i in range(total):
        parts, _ = network(image[near[i]][None].to(device))
        shares = parts.float().softmax(dim=1)[:, :, : grid[0], : grid[1]]
        shares = functional.interpolate(shares, size, mode="bilinear")
        probs[:, i] = shares[0].cpu().numpy()
    return probs


def fill_open(
    allowed: Bytes,
    readings: list[NDArray[np.float32]],
    spacing_mm: tuple[float, float, float],
) -> Bytes:
    """Narrow bytes of allowed parts to the one part that all readings are sure of.

    Args:
        allowed: (I, J, K), bit c set where part c may be.
        readings: (7, I, J, K) probabilities each.
        spacing_mm: Voxel size.

    Returns:
        As `allowed`, a single bit where a part was filled in, unchanged elsewhere.
    """
    slices = [
        _agree(within, [reading[:, i] for reading in readings]) for i, within in enumerate(allowed)
    ]
    part, sure, told = (np.stack(maps) for maps in zip(*slices, strict=True))
    # At heights where persons drew bodies, what they left open is not bone they forgot.
    drawn = (allowed == 1 << BODY).any(axis=(0, 1)) & ((allowed & 1) > 0)
    kept = plausible(part, spacing_mm) & sure & ~told & ~((part == BODY) & drawn)
    return np.where(kept, 1 << np.maximum(part, 0), allowed).astype(np.uint8)


def _agree(
    allowed: Bytes, readings: list[NDArray[np.float32]]
) -> tuple[NDArray[np.int8], NDArray[np.bool_], NDArray[np.bool_]]:
    """(J, K) part of each pixel of a slice, −1 for none; where all readings are sure; where told.

    Slice by slice: of a whole scan the shares of seven parts would be held five times over.
    """
    bits = np.stack([(allowed >> part) & 1 for part in range(len(PARTS))]).astype(np.float32)
    mean = np.mean(readings, axis=0) * bits
    mass = mean.sum(axis=0)
    likeliest = mean.argmax(axis=0)
    sure = (mass >= LEAST_ALLOWED) & (mean.max(axis=0) >= SURE * mass)
    for reading in readings:
        sure &= (reading * bits).argmax(axis=0) == likeliest
    told = bits.sum(axis=0) == 1
    part = np.where(told, bits.argmax(axis=0), np.where(sure, likeliest, -1))
    return part.astype(np.int8), sure, told


def plausible(
    part: NDArray[np.integer], spacing_mm: tuple[float, float, float]
) -> NDArray[np.bool_]:
    """Where each voxel's part can be: pieces of its size, in front of the canal or behind it.

    Background can where bones were found: at heights of the canal where none is in front of it, or
    none behind it, one was overlooked there, and who learns from that overlooks more. Without a
    canal in view nothing tells front from back, and background always can. Behind the cord nothing
    is told: hardly a mask shows arches above the loin, so that no teacher is to be believed there.
    """
    voxel_mm3 = float(np.prod(spacing_mm))
    kept: NDArray[np.bool_] = part == BACKGROUND
    for kind, least_mm3 in LEAST_MM3.items():
        pieces, count = ndimage.label(part == kind)
        sizes = np.bincount(pieces.ravel(), minlength=count + 1)
        sizes[0] = 0
        large = sizes * voxel_mm3 >= least_mm3
        if kind in SINGLE and count:
            large &= np.arange(count + 1) == sizes.argmax()
        kept |= large[pieces]
    canal = kept & ((part == CANAL) | (part == CORD))
    front, back = _canal_sides(canal)
    j = np.arange(part.shape[1])[:, None]
    kept &= ~(((part == BODY) | (part == DISC)) & (j < back))
    kept &= ~((part == POSTERIOR) & ~(j < front))
    heights = _between_ends(canal.any(axis=(0, 1)))
    reach = np.ones(2 * round(GAP_MM / spacing_mm[2]) + 1, bool)
    for bones, side in zip(BONES, (j > front, j < back), strict=True):
        found = (kept & np.isin(part, bones)).any(axis=(0, 1))
        overlooked = heights & ~ndimage.binary_dilation(found, reach)
        kept &= ~((part == BACKGROUND) & side & overlooked)
    behind_cord = (j < front) & _between_ends((kept & (part == CORD)).any(axis=(0, 1)))
    kept &= ~(np.isin(part, (BACKGROUND, POSTERIOR)) & behind_cord)
    return kept


def _between_ends(rows: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(K,) from the first to the last true one."""
    return np.logical_or.accumulate(rows) & np.logical_or.accumulate(rows[::-1])[::-1]


def _canal_sides(canal: NDArray[np.bool_]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(K,) front and back edge of the canal along j at every height.

    Gaps are bridged, beyond its ends they go on as at the end; −∞ everywhere without a canal.
    """
    rows = np.asarray(canal.any(axis=0))
    k = np.flatnonzero(rows.any(axis=0))
    heights = np.arange(canal.shape[2])
    if not len(k):
        return np.full(len(heights), -np.inf), np.full(len(heights), -np.inf)
    front = rows.shape[0] - 1 - np.argmax(rows[::-1], axis=0)
    back = np.argmax(rows, axis=0)
    return np.interp(heights, k, front[k]), np.interp(heights, k, back[k])
