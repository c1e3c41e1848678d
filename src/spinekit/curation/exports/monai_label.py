"""A datastore that a MONAI Label server opens: images, `labels/final`, `datastore_v2.json`.

Such a server splits by image, not by patient, whatever it trains on. So only the training part
gets final labels; those of the others wait under `labels/original`. It knows no voxels.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from spinekit.curation.exports.task import Export, Plan, Task
from spinekit.curation.prepared import PreparedSet, is_current, put_file
from spinekit.io.reading import hash_files
from spinekit.io.writing import output_errors, write_json

FOLDER = "monai-label"
_ENDING = ".nii.gz"
_TAGS = ("final", "original")
"""Folders of the training part's labels, and of the others'."""


def _plan(prepared: PreparedSet) -> Plan:
    plan = Plan()
    root = prepared.folder / FOLDER
    for output in prepared.outputs():
        file = f"{output.name}{_ENDING}"
        tag, former = _TAGS if output.part == "train" else _TAGS[::-1]
        places = [root / "labels" / word / file for word in (tag, former)]
        arguments = (output.image, root / file, output.labels, *places)
        plan.tasks.append(Task(output.name, _put, arguments))
    return plan


def _put(image: Path, image_target: Path, labels: Path, target: Path, former: Path) -> None:
    """Put a pair in place; a label map of a patient who changed parts goes along.

    Whoever corrects a label in 3D Slicer writes into that file.
    """
    put_file(image, image_target, share=True)
    if former.exists():
        with output_errors(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            if is_current(target, former):
                former.unlink()
            else:
                former.replace(target)
    put_file(labels, target, share=False)


def _finish(prepared: PreparedSet, names: Sequence[str]) -> None:
    """Write `datastore_v2.json`."""
    root = prepared.folder / FOLDER
    objects: dict[str, Any] = {}
    for output in prepared.outputs():
        if output.name not in names:
            continue
        tag, file = _TAGS[output.part != "train"], f"{output.name}{_ENDING}"
        path = root / "labels" / tag / file
        when = int(path.stat().st_mtime)
        about = {"ts": when, "name": file, "patient": output.record["subject"]}
        checksum = f"SHA256:{hash_files([path])}"
        objects[output.name] = {
            "image": {"ext": _ENDING, "info": about},
            "labels": {
                tag: {"ext": _ENDING, "info": {"ts": when, "checksum": checksum, "name": file}}
            },
        }
    write_json(
        root / "datastore_v2.json",
        {
            "name": prepared.recipe.name,
            "description": "prepared by SpineKit",
            "images_dir": ".",
            "labels_dir": "labels",
            "objects": objects,
        },
    )


EXPORT = Export(_plan, _finish)
