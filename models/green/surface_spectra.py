"""Green's function and local spectra of the first layers of a semi-infinite crystal.

The bulk below enters as a self-energy (`decimation`). The explicit region is then removed
from below, a few layers at a time, down to the layers that are asked for: the inverse of a
Schur complement is the block of the whole inverse.

The density of layer l in direction a is -(2 omega/pi) Im G_la,la(z) with z = (omega + i w)^2;
its integral over omega is 1. A finite slab gives the same from its modes, with an error
that falls exponentially with its thickness: `layers_needed`, `cheaper_solver`.

Units: squared frequency for matrices and z, frequency for grid and width, density per unit
of frequency. Axes: (n_k, layers, 3, n_grid).
Source: Wallis (1973), Eqs. 259-264; error and cost of the slab are measured, by
`python -m benchmarks.layer_spectra`.
"""

from __future__ import annotations

import numpy as np

from models.errors import ModelInputError
from models.green.decimation import BATCH, Points, chain_self_energies, inverse, resolvent
from models.green.half_space import HalfSpace, Matrices
from models.protocol import ComplexArray, FloatArray


def bulk_self_energies(half: HalfSpace, k: int, z: Points) -> Matrices:
    """Self-energies of the bulk on the lowest explicit coordinates, (n_z, r, r).

    They act on the last r = min(s, q) coordinates: no force reaches further up.
    """
    onsite, hop = half.onsite[k], half.hop[k]
    sigma = chain_self_energies(onsite, hop, z)
    reached = min(half.surface.shape[-1], len(onsite))
    coupling = half.surface_to_bulk[k, -reached:]
    if np.array_equal(coupling, hop):
        return sigma
    # the explicit region couples in its own way: close the first principal layer instead
    g = inverse(resolvent(z, onsite) - sigma, z)
    return coupling @ g @ coupling.conj().T


def surface_resolvents(half: HalfSpace, k: int, z: Points, layers: int) -> Matrices:
    """Inverse of G in the first layers, z - D - Sigma, at one wavevector.

    Parameters
    ----------
    k : index of the wavevector
    z : (n_z,), with Im z > 0, or real and outside the bulk bands
    layers : layers kept, no more than are explicit

    Returns
    -------
    (n_z, 3 * layers, 3 * layers)
    """
    if not 1 <= layers <= half.layers:
        msg = (
            f"{layers} layers of a half space with {half.layers} explicit layers were asked for. "
            "Only explicit layers have a Green's function of their own. Use a number from 1 to "
            f"{half.layers}."
        )
        raise ModelInputError(msg)
    surface, q = half.surface[k], half.onsite.shape[-1]
    sigma = bulk_self_energies(half, k, z)
    size, keep = len(surface), 3 * layers
    while size > keep:
        removed = min(q, size - keep)
        start = max(0, size - removed - q)  # what is removed reaches no further up
        top = size - removed - start
        window = resolvent(z, surface[start:size, start:size])
        at = size - start - sigma.shape[-1]
        window[:, at:, at:] -= sigma
        g = inverse(window[:, top:, top:], z)
        schur = window[:, :top, :top] - window[:, :top, top:] @ (g @ window[:, top:, :top])
        size -= removed
        sigma = resolvent(z, surface[start:size, start:size]) - schur
    result = resolvent(z, surface[:keep, :keep])
    at = keep - sigma.shape[-1]
    result[:, at:, at:] -= sigma
    return result


def layer_green(half: HalfSpace, k: int, z: Points, layers: int) -> Matrices:
    """G(z) in the first layers at one wavevector, (n_z, 3 * layers, 3 * layers).

    Arguments as in `surface_resolvents`. Each z has a result of its own, whatever the others.
    """
    batches = [z[at : at + BATCH] for at in range(0, len(z), BATCH)]
    return np.concatenate([inverse(surface_resolvents(half, k, b, layers), b) for b in batches])


def complex_points(grid: FloatArray, width: float) -> ComplexArray:
    """z = (omega + i width)^2, (n_grid,)."""
    return np.asarray((grid + 1j * width) ** 2, dtype=complex)


def spectral_density(half: HalfSpace, grid: FloatArray, width: float, layers: int) -> FloatArray:
    """Densities of the first layers of a semi-infinite crystal, by decimation.

    Parameters
    ----------
    grid : (n_grid,), frequencies >= 0
    width : frequency > 0, half width of a line at half its height
    layers : layers counted from the top, all of them explicit

    Returns
    -------
    (n_k, layers, 3, n_grid), per unit of frequency; each integrates to 1
    """
    z = complex_points(grid, width)
    density = np.empty((len(half.surface), 3 * layers, len(grid)))
    for k in range(len(density)):
        g = layer_green(half, k, z, layers)
        density[k] = (-2 / np.pi) * grid * np.einsum("zii->iz", g).imag
    return density.reshape(len(density), layers, 3, -1)


def slab_spectral_density(
    squared: FloatArray, shares: FloatArray, grid: FloatArray, width: float
) -> FloatArray:
    """The same of a finite slab, from its modes.

    Parameters
    ----------
    squared : (n_k, modes), squared frequencies
    shares : (n_k, layers, 3, modes), |e|^2 in the layers that are asked for
    grid, width : as in `spectral_density`

    Returns
    -------
    (n_k, layers, 3, n_grid)
    """
    z = complex_points(grid, width)
    lines = ((-2 / np.pi) * grid)[:, None] * (1 / (z[:, None] - squared[:, None, :])).imag
    return np.einsum("klam,kgm->klag", shares, lines, optimize=True)
