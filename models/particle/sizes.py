"""How large the blocks of a particle are, for predictions of time and memory."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from models.particle.pair_sums import PAIRS
from models.particle.shapes import Shape, particle

PAIR_FLOPS = 4500
"""Operations of one pair in one block: 0.45 microseconds."""
PAIR_BYTES = 330
"""Bytes of one pair that is worked at."""
SOLVER_FLOPS = 3.0
"""Operations of the solver over the cube of the rows; large matrices do several at once."""
MATRICES = 7
"""Matrices of the size of a block that the solver holds: itself, reflected, work, vectors."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """Sizes of a particle: sets of atoms, operations, and rows of the blocks."""

    sets: int
    order: int
    rows: tuple[int, ...]
    dimensions: tuple[int, ...]

    @property
    def pairs(self) -> int:
        """Pairs of a representative and an image."""
        return self.sets**2 * self.order

    @property
    def largest(self) -> int:
        """Rows of the largest block."""
        return max(self.rows)

    @property
    def pair_bytes(self) -> float:
        """Memory that building one block takes beside it, fields included."""
        at_once = min(self.pairs, max(PAIRS, self.sets * self.order))
        d = max(self.dimensions)
        fields = 8 * 9 * d**2 * (self.sets * (self.order + 8) + at_once / self.order * 3)
        return PAIR_BYTES * at_once + 1.3 * fields

    @property
    def build_flops(self) -> float:
        """Time of building all blocks."""
        return sum(5e6 + self.pairs * (PAIR_FLOPS + 30 * d**2) for d in self.dimensions)


@lru_cache(maxsize=256)
def sizes_of(shape: Shape, shells: int) -> Sizes:
    """Count the rows of every block by characters."""
    whole = particle(shape, shells)
    keep = whole.stabiliser / whole.stabiliser.sum(axis=1, keepdims=True)
    vector = np.trace(whole.group.operations, axis1=1, axis2=2)
    kinds = whole.group.representations
    traces = np.array([np.trace(r.matrices, axis1=1, axis2=2) for r in kinds])
    rows = (keep @ (vector * traces).T).sum(axis=0).round().astype(int)
    return Sizes(
        len(whole.size), whole.group.order, tuple(rows.tolist()),
        tuple(r.dimension for r in kinds),
    )  # fmt: skip
