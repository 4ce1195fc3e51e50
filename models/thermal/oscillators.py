"""Thermal functions and averages of harmonic oscillators, hbar = k_B = 1.

Everything follows from the Bose number n = 1/(exp(omega/T) - 1), one exponential for each
mode and temperature: E = omega/2 + omega n, S = (omega/T) n + ln(1 + n), F = omega/2 -
T ln(1 + n), C = (omega/T)^2 n (n + 1). These forms lose no digits at small or large omega/T.

Units: energies and temperatures in that of omega; entropy and heat capacity in k_B.
Axes:  modes (..., modes); shares (..., sites, modes); temperatures (temperatures,).
Source: Wallis (1973), Eqs. 94-98 (thermal functions), 223-230 and 242 (averages).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.protocol import FloatArray

COLDEST = 700.0
"""Largest omega/T that is told apart: exp(700) is still a number, and n = 1e-304 is nothing."""
HOTTEST = 1e-290
"""Smallest omega/T that is told apart, so that n is a number."""
HOT = 0.25
"""Below this omega/T, exp(omega/T) - 1 would lose more than two bits, so expm1 is used."""
CHUNK = 2**15
"""Modes times temperatures of one step of a sum: the arrays of a step stay in the cache."""


@dataclass(frozen=True, slots=True)
class ThermalFunctions:
    """The four thermal functions, arrays of one shape, zero-point motion included."""

    internal_energy: FloatArray
    free_energy: FloatArray
    entropy: FloatArray
    heat_capacity: FloatArray


def _ratio(omega: FloatArray, temperatures: FloatArray) -> FloatArray:
    """Give x = omega/T, kept between HOTTEST and COLDEST, shape (..., temperatures, modes)."""
    # the smallest normal number stands for T = 0, where x is COLDEST and n is set to 0
    t = np.maximum(temperatures, np.finfo(float).tiny)[:, None]
    with np.errstate(over="ignore"):  # what is too large to be a number is COLDEST
        x: FloatArray = omega[..., None, :] / t
    return np.clip(x, HOTTEST, COLDEST, out=x)


def _bose(omega: FloatArray, temperatures: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Give x = omega/T and the Bose number n, each (..., temperatures, modes)."""
    x = _ratio(omega, temperatures)
    n: FloatArray = np.exp(x)  # half the time of expm1
    n -= 1
    hot = x < HOT
    if hot.any():
        n[hot] = np.expm1(x[hot])
    np.divide(1.0, n, out=n)
    n[..., temperatures == 0, :] = 0
    return x, n


def thermal_functions(
    omega: FloatArray, temperatures: FloatArray, keep: NDArray[np.bool_] | None = None
) -> ThermalFunctions:
    """Give energy, free energy, entropy and heat capacity of every mode.

    Parameters
    ----------
    omega : (..., modes), above zero where kept
    temperatures : (temperatures,), not below zero, in the unit of `omega`
    keep : (..., modes); a mode that is not kept (zero, unstable) counts as 0 in everything

    Returns
    -------
    each (..., temperatures, modes); at T = 0 the zero-point values omega/2, omega/2, 0, 0
    """
    if keep is not None:
        omega = np.where(keep, omega, 1.0)
    t = temperatures[:, None]
    x, n = _bose(omega, temperatures)
    xn = x * n
    log = np.log1p(n)  # -ln(1 - exp(-x))
    zero_point = omega[..., None, :] / 2
    found = (zero_point + t * xn, zero_point - t * log, xn + log, xn * (xn + x))
    if keep is not None:
        for values in found:
            values *= keep[..., None, :]
    return ThermalFunctions(*found)


def weighted_sums(
    omega: FloatArray,
    weight: FloatArray,
    temperatures: FloatArray,
    keep: NDArray[np.bool_] | None = None,
) -> ThermalFunctions:
    """Sum the thermal functions over modes and wavevectors.

    The same as `thermal_functions` and a weighted sum, without the large arrays.

    Parameters
    ----------
    omega : (n, modes), above zero where kept
    weight : (n,), share of the zone of each wavevector
    temperatures : (temperatures,), not below zero, in the unit of `omega`
    keep : (n, modes); modes that are not kept are left out

    Returns
    -------
    each (temperatures,), per cell if `weight` sums to 1
    """
    every = np.broadcast_to(weight[:, None], omega.shape)
    kept = slice(None) if keep is None else keep
    flat, share = omega[kept].ravel(), every[kept].ravel()
    energy, entropy, heat = np.zeros((3, len(temperatures)))  # sums of x n, ln(1 + n), C
    for piece in _pieces(len(flat), len(temperatures)):
        x, n = _bose(flat[piece], temperatures)
        xn = x * n
        energy += xn @ share[piece]
        entropy += np.log1p(n, out=n) @ share[piece]
        x += xn
        x *= xn
        heat += x @ share[piece]
    zero_point = flat @ share / 2
    return ThermalFunctions(
        zero_point + temperatures * energy,
        zero_point - temperatures * entropy,
        energy + entropy,
        heat,
    )


def zone_sums(
    omega: FloatArray, weight: FloatArray, temperatures: FloatArray, keep: NDArray[np.bool_]
) -> tuple[ThermalFunctions, FloatArray]:
    """Sum as `weighted_sums`, and give the energy of every mode, times its weight, too.

    What displacements and velocities need beside the functions comes from the same numbers.

    Returns
    -------
    the sums, each (temperatures,); energies (n, temperatures, modes), 0 where not kept
    """
    omega = np.where(keep, omega, 1.0).ravel()
    share = (weight[:, None] * keep).ravel()
    x, n = _bose(omega, temperatures)  # all modes in a row: one product gives a sum over them
    xn = x * n
    x += xn
    x *= xn  # x^2 n (n + 1)
    thermal, disorder, heat = xn @ share, np.log1p(n, out=n) @ share, x @ share
    zero_point = omega @ share / 2
    xn *= temperatures[:, None]
    xn += omega / 2
    xn *= share
    functions = ThermalFunctions(
        zero_point + temperatures * thermal, zero_point - temperatures * disorder,
        thermal + disorder, heat,
    )  # fmt: skip
    return functions, xn.reshape(-1, *keep.shape).swapaxes(0, 1)


def _pieces(modes: int, temperatures: int) -> Iterator[slice]:
    step = max(1, CHUNK // max(1, temperatures))
    for start in range(0, modes, step):
        yield slice(start, start + step)


def mean_energy(omega: FloatArray, temperatures: FloatArray) -> FloatArray:
    """Mean energy (omega/2) coth(omega/2T) of oscillators, the zero-point value at T = 0.

    Parameters
    ----------
    omega : (..., modes), all above zero
    temperatures : (temperatures,), not below zero, in the unit of `omega`

    Returns
    -------
    (..., temperatures, modes), in the unit of `omega`
    """
    x, n = _bose(omega, temperatures)
    x *= n
    x *= temperatures[:, None]
    x += omega[..., None, :] / 2
    return x


def heat_capacity(omega: FloatArray, temperatures: FloatArray) -> FloatArray:
    """Heat capacity (x/sinh x)^2 with x = omega/2T (Eq. 94); as `mean_energy`, in k_B."""
    x, n = _bose(omega, temperatures)
    n *= x
    x += n
    x *= n
    return x


def free_energy(omega: FloatArray, temperatures: FloatArray) -> FloatArray:
    """Free energy omega/2 + T ln(1 - exp(-omega/T)); as `mean_energy`."""
    _, n = _bose(omega, temperatures)
    log = np.log1p(n, out=n)
    log *= -temperatures[:, None]
    log += omega[..., None, :] / 2
    return log


def entropy(omega: FloatArray, temperatures: FloatArray) -> FloatArray:
    """Entropy (E - F)/T, 0 at T = 0; as `mean_energy`, in k_B."""
    x, n = _bose(omega, temperatures)
    x *= n
    x += np.log1p(n, out=n)
    return x


def displacement(omega: FloatArray, share: FloatArray, temperatures: FloatArray) -> FloatArray:
    """Mean square displacements, sum over modes of share * energy / omega^2 (Eq. 230).

    Parameters
    ----------
    omega : (..., modes), all above zero
    share : (..., sites, modes), squared eigenvector over the mass of the site
    temperatures : (temperatures,), not below zero, in the unit of `omega`

    Returns
    -------
    (..., temperatures, sites)
    """
    weight = mean_energy(omega, temperatures)
    weight /= omega[..., None, :] ** 2
    return weight @ _transposed(share)


def velocity(omega: FloatArray, share: FloatArray, temperatures: FloatArray) -> FloatArray:
    """Mean square velocities, sum over modes of share * energy (Eq. 242); as `displacement`."""
    return mean_energy(omega, temperatures) @ _transposed(share)


def _transposed(share: FloatArray) -> NDArray[Any]:
    return np.swapaxes(share, -1, -2)
