"""The coordinates of a defect, sorted into blocks by its symmetry.

An operation of the defect is one of the host, about the centre of the touched atoms, that puts
each of them on one of its kind. It acts on the coordinates as an orthogonal matrix O. All that
has the symmetry of the defect commutes with all O. A random symmetric sum of the O therefore
splits the coordinates into just the rows of the irreducible representations: it acts in each as
rho(x) times the unit matrix, so that each of its few, well separated eigenvalues stands for one
row of one representation and its eigenspace for that row's share of the coordinates. Rows of
one representation give equal matrices, and one of them is enough. Where a representation is
complex, its rows share an eigenvalue and stay together in one block.

Source: Wigner (1959), chapters 9 and 19; the random element: Murota, Kanno, Kojima, Kojima,
Japan J. Indust. Appl. Math. 27, 125 (2010).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from models.crystal.faces import FACES, Face, operations
from models.defects.host_bonds import positions, site_numbers
from models.defects.perturbation import Defect, changed_space
from models.protocol import FloatArray, IntArray

SAME_PLACE = 1e-6
"""Atoms nearer than this (in nearest-neighbour distances) stand on the same place."""
SAME_VALUE = 1e-8
"""Eigenvalues nearer than this share of the largest belong to one space."""
ELEMENTS = 8
"""Random sums from which the one with the widest gaps is taken."""


@dataclass(frozen=True, eq=False)
class SymmetryBlock:
    """One row of one representation: B^T M B is all that a matrix M has for it."""

    basis: FloatArray
    """(3N, b), orthonormal columns."""
    degeneracy: int
    """Rows of the representation; the others have the same matrix."""


def symmetry_blocks(defect: Defect) -> tuple[SymmetryBlock, ...]:
    """Give the blocks of a defect, each representation once; degeneracy * b add up to 3N.

    They depend on the places and kinds of the touched atoms only, and are remembered.
    """
    places = np.rint(defect.places / SAME_PLACE).astype(np.int64)
    where = tuple(tuple(place) for place in places.tolist())
    face, kinds = defect.face, tuple(defect.kinds.tolist())
    return _blocks(face.crystal, face.surface, defect.endless, where, kinds)


@lru_cache(maxsize=64)
def changed_blocks(defect: Defect) -> tuple[SymmetryBlock, ...]:
    """Give what is left of each block on the coordinates that the defect changes.

    Remembered: every quantity of a defect asks for it.
    """
    found = []
    for block in symmetry_blocks(defect):
        basis = changed_space(defect, block.basis)
        if basis.shape[1]:
            found.append(SymmetryBlock(basis, block.degeneracy))
    return tuple(found)


def blocks_along(
    defect: Defect, blocks: tuple[SymmetryBlock, ...], direction: int
) -> tuple[int, ...]:
    """Which blocks hold the displacement of a single impurity along x, y or z (0, 1, 2)."""
    own = defect.impurity_coordinates[0, direction]
    # a partner that was left out may be the one that moves along x: then y stands for it
    aside = defect.impurity_coordinates[0, [0, 1]] if direction < 2 else [own]
    found = []
    for i, block in enumerate(blocks):
        rows = [own] if block.degeneracy == 1 else aside
        if np.abs(block.basis[rows]).max() > SAME_PLACE:
            found.append(i)
    return tuple(found)


@lru_cache(maxsize=256)
def _blocks(
    crystal: str, surface: str, endless: bool, places: tuple[tuple[int, ...], ...],
    kinds: tuple[int, ...],
) -> tuple[SymmetryBlock, ...]:  # fmt: skip
    face = FACES[crystal, surface]
    matrices = find_operations(face, endless, np.array(places) * SAME_PLACE, np.array(kinds))
    random = np.random.default_rng(1973)
    elements = [_random_element(matrices, random) for _ in range(ELEMENTS)]
    values, vectors = np.linalg.eigh(max(elements, key=_smallest_gap))
    spaces = np.split(vectors, _jumps(np.asarray(values)) + 1, axis=1)
    probe = random.standard_normal(vectors.shape)
    averaged = np.mean([o @ (probe + probe.T) @ o.T for o in matrices], axis=0)
    return _joined(spaces, averaged)


def _random_element(matrices: list[FloatArray], random: np.random.Generator) -> FloatArray:
    """A random symmetric sum of the operations."""
    weights = random.standard_normal(len(matrices)) / len(matrices)
    half = sum(w * o for w, o in zip(weights, matrices, strict=True))
    return np.asarray(half + half.T)


def _jumps(values: FloatArray) -> IntArray:
    """Where ascending eigenvalues pass from one space to the next."""
    return np.flatnonzero(np.diff(values) > SAME_VALUE * np.abs(values).max())


def _smallest_gap(element: FloatArray) -> float:
    """Distance of the nearest spaces: vectors lose as many digits as it is small."""
    values = np.asarray(np.linalg.eigvalsh(element), dtype=np.float64)
    return float(np.diff(values)[_jumps(values)].min(initial=np.inf))


def _joined(spaces: list[FloatArray], probe: FloatArray) -> tuple[SymmetryBlock, ...]:
    """Keep one of the spaces in which a random matrix with the symmetry has equal levels."""
    found: list[tuple[FloatArray, FloatArray, int]] = []
    for basis in spaces:
        levels = np.asarray(np.linalg.eigvalsh(basis.T @ probe @ basis), dtype=np.float64)
        for i, (first, known, count) in enumerate(found):
            if len(known) == len(levels) and np.allclose(known, levels, rtol=0, atol=SAME_VALUE):
                found[i] = (first, known, count + 1)
                break
        else:
            found.append((basis, levels, 1))
    return tuple(SymmetryBlock(basis, count) for basis, _, count in found)


def find_operations(
    face: Face, endless: bool, places: FloatArray, kinds: IntArray
) -> list[FloatArray]:
    """Give the operations of a defect as orthogonal matrices on its coordinates, (3N, 3N).

    Parameters
    ----------
    places : (N, 3), touched atoms
    kinds : (N,), an atom can be put on one of its kind
    """
    centre = places.mean(axis=0)  # stays where it is when atoms change places
    found = []
    for turn, _ in operations(face):
        r = np.eye(3)
        r[:2, :2] = turn
        for operation in (r, -r) if endless else (r,):
            if _keeps_lattice(face, operation, centre):
                order = _permutation(operation, centre, places, kinds)
                if order is not None:
                    moved = np.eye(len(places))[order].T
                    found.append(np.asarray(np.kron(moved, operation), dtype=np.float64))
    return found


def _keeps_lattice(face: Face, operation: FloatArray, centre: FloatArray) -> bool:
    """Whether sites come to lie on sites: all steps in a layer do, so one of each layer counts."""
    sites = np.zeros((4, 3), dtype=np.int64)
    sites[:, 0] = np.arange(4)  # layers repeat after two at most
    images = (positions(face, sites) - centre) @ operation.T + centre
    numbers = site_numbers(face, images)
    return bool(np.abs(numbers - np.rint(numbers)).max() < SAME_PLACE * 10)


def _permutation(
    operation: FloatArray, centre: FloatArray, places: FloatArray, kinds: IntArray
) -> IntArray | None:
    """To which atom each is moved, (N,); None if there is none of its kind."""
    images = (places - centre) @ operation.T + centre
    distances = np.abs(images[:, None] - places).max(axis=2)
    order = np.asarray(distances.argmin(axis=1), dtype=np.int64)
    moved = distances[np.arange(len(order)), order].max() > SAME_PLACE * 10
    return None if moved or (kinds[order] != kinds).any() else order
