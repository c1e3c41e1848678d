"""The JSON of the Medical Segmentation Decathlon, which MONAI reads (`load_decathlon_datalist`).

It lies in the set itself and moves nothing; a value that does not mean the same in all cases is
called `varying` in it. It knows the format's keys, no voxels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from spinekit.curation.exports.task import Export, Plan
from spinekit.curation.prepared import PreparedSet
from spinekit.io.writing import write_json


def _plan(prepared: PreparedSet) -> Plan:
    listed = {name for part in ("train", "validation", "test") for name in prepared.split[part]}
    return Plan(present=[o.name for o in prepared.outputs() if o.name in listed])


def _finish(prepared: PreparedSet, names: Sequence[str]) -> None:
    """Write `dataset.json`, and `dataset_fold<n>.json` for each fold."""
    split = prepared.split
    write_json(
        prepared.folder / "dataset.json",
        _content(prepared, split["train"], split["validation"], split["test"]),
    )
    for number, fold in enumerate(split["folds"]):
        write_json(
            prepared.folder / f"dataset_fold{number}.json",
            _content(prepared, fold["train"], fold["validation"], split["test"]),
        )


def _content(
    prepared: PreparedSet, train: Sequence[str], validation: Sequence[str], test: Sequence[str]
) -> dict[str, Any]:
    rows = {
        output.name: {
            "image": f"./{output.image.relative_to(prepared.folder).as_posix()}",
            "label": f"./{output.labels.relative_to(prepared.folder).as_posix()}",
            **prepared.split["pairs"][output.name],
        }
        for output in prepared.outputs()
    }
    labels = {"0": "background"}
    labels |= {str(row["value"]): row["name"] for row in prepared.table["labels"]}
    labels |= {str(row["value"]): "varying" for row in prepared.table["varying"]}
    pairs = {
        part: [rows[name] for name in names if name in rows]
        for part, names in (("training", train), ("validation", validation), ("test", test))
    }
    return {
        "name": prepared.recipe.name,
        "description": "prepared by SpineKit; patients are on one side of the split only",
        "tensorImageSize": "3D",
        "modality": {"0": "MRI"},
        "labels": labels,
        "numTraining": len(pairs["training"]),
        "numTest": len(pairs["test"]),
        "training": pairs["training"],
        "validation": pairs["validation"],
        "test": [row["image"] for row in pairs["test"]],
    }


EXPORT = Export(_plan, _finish, ("dataset.json", "dataset_fold*.json"))
