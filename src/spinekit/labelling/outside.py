"""What is known of a column's names from elsewhere: a localizer, another series, given names.

It holds what such sources say and turns it into likelihoods; where they come from, and how they
were matched with the column, it does not know.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spinekit.core.errors import Notice


@dataclass(frozen=True, slots=True)
class Outside:
    """What other sources say of one column.

    `likelihood` (n, 27) is the log likelihood of each level per item, 0 where nothing is known, or
    None without any source; `readings` are the sidecar's rows, one per source; `notices` are what
    there is to warn of.
    """

    likelihood: NDArray[np.float64] | None = None
    readings: tuple[dict[str, Any], ...] = ()
    notices: tuple[Notice, ...] = ()
