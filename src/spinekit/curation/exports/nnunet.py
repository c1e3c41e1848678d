"""nnU-Net v2 raw datasets 101, 102 and 103 as TotalSpineSeg trains on them.

`nnUNet_raw/DatasetNNN_…/{imagesTr,labelsTr,imagesTs,labelsTs}` with `dataset.json` (regions and
their order), and our folds as `splits_final.json`, which nnU-Net wants in its preprocessed folder.
It knows classes and names of files, nothing of training.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spinekit.core.errors import SpineKitError
from spinekit.curation.exports.classes import (
    ALTERNATE_DISCS,
    DATASETS,
    EXCHANGED,
    OTHER_DISCS,
    NnunetDataset,
)
from spinekit.curation.exports.placed import Content, Copy, Place, Placing, list_placed
from spinekit.curation.exports.task import Export, Plan
from spinekit.curation.prepared import Output, PreparedSet
from spinekit.io.reading import read_label_file
from spinekit.io.writing import output_errors, write_json, write_labels

RAW = "nnUNet_raw"
SECOND = "_o2e"
"""Ending of the second cases of dataset 102."""
_ENDING = ".nii.gz"
_DATASET = "dataset.json"


@dataclass(frozen=True)
class Mapped:
    """A label map with other values."""

    source: Path
    table: NDArray[np.uint8]
    """(256,) value in the source → value."""

    def write(self, target: Path) -> None:
        """Write it, with the source's time, by which it is known as ours.

        Raises:
            SpineKitError: The source cannot be read, or the target not be written.
        """
        volume, header = read_label_file(self.source)
        write_labels(target, self.table[volume.array], header)
        with output_errors(target):
            shutil.copystat(self.source, target)

    def is_in(self, target: Path) -> bool:
        """Whether a file holds these values on this grid."""
        try:
            found, (volume, _) = read_label_file(target)[0], read_label_file(self.source)
        except SpineKitError:
            return False
        same = found.grid == volume.grid
        return same and np.array_equal(found.array, self.table[volume.array])


def _plan(dataset: NnunetDataset) -> Callable[[PreparedSet], Plan]:
    def plan(prepared: PreparedSet) -> Plan:
        placing = Placing(prepared.folder / RAW / dataset.folder)
        for output in prepared.outputs():
            lacking = dataset.lacks(output.values)
            if lacking:
                # As background they would teach a network not to see them.
                reason = f"no class for {', '.join(lacking)}"
                placing.plan.left_out.append({"name": output.name, "reason": reason})
                continue
            _put(dataset, placing, output)
        return placing.close([f"[il]*T[rs]/*{_ENDING}"])

    return plan


def _put(dataset: NnunetDataset, placing: Placing, output: Output) -> None:
    """Plan the files of a pair, and in dataset 102 of its second case."""
    placing.put(output.name, _places(dataset, output, second=False))
    if dataset.number != 102:
        return
    name, places = output.name + SECOND, _places(dataset, output, second=True)
    # It is made for training only; one that a person changed goes along to the test.
    if output.part != "test" or placing.holds_theirs(name, places):
        placing.put(name, places)
    else:
        placing.drop(places)


def _places(dataset: NnunetDataset, output: Output, *, second: bool) -> list[Place]:
    """Image, labels and, in dataset 102, every other disc as second channel.

    Args:
        dataset: Which.
        output: The pair.
        second: The other discs in channel 2, and classes 7 and 8 exchanged.
    """
    table = np.zeros(256, np.uint8)
    discs = np.zeros(256, np.uint8)
    for ours, stored in output.values.items():
        group = dataset.classes[ours]
        table[stored] = EXCHANGED.get(group, group) if second else group
        discs[stored] = ours in (OTHER_DISCS if second else ALTERNATE_DISCS)
    name = output.name + SECOND * second
    files: dict[str, Content] = {f"images{{}}/{name}_0000": Copy(output.image, share=True)}
    if len(dataset.channels) == 2:
        files[f"images{{}}/{name}_0001"] = Mapped(output.labels, discs)
    files[f"labels{{}}/{name}"] = Mapped(output.labels, table)
    kind, other = ("Ts", "Tr") if output.part == "test" else ("Tr", "Ts")
    return [
        Place(f"{file.format(kind)}{_ENDING}", content, f"{file.format(other)}{_ENDING}")
        for file, content in files.items()
    ]


def _finish(dataset: NnunetDataset) -> Callable[[PreparedSet, Sequence[str]], None]:
    def finish(prepared: PreparedSet, names: Sequence[str]) -> None:
        root = prepared.folder / RAW / dataset.folder
        there = set(names)
        list_placed(root, names)
        write_json(
            root / _DATASET,
            {
                "channel_names": {str(n): word for n, word in enumerate(dataset.channels)},
                "labels": dataset.regions,
                "regions_class_order": dataset.order,
                "numTraining": _count_trained(root),
                "file_ending": _ENDING,
                # For whoever reads it back; nnU-Net passes over keys that it does not know.
                "pairs": {
                    version: row
                    for name, row in prepared.split["pairs"].items()
                    for version in (name, name + SECOND)
                    if version in there
                },
            },
        )
        folds = prepared.split["folds"] or [
            {"train": prepared.split["train"], "validation": prepared.split["validation"]}
        ]
        write_json(root / "splits_final.json", [_fold(fold, there) for fold in folds])

    return finish


def _count_trained(root: Path) -> int:
    """Cases that nnU-Net finds for training, whoever put them there: its check wants them all."""
    names = (path.name.removesuffix(_ENDING) for path in root.glob(f"labelsTr/*{_ENDING}"))
    return sum((root / "imagesTr" / f"{name}_0000{_ENDING}").exists() for name in names)


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
