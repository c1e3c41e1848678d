"""One case, from the files it came in to those it is trained from; nothing else is touched.

read → one label map → one frame → one grid → structures chosen → files, and a record of all that
happened, written last. It knows one case and the recipe, not the set.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from spinekit import __version__
from spinekit.anatomy.scheme import NAMES, VALUES
from spinekit.core.errors import InputError, SpineKitError
from spinekit.core.geometry import oriented_grid, working_grid
from spinekit.core.grid import Grid
from spinekit.core.volume import Volume
from spinekit.curation.augmentation import apply_changes, sample_changes
from spinekit.curation.belongings import making, pair_files
from spinekit.curation.crops import cut, cut_grid_at, sample_crops
from spinekit.curation.doctor.meaning import kind_of
from spinekit.curation.encoding import Encoder, anomaly_of, missing_structures
from spinekit.curation.fingerprints import fingerprint, is_same
from spinekit.curation.reading import CaseData, read_case
from spinekit.curation.recipe import PrepareRecipe, Source, digest
from spinekit.curation.regrid import (
    cut_grid,
    resample_image,
    resample_labels,
    spaced_grid,
    stretched_grid,
)
from spinekit.curation.touched import EMPTY, describe_made, find_touched, refuse_touched
from spinekit.datasets.case import Case, MaskFile
from spinekit.io.discovery import stem_of
from spinekit.io.reading import read_label_file
from spinekit.io.writing import write_image, write_json, write_labels

SCHEMA_VERSION = 1
_MOST_ROUNDING = 0.01
"""Share of an image's range by which rounding to whole numbers may move its grey values."""


@dataclass(frozen=True)
class Job:
    """One case to prepare."""

    name: str
    """Unique in the prepared set; first part of the names of its files."""
    case: Case
    source: Source
    recipe: PrepareRecipe
    out: Path

    @property
    def record(self) -> Path:
        """The file that says it is done."""
        return self.out / "cases" / f"{self.name}.json"

    @property
    def outputs(self) -> list[str]:
        """Names of the pairs that may come of it: the whole, its crops and its changed copies."""
        crops = [f"{self.name}_crop{n:02d}" for n in range(1, self.recipe.crops + 1)]
        copies = [f"{self.name}_a{n}" for n in range(1, self.recipe.augment + 1)]
        return [self.name, *crops, *copies]

    @property
    def options(self) -> str:
        """Digest of what decides its files."""
        return digest([self.recipe.case_options(), self.source.case_options()])

    @property
    def said(self) -> str:
        """Digest of what is said of it: patient, facts, values of its masks, bodies or whole."""
        case = self.case
        masks = [[dict(m.values), m.scheme, m.binary, m.points] for m in case.masks]
        facts = [case.subject, case.session, case.contrast, dict(case.facts), *case.shown]
        is_bodies = self._others is not None
        return digest([self.source.name or case.dataset, facts, masks, is_bodies])

    @property
    def bodies_only(self) -> bool:
        """Whether a mask marks of vertebrae their bodies alone, and no other the rest of them."""
        return self._others is not None and not any(map(_has_vertebra, self._others))

    @property
    def _others(self) -> list[MaskFile] | None:
        """Masks beside those said to mark bodies alone; None for none so, or the rest of bone."""
        masks, said = self.case.masks, self.source.bodies_only
        others = [
            m
            for m in masks
            if not (m.bodies_only or any(fnmatchcase(stem_of(m.path), p) for p in said))
        ]
        meanings = {name for mask in others for name in mask.values.values()}
        is_said = len(others) < len(masks) and not meanings & {"vertebra", "posterior"}
        return others if is_said else None

    @property
    def inputs(self) -> list[tuple[Path, str | None]]:
        """Image with its series where its folder holds several, and masks."""
        image = (self.case.image, self.case.series)
        return [image, *((mask.path, None) for mask in self.case.masks)]


def _has_vertebra(mask: MaskFile) -> bool:
    """Whether a mask marks a vertebra by name; one of a scheme that cannot be read marks none."""
    named = [value for value, name in mask.values.items() if kind_of(name) == "vertebra"]
    if mask.binary or not named:
        return bool(named)
    with contextlib.suppress(SpineKitError):
        return bool(np.isin(read_label_file(mask.path)[0].array, named).any())
    return False


def prepare_case(job: Job) -> dict[str, Any]:
    """Prepare a case and write its files.

    Args:
        job: What is to be done.

    Returns:
        The record, as written to `cases/<name>.json`.

    Raises:
        SpineKitError: It cannot be read or prepared, or a person has changed a file of it, and
            what was there of it is as it was; or it cannot be written, and none of its files is
            left.
    """
    refuse_touched(job.record)
    seconds: dict[str, float] = {}
    with _timed(seconds, "read"):
        inputs = [fingerprint(path, uid, job.source.folder) for path, uid in job.inputs]
    with _timed(seconds, "prepare"):
        data = read_case(job.case, job.source, job.recipe)
        before = _describe_grid(data.grid)
        _regrid(data, job.recipe)
        _check_image_type(data, job)
    present = [int(value) for value in np.unique(data.labels) if value]
    with making(job.record, job.outputs) as written:
        outputs = [
            _write(out, job, data, written, seconds) for out in _versions(data, job, seconds)
        ]
        if job.case.masks and not outputs[0]["structures"]:
            data.note(EMPTY.code, EMPTY.text)
        record = _record(job, data, inputs, outputs, before, present)
        write_json(job.record, record)
    seconds["read"] += data.seconds_reading
    seconds["prepare"] -= data.seconds_reading
    return record | {"seconds": {key: round(value, 3) for key, value in seconds.items()}}


def is_done(job: Job) -> str:
    """What is known of a case that may have been prepared before.

    Returns:
        `done`; `touched` where it is, and a person has changed a file of it since; `changed` where
        its inputs, or what is said of them, are others now; `other` where it was made with other
        options; `open` where files are missing.
    """
    record = _read_record(job)
    if record is None:
        return "open"
    if record["options"] != job.options:
        return "other"
    known = record["inputs"]
    if record["said"] != job.said or len(known) != len(job.inputs):
        return "changed"
    for (path, uid), row in zip(job.inputs, known, strict=True):
        if not is_same(path, uid, job.source.folder, row):
            return "changed"
    was_touched = any(row.get("touched") for row in record["outputs"])
    return "touched" if was_touched or find_touched(job.record, record) else "done"


def has_other_options(job: Job) -> bool:
    """Whether a case is there that was made with other options."""
    record = _read_record(job)
    return record is not None and record["options"] != job.options


def _read_record(job: Job) -> dict[str, Any] | None:
    """The record of a case; None where it, or a file that it names, is not there."""
    try:
        record: dict[str, Any] = json.loads(job.record.read_bytes())
        names = [row["name"] for row in record["outputs"]]
        is_whole = {"options", "inputs", "said"} <= record.keys()
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    is_there = all(path.exists() for path in pair_files(job.out, names))
    return record if is_whole and is_there else None


@dataclass(frozen=True)
class _Version:
    """A version of the case that becomes two files."""

    name: str
    kind: str
    image: NDArray[np.float32]
    labels: NDArray[np.uint8]
    grid: Grid
    facts: dict[str, Any]


def _regrid(data: CaseData, recipe: PrepareRecipe) -> None:
    """Bring image and labels onto the recipe's grid, in place."""
    target = data.grid
    if target.is_sheared:
        target = working_grid(target, in_plane_mm=min(target.spacing_mm), min_slice_mm=0.1)
    if recipe.orientation:
        target = oriented_grid(target, recipe.orientation)
    if recipe.spacing_mm:
        target = spaced_grid(target, recipe.spacing_mm)
    elif recipe.size:
        target = stretched_grid(target, recipe.size)
    if target == data.grid and not (recipe.spacing_mm and recipe.size):
        return
    labels, beyond = resample_labels(data.labels, data.grid, target, method=recipe.label_method)
    if recipe.spacing_mm and recipe.size:
        middle = ndimage.center_of_mass((labels > 0) | (not labels.any()))
        target = cut_grid(target, recipe.size, [float(n) for n in middle])
        labels, beyond = resample_labels(data.labels, data.grid, target, method=recipe.label_method)
    data.image = resample_image(data.image, data.grid, target, order=recipe.image_order)
    for value in beyond:
        voxels = int(np.count_nonzero(data.labels == value))
        lost = {"name": NAMES[value], "voxels": voxels, "reason": "beyond-grid", "file": ""}
        data.losses.append(lost)
    data.labels, data.grid = labels, target


def _versions(data: CaseData, job: Job, seconds: dict[str, float]) -> Iterator[_Version]:
    """The whole case, its crops and its changed copies, one in memory at a time."""
    recipe = job.recipe
    yield _Version(job.name, "whole", data.image, data.labels, data.grid, {})
    rng = _random(recipe, job.name, "crops")
    crops = sample_crops(Volume(data.labels, data.grid), recipe.crops, recipe.crop_vertebrae, rng)
    if recipe.crops and not crops:
        data.note("no-crops", f"fewer than {recipe.crop_vertebrae[0]} whole vertebrae to crop")
    names = job.outputs[1:]
    for name, crop in zip(names, crops, strict=False):
        yield _Version(
            name, "crop", cut(data.image, crop), cut(data.labels, crop),
            cut_grid_at(data.grid, crop), {"vertebrae": list(crop.names)},
        )  # fmt: skip
    for n, name in enumerate(names[recipe.crops :], start=1):
        with _timed(seconds, "prepare"):
            changes = sample_changes(
                _random(recipe, job.name, f"copy{n}"), label_to_image=recipe.label_to_image
            )
            image, labels = apply_changes(data.image, data.labels, data.grid, changes)
        told = {"changes": [change.to_dict() for change in changes]}
        yield _Version(name, "augmented", image, labels, data.grid, told)


def _write(
    version: _Version, job: Job, data: CaseData, written: list[Path], seconds: dict[str, float]
) -> dict[str, Any]:
    """Write a version's two files; its row of the record."""
    encoded, structures, losses = Encoder.of(job.recipe).encode(version.labels)
    row = {
        "name": version.name,
        "kind": version.kind,
        "image": f"images/{version.name}.nii.gz",
        "labels": f"labels/{version.name}.nii.gz",
        **version.facts,
        "structures": structures,
        "losses": losses,
    }
    kind = _image_type(version.image, job.recipe.image_type, data)
    with _timed(seconds, "write"):
        image_path, labels_path = pair_files(job.out, [version.name])
        image = np.rint(version.image) if kind == "int16" else version.image
        write_image(image_path, image, version.grid, dtype=kind)
        written.append(image_path)
        write_labels(labels_path, encoded, version.grid)
        written.append(labels_path)
    return row | {"made": describe_made((image_path, labels_path))}


def _check_image_type(data: CaseData, job: Job) -> None:
    """Refuse, before anything of the case is replaced, what `_image_type` would refuse."""
    most = _MOST_ROUNDING * float(np.ptp(data.image))
    if job.recipe.image_type == "int16" and most < 0.5:  # no rounding moves a value further
        trial = replace(data, notices=[])
        for version in _versions(trial, job, {}):
            _image_type(version.image, "int16", trial)


def _image_type(image: NDArray[np.float32], wanted: str, data: CaseData) -> str:
    """`int16` where that loses nothing, or is wanted and fits.

    Raises:
        InputError: It is wanted and moves grey values by more than `_MOST_ROUNDING` of their range.
    """
    if wanted == "float32":
        return wanted
    if float(image.min()) < -32768 or float(image.max()) > 32767:
        if wanted == "int16":
            data.note("image-float32", "its grey values do not fit into 16 bits")
        return "float32"
    moved = float(np.abs(image - np.rint(image)).max())
    low, high = float(data.image.min()), float(data.image.max())
    if wanted == "int16" and moved > _MOST_ROUNDING * (high - low):
        raise InputError(
            "image-rounded",
            f"whole numbers cannot tell its grey values of {low:.4g} to {high:.4g} apart",
            'give image_type = "auto" or "float32"',
        )
    return "int16" if wanted == "int16" or moved == 0 else "float32"


def _record(
    job: Job,
    data: CaseData,
    inputs: list[dict[str, Any]],
    outputs: list[dict[str, Any]],
    before: dict[str, Any],
    present: list[int],
) -> dict[str, Any]:
    """Everything that is to be known of a prepared case; no patient field, no absolute path."""
    case = job.case
    shown = {*present, *(VALUES[name] for name in case.shown if name in VALUES)}
    return {
        "schema_version": SCHEMA_VERSION,
        "spinekit_version": __version__,
        "name": job.name,
        "dataset": job.source.name or case.dataset,
        "subject": case.subject,
        "session": case.session,
        "contrast": case.contrast,
        "bodies_only": job.bodies_only,
        "anomaly": case.facts.get("anomalies") or anomaly_of(present),
        "shown": [NAMES[value] for value in sorted(shown) if value in NAMES],
        "facts": dict(case.facts),
        "options": job.options,
        "said": job.said,
        "inputs": inputs,
        "before": before,
        "after": _describe_grid(data.grid),
        "missing": missing_structures(job.recipe, present),
        "conflicts": data.conflicts,
        "losses": data.losses + outputs[0].pop("losses"),
        "notices": data.notices,
        "outputs": [{k: v for k, v in row.items() if k != "losses"} for row in outputs],
    }


def _describe_grid(grid: Grid) -> dict[str, Any]:
    return {
        "shape": list(grid.shape),
        "spacing_mm": [round(mm, 6) for mm in grid.spacing_mm],
        "orientation": grid.orientation,
    }


def _random(recipe: PrepareRecipe, name: str, what: str) -> np.random.Generator:
    """Numbers of their own for every case, whatever else is in the set."""
    key = hashlib.sha256(f"{name}/{what}".encode()).digest()
    return np.random.default_rng([recipe.seed, int.from_bytes(key[:8], "big")])


@contextlib.contextmanager
def _timed(seconds: dict[str, float], step: str) -> Iterator[None]:
    started = time.perf_counter()
    try:
        yield
    finally:
        seconds[step] = seconds.get(step, 0.0) + time.perf_counter() - started
