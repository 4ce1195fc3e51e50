"""Static slabs: energy, forces and relaxation of the layers.

Units: sigma = epsilon = 1 (springs: nearest-neighbour distance and spring constant).
Source: Wallis (1973), Eqs. 36-39.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.crystal.faces import Pairs
from models.errors import NumericsError
from models.forces.pair_forces import LennardJones, PairForces
from models.protocol import FloatArray


def ideal_heights(spacing: float, layers: int) -> FloatArray:
    """Heights of layers at equal spacing, top first, mean zero, (layers,)."""
    return np.asarray(spacing * ((layers - 1) / 2 - np.arange(layers)), float)


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

    Newton's method; the rigid shift is projected out. Symmetry leaves no other motion on the
    faces of `models.crystal.faces`.

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
