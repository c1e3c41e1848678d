"""From scans and phantoms to packs, the only files that training reads.

Real scans and prepared sets are packed one file a set, phantoms in blocks; a pack is made again
when files or the code that made it changed. It knows nothing of networks, and needs no torch.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from spinekit.anatomy.scheme import NAMES
from spinekit.core.errors import InputError, OutputError
from spinekit.core.intensity import normalise_intensity
from spinekit.core.parallel import LOST, each
from spinekit.datasets.cord import cord_in_canal
from spinekit.datasets.partial import (
    ALLOW_BODY,
    ALLOW_POSTERIOR,
    ATLAS,
    CANAL_WITH_CORD,
    allowed_from_bodies,
    allowed_from_cord,
    allowed_from_discs,
    allowed_from_labels,
    allowed_from_parts,
    body_names,
)
from spinekit.datasets.prepared import PreparedPair, open_prepared
from spinekit.datasets.real import CORD_SEEN, LOOSE_SIDES_MM, RealCase, list_real_cases
from spinekit.io.locks import alone
from spinekit.loaders.pack import PackedCase, making, save_pack
from spinekit.training.recipe import FIELDS_OF_VIEW, Recipe
from spinekit.training.targets import level_codes

if TYPE_CHECKING:
    from spinekit.core.grid import Grid

PHANTOM_BLOCK = 24
"""Phantoms in one pack."""
SHARED = (
    "spinekit.anatomy",
    "spinekit.core.geometry",
    "spinekit.core.grid",
    "spinekit.core.intensity",
    "spinekit.core.resampling",
    "spinekit.core.volume",
    "spinekit.loaders.pack",
    "spinekit.training.packing",
    "spinekit.training.targets",
)
"""What every pack goes through."""
READ_BY = ("spinekit.datasets", "spinekit.io")
"""What reads scans and masks, and what these say."""

Block = tuple[Path, int, int, tuple[str, ...]]
"""A pack of phantoms to draw: its file, the first seed, how many, their fields of view in turn."""

GRID_TOLERANCE = 0.1
"""Of the smallest side of a voxel: so far apart image and mask may lie, as headers are rounded."""
STATE_PATTERN = "[0-9a-f]" * 16
"""What ends the name of a real set's pack."""


def pack_real(
    folder: Path,
    packs: Path,
    *,
    working_mm: float = Recipe.working_mm,
    report: Callable[[str], None] = lambda _: None,
) -> dict[str, Path]:
    """Pack every set with masks that training can use; returns set name → pack.

    A pack of other files, or by other code, is made anew; the old one stays, as another run may be
    reading it.

    Args:
        folder: The real scans.
        packs: Folder of packs.
        working_mm: Pixel of the grid of prediction; finer ones are brought to it (`read_image`).
        report: Called with one line at a time.

    Raises:
        InputError: The index or a scan cannot be read, or parts lie there without names.
    """
    by_set: dict[str, list[RealCase]] = {}
    for case in list_real_cases(folder):
        _check_names(case)
        if {"bodies", "discs", "parts", "cord"} & case.masks.keys():
            by_set.setdefault(case.dataset, []).append(case)
    paths = {}
    for name, cases in by_set.items():
        path = packs / f"real-{name}-{_state(cases, working_mm)}.npz"

        with making(path, report=report) as missing:
            if missing:
                report(f"packing {name}: {len(cases)} scans")
                save_pack(path, [pack_case(case, working_mm) for case in cases])
        with contextlib.suppress(OSError):
            os.utime(path)
        paths[name] = path
    return paths


def _check_names(case: RealCase) -> None:
    """Refuse parts without the names that say where the sacrum begins and the cord ends."""
    if "parts" in case.masks and "names" not in case.masks:
        parts = case.masks["parts"]
        raise InputError(
            "file-missing",
            f"{parts}: no {case.name}_names.nii.gz lies beside it",
            "add it, with the names of the vertebrae and discs, or take the parts away",
        )


def find_packed(packs: Path) -> dict[str, Path]:
    """Set name → pack of the real sets that were packed before, from scans not at hand now.

    Of several packs of one set it is the one used last.
    """
    found = sorted(packs.glob(f"real-*-{STATE_PATTERN}.npz"), key=lambda path: path.stat().st_mtime)
    return {path.stem.removeprefix("real-").rpartition("-")[0]: path for path in found}


def _state(cases: list[RealCase], working_mm: float) -> str:
    """Changes whenever a scan, a mask or what is made of them does."""
    digest = hashlib.sha256(f"{hash_source(*READ_BY)} {working_mm}".encode())
    for case in cases:
        for path in (case.image, *case.masks.values()):
            state = path.stat() if path.is_file() else None
            size = (state.st_size, state.st_mtime_ns) if state else ()
            digest.update(f"{case.dataset} {case.subject} {path.name} {size}".encode())
    return digest.hexdigest()[:16]


def pack_case(case: RealCase, working_mm: float) -> PackedCase:
    """Read one real scan with its masks in the frame i→R, j→A, k→S.

    Raises:
        InputError: A file cannot be read, or a mask lies on another grid than the image.
    """
    image, own, packed = read_image(case.image, working_mm)
    spacing_mm = packed.spacing_mm
    masks = {kind: _read_mask(path, case.image, own, packed) for kind, path in case.masks.items()}
    loose_mm = LOOSE_SIDES_MM.get(case.dataset, 0.0)
    seen = None
    if case.dataset in CORD_SEEN and "parts" in masks:
        seen = cord_in_canal(image, masks["parts"] == CANAL_WITH_CORD, spacing_mm)
    allowed, values = _annotation(masks, spacing_mm, loose_mm, seen)
    return PackedCase(
        case.name,
        case.subject,
        spacing_mm,
        np.round(normalise_intensity(image) * 255).astype(np.uint8),
        allowed,
        level_codes(values),
    )


def read_image(path: Path, working_mm: float) -> tuple[NDArray[np.float32], Grid, Grid]:
    """A scan as training sees it, in the frame i→R, j→A, k→S.

    Axes along A and S that are finer than the grid of prediction are brought to it as prediction
    does, averaging over the new voxel. All others, and slices of any thickness, stay.

    Args:
        path: The scan.
        working_mm: Pixel of the grid of prediction.

    Returns:
        (I, J, K) image, the grid of its file, and the one that it lies on.

    Raises:
        InputError: It cannot be read.
    """
    from spinekit.core.geometry import coarsened_grid
    from spinekit.core.resampling import resample_linear
    from spinekit.io.reading import read_scan

    volume = read_scan(path).volume
    packed = coarsened_grid(volume.grid, in_plane_mm=working_mm)
    image = resample_linear(volume.array, volume.grid, packed, antialias=True)
    return image, volume.grid, packed


def _read_mask(path: Path, image: Path, grid: Grid, packed: Grid) -> NDArray[np.integer]:
    """(I, J, K) a mask on the grid `packed`, of a file that lies where its image's does.

    Raises:
        InputError: It cannot be read, or lies elsewhere; axes stored otherwise do no harm.
    """
    from spinekit.core.geometry import oriented_grid, oriented_volume
    from spinekit.core.resampling import resample_nearest
    from spinekit.io.reading import read_labels

    mask = read_labels(path)
    own, wanted = oriented_grid(mask.grid), oriented_grid(grid)
    if not own.is_close(wanted, tolerance_mm=GRID_TOLERANCE * min(wanted.spacing_mm)):
        raise InputError(
            "grid-mismatch",
            f"{path}: lies on another grid than {image}",
            "draw or resample the mask on its image, nearest neighbour; `spinekit data doctor` "
            "says how they differ",
        )
    return resample_nearest(oriented_volume(mask).array, wanted, packed)


def _annotation(
    masks: dict[str, NDArray[np.integer]],
    spacing_mm: tuple[float, float, float],
    loose_sides_mm: float,
    cord: NDArray[np.bool_] | None,
) -> tuple[NDArray[np.uint8], NDArray[np.integer]]:
    """Allowed parts and named values of one scan's masks."""
    if "parts" in masks:
        parts, names = masks["parts"], masks["names"]
        allowed = allowed_from_parts(parts, names, spacing_mm, cord=cord)
        return allowed, body_names(parts, names, allowed)
    if "bodies" in masks:
        bodies = masks["bodies"]
        allowed = allowed_from_bodies(bodies, spacing_mm, loose_sides_mm=loose_sides_mm)
        return allowed, np.where(allowed == ALLOW_BODY, bodies, 0)
    if "discs" in masks:
        return allowed_from_discs(masks["discs"], spacing_mm), masks["discs"]
    drawn = masks["cord"]
    return allowed_from_cord(drawn), np.zeros(drawn.shape, np.uint8)


def pack_prepared(
    folder: Path,
    packs: Path,
    *,
    bodies_only: bool = False,
    working_mm: float = Recipe.working_mm,
    report: Callable[[str], None] = lambda _: None,
) -> tuple[str, Path]:
    """Pack a set made by `spinekit data prepare`; returns its name and the pack.

    Args:
        folder: The set.
        packs: Folder of packs.
        bodies_only: Whether all its masks mark of a vertebra its body alone; else those do of
            which the set says so.
        working_mm: Pixel of the grid of prediction; finer ones are brought to it (`read_image`).
        report: Called with one line at a time.

    Raises:
        InputError: The folder is no prepared set, or a file of it cannot be read.
    """
    found = open_prepared(folder)
    names = {pair.name for pair in found.pairs}
    bodies = {pair.name for pair in found.pairs if bodies_only or pair.bodies_only}
    kind = "whole"
    if bodies:
        told = hashlib.sha256(" ".join(sorted(bodies)).encode()).hexdigest()[:8]
        kind = "bodies" if bodies == names else f"mixed{told}"
    made_by = hashlib.sha256(f"{hash_source(*READ_BY)} {working_mm}".encode()).hexdigest()[:8]
    path = packs / f"set-{found.state[:16]}-{kind}-{made_by}.npz"
    with making(path, report=report) as missing:
        if missing:
            report(f"packing {found.name}: {len(found.pairs)} scans")
            cases = [_pack_pair(pair, pair.name in bodies, working_mm) for pair in found.pairs]
            save_pack(path, cases)
    return found.name, path


def _pack_pair(pair: PreparedPair, bodies_only: bool, working_mm: float) -> PackedCase:
    """Read one pair of a prepared set in the frame i→R, j→A, k→S."""
    image, own, packed = read_image(pair.image, working_mm)
    spacing_mm = packed.spacing_mm
    mask = _read_mask(pair.labels, pair.image, own, packed)
    labels = pair.values[np.clip(mask, 0, 255)]
    present = {NAMES[int(value)] for value in np.unique(labels) if int(value) in NAMES}
    return PackedCase(
        pair.name,
        pair.subject,
        spacing_mm,
        np.round(normalise_intensity(image) * 255).astype(np.uint8),
        allowed_from_labels(labels, spacing_mm, bodies_only=bodies_only, known=pair.shown),
        level_codes(labels, present=present | pair.shown),
        pair.part,
        pair.dataset,
    )


def pack_phantoms(
    packs: Path,
    count: int,
    seed: int,
    *,
    views: tuple[str, ...] = FIELDS_OF_VIEW,
    processes: int = 1,
    report: Callable[[str], None] = lambda _: None,
) -> list[Path]:
    """Draw phantoms into blocks of `PHANTOM_BLOCK`; the last one may hold fewer.

    `views` are their fields of view in turn. Blocks of the same seed that were drawn otherwise, by
    earlier code or of other views, stay, as another run may be reading them; who finds another
    process drawing these waits for it.
    """
    drawn_by = " ".join([hash_source("spinekit.synth", "spinekit.datasets"), *views])
    drawn_by = hashlib.sha256(drawn_by.encode()).hexdigest()[:8]
    blocks: list[Block] = []
    for start in range(0, count, PHANTOM_BLOCK):
        size = min(PHANTOM_BLOCK, count - start)
        path = packs / f"phantom-{seed}-{start:05d}-{size}-{drawn_by}.npz"
        blocks.append((path, seed * 1_000_000 + start, size, views))
    if not all(path.is_file() for path, *_ in blocks):
        lock = packs / f"phantom-{seed}-{drawn_by}"
        with alone(lock, lambda: report("another run is drawing these phantoms: waiting for it")):
            _draw_blocks([block for block in blocks if not block[0].is_file()], processes, report)
    return [path for path, *_ in blocks]


def _draw_blocks(blocks: list[Block], processes: int, report: Callable[[str], None]) -> None:
    """Draw and save blocks, telling how far it is."""
    if not blocks:
        return
    report(f"drawing {sum(size for _, _, size, _ in blocks)} phantoms")
    processes = max(1, min(processes, os.cpu_count() or 1, len(blocks)))
    drawn = each(_draw_block, blocks, lost=_lose_block, processes=processes)
    for done, path in enumerate(drawn, start=1):
        report(f"  {path.name}: block {done} of {len(blocks)}")


def _lose_block(block: Block) -> Path:
    """Refuse to go on without a block that cannot be drawn."""
    raise OutputError(
        "process-ended", f"{block[0]}: not drawn: {LOST}", "free some memory and run it again"
    )


def hash_source(*names: str) -> str:
    """SHA-256 of the source of packages, and of what all packs go through.

    What other code made is so not taken for what is made now.
    """
    digest = hashlib.sha256()
    for name in (*names, *SHARED):
        root, *inner = name.split(".")
        module = resources.files(root).joinpath("/".join(inner) + ".py")
        files = [module] if module.is_file() else resources.files(name).iterdir()
        for path in sorted(files, key=lambda path: path.name):
            if path.name.endswith(".py"):
                digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()


def _draw_block(block: Block) -> Path:
    """Draw and save one block; a function of its own so that a process can run it."""
    path, first_seed, size, views = block
    save_pack(path, [pack_phantom(seed, views) for seed in range(first_seed, first_seed + size)])
    return path


def pack_phantom(seed: int, views: tuple[str, ...] = FIELDS_OF_VIEW) -> PackedCase:
    """One phantom as a packed case with a full annotation, its field of view one of `views`."""
    from spinekit.synth.phantom import draw_phantom

    phantom = draw_phantom(seed, fov=views[seed % len(views)])
    present = {name for name in phantom.truth["levels"]}
    allowed = (1 << phantom.parts.astype(np.int64)).astype(np.uint8)
    allowed[(phantom.labels == ATLAS) & (phantom.parts > 0)] = ALLOW_POSTERIOR
    return PackedCase(
        f"phantom{seed}",
        f"phantom{seed}",
        phantom.grid.spacing_mm,
        np.round(normalise_intensity(phantom.image) * 255).astype(np.uint8),
        allowed,
        level_codes(phantom.labels, present=present),
    )
