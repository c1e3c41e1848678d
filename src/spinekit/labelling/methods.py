"""The ways of naming a column, by name.

It picks one; how each works stands in its own module.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from spinekit.anatomy.items import Instances
from spinekit.core.errors import UsageError
from spinekit.labelling.chain import name_column
from spinekit.labelling.landmarks import name_by_landmarks
from spinekit.labelling.naming import Naming
from spinekit.labelling.shift import name_by_shift

LABELLERS: dict[str, Callable[..., Naming]] = {
    "chain": name_column,
    "landmarks": name_by_landmarks,
    "shift": name_by_shift,
}
"""Called with instances, evidence and `outside`; `chain` is the default."""


def check_method(method: str, min_probability: float) -> None:
    """Refuse a choice that cannot be carried out, before a scan is read.

    Args:
        method: a name in LABELLERS.
        min_probability: below which names are to be left out, 0 to 1.

    Raises:
        UsageError: there is no such method, the probability is none, or the method has none.
    """
    if method not in LABELLERS:
        known = ", ".join(LABELLERS)
        raise UsageError(
            "unknown-labeller", f"no labeller is called {method!r}", f"choose one of {known}"
        )
    if not 0.0 <= min_probability <= 1.0:
        raise UsageError(
            "min-probability", f"{min_probability} is no probability", "choose one from 0 to 1"
        )
    if method == "landmarks" and min_probability > 0.0:
        raise UsageError(
            "no-probabilities",
            "the landmarks labeller gives no probabilities to leave names out by",
            "use --labeller chain, or leave --min-probability out",
        )


def name_with(
    method: str,
    instances: Instances,
    evidence: NDArray[np.floating],
    *,
    certain: Mapping[int, str] | None = None,
    outside: NDArray[np.floating] | None = None,
) -> Naming:
    """Name every vertebra, disc and the sacrum in the way asked for.

    Args:
        method: a name in LABELLERS.
        instances: the split column.
        evidence: (n, 27) distribution over LEVELS per item, uniform where nothing is known.
        certain: item → its level, where that is known beyond doubt. Counting and shifting cannot
            tell which of these fit together: where there are any, the chain names the column.
        outside: (n, 27) log likelihood of LEVELS per item from other sources than the scan.

    Raises:
        UsageError: there is no such method, or the certain names contradict each other.
    """
    check_method(method, 0.0)
    if certain:
        return name_column(instances, evidence, certain=certain, outside=outside)
    return LABELLERS[method](instances, evidence, outside=outside)
