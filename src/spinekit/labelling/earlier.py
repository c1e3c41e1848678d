"""How sure the names of an earlier result were, by the report beside its labels.

It knows file names and the report's table, and nothing of the column that the names belong to.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spinekit.anatomy.column import LEVELS
from spinekit.anatomy.scheme import VALUES
from spinekit.core.errors import InputError
from spinekit.io.reports import StoredReport
from spinekit.io.results import report_place
from spinekit.labelling.naming import Naming

SURER = 0.001
"""Names are no surer than they were if the probability grew by less than this."""
HALVINGS = 8
"""How finely the weight of the names is sought."""


def rows_beside(path: Path) -> list[dict[str, Any]]:
    """Rows of the table in the report of a label map; none where none of ours lies there.

    Args:
        path: `<stem>_dseg`, or a map with names in the tree of TotalSpineSeg.

    Raises:
        InputError: The report is damaged.
    """
    report = report_place(Path(os.path.abspath(path)))
    if report is None or not report.is_file():
        return []
    try:
        stored = StoredReport.parse(report.read_bytes())
        rows = [] if stored is None else stored.structures
        return [row for row in rows if row["value"] is not None and row["name"] in VALUES]
    except (OSError, ValueError, TypeError) as error:
        raise InputError(
            "report-damaged", f"{report.name}: damaged", "segment it again, or move it away"
        ) from error


def digest_beside(path: Path) -> str | None:
    """What tells two reports beside a label map apart, as far as its names rest on them.

    Args:
        path: As for `rows_beside`.

    Returns:
        SHA-256 in hex of values, names and probabilities; None where no report of ours lies there.

    Raises:
        InputError: The report is damaged.
    """
    rows = [[row["value"], row["name"], row.get("probability")] for row in rows_beside(path)]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest() if rows else None


def names_in(rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Level → probability in a report's table; levels without one are absent."""
    told = {row["name"]: row.get("probability") for row in rows if row["name"] in LEVELS}
    return {name: float(p) for name, p in told.items() if p is not None}


def rely_on(sure: Mapping[str, float], otherwise: NDArray[np.floating]) -> NDArray[np.float64]:
    """How far names are to be believed of which an earlier result was so sure.

    Args:
        sure: level → its probability there.
        otherwise: (27,) the probability that each level is named rightly, without a report.
    """
    return np.array([sure.get(name, p) for name, p in zip(LEVELS, otherwise, strict=True)])


def temper(
    likelihood: NDArray[np.float64],
    told: Sequence[str | None],
    sure: Mapping[str, float],
    name: Callable[[NDArray[np.float64]], Naming],
) -> NDArray[np.float64]:
    """As much of what names say as leaves them no surer than they were.

    The names of an earlier result rest on what speaks here again, such as sizes. Counted twice,
    it would make them surer with every round.

    Args:
        likelihood: (n, 27) log likelihood of each level by these names.
        told: (n,) the names.
        sure: level → its probability in the earlier result; empty where there is none.
        name: Names the column under a likelihood.

    Returns:
        (n, 27) the likelihood times a share from 0 to 1; never so little that the column gets
        other names.
    """

    def is_surer(naming: Naming) -> bool:
        both = zip(told, naming.names, naming.probability, strict=True)
        gain = [p - sure[old] for old, new, p in both if old and old == new and old in sure and p]
        return bool(gain) and float(np.median(gain)) > SURER

    if not sure:
        return likelihood
    whole = name(likelihood)
    if not is_surer(whole):
        return likelihood
    low, high, found = 0.0, 1.0, None
    for _ in range(HALVINGS):
        share = (low + high) / 2
        naming = name(share * likelihood)
        if naming.names == whole.names and is_surer(naming):
            high = share
            continue
        low = share
        found = share if naming.names == whole.names else found
    return (high if found is None else found) * likelihood
