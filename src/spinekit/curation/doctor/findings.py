"""Findings: what may be wrong with a training set, each kind with its remedy.

It knows the words only; what makes a finding is decided in `checks` and `comparisons`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")
"""`error`: training on it as it is teaches something false, or fails. `warning`: a person should
look. `note`: good to know."""
WHOLE_SET = "(set)"
"""Stands for a case in findings about the set as a whole."""


@dataclass(frozen=True)
class Kind:
    """One thing that may be wrong."""

    code: str
    """Stable kebab-case word."""
    severity: Severity
    title: str
    """A few words."""
    remedy: str
    """What to do, in a sentence."""


@dataclass(frozen=True)
class Finding:
    """Something found in one case."""

    code: str
    """A key of `KINDS`."""
    case: str
    """Name of the case."""
    text: str
    """What was seen, with its numbers."""
    file: str | None = None
    """Name of the file it was seen in."""
    structures: tuple[str, ...] = ()
    """Names of what is concerned."""
    spot_ijk: tuple[float, float, float] | None = None
    """Voxel of the file to look at."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """Numbers for machines; plain JSON values."""

    @property
    def kind(self) -> Kind:
        """Severity, title and remedy."""
        return KINDS[self.code]

    def to_dict(self) -> dict[str, Any]:
        """The finding as plain JSON values, with severity and remedy."""
        spot = None if self.spot_ijk is None else [round(float(n), 1) for n in self.spot_ijk]
        return {
            "code": self.code,
            "severity": self.kind.severity,
            "case": self.case,
            "file": self.file,
            "structures": list(self.structures),
            "text": self.text,
            "remedy": self.kind.remedy,
            "spot_ijk": spot,
            "facts": dict(self.facts),
        }


def _kinds(severity: Severity, *rows: tuple[str, str, str]) -> dict[str, Kind]:
    return {code: Kind(code, severity, title, remedy) for code, title, remedy in rows}


KINDS: dict[str, Kind] = {
    **_kinds(
        "error",
        ("image-unreadable", "the image cannot be read",
         "copy or export it again, or leave the case out"),
        ("examination-failed", "the case could not be examined",
         "look at its files; where they are sound it is a defect of this program: report it"),
        ("mask-unreadable", "a mask cannot be read",
         "copy or export it again, or leave the case out"),
        ("mask-missing", "the case has no mask",
         "add the mask, or keep the case for prediction only"),
        ("mask-empty", "a mask marks nothing", "draw it again, or leave the case out"),
        ("mask-full", "a mask marks every voxel", "draw it again, or leave the case out"),
        ("labels-are-scan", "a scan lies where a mask should",
         "put the mask in its place, or say in the set's settings where masks lie"),
        ("grid-mismatch", "image and mask lie on different grids",
         "check both headers, then resample the mask onto the image, nearest neighbour"),
        ("mask-not-whole", "a mask holds fractions",
         "make it again with nearest neighbour; a single structure may be cut at one half"),
        ("mask-grey", "a mask holds in-between values at the borders",
         "make it again with nearest neighbour; a single structure may be cut at one half"),
        ("value-unexpected", "a mask holds values without a meaning",
         "say what they mean in the set's `values`, or correct them"),
        ("masks-overlap", "two masks claim the same voxels", "decide which of them is right there"),
        ("order-wrong", "structures do not follow one another as named", "exchange the names"),
        ("order-reversed", "names are counted from the wrong end",
         "renumber them from the other end"),
        ("tags-mixed", "one structure bears two names", "give all of it one name"),
        ("tag-on-two", "two structures bear one name",
         "name one of them anew, and those that follow"),
        ("axes-wrong", "the spine is not where the header says",
         "`spinekit data prepare --fix-axes doctor.json`, or correct the header; then check "
         "left and right"),
        ("spacing-implausible", "by its header the scan is no spine",
         "correct the spacing in the header"),
        ("duplicate-image", "two cases hold the same voxels", "keep one of them"),
        ("duplicate-mask", "two images share one mask", "find the right mask of one of them"),
        ("split-leak", "a patient is on both sides of a split",
         "split by patient, as `spinekit data prepare` does"),
        ("mask-off", "a mask lies beside the anatomy",
         "register the mask to the image, or find the right mask"),
    ),
    **_kinds(
        "warning",
        ("structure-missing", "an expected structure is not marked",
         "mark it, or train with losses that know it is unknown"),
        ("level-skipped", "a name is left out, but no room", "check the names above or below"),
        ("hole", "a structure has a hole", "fill it"),
        ("specks", "stray voxels lie far from their structure",
         "delete them, or name them rightly"),
        ("slice-skipped", "a structure leaves out a slice", "mark the slice between"),
        ("axes-doubtful", "the spine may not be where the header says",
         "look at the picture, then as for axes-wrong"),
        ("units-not-mm", "the header is not in millimetres",
         "convert it: many tools ignore the unit"),
        ("no-orientation", "the header states no orientation",
         "write it into the header, or convert from DICOM again"),
        ("forms-disagree", "qform and sform say different things",
         "copy the right one to the other: tools differ in which they read"),
        ("not-finite", "voxels are NaN or infinite", "replace them, or export the image again"),
        ("blank-slices", "slices of the image hold one value only",
         "export it again, or crop them away"),
        ("intensity-outlier", "the image's brightness is unlike the others'",
         "look at it; normalise each image by itself"),
        ("clipped", "many voxels have the highest value", "export it again with a wider window"),
        ("spacing-outlier", "the spacing is unlike the others'",
         "check the header; resample the set to one spacing"),
        ("size-outlier", "the field of view is unlike the others'",
         "check that it shows the same part of the body"),
        ("volume-outlier", "a structure's size is unlike the others'", "look at its mask"),
        ("near-duplicate", "two cases look the same",
         "check whether it is one scan; keep one of them"),
        ("segment-names", "segments are called otherwise than their values",
         "check which is right: names of ours count, as in `spinekit data prepare`; rename in 3D "
         "Slicer what is wrong"),
    ),
    **_kinds(
        "note",
        ("meaning-unknown", "nothing says what a mask's values mean", "give the set's `values`"),
        ("axes-unsure", "what masks and image show does not tell all axes", "look at the picture"),
        ("four-dimensional", "the image has several volumes", "choose one, or take their mean"),
        ("sheared", "the axes are not at right angles", "resample it, unless your tools can shear"),
        ("class-imbalance", "a structure is rare in the set",
         "sample its cases more often, or weight its loss"),
        ("region-imbalance", "a region has few cases",
         "add scans of it, or report figures by region"),
    ),
}  # fmt: skip
"""Code to kind; errors first."""

MISLEADING = {"axes-wrong", "order-wrong", "order-reversed", "level-skipped", "tag-on-two"}
"""After these nobody knows what a case's names and edges say of what is in view, or how much."""
