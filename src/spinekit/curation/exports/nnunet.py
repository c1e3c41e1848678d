"""nnU-Net v2 raw datasets 101, 102 and 103 as TotalSpineSeg trains on them.

`nnUNet_raw/DatasetNNN_…/{imagesTr,labelsTr,imagesTs,labelsTs}` with `dataset.json` (regions and
their order), and our folds as `splits_final.json`, which nnU-Net wants in its preprocessed folder.
It knows classes and names of files, nothing of training.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from spinekit.curation.exports.classes import (
    ALTERNATE_DISCS,
    DATASETS,
    EXCHANGED,
    OTHER_DISCS,
    NnunetDataset,
)
from spinekit.curation.exports.task import Export, Plan, Task
from spinekit.curation.prepared import Output, PreparedSet, is_current, put_file
from spinekit.io.reading import read_label_file
from spinekit.io.writing import write_json, write_labels

RAW = "nnUNet_raw"
SECOND = "_o2e"
"""Ending of the second cases of dataset 102."""
_ENDING = ".nii.gz"


def _plan(dataset: NnunetDataset) -> Callable[[PreparedSet], Plan]:
    def plan(prepared: PreparedSet) -> Plan:
        found = Plan()
        root = prepared.folder / RAW / dataset.folder
        for output in prepared.outputs():
            lacking = dataset.lacks(output.values)
            if lacking:
                # As background they would teach a network not to see them.
                reason = f"no class for {', '.join(lacking)}"
                found.left_out.append({"name": output.name, "reason": reason})
                continue
            found.tasks += _tasks(dataset, root, output)
        return found

    return plan


def _tasks(dataset: NnunetDataset, root: Path, output: Output) -> list[Task]:
    """The files of a pair, and in dataset 102 of its second case."""
    kind = "Ts" if output.part == "test" else "Tr"
    versions = [""]
    if dataset.number == 102 and kind == "Tr":
        versions.append(SECOND)
    return [
        Task(
            output.name + version,
            write_version,
            (dataset.number, root, kind, output.name + version, output.image, output.labels,
             output.values, bool(version)),
        )
        for version in versions
    ]  # fmt: skip


def write_version(
    number: int,
    root: Path,
    kind: str,
    name: str,
    image: Path,
    labels: Path,
    values: dict[int, int],
    second: bool,
) -> None:
    """Write image, classes and, in dataset 102, every other disc as second channel.

    Args:
        number: Of the dataset.
        root: Its folder.
        kind: `Tr` or `Ts`.
        name: Of the case.
        image: Prepared image.
        labels: Prepared labels.
        values: Our value → value in `labels`.
        second: The other discs in channel 2, and classes 7 and 8 exchanged.

    Raises:
        SpineKitError: A file cannot be read or written.
    """
    put_file(image, root / f"images{kind}" / f"{name}_0000{_ENDING}", share=True)
    target = root / f"labels{kind}" / f"{name}{_ENDING}"
    channel = root / f"images{kind}" / f"{name}_0001{_ENDING}"
    two = len(DATASETS[number].channels) == 2
    if is_current(target, labels) and (not two or is_current(channel, labels)):
        return
    volume, header = read_label_file(labels)
    table = np.zeros(256, np.uint8)
    discs = np.zeros(256, np.uint8)
    for ours, stored in values.items():
        group = DATASETS[number].classes[ours]
        table[stored] = EXCHANGED.get(group, group) if second else group
        discs[stored] = ours in (OTHER_DISCS if second else ALTERNATE_DISCS)
    if two:
        write_labels(channel, discs[volume.array], header)
    write_labels(target, table[volume.array], header)


def _finish(dataset: NnunetDataset) -> Callable[[PreparedSet, Sequence[str]], None]:
    def finish(prepared: PreparedSet, names: Sequence[str]) -> None:
        root = prepared.folder / RAW / dataset.folder
        there = set(names)
        tested = set(prepared.split["test"])
        _drop_others(root, there, tested)
        trained = [name for name in names if name.removesuffix(SECOND) not in tested]
        write_json(
            root / "dataset.json",
            {
                "channel_names": {str(n): word for n, word in enumerate(dataset.channels)},
                "labels": dataset.regions,
                "regions_class_order": dataset.order,
                "numTraining": len(trained),
                "file_ending": _ENDING,
            },
        )
        folds = prepared.split["folds"] or [
            {"train": prepared.split["train"], "validation": prepared.split["validation"]}
        ]
        write_json(root / "splits_final.json", [_fold(fold, there) for fold in folds])

    return finish


def _drop_others(root: Path, names: set[str], tested: set[str]) -> None:
    """Remove volumes of cases that are no longer here, or have come to the test or from it.

    nnU-Net trains on all it finds.
    """
    for path in root.glob(f"[il]*T[rs]/*{_ENDING}"):
        name = path.name.removesuffix(_ENDING)
        if path.parent.name.startswith("images"):
            name = name[:-5]
        kind = "Ts" if name.removesuffix(SECOND) in tested else "Tr"
        if name not in names or not path.parent.name.endswith(kind):
            path.unlink()


def _fold(fold: dict[str, Any], there: set[str]) -> dict[str, list[str]]:
    """A fold with nnU-Net's keys; a second case goes with the first."""
    return {
        key: [
            version for name in fold[part] for version in (name, name + SECOND) if version in there
        ]
        for key, part in (("train", "train"), ("val", "validation"))
    }


EXPORTS: dict[str, Export] = {
    f"nnunet-{number}": Export(_plan(dataset), _finish(dataset), (f"{RAW}/{dataset.folder}",))
    for number, dataset in DATASETS.items()
}
