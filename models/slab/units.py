"""Units of the model `slab`: springs, reduced Lennard-Jones, or a gas.

Stages compute in reduced units with hbar = k_B = 1: thermal energies and temperatures in
frequencies, displacements in 1/(mass frequency).
"""

from __future__ import annotations

from models.units import ATOMIC_MASS, ELEMENTARY_CHARGE, HBAR, PLANCK, Gas

SPRING, REDUCED, GAS = 0, 1, 2
UNITS = {
    "frequency": ("sqrt(k/m)", "sqrt(epsilon/m)/sigma", "THz"),
    "length": ("nearest-neighbour distance", "sigma", "angstrom"),
    "wavevector": ("1/nearest-neighbour distance", "1/sigma", "1/angstrom"),
    "energy": ("k*nearest-neighbour distance^2", "epsilon", "meV"),
    "force": ("k*nearest-neighbour distance", "epsilon/sigma", "meV/angstrom"),
    "elastic constant": ("k/nearest-neighbour distance", "epsilon/sigma^3", "GPa"),
    "temperature": ("hbar*sqrt(k/m)/k_B", "hbar*omega_0/k_B", "K"),
    "thermal energy": ("hbar*sqrt(k/m)", "hbar*omega_0", "meV"),
    "entropy": ("k_B", "k_B", "k_B"),
    "displacement": ("hbar/sqrt(k*m)", "hbar/(m*omega_0)", "angstrom^2"),
    "velocity": ("hbar*sqrt(k/m)/m", "hbar*omega_0/m", "(angstrom/ps)^2"),
    "spectrum": ("1/sqrt(k/m)", "sigma*sqrt(m/epsilon)", "1/THz"),
    "group velocity": (
        "nearest-neighbour distance*sqrt(k/m)", "sqrt(epsilon/m)", "angstrom/ps",
    ),
}  # fmt: skip
"""Units of each quantity: springs, reduced Lennard-Jones (omega_0 = sqrt(epsilon/m)/sigma), gas."""


def factors(gas: Gas) -> dict[str, float]:
    """Give what each quantity in reduced units is multiplied by for a gas."""
    omega, mass = gas.angular_frequency, gas.mass_u * ATOMIC_MASS
    return {
        "frequency": gas.frequency_thz,
        "length": gas.sigma_angstrom,
        "wavevector": 1 / gas.sigma_angstrom,
        "energy": gas.energy_mev,
        "force": gas.energy_mev / gas.sigma_angstrom,
        "elastic constant": gas.pressure_gpa,
        "temperature": gas.temperature_kelvin,
        "thermal energy": PLANCK * gas.frequency_thz * 1e12 / ELEMENTARY_CHARGE * 1e3,
        "displacement": HBAR / (mass * omega) * 1e20,
        "velocity": HBAR * omega / mass * 1e-4,
        "spectrum": 1 / gas.frequency_thz,
        "group velocity": omega * gas.sigma_angstrom * 1e-12,
    }
