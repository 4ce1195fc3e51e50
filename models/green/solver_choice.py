"""Whether a finite slab or decimation gives layer spectra at less cost, for a wanted accuracy.

A slab shows the echo of its lower face: a wave that leaves the surface, comes back and is
damped on the way. Over one layer a wave of group velocity v (d omega/d theta, theta the phase
from layer to layer) loses exp(-w/v) of its amplitude at z = (omega + i w)^2. The echo is left
by the fastest waves of the wavevector,

    rms error / rms density = A exp(-2 layers w / v_max).

Measured (`python -m benchmarks.layer_spectra`, cutoff 6, 18 cases: three faces, ideal and
relaxed, a generic, a long and a zone-edge wave, errors from 0.1 to 1e-9): fits give exponents
from 1.83 to 2.21, and with 2 the largest A is 0.63 in the first layer and 1.19 in the first
three. With a fixed imaginary part eta of z, and v the slope of the squared frequency, the law
is the same (measured once, apart from the benchmark): at the generic wavevector of (111) it
reads 0.27 exp(-7.3 layers eta/w2max) for the ideal and 0.26 exp(-7.3 ..) for a relaxed face.
The exponent is no constant of the crystal: 4.2 at long waves, and 4.8 on (110).

Costs are equivalent floating-point operations, 1e10 of them a second, as in `models.protocol`.
They are fits to a few timings of the parts. The benchmark times both ways at widths far from
the crossing, where the choice is right; the crossing itself was not timed.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np

from models.green.decimation import Kind
from models.green.half_space import HalfSpace
from models.protocol import FloatArray

Solver: TypeAlias = Literal["slab", "decimation"]
ECHO = 1.4
"""A in the law above: what was measured at most, and a fifth more."""
STEEPEST = 0.7
"""v_max over the highest frequency where it is not known: the largest found on a face is 0.69,
of long waves on (110); nearest-neighbour chains have 0.5."""
PHASES = 16
"""Phases between principal layers at which group velocities are looked at: finds the largest
to 1 %."""
DOUBLING = {"mirror": 11.0, "inversion": 22.0, "real": 26.0, "none": 26.0}
"""Cost of one doubling, in q^3."""
CALLS = 8e4
"""Cost of the calls of one doubling."""


def steepest_slope(half: HalfSpace, k: int) -> float:
    """Largest group velocity across the layers at one wavevector, frequency per radian and layer.

    v = d omega/d theta = (e+ dD/d theta e) / 2 omega over the bulk bands.
    """
    onsite, hop = half.onsite[k], half.hop[k]
    layers = max(1, len(onsite) // 3)
    turn = np.exp(2j * np.pi * (np.arange(PHASES) + 0.5) / PHASES)[:, None, None]
    ahead = hop * turn
    squared, e = np.linalg.eigh(onsite + ahead + ahead.conj().swapaxes(1, 2))
    change = 1j * ahead - 1j * ahead.conj().swapaxes(1, 2)
    slope = layers * np.einsum("pim,pim->pm", e.conj(), change @ e).real
    moving = squared > 1e-12 * squared.max()
    return float(np.abs(slope[moving] / (2 * np.sqrt(squared[moving]))).max())


def slab_error(width: float, slope: float, layers: int) -> float:
    """Bound on the rms error of a slab's layer spectra, relative to their rms."""
    return float(ECHO * np.exp(-2 * layers * width / slope))


def layers_needed(width: float, slope: float, accuracy: float) -> int:
    """Number of layers of a slab whose layer spectra have this relative rms error.

    Parameters
    ----------
    width : w of z = (omega + i w)^2, or the imaginary part eta of z
    slope : v_max, d omega/d theta for w or d omega^2/d theta for eta, same unit as `width`:
        `steepest_slope`, or `STEEPEST` times the highest frequency
    accuracy : > 0
    """
    return max(1, int(np.ceil(np.log(ECHO / accuracy) * slope / (2 * width))))


def slab_cost(layers: int, grid_points: int, depth: int, halves: int = 1) -> float:
    """Cost of layer spectra at one wavevector by a slab: its modes, then the sum over them.

    halves : blocks of equal size that the real matrix falls into
    """
    order = 3 * layers / halves
    modes = halves * (5e4 + 484 * order**2 + 0.72 * order**3)
    return modes + 3 * layers * grid_points * (50 + depth)


def decimation_cost(
    principal_layers: int, explicit_layers: int, depth: int, kind: Kind, grid_points: int,
    relative_width: float,
) -> float:  # fmt: skip
    """Cost of layer spectra at one wavevector by decimation.

    relative_width : w over the highest frequency
    """
    q = 3 * principal_layers
    doublings = 0.9 + 0.63 * np.log2(1 / relative_width)  # mean over the spectrum, measured
    removed = np.ceil(max(0, explicit_layers - depth) / principal_layers) + 1
    plain = CALLS + DOUBLING["none"] * q**3
    return float(grid_points * (doublings * (CALLS + DOUBLING[kind] * q**3) + removed * plain))


def cheaper_solver(
    half: HalfSpace, kind: Kind, depth: int, grid: FloatArray, width: float, accuracy: float,
    slope: float | None = None,
) -> tuple[Solver, int]:  # fmt: skip
    """Choose between a slab and decimation for the spectra of the first layers.

    Parameters
    ----------
    kind : symmetry of the bulk chain; "mirror" slabs are solved in halves
    depth : layers that are asked for
    grid : frequencies; the last one stands for the highest of the crystal
    slope : `steepest_slope`, or None for the bound that holds at every wavevector

    Returns
    -------
    the solver, and the layers of the slab that reaches the accuracy
    """
    highest = float(grid[-1])
    layers = layers_needed(width, STEEPEST * highest if slope is None else slope, accuracy)
    q = half.onsite.shape[-1] // 3
    by_slab = slab_cost(layers, len(grid), depth, 2 if kind == "mirror" else 1)
    by_decimation = decimation_cost(q, half.layers, depth, kind, len(grid), width / highest)
    return ("slab" if by_slab <= by_decimation else "decimation"), layers
