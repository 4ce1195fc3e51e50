"""The highest frequency of a particle, which sets the end of a frequency grid.

Units: sqrt(epsilon/m)/sigma.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from models.particle.chebyshev import LANCZOS, ends_of
from models.particle.levels import block_of
from models.particle.relaxation import AtRest, at_rest
from models.particle.shapes import Shape, particle
from models.protocol import FloatArray


@lru_cache(maxsize=16)
def resting(shape: Shape, shells: int) -> AtRest:
    """Give a particle at rest; planning and computing ask for the same one."""
    return at_rest(particle(shape, shells))


def masses_of(shape: Shape, shells: int, centre: float) -> FloatArray:
    """Give the mass of an atom of each set, (sets,), 1 but for an atom at the centre."""
    whole = particle(shape, shells)
    masses = np.ones(len(whole.size))
    if whole.centred:
        masses[0] = centre
    return masses


@lru_cache(maxsize=256)
def highest_frequency(shape: Shape, shells: int, centre: float) -> float:
    """Find the highest frequency, to eight digits, without any other.

    It falls when a mass rises, so the lightest centre of several stands for all of them.
    """
    whole, rest = particle(shape, shells), resting(shape, shells)
    masses = masses_of(shape, shells, centre)
    tops = [0.0]
    for r in whole.group.representations:
        block = block_of(whole, rest.representative, masses, r.name)
        if len(block.matrix):
            tops.append(ends_of(block.matrix, block.rigid, LANCZOS)[1])
    return float(np.sqrt(max(tops)))
