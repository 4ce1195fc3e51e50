"""Hosts and defects by brute force: periodic supercells, diagonalised whole.

A supercell is n x n cells of some layers, free at top and bottom. A twisted border turns the
sign of each displacement: the mesh of wavevectors is then shifted by half a step, and there are
no rigid motions.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from models.crystal.faces import FACES, find_pairs
from models.defects.host_bonds import HostBonds, add_bond, positions, zero_force_constants
from models.defects.interpolation import ENDLESS_HOST, AboveBand, edge_nodes, squared_at
from models.defects.perturbation import Defect
from models.forces.pair_forces import LennardJones, Springs

SC_SHELLS = [(1.0, 1.0), (2.0, 1.0)]
TOP = 12.0
"""Highest squared frequency of the host with a semicircle for a band."""


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


def semicircle(z):
    """The end of an endless chain of recursion: a band from 0 to 12, low as in a crystal."""
    z = np.asarray(z, complex)
    below_axis = z.real + 1j * (np.abs(z.imag) + 1e-300)
    shifted = (below_axis - 6) / 6
    return 1 / (3 * (shifted + np.sqrt(shifted - 1) * np.sqrt(shifted + 1)))


def semicircle_host(z):
    """One site, the same along all directions, (n, 3, 3)."""
    return semicircle(z)[:, None, None] * np.eye(3)


def tied(mass, spring):
    """An atom tied to one site by a spring that is the same along all directions."""
    face = FACES["sc", "100"]
    change = np.kron(spring * np.array([[1.0, -1.0], [-1.0, 1.0]]), np.eye(3))
    places = np.array([[0.0, 0, 0], [0, 0, 1]])
    return Defect(
        face, False, np.zeros((1, 3), dtype=np.int64), np.ones(1), np.array([mass]), change,
        np.array([1]), places, np.array([0, 1]),
    )  # fmt: skip


def semicircle_above():
    """The same above its band, for one site."""
    g = semicircle_host(squared_at(edge_nodes(ENDLESS_HOST), TOP)).real
    return AboveBand.from_green(TOP, ENDLESS_HOST, g)


@dataclass
class Supercell:
    """A host of n x n cells and some layers, and what defects in its middle do to it."""

    bonds: HostBonds
    n: int
    layers: int
    border: str = "periodic"
    """Or "twisted", or "free": then the cell is a particle."""

    def __post_init__(self):
        steps = np.indices((self.layers, self.n, self.n)).reshape(3, -1).T
        self.sites = steps.astype(np.int64)
        self.phi = np.zeros((3 * len(steps), 3 * len(steps)))
        for i, site in enumerate(self.sites):
            for partner, k in zip(*self.bonds.of(site), strict=True):
                j, sign = self.number(partner)
                if partner[0] < self.layers and sign:
                    self.phi[3 * i : 3 * i + 3, 3 * i : 3 * i + 3] += k
                    self.phi[3 * i : 3 * i + 3, 3 * j : 3 * j + 3] -= sign * k

    @cached_property
    def modes(self):
        squared, vectors = np.linalg.eigh(self.phi)
        if self.border == "periodic":
            assert np.abs(squared[:3]).max() < 1e-12
            squared[:3] = 0
        return squared, vectors

    @property
    def squared(self):
        return self.modes[0]

    @property
    def top(self):
        return self.squared[-1]

    def number(self, site):
        """Of a site, and the sign of its displacement; 0 if it is outside."""
        wraps, cell = np.divmod(site[1:], self.n)
        odd = int(wraps.sum() % 2)
        sign = {"periodic": 1, "twisted": 1 - 2 * odd, "free": int(not wraps.any())}[self.border]
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
        v = self.modes[1][where] * sign[:, None]
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


def rosenstock_newell(tau, mesh, sites, z):
    """G of the half space with alpha = 1 for perpendicular motion, (n_z, 3n, 3n).

    The other directions get the same numbers: nothing couples them.
    """
    k = (np.arange(mesh) + 0.5) * 2 * np.pi / mesh
    sum_in_plane = 2 * tau * (2 - np.cos(k)[:, None] - np.cos(k))
    g = np.zeros((len(z), len(sites), len(sites)))
    for i, x in enumerate(z):
        b = x - sum_in_plane - 2
        below = 2 / (b + np.sign(b) * np.sqrt(b * b - 4))
        zone = 1 / (x - sum_in_plane - 1 - below)
        for m, site in enumerate(sites):
            for n, other in enumerate(sites):
                r = site - other
                g[i, m, n] = np.cos(k * r[1]) @ zone @ np.cos(k * r[2]) / mesh**2
    return np.kron(g, np.eye(3))


def perpendicular_adatoms(cells, spring, mass):
    """Adatoms on top, bound along the normal; weak springs to nowhere hold them sideways."""
    n = len(cells)
    change = zero_force_constants(2 * n)
    for i in range(n):
        add_bond(change, i, n + i, np.diag([0, 0, spring]))
        change[n + i, :, n + i] += np.diag([0.05, 0.05, 0])
    face, sites = FACES["sc", "100"], np.array([(0, *cell) for cell in cells])
    places = positions(face, sites)
    return Defect(
        face, False, sites, np.ones(n), np.full(n, mass), change.reshape(6 * n, 6 * n),
        n + np.arange(n), np.concatenate([places, places + [0, 0, 1]]), np.repeat([0, 1], n),
    )  # fmt: skip
