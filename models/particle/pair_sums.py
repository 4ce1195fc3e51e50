"""Energy, forces and force constants of a symmetric particle in which all pairs interact.

One site of each set stands for all of it. A field that belongs to row e of a representation
G with matrices D(g) is known by one 3 x d matrix A for each set,

    u(g x) = R(g) A D(g)^T e,        R(s) A = A D(s)  for the operations s that keep x

so the force constants need the pairs (representative, atom) only, a share 1/order of all,
and fall into one block for each representation. An orthonormal basis of the A of a set,
scaled by sqrt(d / atoms of the set), makes the block symmetric.

Units: sigma = epsilon = 1.
Axes:  sets (sets,); images (sets, order); rows of a block: sets, and the basis of each.
Source: Wallis (1973), Eq. 42; the blocks are Wigner's theorem, Wilson, Decius, Cross (1955),
chapter 6.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.forces.pair_forces import LennardJones
from models.particle.groups import Representation
from models.particle.shapes import Particle
from models.protocol import FloatArray

PAIRS = 2**16
"""Pairs of a representative and an image that are worked at together, 200 bytes each."""
FORCES = LennardJones()


@dataclass(frozen=True, eq=False)
class Basis:
    """Fields of one representation: a basis for each set, padded to the largest one."""

    representation: Representation
    matrices: FloatArray
    """(sets, 3 d, largest), columns are flattened 3 x d matrices, zero where there is none."""
    there: NDArray[np.bool_]
    """(sets, largest), which columns there are."""

    @property
    def size(self) -> int:
        """Rows of the block."""
        return int(self.there.sum())

    @property
    def orbit(self) -> NDArray[np.int64]:
        """The set of each row, (size,)."""
        return np.nonzero(self.there)[0]


def basis_of(particle: Particle, representation: Representation) -> Basis:
    """Find the fields that belong to a representation."""
    keep = particle.stabiliser / particle.stabiliser.sum(axis=1, keepdims=True)
    products = _products(particle, representation)
    n = products.shape[-1]
    projector = (keep @ products.reshape(-1, n * n)).reshape(-1, n, n)
    kept, vectors = np.linalg.eigh(projector)  # 0 or 1, the ones last
    there = kept > 0.5
    vectors *= there[:, None]
    widest = int(there.sum(axis=1).max())
    return Basis(representation, vectors[..., n - widest :], there[:, n - widest :])


def _products(particle: Particle, representation: Representation) -> FloatArray:
    """R(g) x D(g), shape (order, 3 d, 3 d)."""
    r, d = particle.group.operations, representation.matrices
    n = 3 * representation.dimension
    return np.asarray(np.einsum("gab,gij->gaibj", r, d).reshape(-1, n, n))


def images(particle: Particle, representative: FloatArray) -> FloatArray:
    """Give where every operation takes the representatives, (sets, order, 3)."""
    return np.asarray(np.einsum("gab,sb->sga", particle.group.operations, representative))


def _runs(particle: Particle) -> Iterator[slice]:
    """Cut the representatives into runs of about PAIRS pairs."""
    sets = len(particle.size)
    step = max(1, PAIRS // (sets * particle.group.order))
    return (slice(i, min(i + step, sets)) for i in range(0, sets, step))


def _separations(
    particle: Particle, representative: FloatArray, image: FloatArray, run: slice
) -> tuple[FloatArray, FloatArray, NDArray[np.bool_]]:
    """Vectors from representatives to all images, (sets, run, 3, order), their squares, selves."""
    away = image.transpose(0, 2, 1)[:, None] - representative[None, run, :, None]
    squared = (away**2).sum(axis=2)
    own = np.zeros(squared.shape, dtype=bool)
    chosen = np.arange(run.start, run.stop)
    own[chosen, chosen - run.start] = particle.stabiliser[run] > 0
    squared[own] = 1.0
    return away, squared, own


def energy_and_forces(particle: Particle, representative: FloatArray) -> tuple[float, FloatArray]:
    """Sum the pair energies, and the forces on one atom of each set, (sets, 3)."""
    image = images(particle, representative)
    share = 1 / particle.stabiliser.sum(axis=1)[:, None, None]
    force = np.empty_like(representative)
    energy = 0.0
    for run in _runs(particle):
        away, squared, own = _separations(particle, representative, image, run)
        phi = np.where(own, 0.0, FORCES.energy(squared)) * share
        energy += float(particle.size[run] @ phi.sum(axis=(0, 2))) / 2
        tension = np.where(own, 0.0, FORCES.tension(squared)) * share
        force[run] = np.einsum("srg,srag->ra", tension, away, optimize=True)
    return energy, force


def coordination(particle: Particle, representative: FloatArray, reach: float) -> FloatArray:
    """Count the atoms nearer than `reach` to one atom of each set, (sets,)."""
    image = images(particle, representative)
    share = 1 / particle.stabiliser.sum(axis=1)[:, None, None]
    count = np.empty(len(particle.size))
    for run in _runs(particle):
        _, squared, own = _separations(particle, representative, image, run)
        near = (squared < reach**2) & ~own
        count[run] = (near * share).sum(axis=(0, 2))
    return count.round()


def force_constants(
    particle: Particle, representative: FloatArray, basis: Basis
) -> tuple[FloatArray, FloatArray]:
    """Give the block of the force constants of one representation.

    Returns
    -------
    block : (size, size), symmetric up to rounding: its two halves come from different sums
    own : (sets, 3, 3), force constants of one atom of each set with itself
    """
    sets, order = len(particle.size), particle.group.order
    image = images(particle, representative)
    field = _field(particle, basis)
    rows = basis.matrices.transpose(0, 2, 1) * np.sqrt(particle.size)[:, None, None] / order
    ends = np.concatenate([[0], np.cumsum(basis.there.sum(axis=1))])
    block = np.empty((basis.size, basis.size))
    own = np.empty((sets, 3, 3))
    for run in _runs(particle):
        k, own[run] = _constants(particle, representative, image, run)
        count = run.stop - run.start
        moved = k.reshape(sets, count * 3, order * 3) @ field
        moved = moved.reshape(sets, count, rows.shape[2], -1).transpose(1, 2, 0, 3)
        part = rows[run] @ moved.reshape(count, rows.shape[2], -1)
        block[ends[run.start] : ends[run.stop]] = part[basis.there[run]][:, basis.there.ravel()]
    return block, own


def _field(particle: Particle, basis: Basis) -> FloatArray:
    """Displacements of all images in every field, (sets, order * 3, d * largest)."""
    sets, wide, largest = basis.matrices.shape
    scaled = basis.matrices * np.sqrt(particle.size)[:, None, None]
    products = _products(particle, basis.representation)
    every = products.reshape(-1, wide) @ scaled
    return np.asarray(every.reshape(sets, 3 * particle.group.order, -1))


def _constants(
    particle: Particle, representative: FloatArray, image: FloatArray, run: slice
) -> tuple[FloatArray, FloatArray]:
    """Force constants (sets, run, 3, order, 3) to all images and (run, 3, 3) to itself."""
    away, squared, own = _separations(particle, representative, image, run)
    tension = FORCES.tension(squared)
    radial = FORCES.stiffness(squared, squared) - tension
    tension[own] = radial[own] = 0.0
    along = (-radial / squared)[:, :, None] * away
    k = along[..., None] * away.transpose(0, 1, 3, 2)[:, :, None]
    for a in range(3):
        k[:, :, a, :, a] -= tension
    share = 1 / particle.stabiliser.sum(axis=1)
    itself = -np.einsum("sragb,s->rab", k, share, optimize=True)
    chosen, element = np.nonzero(particle.stabiliser[run])
    k[chosen + run.start, chosen, :, element] = itself[chosen]
    return k, itself
