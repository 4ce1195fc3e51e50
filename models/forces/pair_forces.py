"""Pair potentials and the force-constant blocks they give.

Units: Lennard-Jones sigma = epsilon = 1; springs with distances in nearest neighbours.
K_ab = (phi'' - phi'/r) d_a d_b / r^2 + (phi'/r) delta_ab; Phi(i, j) = -K(r_j - r_i)
(Wallis Eq. 42). The six distinct elements stand in the order xx, xy, xz, yy, yz, zz.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from models.protocol import FloatArray

ROWS = np.array([0, 0, 0, 1, 1, 2])
COLUMNS = np.array([0, 1, 2, 1, 2, 2])
ELEMENT = np.array([[0, 1, 2], [1, 3, 4], [2, 4, 5]])
"""From (a, b) to the place of K_ab among the six."""


class PairForces(Protocol):
    """A central force between two atoms."""

    def energy(self, squared: FloatArray) -> FloatArray:
        """phi(r), from r^2."""

    def tension(self, squared: FloatArray) -> FloatArray:
        """phi'(r)/r, from r^2."""

    def stiffness(self, squared: FloatArray, ideal_squared: FloatArray) -> FloatArray:
        """phi''(r), from r^2 now and r^2 in the ideal lattice (nearest neighbours)."""


@dataclass(frozen=True)
class LennardJones:
    """phi(r) = 4 (r^-12 - r^-6), not shifted at the cutoff."""

    def energy(self, squared: FloatArray) -> FloatArray:
        """phi(r), from r^2."""
        s = squared**-3
        return 4 * (s * s - s)

    def tension(self, squared: FloatArray) -> FloatArray:
        """phi'(r)/r, from r^2."""
        s = squared**-3
        return 24 * (s - 2 * s * s) / squared

    def stiffness(self, squared: FloatArray, ideal_squared: FloatArray) -> FloatArray:
        """phi''(r), from r^2; the ideal distance plays no part."""
        s = squared**-3
        return 24 * (26 * s * s - 7 * s) / squared


@dataclass(frozen=True)
class Springs:
    """Central springs at their natural length between nearest and next-nearest atoms."""

    nearest: float
    next_nearest: float

    def energy(self, squared: FloatArray) -> FloatArray:
        """No energy at rest."""
        return np.zeros_like(squared)

    def tension(self, squared: FloatArray) -> FloatArray:
        """No prestress."""
        return np.zeros_like(squared)

    def stiffness(self, squared: FloatArray, ideal_squared: FloatArray) -> FloatArray:
        """The spring that joins atoms at this distance in the ideal lattice."""
        return np.where(ideal_squared < 1.1, self.nearest, self.next_nearest)


@dataclass(frozen=True)
class ShellSprings:
    """Springs at their natural length between atoms of the first shells of neighbours.

    A spring across the line of two atoms (Rosenstock and Newell) turns with no force when the
    crystal does not, and so cannot come from a central force.
    """

    squared: tuple[float, ...]
    """Squared distances of the shells, nearest-neighbour distance 1."""
    along: tuple[float, ...]
    across: tuple[float, ...]

    def energy(self, squared: FloatArray) -> FloatArray:
        """No energy at rest."""
        return np.zeros_like(squared)

    def tension(self, squared: FloatArray) -> FloatArray:
        """The spring across, which stands in the place of phi'/r."""
        return self._of_shell(self.across, squared)

    def stiffness(self, squared: FloatArray, ideal_squared: FloatArray) -> FloatArray:
        """The spring along."""
        return self._of_shell(self.along, ideal_squared)

    def _of_shell(self, springs: tuple[float, ...], squared: FloatArray) -> FloatArray:
        shell = np.abs(squared[..., None] - np.array(self.squared)).argmin(axis=-1)
        return np.asarray(np.array(springs)[shell])


def blocks(forces: PairForces, separation: FloatArray, ideal_squared: FloatArray) -> FloatArray:
    """Force-constant blocks K of pairs.

    Parameters
    ----------
    separation : (..., 3), vector to the partner
    ideal_squared : (...,), squared distance in the ideal lattice, nearest neighbours

    Returns
    -------
    (..., 6)
    """
    squared = (separation**2).sum(axis=-1)
    tension = forces.tension(squared)
    radial = (forces.stiffness(squared, ideal_squared) - tension) / squared
    k = radial[..., None] * separation[..., ROWS] * separation[..., COLUMNS]
    k[..., ROWS == COLUMNS] += tension[..., None]
    return k
