"""What a defect does inside the bands of the host: densities of states and resonances.

The host is known on lines (omega + i eta_j)^2 above the real axis, where it is smooth, and is
extrapolated to eta = 0; its error is the change without the line that is nearest to the axis.
All else follows from the host on the axis, in which a resonance of the defect may be as sharp
as it likes.

The defect crystal has Delta N(omega) = -(1/pi) arg det[1 - delta L G] more states below omega
than the host. Each block of the symmetry has a phase of its own, continuous from omega = 0,
where its determinant is real. An atom on the surface has its three states at omega = 0 while
it is free; they are not counted, so Delta N ends at 3 minus the number of localised modes. Nor
are those of the atom that leaves a vacancy: there it ends at -3 minus their number.

Units: host mass 1, frequencies; densities per unit frequency. Axes: frequencies (n,), ascending.
Source: Wallis (1973), Eqs. 133-142; physics/greens.md, sections 0, 5, 6 and 7.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.polynomial import Polynomial

from models.defects.perturbation import Defect, Numbers, impurity_response
from models.defects.symmetry import SymmetryBlock, blocks_along, changed_blocks
from models.protocol import ComplexArray, FloatArray, IntArray

BROAD = 0.3
"""A resonance wider than this share of its frequency has no width."""


def line_weights(etas: FloatArray) -> FloatArray:
    """Weights of values on lines: extrapolated to eta = 0 from all, and without the first.

    Parameters
    ----------
    etas : (lines,), ascending

    Returns
    -------
    (2, lines), Lagrange's polynomials at 0
    """
    weights = np.zeros((2, len(etas)))
    for row, used in ((0, np.arange(len(etas))), (1, np.arange(1, len(etas)))):
        for j in used:
            others = etas[used[used != j]]
            weights[row, j] = np.prod(others / (others - etas[j]))
    return weights


def extrapolate(g: ComplexArray, etas: FloatArray, omega: FloatArray, top: float) -> ComplexArray:
    """Bring a host's Green's function to the real axis.

    Parameters
    ----------
    g : (lines, n, ...), at (omega + i eta_j)^2
    etas : (lines,), ascending
    top : highest squared frequency of the host, above which its function is real

    Returns
    -------
    (2, n, ...): from all lines, and without the first, to compare with
    """
    found = np.asarray(np.tensordot(line_weights(etas), g, axes=1))
    found.imag[:, omega**2 > top] = 0
    return found


def host_dos(g: ComplexArray, omega: Numbers) -> FloatArray:
    """Density of states of each host atom and direction, (n, sites, 3), norm 1.

    Parameters
    ----------
    g : (n, 3 sites, 3 sites)
    omega : (n,), on the real axis, or omega + i eta for lines of half width eta
    """
    own = np.diagonal(g, axis1=-2, axis2=-1)
    return np.asarray(_density(own, omega).reshape(len(omega), -1, 3))


def impurity_dos(defect: Defect, g: ComplexArray, omega: Numbers) -> FloatArray:
    """Density of states of each impurity and direction, (n, impurities, 3).

    Its norm is 1, of which the weights in localised modes lie above the band.

    Parameters
    ----------
    g : (n, 3n, 3n), the host among the touched sites
    omega : (n,), on the real axis, or omega + i eta for lines of half width eta
    """
    own = defect.impurity_coordinates.ravel()
    u = impurity_response(defect, g, omega.astype(complex) ** 2)
    return np.asarray(_density(defect.masses[own] * u, omega).reshape(len(omega), -1, 3))


def _density(u: Numbers, omega: Numbers) -> FloatArray:
    """-(2 omega/pi) Im u, (n, coordinates); off the axis omega is the real part."""
    return np.asarray(-2 / np.pi * omega.real[:, None] * u.imag)


@dataclass(frozen=True, eq=False)
class Determinants:
    """det[1 - delta L G] of every block on the real axis, free poles of atoms divided out."""

    omega: Numbers
    values: ComplexArray
    """(blocks, n), positive at omega = 0."""
    degeneracy: IntArray
    """(blocks,)."""


def find_determinants(defect: Defect, g: ComplexArray, omega: Numbers) -> Determinants:
    """Give the determinants of all blocks.

    Parameters
    ----------
    g : (n, 3n, 3n), the host among the touched sites
    omega : (n,), on the real axis, or complex
    """
    blocks, z = changed_blocks(defect), omega.astype(complex) ** 2
    values = np.stack([_determinant(defect, block, g, z) for block in blocks])
    return Determinants(omega, values, np.array([b.degeneracy for b in blocks]))


def _determinant(
    defect: Defect, block: SymmetryBlock, g: ComplexArray, z: ComplexArray
) -> ComplexArray:
    w, _ = defect.equation(g, z, block.basis)
    # the rows of an atom on the surface stand multiplied by m_a z; at z = 0 what is left of
    # them is -Phi', so that their determinants have a sign
    # and an atom without bonds has one state more at zero
    loose = round(float((block.basis[defect.extra | defect.free] ** 2).sum()))
    found = (-1) ** loose * np.linalg.det(w)
    # beside a vacancy it is 0 there but for rounding, which has no sign to begin with
    return np.where(z == 0, np.abs(found), found)


def states_change(determinants: Determinants, top: float = np.inf, end: int = 0) -> FloatArray:
    """Delta N: states of the defect crystal below a frequency minus those of the host, (n,).

    Parameters
    ----------
    top : highest squared frequency of the host; localised modes above it are not counted
    end : what Delta N is from there on: 3 for each atom on the surface, less the localised modes
    """
    phases = np.unwrap(np.angle(determinants.values), axis=1)
    states = -(determinants.degeneracy @ phases) / np.pi
    return np.where(determinants.omega.real**2 > top, float(end), states)


def dos_change(omega: FloatArray, states: FloatArray) -> FloatArray:
    """Density of states of the defect crystal minus that of the host, (n,), from Delta N."""
    return np.gradient(states, omega, edge_order=2)


@dataclass(frozen=True)
class Resonances:
    """Resonances of a single impurity along the normal and in the plane, each (2,)."""

    frequency: FloatArray
    """Lowest frequency where the real part of the determinant falls through 0, else NaN."""
    width: FloatArray
    """2 |Im D|/|d Re D/d omega| there; NaN if it is broad."""


def find_resonances(defect: Defect, determinants: Determinants) -> Resonances:
    """Find the resonances of a heavy impurity; without one, or for a light one, NaN."""
    found = np.full((2, 2), np.nan)
    if defect.masses[defect.impurity_coordinates[0, 0]] <= 1:
        return Resonances(*found)
    blocks = changed_blocks(defect)
    x, y, z = (blocks_along(defect, blocks, i) for i in range(3))
    for i, mine in enumerate((z, (*x, *y))):
        each = [_resonance(determinants.omega.real, determinants.values[j]) for j in mine]
        found[:, i] = min(each, key=lambda pair: np.nan_to_num(pair[0], nan=np.inf))
    return Resonances(*found)


def _resonance(omega: FloatArray, d: ComplexArray) -> tuple[float, float]:
    """Frequency and width of the lowest resonance of one block."""
    falls = np.flatnonzero((d.real[:-1] > 0) & (d.real[1:] <= 0))
    if not len(falls):
        return np.nan, np.nan
    start = min(max(falls[0] - 1, 0), len(omega) - 4)
    near = slice(start, start + 4)
    middle, step = omega[falls[0]], omega[falls[0] + 1] - omega[falls[0]]
    u = (omega[near] - middle) / step  # the fall lies at 0 <= u <= 1
    real, imaginary = (Polynomial.fit(u, f, 3) for f in (d.real[near], d.imag[near]))
    roots = np.asarray(real.roots(), dtype=np.complex128)
    u0 = float(roots[np.abs(roots - 0.5).argmin()].real)
    frequency = float(middle + step * u0)
    width = 2 * abs(imaginary(u0)) / abs(real.deriv()(u0)) * step
    return frequency, float(width) if width <= BROAD * frequency else np.nan


def find_peaks(omega: FloatArray, dos: FloatArray) -> FloatArray:
    """Frequency of the maximum of each density, (...), by a parabola through three points.

    Parameters
    ----------
    omega : (n,), evenly spaced
    dos : (n, ...)
    """
    peak = np.asarray(dos.argmax(axis=0), dtype=np.int64)
    top = np.clip(peak, 1, len(omega) - 2)[None]
    left, middle, right = (np.take_along_axis(dos, top + i, axis=0)[0] for i in (-1, 0, 1))
    bend = left - 2 * middle + right
    aside = np.where(bend < 0, (left - right) / np.where(bend < 0, 2 * bend, 1.0), 0.0)
    step = omega[1] - omega[0]
    return np.asarray(omega[top[0]] + step * np.clip(aside, -1, 1))
