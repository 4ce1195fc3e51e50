"""Modes of a free linear chain with a changed end.

Masses 1, q, 1, q, ... from the first end, nearest-neighbour springs 1. The first mass and
the first spring may differ, which is how a one-dimensional crystal gets surface modes. The
smallest model of the house: read it beside docs/write-a-model.md.

Units: spring 1, mass 1; squared frequencies in spring/mass; temperature hbar*omega/k_B.
Source: R. F. Wallis, Lattice Dynamics of Crystal Surfaces (1973), parts 2B(iii) and (iv).
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from models.protocol import (
    Arrays,
    Cost,
    Dim,
    FloatArray,
    Model,
    Parameters,
    Part,
    Stage,
    Unit,
    Variable,
    rule,
)
from models.thermal.oscillators import displacement, velocity
from models.thermal.temperatures import must_ascend
from models.works import WALLIS

BATCH = 64
"""Short chains that are solved in one call."""
MATRIX_ELEMENTS = 2**19
"""Elements of all matrices of a call."""
LOW_MODES = 1e-7
"""Agreement of 1/omega^2: rounding of the band top, 1e-15, against the lowest of 5000 modes."""
END_MODES = 3
"""The closed form is a cubic in omega^2, so no end has more modes than this."""


class ChainParameters(Parameters):
    """One chain."""

    atoms: Annotated[int, Field(ge=2, le=5000)] = 40
    """Number of atoms."""
    mass_ratio: Annotated[float, Field(gt=0), Unit("first mass")] = 1.0
    """Every second mass, the second atom's being the first of them."""
    end_mass_ratio: Annotated[float, Field(gt=0), Unit("its own mass")] = 1.0
    """Factor on the mass of the first atom."""
    end_spring_ratio: Annotated[float, Field(gt=0), Unit("spring")] = 1.0
    """Factor on the spring between the first two atoms."""
    temperatures: Annotated[
        tuple[Annotated[float, Field(ge=0)], ...], Field(strict=False), Unit("hbar*omega/k_B")
    ] = ()
    """Temperatures of the thermal variables; 0 gives the zero-point values."""

    _temperatures_ascend = rule("temperatures")(must_ascend)


def masses(points: Sequence[ChainParameters]) -> FloatArray:
    """Give the masses of a batch of chains of equal length, shape (points, atoms)."""
    m = np.ones((len(points), points[0].atoms))
    m[:, 1::2] = np.array([[p.mass_ratio] for p in points])
    m[:, 0] = [p.end_mass_ratio for p in points]
    return m


def dynamical_matrix(points: Sequence[ChainParameters]) -> FloatArray:
    """Give D of a batch of chains of equal length, shape (points, atoms, atoms), Eq. 50."""
    n = points[0].atoms
    spring = np.ones((len(points), n - 1))
    spring[:, 0] = [p.end_spring_ratio for p in points]
    d = np.zeros((len(points), n, n))
    bond = np.arange(n - 1)
    d[:, bond, bond] += spring
    d[:, bond + 1, bond + 1] += spring
    d[:, bond, bond + 1] = d[:, bond + 1, bond] = -spring
    weight = 1 / np.sqrt(masses(points))
    return d * weight[:, :, None] * weight[:, None, :]


def end_modes_squared(q: FloatArray, end_mass: FloatArray, f: FloatArray) -> FloatArray:
    """Find every mode bound to the changed end of a semi-infinite chain.

    With the decay factor L of a cell, the bulk wants (2-x)(2-qx) = 2 + L + 1/L, and the
    first two atoms want L = P/S with P = (f+1-qx)(f-mx) - f^2 and S = f - (1-f) m x. Taking
    L out leaves (2-x) P S = (2-qx)(f-mx)^2, whose root x = 0 is the rigid shift; of the
    other three those with |L| < 1 are modes. Contains Eqs. 55-57 and 60 of Wallis.

    Parameters
    ----------
    q, end_mass, f : (points,), mass ratio, first mass, first spring

    Returns
    -------
    (points, END_MODES), ascending, NaN where there is none; spring/mass
    """
    m = end_mass
    one, zero = np.ones_like(q), np.zeros_like(q)
    p_poly = np.stack([f, -(q * f + (f + 1) * m), q * m])  # ascending powers of x
    s_poly = np.stack([f, -(1 - f) * m])
    end = np.stack([f, -m])
    left = _product(np.stack([2 * one, -one]), _product(p_poly, s_poly))
    right = _product(np.stack([2 * one, -q]), _product(end, end))
    cubic = (left - np.concatenate([right, zero[None]]))[1:]
    x = _cubic_roots(cubic)
    # |L| < 1, written so that neither a vanishing S nor a double root divides by zero
    p_value, s_value = _value(p_poly, x), _value(s_poly, x)
    bound = (x > 0) & (np.abs(p_value) < (1 - 1e-9) * np.abs(s_value))
    return np.sort(np.where(bound, x, np.nan), axis=0).T


def _product(a: FloatArray, b: FloatArray) -> FloatArray:
    """Multiply polynomials, coefficients (ascending, points)."""
    c = np.zeros((len(a) + len(b) - 1, a.shape[1]))
    for i, row in enumerate(a):
        c[i : i + len(b)] += row * b
    return c


def _value(poly: FloatArray, x: FloatArray) -> FloatArray:
    """Evaluate polynomials (ascending, points) at x (roots, points)."""
    value = np.zeros_like(x)
    for row in poly[::-1]:
        value = value * x + row
    return value


def _cubic_roots(cubic: FloatArray) -> FloatArray:
    """Find the real roots of cubics (4, points), NaN elsewhere, shape (3, points).

    The leading coefficient vanishes for equal springs, where a root goes to infinity; in
    y = 1/x it goes to zero instead, and the last coefficient never vanishes.
    """
    companion = np.zeros((cubic.shape[1], 3, 3))
    companion[:, 1, 0] = companion[:, 2, 1] = 1
    companion[:, :, 2] = -(cubic[:0:-1] / cubic[0]).T
    y = np.linalg.eigvals(companion).T
    real = (np.abs(y.imag) < 1e-7 * (1 + np.abs(y))) & (np.abs(y) > 1e-12)
    x = np.where(real, 1 / np.where(real, y.real, 1), np.nan)
    slope = cubic[1:] * np.arange(1, 4)[:, None]
    for _ in range(3):  # Newton, for the last digits
        d = _value(slope, x)
        x = x - np.where(d != 0, _value(cubic, x) / np.where(d != 0, d, 1), 0)
    return x


class ChainStage(Stage):
    """A stage of chains: many short ones a call, long ones alone."""

    batch = BATCH

    def batch_of(self, p: ChainParameters) -> int:
        """Keep the matrices of a call to a few megabytes."""
        return max(1, min(BATCH, MATRIX_ELEMENTS // p.atoms**2))


class ChainModes(ChainStage):
    """Frequencies and end weights by diagonalisation."""

    name = "modes"
    depends_on = ("atoms", "mass_ratio", "end_mass_ratio", "end_spring_ratio")
    variables = (
        Variable("frequency_squared", ("mode",), "spring/mass",
                 "squared frequency", "Wallis Eqs. 50, 58"),
        Variable("end_weight", ("mode",), "1",
                 "share of the mode in the three atoms at the changed end", "Wallis Eq. 59",
                 tolerance=1e-6, degenerate="frequency_squared"),
    )  # fmt: skip

    def cost(self, parameters: Any, part: Part) -> Cost:
        """Count the solver, the matrix and its vectors."""
        n = parameters.atoms
        return Cost(
            flops=60_000 + 500 * n**2 + 0.75 * n**3,
            peak_bytes=1e5 + self.batch_of(parameters) * 40 * n**2,
        )

    def run(
        self, points: Sequence[ChainParameters], inputs: Mapping[str, Arrays], part: Part
    ) -> Arrays:
        """Diagonalise a batch of chains."""
        squared, vectors = np.linalg.eigh(dynamical_matrix(points))
        return {
            "frequency_squared": squared,
            "end_weight": (vectors[:, :3] ** 2).sum(axis=1),
            "vectors": vectors,
        }


class ChainEnd(Stage):
    """Modes of the semi-infinite chain in closed form."""

    name = "end"
    depends_on = ("mass_ratio", "end_mass_ratio", "end_spring_ratio")
    batch = BATCH
    variables = (
        Variable("end_mode_squared", ("end_mode",), "spring/mass",
                 "squared frequency of a mode bound to the end of a semi-infinite chain",
                 "Wallis Eqs. 55-57, 60"),
    )  # fmt: skip

    def cost(self, parameters: Any, part: Part) -> Cost:
        """Count one cubic."""
        return Cost(flops=100_000, peak_bytes=1e5 + BATCH * 4000)

    def run(
        self, points: Sequence[ChainParameters], inputs: Mapping[str, Arrays], part: Part
    ) -> Arrays:
        """Solve a batch of cubics."""
        q, m, f = np.array([(p.mass_ratio, p.end_mass_ratio, p.end_spring_ratio) for p in points]).T
        return {"end_mode_squared": end_modes_squared(q, m, f)}


class ChainThermal(ChainStage):
    """Mean square displacement and velocity from the modes, translation left out."""

    name = "thermal"
    depends_on = ("temperatures",)
    inputs = ("modes",)
    variables = (
        Variable("mean_square_displacement", ("temperature", "atom"), "hbar/(mass*omega)",
                 "mean square displacement without the uniform translation "
                 "(of a free chain: it grows with the length)", "Wallis Eq. 230",
                 tolerance=LOW_MODES),
        Variable("mean_square_velocity", ("temperature", "atom"), "hbar*omega/mass",
                 "mean square velocity without the uniform translation", "Wallis Eq. 242"),
    )  # fmt: skip

    def cost(self, parameters: Any, part: Part) -> Cost:
        """Count two sums over modes for each temperature."""
        n, nt = parameters.atoms, len(parameters.temperatures)
        peak_bytes = 1e5 + self.batch_of(parameters) * 8 * n * (3 * n + 8 * nt)
        return Cost(flops=30_000 + nt * (6 * n**2 + 100 * n), peak_bytes=peak_bytes)

    def run(
        self, points: Sequence[ChainParameters], inputs: Mapping[str, Arrays], part: Part
    ) -> Arrays:
        """Sum over the modes of a batch of chains."""
        modes = inputs["modes"]
        omega = np.sqrt(modes["frequency_squared"][:, 1:])
        share = modes["vectors"][:, :, 1:] ** 2 / masses(points)[:, :, None]
        temperatures = np.array(points[0].temperatures)
        return {
            "mean_square_displacement": displacement(omega, share, temperatures),
            "mean_square_velocity": velocity(omega, share, temperatures),
        }


class Chain(Model):
    """Free linear chain with a changed end."""

    name = "chain"
    revision = 1
    title = "Free linear chain with a changed end"
    source = "Wallis (1973), parts 2B(iii), 2B(iv)"
    works = (WALLIS,)
    parameters = ChainParameters
    dims = (
        Dim("mode", "mode, counted from the lowest frequency"),
        Dim("end_mode", "mode bound to the changed end"),
        Dim("atom", "atom, counted from the changed end"),
        Dim("temperature", "temperature", "hbar*omega/k_B", coordinate=lambda p: p.temperatures),
    )
    stages = (ChainModes(), ChainEnd(), ChainThermal())
    shape_parameters = ("atoms", "temperatures")
    fixed_only = ("temperatures",)

    def lengths(self, p: ChainParameters) -> dict[str, int]:
        """Give the number of modes, end modes, atoms and temperatures."""
        return {
            "mode": p.atoms, "end_mode": END_MODES,
            "atom": p.atoms, "temperature": len(p.temperatures),
        }  # fmt: skip
