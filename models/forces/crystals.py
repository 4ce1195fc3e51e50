"""Endless crystals at rest: equilibrium, energy, elastic constants.

Units: sigma = epsilon = 1 (springs: nearest-neighbour distance and spring constant).
`vectors` are ideal neighbours (n, 3), in nearest-neighbour distances; a crystal at rest has
them scaled by `distance`, and of hcp along c by `stretch` as well.
Source: Wallis (1973), Eq. 36; elastic constants from the lattice sum at zero stress.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.crystal.lattices import VOLUME, in_other_lattice
from models.errors import NumericsError
from models.forces.pair_forces import ELEMENT, LennardJones, PairForces, blocks
from models.protocol import FloatArray

STEPS = 50
"""Newton steps to the equilibrium of hcp; five are enough."""


@dataclass(frozen=True)
class Scale:
    """How an ideal crystal of unit nearest-neighbour distance is scaled."""

    distance: float
    """Of x and y, and of z too but for `stretch`; nearest neighbours of the basal plane."""
    stretch: float = 1.0
    """Of c over that of ideal spheres, beyond `distance`."""

    def of(self, vectors: FloatArray) -> FloatArray:
        """Scale ideal vectors."""
        return vectors * (self.distance * np.array([1.0, 1.0, self.stretch]))


def static_distance(vectors: FloatArray) -> float:
    """Nearest-neighbour distance of the Lennard-Jones crystal with just these neighbours.

    It makes the truncated sum stationary, so that a cubic crystal is free of stress.
    """
    squared = (vectors**2).sum(axis=1)
    return float((2 * (squared**-6).sum() / (squared**-3).sum()) ** (1 / 6))


def static_scale(crystal: str, vectors: FloatArray) -> Scale:
    """Find the Lennard-Jones crystal at rest: of hcp both a and c make the energy least.

    Raises
    ------
    NumericsError : hcp finds no equilibrium
    """
    distance = static_distance(vectors)
    if crystal != "hcp":
        return Scale(distance)
    forces = LennardJones()
    flat, high = (vectors[:, :2] ** 2).sum(axis=1), vectors[:, 2] ** 2
    shares = np.stack([flat, high])  # r^2 = shares . scale
    scale = np.full(2, distance**2)
    for _ in range(STEPS):
        squared = scale @ shares
        tension = forces.tension(squared)
        curvature = (forces.stiffness(squared, squared) - tension) / (4 * squared)
        slope = shares @ tension / 2
        if np.abs(slope).max() < 1e-12:
            distance = float(np.sqrt(scale[0]))
            return Scale(distance, float(np.sqrt(scale[1])) / distance)
        scale = scale - np.linalg.solve((shares * curvature) @ shares.T, slope)
    msg = (
        f"The hcp crystal did not come to rest: its stress is {np.abs(slope).max():.3g} after "
        f"{STEPS} steps. Use a larger `cutoff`."
    )
    raise NumericsError(msg)


def crystal_energy(forces: PairForces, vectors: FloatArray, scale: Scale) -> float:
    """Static energy per atom of the endless crystal."""
    return float(forces.energy((scale.of(vectors) ** 2).sum(axis=1)).sum() / 2)


def elastic_constants(
    crystal: str, forces: PairForces, vectors: FloatArray, scale: Scale
) -> FloatArray:
    """Elastic constants (c11, c12, c13, c33, c44) of the stress-free crystal, (5,).

    C_abcd = 1/2v sum (phi'' - phi'/r) d_a d_b d_c d_d / r^2 over the neighbours of an atom,
    less what the two lattices of hcp gain by moving against each other. In cubic axes
    c13 = c12 and c33 = c11.
    """
    d = scale.of(vectors)
    ideal, squared = (vectors**2).sum(axis=1), (d**2).sum(axis=1)
    radial = (forces.stiffness(squared, ideal) - forces.tension(squared)) / squared
    volume = VOLUME[crystal] * scale.distance**3 * scale.stretch
    c = np.einsum("n,na,nb,nc,nd->abcd", radial, d, d, d, d, optimize=True) / (2 * volume)
    other = in_other_lattice(crystal, vectors)
    if other.any():
        # strain e moves the other lattice by w with K w = -sum K(d) e d; two atoms in a cell
        k = blocks(forces, d[other], ideal[other]).sum(axis=0)[ELEMENT]
        pull = np.einsum("n,na,nb,nc->abc", radial[other], *[d[other]] * 3, optimize=True)
        gain = np.einsum("abc,ad,def->bcef", pull, np.linalg.inv(k), pull, optimize=True)
        c -= gain / (2 * volume)
    return np.array([c[0, 0, 0, 0], c[0, 0, 1, 1], c[0, 0, 2, 2], c[2, 2, 2, 2], c[1, 2, 1, 2]])
