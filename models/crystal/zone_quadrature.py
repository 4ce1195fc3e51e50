"""Integrals over a surface zone of functions with cusps at its symmetric points.

A Green's function at zero frequency or at the top of the bands goes like 1/|q| near the points
where acoustic branches begin or branches end: the centre of the zone and the middles of its
edges. A uniform mesh converges slowly there. Here an irreducible wedge is cut into triangles,
each with one corner at such a point, and each is the image of a square of which one side
shrinks to that corner (Duffy): the area element cancels 1/|q|, and along every ray the rest is
smooth. Gauss's rule then converges exponentially. Nodes gather at the corner, for values that
lie just off the edge of a band.

Units: fractions (f1, f2) with k = f1 b1 + f2 b2.
Source: M. G. Duffy, SIAM J. Numer. Anal. 19, 1260 (1982).
"""

from __future__ import annotations

from functools import cache
from typing import TypeAlias

import numpy as np

from models.crystal.faces import FACES, Face, operations
from models.protocol import FloatArray

Corner: TypeAlias = tuple[float, float]
Triangle: TypeAlias = tuple[Corner, Corner, Corner]
GATHER = 3
"""The distance from the corner is this power of the node's place on its ray."""

_G, _X, _Y, _M = (0.0, 0.0), (0.5, 0.0), (0.0, 0.5), (0.5, 0.5)


def wedge(face: Face) -> tuple[Triangle, ...]:
    """Give triangles that fill an irreducible part of the zone, cusps at their corners.

    Irreducible under the point group of the face and time reversal.
    """
    if face.hexagonal:
        return ((_G, _X, (2 / 3, 1 / 3)),)
    if len(operations(face)) == 8:
        return ((_G, _X, _M),)
    (_, across), (along, _) = face.cell
    if across == along == 0:
        return (_G, _X, _M), (_G, _Y, _M)
    return (_G, _X, _M), ((1.0, 0.0), _X, _M)  # a rhombic cell: a1 and a2 mirror each other


@cache
def wedge_quadrature(crystal: str, surface: str, order: int) -> tuple[FloatArray, FloatArray]:
    """Give nodes and weights of the irreducible wedge of a face.

    Parameters
    ----------
    order : nodes of Gauss's rule along and across the rays

    Returns
    -------
    (n, 2) fractions and (n,) weights, which sum to 1; n is 6 * order^2 for each triangle
    """
    along, share = np.polynomial.legendre.leggauss(order)
    along, share = (along + 1) / 2, share / 2
    u, v = np.meshgrid(along, along, indexing="ij")
    distance = u**GATHER
    element = np.outer(share, share) * distance * GATHER * u ** (GATHER - 1)
    nodes, weights = [], []
    for corner, left, right in _pieces(wedge(FACES[crystal, surface])):
        side, across = left - corner, right - left
        nodes.append(corner + distance[..., None] * (side + v[..., None] * across))
        weights.append(element * abs(side[0] * across[1] - side[1] * across[0]))
    fraction, weight = np.concatenate(nodes).reshape(-1, 2), np.concatenate(weights).ravel()
    return fraction, weight / weight.sum()


def _pieces(triangles: tuple[Triangle, ...]) -> list[tuple[FloatArray, FloatArray, FloatArray]]:
    """Cut each triangle into six, each with one of its corners, that one first."""
    found = []
    for triangle in triangles:
        corners = np.array(triangle)
        centre = corners.mean(axis=0)
        for i, corner in enumerate(corners):
            for other in np.delete(corners, i, axis=0):
                found.append((corner, (corner + other) / 2, centre))
    return found
