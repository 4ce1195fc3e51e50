"""Constants of nature, the rare gases, and conversions between units of frequency.

Constants: CODATA 2018 exact values (h, k_B) and the atomic mass constant.
"""

import math
from dataclasses import dataclass

BOLTZMANN = 1.380649e-23
"""J/K"""
PLANCK = 6.62607015e-34
"""J s"""
HBAR = PLANCK / (2 * math.pi)
"""J s"""
ATOMIC_MASS = 1.66053906660e-27
"""kg"""
SPEED_OF_LIGHT = 299_792_458.0
"""m/s"""
ELEMENTARY_CHARGE = 1.602176634e-19
"""C"""

FREQUENCY_UNITS = {
    "THz": 1.0,
    "cm-1": 1e12 / (100 * SPEED_OF_LIGHT),
    "meV": 1e12 * PLANCK / (1e-3 * ELEMENTARY_CHARGE),
}
"""How many of each unit make one THz of ordinary (not angular) frequency."""


@dataclass(frozen=True, slots=True)
class Gas:
    """A Lennard-Jones substance: depth in kelvin, diameter in angstrom, mass in u."""

    epsilon_kelvin: float
    sigma_angstrom: float
    mass_u: float

    @property
    def angular_frequency(self) -> float:
        """omega_0 = sqrt(epsilon/m)/sigma, in rad/s."""
        speed = math.sqrt(self.epsilon_kelvin * BOLTZMANN / (self.mass_u * ATOMIC_MASS))
        return speed / (self.sigma_angstrom * 1e-10)

    @property
    def frequency_thz(self) -> float:
        """omega_0 / 2 pi, in THz."""
        return self.angular_frequency / (2 * math.pi) * 1e-12

    @property
    def temperature_kelvin(self) -> float:
        """hbar omega_0 / k_B, in K."""
        return HBAR * self.angular_frequency / BOLTZMANN

    @property
    def energy_mev(self) -> float:
        """epsilon, in meV."""
        return self.epsilon_kelvin * BOLTZMANN / ELEMENTARY_CHARGE * 1e3

    @property
    def pressure_gpa(self) -> float:
        """epsilon / sigma^3, in GPa."""
        return self.epsilon_kelvin * BOLTZMANN / (self.sigma_angstrom * 1e-10) ** 3 * 1e-9


GASES = {
    "Ne": Gas(36.2148526, 2.74, 20.1797),
    "Ar": Gas(120.957608, 3.40, 39.948),
    "Kr": Gas(162.966837, 3.65, 83.798),
    "Xe": Gas(231.775057, 3.98, 131.293),
}
"""Textbook Lennard-Jones parameters of the rare gases: inputs, not results."""
