"""What a bone may be in each legal column: one level, or two merged in one bone.

It knows columns, and nothing of likelihoods.
"""

from __future__ import annotations

import numpy as np

from spinekit.anatomy.column import LEVELS, VARIANTS

SACRAL = len(LEVELS) - 1
"""Position of the sacrum in LEVELS."""


class States:
    """The states of a bone in every variant: one level, or two levels merged in one bone."""

    def __init__(self) -> None:
        size = len(LEVELS)
        self.count = 2 * size
        self.level = np.full((len(VARIANTS), self.count), -1)
        self.first = np.zeros((len(VARIANTS), self.count), dtype=np.int64)
        self.last = np.zeros((len(VARIANTS), self.count), dtype=np.int64)
        self.lower = np.full((len(VARIANTS), self.count), -1)
        self.length = np.zeros(len(VARIANTS), dtype=np.int64)
        for v, variant in enumerate(VARIANTS):
            chain = [LEVELS.index(name) for name in variant.levels]
            n = len(chain)
            self.length[v] = n
            self.level[v, :n] = chain
            self.first[v, :n] = self.last[v, :n] = np.arange(n)
            self.lower[v, :n] = chain
            # Two in one: vertebrae, or the last one and the sacrum; never C2 and a neighbour: the
            # dens makes it as tall as two.
            pairs = np.arange(2, n - 1)
            self.level[v, size + pairs] = chain[2 : n - 1]
            self.lower[v, size + pairs] = chain[3:n]
            self.first[v, size + pairs] = pairs
            self.last[v, size + pairs] = pairs + 1
        self.real = self.level >= 0
        self.is_merged = np.arange(self.count) >= size


STATES = States()
"""The same for every column."""
