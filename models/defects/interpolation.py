"""Green's functions of a host between the points at which they are stored.

Above all modes of the host, x > top, x G(x) is a smooth function of s = sqrt(1 - top/x), from
s = 0 at the top to 1 at infinity: the square-root edge of an endless host is a plain power of s.
A host of finitely many modes has poles at s = 0 and, dense towards it, at imaginary s; then
s^2 x G is stored, on panels that shrink towards s = 0.

On the imaginary axis, z = -y^2, a function that falls as 1/y^2 is smooth in t = y/(y + c).

Nodes are Chebyshev's of the first kind, which leave out both ends; values between them by the
barycentric formula, which does not lose digits at any count of nodes.

Units: x and z squared frequencies, y and c frequencies; host mass 1.
Source: Berrut and Trefethen, SIAM Review 46, 501 (2004); physics/greens.md, section 12.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache

import numpy as np
from numpy.polynomial import Polynomial, chebyshev

from models.protocol import FloatArray

AXIS_NODES = 32
"""Nodes on the imaginary axis: about 1e-10 of a host without poles near it."""
FAR = 1e-5
"""Share of its largest value below which a function on the axis is continued by its tail."""


@cache
def chebyshev_nodes(count: int, low: float = 0.0, high: float = 1.0) -> FloatArray:
    """Chebyshev nodes of the first kind in an interval, ascending, (count,)."""
    angle = (np.arange(count) + 0.5) * np.pi / count
    return low + (high - low) * np.sin(angle / 2) ** 2


@cache
def _weights(count: int) -> FloatArray:
    """Barycentric weights of `chebyshev_nodes`, (count,)."""
    signs = (-1.0) ** np.arange(count)
    return np.asarray(signs * np.sin((np.arange(count) + 0.5) * np.pi / count))


def lagrange(points: FloatArray, nodes: FloatArray) -> FloatArray:
    """Values of the Lagrange polynomials of `chebyshev_nodes` at points, (points, nodes)."""
    count = len(nodes)
    weights = _weights(count)
    difference = points[:, None] - nodes
    hit = difference == 0
    terms = weights / np.where(hit, 1.0, difference)
    terms = np.where(hit.any(axis=1)[:, None], hit, terms)
    return np.asarray(terms / terms.sum(axis=1)[:, None])


def derivative_matrix(nodes: FloatArray) -> FloatArray:
    """From values at `chebyshev_nodes` to slopes there, (nodes, nodes)."""
    count = len(nodes)
    weights = _weights(count)
    difference = nodes[:, None] - nodes + np.eye(count)
    matrix = weights / weights[:, None] / difference
    np.fill_diagonal(matrix, 0)
    np.fill_diagonal(matrix, -matrix.sum(axis=1))  # exact for a constant
    return np.asarray(matrix)


@dataclass(frozen=True)
class Panels:
    """How 0 <= s < 1 is cut for the interpolation."""

    edges: tuple[float, ...]
    count: int
    """Nodes of each panel."""
    pole: bool
    """The host has finitely many modes, and so a pole at s = 0."""


ENDLESS_HOST = Panels((0.0, 0.25, 1.0), 16, pole=False)
"""What is hard to integrate just above the bands stays out of the second panel."""
FINITE_HOST = Panels((0.0, *(2.0**-n for n in range(6, -1, -1))), 16, pole=True)


def edge_nodes(panels: Panels) -> FloatArray:
    """Every s at which the host is needed, ascending, (nodes,)."""
    ends = zip(panels.edges[:-1], panels.edges[1:], strict=True)
    return np.concatenate([chebyshev_nodes(panels.count, low, high) for low, high in ends])


def squared_at(s: FloatArray, top: float) -> FloatArray:
    """Squared frequency x = top/(1 - s^2)."""
    return np.asarray(top / ((1 - s) * (1 + s)))


@dataclass(frozen=True, eq=False)
class AboveBand:
    """Matrices of the host above its highest mode, by interpolation.

    `values` (nodes, a, a) are x G(x), times s^2 if the panels say that there is a pole. With a
    `basis` (a, b) the matrices are those in it, (b, b); a panel is projected when it is needed.
    """

    top: float
    panels: Panels
    values: FloatArray
    basis: FloatArray | None = None
    _known: dict[int, FloatArray] = field(default_factory=dict, init=False, repr=False)

    @classmethod
    def from_green(cls, top: float, panels: Panels, g: FloatArray) -> AboveBand:
        """Take G (nodes, a, a) at the squared frequencies of `edge_nodes`."""
        s = edge_nodes(panels)
        factor = squared_at(s, top) * (s**2 if panels.pole else 1.0)
        return cls(top, panels, factor[:, None, None] * g)

    @property
    def node_factor(self) -> FloatArray:
        """What x G = 1 is stored as, (nodes,)."""
        s = edge_nodes(self.panels)
        return np.asarray(s**2 if self.panels.pole else np.ones(len(s)))

    def at(self, s: float) -> tuple[FloatArray, FloatArray]:
        """Give x G and its derivative by s at a point, each (b, b)."""
        panel = int(np.searchsorted(self.panels.edges[1:-1], s))
        both = self._panel(panel)
        weights = lagrange(np.array([s]), self._nodes(panel))[0]
        value, slope = np.tensordot(weights, both, axes=(0, 1))
        if self.panels.pole:
            value = value / s**2
            slope = slope / s**2 - 2 * value / s
        return value, slope

    def _nodes(self, panel: int) -> FloatArray:
        return chebyshev_nodes(self.panels.count, *self.panels.edges[panel : panel + 2])

    def _panel(self, panel: int) -> FloatArray:
        """Values and slopes at the nodes of a panel, (2, count, b, b)."""
        if panel not in self._known:
            count = self.panels.count
            values = self.values[panel * count : (panel + 1) * count]
            if self.basis is not None:
                values = self.basis.T @ values @ self.basis
            slopes = np.tensordot(derivative_matrix(self._nodes(panel)), values, axes=1)
            self._known[panel] = np.stack([values, slopes])
        return self._known[panel]


def axis_nodes(scale: float, count: int = AXIS_NODES) -> FloatArray:
    """Frequencies y of the nodes on the imaginary axis, ascending, (count,)."""
    t = chebyshev_nodes(count)
    return np.asarray(scale * t / t[::-1])  # 1 - t, in which no digits are lost


@dataclass(frozen=True, eq=False)
class OnAxis:
    """Matrices of the host on the imaginary axis: `values` (nodes, a, b) are (y^2 + c^2) G.

    The host has no rigid motions (it is endless, or no wavevector of its mesh is zero): their
    poles at y = 0 would lie on the end of the axis.
    """

    scale: float
    values: FloatArray

    @classmethod
    def from_green(cls, scale: float, g: FloatArray) -> OnAxis:
        """Take G (nodes, a, b) at z = -y^2 of `axis_nodes`."""
        y = axis_nodes(scale, len(g))
        return cls(scale, (y**2 + scale**2)[:, None, None] * g)

    def at(self, y: FloatArray) -> FloatArray:
        """Give G at frequencies, (n, a, b)."""
        nodes = chebyshev_nodes(len(self.values))
        flat = lagrange(y / (y + self.scale), nodes) @ self.values.reshape(len(nodes), -1)
        return np.asarray(
            flat.reshape(-1, *self.values.shape[1:]) / (y**2 + self.scale**2)[:, None, None]
        )


@dataclass(frozen=True, eq=False)
class AxisSeries:
    """Functions of y from 0 to infinity that fall as 1/y^2, as Chebyshev series in t.

    `coefficients` (n, ...) are those of f, `decay` (n, ...) those of f/(1 - t)^2, which
    integrals to infinity need.
    """

    scale: float
    coefficients: FloatArray
    decay: FloatArray

    @classmethod
    def from_values(cls, scale: float, f: FloatArray) -> AxisSeries:
        """Take f (n, ...) at the n nodes of `axis_nodes`."""
        count = len(f)
        degree = np.arange(count)
        angle = (np.arange(count) + 0.5) * np.pi / count
        to_series = np.cos(degree[:, None] * (np.pi - angle)) * 2 / count
        to_series[0] /= 2
        flat = f.reshape(count, -1)
        rest = chebyshev_nodes(count)[::-1]  # 1 - t
        far = _smooth_tail(flat, axis_nodes(scale, count))
        series = (to_series @ flat, to_series @ (far / rest[:, None] ** 2))
        return cls(scale, series[0].reshape(f.shape), series[1].reshape(f.shape))

    def at(self, y: FloatArray) -> FloatArray:
        """Give f at frequencies, (..., n)."""
        return evaluate(self.coefficients, y / (y + self.scale))

    @property
    def logarithmic_slope(self) -> FloatArray:
        """Coefficients of y df/dy, (n + 1, ...)."""
        return times_slope(self.coefficients)

    def integral(self, start: FloatArray) -> FloatArray:
        """Integrate f over y from `start` (n,) to infinity, (..., n)."""
        whole = chebyshev.chebint(self.decay) / 2
        end = evaluate(whole, np.ones(1))
        return np.asarray(self.scale * (end - evaluate(whole, start / (start + self.scale))))

    def minus(self, *others: AxisSeries) -> AxisSeries:
        """Subtract other functions that are known at the same nodes."""
        return AxisSeries(
            self.scale,
            self.coefficients - sum(o.coefficients for o in others),
            self.decay - sum(o.decay for o in others),
        )


def _smooth_tail(f: FloatArray, y: FloatArray) -> FloatArray:
    """Replace functions (n, m) far out, where rounding counts, by c2/y^2 + c4/y^4 + c6/y^6."""
    smooth = f.copy()
    for values in smooth.T:
        size = np.abs(values)
        first = 1 + int(np.flatnonzero(size >= FAR * size.max())[-1])
        near, inverse = slice(max(first - 6, 0), first), y**-2
        fit = Polynomial.fit(inverse[near], values[near] / inverse[near], 2)
        values[first:] = fit(inverse[first:]) * inverse[first:]
    return smooth


def times_slope(coefficients: FloatArray) -> FloatArray:
    """From the Chebyshev series of f to that of y df/dy = t (1 - t) df/dt, one longer."""
    return _times_parabola(np.asarray(chebyshev.chebder(coefficients)))


def evaluate(coefficients: FloatArray, t: FloatArray) -> FloatArray:
    """Sum Chebyshev series, (degree + 1, ...), at points of [0, 1], (..., n)."""
    return np.asarray(chebyshev.chebval(2 * t - 1, coefficients))


def _times_parabola(c: FloatArray) -> FloatArray:
    """Multiply Chebyshev series (n, ...) by (1 - u^2)/2, which is (T0 - T2)/4: (n + 2, ...)."""
    product = np.zeros((len(c) + 2, *c.shape[1:]))
    product[: len(c)] = c / 4
    product[2:] -= c / 8
    for degree, row in enumerate(c):  # T2 Tn = (T(n + 2) + T|n - 2|)/2
        product[abs(degree - 2)] -= row / 8
    return product
