"""The modes of a Lennard-Jones slab as others would compute them, from layer heights alone.

Nothing here comes from the package but the geometry of the face. Reduced units, masses 1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.crystal.faces import Face
from models.protocol import ComplexArray, FloatArray, IntArray


@dataclass(frozen=True)
class Depth:
    """Pairs between a layer and the one `depth` below it."""

    cell: IntArray
    """(n, 2), steps along a1 and a2 when layer l sits at -l * offset."""
    in_plane: FloatArray
    """(n, 2), true vectors."""
    blocks: FloatArray
    """(pairs of layers, n, 3, 3), -d2V/dr dr; one for all pairs of layers if they are alike."""


@dataclass(frozen=True)
class PlainSlab:
    """Everything that a dynamical matrix needs."""

    face: Face
    distance: float
    heights: FloatArray
    cutoff: float
    depths: tuple[Depth, ...]
    self_terms: FloatArray
    """(layers, 3, 3)."""

    @property
    def layers(self) -> int:
        return len(self.heights)


def plain_slab(face: Face, distance: float, heights: FloatArray, cutoff: float) -> PlainSlab:
    """Collect pairs within the cutoff of the ideal lattice and their force constants."""
    layers = len(heights)
    deepest = min(layers - 1, int(cutoff * 1.000001 / face.spacing))
    depths, self_terms = [], np.zeros((layers, 3, 3))
    for depth in range(deepest + 1):
        reach = 2 * int(cutoff) + 2 * depth + 3
        steps = np.arange(-reach, reach + 1)
        cell = np.stack(np.meshgrid(steps, steps, indexing="ij"), axis=-1).reshape(-1, 2)
        xy = cell @ face.vectors - depth * np.array(face.offset)
        squared = (xy**2).sum(axis=1) + (depth * face.spacing) ** 2
        near = (squared <= cutoff**2 * (1 + 1e-9)) & (squared > 1e-6)
        dz = heights[depth:] - heights[: layers - depth]
        alike = np.ptp(dz) < 1e-9
        blocks = _force_constants(xy[near] * distance, dz[:1] if alike else dz)
        depths.append(Depth(cell[near], xy[near] * distance, blocks))
        total = np.broadcast_to(blocks.sum(axis=1), (layers - depth, 3, 3))
        self_terms[: layers - depth] -= total
        if depth:
            self_terms[depth:] -= total
    return PlainSlab(face, distance, heights, cutoff, tuple(depths), self_terms)


def _force_constants(xy: FloatArray, dz: FloatArray) -> FloatArray:
    r = np.empty((len(dz), len(xy), 3))
    r[..., :2] = xy
    r[..., 2] = dz[:, None]
    length = np.sqrt((r**2).sum(axis=-1))
    slope = 4 * (6 * length**-7 - 12 * length**-13) / length
    curvature = 4 * (156 * length**-14 - 42 * length**-8)
    u = r / length[..., None]
    along = (curvature - slope)[..., None, None] * u[..., :, None] * u[..., None, :]
    blocks: FloatArray = -(along + slope[..., None, None] * np.eye(3))
    return blocks


def dynamical_matrices(slab: PlainSlab, k: FloatArray) -> ComplexArray:
    """Plain batched numpy: one product a depth for the phase sums, then the blocks in place."""
    layers = slab.layers
    d = np.zeros((len(k), layers, 3, layers, 3), dtype=complex)
    every = np.arange(layers)
    for depth, of in enumerate(slab.depths):
        phase = k @ of.in_plane.T
        kinds, n = of.blocks.shape[:2]
        blocks = of.blocks.transpose(1, 0, 2, 3).reshape(n, -1)
        sums = (np.cos(phase) @ blocks + 1j * (np.sin(phase) @ blocks)).reshape(-1, kinds, 3, 3)
        upper, lower = every[: layers - depth], every[depth:]
        d[:, upper, :, lower] += sums.transpose(1, 0, 2, 3)
        if depth:
            d[:, lower, :, upper] += sums.conj().transpose(1, 0, 3, 2)
    d[:, every, :, every] += slab.self_terms[:, None]
    return d.reshape(len(k), 3 * layers, 3 * layers)


def plain_modes(
    slab: PlainSlab, k: FloatArray, surface_depth: int
) -> tuple[FloatArray, FloatArray]:
    """Squared frequencies (n_k, modes) and the three weights (n_k, 3, modes)."""
    squared, vectors = np.linalg.eigh(dynamical_matrices(slab, k))
    share = (vectors.real**2 + vectors.imag**2).reshape(len(k), slab.layers, 3, -1)
    by_layer = share.sum(axis=2)
    outer = np.minimum(np.arange(slab.layers), np.arange(slab.layers)[::-1]) < surface_depth
    weights = [by_layer[:, outer].sum(axis=1), share[:, :, 2].sum(axis=1), by_layer[:, 0]]
    return squared, np.stack(weights, axis=1)


def phonopy_modes(slab: PlainSlab, fractions: FloatArray) -> Callable[[], FloatArray]:
    """Hand force constants to phonopy; gives a call for squared frequencies and vectors.

    Its batched routines are used, which are faster than its loop over wavevectors.
    """
    from phonopy import Phonopy
    from phonopy.harmonic.dynamical_matrix import (
        diagonalize_dynamical_matrices,
        get_dynamical_matrices_at_qpoints,
    )
    from phonopy.structure.atoms import PhonopyAtoms

    layers, m = slab.layers, 2 * int(np.ceil(slab.cutoff)) + 1
    cell = np.zeros((3, 3))
    cell[:2, :2] = slab.face.vectors * slab.distance
    cell[2, 2] = np.ptp(slab.heights) + 3 * slab.cutoff * slab.distance
    position = np.zeros((layers, 3))
    position[:, :2] = -np.arange(layers)[:, None] * np.array(slab.face.offset) * slab.distance
    position[:, 2] = slab.heights - slab.heights.min()
    atoms = PhonopyAtoms(
        symbols=["Ar"] * layers, positions=position, cell=cell, masses=[1.0] * layers
    )
    phonopy: Any = Phonopy(
        atoms, supercell_matrix=np.diag([m, m, 1]), primitive_matrix="P", is_symmetry=False
    )
    phonopy.force_constants = _compact(slab, m, _supercell_index(phonopy, position, cell, m))
    points = np.column_stack([fractions, np.zeros(len(fractions))])

    def run() -> FloatArray:
        d = get_dynamical_matrices_at_qpoints(phonopy.dynamical_matrix, points)
        squared, _ = diagonalize_dynamical_matrices(d, with_eigenvectors=True)
        return np.asarray(squared)

    return run


def _supercell_index(phonopy: Any, position: FloatArray, cell: FloatArray, m: int) -> IntArray:
    """Find the atom of the supercell for (layer, step along a1, step along a2) modulo m."""
    scaled = phonopy.supercell.scaled_positions * [m, m, 1]
    unit = np.unique(phonopy.supercell.s2u_map, return_inverse=True)[1]
    steps = np.rint(scaled - (position @ np.linalg.inv(cell))[unit]).astype(int) % m
    index = np.zeros((len(position), m, m), dtype=np.int64)
    index[unit, steps[:, 0], steps[:, 1]] = np.arange(len(scaled))
    return index


def _compact(slab: PlainSlab, m: int, index: IntArray) -> FloatArray:
    layers = slab.layers
    constants = np.zeros((layers, layers * m * m, 3, 3))
    for depth, of in enumerate(slab.depths):
        for upper in range(layers - depth):
            block = of.blocks[upper % len(of.blocks)]
            lower = upper + depth
            down, up = of.cell.T % m, -of.cell.T % m
            np.add.at(constants, (upper, index[lower, down[0], down[1]]), block)
            if depth:
                np.add.at(constants, (lower, index[upper, up[0], up[1]]), block)
    constants[np.arange(layers), index[:, 0, 0]] += slab.self_terms
    return constants
