"""The particle at rest, with the full symmetry of its shape.

What may move is one atom of each set, along the directions that symmetry leaves it: a few
coordinates for a thousand atoms. No rounding can leave the symmetry, so a particle that is
at rest on a saddle (cuboctahedra of 13 and 55 atoms) stays there.

Units: sigma = epsilon = 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.errors import NumericsError
from models.particle.pair_sums import (
    Basis,
    basis_of,
    energy_and_forces,
    force_constants,
    images,
)
from models.particle.shapes import Particle
from models.protocol import FloatArray

AT_REST = 1e-10
"""Largest force on an atom at rest. Rounding leaves 1e-13: an atom has forces of order 100."""
LONGEST_STEP = 0.05
"""No atom moves farther in one step of Newton's method, as a share of its distance from the
centre (at least sigma): distances between neighbours change by about as much."""
STEPS = 50
"""Seven are enough from the best uniform scale."""


@dataclass(frozen=True, eq=False)
class AtRest:
    """A particle at rest."""

    representative: FloatArray
    """(sets, 3), one atom of each set."""
    energy: float
    largest_force: float


def at_rest(particle: Particle) -> AtRest:
    """Move the atoms to where no force is left, by Newton's method.

    Raises
    ------
    NumericsError : a force is left
    """
    symmetric = basis_of(particle, particle.group.representations[0])
    x = particle.representative * _best_scale(particle)
    for _ in range(STEPS):
        energy, force = energy_and_forces(particle, x)
        largest = float(np.sqrt((force**2).sum(axis=1)).max())
        if largest < AT_REST:
            return AtRest(x, energy, largest)
        x = x + _step(particle, x, force, symmetric)
    msg = (
        f"A force of {largest:.3g} epsilon/sigma is left after {STEPS} steps, "
        f"{AT_REST:g} is the limit. The particle did not come to rest in its symmetry. "
        "Use another number of `shells`."
    )
    raise NumericsError(msg)


def _step(particle: Particle, x: FloatArray, force: FloatArray, symmetric: Basis) -> FloatArray:
    """Give a step of one atom of each set, (sets, 3)."""
    weight = np.sqrt(particle.size)[:, None]  # a set moves as one coordinate, sqrt(size) long
    block, _ = force_constants(particle, x, symmetric)
    push = np.einsum("saq,sa->sq", symmetric.matrices, force * weight)
    move = np.zeros(symmetric.there.shape)
    move[symmetric.there] = np.linalg.solve(block, push[symmetric.there])
    step = np.einsum("saq,sq->sa", symmetric.matrices, move) / weight
    away = np.maximum(np.sqrt((x**2).sum(axis=1)), 1.0)
    longest = float((np.sqrt((step**2).sum(axis=1)) / away).max())
    return np.asarray(step * min(1.0, LONGEST_STEP / longest))


def _best_scale(particle: Particle) -> float:
    """Scale the sites so that their energy is least: r^6 = 2 A12/A6, as in a crystal."""
    sums = np.zeros(2)
    image = images(particle, particle.representative)
    for place, site in enumerate(particle.representative):
        squared = ((image - site) ** 2).sum(axis=-1)
        squared[place, particle.stabiliser[place] > 0] = np.inf
        inverse = squared**-3
        share = particle.size[place] / particle.stabiliser.sum(axis=1)
        sums += share @ inverse.sum(axis=1), share @ (inverse**2).sum(axis=1)
    return float((2 * sums[1] / sums[0]) ** (1 / 6))
