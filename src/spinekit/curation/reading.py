"""A case's files → its image and one label map in our values on the image's grid.

It joins reading, merging and splitting; what is done to the result, it does not know.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from spinekit.anatomy.parts import BODY, BONE, CANAL, CORD, DISC, PARTS, POSTERIOR, VERTEBRA
from spinekit.anatomy.scheme import NAMES, VALUES, kind_of_value
from spinekit.bones import name_parts
from spinekit.core.errors import InputError
from spinekit.core.geometry import oriented_grid
from spinekit.core.grid import Grid
from spinekit.core.resampling import resample_nearest
from spinekit.core.volume import Volume
from spinekit.curation.axes import BY_DOCTOR, BY_LABELS, turn_header
from spinekit.curation.discs import names_beside_discs
from spinekit.curation.layer import Layer
from spinekit.curation.merging import Merged, merge_layers, name_nearest
from spinekit.curation.recipe import PrepareRecipe, Source
from spinekit.curation.regrid import resample_labels
from spinekit.curation.repair import reread_axes
from spinekit.curation.segments import settle_values
from spinekit.datasets.case import Case, MaskFile
from spinekit.datasets.partial import ALLOW_POSTERIOR, allowed_from_parts
from spinekit.io.reading import read_label_file, read_scan

_DISCS = tuple(value for value in NAMES if kind_of_value(value) == "disc")
_GREY_LEVEL = 0.5
"""A grey mask is what lies above this share of its brightest voxel."""
_BORDER_VOXELS, _BORDER_SHARE = 2, 0.8
"""Of the darker voxels of a mask, so many lie so near to brighter ones where they are its grey
border; else its values number the pieces of what it marks."""


@dataclass
class CaseData:
    """What a case holds, ready to be brought onto another grid."""

    image: NDArray[np.float32]
    """(I, J, K)."""
    labels: NDArray[np.uint8]
    """(I, J, K) our values."""
    grid: Grid
    conflicts: list[dict[str, Any]] = field(default_factory=list)
    losses: list[dict[str, Any]] = field(default_factory=list)
    notices: list[dict[str, str]] = field(default_factory=list)
    seconds_reading: float = 0.0
    """Time spent on files."""

    def note(self, code: str, text: str) -> None:
        """Write down what was assumed or repaired."""
        self.notices.append({"code": code, "text": text})


def read_case(case: Case, source: Source, recipe: PrepareRecipe) -> CaseData:
    """Read, merge, split and name.

    Args:
        case: Its files.
        source: What is said of its set: axes, names of bones.
        recipe: Which volume, whose voxels, what of the nameless.

    Returns:
        The case with an account of conflicts and losses; an empty map for no mask.

    Raises:
        SpineKitError: A file cannot be read, a value's meaning is not known, or masks conflict
            where the recipe refuses.
    """
    volume_index = None if recipe.volume < 0 else recipe.volume
    started = time.perf_counter()
    scan = read_scan(case.image, volume_index=volume_index, series=case.series, force=recipe.force)
    given = scan.volume.grid
    data = CaseData(scan.volume.array, np.zeros(given.shape, np.uint8), given)
    data.seconds_reading = time.perf_counter() - started
    for notice in scan.notices:
        data.note(notice.code, notice.text)
    layers = [_read_layer(mask, given, source, data) for mask in case.masks]
    _fix_axes(case, source, layers, data)
    points = _take_points(layers, data)
    merged = merge_layers(layers, given.shape, rule=recipe.conflicts)
    data.labels = merged.labels
    data.conflicts = [asdict(conflict) for conflict in merged.conflicts]
    data.losses += merged.losses
    names = source.bone_names or tuple(case.facts.get("levels", "").split())
    _settle_tissue(merged, points, data, names, recipe)
    return data


def _take_points(layers: list[Layer], data: CaseData) -> NDArray[np.uint8]:
    """Take what numbers discs by points out of the masks: it outlines no structure.

    Returns:
        (I, J, K) our values of the points, by which bone can still be named.
    """
    found = [layer for layer in layers if layer.is_points]
    for layer in found:
        layers.remove(layer)
        data.note("points-passed-over", f"{layer.file} marks places by points and outlines nothing")
    marked = merge_layers(found, data.labels.shape, rule="last").labels
    return np.where(np.isin(marked, _DISCS), marked, 0).astype(np.uint8)


def _fix_axes(case: Case, source: Source, layers: list[Layer], data: CaseData) -> None:
    """Turn the grid where a person, the masks or the image say that its header is wrong."""
    word, stated = source.fix_axes, data.grid.orientation
    if not word:
        return
    if word not in (BY_LABELS, BY_DOCTOR):
        if word != stated:
            data.grid = turn_header(data.grid, word)
            data.note("axes-fixed", f"the axes point to {word}, not {stated}")
        return
    image = Volume(data.image, data.grid)
    reading = reread_axes(case, image, layers, with_image=word == BY_DOCTOR)
    if reading is None or not reading.is_wrong:
        return
    if not reading.is_sure:
        text = f"the image looks as if the axes pointed to {reading.found}, not {stated}"
        data.note("axes-doubtful", text + "; they were left: look at it, and give the letters")
        return
    data.grid = turn_header(data.grid, reading.found)
    data.note("axes-fixed", f"by the {reading.source} the axes point to {reading.found}, "
              f"not {stated}")  # fmt: skip


def _read_layer(mask: MaskFile, grid: Grid, source: Source, data: CaseData) -> Layer:
    """One mask on the image's grid, with what its values mean."""
    started = time.perf_counter()
    volume = _read_mask(mask, data)
    data.seconds_reading += time.perf_counter() - started
    name = mask.path.name
    array = volume.array
    if not (volume.grid.is_close(grid, tolerance_mm=0.01)):
        if not (source.masks_on_image and volume.shape == grid.shape):
            array = _onto(volume, grid, name, data)
        data.note("mask-grid", f"{name} does not lie on the grid of the image")
    found = [int(v) for v in np.unique(array) if v]
    values, against = settle_values(mask, found)
    if against:
        data.note("segment-names", f"{name}: {against}")
    if found and not values:
        if not source.bone_names or len(found) > 1:
            raise InputError(
                "values-unknown",
                f"{name}: holds {_listed(found)}, and nothing says what they mean",
                'say it: --values totalspineseg, or values = "totalspineseg" in a recipe',
            )
        values = {found[0]: "body"}
    return Layer(mask, Volume(array, grid), values)


def _onto(volume: Volume, grid: Grid, name: str, data: CaseData) -> NDArray[np.integer]:
    """A mask resampled to the image's grid, by their headers."""
    values = np.unique(volume.array)
    if len(values) > 255:
        raise InputError("not-labels", f"{name}: holds {len(values)} values", "give a label map")
    # Any integers fit into 8 bits by their rank.
    table = np.concatenate([[0], values[values != 0]])
    ranks = (np.searchsorted(table[1:], volume.array) + 1).astype(np.uint8)
    ranks[volume.array == 0] = 0
    moved, beyond = resample_labels(ranks, volume.grid, grid, method="nearest")
    for rank in beyond:
        data.losses.append(
            {
                "name": str(int(table[rank])),
                "voxels": int(np.count_nonzero(ranks == rank)),
                "reason": "beyond-image",
                "file": name,
            }
        )
    return table[moved]


def _read_mask(mask: MaskFile, data: CaseData) -> Volume:
    """A mask's whole numbers; a grey mask of one structure is cut at half its brightness."""
    name = mask.path.name
    is_whole = True
    try:
        volume, _ = read_label_file(mask.path)
    except InputError as error:
        if error.code != "not-labels" or not mask.binary:
            raise
        volume, is_whole = read_scan(mask.path).volume, False
    if not mask.binary:
        return volume
    top = float(volume.array.max())
    marked = volume.array > _GREY_LEVEL * top
    grey = volume.array[(volume.array != 0) & (volume.array != top)].size
    if grey and is_whole and _is_numbered(volume.array, marked):
        marked = volume.array > 0
        data.note("numbered-mask", f"{name}: all its values were taken for one structure")
    elif grey:
        data.note("grey-mask", f"{name}: {grey} grey voxels were cut at half the brightest")
    return Volume(marked.astype(np.uint8), volume.grid)


def _is_numbered(array: NDArray[np.integer], bright: NDArray[np.bool_]) -> bool:
    """Whether a mask's darker values are pieces of their own, not the border of brighter ones."""
    dark = (array > 0) & ~bright
    near = ndimage.binary_dilation(bright, np.ones((3, 3, 3), bool), iterations=_BORDER_VOXELS)
    return bool(np.count_nonzero(dark & near) < _BORDER_SHARE * np.count_nonzero(dark))


def _settle_tissue(
    merged: Merged,
    points: NDArray[np.uint8],
    data: CaseData,
    names: tuple[str, ...],
    recipe: PrepareRecipe,
) -> None:
    """Name bone and disc that have no name yet, or write them down as lost."""
    named = {kind_of_value(v) for v in map(int, np.unique(merged.labels)) if v}
    bone = np.isin(merged.parts, BONE)
    if bone.any() and recipe.split_bone and "vertebra" not in named:
        named_bone = _name_bone(merged, points, data, names)
        fresh = (data.labels == 0) & (named_bone > 0)
        data.labels[fresh] = named_bone[fresh]
        merged.parts[fresh] = 0
    elif merged.parts.any() and recipe.unnamed == "nearest":
        given = name_nearest(merged, data.grid.spacing_mm)
        data.note("names-nearest", f"{given} nameless voxels took the nearest name")
    for kind, values in (("vertebra", BONE), ("disc", (DISC,))):
        voxels = int(np.isin(merged.parts, values).sum())
        if voxels:
            data.losses.append({"name": kind, "voxels": voxels, "reason": "no-name", "file": ""})


def _name_bone(
    merged: Merged, points: NDArray[np.uint8], data: CaseData, names: tuple[str, ...]
) -> NDArray[np.uint8]:
    """Our values of bone that was split and named, and of nameless discs that were named with it.

    By the names given; else by the named discs beside it, and the points of those not outlined,
    and without a name where no column has those discs between these bones; else by itself.
    """
    adopted, _ = name_parts(_parts(merged, data.grid), data.grid, names=names)
    if names:
        return adopted.labels
    more = np.where(np.isin(points, data.labels), 0, points)
    named = np.where(more > 0, more, data.labels)
    told = names_beside_discs(adopted, Volume(named, data.grid))
    if told is None:
        data.note("discs-disagree", "no column has the named discs where they lie beside the "
                  "bones; these were left without names")  # fmt: skip
    if told or told is None:
        table = np.zeros(256, np.uint8)
        for value, name in (told or {}).items():
            table[value] = VALUES[name]
        return table[adopted.labels]
    if adopted.naming.ambiguous:
        data.note("names-unsure", str(adopted.naming.reason))
    return adopted.labels


def _parts(merged: Merged, grid: Grid) -> NDArray[np.uint8]:
    """This package's parts of nameless tissue and of what has a name.

    Bone whose body and posterior elements are not told apart is told apart by the canal.
    """
    parts = merged.parts.copy()
    kinds = {"disc": "disc", "sacrum": "sacrum", "spinal_canal": "canal", "spinal_cord": "cord"}
    for value in map(int, np.unique(merged.labels)):
        if value and kind_of_value(value) in kinds:
            parts[merged.labels == value] = PARTS.index(kinds[kind_of_value(value)])
    if (parts == VERTEBRA).any():
        upright = oriented_grid(grid)
        mixed = resample_nearest(parts, grid, upright)
        mixed[mixed == CORD] = CANAL
        codes = allowed_from_parts(mixed, np.zeros_like(mixed), upright.spacing_mm)
        codes = resample_nearest(codes, upright, grid)
        parts[(parts == VERTEBRA) & (codes == ALLOW_POSTERIOR)] = POSTERIOR
        parts[parts == VERTEBRA] = BODY
    return parts


def _listed(values: list[int]) -> str:
    shown = ", ".join(map(str, values[:8]))
    return f"the values {shown}{' …' if len(values) > 8 else ''}"
