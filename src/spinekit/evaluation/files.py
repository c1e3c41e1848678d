"""Predictions and references on disk, matched by name and scored on the reference's grid.

Knows file names and grids; what is judged, and how, is decided in `scoring`.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy import ndimage

from spinekit.anatomy.scheme import NAMES
from spinekit.core.errors import GeometryError, InputError, SpineKitError, UsageError
from spinekit.core.grid import Grid, closest_axes
from spinekit.core.volume import Volume
from spinekit.evaluation import reference as annotations
from spinekit.evaluation.reference import LabelMap, Reference
from spinekit.evaluation.scoring import CaseScores, evaluate_case
from spinekit.io.reading import read_labels

ENDINGS = (".nii.gz", ".nii", ".seg.nrrd", ".nrrd", ".mha", ".mhd")
KINDS = ("dseg", "bodies", "discs", "cord", "points", "parts", "names")
PASSED_OVER = ("levels", "image", "soft", "probseg")  # written beside labels, and none
NAMED_KINDS = ("dseg", "bodies", "discs", "names", "")  # kinds whose values are names
SAME_GRID_MM = 0.05  # closer corners than this are one grid written by two programs

SINGLE: Mapping[str, Callable[[str, LabelMap], Reference]] = {
    "bodies": annotations.bodies_reference,
    "discs": annotations.discs_reference,
    "cord": annotations.cord_reference,
    "points": annotations.points_reference,
}


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What came out of comparing two files or folders.

    Attributes:
        cases: scores by rising name.
        without_prediction: references that no prediction answers; they are not in any figure.
        failed: scan → why it could not be scored; it is not in any figure either.
        foreign: compared file → its values without a meaning in SpineKit's scheme. Another
            scheme's file has such values, and what else it holds is then misread.
    """

    cases: tuple[CaseScores, ...]
    without_prediction: tuple[str, ...]
    failed: Mapping[str, SpineKitError]
    foreign: Mapping[Path, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class LabelFiles:
    """The label files of one scan by kind, "" being a file without a known suffix."""

    stem: str
    files: Mapping[str, Path]


def evaluate_files(
    pred: Path, ref: Path, *, bodies: bool = False, annotated_only: bool | None = None
) -> Evaluation:
    """Score predicted label files against reference files.

    Of folders, a scan that cannot be scored is told in the answer, and the others are scored.

    Args:
        pred: `<stem>_dseg.*`, or a folder of them; `<stem>_parts.*` beside it is used too.
        ref: label map, or a folder of them; the suffixes `_bodies`, `_discs`, `_cord`,
            `_points`, `_parts` with `_names` say that only this is annotated.
        bodies: compare vertebral bodies only where the reference tells them apart or, having no
            parts, is taken to hold nothing else.
        annotated_only: see evaluate_case.

    Returns:
        Scores of every scan that has both. The dataset is the one in `index.json` beside the
        references, or else the reference's folder.

    Raises:
        UsageError: nothing to compare, or one stem twice.
        InputError: a file was given, and it or its reference cannot be read.
        GeometryError: a file was given, and has no voxel in common with its reference.
    """
    preds = {found.stem: found for found in find_label_files(pred)}
    refs = {found.stem: found for found in find_label_files(ref)}
    if pred.is_file() and ref.is_file():
        refs = {next(iter(preds)): next(iter(refs.values()))}
    stems = sorted(preds.keys() & refs.keys())
    if not stems:
        raise UsageError(
            "nothing-to-compare",
            f"no file in {pred} has the name of a reference in {ref}",
            "name predictions <stem>_dseg and references <stem> or <stem>_bodies, _discs, …",
        )
    index = _read_index(ref if ref.is_dir() else ref.parent)
    cases, failed = [], {}
    for stem in stems:
        folder = next(iter(refs[stem].files.values())).parent.name
        dataset, subject = index.get(stem, (folder, stem))
        try:
            reference, grid = read_reference(stem, refs[stem].files, bodies=bodies)
            reference = replace(reference, dataset=dataset, subject=subject)
            scores = score_files(preds[stem].files, reference, grid, annotated_only=annotated_only)
            cases.append(scores)
        except SpineKitError as error:
            if pred.is_file() or ref.is_file():
                raise
            failed[stem] = error
    missing = tuple(sorted(refs.keys() - preds.keys()))
    compared = [found[case.name].files for case in cases for found in (preds, refs)]
    return Evaluation(tuple(cases), missing, failed, find_foreign_values(compared))


def find_foreign_values(groups: Sequence[Mapping[str, Path]]) -> dict[Path, tuple[int, ...]]:
    """Label files with values that mean nothing in SpineKit's scheme.

    Args:
        groups: kind → file of each scan, see KINDS; only NAMED_KINDS are looked at.

    Returns:
        File → its rising values without a meaning; files without any are left out.

    Raises:
        InputError: an unreadable file.
    """
    known = [0, *NAMES]
    foreign = {}
    for path in [files[kind] for files in groups for kind in NAMED_KINDS if kind in files]:
        values = np.setdiff1d(read_labels(path).array, known)
        if values.size:
            foreign[path] = tuple(int(value) for value in values)
    return foreign


def score_files(
    files: Mapping[str, Path],
    reference: Reference,
    grid: Grid,
    *,
    annotated_only: bool | None = None,
) -> CaseScores:
    """Score one scan's predicted files.

    Args:
        files: kind ("dseg" or "", and "parts") → file.
        reference: what is annotated, oriented R, A, S.
        grid: the reference's grid, as oriented.
        annotated_only: see evaluate_case.

    Returns:
        Its scores.

    Raises:
        InputError: an unreadable file, or none with label values.
        GeometryError: prediction and reference have no voxel in common.
    """
    path = files.get("dseg") or files.get("") or next(iter(files.values()))
    dseg = _on_grid(read_labels(path), grid, path)
    parts_path = files.get("parts")
    parts = None if parts_path is None else _on_grid(read_labels(parts_path), grid, parts_path)
    return evaluate_case(dseg, parts, reference, grid.spacing_mm, annotated_only=annotated_only)


def read_reference(
    stem: str, files: Mapping[str, Path], *, bodies: bool = False
) -> tuple[Reference, Grid]:
    """Read all that is annotated in one scan.

    Args:
        stem: its name.
        files: kind → file, see KINDS; "" is a label map with SpineKit's values.
        bodies: see evaluate_files.

    Returns:
        The reference, oriented so that i→R, j→A, k→S, and its grid.

    Raises:
        InputError: an unreadable file, or SPIDER's parts without names.
    """
    volumes = {kind: orient_ras(read_labels(path)) for kind, path in files.items()}
    grid = next(iter(volumes.values())).grid
    maps = {kind: _on_grid(volume, grid, files[kind]) for kind, volume in volumes.items()}
    found = [build(stem, maps[kind]) for kind, build in SINGLE.items() if kind in maps]
    label_map, parts = maps.get("dseg", maps.get("")), maps.get("parts")
    if label_map is not None and bodies and parts is None:
        found.append(annotations.bodies_reference(stem, label_map))
    elif label_map is not None:
        whole = annotations.labels_reference(stem, label_map, parts)
        found.append(replace(whole, vertebrae=None) if bodies else whole)
    elif parts is not None and "names" in maps:
        found.append(annotations.spider_reference(stem, parts, maps["names"]))
    if not found:
        raise InputError(
            "reference-incomplete",
            f"{stem} has {', '.join(sorted(files))} but no labels with names",
            "put <stem>_names beside <stem>_parts",
        )
    joined = found[0]
    for other in found[1:]:
        joined = joined.joined(other)
    return joined, grid


def find_label_files(path: Path) -> list[LabelFiles]:
    """Label files by stem, by rising name.

    Args:
        path: a file, whose companions with another suffix are found too when they belong
            together (dseg with parts, parts with names), or a folder, searched to its bottom;
            what lies beside labels there and is none, see PASSED_OVER, is left out.

    Returns:
        One entry per stem.

    Raises:
        UsageError: nothing there, or two files of one kind share a stem.
    """
    if not path.exists():
        raise UsageError("missing", f"{path} does not exist", "check the path")
    if path.is_file():
        stem, kind = split_name(path)
        if kind in PASSED_OVER:  # whoever names it means it
            stem, kind = f"{stem}_{kind}", ""
        files = {kind: path}
        for other in {"dseg": ["parts"], "parts": ["names", "dseg"], "names": ["parts"]}.get(
            kind, []
        ):
            companion = path.with_name(path.name.replace(f"{stem}_{kind}", f"{stem}_{other}", 1))
            if companion.is_file():
                files[other] = companion
        return [LabelFiles(stem, files)]
    by_stem: dict[str, dict[str, Path]] = {}
    for file in sorted(path.rglob("*")):
        if not file.is_file() or not file.name.endswith(ENDINGS):
            continue
        stem, kind = split_name(file)
        if kind in PASSED_OVER:
            continue
        if kind in by_stem.setdefault(stem, {}):
            raise UsageError(
                "stem-twice",
                f"{file} and {by_stem[stem][kind]} have the same name",
                "compare one folder at a time",
            )
        by_stem[stem][kind] = file
    return [LabelFiles(stem, files) for stem, files in sorted(by_stem.items())]


def split_name(path: Path) -> tuple[str, str]:
    """Stem and kind of a file, see KINDS and PASSED_OVER: `scan_dseg.nii.gz` → ("scan", "dseg")."""
    name = path.name
    for ending in ENDINGS:
        if name.endswith(ending):
            name = name[: -len(ending)]
            break
    match = re.fullmatch(rf"(.+)_({'|'.join((*KINDS, *PASSED_OVER))})", name)
    return (match[1], match[2]) if match else (name, "")


def orient_ras(volume: Volume) -> Volume:
    """The same voxels with axes permuted and flipped so that i→R, j→A, k→S as nearly as can be."""
    axes = closest_axes(volume.grid.affine)
    order = [next(n for n, (axis, _) in enumerate(axes) if axis == want) for want in range(3)]
    array = volume.array.transpose(order)
    affine = np.eye(4)
    affine[:3, :3] = volume.grid.affine[:3, order]
    affine[:3, 3] = volume.grid.affine[:3, 3]
    for axis, source in enumerate(order):
        if axes[source][1] < 0:
            affine[:3, 3] += affine[:3, axis] * (array.shape[axis] - 1)
            affine[:3, axis] *= -1
            array = np.flip(array, axis)
    return Volume(array, Grid(array.shape, affine))


def _on_grid(volume: Volume, grid: Grid, path: Path) -> LabelMap:
    """Labels on a grid: the same voxels where the grids agree, else the nearest ones."""
    oriented = orient_ras(volume)
    if oriented.grid.is_close(grid, tolerance_mm=SAME_GRID_MM):
        return oriented.array
    to_source = np.linalg.inv(oriented.grid.affine) @ grid.affine
    inside = ndimage.affine_transform(
        np.ones(oriented.shape, dtype=np.uint8),
        to_source,
        output_shape=grid.shape,
        order=0,
        mode="grid-constant",
    )
    if not inside.any():
        raise GeometryError(
            "no-common-voxel",
            f"{path.name} lies elsewhere in space than what it is compared with",
            "check that both belong to the same scan",
        )
    moved: LabelMap = ndimage.affine_transform(
        oriented.array, to_source, output_shape=grid.shape, order=0, mode="grid-constant"
    )
    return moved


def _read_index(folder: Path) -> dict[str, tuple[str, str]]:
    """Scan → (dataset, subject) from `index.json` in the folder or above it; empty without."""
    for path in (folder / "index.json", folder.parent / "index.json"):
        try:
            entries: Sequence[Mapping[str, str]] = json.loads(path.read_text(encoding="utf-8"))
            return {e["name"]: (e["dataset"], e["subject"]) for e in entries}
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return {}
