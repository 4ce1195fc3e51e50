"""The dynamical matrix of a semi-infinite crystal, as blocks of a block-tridiagonal chain.

An explicit region at the surface, then equal principal layers of the ideal bulk for ever. A
principal layer is thick enough to reach only its neighbours.

Units: squared frequency, masses divided out. Axes: (n_k, row, column), a coordinate is
3 * layer + direction, the top layer first.
Source: Wallis (1973), Eqs. 44-49; M. P. Lopez Sancho et al., J. Phys. F 15, 851 (1985).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from models.errors import ModelInputError

Matrices: TypeAlias = NDArray[Any]
"""float64 or complex128: real symmetric or Hermitian matrices, or functions of them."""
SAME_BULK = 1e-10
"""Blocks of the bulk that differ by more than this share of the largest element are no bulk."""


@dataclass(frozen=True)
class HalfSpace:
    """Dynamical matrix of a semi-infinite crystal at a batch of in-plane wavevectors.

    Complex Hermitian, or real symmetric for faces with a two-fold axis after u_z -> i u_z.
    """

    surface: Matrices
    """(n_k, s, s), the explicit region, s = 3 * explicit layers."""
    surface_to_bulk: Matrices
    """(n_k, s, q), coupling of the explicit region to the first principal layer."""
    onsite: Matrices
    """(n_k, q, q), one principal layer of the bulk."""
    hop: Matrices
    """(n_k, q, q), from a principal layer to the next one below."""

    def at(self, k: int) -> HalfSpace:
        """Give the half space at one of the wavevectors."""
        return self[k : k + 1]

    def __getitem__(self, of: slice) -> HalfSpace:
        """Give the half space at some of the wavevectors."""
        return HalfSpace(self.surface[of], self.surface_to_bulk[of], self.onsite[of], self.hop[of])

    @property
    def layers(self) -> int:
        """Number of explicit layers."""
        return self.surface.shape[-1] // 3


def half_space_of(matrices: Matrices, explicit_layers: int, principal_layers: int) -> HalfSpace:
    """Cut a half space out of the matrices of a thick slab.

    The slab is the relaxed surface above, ideal bulk below. Its lower face must be out of
    reach of the first two principal layers below the explicit region; the second one, which
    would feel it first, is compared with the first.

    Parameters
    ----------
    matrices : (n_k, 3 * layers, 3 * layers)
    explicit_layers : layers from the top down to where the bulk is ideal
    principal_layers : layers of a principal layer, no fewer than the forces reach over and a
        multiple of the period of the stacking and of the masses

    Raises
    ------
    ModelInputError : the slab is too thin, a principal layer reaches past its neighbour, or the
        layers below the explicit region are not bulk
    """
    s, q = 3 * explicit_layers, 3 * principal_layers
    least = explicit_layers + 2 * principal_layers + 1
    if matrices.shape[-1] < 3 * least:
        msg = (
            f"A slab of {matrices.shape[-1] // 3} layers cannot give a half space. More than "
            f"{least - 1} are needed for {explicit_layers} explicit layers, two principal layers "
            f"of {principal_layers} and what keeps the lower face out of reach. Use more layers."
        )
        raise ModelInputError(msg)
    upper, lower = slice(s, s + q), slice(s + q, s + 2 * q)
    half = HalfSpace(
        matrices[:, :s, :s], matrices[:, :s, upper], matrices[:, upper, upper],
        matrices[:, upper, lower],
    )  # fmt: skip
    scale = float(np.abs(half.onsite).max())
    if matrices[:, :s, s + q :].any() or matrices[:, upper, s + 2 * q :].any():
        msg = (
            f"Forces reach over more than the {principal_layers} layers of a principal layer. "
            "It must couple to its neighbours only. Use thicker principal layers."
        )
        raise ModelInputError(msg)
    apart = float(np.abs(matrices[:, lower, lower] - half.onsite).max()) / scale
    if apart > SAME_BULK:
        msg = (
            f"Two principal layers below the {explicit_layers} explicit layers differ by "
            f"{apart:.1e} of the largest element, more than {SAME_BULK}. They are not both "
            "bulk. Use more explicit layers, or a thicker slab."
        )
        raise ModelInputError(msg)
    return half
