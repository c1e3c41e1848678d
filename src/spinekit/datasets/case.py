"""A case: the images of one visit of one patient and the masks drawn on them.

It knows where files lie and what their values mean, nothing of voxels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class MaskFile:
    """One mask on disk."""

    path: Path
    """File, or DICOM folder."""
    values: Mapping[int, str]
    """What each value of the file is: a contract name (`L4`, `L4-L5`, `spinal_canal`, `sacrum`), a
    part (`vertebra`, `body`, `posterior`, `disc`, `canal`, `cord`), or a name of the set's own.
    Empty where the file's scheme is not known."""
    scheme: str | None = None
    """Name of the label scheme in `anatomy/schemes`, where the values follow one."""
    binary: bool = False
    """Every value above zero means the same, the only entry of `values`."""
    points: bool = False
    """It numbers places, a voxel or a few each, and outlines nothing."""
    bodies_only: bool = False
    """Of vertebrae it marks the bodies alone."""


@dataclass(frozen=True)
class Case:
    """One image with its masks."""

    name: str
    """Unique within the set; used as file stem."""
    dataset: str
    subject: str
    """Patient; what a split must keep together."""
    image: Path
    """File, or DICOM folder."""
    masks: tuple[MaskFile, ...] = ()
    series: str | None = None
    """UID of the image's series where its DICOM folder holds several; without one, its description
    or number."""
    session: str | None = None
    contrast: str | None = None
    """Such as `T2w`, `T1w`, `STIR`, `CT`, `water`; None where the set does not say."""
    shown: tuple[str, ...] = ()
    """Names of what its masks showed before structures were chosen of them, where that is told."""
    facts: Mapping[str, str] = field(default_factory=dict)
    """What the set's tables say of it, such as sex, scanner or age; never a name or a date."""
