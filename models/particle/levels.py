"""Levels of a particle at rest, and the share that each kind of site has in them.

The mass-weighted force constants fall into one block for each representation of the point
group. A level of a block is d-fold, and all atoms of a set have the same share in it. The six
rigid motions are three-fold too: translation is one vector of the block that turns like a
vector, rotation one of the block that turns like an axial vector. Each is reflected onto the
first axis and left out with it.

Units: squared frequency epsilon/(m sigma^2).
Axes:  levels (levels,); shares (kinds, levels), sums over the d modes of a level.
Source: Wilson, Decius, Cross (1955), chapter 6; Wallis (1973), Eqs. 223-230 for the shares.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.particle.pair_sums import Basis, basis_of, force_constants
from models.particle.shapes import Particle
from models.protocol import FloatArray


@dataclass(frozen=True, eq=False)
class Levels:
    """Squared frequencies and what the kinds of sites have in them."""

    squared: FloatArray
    """(levels,)"""
    share: FloatArray
    """(kinds, levels), the mean over the atoms of a kind, summed over modes of one level."""
    degeneracy: FloatArray
    """(levels,), modes of a level."""


@dataclass(frozen=True, eq=False)
class Block:
    """Dynamical matrix of one representation."""

    basis: Basis
    matrix: FloatArray
    """(rows, rows), symmetric."""
    own: FloatArray
    """(sets, 3, 3), force constants of one atom of each set with itself."""
    rigid: FloatArray | None
    """(rows,), the unit vector of a rigid motion, if there is one in it."""
    asymmetry: float
    """Largest difference of the two halves over the largest element, before they were joined."""


def block_of(
    particle: Particle, representative: FloatArray, masses: FloatArray, name: str
) -> Block:
    """Give the dynamical matrix of one representation.

    Parameters
    ----------
    representative : (sets, 3), one atom of each set at rest
    masses : (sets,)
    """
    basis = basis_of(particle, particle.group.representation(name))
    matrix, own = force_constants(particle, representative, basis)
    weight = masses[basis.orbit] ** -0.5
    matrix *= weight
    matrix *= weight[:, None]
    difference = np.abs(matrix - matrix.T).max(initial=0.0)
    largest = np.abs(matrix).max(initial=1e-300)
    matrix += matrix.T.copy()
    matrix /= 2
    rigid = _rigid_motion(particle, representative, masses, basis)
    return Block(basis, matrix, own, rigid, float(difference / largest))


def _rigid_motion(
    particle: Particle, representative: FloatArray, masses: FloatArray, basis: Basis
) -> FloatArray | None:
    """Give the rigid motion that turns like this representation, as a unit vector."""
    if basis.representation.name == "T1u":  # a translation, the same everywhere
        field = np.broadcast_to(np.eye(3), (len(masses), 3, 3))
    elif basis.representation.name == "T1g":  # column i is e_i x position
        field = np.cross(np.eye(3), representative[:, None]).transpose(0, 2, 1)
    else:
        return None
    along = np.einsum("si,sim->sm", field.reshape(len(masses), 9), basis.matrices)
    vector = (along * np.sqrt(masses * particle.size)[:, None])[basis.there]
    return np.asarray(vector / np.linalg.norm(vector))


def levels_of(block: Block, kinds: FloatArray) -> Levels:
    """Diagonalise a block.

    Parameters
    ----------
    kinds : (kinds, sets), 1/(atoms of the kind) where a set belongs to it
    """
    mirror = None if block.rigid is None else _mirror(block.rigid)
    matrix = block.matrix if mirror is None else _reflected(block.matrix, mirror)[1:, 1:]
    squared, vectors = np.linalg.eigh(matrix)
    if mirror is not None:
        vectors = np.concatenate([np.zeros((1, vectors.shape[1])), vectors])
        vectors -= np.outer(2 * mirror, mirror @ vectors)
    np.square(vectors, out=vectors)
    d = block.basis.representation.dimension
    share = (d * kinds[:, block.basis.orbit]) @ vectors
    return Levels(squared, share, np.full(len(squared), float(d)))


def _mirror(unit: FloatArray) -> FloatArray:
    """Give v, of length 1, such that 1 - 2 v v^T takes a unit vector to the first axis or back."""
    v = unit.copy()
    v[0] += 1.0 if v[0] >= 0 else -1.0  # the sign that loses no digits
    return np.asarray(v / np.linalg.norm(v))


def _reflected(matrix: FloatArray, v: FloatArray) -> FloatArray:
    """Give (1 - 2 v v^T) M (1 - 2 v v^T) of a symmetric matrix."""
    moved = 2 * (matrix @ v)
    moved -= (v @ moved) * v
    result = matrix - np.outer(moved, v)
    result -= np.outer(v, moved)
    return result


def joined(parts: list[Levels]) -> Levels:
    """Put the levels of all representations together, ascending."""
    squared = np.concatenate([p.squared for p in parts])
    order = np.argsort(squared, kind="stable")
    share = np.concatenate([p.share for p in parts], axis=1)
    degeneracy = np.concatenate([p.degeneracy for p in parts])
    return Levels(squared[order], share[:, order], degeneracy[order])
