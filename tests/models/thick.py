"""A slab of the model `slab`, taken apart for the solvers of thick slabs."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from known import SLAB

from models.evaluate import Evaluator
from models.modes import banded
from models.modes.matrix_forms import MatrixForm
from models.modes.phase_sums import Couplings, sum_phases
from models.modes.surface_solver import SurfaceModes, gaps_of, surface_modes
from models.slab.modes import alike


@dataclass(frozen=True)
class Thick:
    """One slab at a few wavevectors."""

    couplings: Couplings
    masses: np.ndarray
    sums: np.ndarray
    bands: np.ndarray
    two_fold: bool
    symmetric: bool
    form: MatrixForm | None

    @property
    def kind(self) -> str:
        return banded.kind_of(self.two_fold, self.symmetric, len(self.masses))

    def blocks(self, k: int = 0) -> banded.LayerBlocks:
        return banded.layer_blocks(self.couplings, self.sums[k], self.masses)

    def squared(self) -> np.ndarray:
        return banded.squared_frequencies(self.couplings, self.sums, self.masses, self.kind)

    def gaps(self, k: int = 0, *places: str):
        return gaps_of(self.bands[k], *([places] if places else []))

    def surface(self, k: int = 0, *places: str, counted: bool = True) -> SurfaceModes:
        return surface_modes(
            self.blocks(k), self.gaps(k, *places), self.two_fold, self.symmetric, counted
        )

    def dense(self, k: int = 0) -> np.ndarray:
        """The complex Hermitian matrix itself, written out."""
        lower = banded.lower_blocks(self.blocks(k), turned=False)
        return full_of(banded.band_of(lower))


def thick(fractions, with_form: bool = False, **parameters: Any) -> Thick:
    p = SLAB.parameters(k_list=[tuple(f) for f in fractions], **parameters)
    evaluator = Evaluator(SLAB)

    def stage(name: str) -> dict[str, np.ndarray]:
        return {key: a[0] for key, a in evaluator.whole(SLAB.stage(name), p).items()}

    couplings = Couplings.from_arrays(stage("couplings"))
    form = MatrixForm.from_arrays(stage("form")) if with_form else None
    sums = sum_phases(couplings, stage("k_points")["k_vector"])
    bands = stage("bulk")["bulk_band"]
    return Thick(couplings, p.masses(), sums, bands, p.face.two_fold, alike(p), form)


def full_of(band: np.ndarray) -> np.ndarray:
    """Write a band matrix out."""
    n = band.shape[1]
    full = np.zeros((n, n), dtype=band.dtype)
    for i in range(min(len(band), n)):
        places = np.arange(n - i)
        full[places + i, places] = band[i, : n - i]
        full[places, places + i] = band[i, : n - i].conj()
    return full
