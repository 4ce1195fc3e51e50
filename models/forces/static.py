"""Static slabs: energy, forces and relaxation of the layers.

Units: sigma = epsilon = 1 (springs: nearest-neighbour distance and spring constant).
Source: Wallis (1973), Eqs. 36-39.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.band_matrices import solve_symmetric
from models.crystal.faces import Pairs
from models.errors import NumericsError
from models.forces.pair_forces import LennardJones, PairForces
from models.protocol import FloatArray


def ideal_heights(spacing: float, layers: int) -> FloatArray:
    """Heights of layers at equal spacing, top first, mean zero, (layers,)."""
    return np.asarray(spacing * ((layers - 1) / 2 - np.arange(layers)), float)


STEPS = 60
"""Steps of the relaxation before it gives up."""
DENSE = 150
"""Thickest slab whose steps are solved with a full matrix, which needs no other library."""


@dataclass(frozen=True)
class LayerSums:
    """Energy, normal forces and Hessian of rigid layers at given heights."""

    energy: float
    """Per surface cell."""
    force: FloatArray
    """(layers,), along the outward normal."""
    hessian: FloatArray
    """(depths, layers), element (l, l + d): a band, zero where l + d is no layer."""


def same_from_below(strength: FloatArray) -> bool:
    """Say whether factors (depths, layers) are the same seen from both faces."""
    layers = strength.shape[1]
    rows = (row[: layers - depth] for depth, row in enumerate(strength))
    return all((row == row[::-1]).all() for row in rows)


def layer_sums(
    forces: PairForces, pairs: Pairs, distance: float, spacing: float, moved: FloatArray,
    strength: FloatArray,
) -> LayerSums:  # fmt: skip
    """Sum the pairs between layers (Eqs. 36-37).

    Parameters
    ----------
    distance : nearest neighbours
    spacing : of the layers in the endless crystal
    moved : (layers,), how far each layer has moved from there along the normal, top first
    strength : (depths, layers), factor on the pairs of layer l with layer l + d
    """
    layers = len(moved)
    energy, force = 0.0, np.zeros(layers)
    hessian = np.zeros_like(strength)
    for depth in range(len(strength)):
        of = pairs.depth == depth
        flat = (pairs.in_plane[of] ** 2).sum(axis=1) * distance**2
        upper = np.arange(layers - depth)
        lower = upper + depth
        # not from heights: those of a thick slab are large, and would blur the differences
        dz = moved[lower] - moved[upper] - depth * spacing
        scale = strength[depth, upper]
        height, which = np.unique(dz, return_inverse=True)  # few inside a thick slab
        squared = flat + height[:, None] ** 2
        pair_energy = scale * forces.energy(squared).sum(axis=1)[which]
        energy += float(pair_energy.sum()) * (0.5 if depth == 0 else 1.0)
        if depth == 0:
            continue
        tension = forces.tension(squared)
        pull = scale * tension.sum(axis=1)[which] * dz
        force[upper] += pull
        force[lower] -= pull
        stiffness = forces.stiffness(squared, np.broadcast_to(pairs.squared[of], squared.shape))
        bend = tension + (stiffness - tension) * height[:, None] ** 2 / squared
        k = scale * bend.sum(axis=1)[which]
        hessian[depth, upper] = -k
        hessian[0, upper] += k
        hessian[0, lower] += k
    return LayerSums(energy, force, hessian)


def relaxed_shifts(
    pairs: Pairs, distance: float, spacing: float, strength: FloatArray
) -> FloatArray:
    """Move Lennard-Jones layers along the normal until no layer feels a force, (layers,).

    Newton's method; the mean move is zero. Symmetry leaves no other motion on the faces of
    `models.crystal.faces`.

    Parameters
    ----------
    as those of `layer_sums`

    Raises
    ------
    NumericsError : the forces do not vanish
    """
    forces = LennardJones()
    moved = np.zeros(strength.shape[1])
    strongest = max(1.0, float(strength.max()))
    residual = np.inf
    for _ in range(STEPS):
        sums = layer_sums(forces, pairs, distance, spacing, moved, strength)
        previous, residual = residual, float(np.abs(sums.force).max()) / strongest
        if residual < 1e-12 or (residual < 1e-10 and residual >= previous):
            return moved - moved.mean()
        step = _newton_step(sums)
        moved += step * min(1.0, 0.1 * distance / float(np.abs(step).max()))
    msg = (
        f"The layers did not come to rest: the largest force is {residual:.3g} epsilon/sigma "
        f"after {STEPS} steps. A changed bond may have no equilibrium. Use bond ratios nearer to 1."
    )
    raise NumericsError(msg)


def _newton_step(sums: LayerSums) -> FloatArray:
    """Solve hessian @ step = force with a mean step of zero.

    No force acts along the rigid shift. In a thin slab it is made stiff; in a thick one the
    layer in the middle is held, which keeps the matrix a band.
    """
    layers = len(sums.force)
    if layers <= DENSE:
        full = np.ones((layers, layers))
        for depth, row in enumerate(sums.hessian):
            upper = np.arange(layers - depth)
            full[upper, upper + depth] += row[upper]
            if depth:
                full[upper + depth, upper] += row[upper]
        return np.asarray(np.linalg.solve(full, sums.force))
    held = sums.hessian.copy()
    held[0, layers // 2] += np.abs(held[0]).max()
    step = solve_symmetric(held, sums.force)
    return step - step.mean()
