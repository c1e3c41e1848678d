"""A datastore that a MONAI Label server opens: images, `labels/final`, `datastore_v2.json`.

Such a server splits by image, not by patient, whatever it trains on. So only the training part
gets final labels; those of the others wait under `labels/original`. Whoever corrects a label in 3D
Slicer writes into these files: what is in them is kept. It knows no voxels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from spinekit.curation.exports.placed import Copy, Place, Placing, list_placed
from spinekit.curation.exports.task import Export, Plan
from spinekit.curation.prepared import PreparedSet
from spinekit.io.reading import hash_files
from spinekit.io.writing import write_json

FOLDER = "monai-label"
STORE = "datastore_v2.json"
_CHECKSUM = "SHA256:"
"""How a server begins a checksum."""
_ENDING = ".nii.gz"
_TAGS = ("final", "original")
"""Folders of the training part's labels, and of the others'."""


def _plan(prepared: PreparedSet) -> Plan:
    placing = Placing(prepared.folder / FOLDER)
    for output in prepared.outputs():
        file = f"{output.name}{_ENDING}"
        tag, other = _tags(output.part)
        target, former = f"labels/{tag}/{file}", f"labels/{other}/{file}"
        # Whatever is final is trained on, whoever put it there; answers of a server stay.
        is_answer = other != _TAGS[0] and former not in placing.paths_of(output.name)
        labels = Place(target, Copy(output.labels), "" if is_answer else former)
        placing.put(output.name, [Place(file, Copy(output.image, share=True)), labels])
    return placing.close([f"labels/{_TAGS[0]}/*{_ENDING}"])


def _tags(part: str) -> tuple[str, str]:
    """Folder of a part's labels, and the other one."""
    return _TAGS if part == "train" else (_TAGS[1], _TAGS[0])


def _finish(prepared: PreparedSet, names: Sequence[str]) -> None:
    """Write the list and the store."""
    root = prepared.folder / FOLDER
    list_placed(root, names)
    objects: dict[str, Any] = {}
    for output in prepared.outputs():
        if output.name not in names:
            continue
        tag, file = _tags(output.part)[0], f"{output.name}{_ENDING}"
        path = root / "labels" / tag / file
        when = int(path.stat().st_mtime)
        about = {"ts": when, "name": file, "patient": output.record["subject"]}
        checksum = f"{_CHECKSUM}{hash_files([path])}"
        label = {"ts": when, "checksum": checksum, "name": file}
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


EXPORT = Export(_plan, _finish, (FOLDER,))
