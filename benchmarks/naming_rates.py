"""How far the network's word on levels is off, bone by bone, on real scans it has not seen.

The scans are seen whole, and again cut off through L5, so that nothing of the sacrum helps. Necks
have a point at C2 and one at T2; their bones are counted from C2, and seen again cut off through
C4, so that nothing of the skull and the dens helps. These are the rates that
`columns.py` draws with. It knows no labeller.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from columns import USUAL
from naming_cases import describe_case, examine_case, load_model, read_annotated, recall_case
from spinekit.anatomy.column import LEVELS
from spinekit.anatomy.scheme import VALUES
from spinekit.datasets.real import HOLD_OUTS, RealCase, list_real_cases, real_data_folder
from spinekit.io.reading import read_scan
from spinekit.pipeline import Findings, SegmentOptions, examine
from spinekit.prediction.predictor import ModelPredictor
from spinekit.synth.morphometry import LEVEL_SIZES

NEAR = 2
"""Levels beside the likeliest that its place is the mean of."""
CUT_EVERY = 3
"""Every so many scans of a set are seen cut off too."""
SAME_BONE_MM = 6.0
"""A bone has its middle so near to where it was counted."""
REGIONS = {
    "L5, L4": ("L5", "L4"),
    "L3": ("L3",),
    "L2": ("L2",),
    "L1": ("L1",),
    "T12": ("T12",),
    "T11, T10": ("T11", "T10"),
    "T9 to T4": tuple(f"T{n}" for n in range(4, 10)),
    "T3 to C3": ("T3", "T2", "T1", *(f"C{n}" for n in range(3, 8))),
}
"""Rows of the table."""


@dataclass(frozen=True)
class Bone:
    """What was said and measured of one whole bone whose level is known."""

    dataset: str
    case: str
    view: str
    """whole, cut (through L5), neck, or neck, cut (through C4)."""
    level: str
    error: float
    """By how many levels the network's word is off, downwards."""
    sharp: float
    """Its largest probability."""
    height: float
    """Logarithm of the measured height over the mean of the level."""
    depth: float
    pitch: float
    """The same for the distance to the next bone; nan where that is not known."""


def collect_bones(models: Sequence[Path], threads: int, comments: dict[str, str]) -> list[Bone]:
    """Every whole bone of the scans each hold-out has not seen; nothing without scans."""
    folder = real_data_folder()
    bones: list[Bone] = []
    for path in models if folder else ():
        about: dict[str, str] = {}
        model = load_model(path, threads, about)
        comments[f"weights_sha256 {about['recipe']}"] = about["weights_sha256"]
        sets = HOLD_OUTS[about["recipe"].upper()]
        cases = [case for case in list_real_cases(folder) if case.dataset in sets]  # type: ignore[arg-type]
        for n, case in enumerate(tqdm(cases, desc=about["recipe"], unit="scan")):
            for view, stored in _views(model, case, cut=n % CUT_EVERY == 0):
                bones += _describe_bones(case, view, stored)
    return bones


def _views(
    model: ModelPredictor, case: RealCase, *, cut: bool
) -> Iterator[tuple[str, dict[str, Any]]]:
    if "points" in case.masks:
        yield "neck", recall_case(model, case.name, partial(_examine_neck, model, case))
        examined = partial(_examine_neck_cut, model, case)
        yield "neck, cut", recall_case(model, f"{case.name}-cut", examined)
    if {"bodies", "names"} & set(case.masks):
        yield "whole", recall_case(model, case.name, partial(examine_case, model, case))
        if cut:
            yield "cut", recall_case(model, f"{case.name}-cut", partial(_examine_cut, model, case))


def _examine_cut(model: ModelPredictor, case: RealCase) -> dict[str, Any]:
    """The scan without all that lies below the middle of L5."""
    scan = read_scan(case.image).volume
    image = nib.Nifti1Image(scan.array, scan.grid.affine)
    labels = nib.Nifti1Image(read_annotated(case), scan.grid.affine)
    image, labels = nib.as_closest_canonical(image), nib.as_closest_canonical(labels)
    truth = np.asarray(labels.dataobj)
    low = int(np.median(np.nonzero(truth == VALUES["L5"])[2]))
    image, labels = image.slicer[:, :, low:], labels.slicer[:, :, low:]
    return describe_case(
        examine(image.get_fdata(), SegmentOptions(), affine=image.affine, predictor=model),
        np.asarray(labels.dataobj),
    )


def _examine_neck(model: ModelPredictor, case: RealCase) -> dict[str, Any]:
    """Bones counted from the one that a point marks as C2, if T2 comes out at the point of T2."""
    found = examine(case.image, SegmentOptions(), predictor=model)
    return _describe_neck(found, _count_neck(found, case))


def _examine_neck_cut(model: ModelPredictor, case: RealCase) -> dict[str, Any]:
    """The neck without all that lies above the middle of C4; bones as counted in the whole one."""
    scan = read_scan(case.image).volume
    counted = _count_neck(examine(case.image, SegmentOptions(), predictor=model), case)
    image = nib.as_closest_canonical(nib.Nifti1Image(scan.array, scan.grid.affine))
    if "C4" in counted:
        high = nib.affines.apply_affine(np.linalg.inv(image.affine), counted["C4"])[2]
        image = image.slicer[:, :, : int(high)]
    found = examine(image.get_fdata(), SegmentOptions(), affine=image.affine, predictor=model)
    return _describe_neck(found, counted)


def _count_neck(found: Findings, case: RealCase) -> dict[str, NDArray[np.float64]]:
    """Level to (3,) RAS middle of each body from C2 down; empty where T2 is not at its point."""
    points = nib.load(case.masks["points"])
    marked = np.asarray(points.dataobj)
    at = {
        value: nib.affines.apply_affine(points.affine, np.argwhere(marked == value).mean(axis=0))
        for value in (2, 9)
    }
    bones = [item.centroid_ijk for item in found.instances.items if item.kind == "vertebra"]
    place = found.working.grid.ijk_to_ras(bones)
    first = int(np.abs(place[:, 2] - at[2][2]).argmin())
    second = int(np.abs(place[:, 2] - at[9][2]).argmin())
    # A point lies in the canal, behind and above the middle of its leaning body.
    if second - first not in (7, 8):
        return {}
    return {USUAL[1 + n]: middle for n, middle in enumerate(place[first:])}


def _describe_neck(found: Findings, counted: Mapping[str, NDArray[np.float64]]) -> dict[str, Any]:
    """What is stored of a neck: a vertebra is the level that was counted where its middle is."""
    truth: list[str | None] = []
    for item in found.instances.items:
        (middle,) = found.working.grid.ijk_to_ras([item.centroid_ijk])
        near = [
            level for level, at in counted.items() if np.linalg.norm(at - middle) < SAME_BONE_MM
        ]
        truth.append(near[0] if near and item.kind == "vertebra" else None)
    stored = describe_case(found, np.zeros(found.scan.volume.shape, np.uint8))
    return {**stored, "truth": truth}


def _describe_bones(case: RealCase, view: str, stored: dict[str, Any]) -> Iterator[Bone]:
    items = stored["evidence"]["items"]
    known = [(item, name) for item, name in zip(items, stored["truth"], strict=True)]
    known = [(item, name) for item, name in known if item["kind"] != "disc"]
    for n, (item, name) in enumerate(known):
        if name not in LEVEL_SIZES or item["partial"]:
            continue
        error, sharp = locate(np.array(item["levels"]), USUAL.index(name))
        size = LEVEL_SIZES[name]
        pitch = float("nan")
        below, level = known[n + 1] if n + 1 < len(known) else (item, None)
        if level in LEVEL_SIZES and not below["partial"]:
            usual = 0.5 * (size.height + LEVEL_SIZES[level].height) + size.disc
            pitch = float(np.log((below["position_mm"] - item["position_mm"]) / usual))
        yield Bone(
            case.dataset,
            case.name,
            view,
            name,
            round(error, 3),
            round(sharp, 3),
            round(float(np.log(item["height_mm"] / size.height)), 3),
            round(float(np.log(item["depth_mm"] / size.depth)), 3),
            round(pitch, 3),
        )


def locate(said: NDArray[np.float64], true_place: int) -> tuple[float, float]:
    """Levels that a distribution's place is off, and its largest probability.

    Args:
        said: (27,) over LEVELS; T13 counts as T12 and L6 as L5.
        true_place: in the usual column.
    """
    usual = np.array([said[LEVELS.index(name)] for name in USUAL])
    usual[USUAL.index("T12")] += said[LEVELS.index("T13")]
    usual[USUAL.index("L5")] += said[LEVELS.index("L6")]
    best = int(usual.argmax())
    near = np.arange(max(best - NEAR, 0), min(best + NEAR + 1, len(usual)))
    place = float((usual[near] * near).sum() / usual[near].sum())
    return place - true_place, float(usual[best] / usual.sum())


def format_rates(bones: Sequence[Bone]) -> str:
    """Errors per region and view, then errors of sizes."""
    lines = [
        "| bones | view | bones, scans | off by, mean and spread | half a level or more |"
        " from one to the next | mean largest probability |",
        "|---|---|---|---|---|---|---|",
    ]
    for region, names in REGIONS.items():
        for view in ("whole", "cut", "neck", "neck, cut"):
            mine = [bone for bone in bones if bone.level in names and bone.view == view]
            if not mine:
                continue
            off = np.array([bone.error for bone in mine])
            steps = [
                b.error - a.error
                for a, b in pairwise(bones)
                if b in mine and (a.case, a.view) == (b.case, b.view)
            ]
            lines.append(
                f"| {region} | {view} | {len(mine)}, {len({b.case for b in mine})} | "
                f"{off.mean():+.2f}, {off.std():.2f} | {np.mean(np.abs(off) >= 0.5):.0%} | "
                f"{np.std(steps) if steps else float('nan'):.2f} | "
                f"{np.mean([bone.sharp for bone in mine]):.2f} |"
            )
    return "\n".join([*lines, "", *_format_sizes(bones)])


def _format_sizes(bones: Sequence[Bone]) -> list[str]:
    """Measured over mean sizes: mean, and spreads between scans and within one."""
    lines = ["| size | set | mean | between scans | within a scan |", "|---|---|---|---|---|"]
    whole = [bone for bone in bones if "cut" not in bone.view]
    for size in ("height", "depth", "pitch", "height over depth"):
        for dataset in dict.fromkeys(bone.dataset for bone in whole):
            scans: dict[str, list[float]] = {}
            for bone in whole:
                if bone.dataset == dataset and bone.level != "C2":
                    value = (
                        bone.height - bone.depth
                        if size == "height over depth"
                        else getattr(bone, size)
                    )
                    scans.setdefault(bone.case, []).append(value)
            means = [float(np.nanmean(values)) for values in scans.values()]
            inner = [v - np.nanmean(values) for values in scans.values() for v in values]
            lines.append(
                f"| {size} | {dataset} | {np.mean(means):+.3f} | {np.std(means):.3f} | "
                f"{np.nanstd(inner):.3f} |"
            )
    return lines
