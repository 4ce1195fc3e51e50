"""Static crystals and slabs: equilibrium, elastic constants, relaxation of the layers.

Units: sigma = epsilon = 1 (springs: nearest-neighbour distance and spring constant).
Source: Wallis (1973), Eqs. 36-39; elastic constants from the lattice sum at zero stress.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.crystal.faces import Face, Pairs
from models.errors import NumericsError
from models.forces.pair_forces import LennardJones, PairForces
from models.protocol import FloatArray


def fcc_neighbours(cutoff: float) -> FloatArray:
    """List the neighbours of an fcc atom in cubic axes, (n, 3), nearest-neighbour distances."""
    reach = int(cutoff * np.sqrt(2)) + 2
    steps = np.arange(-reach, reach + 1)
    n = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3)
    n = n[n.sum(axis=1) % 2 == 0]
    squared = (n**2).sum(axis=1) / 2
    return n[(squared > 0) & (squared <= cutoff**2 * (1 + 1e-9))] / np.sqrt(2)


def static_distance(neighbours: FloatArray) -> float:
    """Nearest-neighbour distance of the Lennard-Jones crystal with just these neighbours.

    It makes the truncated sum stationary, so that the crystal is free of stress.
    """
    squared = (neighbours**2).sum(axis=1)
    return float((2 * (squared**-6).sum() / (squared**-3).sum()) ** (1 / 6))


def crystal_energy(forces: PairForces, neighbours: FloatArray, distance: float) -> float:
    """Static energy per atom of the infinite crystal."""
    return float(forces.energy((neighbours**2).sum(axis=1) * distance**2).sum() / 2)


def fcc_elastic_constants(
    forces: PairForces, neighbours: FloatArray, distance: float
) -> FloatArray:
    """Elastic constants (c11, c12, c13, c33, c44) of the stress-free cubic crystal.

    C_abcd = 1/2v sum (phi'' - phi'/r) d_a d_b d_c d_d / r^2 over the neighbours of an atom;
    in cubic axes c13 = c12 and c33 = c11. Shape (5,), energy per volume.
    """
    ideal = (neighbours**2).sum(axis=1)
    d, squared = neighbours * distance, ideal * distance**2
    radial = (forces.stiffness(squared, ideal) - forces.tension(squared)) / squared
    volume = distance**3 / np.sqrt(2)
    c11 = (radial * d[:, 0] ** 4).sum() / (2 * volume)
    c12 = (radial * d[:, 0] ** 2 * d[:, 1] ** 2).sum() / (2 * volume)
    return np.array([c11, c12, c12, c11, c12])


def ideal_heights(face: Face, layers: int, distance: float) -> FloatArray:
    """Heights of the unrelaxed layers, top first, mean zero, (layers,)."""
    return np.asarray(face.spacing * distance * ((layers - 1) / 2 - np.arange(layers)), float)


STEPS = 60
"""Steps of the relaxation before it gives up."""


@dataclass(frozen=True)
class LayerSums:
    """Energy, normal forces and Hessian of rigid layers at given heights."""

    energy: float
    """Per surface cell."""
    force: FloatArray
    """(layers,), along the outward normal."""
    hessian: FloatArray
    """(layers, layers)."""


def layer_sums(
    forces: PairForces, pairs: Pairs, distance: float, heights: FloatArray, strength: FloatArray
) -> LayerSums:
    """Sum the pairs between layers (Eqs. 36-37).

    Parameters
    ----------
    distance : nearest neighbours
    heights : (layers,), top first
    strength : (layers, layers), factor on the pairs between two layers
    """
    layers = len(heights)
    energy, force = 0.0, np.zeros(layers)
    hessian = np.zeros((layers, layers))
    for depth in range(min(layers - 1, int(pairs.depth[-1])) + 1):
        of = pairs.depth == depth
        flat = (pairs.in_plane[of] ** 2).sum(axis=1) * distance**2
        upper = np.arange(layers - depth)
        lower = upper + depth
        dz = heights[lower] - heights[upper]
        squared = flat + dz[:, None] ** 2
        scale = strength[upper, lower]
        pair_energy = scale * forces.energy(squared).sum(axis=1)
        energy += float(pair_energy.sum()) * (0.5 if depth == 0 else 1.0)
        if depth == 0:
            continue
        tension = forces.tension(squared)
        pull = scale * tension.sum(axis=1) * dz
        np.add.at(force, upper, pull)
        np.add.at(force, lower, -pull)
        stiffness = forces.stiffness(squared, np.broadcast_to(pairs.squared[of], squared.shape))
        k = scale * (tension + (stiffness - tension) * dz[:, None] ** 2 / squared).sum(axis=1)
        hessian[upper, lower] = hessian[lower, upper] = -k
    hessian[np.arange(layers), np.arange(layers)] = -hessian.sum(axis=1)
    return LayerSums(energy, force, hessian)


def relaxed_heights(
    pairs: Pairs, distance: float, heights: FloatArray, strength: FloatArray
) -> FloatArray:
    """Move Lennard-Jones layers along the normal until no layer feels a force.

    Newton's method; the rigid shift is projected out. Symmetry leaves no other motion on
    fcc (100), (110) and (111).

    Raises
    ------
    NumericsError : the forces do not vanish
    """
    forces = LennardJones()
    z = heights.copy()
    shift = np.ones_like(strength)  # makes the rigid shift stiff; no force acts along it
    strongest = max(1.0, float(strength.max()))
    residual = np.inf
    for _ in range(STEPS):
        sums = layer_sums(forces, pairs, distance, z, strength)
        previous, residual = residual, float(np.abs(sums.force).max()) / strongest
        if residual < 1e-12 or (residual < 1e-10 and residual >= previous):
            return z - z.mean()
        step = np.linalg.solve(sums.hessian + shift, sums.force)
        z += step * min(1.0, 0.1 * distance / float(np.abs(step).max()))
    msg = (
        f"The layers did not come to rest: the largest force is {residual:.3g} epsilon/sigma "
        f"after {STEPS} steps. A changed bond may have no equilibrium. Use bond ratios nearer to 1."
    )
    raise NumericsError(msg)
