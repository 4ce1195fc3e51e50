"""Point defects as changes of masses and bonds of a host crystal.

The defect crystal obeys (L - delta L) u = 0 with the host's L = z - Phi and
delta L = z (1 - m'/m) + Phi' - Phi on the sites that the defect touches. An atom on the surface
enters as a free atom, G = 1/(m_a z), and all its bonds are changes.

Units: host mass 1, force constants as those of the bonds, z a squared frequency; places in
nearest-neighbour distances. Coordinates: 3 * atom + direction, the touched sites of the host
first, then the atoms on the surface.
Source: Wallis (1973), Eqs. 131-138; physics/greens.md, section 7.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from models.crystal.faces import Face
from models.defects.host_bonds import (
    HostBonds,
    add_bond,
    positions,
    site_numbers,
    zero_force_constants,
)
from models.errors import ModelInputError
from models.protocol import FloatArray, IntArray

Site: TypeAlias = tuple[int, int, int]
Numbers: TypeAlias = NDArray[Any]
"""float64 or complex128."""

SAME_SQUARE = 1e-6
"""Squared distances nearer than this are the same."""
NOTHING = 1e-10
"""Below this share of the largest change a direction is not changed."""


@dataclass(frozen=True, eq=False)
class Defect:
    """A point defect: n touched sites of the host and m atoms on the surface."""

    face: Face
    endless: bool
    sites: IntArray
    """(n, 3), impurities first."""
    mass_ratio: FloatArray
    """(n,), M'/M."""
    extra_masses: FloatArray
    """(m,), masses of the atoms on the surface, in that of the host."""
    change: FloatArray
    """(3(n+m), 3(n+m)), Phi' - Phi with the self terms."""
    impurities: IntArray
    """Which of the n + m atoms are the impurities, atoms on the surface included."""
    places: FloatArray
    """(n+m, 3), in the ideal crystal."""
    kinds: IntArray
    """(n+m,), equal for atoms with equal mass and equal factors on their bonds; 0: host."""
    vacancies: IntArray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    """Which of the sites are left by their atoms: these stay as free ones, without bonds."""

    @property
    def masses(self) -> FloatArray:
        """Mass of each coordinate, (3(n+m),)."""
        return np.repeat(np.concatenate([self.mass_ratio, self.extra_masses]), 3)

    @property
    def extra(self) -> NDArray[np.bool_]:
        """True for the coordinates of atoms on the surface, (3(n+m),)."""
        return np.arange(len(self.change)) >= 3 * len(self.sites)

    @property
    def free(self) -> NDArray[np.bool_]:
        """True for the coordinates of atoms without bonds, (3(n+m),)."""
        return np.isin(np.arange(len(self.change)) // 3, self.vacancies)

    @property
    def mass_changes(self) -> FloatArray:
        """1 - m'/m of each coordinate, 0 for atoms on the surface, (3(n+m),)."""
        return np.where(self.extra, 0.0, 1 - self.masses)

    @property
    def impurity_coordinates(self) -> IntArray:
        """Coordinates of the impurities, (impurities, 3)."""
        return 3 * self.impurities[:, None] + np.arange(3)

    def matrix(self, z: Numbers) -> Numbers:
        """Delta L at squared frequencies (n_z,): (n_z, 3(n+m), 3(n+m))."""
        return z[:, None, None] * np.diag(self.mass_changes) + self.change

    def equation(self, g: Numbers, z: Numbers, basis: FloatArray) -> tuple[Numbers, Numbers]:
        """Write U, the Green's function of the defect crystal, as W U = H without any inverse.

        For a site this is the row of (1 - G delta L) U = G. For an atom on the surface it is
        m_a z times that, so W has no pole at z = 0, and det W = det(1 - delta L G) prod(m_a z).

        Parameters
        ----------
        g : (n_z, 3n, 3n), the host among `sites`
        z : (n_z,)
        basis : (3(n+m), b), of a space that delta L does not leave and beside which it is zero

        Returns
        -------
        W, H : (n_z, b, b)
        """
        h = basis.T @ with_extra(self, g, np.ones(3 * len(self.extra_masses))) @ basis
        masses = (basis.T * self.mass_changes) @ basis
        change = basis.T @ self.change @ basis
        w = -(h @ (z[:, None, None] * masses + change))
        sites = (basis.T * ~self.extra) @ basis
        free = (basis.T * (self.masses * self.extra)) @ basis
        w += sites + z[:, None, None] * free
        return w, h


def impurity_response(defect: Defect, g: Numbers, z: Numbers) -> Numbers:
    """Give the diagonal elements of U of all coordinates of impurities, (n_z, 3 impurities).

    Parameters
    ----------
    g : (n_z, 3n, 3n), the host among the touched sites
    z : (n_z,)
    """
    basis = changed_space(defect)
    w, h = defect.equation(g, z, basis)
    own = basis[defect.impurity_coordinates.ravel()]
    columns = np.linalg.solve(w, h @ own.T)
    return np.asarray(np.einsum("ib,zbi->zi", own, columns))


def changed_space(defect: Defect, basis: FloatArray | None = None) -> FloatArray:
    """Give the coordinates on which delta L acts, impurities included, (3(n+m), b).

    A neighbour with one changed bond is touched along the bond only. Impurities and neighbours
    never share a column: masses grow with z, and their rounding would spread.

    Parameters
    ----------
    basis : a space with the symmetry, within which to stay; None: all coordinates
    """
    if basis is None:
        basis = np.eye(len(defect.change))
    own = defect.impurity_coordinates.ravel()
    _, sizes, vectors = np.linalg.svd(basis[own], full_matrices=False)
    impurities = np.zeros((len(basis), int((sizes > 0.5).sum())))  # each 0 or 1
    impurities[own] = basis[own] @ vectors[sizes > 0.5].T
    others = basis.copy()
    others[own] = 0
    change = defect.change / max(np.abs(defect.change).max(), np.finfo(float).tiny)
    vectors, sizes, _ = np.linalg.svd(others.T @ change @ basis)
    return np.concatenate([impurities, others @ vectors[:, sizes > NOTHING]], axis=1)


def with_extra(defect: Defect, g: Numbers, diagonal: Numbers) -> Numbers:
    """Put a diagonal, (..., 3m), for the atoms on the surface beside the host (..., 3n, 3n)."""
    size, sites = len(defect.change), 3 * len(defect.sites)
    if size == sites:
        return g
    whole = np.zeros((*g.shape[:-2], size, size), g.dtype)
    whole[..., :sites, :sites] = g
    k = np.arange(sites, size)
    whole[..., k, k] = diagonal
    return whole


def substitution(bonds: HostBonds, layer: int, mass_ratio: float, bond_ratio: float) -> Defect:
    """One impurity in a layer, 0 being the outermost; every one of its bonds is multiplied."""
    return group(bonds, [((layer, 0, 0), mass_ratio, bond_ratio)])


def group(bonds: HostBonds, impurities: Sequence[tuple[Site, float, float]]) -> Defect:
    """Several impurities: (site, mass ratio, bond ratio) of each; a bond ratio of 0: a vacancy.

    Every bond of an impurity is multiplied by its bond ratio, a bond between two by the
    geometric mean of both. Where all ratios of bonds are 1, no other site is touched.

    Raises
    ------
    ModelInputError : a site is outside the crystal or named twice, or a ratio is not positive
    """
    _check(bonds, impurities)
    place = {site: i for i, (site, _, _) in enumerate(impurities)}
    changed = [bond for i in range(len(impurities)) for bond in _changed(bonds, impurities, i)]
    for _, partner, _ in changed:
        place.setdefault(partner, len(place))
    change = zero_force_constants(len(place))
    for i, partner, k in changed:
        add_bond(change, i, place[partner], k)
    sites = np.array(list(place), dtype=np.int64)
    masses = np.ones(len(sites))
    masses[: len(impurities)] = [mass if bond else 1.0 for _, mass, bond in impurities]
    kinds = np.zeros(len(sites), dtype=np.int64)
    kinds[: len(impurities)] = 1 + _kinds([ratios for _, *ratios in impurities])
    size = 3 * len(sites)
    return Defect(
        bonds.face, bonds.endless, sites, masses, np.zeros(0), change.reshape(size, size),
        np.arange(len(impurities)), positions(bonds.face, sites), kinds,
        np.flatnonzero([bond == 0 for _, _, bond in impurities]),
    )  # fmt: skip


def _check(bonds: HostBonds, impurities: Sequence[tuple[Site, float, float]]) -> None:
    sites = [site for site, _, _ in impurities]
    outside = [site for site in sites if site[0] < 0 and not bonds.endless]
    if outside or len(set(sites)) < len(sites):
        msg = (
            f"The impurities {sites} do not stand on different atoms of the crystal. Layers of "
            "a crystal with a surface are counted from 0 inwards, and an atom can be replaced "
            "once. Change their sites."
        )
        raise ModelInputError(msg)
    if not all(mass > 0 and bond >= 0 for _, mass, bond in impurities):
        msg = (
            f"The ratios {[tuple(r) for _, *r in impurities]} of masses must be positive, those of "
            "bonds not negative. Use such ones; bonds of 0 leave a vacancy."
        )
        raise ModelInputError(msg)


def _changed(
    bonds: HostBonds, impurities: Sequence[tuple[Site, float, float]], i: int
) -> list[tuple[int, Site, FloatArray]]:
    """Bonds that impurity i changes: (i, site at the other end, change of K)."""
    site, _, own = impurities[i]
    ratios = {s: ratio for s, _, ratio in impurities}
    earlier = {s for s, _, _ in impurities[:i]}  # their bonds with this one are theirs
    found = []
    for row, k in zip(*bonds.of(site), strict=True):
        partner: Site = (int(row[0]), int(row[1]), int(row[2]))
        factor = math.sqrt(own * ratios[partner]) if partner in ratios else own
        if factor != 1 and partner not in earlier:
            found.append((i, partner, (factor - 1) * k))
    return found


def _kinds(ratios: Sequence[Sequence[float]]) -> IntArray:
    """Number the distinct rows, (n,)."""
    return np.unique(np.array(ratios), axis=0, return_inverse=True)[1].ravel()


def adatoms(
    bonds: HostBonds, places: Sequence[tuple[int, int]], kind: Literal["top", "hollow"],
    shells: Sequence[tuple[float, float]], mass_ratio: float = 1.0, bond_ratio: float = 1.0,
    joined: bool = False,
) -> Defect:  # fmt: skip
    """Atoms on the surface, bound by central springs.

    "top" is directly above a surface atom, at one nearest-neighbour distance. "hollow" is where
    the next layer of the crystal would have its atom, if not above one of the surface (sc: above
    the middle of the cell), with its nearest atoms at distance 1.

    Parameters
    ----------
    places : cells (n1, n2)
    shells : (squared distance in nearest neighbours, strength) of the springs
    joined : springs join two atoms on the surface at such a distance, too
    """
    face = bonds.face
    if bonds.endless or len(set(places)) < len(places):
        msg = (
            f"There cannot be atoms at {list(places)} on this crystal. An endless crystal has no "
            "surface, and a place holds one atom. Use a depth of 1 or more, and different places."
        )
        raise ModelInputError(msg)
    above = np.array(places) @ face.vectors
    own = np.column_stack([above, np.zeros(len(places))]) + _height(face, kind)
    reach = math.sqrt(max(square for square, _ in shells))
    place: dict[Site, int] = {}
    springs = []
    for i, centre in enumerate(own):
        for site in _sites_around(face, centre, reach):
            to = positions(face, np.array([site]))[0] - centre
            if strength := _strength(to, shells):
                j = place.setdefault(site, len(place))
                springs.append((i, j, bond_ratio * strength * _along(to)))
    n, m = len(place), len(own)
    change = zero_force_constants(n + m)
    for i, j, k in springs:
        add_bond(change, n + i, j, k)
    for one, other in combinations(range(m if joined else 0), 2):
        to = own[other] - own[one]
        add_bond(change, n + one, n + other, bond_ratio * _strength(to, shells) * _along(to))
    sites = np.array(list(place), dtype=np.int64).reshape(n, 3)
    size = 3 * (n + m)
    return Defect(
        face, False, sites, np.ones(n), np.full(m, mass_ratio), change.reshape(size, size),
        n + np.arange(m), np.concatenate([positions(face, sites), own]),
        np.repeat([0, 1], [n, m]),
    )  # fmt: skip


def _height(face: Face, kind: Literal["top", "hollow"]) -> FloatArray:
    """From the atom of a cell to the place above it, (3,)."""
    if kind == "top":
        return np.array([0.0, 0.0, 1.0])
    middle = -face.shifts(np.array([1]))[0]
    if not middle.any():
        middle = face.vectors.sum(axis=0) / 2
    steps = np.arange(-2, 3)
    cells = np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2)
    aside = ((cells @ face.vectors - middle) ** 2).sum(axis=1).min()
    return np.array([*middle, math.sqrt(1 - aside)])


def _sites_around(face: Face, centre: FloatArray, reach: float) -> list[Site]:
    """Sites of the crystal whose layers and cells may be within reach of a place."""
    found = []
    deepest = int((reach * 1.000001 - centre[2]) / face.spacing)
    steps = np.arange(-2 - int(2 * reach), 3 + int(2 * reach))
    for layer in range(deepest + 1):
        below = np.array([[*centre[:2], -layer * face.spacing]])
        _, n1, n2 = np.rint(site_numbers(face, below)[0]).astype(int)
        found += [(layer, int(n1 + i), int(n2 + j)) for i in steps for j in steps]
    return found


def _strength(to: FloatArray, shells: Sequence[tuple[float, float]]) -> float:
    """Strength of the spring along a vector, 0 if there is none."""
    squared = float(to @ to)
    return next((s for square, s in shells if abs(square - squared) < SAME_SQUARE), 0.0)


def _along(to: FloatArray) -> FloatArray:
    """The projector on a direction, (3, 3)."""
    return np.outer(to, to) / (to @ to)
