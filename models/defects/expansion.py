"""Localised modes of light impurities as a series in the mass ratio.

omega^2 = a1/r + a2/a1 + r (a3/a1^2 - a2^2/a1^3) + O(r^2), with r = M'/M and a1, a2, a3 from the
force constants of the crystal with the changed bonds: of the impurity itself, over its
neighbours and back, and over two of them.

Units: host mass 1, squared frequencies.
Source: Wallis (1973), Eqs. 73 and 74, which have a printing error: physics/greens.md, section 6.
"""

from __future__ import annotations

import numpy as np

from models.defects.host_bonds import HostBonds, add_bond
from models.protocol import FloatArray


def expansion_coefficients(bonds: HostBonds, layer: int, bond_ratio: float) -> FloatArray:
    """Give a1, a2, a3 of an impurity that moves along x, y and z, (3 directions, 3).

    Parameters
    ----------
    layer : 0 is the outermost
    bond_ratio : factor on all bonds of the impurity
    """
    site = np.array([layer, 0, 0])
    partners, k = bonds.of(site)
    n = 1 + len(partners)
    phi = bonds.force_constants(np.concatenate([site[None], partners]))
    for i, block in enumerate(k):
        add_bond(phi.reshape(n, 3, n, 3), 0, 1 + i, (bond_ratio - 1) * block)
    found = np.empty((3, 3))
    for direction in range(3):
        other = np.arange(3 * n) != direction
        row = phi[direction, other]
        found[direction] = (
            phi[direction, direction],
            row @ row,
            row @ phi[np.ix_(other, other)] @ row,
        )
    return found


def expansion_terms(coefficients: FloatArray, mass_ratio: float) -> FloatArray:
    """Give the three terms of omega^2, (..., 3), from a1, a2, a3, (..., 3)."""
    a1, a2, a3 = np.moveaxis(coefficients, -1, 0)
    third = mass_ratio * (a3 / a1**2 - a2**2 / a1**3)
    return np.stack([a1 / mass_ratio, a2 / a1, third], axis=-1)
