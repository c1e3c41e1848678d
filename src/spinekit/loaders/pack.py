"""Packed cases: one compressed array file per set, read with numpy alone.

It knows nothing of where cases come from or what a class means; `allowed` and `level` are codes
that the training flow writes and reads.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spinekit.io.locks import alone
from spinekit.io.writing import output_errors, unfinished


@dataclass(frozen=True)
class PackedCase:
    """One scan ready for training.

    Attributes:
        name: Unique within its set.
        subject: Cases of one subject never stand on both sides of a split.
        spacing_mm: Along R, A, S.
        image: (I, J, K) uint8, `normalise_intensity` times 255.
        allowed: (I, J, K) uint8, bit c set where part c may be.
        level: (I, J, K) uint8 level code, 0 unknown.
        part: "train" or "validation" where its set says so, "" where the training decides.
        source: The set it was taken from, "" where that is the one it is packed in.

    Raises:
        ValueError: The three arrays differ in shape.
    """

    name: str
    subject: str
    spacing_mm: tuple[float, float, float]
    image: NDArray[np.uint8]
    allowed: NDArray[np.uint8]
    level: NDArray[np.uint8]
    part: str = ""
    source: str = ""

    def __post_init__(self) -> None:
        shapes = [array.shape for array in (self.image, self.allowed, self.level)]
        if len(set(shapes)) > 1:
            told = ", ".join(map(str, shapes))
            raise ValueError(f"{self.name}: image, allowed and level have the shapes {told}")

    @cached_property
    def image_hash(self) -> str:
        """SHA-256 of the image's shape and voxels."""
        digest = hashlib.sha256(str(self.image.shape).encode())
        digest.update(np.ascontiguousarray(self.image).data)
        return digest.hexdigest()

    def facts(self) -> dict[str, Any]:
        """What is known of it besides the voxels, as plain values."""
        return {
            "name": self.name,
            "subject": self.subject,
            "spacing_mm": list(self.spacing_mm),
            "part": self.part,
            "source": self.source,
        }


@contextmanager
def making(path: Path, *, report: Callable[[str], None] = lambda _: None) -> Iterator[bool]:
    """Whether a pack is still to be made, which the block then does: no other process does it too.

    Args:
        path: The pack.
        report: Told when another process is making it, whose end is waited for.

    Raises:
        OutputError: Its folder cannot be written to.
    """
    if path.is_file():
        yield False
        return
    with alone(path, lambda: report(f"another run is making {path.name}: waiting for it")):
        yield not path.is_file()


def save_pack(path: Path, cases: list[PackedCase]) -> None:
    """Write the cases to one `.npz`, complete or not at all.

    Raises:
        OutputError: It cannot be written.
    """
    arrays: dict[str, NDArray[np.generic]] = {}
    for index, case in enumerate(cases):
        for field in ("image", "allowed", "level"):
            arrays[f"{field}_{index:04d}"] = getattr(case, field)
    arrays["meta"] = np.frombuffer(
        json.dumps([case.facts() for case in cases]).encode(), dtype=np.uint8
    )
    with output_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with unfinished(path) as file:
            np.savez_compressed(file, **arrays)  # type: ignore[arg-type]


def load_pack(path: Path) -> list[PackedCase]:
    """Read every case of a pack into memory.

    Raises:
        OSError: The file cannot be read.
        ValueError: It is no pack.
    """
    with np.load(path) as archive:
        if "meta" not in archive:
            raise ValueError(f"{path} is no pack: it has no 'meta'; write it again with save_pack")
        meta = json.loads(archive["meta"].tobytes())
        cases = []
        for index, item in enumerate(meta):
            image, allowed, level = (
                archive[f"{field}_{index:04d}"] for field in ("image", "allowed", "level")
            )
            facts = {**item, "spacing_mm": tuple(item["spacing_mm"])}
            cases.append(PackedCase(**facts, image=image, allowed=allowed, level=level))
        return cases


def pack_hash(cases: list[PackedCase]) -> str:
    """SHA-256 over what is known of each case, and its arrays; the same on every machine."""
    digest = hashlib.sha256()
    for case in cases:
        told = {**case.facts(), "shape": list(case.image.shape)}
        digest.update(json.dumps(told, sort_keys=True).encode())
        for array in (case.image, case.allowed, case.level):
            digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
