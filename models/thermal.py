"""Thermal averages of harmonic oscillators, hbar = k_B = 1.

Axes:  modes (..., modes); shares (..., sites, modes); temperatures (temperatures,).
Source: Wallis (1973), Eqs. 223-230, 242.
"""

import numpy as np

from models.protocol import FloatArray


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
    x = omega[..., None, :]
    cold = temperatures[:, None] == 0
    t = np.where(cold, 1.0, temperatures[:, None])
    return np.where(cold, x / 2, x / 2 / np.tanh(np.minimum(x / (2 * t), 350.0)))


def displacement(omega: FloatArray, share: FloatArray, temperatures: FloatArray) -> FloatArray:
    """Mean square displacements, sum over modes of share * energy / omega^2 (Eq. 230).

    Parameters
    ----------
    omega : (..., modes)
    share : (..., sites, modes), squared eigenvector over the mass of the site

    Returns
    -------
    (..., temperatures, sites)
    """
    weight = mean_energy(omega, temperatures) / omega[..., None, :] ** 2
    return np.einsum("...sm,...tm->...ts", share, weight)


def velocity(omega: FloatArray, share: FloatArray, temperatures: FloatArray) -> FloatArray:
    """Mean square velocities, sum over modes of share * energy (Eq. 242); as `displacement`."""
    return np.einsum("...sm,...tm->...ts", share, mean_energy(omega, temperatures))
