"""Neighbours of an atom in endless crystals.

Units: nearest-neighbour distance of the ideal crystal. Axes: the cubic ones; of hcp, x along
a close-packed row and z along c.
"""

from __future__ import annotations

import numpy as np

from models.crystal.faces import find_pairs
from models.protocol import FloatArray

VOLUME = {"fcc": np.sqrt(0.5), "hcp": np.sqrt(0.5), "bcc": 4 / np.sqrt(27), "sc": 1.0}
"""Volume of an atom of the ideal crystal."""


def neighbours(crystal: str, cutoff: float) -> FloatArray:
    """List the neighbours with r^2 <= cutoff^2 (1 + 1e-9), (n, 3).

    Of hcp those of an atom of the first layer: the others have them turned about c.
    """
    if crystal == "hcp":
        return _hcp_neighbours(cutoff)
    edge = {"fcc": np.sqrt(2), "bcc": np.sqrt(3), "sc": 1.0}[crystal]  # steps of half a cube
    reach = int(cutoff * edge) + 2
    steps = np.arange(-reach, reach + 1)
    n = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3)
    if crystal == "fcc":
        n = n[n.sum(axis=1) % 2 == 0]
    elif crystal == "bcc":
        n = n[(n % 2 == n[:, :1] % 2).all(axis=1)]
    squared = (n**2).sum(axis=1) / edge**2
    return n[(squared > 0) & (squared <= cutoff**2 * (1 + 1e-9))] / edge


def _hcp_neighbours(cutoff: float) -> FloatArray:
    """Take the pairs of the basal face, and those above as the mirror images of those below."""
    pairs = find_pairs("hcp", "0001", cutoff)
    below = np.column_stack([pairs.in_plane, -pairs.depth * np.sqrt(2 / 3)])
    above = below[pairs.depth > 0] * [1, 1, -1]
    return np.concatenate([below, above])


def in_other_lattice(crystal: str, vectors: FloatArray) -> FloatArray:
    """Say which ideal neighbours belong to the other Bravais lattice of the crystal, (n,)."""
    if crystal != "hcp":
        return np.zeros(len(vectors), dtype=bool)
    return np.asarray(np.rint(vectors[:, 2] / np.sqrt(2 / 3)).astype(int) % 2 == 1)
