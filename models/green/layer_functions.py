"""Green's functions between the first layers of a half space, at many k and z at once.

G_ll'(k, z) = [(z - D)^-1]_ll'. The bulk below is closed by doubling, as in `decimation`, and
the layers above it one by one: with g_l the function of layer l where all above it is cut off,
A_l its own block, H_l its coupling to the next and S_l what lies below it adds,

    S_l = H_l g_l+1 H_l+,  g_l = (z - A_l - S_l)^-1 upwards;  G_00 = g_0,
    G_l,m+1 = G_lm X_m,  G_m+1,l = Y_m G_ml  (m >= l),  X_m = H_m g_m+1,  Y_m = g_m+1 H_m+,
    G_m+1,m+1 = g_m+1 + Y_m G_m,m+1 downwards.

Layers that are like the bulk share its g. Where forces reach one layer only, all this is 3 x 3
algebra, written out over arrays with the points last: at this order a batched inverse of LAPACK
costs ten times as much. Doubling then uses the symmetry of a layer; pair forces give it one of
two:

* "mirror" (real; A has no x-z and y-z elements, c = H P symmetric, P = diag(1, 1, -1)): what
  is left after each doubling has the same form, so that its function falls into g+ (x, y) and
  g- (z). With u = c g+ c and v = c g- c, all symmetric, the self-energy grows by u + v, the
  layer by twice the even part of it, and c becomes u - v: 33 products of numbers;
* "inversion" (A real, H symmetric): A, H and H+ stay symmetric, 135 products of numbers.

Anything else goes through `decimation`, one wavevector after the other.

Units: squared frequency for matrices and z. Axes: (row, column, point) inside; a point is a
(z, k), k last.
Source: M. P. Lopez Sancho et al., J. Phys. F 15, 851 (1985); Wallis (1973), part 2B.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Literal, TypeAlias

import numpy as np

from models.errors import ModelInputError, NumericsError
from models.green.decimation import (
    BATCH,
    DOUBLINGS,
    SAME,
    Points,
    chain_self_energies,
    inverse,
    resolvent,
)
from models.green.half_space import HalfSpace, Matrices
from models.green.surface_spectra import layer_green

Pair: TypeAlias = tuple[int, int]
Kind: TypeAlias = Literal["mirror", "inversion", "none"]
POINTS = 1024
"""Points that are worked on together."""
DECAYED = 4e-5
"""Largest element of g a at which doubling ends: the next a g b is about |z - e| (3 |g a|)^4 at
most, 1e-16 of |z| and of D."""
EQUAL = 1e-14
"""Share of the largest element by which a layer may differ from the bulk and still be bulk."""
UNCHECKED = 2
"""Doublings before the first look at convergence, which costs a tenth of a doubling."""


def layer_functions(
    half: HalfSpace, z: Points, pairs: Sequence[Pair], *, endless: bool = False
) -> Matrices:
    """Green's functions G_ll'(k, z) between layers, for all k and z.

    Parameters
    ----------
    half : at n_k wavevectors
    z : (n_z,), squared frequencies: real and outside all bands, or complex with Im z > 0
    pairs : layers (l, l'), 0 the outermost, in the explicit region or below it
    endless : no surface, the layers are those of `half.onsite` for ever, 0 the first one of a
        principal layer; of principal layers of one layer only l' - l counts

    Returns
    -------
    (pairs, 3, 3, n_z, n_k), inverse squared frequency; real where z and `half` are

    Raises
    ------
    ModelInputError : a layer above the outermost one
    NumericsError : no convergence, since z is real and in or too near to a band
    """
    least = min((min(pair) for pair in pairs), default=0)
    if least < 0:
        msg = (
            f"Layer {least} was asked for. Layers are counted downwards from the outermost, "
            "which is 0. Use numbers from 0."
        )
        raise ModelInputError(msg)
    kind = _kind_of(half)
    dtype = np.result_type(half.surface, half.hop, z, float)
    result: Matrices = np.empty((len(pairs), 3, 3, len(z), len(half.hop)), dtype)
    if not result.size:
        return result
    if kind == "none":
        _by_wavevector(half, z, pairs, endless, result)
    else:
        _by_points(half, z, pairs, endless, kind, result)
    return result


def _kind_of(half: HalfSpace) -> Kind:
    """Find whether 3 x 3 algebra will do, and with which symmetry of the bulk."""
    onsite, hop, surface = half.onsite, half.hop, half.surface
    if onsite.shape[-1] != 3:
        return "none"
    layer = np.arange(surface.shape[-1]) // 3
    far = np.abs(layer[:, None] - layer) > 1
    if surface[:, far].any() or half.surface_to_bulk[:, :-3].any():
        return "none"
    scale = SAME * float(np.abs(onsite).max())

    def small(matrix: Matrices) -> bool:
        return bool(np.abs(matrix).max() <= scale)

    if all(np.isrealobj(m) for m in (onsite, hop, surface, half.surface_to_bulk)):
        c = hop * MIRROR
        alike = small(onsite[:, :2, 2]) and small(c - c.swapaxes(1, 2))
        return "mirror" if alike else "none"
    alike = small(onsite.imag) and small(hop - hop.swapaxes(1, 2))
    return "inversion" if alike else "none"


MIRROR = np.array([1.0, 1.0, -1.0])
"""P: how the columns of a hop turn under the mirror, after u_z -> i u_z."""


# one wavevector after the other


def _by_wavevector(
    half: HalfSpace, z: Points, pairs: Sequence[Pair], endless: bool, result: Matrices
) -> None:
    """Fill `result` by way of principal layers of any size."""
    q, deepest = half.onsite.shape[-1], max(map(max, pairs), default=0)
    for k in range(len(half.hop)):
        for start in range(0, len(z), BATCH):
            batch = slice(start, start + BATCH)
            if endless:
                g = _endless_green(half, k, z[batch], deepest)
            else:
                more = -(-max(0, deepest + 1 - half.layers) * 3 // q)
                g = layer_green(_longer(half, k, more), 0, z[batch], deepest + 1)
            for slot, (row, column) in zip(result, pairs, strict=True):
                block = g[:, 3 * row : 3 * row + 3, 3 * column : 3 * column + 3]
                slot[:, :, batch, k] = block.transpose(1, 2, 0)


def _longer(half: HalfSpace, k: int, more: int) -> HalfSpace:
    """Count so many principal layers among the explicit layers, at one wavevector."""
    s, q = half.surface.shape[-1], half.onsite.shape[-1]
    one = half.at(k)
    if not more:
        return one
    chain = _chain_matrix(half, k, more)
    surface = np.zeros((s + len(chain),) * 2, chain.dtype)
    surface[:s, :s] = half.surface[k]
    surface[:s, s : s + q] = half.surface_to_bulk[k]
    surface[s : s + q, :s] = half.surface_to_bulk[k].conj().T
    surface[s:, s:] = chain
    below = np.zeros((len(surface), q), chain.dtype)
    below[-q:] = half.hop[k]
    return HalfSpace(surface[None], below[None], one.onsite, one.hop)


def _chain_matrix(half: HalfSpace, k: int, count: int) -> Matrices:
    """D of so many principal layers of the bulk, (q count, q count)."""
    q = half.onsite.shape[-1]
    matrix = np.zeros((q * count, q * count), np.result_type(half.onsite, half.hop))
    for at in range(0, q * count, q):
        own, above = slice(at, at + q), slice(at - q, at)
        matrix[own, own] = half.onsite[k]
        if at:
            matrix[above, own] = half.hop[k]
            matrix[own, above] = half.hop[k].conj().T
    return matrix


def _endless_green(half: HalfSpace, k: int, z: Points, deepest: int) -> Matrices:
    """G of the endless crystal in layers down to `deepest`, (n_z, n, n)."""
    onsite, hop = half.onsite[k], half.hop[k]
    q = len(onsite)
    window = resolvent(z, _chain_matrix(half, k, -(-3 * (deepest + 1) // q)))
    window[:, :q, :q] -= chain_self_energies(onsite, hop.conj().T, z)
    window[:, -q:, -q:] -= chain_self_energies(onsite, hop, z)
    return inverse(window, z)


# many points at once: 3 x 3 algebra with the points last


def _by_points(
    half: HalfSpace, z: Points, pairs: Sequence[Pair], endless: bool, kind: Kind, result: Matrices
) -> None:
    """Fill `result` in pieces that fit into the cache: some k at one z, or all k at some z."""
    n_k, layers = len(half.hop), () if endless else _top_layers(half)
    if endless:
        pairs = [(max(0, a - b), max(0, b - a)) for a, b in pairs]
    flat = result.reshape(*result.shape[:3], -1)
    parts = -(-n_k // POINTS)
    edges = [n_k * i // parts for i in range(parts + 1)]
    together = min(len(z), max(1, POINTS // n_k))
    with np.errstate(all="ignore"):  # what is not finite does not converge
        for first, last in pairwise(edges):
            of = slice(first, last)
            blocks = _Blocks(
                kind, _points_last(half.onsite[of], together, result.dtype),
                _factor(half.hop[of], together, result.dtype),
                tuple(_points_last(own[of], together, result.dtype) for own, _ in layers),
                tuple(None if h is None else _factor(h[of], together, result.dtype)
                      for _, h in layers),
            )  # fmt: skip
            for start in range(0, len(z), together):
                points = np.repeat(z[start : start + together], last - first)
                at = start * n_k + first
                slots = _Slots(pairs, flat[..., at : at + len(points)])
                _solve(blocks.cut(len(points)), points.astype(result.dtype), slots, endless)


def _top_layers(half: HalfSpace) -> list[tuple[Matrices, Matrices | None]]:
    """A_l and H_l from the top down to the last layer that is not like the bulk.

    None stands for the hop of the bulk.
    """
    limit = EQUAL * float(np.abs(half.onsite).max())
    layers: list[tuple[Matrices, Matrices | None]] = []
    for at in range(0, half.surface.shape[-1], 3):
        own, below = slice(at, at + 3), slice(at + 3, at + 6)
        hop = half.surface[:, own, below]
        if not hop.size:
            hop = half.surface_to_bulk[:, own]
        same = float(np.abs(hop - half.hop).max()) <= limit
        layers.append((half.surface[:, own, own], None if same else hop))
    while layers:
        own_block, next_hop = layers[-1]
        if next_hop is not None or float(np.abs(own_block - half.onsite).max()) > limit:
            break
        layers.pop()
    return layers


def _points_last(matrices: Matrices, repeats: int, dtype: np.dtype[Any]) -> Matrices:
    """Turn (n_k, 3, 3) into (3, 3, repeats * n_k)."""
    return np.tile(matrices.transpose(1, 2, 0), repeats).astype(dtype)


def _factor(matrices: Matrices, repeats: int, dtype: np.dtype[Any]) -> Matrices:
    """Turn hops into left factors for `_multiply`.

    Real factors of complex matrices have each number twice, (3, 3, 2 n): for the real and for
    the imaginary part.
    """
    if np.isrealobj(matrices) and dtype.kind == "c":
        return np.repeat(np.tile(matrices.transpose(1, 2, 0), repeats), 2, axis=-1)
    return _points_last(matrices, repeats, dtype)


@dataclass(frozen=True)
class _Blocks:
    """Blocks of D with the points last, (3, 3, n)."""

    kind: Kind
    onsite: Matrices
    hop: Matrices
    """A left factor, see `_factor`."""
    own: tuple[Matrices, ...]
    """A_l of the layers from the top down to the last that is not like the bulk."""
    next: tuple[Matrices | None, ...]
    """H_l of these, left factors; None is the hop of the bulk."""

    def cut(self, points: int) -> _Blocks:
        """Keep the first points."""
        n = self.onsite.shape[-1]
        if n == points:
            return self

        def kept(m: Matrices) -> Matrices:
            return m[..., : points * (m.shape[-1] // n)]

        return replace(
            self, onsite=kept(self.onsite), hop=kept(self.hop), own=tuple(map(kept, self.own)),
            next=tuple(None if h is None else kept(h) for h in self.next),
        )  # fmt: skip


class _Slots:
    """Where each G_ll' goes: into the result, or aside if nobody asked for it."""

    def __init__(self, pairs: Sequence[Pair], result: Matrices) -> None:
        self._slots: dict[Pair, Matrices] = {}
        self._copies: list[tuple[Matrices, Pair]] = []
        self._shape, self._dtype = result.shape[1:], result.dtype
        for pair, slot in zip(pairs, result, strict=True):
            if pair in self._slots:
                self._copies.append((slot, pair))
            else:
                self._slots[pair] = slot
        self.rows = 1 + max(min(pair) for pair in pairs)
        """Layers whose G_ll is needed."""

    def take(self, row: int, column: int) -> Matrices:
        """Give the array to write G_ll' to, (3, 3, n)."""
        if (row, column) not in self._slots:
            self._slots[row, column] = np.empty(self._shape, self._dtype)
        return self._slots[row, column]

    def right(self, row: int) -> int:
        """Last column needed beside the diagonal element of a row."""
        return max(b for a, b in [*self._slots, (row, row)] if a == row)

    def below(self, column: int) -> int:
        """Last row needed below the diagonal element of a column."""
        return max(a for a, b in [*self._slots, (column, column)] if b == column)

    def copy(self) -> None:
        """Fill the slots of pairs that were asked for twice."""
        for slot, pair in self._copies:
            slot[...] = self._slots[pair]


def _solve(blocks: _Blocks, z: Points, slots: _Slots, endless: bool) -> None:
    """Fill the slots at points z (n,)."""
    mirror = blocks.kind == "mirror"
    sigma = _double_mirror(blocks, z) if mirror else _double_inversion(blocks, z)
    scratch = np.empty_like(sigma)
    if endless:
        both = sigma + (_turned(sigma) if mirror else sigma.swapaxes(0, 1))
        _resolvent(z, blocks.onsite, both, slots.take(0, 0), scratch, mirror)
    chain = _close(blocks, z, sigma, scratch, None if endless else slots.take(0, 0))
    for layer in range(slots.rows):
        last = layer == slots.rows - 1
        right, below = slots.right(layer), slots.below(layer)
        if mirror:
            right = max(right, below)
        for m in range(layer, max(right, layer + (not last))):
            _multiply(slots.take(layer, m), chain.x(m), slots.take(layer, m + 1), scratch)
        for m in range(layer, below):
            if mirror:
                slots.take(m + 1, layer)[...] = slots.take(layer, m + 1).swapaxes(0, 1)
            else:
                _multiply(chain.y(m), slots.take(m, layer), slots.take(m + 1, layer), scratch)
        if not last:
            following = slots.take(layer + 1, layer + 1)
            _multiply(chain.y(layer), slots.take(layer, layer + 1), following, scratch)
            following += chain.g(layer + 1)
    slots.copy()


@dataclass(frozen=True)
class _Chain:
    """g_l, X_l and Y_l of the layers from the top; the last of each belongs to all below."""

    functions: list[Matrices]
    right: list[Matrices]
    left: list[Matrices]

    def g(self, layer: int) -> Matrices:
        """The function of a layer with nothing above it."""
        return self.functions[min(layer, len(self.functions) - 1)]

    def x(self, layer: int) -> Matrices:
        """H_l g_l+1."""
        return self.right[min(layer, len(self.right) - 1)]

    def y(self, layer: int) -> Matrices:
        """g_l+1 H_l+."""
        return self.left[min(layer, len(self.left) - 1)]


def _close(
    blocks: _Blocks, z: Points, sigma: Matrices, scratch: Matrices, top: Matrices | None
) -> _Chain:
    """Close the layers above the bulk one by one, and write g_0 to `top`."""
    mirror = blocks.kind == "mirror"

    def steps(hop: Matrices, g: Matrices) -> tuple[Matrices, Matrices]:
        x = _multiply(hop, g, np.empty_like(g), scratch)
        if mirror:
            return x, x.swapaxes(0, 1)
        return x, _multiply(g, _adjoint(hop), np.empty_like(g), scratch)

    def free(layer: int) -> Matrices:
        return np.empty_like(sigma) if layer or top is None else top

    count = len(blocks.own)
    g = _resolvent(z, blocks.onsite, sigma, free(count), scratch, mirror)
    x, y = steps(blocks.hop, g)
    chain = _Chain([g], [x], [y])
    for layer in range(count - 1, -1, -1):
        hop, below = blocks.next[layer], sigma
        if hop is not None or layer < count - 1:
            hop = blocks.hop if hop is None else hop
            x, y = steps(hop, g)
            # the real S is symmetric: its factors may change places, so that H is on the left
            factors = (hop, y) if mirror else (x, _adjoint(hop))
            below = _multiply(*factors, np.empty_like(sigma), scratch)
        g = _resolvent(z, blocks.own[layer], below, free(layer), scratch, mirror)
        for kept, new in zip((chain.functions, chain.right, chain.left), (g, x, y), strict=True):
            kept.insert(0, new)
    return chain


def _turned(sigma: Matrices) -> Matrices:
    """P S P."""
    return MIRROR[:, None, None] * MIRROR[:, None] * sigma


def _adjoint(matrix: Matrices) -> Matrices:
    return matrix.conj().swapaxes(0, 1)


def _multiply(a: Matrices, b: Matrices, out: Matrices, scratch: Matrices) -> Matrices:
    """Matrix product; real `a` may be twice as wide, each number for both parts of a complex b."""
    given = out
    if a.dtype != b.dtype:
        b, out, scratch = b.view(float), out.view(float), scratch.view(float)
    np.multiply(a[:, 0, None], b[None, 0], out=out)
    for i in (1, 2):
        np.multiply(a[:, i, None], b[None, i], out=scratch)
        np.add(out, scratch, out=out)
    return given


def _resolvent(
    z: Points, own: Matrices, below: Matrices, out: Matrices, scratch: Matrices, symmetric: bool
) -> Matrices:
    """(z - A - S)^-1 by cofactors."""
    m = np.add(own, below)
    for i in range(3):
        m[i, i] -= z
    return _minus_inverse(m, out, scratch, symmetric)


def _minus_inverse(m: Matrices, out: Matrices, scratch: Matrices, symmetric: bool) -> Matrices:
    """-m^-1 by cofactors."""
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


# the order of the six numbers of c: every row but for its z-z is a slice
XX, XY, XZ, YY, ZZ, YZ = range(6)
ROW_X, ROW_Y, REST_Y, NORMAL = slice(0, 3), slice(1, 6, 2), slice(3, 6, 2), slice(2, 6, 3)


def _double_mirror(blocks: _Blocks, z: Points) -> Matrices:
    """Self-energy of the bulk below a layer of it, (3, 3, n), in the "mirror" form.

    Half of what is left of a layer, A + 2 Sigma(even) - z, is kept in k, and Sigma(odd).
    """
    n = len(z)
    dtype: np.dtype[Any] = z.dtype
    c, u, y, k = np.empty((4, 6, n), dtype)
    g, t, scratch = np.empty((3, 3, n), dtype)
    hop = blocks.hop if blocks.hop.dtype == dtype else blocks.hop[..., ::2]
    start = np.zeros((6, n), dtype)
    for at, (i, j) in {XX: (0, 0), XY: (0, 1), YY: (1, 1), ZZ: (2, 2)}.items():
        start[at] = 0.5 * blocks.onsite[i, j]
    for at in (XX, YY, ZZ):
        start[at] -= 0.5 * z
    k[:] = start
    c[ROW_X] = hop[0]
    c[YY], c[YZ], c[ZZ] = hop[1, 1], hop[1, 2], hop[2, 2]
    for at in (XZ, YZ, ZZ):
        np.negative(c[at], out=c[at])
    det, spare, v = t[0], t[1], y
    y = y.reshape(2, 3, n)
    for doubling in range(DOUBLINGS):
        # g+ = (xx, xy, yy) and g- from the halves
        np.multiply(k[XY], k[XY], out=det)
        np.multiply(k[XX], k[YY], out=spare)
        det -= spare
        np.divide(0.5, det, out=det)
        np.multiply(k[YY], det, out=g[0])
        np.multiply(k[XX], det, out=g[2])
        np.negative(det, out=det)
        np.multiply(k[XY], det, out=g[1])
        # y = g+ c, rows x and y
        np.multiply(g[:2, None], c[None, ROW_X], out=y)
        second = u.reshape(2, 3, n)
        np.multiply(g[1:, None], c[None, ROW_Y], out=second)
        y += second
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
        decay = max(_largest(y), _largest(t)) if doubling >= UNCHECKED else 1.0
        np.multiply(c[XZ], t, out=v[ROW_X])
        np.multiply(c[YZ], t[1:], out=v[REST_Y])
        np.multiply(c[ZZ], t[2], out=v[ZZ])
        np.subtract(u, v, out=c)
        u += v
        k += u
        if decay <= DECAYED:
            return _full(k - start)
    raise _not_converged(z)


def _full(six: Matrices) -> Matrices:
    """The symmetric matrix of six numbers, (3, 3, n)."""
    return six[[XX, XY, XZ, XY, YY, YZ, XZ, YZ, ZZ]].reshape(3, 3, -1)


def _largest(array: Matrices) -> float:
    """Largest real or imaginary part; nan if there is one."""
    parts = array.view(float)
    return max(float(parts.max()), -float(parts.min()))


def _double_inversion(blocks: _Blocks, z: Points) -> Matrices:
    """Self-energy of the bulk below a layer of it, (3, 3, n), in the "inversion" form."""
    a, b = blocks.hop.copy(), blocks.hop.conj()
    k = blocks.onsite.copy()
    for i in range(3):
        k[i, i] -= z
    sigma = np.zeros_like(k)
    g, y, w, update, scratch = np.empty((5, *k.shape), k.dtype)
    for _ in range(DOUBLINGS):
        _minus_inverse(k, g, scratch, symmetric=True)
        _multiply(g, b, w, scratch)
        _multiply(g, a, y, scratch)
        decay = max(_largest(y), _largest(w))
        _multiply(a, w, update, scratch)
        _multiply(a, y, g, scratch)
        a, g = g, a
        _multiply(b, w, g, scratch)
        b, g = g, b
        sigma += update
        k += update
        k += update.swapaxes(0, 1)
        if decay <= DECAYED:
            return sigma
    raise _not_converged(z)


def _not_converged(z: Points) -> NumericsError:
    return NumericsError(
        f"The half space does not converge at z from {z.real.min():.6g} to {z.real.max():.6g} "
        f"(at most {DOUBLINGS} doublings). A real squared frequency must lie outside the bulk "
        "bands. Move it, or give it an imaginary part."
    )
