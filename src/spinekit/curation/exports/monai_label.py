"""A datastore that a MONAI Label server opens: images, `labels/final`, `datastore_v2.json`.

Such a server splits by image, not by patient, whatever it trains on. So only the training part
gets final labels; those of the others wait under `labels/original`. Whoever corrects a label in 3D
Slicer writes into these files: what is in them is kept. It knows no voxels.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from spinekit.core.errors import OutputError
from spinekit.curation.exports.task import Export, Plan, Task
from spinekit.curation.prepared import PreparedSet, put_file
from spinekit.io.reading import hash_files
from spinekit.io.writing import output_errors, write_json

FOLDER = "monai-label"
STORE = "datastore_v2.json"
PLACED = "prepared"
"""What of an image in the store says where its label map was put, and which; a server that saves a
label writes its checksum anew, and leaves this."""
_ENDING = ".nii.gz"
_TAGS = ("final", "original")
"""Folders of the training part's labels, and of the others'."""


def _plan(prepared: PreparedSet) -> Plan:
    plan = Plan()
    root = prepared.folder / FOLDER
    placed = _read_placed(root / STORE)
    for output in prepared.outputs():
        file = f"{output.name}{_ENDING}"
        tag, other = _TAGS if output.part == "train" else _TAGS[::-1]
        target, former = (root / "labels" / word / file for word in (tag, other))
        before = placed.get(output.name, {})
        # Whatever is final is trained on, whoever put it there.
        has_moved = former.exists() and other in (_TAGS[0], before.get("tag"))
        ours = {before.get("checksum"), _checksum(output.labels)}
        theirs = [
            path
            for path in ([former, target] if has_moved else [target])
            if path.exists() and _checksum(path) not in ours
        ]
        for path in theirs:
            reason = f"{tag if path == target else other}/{file} was changed there, and is kept"
            plan.left_out.append({"name": output.name, "reason": f"labels/{reason}"})
        arguments = (output.image, root / file, output.labels, target, former, has_moved, theirs)
        plan.tasks.append(Task(output.name, _put, arguments))
    return plan


def _put(
    image: Path,
    image_target: Path,
    labels: Path,
    target: Path,
    former: Path,
    has_moved: bool,
    theirs: Sequence[Path],
) -> None:
    """Put a pair in place; a person's label map of a patient who changed parts goes along.

    Args:
        image: Of the set.
        image_target: Its place.
        labels: Of the set.
        target: Their place.
        former: Their place in the other part.
        has_moved: They lie in the other part.
        theirs: Which of the two places hold what a person or the server wrote.

    Raises:
        OutputError: It cannot be written, or both places hold such a label map.
    """
    put_file(image, image_target, share=True)
    if len(theirs) > 1:
        raise OutputError(
            "changed-twice",
            f"{target.name} was changed under labels/final and labels/original",
            "remove one of them",
        )
    with output_errors(target):
        if former in theirs:
            target.parent.mkdir(parents=True, exist_ok=True)
            former.replace(target)
        elif has_moved:
            former.unlink()
    if not theirs:
        put_file(labels, target, share=False)


def _finish(prepared: PreparedSet, names: Sequence[str]) -> None:
    """Write the store."""
    root = prepared.folder / FOLDER
    objects: dict[str, Any] = {}
    for output in prepared.outputs():
        if output.name not in names:
            continue
        tag, file = _TAGS[output.part != "train"], f"{output.name}{_ENDING}"
        path = root / "labels" / tag / file
        when = int(path.stat().st_mtime)
        about = {"ts": when, "name": file, "patient": output.record["subject"]}
        about[PLACED] = {"tag": tag, "checksum": _checksum(output.labels)}
        label = {"ts": when, "checksum": _checksum(path), "name": file}
        objects[output.name] = {
            "image": {"ext": _ENDING, "info": about},
            "labels": {tag: {"ext": _ENDING, "info": label}},
        }
    write_json(
        root / STORE,
        {
            "name": prepared.recipe.name,
            "description": "prepared by SpineKit",
            "images_dir": ".",
            "labels_dir": "labels",
            "objects": objects,
        },
    )


def _read_placed(store: Path) -> Mapping[str, Mapping[str, str]]:
    """Pair → tag and checksum of the label map that was put there; none where none is told."""
    try:
        objects = json.loads(store.read_bytes())["objects"]
        infos = {name: row["image"]["info"] for name, row in objects.items()}
        return {name: dict(info[PLACED]) for name, info in infos.items() if PLACED in info}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _checksum(path: Path) -> str:
    """As the server writes it."""
    return f"SHA256:{hash_files([path])}"


EXPORT = Export(_plan, _finish, (FOLDER,))
