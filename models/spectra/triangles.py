"""Zone integration by triangles: spectra without a line width.

A two-dimensional zone is cut into triangles whose corners are the points of an n x n mesh.
In each triangle the frequency of every band, and its weight, are linear between the corners.
The spectrum of that is a piecewise cubic number of states, known in closed form. What is
given is its difference over a step of the grid: the density, averaged over the step round
each point of the grid. So no state is lost between points and the sum over the grid is
exact, whatever the mesh; the density at a point would be infinite for a flat triangle.

Bands are ordered by frequency: where two cross, the interpolation has a kink. The error
falls with the square of the mesh step.

Units: one unit of frequency for bands and grid; spectra are per that unit.
Axes:  frequencies (n_k, modes); weights (n_k, sets, modes); grid (g,); spectra (sets, g).
Source: the two-dimensional form of the tetrahedron method, O. Jepsen and O. K. Andersen,
Solid State Commun. 9, 1763 (1971); the integrals over a triangle are derived here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.protocol import FloatArray, IntArray

ELEMENTS = 2**16
"""Elements of an array of triangles and steps that are done together: they fit the cache."""
STATES = 2**21
"""Elements of the array of states by wavevector, mode and step."""
EQUAL = 1e-9
"""Relative difference under which the two diagonals of a cell of the mesh are alike."""


@dataclass(frozen=True)
class Triangles:
    """The distinct triangles of a zone.

    `corners` (t, 3) are irreducible points; `share` (t,) is the part of the zone that a
    triangle and its images take, sum 1.
    """

    corners: IntArray
    share: FloatArray


def zone_triangles(mesh: IntArray, reciprocal: FloatArray) -> Triangles:
    """Cut the zone into triangles along the shorter diagonal of each cell of the mesh.

    Diagonals of equal length (squares and rectangles) are taken both, with half the share
    each, so that the triangles have every symmetry of the mesh.

    Parameters
    ----------
    mesh : (n, n), the irreducible point of each point i b1/n + j b2/n (+ shift) of the mesh
    reciprocal : (2, 2), rows b1, b2
    """
    right, up = np.roll(mesh, -1, axis=0), np.roll(mesh, -1, axis=1)
    across = np.roll(right, -1, axis=1)
    long = np.linalg.norm(reciprocal[0] + reciprocal[1])
    other = np.linalg.norm(reciprocal[0] - reciprocal[1])
    cut = []
    if long <= other * (1 + EQUAL):
        cut += [(mesh, right, across), (mesh, up, across)]
    if other <= long * (1 + EQUAL):
        cut += [(right, up, mesh), (right, up, across)]
    corners = np.concatenate([np.stack(c, axis=-1).reshape(-1, 3) for c in cut])
    corners, count = np.unique(np.sort(corners, axis=1), axis=0, return_counts=True)
    return Triangles(corners, count / count.sum())


def integrate(
    frequency: FloatArray, weight: FloatArray, triangles: Triangles, grid: FloatArray
) -> FloatArray:
    """Integrate spectra over the zone, averaged over the grid step round each grid point.

    The sum over the grid times its step is the sum of the weights, exactly, if the grid
    with half a step at each end spans all bands; states beyond are left out.

    Parameters
    ----------
    frequency : (n_k, modes), ascending in each row
    weight : (n_k, sets, modes), without the weight of the wavevector
    triangles : of the zone, corners in the order of `frequency`
    grid : (g,), ascending, evenly spaced

    Returns
    -------
    (sets, g), per unit frequency and cell
    """
    step = float(grid[-1] - grid[0]) / (len(grid) - 1)
    place = (frequency - grid[0]) / step + 0.5  # step i of the grid is from i to i + 1
    n_k, sets, modes = weight.shape
    spectrum = np.zeros((sets, len(grid)))
    together = max(1, STATES // (n_k * (len(grid) + 2)))
    for start in range(0, modes, together):
        part = slice(start, min(start + together, modes))
        states = _states(place[:, part], triangles, len(grid))
        flat = weight[:, :, part].transpose(1, 0, 2).reshape(sets, -1)
        spectrum += flat @ states
    return spectrum / step


def _states(place: FloatArray, triangles: Triangles, steps: int) -> FloatArray:
    """Share the zone of each wavevector and mode among the steps of the grid.

    Parameters
    ----------
    place : (n_k, modes), frequency in steps

    Returns
    -------
    (n_k * modes, steps), what a unit weight at this wavevector and mode adds to each step
    """
    n_k, modes = place.shape
    total = np.zeros(n_k * modes * (steps + 2))
    e, owner = _sorted_corners(place, triangles)
    share = np.repeat(triangles.share, modes)
    # step -1 and one after the grid take what lies beyond
    first, last = (np.clip(np.floor(x), -1, steps).astype(np.int64) for x in (e[0], e[2]))
    inner = last - first  # steps begun inside the triangle
    length = 1 << np.ceil(np.log2(np.maximum(inner, 1))).astype(np.int64)
    for many in np.unique(length):
        alike = np.flatnonzero(length == many)
        for i in range(0, len(alike), max(1, ELEMENTS // (many + 1))):
            own = alike[i : i + max(1, ELEMENTS // (many + 1))]
            edges = first[own] + np.arange(1, many + 1)[:, None]
            below = _below(e[:, own], edges.astype(float)) * share[own]
            whole = np.broadcast_to(share[own] / 3, (3, 1, len(own)))
            parts = np.diff(below, axis=1, prepend=0.0, append=whole)
            column = np.minimum(first[own] + np.arange(many + 1)[:, None] + 1, steps + 1)
            index = owner[:, None, own] * (steps + 2) + column
            np.add.at(total, index.ravel(), parts.ravel())
    return total.reshape(n_k * modes, steps + 2)[:, 1:-1]


def _sorted_corners(place: FloatArray, triangles: Triangles) -> tuple[FloatArray, IntArray]:
    """Give frequencies and (wavevector, mode) of corners, each (3, t * modes), ascending."""
    modes = place.shape[1]
    e = place[triangles.corners].transpose(1, 0, 2).reshape(3, -1)
    owner = (triangles.corners.T[:, :, None] * modes + np.arange(modes)).reshape(3, -1)
    order = np.argsort(e, axis=0, kind="stable")
    return np.take_along_axis(e, order, axis=0), np.take_along_axis(owner, order, axis=0)


def _below(e: FloatArray, edges: FloatArray) -> FloatArray:
    """Integrate each corner's linear weight over the part of a triangle below an edge.

    With e1 <= e2 <= e3, below e2 that part is a triangle at corner 1 whose sides are the
    shares a and b of the sides to 2 and 3; above e2 a triangle at corner 3, with shares c
    and d of the sides to 2 and 1, is what is missing.

    Parameters
    ----------
    e : (3, m), ascending along the first axis
    edges : (edges, m)

    Returns
    -------
    (3, edges, m), in areas of the triangle, 1/3 each for an edge above it
    """
    at = np.clip(edges, e[0], e[2])
    b = (at - e[0]) / _positive(e[2] - e[0])
    a = np.minimum((at - e[0]) / _positive(e[1] - e[0]), 1.0)
    c = np.minimum((e[2] - at) / _positive(e[2] - e[1]), 1.0)
    d = (e[2] - at) / _positive(e[2] - e[0])
    low = a * b * np.stack([1 - (a + b) / 3, a / 3, b / 3])
    high = 1 / 3 - c * d * np.stack([d / 3, c / 3, 1 - (c + d) / 3])
    return np.where(at < e[1], low, high)


def _positive(x: FloatArray) -> FloatArray:
    return np.where(x > 0, x, 1.0)
