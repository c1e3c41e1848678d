"""Columns that went through splitting and network: phantoms and real scans, with their truth.

What was found in a scan is stored and read back the next time, by the hashes of the model and of
the code between scan and column. It knows no labeller.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from columns import COUNTS, Column
from spinekit.anatomy.column import LEVELS, SACRUM
from spinekit.anatomy.items import Instances
from spinekit.anatomy.scheme import NAMES, PARTS
from spinekit.core.geometry import normalise_labels
from spinekit.datasets.real import RealCase, list_real_cases, real_data_folder
from spinekit.io.reading import read_labels
from spinekit.io.writing import write_bytes
from spinekit.options import SegmentOptions
from spinekit.pipeline import Findings, examine
from spinekit.prediction.predictor import ModelPredictor, load_predictor
from spinekit.report import describe_evidence, recall_evidence
from spinekit.synth.phantom import draw_phantom
from spinekit.training.packing import hash_source

STORE = Path(".spinekit/naming")
IMAGE_VIEWS: tuple[int | None, ...] = (5, 8, 10, 15, None)
PER_VIEW = 12
SEEDS = 870_000
"""Of the phantoms; no recipe trains on them."""
USUAL = tuple(name for name in LEVELS if name not in ("T13", "L6", SACRUM))
BELONGS = 0.3
"""An instance is a level when it covers this share of the level, and only of one."""


def image_cases(
    model: Path | None, threads: int, comments: dict[str, str]
) -> Iterator[tuple[str, str, Column]]:
    """View, name and column of every phantom; half of them with a deviating count."""
    predictor = load_model(model, threads, comments)
    todo = [(view, n) for view in IMAGE_VIEWS for n in range(PER_VIEW)]
    for view, n in tqdm(todo, unit="phantom"):
        seed = SEEDS + 100 * (view or 0) + n
        name = f"phantom{seed}"
        examined = partial(_examine_phantom, predictor, seed, view)
        yield str(view or "all"), name, _column(recall_case(predictor, name, examined))


def real_cases(
    model: Path | None, threads: int, sets: list[str] | None, comments: dict[str, str]
) -> Iterator[tuple[str, str, Column]]:
    """Name, dataset and column of every real scan with annotated bodies; nothing without scans."""
    folder = real_data_folder()
    if folder is None:
        return
    predictor = load_model(model, threads, comments)
    cases = [
        case
        for case in list_real_cases(folder)
        if {"bodies", "names"} & set(case.masks) and (sets is None or case.dataset in sets)
    ]
    for case in tqdm(cases, unit="scan"):
        stored = recall_case(predictor, case.name, partial(examine_case, predictor, case))
        yield case.name, case.dataset, _column(stored)


def examine_case(predictor: ModelPredictor, case: RealCase) -> dict[str, Any]:
    """What is found in one real scan, with the levels of what is annotated."""
    found = examine(case.image, SegmentOptions(), predictor=predictor)
    return describe_case(found, read_annotated(case))


def load_model(model: Path | None, threads: int, comments: dict[str, str]) -> ModelPredictor:
    """The model, None for the shipped; its weights and recipe go into the comments."""
    predictor = load_predictor(None if model is None else str(model), threads=threads)
    assert isinstance(predictor, ModelPredictor)
    spec = predictor.model.spec
    comments["weights_sha256"] = str(spec.facts["weights_sha256"])
    comments["recipe"] = spec.name
    return predictor


def recall_case(
    predictor: ModelPredictor, name: str, examined: Callable[[], dict[str, Any]]
) -> dict[str, Any]:
    """What the model found in a case: as stored, or examined now and stored."""
    path = STORE / f"{predictor.model.sha256[:12]}-{_hash_code()}" / f"{name}.json"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(path, json.dumps(examined()).encode("utf-8"))
    stored: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return stored


@cache
def _hash_code() -> str:
    """Changes with the code that draws, reads and splits what is stored."""
    digest = hashlib.sha256(Path(__file__).read_bytes())
    inside = (f"spinekit.{package}" for package in ("core", "instances", "prediction", "synth"))
    for package in ("spinekit", *inside):
        digest.update(hash_source(package).encode())
    return digest.hexdigest()[:12]


def read_annotated(case: RealCase) -> NDArray[np.uint8]:
    """(I, J, K) label values of the annotated vertebrae, bodies where they are told."""
    kind = "bodies" if "bodies" in case.masks else "names"
    values = read_labels(case.masks[kind]).array
    bones = [value for value, name in NAMES.items() if name in LEVELS]
    return np.where(np.isin(values, bones), values, 0).astype(np.uint8)


def _examine_phantom(predictor: ModelPredictor, seed: int, view: int | None) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    anomalies = (str(rng.choice(COUNTS)),) if rng.random() < 0.5 else ()
    line = [*USUAL, SACRUM]
    first, last = 0, len(line) - 1
    if view is not None:
        first = int(rng.integers(1, len(line) - view))
        last = first + view - 1
        # With the last vertebra the sacrum is in view too.
        last += last == len(line) - 2
    pixel = float(rng.uniform(0.8, 1.2))
    phantom = draw_phantom(
        seed,
        fov="lumbar" if view else "whole",
        span=(line[first], line[last]),
        spacing_mm=(4.0, pixel, pixel),
        anomalies=anomalies,
    )
    found = examine(
        phantom.image, SegmentOptions(), affine=phantom.grid.affine, predictor=predictor
    )
    return describe_case(found, phantom.labels, phantom.truth["column"], list(anomalies))


def describe_case(
    found: Findings,
    labels: NDArray[np.uint8],
    levels: Sequence[str] = (*USUAL, SACRUM),
    anomalies: Sequence[str] = (),
) -> dict[str, Any]:
    """What is stored of a case.

    Args:
        found: in the scan.
        labels: (I, J, K) label values of the vertebrae that are known, on the scan's grid.
        levels: of the patient's whole column, the sacrum last.
        anomalies: of the patient.
    """
    evidence = describe_evidence(found.instances, found.evidence, (), found.working.grid)
    return {
        "evidence": evidence,
        "truth": _true_levels(found.instances, normalise_labels(labels, found.record)),
        "levels": list(levels[:-1]),
        "anomalies": list(anomalies),
    }


def _true_levels(instances: Instances, truth: NDArray[np.uint8]) -> list[str | None]:
    """Level of each item that is one vertebra or the sacrum, None for all others."""
    size = np.bincount(truth[instances.parts > 0], minlength=256)
    owners: list[str | None] = []
    for item in instances.items:
        where = instances.vertebra_map == item.index
        if item.kind == "disc":
            owners.append(None)
            continue
        if item.kind == "sacrum":
            owners.append(SACRUM)
            continue
        inside = np.bincount(truth[where & (instances.parts == PARTS.index("body"))], minlength=256)
        held = [
            NAMES[int(value)]
            for value in np.flatnonzero(inside)
            if NAMES.get(int(value)) in LEVELS and inside[value] > BELONGS * size[value]
        ]
        owners.append(held[0] if len(held) == 1 else None)
    return [name if owners.count(name) == 1 else None for name in owners]


def _column(stored: dict[str, Any]) -> Column:
    instances, evidence, _ = recall_evidence(stored["evidence"])
    truth = tuple(stored["truth"])
    return Column(
        instances=instances,
        evidence=evidence,
        truth=truth,
        scored=tuple(
            n
            for n, item in enumerate(instances.items)
            if truth[n] is not None and item.kind == "vertebra" and not item.partial
        ),
        levels=tuple(stored["levels"]),
        anomalies=tuple(stored["anomalies"]),
    )


if __name__ == "__main__":
    sys.exit("run benchmarks/naming.py")
