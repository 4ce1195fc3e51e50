"""Nearest-neighbour distance of a vibrating crystal: the quasi-harmonic approximation.

F(r, T) = U(r) + sum over modes of f(omega(r), T), a atom, is made least. Frequencies are
taken over a mesh of the whole zone at Chebyshev nodes of r, and F_vib in between is their
polynomial: of argon's distance this leaves 1e-9 at 0 K and 1e-7 at 60 K.
Units: sigma = epsilon = m = 1; temperatures in kelvin at the interface.
Source: Wallis (1973), Eqs. 328-330; hcp is scaled as a whole, c/a that of the static crystal.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.polynomial import Chebyshev

from models.crystal.faces import FACES, find_pairs
from models.crystal.k_points import on_mesh
from models.crystal.lattices import neighbours
from models.errors import NumericsError
from models.forces.crystals import Scale, crystal_energy
from models.forces.pair_forces import LennardJones
from models.modes.endless import EndlessCrystal
from models.modes.phase_sums import crystal_couplings
from models.protocol import FloatArray
from models.thermal.oscillators import thermal_functions
from models.units import Gas

MESH = 16
"""Points of the zone along each direction: 3e-7 of the distance at 0 K, 1e-6 of argon's at 60 K."""
NODES = 12
LEAST, MOST = 0.99, 1.10
"""Range of the distance over the static one that is searched: rare gases melt well before."""
FACE = {"fcc": "111", "hcp": "0001", "bcc": "100", "sc": "100"}
"""The face by whose layers the crystal is summed; the result does not depend on it."""


def distance_at(
    crystal: str, cutoff: float, static: Scale, gas: Gas, temperature: float, mesh: int = MESH
) -> float:
    """Find the nearest-neighbour distance at a temperature, zero-point motion included.

    Parameters
    ----------
    cutoff : pairs that interact, in nearest-neighbour distances
    temperature : kelvin
    mesh : points of the zone along each direction

    Returns
    -------
    in sigma

    Raises
    ------
    NumericsError : the crystal is unstable, or finds no equilibrium in the range
    """
    planck = gas.temperature_kelvin / gas.epsilon_kelvin
    """hbar in reduced units."""
    nodes, frequencies = _frequencies(crystal, cutoff, static, mesh)
    if not (frequencies > 0).all():
        msg = (
            f"The {crystal} crystal has unstable modes at distances between {nodes[0]:.4f} and "
            f"{nodes[-1]:.4f} sigma, so it has no quasi-harmonic equilibrium. "
            'Use `nn_distance` = "static" or a number.'
        )
        raise NumericsError(msg)
    warm = np.array([temperature / gas.temperature_kelvin])
    vibrations = np.array([
        planck * 3 * thermal_functions(w, warm).free_energy.mean() for w in frequencies
    ])  # fmt: skip
    vectors = neighbours(crystal, cutoff)
    energies = [crystal_energy(LennardJones(), vectors, Scale(r, static.stretch)) for r in nodes]
    domain = [nodes.min(), nodes.max()]
    total = Chebyshev.fit(nodes, vibrations + energies, len(nodes) - 1, domain=domain)
    return _least(total, crystal, temperature)


def _least(total: Chebyshev, crystal: str, temperature: float) -> float:
    """Find the lowest minimum of the free energy inside its range."""
    slope = total.deriv()
    roots = slope.roots()
    real = np.sort(roots[np.abs(roots.imag) < 1e-9].real)
    low, high = total.domain
    inside = [r for r in real if low < r < high and slope.deriv()(r) > 0]
    if not inside:
        msg = (
            f"The {crystal} crystal finds no equilibrium between {low:.4f} and {high:.4f} sigma at "
            f"{temperature} K: it would melt or fly apart. Use a lower temperature."
        )
        raise NumericsError(msg)
    return float(inside[0])


@lru_cache(maxsize=8)
def _frequencies(
    crystal: str, cutoff: float, static: Scale, mesh: int
) -> tuple[FloatArray, FloatArray]:
    """Frequencies over the zone at each node of the distance: (nodes,), (nodes, modes).

    Each wavevector of the irreducible in-plane mesh is repeated by its weight.
    """
    face = FACES[crystal, FACE[crystal]]
    pairs = find_pairs(crystal, FACE[crystal], cutoff)
    k = on_mesh(face, mesh, "auto")
    repeats = np.rint(k.weight * mesh**2).astype(int)
    half = (np.arange(NODES) + 0.5) / NODES
    middle, reach = (MOST + LEAST) / 2, (MOST - LEAST) / 2
    nodes = static.distance * (middle - reach * np.cos(np.pi * half))
    period = 2 if face.alternating else 1
    angle = 2 * np.pi / period * (np.arange(mesh) + 0.5) / mesh
    rows = []
    for r in nodes:
        stretch = static.stretch if face.alternating else 1.0
        spacing = face.spacing * r * stretch
        couplings = crystal_couplings(LennardJones(), pairs, r, spacing, face.alternating)
        here = EndlessCrystal.at(couplings, k.vectors(face) / r, np.ones(period))
        squared = here.squared(np.broadcast_to(angle, (len(repeats), mesh)))
        signed = np.sign(squared) * np.sqrt(np.abs(squared))
        rows.append(np.repeat(signed, repeats, axis=0).ravel())
    return nodes, np.stack(rows)
