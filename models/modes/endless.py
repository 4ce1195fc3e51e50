"""Modes of the endless crystal that a slab is cut from, at an in-plane wavevector and k_z.

The crystal repeats after `period` layers: one, two where layers alternate (hcp), twice the
period of a superlattice. At k_z h = angle, h being the spacing of layers, its dynamical
matrix is of order 3 * period.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from models.forces.pair_forces import ELEMENT
from models.modes.phase_sums import Couplings, depth_sums
from models.protocol import ComplexArray, FloatArray


@dataclass(frozen=True)
class EndlessCrystal:
    """Phase sums of an endless crystal at a batch of in-plane wavevectors."""

    on_site: FloatArray
    """(n_k, 6)"""
    even: FloatArray
    """(n_k, kinds, depths, 6), cosine sums of the pairs of each kind of layer with those below."""
    odd: FloatArray
    masses: FloatArray
    """(period,), layer by layer downwards."""

    @property
    def period(self) -> int:
        """Layers of a cell."""
        return len(self.masses)

    @classmethod
    def at(cls, crystal: Couplings, wavevectors: FloatArray, masses: FloatArray) -> EndlessCrystal:
        """Sum over the phases of in-plane wavevectors (n_k, 2)."""
        (own, _), *below = depth_sums(crystal, wavevectors)
        kinds = len(crystal.self_terms)
        even, odd = (
            np.stack(sums, axis=1).reshape(len(wavevectors), len(below), kinds, 6)
            for sums in zip(*below, strict=True)
        )
        return cls(
            crystal.self_terms[0] + own, even.transpose(0, 2, 1, 3), odd.transpose(0, 2, 1, 3),
            masses,
        )  # fmt: skip

    @classmethod
    def one_by_one(
        cls, crystal: Couplings, wavevectors: FloatArray, masses: FloatArray
    ) -> EndlessCrystal:
        """Do the same, with bytes that do not depend on how many wavevectors there are."""
        rows = [cls.at(crystal, k[None], masses) for k in wavevectors]
        on_site, even, odd = (
            np.concatenate([getattr(row, name) for row in rows])
            for name in ("on_site", "even", "odd")
        )
        return cls(on_site, even, odd, masses)

    def squared(self, angle: FloatArray) -> FloatArray:
        """Squared frequencies at k_z h = angle (n_k, m), ascending: (n_k, m, 3 * period)."""
        one = self.period == 1
        matrix: Any = self._one_layer(angle) if one else self._many_layers(angle)
        return np.asarray(np.linalg.eigvalsh(matrix))

    def _one_layer(self, angle: FloatArray) -> FloatArray:
        """D of a Bravais crystal: real, for every atom is an inversion centre."""
        phase = angle[..., None] * np.arange(1, self.even.shape[2] + 1)
        six = self.on_site[:, None] + 2 * (
            np.cos(phase) @ self.even[:, 0] + np.sin(phase) @ self.odd[:, 0]
        )
        return np.asarray(six[..., ELEMENT] / self.masses[0])

    def _many_layers(self, angle: FloatArray) -> ComplexArray:
        """D of a cell of several layers, (n_k, m, 3 period, 3 period)."""
        period, kinds = self.period, self.even.shape[1]
        full = np.zeros((*angle.shape, period, 3, period, 3), dtype=complex)
        for layer in range(period):
            full[:, :, layer, :, layer] += self.on_site[:, None, ELEMENT]
        for depth in range(1, self.even.shape[2] + 1):
            # the layer `depth` below lies at -depth * spacing, so its phase is -angle * depth
            turn = np.exp(-1j * angle * depth)[..., None]
            for upper in range(period):
                kind, lower = upper % kinds, (upper + depth) % period
                block = self.even[:, kind, depth - 1] + 1j * self.odd[:, kind, depth - 1]
                six = turn * block[:, None]
                full[:, :, upper, :, lower] += six[..., ELEMENT]
                full[:, :, lower, :, upper] += six[..., ELEMENT].conj()
        root = np.repeat(1 / np.sqrt(self.masses), 3)
        n = 3 * period
        return np.asarray(full.reshape(*angle.shape, n, n) * np.outer(root, root), dtype=complex)
