"""Mean square displacements and velocities in the layers of a semi-infinite crystal.

    <u_a^2> = f(D)_la,la / m,  <v_a^2> = (D f(D))_la,la / m,
    f(x) = coth(sqrt(x)/2T) / (2 sqrt(x)), with hbar = k_B = 1,

with D the mass-reduced matrix and m the mass of the layer, which is left to the caller. On
the spectrum f is a sum of poles c_j/(x + y_j^2), so that f(D) is the same sum of Green's
functions on the imaginary frequency axis, -c_j G(-y_j^2), where they are smooth and decimation
is quick. One set of y_j serves all temperatures: y = 0, which is exact at high temperature,
and the nodes of the elliptic midpoint rule for T = 0. The c_j of each temperature are fitted
to f; they come out positive or small, so that nothing cancels. D f(D) has c_j [1 - y_j^2/(D +
y_j^2)] from the same nodes, with the same relative error.

Units: frequency for temperatures, squared frequency for D, 1/frequency and frequency for the
results, times hbar/m. Axes: (n_k, temperatures, layers, 3).
Source: Wallis (1973), Eqs. 231, 236, 242-244; nodes: N. Hale, N. J. Higham, L. N. Trefethen,
SIAM J. Numer. Anal. 46, 2505 (2008), method 3.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from models.errors import NumericsError
from models.green.half_space import HalfSpace
from models.green.surface_spectra import layer_green, surface_resolvents
from models.protocol import FloatArray

ACCURACY = 1e-10
"""Largest relative error of the sum of poles anywhere on the spectrum."""
MOST_NODES = 72
"""Nodes that reach the accuracy on every spectrum that is allowed for (measured: 57)."""
NARROWEST = 1e-9
"""Lowest over highest squared frequency that nodes are made for. Below it rounding of the
matrix, 1e-16 of the highest squared frequency, is what limits the result."""
UNSTABLE = 1e-11
"""Share of the largest element by which a squared frequency below zero is no rounding."""
MARGIN = 10.0
"""By how much the lowest squared frequency may lie below its estimate."""
SCAN = 9
"""Phases at which the bulk bands are looked at for that estimate."""


@dataclass(frozen=True)
class Poles:
    """f as a sum of poles, for each of several temperatures."""

    y_squared: FloatArray
    """(nodes,), ascending from 0, squared frequency."""
    weights: FloatArray
    """(temperatures, nodes), frequency."""


def thermal_function(squared: FloatArray, temperature: float) -> FloatArray:
    """coth(sqrt(x)/2T) / (2 sqrt(x)) of squared frequencies x > 0."""
    frequency = np.sqrt(squared)
    if temperature == 0:
        return 0.5 / frequency
    return 0.5 / (frequency * np.tanh(frequency / (2 * temperature)))


@lru_cache(maxsize=64)
def find_poles(lowest: float, highest: float, temperatures: tuple[float, ...]) -> Poles:
    """Find nodes and weights for a spectrum between two squared frequencies.

    Raises
    ------
    NumericsError : no number of nodes reaches the accuracy
    """
    ratio = lowest / highest
    scaled = [t / np.sqrt(highest) for t in temperatures]
    worst = np.inf
    for n in range(12, MOST_NODES + 1, 4):
        squared = np.append(0.0, _elliptic_nodes(ratio, n) ** 2)
        x = np.geomspace(ratio, 1, 12 * n)
        weights = np.stack([_fit(squared, x, t) for t in scaled])
        test = np.geomspace(ratio, 1, 31 * n)
        f = np.stack([thermal_function(test, t) for t in scaled])
        worst = float(np.abs(weights @ (1 / (test + squared[:, None])) / f - 1).max())
        if worst <= ACCURACY:
            return Poles(squared * highest, weights * np.sqrt(highest))
    msg = (
        f"{MOST_NODES} poles give the thermal function to {worst:.1e} only, not {ACCURACY}, "
        f"between the squared frequencies {lowest:.3g} and {highest:.3g}. The spectrum is too "
        "wide. Leave out wavevectors this near to Gamma."
    )
    raise NumericsError(msg)


def _elliptic_nodes(ratio: float, n: int) -> FloatArray:
    """Nodes y of the midpoint rule for x^-1/2 = 2/pi int dy/(x + y^2), ratio <= x <= 1.

    y = sqrt(ratio) tan(am(u)) at the midpoints u of n parts of a quarter period, the elliptic
    amplitude am from the arithmetic-geometric mean (Abramowitz and Stegun 16.4). The weights are
    fitted to the nodes, so that these need no last digit; scipy.special would double the time
    that every command takes to start.
    """
    a, b = [1.0], np.sqrt(ratio)
    c = [np.sqrt(1 - ratio)]
    while c[-1] > 1e-16:
        a, b, c = [*a, (a[-1] + b) / 2], np.sqrt(a[-1] * b), [*c, (a[-1] - b) / 2]
    turns = len(a) - 1
    amplitude = 2.0**turns * np.pi / 2 * (np.arange(n) + 0.5) / n
    for i in range(turns, 0, -1):
        amplitude = (amplitude + np.arcsin(c[i] / a[i] * np.sin(amplitude))) / 2
    return np.asarray(np.sqrt(ratio) * np.tan(amplitude))


def _fit(squared: FloatArray, x: FloatArray, temperature: float) -> FloatArray:
    """Weights of the poles with the least relative error on the points x."""
    columns = 1 / (x[:, None] + squared) / thermal_function(x, temperature)[:, None]
    scale = columns.max(axis=0)
    fit = np.linalg.lstsq(columns / scale, np.ones(len(x)), rcond=1e-14)[0]
    return np.asarray(fit / scale)


def lowest_squared_frequency(half: HalfSpace, k: int) -> float:
    """Estimate the lowest squared frequency that matters in the explicit layers, from below.

    It is a tenth of the lesser of a scan of the bulk bands and of the stiffness of the softest
    displacement of explicit layers. Negative: the crystal is unstable; zero: it is free to move.
    Neither has thermal averages.
    """
    onsite, hop = half.onsite[k], half.hop[k]
    phases = np.exp(1j * np.pi * np.arange(SCAN) / (SCAN - 1))[:, None, None]
    bulk = np.linalg.eigvalsh(onsite + hop * phases + (hop * phases).conj().swapaxes(1, 2)).min()
    scale = float(np.abs(onsite).max())
    if bulk <= NARROWEST * scale:
        return float(bulk) if bulk < -UNSTABLE * scale else 0.0
    stiffness = -surface_resolvents(half, k, np.zeros(1), half.layers)[0]
    return float(min(bulk, np.linalg.eigvalsh(stiffness)[0])) / MARGIN


def mean_squares(
    half: HalfSpace, highest: float, temperatures: FloatArray, layers: int
) -> tuple[FloatArray, FloatArray]:
    """Mean square displacements and velocities of the first layers, each times the mass.

    Parameters
    ----------
    highest : the highest squared frequency of the crystal, surface modes included, or more
    temperatures : (temperatures,), >= 0
    layers : layers counted from the top, all of them explicit

    Returns
    -------
    two arrays (n_k, temperatures, layers, 3); NaN at a wavevector whose crystal is unstable or
    free to move (k = 0)
    """
    shape = (len(half.surface), len(temperatures), layers, 3)
    displacement, velocity = np.full(shape, np.nan), np.full(shape, np.nan)
    for k in range(len(half.surface)):
        lowest = lowest_squared_frequency(half, k)
        if lowest <= 0:
            continue
        # whole decades: few sets of poles serve all wavevectors
        decade = 10.0 ** np.floor(np.log10(max(lowest / highest, NARROWEST)))
        poles = find_poles(decade * highest, highest, tuple(float(t) for t in temperatures))
        g = layer_green(half, k, -poles.y_squared, layers)
        response = -np.einsum("jii->ji", g).real
        moving = 1 - poles.y_squared[:, None] * response
        displacement[k] = (poles.weights @ response).reshape(shape[1:])
        velocity[k] = (poles.weights @ moving).reshape(shape[1:])
    return displacement, velocity
