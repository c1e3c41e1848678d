"""How a scan is to be segmented: options with their meaning, and no wrong ones.

It knows what may be asked for, and nothing of how it is done.
"""

import dataclasses
import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spinekit.anatomy.scheme import load_scheme
from spinekit.core.errors import UsageError
from spinekit.core.options import settle_types
from spinekit.io.reading import check_there, hash_files
from spinekit.labelling.earlier import digest_beside
from spinekit.labelling.methods import check_method


@dataclass(frozen=True)
class SegmentOptions:
    """How a scan is to be segmented."""

    iso: bool = False
    """Give the result on a 1 mm isotropic RAS grid instead of the input's."""
    model: str | None = None
    """Path of a model file; None is the one that ships with the package."""
    scheme: str = "spinekit"
    """Label scheme of the values written, one of `anatomy/schemes`."""
    levels: bool = False
    """Mark the height of every disc by a numbered point on the middle of the canal."""
    soft: bool = False
    """Keep the probabilities of cord and canal."""
    labeller: str = "chain"
    """How levels are named, one of `labelling/methods`."""
    min_probability: float = 0.0
    """Names less probable are left out, 0 to 1."""
    threads: int = 0
    """Threads of the network, 1 or more; 0 takes every core this process may use."""
    force: bool = False
    """Go on where reading, or a scan that is no MRI, would be refused."""
    strict: bool = False
    """Refuse what would otherwise be a warning about the header."""
    volume: int | None = None
    """Which volume of a 4-D scan, from 0; None averages them."""
    series: str | int | None = None
    """Which series of a DICOM folder: its number, its UID or the UID's end, or its description
    where it has no UID. A file has none."""
    localizer: str | None = None
    """Path of a named label map of the same patient, as evidence; a folder says it has none."""
    together: tuple[str, ...] = ()
    """Stems of all series of the study that it is named together with, its own included: what a run
    over a study records of each. One scan alone has none."""

    def __post_init__(self) -> None:
        settle_types(self)
        if self.series is not None:
            object.__setattr__(self, "series", str(self.series))

    def recorded(self) -> dict[str, Any]:
        """What the report keeps: all that can change the result, and no path."""
        kept = dataclasses.asdict(self)
        del kept["threads"], kept["model"]
        kept["together"] = list(self.together)
        if self.localizer is not None:
            place = Path(self.localizer)
            known = (None, None) if place.is_dir() else (place.name, hash_files([place]))
            kept["localizer"] = dict(zip(("file", "sha256"), known, strict=True))
            kept["localizer_report"] = None if place.is_dir() else digest_beside(place)
        return kept


def change_options(options: SegmentOptions, changes: dict[str, Any]) -> SegmentOptions:
    """The options of a scan by itself with single ones changed, all of them possible.

    Raises:
        UsageError: They are not.
        InputError: The localizer is missing.
    """
    if not isinstance(options, SegmentOptions):
        raise UsageError(
            "option-type", f"options={options!r}", "give a SegmentOptions, or options by name"
        )
    known = [field.name for field in dataclasses.fields(SegmentOptions)]
    for name in changes:
        if name not in known:
            nearest = difflib.get_close_matches(name, known, n=1, cutoff=0.0)[0]
            raise UsageError("unknown-option", f"no option {name!r}", f"did you mean {nearest!r}?")
    options = dataclasses.replace(options, **changes)
    load_scheme(options.scheme)
    if options.threads < 0:
        raise UsageError("option-range", f"threads={options.threads}", "give 0 or more")
    if options.localizer is not None:
        check_there(Path(options.localizer))
    if options.together:
        raise UsageError(
            "option-range",
            f"together={options.together!r}: one scan is named by itself",
            "leave it out; `spinekit segment --together` names a study",
        )
    check_method(options.labeller, options.min_probability)
    return options
