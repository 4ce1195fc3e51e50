"""All levels of a particle, or nodes in their place, and what follows from either.

Every function of the levels is a sum over them with the shares of the kinds of sites, so nodes
of Chebyshev moments are read as levels are. Cheaper solutions stand beside the best one where
it depends on a setting; the difference is the error of a value.

Units: sqrt(epsilon/m)/sigma and hbar = k_B = 1; levels are squared frequencies.
Axes:  kinds of sites first, levels last; the last kind is the atom at the centre.
Source: Wallis (1973), Eqs. 94-98, 223-246.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from models.particle.chebyshev import Nodes
from models.particle.levels import Block, Levels, block_of, joined, levels_of
from models.particle.shapes import Particle
from models.protocol import Arrays, FloatArray
from models.spectra.lines import broaden
from models.thermal.oscillators import displacement, velocity, weighted_sums


@dataclass(frozen=True, eq=False)
class Solution:
    """Levels or nodes of all blocks, ascending."""

    best: Levels
    cheaper: tuple[Levels, ...]
    """The same from half of the moments, from half of the start vectors; none for levels."""
    trace: FloatArray
    """(kinds,), trace of the dynamical matrix over an atom."""
    norm: FloatArray
    """(kinds,), 3 minus the share of an atom in the six rigid motions; 0 for an empty kind."""
    asymmetry: float
    """Largest of all blocks."""


def solve(
    particle: Particle,
    representative: FloatArray,
    masses: FloatArray,
    kinds: FloatArray,
    nodes: Callable[[Block], Nodes | None] | None = None,
) -> Solution:
    """Solve block after block.

    Parameters
    ----------
    representative : (sets, 3), one atom of each set at rest
    masses : (sets,)
    kinds : (kinds, sets), 1/(atoms of the kind) where a set belongs to it
    nodes : gives nodes of a block; None, or where it gives None: all levels
    """
    found: list[Nodes] = []
    asymmetry, own = 0.0, np.zeros((len(masses), 3, 3))
    norm = 3 * (kinds @ particle.size)
    for representation in particle.group.representations:
        block = block_of(particle, representative, masses, representation.name)
        if not len(block.matrix):
            continue
        made = None if nodes is None else nodes(block)
        if made is None:
            levels = levels_of(block, kinds)
            made = Nodes(levels, levels, levels)
        found.append(made)
        asymmetry, own = max(asymmetry, block.asymmetry), block.own
        if block.rigid is not None:  # a set shares it as it shares three levels
            norm -= 3 * kinds[:, block.basis.orbit] @ block.rigid**2
    trace = kinds @ (particle.size * np.trace(own, axis1=1, axis2=2) / masses)
    ways: tuple[list[Levels], ...] = ()
    if nodes is not None:
        ways = [f.half_moments for f in found], [f.half_starts for f in found]
    best = joined([f.best for f in found])
    cheaper = tuple(joined(way) for way in ways)
    return Solution(best, cheaper, trace, norm, asymmetry)


def with_errors(best: Arrays, cheaper: Sequence[Arrays], wanted: bool) -> Arrays:
    """Put the error of each value beside it: the sum of its differences from cheaper ones."""
    found = dict(best)
    for name, value in best.items():
        error = np.zeros_like(value)
        for other in cheaper:
            error = error + np.abs(value - other[name])
        found[f"{name}_error"] = error if wanted else np.full_like(value, np.nan)
    return found


def spectra(levels: Levels, atoms: FloatArray, points: int, end: float, width: float) -> Arrays:
    """Broaden levels; unstable ones are left out.

    Parameters
    ----------
    atoms : (kinds - 1,), atoms of each site class

    Returns
    -------
    site_dos (kinds - 1, points), centre_dos, dos (points,), per unit frequency
    """
    stable = levels.squared > 0
    frequency = np.sqrt(np.where(stable, levels.squared, 0))
    grid = np.linspace(0, end, points)
    lines = broaden(frequency[None], (levels.share * stable)[None], grid, width)
    return {
        "site_dos": lines[:-1], "centre_dos": lines[-1],
        "dos": atoms @ lines[:-1] / atoms.sum(),
    }  # fmt: skip


def at_half_width(
    levels: Levels, atoms: FloatArray, points: int, end: float, width: float
) -> Arrays:
    """Broaden levels with half the width, on a grid twice as fine, of which every other stays."""
    fine = spectra(levels, atoms, 2 * points - 1, end, width / 2)
    return {name: array[..., ::2] for name, array in fine.items()}


def mean_frequency(levels: Levels) -> FloatArray:
    """Give the mean frequency of each kind, (kinds,), NaN for an empty one.

    Unstable levels are left out.
    """
    share = levels.share * (levels.squared > 0)
    norm = share.sum(axis=1)
    total = share @ np.sqrt(np.abs(levels.squared))
    return np.asarray(total / np.where(norm > 0, norm, np.nan))


def averages(
    levels: Levels, atoms: FloatArray, mobility: FloatArray, temperatures: FloatArray
) -> Arrays:
    """Sum thermal functions and mean squares over stable levels.

    Parameters
    ----------
    atoms : (kinds - 1,), atoms of each site class
    mobility : (kinds, kinds), from shares in levels to shares over masses

    Returns
    -------
    mean squares (temperatures, kinds), of one component; functions (temperatures,)
    """
    stable = levels.squared > 0
    omega = np.sqrt(levels.squared[stable])
    share = mobility @ levels.share[:, stable] / 3
    count = atoms @ levels.share[:-1, stable]
    sums = weighted_sums(omega[:, None], count, temperatures)
    return {
        "mean_square_displacement": displacement(omega, share, temperatures),
        "mean_square_velocity": velocity(omega, share, temperatures),
        "internal_energy": sums.internal_energy, "free_energy": sums.free_energy,
        "entropy": sums.entropy, "heat_capacity": sums.heat_capacity,
    }  # fmt: skip
