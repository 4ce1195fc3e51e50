"""Hosts and defects by brute force: periodic supercells, diagonalised whole.

A supercell is n x n cells of some layers, free at top and bottom. `twist` turns the sign of
each displacement over its border: the mesh of wavevectors is then shifted by half a step, and
there are no rigid motions.
"""

import math
from dataclasses import dataclass

import numpy as np

from models.crystal.faces import FACES, find_pairs
from models.defects.host_bonds import HostBonds
from models.forces.pair_forces import LennardJones, Springs


def bonds(crystal="sc", surface="100", endless=False, nearest=1.0, next_nearest=None, **more):
    """sc: Ashkin's model; fcc: nearest neighbours."""
    if next_nearest is None:
        next_nearest = 1.0 if crystal == "sc" else 0.0
    cutoff = math.sqrt(2) if next_nearest else 1.0
    face, pairs = FACES[crystal, surface], find_pairs(crystal, surface, cutoff)
    forces = Springs(nearest, next_nearest)
    return HostBonds(forces, pairs, face, 1.0, face.spacing, endless=endless, **more)


def relaxed(surface="111", cutoff=1.5, moved=(0.03, -0.01)):
    """Lennard-Jones, made-up shifts of the first layers."""
    face, pairs = FACES["fcc", surface], find_pairs("fcc", surface, cutoff)
    distance = 1.1
    return HostBonds(
        LennardJones(), pairs, face, distance, distance * face.spacing, np.array(moved)
    )


@dataclass
class Supercell:
    """A host of n x n cells and some layers, and what defects in its middle do to it."""

    bonds: HostBonds
    n: int
    layers: int
    twist: bool = False

    def __post_init__(self):
        steps = np.indices((self.layers, self.n, self.n)).reshape(3, -1).T
        self.sites = steps.astype(np.int64)
        self.phi = np.zeros((3 * len(steps), 3 * len(steps)))
        for i, site in enumerate(self.sites):
            for partner, k in zip(*self.bonds.of(site), strict=True):
                if partner[0] < self.layers:
                    j, sign = self.number(partner)
                    self.phi[3 * i : 3 * i + 3, 3 * i : 3 * i + 3] += k
                    self.phi[3 * i : 3 * i + 3, 3 * j : 3 * j + 3] -= sign * k
        self.squared, self.vectors = np.linalg.eigh(self.phi)
        if not self.twist:
            assert np.abs(self.squared[:3]).max() < 1e-12
            self.squared[:3] = 0
        self.top = self.squared[-1]

    def number(self, site):
        wraps, cell = np.divmod(site[1:], self.n)
        sign = (-1) ** wraps.sum() if self.twist else 1
        return (int(site[0]) * self.n + cell[0]) * self.n + cell[1], sign

    def coordinates(self, defect):
        """Of the touched sites, the defect being shifted to the middle, and their signs."""
        middle = np.array([0, self.n // 2, self.n // 2])
        found = [self.number(site + middle) for site in defect.sites]
        number = np.array([i for i, _ in found])
        sign = np.repeat([s for _, s in found], 3)
        return (3 * number[:, None] + np.arange(3)).ravel(), sign

    def green(self, defect, z):
        """G among the touched sites by sums over modes, (n_z, 3n, 3n)."""
        where, sign = self.coordinates(defect)
        v = self.vectors[where] * sign[:, None]
        return np.einsum("is,zs,js->zij", v, 1 / (z[:, None] - self.squared), v, optimize=True)

    def defect_modes(self, defect):
        """Squared frequencies and eigenvectors of D of the whole defect crystal."""
        where, sign = self.coordinates(defect)
        extra = len(self.phi) + np.arange(3 * len(defect.extra_masses))
        size = len(self.phi) + len(extra)
        phi = np.zeros((size, size))
        phi[: len(self.phi), : len(self.phi)] = self.phi
        where, sign = np.append(where, extra), np.append(sign, np.ones(len(extra)))
        phi[np.ix_(where, where)] += defect.change * np.outer(sign, sign)
        mass = np.ones(size)
        mass[where] = defect.masses
        squared, vectors = np.linalg.eigh(phi / np.sqrt(np.outer(mass, mass)))
        return squared, vectors, where, sign
