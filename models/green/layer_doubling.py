"""Self-energy of the bulk below a layer at many k and z at once, for forces that reach one layer.

Doubling as in `decimation`, in 3 x 3 algebra that is written out over arrays with the points
last: at this order a batched inverse of LAPACK costs ten times as much. It uses the symmetry of
a layer, of which pair forces give one of two:

* "mirror" (real; A has no x-z and y-z elements, c = H P symmetric, P = diag(1, 1, -1)): what
  is left after a doubling has the same form, so that its function falls into g+ (x, y) and
  g- (z). With u = c g+ c and v = c g- c, all symmetric, the self-energy grows by u + v, the
  layer by twice the even part of it, and c becomes u - v: 33 products of numbers;
* "inversion" (A real, H symmetric): A, H and H+ stay symmetric, 150 products of numbers.

Few points need as many doublings as the slowest. Pieces of the points are doubled until many of
theirs have converged; the others wait, and go on together.

Units: squared frequency. Axes: (row, column, point); a point is a pair (z, k).
Source: M. P. Lopez Sancho et al., J. Phys. F 15, 851 (1985).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from models.errors import NumericsError
from models.green.decimation import DOUBLINGS, Points
from models.green.half_space import Matrices
from models.protocol import FloatArray, IntArray

Kind: TypeAlias = Literal["mirror", "inversion", "none"]
ROW = 32768
"""Bytes of a row of points that are worked on together, at most. Rows of 8 kB, 39 of which fit
into the second cache, took a fifth to two fifths longer: calls then cost more than memory."""
DECAYED = 4e-5
"""Largest element of g a at which a point is done: the next a g b is about |z - e| (3 |g a|)^4
at most, 1e-16 of |z| and of D."""
UNCHECKED = 2
"""Doublings before the first look at convergence, which costs a tenth of a doubling."""
DONE = 0.35
"""Share of the points of a piece that must be done for the others to be worth moving."""
FEW = 100
"""So few points are not moved: calls cost more than numbers."""
MIRROR = np.array([1.0, 1.0, -1.0])
"""P: how the columns of a hop turn under the mirror, after u_z -> i u_z."""


def parts(count: int, dtype: np.dtype[Any]) -> Iterator[slice]:
    """Cut points into pieces of about the same size that are worked on together."""
    pieces = -(-count // max(1, ROW // dtype.itemsize))
    for piece in range(pieces):
        yield slice(count * piece // pieces, count * (piece + 1) // pieces)


@dataclass(frozen=True)
class Layer:
    """A layer of the bulk at some points."""

    onsite: Matrices
    """(3, 3, n), A in the type of the result."""
    hop: Matrices
    """H as a left factor for `multiply`: (3, 3, n), or (3, 3, 2 n) if it alone is real."""
    z: Points
    """(n,), in the type of the result."""


def self_energies(kind: Kind, layers: Sequence[Layer]) -> list[Matrices]:
    """Self-energies H g(z) H+ of the half spaces below layers, (3, 3, n) each.

    Raises
    ------
    NumericsError : a real z is in a band, or too near to one
    """
    form: type[_Mirror | _Inversion] = _Mirror if kind == "mirror" else _Inversion
    edges = np.cumsum([0, *(len(layer.z) for layer in layers)])
    z = np.concatenate([layer.z for layer in layers])
    results = np.empty((form.results, len(z)), z.dtype)
    waiting: list[tuple[Matrices, IntArray]] = []

    def go_on(piece: _Mirror | _Inversion, points: IntArray) -> None:
        """Double a piece until many of its points are done; let the others wait."""
        done = _double(piece, z, points)
        rest = np.flatnonzero(~done)
        if len(rest):
            waiting.append((piece.state.take(rest, axis=1), points[rest]))

    for layer, first, last in zip(layers, edges, edges[1:], strict=False):
        piece = form(len(layer.z), layer.z.dtype, UNCHECKED)
        piece.start(layer)
        go_on(piece, np.arange(first, last))
        results[:, first:last] = piece.result  # the others are written again
    while waiting:
        state, points = (np.concatenate(x, axis=-1) for x in zip(*waiting, strict=True))
        waiting.clear()
        for of in parts(len(points), z.dtype):
            piece = form(len(points[of]), z.dtype)
            piece.state[...] = state[:, of]
            go_on(piece, points[of])
            results[:, points[of]] = piece.result
    return [
        form.sigma(layer, results[:, first:last])
        for layer, first, last in zip(layers, edges, edges[1:], strict=False)
    ]


def _double(piece: _Mirror | _Inversion, z: Points, points: IntArray) -> NDArray[np.bool_]:
    """Double until all points are done, or enough of many: which ones are."""
    for doubling in range(DOUBLINGS):
        largest = piece.double(look=doubling >= piece.unchecked)
        if largest is None:
            continue
        done = largest <= DECAYED
        if np.iscomplexobj(z):
            done = np.asarray(done.reshape(-1, 2).all(axis=1))
        share = np.count_nonzero(done) / len(points)
        if share == 1 or (share >= DONE and len(points) > FEW):
            return done
    bad = z[points][~done]
    msg = (
        f"The half space does not converge at z = {bad[0]:.6g} (at most {DOUBLINGS} doublings). A "
        "real squared frequency must lie outside the bulk bands. Move it, or give it an imaginary "
        "part."
    )
    raise NumericsError(msg)


def _largest(numbers: Matrices) -> FloatArray:
    """Largest size of the numbers of a point, real and imaginary parts apart; nan if one is."""
    parts = numbers.view(float)
    return np.maximum(parts.max(axis=0), -parts.min(axis=0))


# the order of the six numbers of c: every row but for its z-z is a slice
XX, XY, XZ, YY, ZZ, YZ = range(6)
ROW_X, ROW_Y, REST_Y, NORMAL = slice(0, 3), slice(1, 6, 2), slice(3, 6, 2), slice(2, 6, 3)


class _Mirror:
    """Points in the "mirror" form: c, and k, half of A + 2 Sigma - z without its odd A and z."""

    results = 6

    def __init__(self, points: int, dtype: np.dtype[Any], unchecked: int = 0) -> None:
        self.unchecked = unchecked
        rows = np.empty((39, points), dtype)
        self.state, self.result = rows[:12], rows[6:12]
        self.work = rows[12:]

    def start(self, layer: Layer) -> None:
        """Begin with a layer as it is."""
        h, c = layer.hop, self.state
        if h.dtype != c.dtype:
            h = h[..., ::2]
        c[ROW_X], c[REST_Y], c[ZZ] = h[0], h[1, 1:], h[2, 2]
        for at in (XZ, YZ, ZZ):
            np.negative(c[at], out=c[at])
        self.offset(layer, self.result)

    @staticmethod
    def offset(layer: Layer, k: Matrices) -> Matrices:
        """What k is at the start."""
        for at, i in ((XX, 0), (YY, 1), (ZZ, 2)):
            np.subtract(layer.onsite[i, i], layer.z, out=k[at])
        k[XY] = layer.onsite[0, 1]
        k[XZ] = k[YZ] = 0
        k *= 0.5
        return k

    @classmethod
    def sigma(cls, layer: Layer, result: Matrices) -> Matrices:
        """The self-energy."""
        six = cls.offset(layer, np.empty(result.shape, result.dtype))
        np.subtract(result, six, out=six)
        sigma = np.empty((3, 3, len(layer.z)), result.dtype)
        sigma[0], sigma[1, 1:], sigma[2, 2] = six[ROW_X], six[REST_Y], six[ZZ]
        sigma[1, 0], sigma[2, 0], sigma[2, 1] = six[XY], six[XZ], six[YZ]
        return sigma

    def double(self, look: bool) -> FloatArray | None:
        """Double once; if `look`, give the largest number of g a of each point."""
        c, k, work = self.state[:6], self.result, self.work
        u, v, g, scratch = work[:6], work[6:12], work[12:15], work[15:18]
        y, t, spare = work[18:24].reshape(2, 3, -1), work[24:], u.reshape(2, 3, -1)
        # g+ = (xx, xy, yy) from the halves
        det, other = scratch[:2]
        np.multiply(k[XY], k[XY], out=det)
        np.multiply(k[XX], k[YY], out=other)
        np.subtract(det, other, out=det)
        np.divide(0.5, det, out=det)
        np.multiply(k[YY], det, out=g[0])
        np.multiply(k[XX], det, out=g[2])
        np.negative(det, out=det)
        np.multiply(k[XY], det, out=g[1])
        # y = g+ c, rows x and y
        np.multiply(g[:2, None], c[None, ROW_X], out=y)
        np.multiply(g[1:, None], c[None, ROW_Y], out=spare)
        np.add(y, spare, out=y)
        # u = c y
        np.multiply(c[XX], y[0], out=u[ROW_X])
        np.multiply(c[XY], y[1], out=scratch)
        u[ROW_X] += scratch
        np.multiply(c[XY], y[0, 1:], out=u[REST_Y])
        np.multiply(c[YY], y[1, 1:], out=scratch[:2])
        u[REST_Y] += scratch[:2]
        np.multiply(c[XZ], y[0, 2], out=u[ZZ])
        np.multiply(c[YZ], y[1, 2], out=scratch[0])
        u[ZZ] += scratch[0]
        # t = g- c, row z; v = c t
        np.divide(-0.5, k[ZZ], out=scratch[0])
        np.multiply(c[NORMAL], scratch[0], out=t[:2])
        np.multiply(c[ZZ], scratch[0], out=t[2])
        np.multiply(c[XZ], t, out=v[ROW_X])
        np.multiply(c[YZ], t[1:], out=v[REST_Y])
        np.multiply(c[ZZ], t[2], out=v[ZZ])
        np.subtract(u, v, out=c)
        np.add(u, v, out=u)
        np.add(k, u, out=k)
        return _largest(work[18:]) if look else None


class _Inversion:
    """Points in the "inversion" form: a, b, e - z, and what Sigma has become."""

    results = 9

    def __init__(self, points: int, dtype: np.dtype[Any], unchecked: int = 0) -> None:
        self.unchecked = unchecked
        self.state, self.work = np.empty((36, points), dtype), np.empty((36, points), dtype)
        self.result = self.state[27:]

    def start(self, layer: Layer) -> None:
        """Begin with a layer as it is."""
        a, b, k, sigma = self.state.reshape(4, 3, 3, -1)
        a[...] = layer.hop
        np.conjugate(layer.hop, out=b)
        k[...] = layer.onsite
        for i in range(3):
            k[i, i] -= layer.z
        sigma[...] = 0

    @staticmethod
    def sigma(layer: Layer, result: Matrices) -> Matrices:
        """The self-energy."""
        return result.reshape(3, 3, -1)

    def double(self, look: bool) -> FloatArray | None:
        """Double once; if `look`, give the largest number of g a and g b of each point."""
        a, b, k, sigma = self.state.reshape(4, 3, 3, -1)
        g, y, w, update = self.work.reshape(4, 3, 3, -1)
        # `update` is free until g is
        minus_inverse(k, g, update, symmetric=True)
        multiply(g, a, y, update)
        multiply(g, b, w, update)
        multiply(a, w, update, g)
        np.add(sigma, update, out=sigma)
        np.add(k, update, out=k)
        np.add(k, update.swapaxes(0, 1), out=k)
        multiply(a, y, g, update)
        a[...] = g
        multiply(b, w, g, update)
        b[...] = g
        return _largest(self.work[9:27]) if look else None


def multiply(a: Matrices, b: Matrices, out: Matrices, scratch: Matrices) -> Matrices:
    """Matrix product; real `a` of complex `b` has each number twice, for both parts of `b`.

    `out` and `scratch` are none of the others.
    """
    given = out
    if a.dtype != b.dtype:
        b, out, scratch = b.view(float), out.view(float), scratch.view(float)
    np.multiply(a[:, 0, None], b[None, 0], out=out)
    for i in (1, 2):
        np.multiply(a[:, i, None], b[None, i], out=scratch)
        np.add(out, scratch, out=out)
    return given


def minus_inverse(m: Matrices, out: Matrices, scratch: Matrices, symmetric: bool) -> Matrices:
    """-m^-1 by cofactors, (3, 3, n)."""
    spare, det = scratch[0, 0], scratch[0, 1]
    for i in range(3):
        for j in range(i if symmetric else 0, 3):
            (a, b), (c, d) = ((i + 1) % 3, (i + 2) % 3), ((j + 1) % 3, (j + 2) % 3)
            np.multiply(m[a, c], m[b, d], out=out[j, i])
            np.multiply(m[a, d], m[b, c], out=spare)
            out[j, i] -= spare
    np.multiply(m[0, 0], out[0, 0], out=det)
    for i in (1, 2):
        np.multiply(m[0, i], out[i, 0], out=spare)
        det += spare
    np.divide(-1.0, det, out=det)
    if symmetric:
        for i, j in ((0, 1), (0, 2), (1, 2)):
            out[i, j] = out[j, i]
    out *= det
    return out
