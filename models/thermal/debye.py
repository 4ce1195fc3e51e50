"""Debye temperatures from mean square displacements, hbar = k_B = 1.

An isotropic continuum cut off at Theta has, for one Cartesian component of an atom,

    <u^2> = 3 T/(m Theta^2) Phi(Theta/T),    Phi(x) = D1(x) + x/4,
    D1(x) = (1/x) int_0^x t/(e^t - 1) dt,

and 3/(4 m Theta) at T = 0. The Debye temperature of an atom is the Theta with its <u^2>.

Units: Theta and T in the unit of omega; <u^2> in 1/(mass * omega).
Axes:  displacements (temperatures, ...); masses broadcast against (...).
Source: Wallis (1973), Eqs. 218-220.
"""

import math

import numpy as np
from numpy.polynomial.polynomial import polyval

from models.protocol import FloatArray

SERIES_BELOW = 1.0
"""x under which D1 is summed in powers of x, and above it in powers of exp(-x)."""
BERNOULLI = np.array([
    1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510, 43867 / 798,
    -174611 / 330,
])  # fmt: skip
SERIES = BERNOULLI / [(2.0 * k + 1) * math.factorial(2 * k) for k in range(1, 11)]
"""Coefficients of x^2, x^4, ... in D1 = 1 - x/4 + x^2/36 - ...; the next one is 1e-18."""
DILOGARITHM = np.concatenate([[0.0], 1 / np.arange(1.0, 33) ** 2])
"""Coefficients of Li2; the next term is exp(-33)/33^2 = 4e-18 at most."""
NEWTON_STEPS = 4
"""The start is within a tenth of the root and steps square the error: three are enough."""
COLD = 1e-9
"""T/Theta that counts as 0: Theta changes by its square."""


def debye_function(x: FloatArray) -> FloatArray:
    """Give D1(x), any shape of x >= 0, to 1e-15.

    Beyond the series it is [pi^2/6 - Li2(exp(-x))]/x + ln(1 - exp(-x)).
    """
    small = np.minimum(x, SERIES_BELOW)
    series = 1 - small / 4 + small**2 * polyval(small**2, SERIES)
    large = np.maximum(x, SERIES_BELOW)
    q = np.exp(-large)
    closed = (math.pi**2 / 6 - polyval(q, DILOGARITHM)) / large + np.log1p(-q)
    return np.where(np.less(x, SERIES_BELOW), series, closed)


def mean_square(theta: FloatArray, mass: FloatArray, temperatures: FloatArray) -> FloatArray:
    """Give the mean square displacement of one component in the Debye model (Eq. 218).

    Parameters
    ----------
    theta : (temperatures or 1, ...), above zero
    mass : broadcasts against the axes of `theta` after the first
    temperatures : (temperatures,), not below zero

    Returns
    -------
    (temperatures, ...)
    """
    x = theta / np.maximum(_first_axis(temperatures, theta), COLD * theta)
    return 3 / (mass * theta) * (0.25 + debye_function(x) / x)


def debye_temperature(u2: FloatArray, mass: FloatArray, temperatures: FloatArray) -> FloatArray:
    """Find the Debye temperatures that give mean square displacements, to 1e-13.

    Parameters
    ----------
    u2 : (temperatures, ...), mean square displacements of one component
    mass : broadcasts against the axes of `u2` after the first
    temperatures : (temperatures,), not below zero

    Returns
    -------
    (temperatures, ...); NaN where `u2` is NaN, infinite or not above zero
    """
    valid = np.isfinite(u2) & (u2 > 0)
    coldest = 3 / (4 * mass * np.where(valid, u2, 1.0))  # Theta if T were 0, a lower bound
    rise = _rise(_first_axis(temperatures, u2) / coldest)
    return np.where(valid, coldest * rise, np.nan)


def _rise(t: FloatArray) -> FloatArray:
    """Solve Phi(s/t)/s^2 = 1/4t for s, where s and t are Theta and T over Theta at T = 0.

    In logarithms of s the left side is convex with a slope between -2 and -1, so Newton's
    method cannot fail. The start is from x/4 <= Phi, 1 <= Phi and Phi <= 1 + x/4.
    """
    t = np.maximum(t, COLD)
    low, high = np.maximum(1.0, 2 * np.sqrt(t)), (1 + np.sqrt(1 + 16 * t)) / 2
    log = np.log(low * high) / 2
    for _ in range(NEWTON_STEPS):
        x = np.exp(log) / t
        d1 = debye_function(x)
        phi = d1 + x / 4
        slope = (x / np.expm1(np.minimum(x, 700.0)) - d1 + x / 4) / phi - 2
        log -= (np.log(4 * phi / t) - 2 * np.log(x)) / slope
    return np.exp(log)


def _first_axis(temperatures: FloatArray, like: FloatArray) -> FloatArray:
    return temperatures.reshape(-1, *[1] * (np.ndim(like) - 1))
