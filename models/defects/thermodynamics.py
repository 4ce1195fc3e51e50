"""Thermal changes by a defect, from Green's functions on the imaginary axis.

L(y) = ln{det[1 - delta L G(-y^2)]/prod(m'/m)} is the logarithm of prod(y^2 + w'^2) over
prod(y^2 + w^2), w' being the modes of the defect crystal and w those of the host. It has no
poles and falls as 1/y^2, and thermal functions are sums of it over y = 2 pi n T. A coordinate of
an atom on the surface is one more mode: it is compared with an oscillator of frequency c (the
scale of the axis), whose own functions are added in closed form. So a free atom counts nothing;
nor does the atom that a vacancy leaves free, whose modes at zero become such oscillators.

Sums run over `TERMS` terms; the rest is an integral and its first correction (Euler-Maclaurin),
so that no temperature is too low or too high. Heat capacities differentiate the sum, term by
term and exactly: with f the function summed, C = -sum of (y^2 f')'.

Units: hbar = k_B = 1, host mass 1; energies and temperatures in the unit of frequency.
Axes:  temperatures (temperatures,).
Source: Wallis (1973), Eqs. 123-142 and 230-247; physics/greens.md, sections 8 and 10.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from models.defects.interpolation import (
    AxisSeries,
    OnAxis,
    axis_nodes,
    evaluate,
    times_slope,
)
from models.defects.perturbation import Defect, impurity_response
from models.defects.symmetry import changed_blocks
from models.protocol import FloatArray
from models.thermal.oscillators import thermal_functions

TERMS = 256
"""Terms of a Matsubara sum before the rest is integrated."""
SERIES = (64, 128, 256)
"""Nodes at which a function of the defect is taken, until it is resolved."""
RESOLVED = 1e-11
"""Share of the largest coefficient of a series that its last ones may have."""


@dataclass(frozen=True, eq=False)
class LogDeterminant:
    """L(y) of a defect, without the modes of its free atoms."""

    series: AxisSeries
    oscillators: int
    """Coordinates of atoms on the surface, each compared with an oscillator, less those of
    vacancies, which are replaced by one."""

    def minus(self, *parts: LogDeterminant) -> LogDeterminant:
        """Give what is left beyond several defects far from each other: their interaction.

        All must be known at the same nodes (`log_determinant` with one `count`).
        """
        left = self.oscillators - sum(p.oscillators for p in parts)
        return LogDeterminant(self.series.minus(*(p.series for p in parts)), left)


def log_values(defect: Defect, g: FloatArray, y: FloatArray, scale: float) -> FloatArray:
    """Give L at frequencies on the imaginary axis, (n_y,).

    Parameters
    ----------
    g : (n_y, 3n, 3n), the host among the touched sites at z = -y^2
    y : (n_y,)
    scale : frequency c of the oscillators that stand for atoms on the surface
    """
    logarithm = np.full(len(y), -np.log(defect.masses).sum())
    for block in changed_blocks(defect):
        w, _ = defect.equation(g, -(y**2), block.basis)
        logarithm += block.degeneracy * np.linalg.slogdet(w)[1]
    oscillator = np.log(y**2 + scale**2)
    logarithm += defect.free.sum() * (oscillator - np.log(y**2))
    return np.asarray(logarithm - defect.extra.sum() * oscillator)


def log_determinant(defect: Defect, host: OnAxis, count: int | None = None) -> LogDeterminant:
    """Give L of a defect from the host's nodes on the imaginary axis.

    Parameters
    ----------
    host : (nodes, 3n, 3n), among the touched sites
    count : nodes of the series; None: as many as it takes
    """

    def at(y: FloatArray) -> FloatArray:
        return log_values(defect, host.at(y), y, host.scale)

    series = _resolved(at, host.scale, SERIES if count is None else (count,))
    return LogDeterminant(series, int(defect.extra.sum()) - int(defect.free.sum()))


def zero_point_energy(logarithm: LogDeterminant) -> float:
    """Zero-point energy of the defect crystal minus that of the host."""
    own = logarithm.oscillators * logarithm.series.scale / 2
    return own + float(_half_sums(logarithm.series, np.zeros(1))[0])


def free_energy(logarithm: LogDeterminant, temperatures: FloatArray) -> FloatArray:
    """Free energy of the defect crystal minus that of the host, (temperatures,)."""
    scale = np.array([logarithm.series.scale])
    own = thermal_functions(scale, temperatures).free_energy[:, 0]
    return logarithm.oscillators * own + _half_sums(logarithm.series, temperatures)


def heat_capacity(logarithm: LogDeterminant, temperatures: FloatArray) -> FloatArray:
    """Heat capacity of the defect crystal minus that of the host, (temperatures,)."""
    series = logarithm.series
    own = thermal_functions(np.array([series.scale]), temperatures).heat_capacity[:, 0]
    first = series.logarithmic_slope  # y f'
    second = times_slope(first)  # y^2 f'' + y f'
    curved = second.copy()
    curved[: len(first)] += first  # (y^2 f')'
    y = _frequencies(temperatures)
    # from the last term to infinity the integral of (y^2 f')' is -y^2 f'
    rest = -TERMS * evaluate(first, _place(y[-1], series.scale))
    total = _sum_terms(curved, times_slope(curved), rest, y, series.scale)
    return np.where(temperatures > 0, logarithm.oscillators * own - total, 0.0)


def displacement_series(defect: Defect, host: OnAxis) -> AxisSeries:
    """Give -U_ii(-y^2) of each impurity and direction, for `mean_squares`.

    Parameters
    ----------
    host : (nodes, 3n, 3n), among the touched sites
    """

    def at(y: FloatArray) -> FloatArray:
        return -_response(defect, host, y)

    return _resolved(at, host.scale, SERIES)


def velocity_series(defect: Defect, host: OnAxis) -> AxisSeries:
    """Give 1/m + y^2 U_ii(-y^2) of each impurity and direction, for `mean_squares`.

    Parameters
    ----------
    host : (nodes, 3n, 3n), among the touched sites
    """
    inverse_mass = 1 / defect.masses[defect.impurity_coordinates]

    def at(y: FloatArray) -> FloatArray:
        return inverse_mass + y[:, None, None] ** 2 * _response(defect, host, y)

    return _resolved(at, host.scale, SERIES)


def _response(defect: Defect, host: OnAxis, y: FloatArray) -> FloatArray:
    """U_ii(-y^2) of each impurity and direction, (n_y, impurities, 3)."""
    return impurity_response(defect, host.at(y), -(y**2)).reshape(len(y), -1, 3)


def mean_squares(series: AxisSeries, temperatures: FloatArray) -> FloatArray:
    """Mean square displacements or velocities, (temperatures, impurities, 3)."""
    return np.moveaxis(2 * _half_sums(series, temperatures), -1, 0)


def _resolved(
    at: Callable[[FloatArray], FloatArray], scale: float, counts: tuple[int, ...]
) -> AxisSeries:
    """Take a function at more and more nodes until its series has converged.

    Where it does not, the nodes with the smallest last coefficients are the best: the nearer
    nodes come to the ends, the more rounding there is in what they say.
    """
    best, smallest = None, np.inf
    for count in counts:
        series = AxisSeries.from_values(scale, at(axis_nodes(scale, count)))
        size = np.abs(series.coefficients)
        left = size[-count // 8 :].max() / size.max(initial=1e-300)
        if best is None or left < smallest / 2:
            best, smallest = series, left
        else:
            break
        if smallest <= RESOLVED:
            break
    assert best is not None
    return best


def _half_sums(series: AxisSeries, temperatures: FloatArray) -> FloatArray:
    """T [f(0)/2 + sum over n >= 1 of f(2 pi n T)], (..., temperatures); T = 0: the integral."""
    y = _frequencies(temperatures)
    rest = series.integral(y[-1]) / _step(temperatures)
    slope = series.logarithmic_slope
    total = _sum_terms(series.coefficients, slope, rest, y, series.scale)
    cold = series.integral(np.zeros(1)) / (2 * np.pi)
    warm = temperatures * (series.at(np.zeros(1)) / 2 + total)
    return np.where(temperatures > 0, warm, cold)


def _sum_terms(
    coefficients: FloatArray, slope: FloatArray, rest: FloatArray, y: FloatArray, scale: float
) -> FloatArray:
    """Sum f over all y_n, n = 1 to infinity, (..., temperatures).

    Parameters
    ----------
    coefficients, slope : series of f and of y f'
    rest : (..., temperatures), integral of f over n from `TERMS` to infinity
    y : (TERMS, temperatures)
    """
    t = _place(y, scale)
    f = evaluate(coefficients, t)
    last = evaluate(slope, t[-1]) / TERMS  # df/dn
    return np.asarray(f.sum(axis=-2) - f[..., -1, :] / 2 + rest - last / 12)


def _step(temperatures: FloatArray) -> FloatArray:
    """2 pi T; at T = 0, where sums are not used, that of T = 1."""
    return np.asarray(2 * np.pi * np.where(temperatures > 0, temperatures, 1.0))


def _frequencies(temperatures: FloatArray) -> FloatArray:
    """Matsubara frequencies 2 pi n T, n = 1 to `TERMS`, (TERMS, temperatures)."""
    return np.arange(1, TERMS + 1)[:, None] * _step(temperatures)


def _place(y: FloatArray, scale: float) -> FloatArray:
    return np.asarray(y / (y + scale))
