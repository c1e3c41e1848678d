"""Predictions and references on disk, scored on the reference's grid.

Knows files and grids; which belong together is decided in `pairing`, what is judged, and how, in
`scoring`.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy import ndimage

from spinekit.anatomy.scheme import NAMES, VALUES
from spinekit.core.errors import GeometryError, InputError, SpineKitError, UsageError
from spinekit.core.geometry import oriented_volume
from spinekit.core.grid import Grid
from spinekit.core.volume import Volume
from spinekit.doubts import refuse_scan
from spinekit.evaluation import reference as annotations
from spinekit.evaluation.pairing import Files, Pair, pair_files
from spinekit.evaluation.reference import LabelMap, Reference
from spinekit.evaluation.scoring import CaseScores, evaluate_case, tells_bodies
from spinekit.io.discovery import ending_of
from spinekit.io.reading import read_labels
from spinekit.labelling.meanings import read_meanings

NAMED_KINDS = ("dseg", "", "bodies", "discs", "names")  # kinds whose values are names
WHOLE, SINGLY = ("dseg", ""), ("bodies", "discs", "names", "cord")  # of which a prediction is one
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
        unmarked: scans in whose reference nothing is marked that could be compared; they are in no
            figure.
        without_parts: scans whose bodies were not compared: the reference tells them from arches,
            and the prediction has no parts.
        whole: scans whose reference is of bodies alone, and whose prediction has vertebrae without
            parts; if these have arches, they count as body.
        foreign: compared file → its values without a meaning in SpineKit's scheme. Another
            scheme's file has such values, and what else it holds is then misread.
    """

    cases: tuple[CaseScores, ...]
    without_prediction: tuple[str, ...]
    failed: Mapping[str, SpineKitError]
    foreign: Mapping[Path, tuple[int, ...]]
    without_parts: tuple[str, ...] = ()
    unmarked: tuple[str, ...] = ()
    whole: tuple[str, ...] = ()


def evaluate_files(
    pred: str | Path,
    ref: str | Path,
    *,
    bodies: bool = False,
    annotated_only: bool | None = None,
) -> Evaluation:
    """Score predicted label files against reference files.

    Of folders, a scan that cannot be scored is told in the answer, and the others are scored.

    Args:
        pred: `<stem>_dseg.*`, or a folder of them; `<stem>_parts.*` beside it is used too, and
            without it bodies are not compared with those that a reference tells from arches.
            Without `_dseg`, `_bodies`, `_discs`, `_names` and `_cord` are joined, as those of a
            reference are.
        ref: label map, or a folder of them; the suffixes `_bodies`, `_discs`, `_cord`,
            `_points`, `_parts` with `_names` say that only this is annotated.
        bodies: compare vertebral bodies only where the reference tells them apart or, having no
            parts, is taken to hold nothing else.
        annotated_only: see evaluate_case.

    Returns:
        Scores of every scan that has both. Dataset and subject are those in `index.json` beside
        the references; see _owner for scans that it does not list.

    Raises:
        UsageError: nothing to compare, or one stem twice.
        InputError: a file was given, and it or its reference cannot be read; `index.json` is
            damaged.
        GeometryError: a file was given, and has no voxel in common with its reference.
    """
    pred, ref = Path(pred), Path(ref)
    pairs, missing = pair_files(pred, ref)
    if not pairs:
        raise UsageError(
            "nothing-to-compare",
            f"no file in {pred} has the name of a reference in {ref}",
            "name predictions <stem>_dseg and references <stem> or <stem>_bodies, _discs, …",
        )
    index = _read_index(ref if ref.is_dir() else ref.parent)
    cases, failed, without_parts, unmarked, whole = [], {}, [], [], []
    foreign: dict[Path, tuple[int, ...]] = {}
    for pair in pairs:
        try:
            scores, odd, told, arches = _score(pair, bodies=bodies, annotated_only=annotated_only)
        except SpineKitError as error:
            if pred.is_file() or ref.is_file():
                raise
            failed[pair.name] = error
            continue
        dataset, subject = index.get(pair.name) or _owner(pair, ref)
        foreign |= odd
        if told and scores.is_empty:
            unmarked.append(pair.name)
            continue
        cases.append(replace(scores, dataset=dataset, subject=subject))
        without_parts += [] if told else [pair.name]
        whole += [pair.name] if arches else []
    rest = tuple(missing), failed, foreign, tuple(without_parts), tuple(unmarked), tuple(whole)
    return Evaluation(tuple(cases), *rest)


def find_foreign_values(files: Files, volumes: Mapping[str, Volume]) -> dict[Path, tuple[int, ...]]:
    """Label files with values that mean nothing in SpineKit's scheme.

    Args:
        files: kind → file, see pairing.KINDS.
        volumes: kind → labels of those that were read; only NAMED_KINDS are looked at.

    Returns:
        File → its rising values without a meaning; files without any are left out.
    """
    known = [0, *NAMES]
    foreign = {}
    for kind in NAMED_KINDS:
        if kind in volumes:
            values = np.setdiff1d(volumes[kind].array.ravel(order="K"), known)
            if values.size:
                foreign[files[kind]] = tuple(int(value) for value in values)
    return foreign


def read_volumes(files: Files) -> dict[str, Volume]:
    """Label files by kind, oriented so that i→R, j→A, k→S.

    Where values are names, those that 3D Slicer keeps in the file count above the values.

    Raises:
        InputError: an unreadable file, or names in it that contradict its values and are not ours.
    """
    volumes = {kind: oriented_volume(read_labels(path)) for kind, path in files.items()}
    for kind in volumes.keys() & set(NAMED_KINDS):
        if ending_of(files[kind]) == ".nrrd":
            volumes[kind] = _by_segments(files[kind], volumes[kind])
    return volumes


def _by_segments(path: Path, volume: Volume) -> Volume:
    """Labels in the values of what their segments are called; values without a name stay."""
    present = np.unique(volume.array)
    meanings = read_meanings(path, NAMES, present[present != 0].tolist())
    wrong = {value: text for value, text in meanings.unused.items() if value in NAMES}
    if wrong:
        value, text = next(iter(wrong.items()))
        raise InputError(
            "segment-names",
            f"{path.name}: calls {value} {text!r}, which is {NAMES[value]} by its value",
            "name the segment as SpineKit does, such as L4, or put the file into its values: "
            "`spinekit labels convert --from SCHEME`",
        )
    ours = present.astype(np.int32)
    for value, name in meanings.names.items():
        ours[present == value] = VALUES[name]
    return Volume(ours[np.searchsorted(present, volume.array)], volume.grid)


def read_annotated(files: Files) -> dict[str, Volume]:
    """What is marked in one scan, by kind; the scan itself beside its labels is passed over.

    Raises:
        InputError: an unreadable file, or no labels but a scan.
    """
    marked = {kind: path for kind, path in files.items() if kind}
    volumes = read_volumes(marked)
    if "" in files and "dseg" not in marked:
        try:
            plain = read_volumes({"": files[""]})
            refuse_scan(str(files[""]), plain[""].array)
        except InputError:
            if not marked:
                raise
        else:
            volumes = plain | volumes
    return volumes


def read_reference(stem: str, files: Files) -> tuple[Reference, Grid]:
    """Read all that is annotated in one scan; see build_reference.

    Raises:
        InputError: an unreadable file, or SPIDER's parts without names.
    """
    return build_reference(stem, files, read_annotated(files), bodies=False)


def build_reference(
    stem: str, files: Files, volumes: Mapping[str, Volume], *, bodies: bool
) -> tuple[Reference, Grid]:
    """Join all that is annotated in one scan.

    Args:
        stem: its name.
        files: kind → file, see pairing.KINDS; "" is a label map with SpineKit's values.
        volumes: what read_volumes found in them.
        bodies: see evaluate_files.

    Returns:
        The reference, oriented so that i→R, j→A, k→S, and its grid.

    Raises:
        InputError: SPIDER's parts without names.
        GeometryError: two files have no voxel in common.
    """
    grid = next(iter(volumes.values())).grid
    maps = {kind: _on_grid(volume, grid, files[kind]) for kind, volume in volumes.items()}
    found = [build(stem, maps[kind]) for kind, build in SINGLE.items() if kind in maps]
    label_map, parts = maps.get("dseg", maps.get("")), maps.get("parts")
    if label_map is not None and bodies and parts is None:
        found.append(annotations.bodies_reference(stem, label_map))
    elif label_map is not None:
        whole = annotations.labels_reference(stem, label_map, parts, spacing_mm=grid.spacing_mm)
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


class _Scored(NamedTuple):
    """What came out of one scan."""

    scores: CaseScores
    foreign: dict[Path, tuple[int, ...]]
    """Its files with values without a meaning."""
    told: bool
    """Whether its bodies could be compared, see tells_bodies."""
    whole: bool
    """Whether vertebrae, arches and all, answered a reference of bodies alone."""


def _score(pair: Pair, *, bodies: bool, annotated_only: bool | None) -> _Scored:
    """Score one scan, every file of which is read once."""
    truth = read_annotated(pair.ref)
    reference, grid = build_reference(pair.name, pair.ref, truth, bodies=bodies)
    wanted = ("dseg", "parts") if "dseg" in pair.pred else (*WHOLE, *SINGLY, "parts")
    asked = {kind: pair.pred[kind] for kind in wanted if kind in pair.pred}
    seen = read_annotated(asked)
    kinds = [kind for kind in WHOLE if kind in seen][:1]
    kinds = kinds or [kind for kind in SINGLY if kind in seen]
    if not kinds:
        raise InputError(
            "prediction-incomplete",
            f"{pair.name} has {', '.join(sorted(pair.pred))} but no labels with names",
            "put <stem>_dseg beside it",
        )
    seen = {kind: seen[kind] for kind in (*kinds, "parts") if kind in seen}
    maps = {k: _on_grid(volume, grid, pair.pred[k]) for k, volume in seen.items()}
    if "cord" in kinds:  # whatever its value, as in a reference
        maps["cord"] = np.where(maps["cord"] > 0, VALUES["spinal_cord"], 0)
    label_map = maps[kinds[0]]
    for kind in kinds[1:]:
        label_map = np.where(label_map == 0, maps[kind], label_map)
    parts = maps.get("parts")
    if parts is None and "bodies" in kinds:
        # Of what is called so nothing is an arch, and it answers no whole vertebra.
        parts = np.zeros_like(label_map)
        reference = replace(reference, vertebrae=None) if reference.with_arches else reference
    scores = evaluate_case(
        label_map, parts, reference, grid.spacing_mm, annotated_only=annotated_only
    )
    odd = find_foreign_values(pair.pred, seen) | find_foreign_values(pair.ref, truth)
    whole = parts is None and "bodies" in truth and "body" in scores.kinds
    whole &= bool(np.isin(label_map, annotations.VERTEBRAE).any())
    return _Scored(scores, odd, tells_bodies(parts, reference), whole)


def _on_grid(volume: Volume, grid: Grid, path: Path) -> LabelMap:
    """Oriented labels on a grid: the same voxels where the grids agree, else the nearest ones."""
    if volume.grid.is_close(grid, tolerance_mm=SAME_GRID_MM):
        return volume.array
    to_source = np.linalg.inv(volume.grid.affine) @ grid.affine
    inside = ndimage.affine_transform(
        np.ones(volume.shape, dtype=np.uint8),
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
        volume.array, to_source, output_shape=grid.shape, order=0, mode="grid-constant"
    )
    return moved


def _owner(pair: Pair, ref: Path) -> tuple[str, str]:
    """Dataset and subject of a scan by where its reference lies.

    Below a folder `sub-…` of BIDS that is the subject, and the dataset the folder around it.
    Folders that tell scans apart are subjects, of the dataset that REF is. Else the dataset is
    the folder of the reference, and every scan a subject.
    """
    files = [pair.ref[kind] for kind in pair.ref if kind] or list(pair.ref.values())
    path = files[0].absolute()
    subject = path.name.split("_")[0]
    if subject.startswith("sub-"):
        for folder in path.parents:
            if folder.name == subject:
                return folder.parent.name, subject
    if pair.folder != Path():
        return ref.absolute().name, pair.folder.as_posix()
    return path.parent.name, pair.name


def _read_index(folder: Path) -> dict[str, tuple[str, str]]:
    """Scan → (dataset, subject) from `index.json` in the folder or above it; empty without.

    What names no scans is another program's.

    Raises:
        InputError: It is damaged, or does not say this of every scan it names.
    """
    for path in (folder / "index.json", folder.parent / "index.json"):
        if not path.is_file():
            continue
        try:
            entries = json.loads(path.read_text(encoding="utf-8"))
            scans = entries if isinstance(entries, list) else []
            if any(isinstance(entry, dict) and "name" in entry for entry in scans):
                return {e["name"]: (str(e["dataset"]), str(e["subject"])) for e in entries}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(
                "index-damaged",
                f"{path}: is no list of scans, each with name, dataset and subject",
                "correct it, or move it away: every scan is then a subject",
            ) from error
    return {}
