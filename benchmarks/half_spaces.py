"""Half spaces of Lennard-Jones fcc crystals for benchmarks, and decimation as printed in papers.

Matrices come from layer heights by `other_ways`; only the relaxed heights and the geometry of
the face come from the package.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.other_ways import dynamical_matrices, plain_slab
from models.crystal.faces import FACES
from models.evaluate import compute
from models.green.half_space import HalfSpace, Matrices, half_space_of
from models.protocol import ComplexArray, FloatArray
from models.registry import get

CUTOFF = 6.0
GENERIC = (0.31, 0.12)
"""A wavevector on no line of symmetry, fractions."""
RELAXED = 14
"""Layers that relax by more than 1e-12 sigma at this cutoff."""
TOLERANCE = 1e-14
"""Size of the couplings at which decimation as printed ends, absolute, as in sisl."""


@dataclass(frozen=True)
class Crystal:
    """A crystal with one face, at one wavevector."""

    surface: str
    relaxed: bool
    fraction: tuple[float, float] = GENERIC

    @property
    def reach(self) -> int:
        """Layers over which forces reach."""
        return int(CUTOFF * 1.000001 / FACES["fcc", self.surface].spacing)

    def heights(self, layers: int, both_faces: bool) -> tuple[FloatArray, float]:
        """Heights of a slab, relaxed at the top or at both faces, and the nearest distance."""
        slab = get("slab")
        p = slab.parameters(surface=self.surface, layers=61, cutoff=CUTOFF)
        at_rest = compute(slab, ("layer_height", "nearest_neighbour_distance"), p)
        distance = float(at_rest["nearest_neighbour_distance"])
        spacing = FACES["fcc", self.surface].spacing * distance
        ideal = -spacing * np.arange(layers)
        if self.relaxed:
            moved = (at_rest["layer_height"] + spacing * (np.arange(61) - 30))[:RELAXED]
            ideal[:RELAXED] += moved
            if both_faces:
                ideal[-RELAXED:] -= moved[::-1]
        return ideal, distance

    def matrix(self, layers: int, both_faces: bool) -> Matrices:
        """D of a slab, (3 L, 3 L), real where a two-fold axis allows it."""
        face = FACES["fcc", self.surface]
        heights, distance = self.heights(layers, both_faces)
        # one pair of layers for each depth is enough for an ideal slab
        slab = plain_slab(face, distance, heights, CUTOFF)
        k = np.linalg.solve(face.vectors * distance, 2 * np.pi * np.array(self.fraction))
        d = dynamical_matrices(slab, k[None])[0]
        if not face.two_fold:
            return d
        turn = np.tile([1, 1, 1j], layers)
        return np.ascontiguousarray((turn.conj()[:, None] * d * turn).real)

    def half_space(self) -> HalfSpace:
        """The half space, explicit down to where the bulk is ideal."""
        explicit = self.reach + (RELAXED if self.relaxed else 0)
        thick = self.matrix(explicit + 3 * self.reach, both_faces=False)
        return half_space_of(thick[None], explicit, self.reach)


def inversion_form(matrix: ComplexArray) -> FloatArray:
    """Re D + P Im D of a slab with two alike faces: real symmetric, with D's spectrum."""
    n = len(matrix)
    reversed_ = matrix.imag.reshape(n // 3, 3, n)[::-1].reshape(n, n)
    return np.asarray(matrix.real + reversed_)


def printed_decimation(onsite: Matrices, hop: Matrices, z: ComplexArray) -> ComplexArray:
    """Self-energies by plain batched numpy: one solve and four products for each doubling.

    Converged points leave the batch. A real matrix is treated as a complex one.
    """
    q, n = len(onsite), len(z)
    e = np.repeat(onsite[None].astype(complex), n, axis=0)
    a = np.repeat(hop[None].astype(complex), n, axis=0)
    b = np.repeat(hop.conj().T[None].astype(complex), n, axis=0)
    sigma = np.zeros_like(e)
    active = np.arange(n)
    while len(active):
        m = z[active, None, None] * np.eye(q) - e[active]
        x = np.linalg.solve(m, np.concatenate([a[active], b[active]], axis=2))
        g_a, g_b = x[..., :q], x[..., q:]
        a_g_b = a[active] @ g_b
        sigma[active] += a_g_b
        e[active] += a_g_b + b[active] @ g_a
        a[active], b[active] = a[active] @ g_a, b[active] @ g_b
        active = active[np.abs(a[active]).max(axis=(1, 2)) > TOLERANCE]
    return sigma


def sisl_self_energy(onsite: Matrices, hop: Matrices) -> Any:
    """Hand a principal layer to sisl: gives its recursive self-energy of the layers below.

    Raises ImportError without sisl.
    """
    import scipy.sparse as sparse
    import sisl

    q = len(onsite)
    atom = sisl.Atom(18, orbitals=[1.5 * q] * 3)
    lattice = sisl.Lattice([20, 20, q], nsc=[1, 1, 3])
    geometry = sisl.Geometry([[0, 0, 3.0 * i] for i in range(q // 3)], atom, lattice=lattice)
    part = {0: onsite, -1: hop, 1: hop.conj().T}
    cells = [part[int(geometry.lattice.sc_off[i][2])] for i in range(3)]
    matrix = sparse.csr_matrix(np.hstack(cells).astype(complex))
    return sisl.RecursiveSI(sisl.DynamicalMatrix.fromsp(geometry, matrix), "-C")
