"""Spectra as sums of broadened lines.

A Gaussian line is exp(-(omega - omega_j)^2 / 2 w^2) / (w sqrt(2 pi)). A Lorentzian one is
-(2 omega/pi) Im 1/(z - omega_j^2) at z = (omega + i w)^2, what a Green's function gives at a
frequency with the imaginary part w: its peak has the half width w.

A sum over very many lines first moves each of them to the Chebyshev nodes of an interval of
half a width, by the weights of polynomial interpolation. A line is smooth in its own centre
over such an interval, so this is exact to rounding (see `NODES`).

Units: one unit of frequency for centres, grid and width; spectra are per that unit.
Axes:  frequencies (n, modes); weights (n, sets, modes); grid (g,); spectra (sets, g).
Source: Wallis (1973), Eqs. 259-264; L. Greengard and J. Strain, SIAM J. Sci. Stat. Comput.
12, 79 (1991), for the idea of collecting Gaussians; the error bound is derived here.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np
from numpy.polynomial import chebyshev

from models.errors import ModelInputError
from models.protocol import FloatArray, IntArray

Shape: TypeAlias = Literal["gaussian", "lorentzian"]

CUT = 8.6
"""Widths at which a Gaussian ends: exp(-CUT^2/2) = 9e-17 of its maximum."""
INTERVAL = 0.5
"""Widths of an interval whose lines are collected."""
NODES: dict[Shape, int] = {"gaussian": 11, "lorentzian": 17}
"""Nodes of an interval. With P nodes the error is under 2 (INTERVAL/4)^P/sqrt(P!) = 4e-14 of
the maximum for a Gaussian. For a Lorentzian, with poles at a distance of one width, it is of
the order of 4 (sqrt(17) + 4)^-P/(sqrt(17) + 3) = 2e-16 and so at rounding."""
GRID_BLOCK = 64
"""Points of the grid that are done together: a Gaussian reaches few of the blocks."""
LINE_ELEMENTS = 2**16
"""Elements of the array of lines that are evaluated together: it stays in the cache."""


def broaden(
    frequency: FloatArray,
    weight: FloatArray,
    grid: FloatArray,
    width: float,
    shape: Shape = "gaussian",
) -> FloatArray:
    """Sum broadened lines over wavevectors and modes.

    A Gaussian line integrates to its weight over the whole axis. The trapezoid sum over the
    grid misses what lies beyond its ends, a share erfc(d/(w sqrt 2))/2 at a distance d from
    an end (half of a line at omega = 0: nothing is folded), and is else exact to
    2 exp(-2 pi^2 w^2/h^2), 5e-9 for a step h = w. A Lorentzian line integrates to its weight
    over omega > 0. The grid misses about (4 w/pi)/omega_end beyond a distant end, and the sum
    is off by 2 exp(-2 pi w/h), 4e-3 for h = w and 7e-6 for h = w/2.

    Parameters
    ----------
    frequency : (n, modes), in any order
    weight : (n, sets, modes), times the weight of the wavevector; 0 leaves a line out
    grid : (g,), ascending, evenly spaced, unit of `frequency`
    width : standard deviation of a Gaussian, half width of a Lorentzian

    Returns
    -------
    (sets, g), per unit frequency, exact to 1e-12 of the highest value that the lines could
    give if they all lay together

    Raises
    ------
    ModelInputError : `width` is not above zero; a frequency is not finite
    """
    _check(frequency, width)
    low, high = _reach(frequency, grid, width, shape)
    intervals = 1 + int((high - low) / (INTERVAL * width))
    inside = np.flatnonzero((frequency >= low) & (frequency <= high))
    if len(inside) > intervals * NODES[shape]:
        centre, share = _collected(
            frequency, weight, inside, low, intervals, INTERVAL * width, NODES[shape]
        )
    else:
        inside = inside[np.argsort(frequency.ravel()[inside], kind="stable")]
        centre, share = frequency.ravel()[inside], _picked(weight, inside).T
    return _summed(centre, share, grid, width, shape)


def broaden_each(
    frequency: FloatArray,
    weight: FloatArray,
    grid: FloatArray,
    width: float,
    shape: Shape = "gaussian",
) -> FloatArray:
    """Sum broadened lines over modes, for each wavevector by itself; as `broaden`.

    Returns
    -------
    (n, sets, g), per unit frequency
    """
    _check(frequency, width)
    n, sets, modes = weight.shape
    spectrum = np.empty((n, sets, len(grid)))
    step = max(1, LINE_ELEMENTS // max(1, modes * len(grid)))
    for start in range(0, n, step):
        part = slice(start, start + step)
        np.matmul(weight[part], _line(frequency[part], grid, width, shape), out=spectrum[part])
    return spectrum


def _check(frequency: FloatArray, width: float) -> None:
    if not width > 0:
        msg = f"A line width of {width:.6g} is not above zero. Raise `grid_width`."
        raise ModelInputError(msg)
    if not np.isfinite(frequency).all():
        msg = (
            "A frequency is not a finite number. It would vanish from the spectrum unseen. "
            "Give 0, with a weight of 0, for a mode that is to be left out."
        )
        raise ModelInputError(msg)


def _line(centre: FloatArray, grid: FloatArray, width: float, shape: Shape) -> FloatArray:
    """Evaluate lines of unit weight, shape (*centre.shape, g)."""
    away = grid - centre[..., None]
    if shape == "gaussian":
        away /= width
        # beyond the cut nothing: numbers near 1e-308 would slow everything down
        exponent = np.where(np.abs(away) < CUT, -0.5 * away**2, -np.inf)
        return np.exp(exponent, out=exponent) / (width * np.sqrt(2 * np.pi))
    # |z - omega_j^2|^2 in factors: the difference of squares would lose the digits near a peak
    size = (away**2 + width**2) * ((grid + centre[..., None]) ** 2 + width**2)
    return 4 * width / np.pi * grid**2 / size


def _reach(
    frequency: FloatArray, grid: FloatArray, width: float, shape: Shape
) -> tuple[float, float]:
    """Give the range of centres whose lines can be seen on the grid."""
    if shape == "gaussian":
        return float(grid[0] - CUT * width), float(grid[-1] + CUT * width)
    return float(frequency.min(initial=np.inf)), float(frequency.max(initial=-np.inf))


def _picked(weight: FloatArray, lines: IntArray) -> FloatArray:
    """Take the weights of lines, given by their place in (n, modes), shape (lines, sets)."""
    n, mode = np.divmod(lines, weight.shape[2])
    return weight[n, :, mode]


def _collected(
    frequency: FloatArray,
    weight: FloatArray,
    inside: IntArray,
    low: float,
    intervals: int,
    length: float,
    nodes: int,
) -> tuple[FloatArray, FloatArray]:
    """Move lines to the Chebyshev nodes of their intervals.

    Returns
    -------
    centre : (intervals * nodes,), ascending
    share : (sets, intervals * nodes)
    """
    place = (frequency.ravel()[inside] - low) / length
    interval = place.astype(np.int32)
    order = np.argsort(interval, kind="stable")
    ends = np.searchsorted(interval[order], np.arange(intervals + 1))
    moments = np.zeros((intervals, weight.shape[1], nodes))
    for i in np.flatnonzero(np.diff(ends)):
        own = order[ends[i] : ends[i + 1]]
        x = 2 * (place[own] - i) - 1
        moments[i] = _picked(weight, inside[own]).T @ chebyshev.chebvander(x, nodes - 1)
    x = np.sort(chebyshev.chebpts1(nodes))
    # sum over p of T_p(x) T_p(node), halved at p = 0, interpolates
    interpolate = chebyshev.chebvander(x, nodes - 1).T * (2 / nodes)
    interpolate[0] /= 2
    share = (moments @ interpolate).transpose(1, 0, 2).reshape(weight.shape[1], -1)
    centre = low + length * (np.arange(intervals)[:, None] + (x + 1) / 2)
    return centre.ravel(), share


def _summed(
    centre: FloatArray, share: FloatArray, grid: FloatArray, width: float, shape: Shape
) -> FloatArray:
    """Sum lines with ascending centres (c,) and weights (sets, c), shape (sets, g)."""
    spectrum = np.zeros((len(share), len(grid)))
    reach = CUT * width if shape == "gaussian" else np.inf
    for start in range(0, len(grid), GRID_BLOCK):
        points = slice(start, start + GRID_BLOCK)
        block = grid[points]
        first, last = np.searchsorted(centre, [block[0] - reach, block[-1] + reach])
        step = LINE_ELEMENTS // GRID_BLOCK
        for i in range(first, last, step):
            part = slice(i, min(i + step, last))
            spectrum[:, points] += share[:, part] @ _line(centre[part], block, width, shape)
    return spectrum
