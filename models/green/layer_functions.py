"""Green's functions between the first layers of a half space, at many k and z at once.

G_ll'(k, z) = [(z - D)^-1]_ll'. The bulk below is closed by doubling, as in `decimation`, and
the layers above it one by one: with g_l the function of layer l where all above it is cut off,
A_l its own block, H_l its coupling to the next and S_l what lies below it adds,

    S_l = H_l g_l+1 H_l+,  g_l = (z - A_l - S_l)^-1 upwards;  G_00 = g_0,
    G_l,m+1 = G_lm X_m,  G_m+1,l = Y_m G_ml  (m >= l),  X_m = H_m g_m+1,  Y_m = g_m+1 H_m+,
    G_m+1,m+1 = g_m+1 + Y_m G_m,m+1 downwards.

Layers that are like the bulk share its g. Where forces reach one layer only, all this is 3 x 3
algebra, written out over arrays with the points last, as in `layer_doubling`.
Anything else goes through `decimation`, one wavevector after the other.

Units: squared frequency for matrices and z. Axes: (row, column, point) inside; a point is a
(z, k), k last.
Source: M. P. Lopez Sancho et al., J. Phys. F 15, 851 (1985); Wallis (1973), part 2B.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np

from models.errors import ModelInputError
from models.green.decimation import (
    BATCH,
    SAME,
    Points,
    chain_self_energies,
    inverse,
    resolvent,
)
from models.green.half_space import HalfSpace, Matrices
from models.green.layer_doubling import (
    MIRROR,
    ROW,
    Kind,
    Layer,
    minus_inverse,
    multiply,
    parts,
    self_energies,
)
from models.green.surface_spectra import layer_green

Pair: TypeAlias = tuple[int, int]
GROUP = 16384
"""Points whose self-energies are found together."""
EQUAL = 1e-14
"""Share of the largest element by which a layer may differ from the bulk and still be bulk."""


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
    dtype = np.result_type(half.surface, half.hop, z, float)
    result: Matrices = np.empty((len(pairs), 3, 3, len(z), len(half.hop)), dtype)
    if not result.size:
        return result
    if half.onsite.shape[-1] == 3:
        half = _turned_in_memory(half)
    kind = _kind_of(half)
    if kind == "none":
        _by_wavevector(half, z, pairs, endless, result)
    else:
        _by_points(half, z, pairs, endless, kind, result)
    return result


def _turned_in_memory(half: HalfSpace) -> HalfSpace:
    """Put the same numbers of all k side by side, for what is done to all k at once."""
    return HalfSpace(
        *(
            np.ascontiguousarray(m.transpose(1, 2, 0)).transpose(2, 0, 1)
            for m in (half.surface, half.surface_to_bulk, half.onsite, half.hop)
        )
    )


def _kind_of(half: HalfSpace) -> Kind:
    """Find whether 3 x 3 algebra will do, and with which symmetry of the bulk."""
    onsite, hop, surface = half.onsite, half.hop, half.surface
    if onsite.shape[-1] != 3:
        return "none"
    further = (surface[:, at : at + 3, at + 6 :] for at in range(0, surface.shape[-1], 3))
    if half.surface_to_bulk[:, :-3].any() or any(block.any() for block in further):
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
    """Fill `result`, some k and z after the other."""
    n_k, layers = len(half.hop), () if endless else _top_layers(half)
    if endless:
        pairs = [(max(0, a - b), max(0, b - a)) for a, b in pairs]
    flat = result.reshape(*result.shape[:3], -1)
    count = -(-n_k // GROUP)
    with np.errstate(all="ignore"):  # what is not finite does not converge
        for part in range(count):
            first, last = n_k * part // count, n_k * (part + 1) // count
            width = last - first
            together = min(len(z), max(1, ROW // (width * result.dtype.itemsize)))
            blocks = _Blocks.of(half, layers, slice(first, last), kind, together, result.dtype)
            step = together * max(1, GROUP // (width * together))
            for start in range(0, len(z), step):
                points = np.repeat(z[start : start + step].astype(result.dtype), width)
                at = start * n_k + first
                _solve_group(blocks, points, pairs, endless, flat[..., at : at + len(points)])


def _solve_group(
    blocks: _Blocks, z: Points, pairs: Sequence[Pair], endless: bool, result: Matrices
) -> None:
    """Fill the result (pairs, 3, 3, n) at points z (n,), for which the blocks come round again."""
    pieces = []
    width = blocks.onsite.shape[-1]
    for start in range(0, len(z), width):
        for of in parts(min(width, len(z) - start), z.dtype):
            pieces.append((blocks.cut(of), slice(start + of.start, start + of.stop)))
    sigmas = self_energies(blocks.kind, [Layer(b.onsite, b.hop, z[of]) for b, of in pieces])
    for (own, of), sigma in zip(pieces, sigmas, strict=True):
        _solve(own, z[of], sigma, _Slots(pairs, result[..., of]), endless)


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

    @classmethod
    def of(
        cls, half: HalfSpace, layers: Sequence[tuple[Matrices, Matrices | None]], of: slice,
        kind: Kind, repeats: int, dtype: np.dtype[Any],
    ) -> _Blocks:  # fmt: skip
        """Take the blocks of some k, so many times over."""
        return cls(
            kind, _points_last(half.onsite[of], repeats, dtype),
            _factor(half.hop[of], repeats, dtype),
            tuple(_points_last(own[of], repeats, dtype) for own, _ in layers),
            tuple(None if h is None else _factor(h[of], repeats, dtype) for _, h in layers),
        )  # fmt: skip

    def cut(self, of: slice) -> _Blocks:
        """Keep some points."""
        n = self.onsite.shape[-1]

        def kept(m: Matrices) -> Matrices:
            each = m.shape[-1] // n
            return m[..., of.start * each : of.stop * each]

        return replace(
            self, onsite=kept(self.onsite), hop=kept(self.hop), own=tuple(map(kept, self.own)),
            next=tuple(None if h is None else kept(h) for h in self.next),
        )  # fmt: skip


class _Slots:
    """Where each G_ll' is worked out, before it goes to the result."""

    def __init__(self, pairs: Sequence[Pair], result: Matrices) -> None:
        self._pairs, self._result = pairs, result
        self._slots: dict[Pair, Matrices] = {}
        self._asked = set(pairs)
        self.rows = 1 + max(min(pair) for pair in pairs)
        """Layers whose G_ll is needed."""

    def take(self, row: int, column: int) -> Matrices:
        """Give the array for G_ll', (3, 3, n)."""
        if (row, column) not in self._slots:
            self._slots[row, column] = np.empty(self._result.shape[1:], self._result.dtype)
        return self._slots[row, column]

    def right(self, row: int) -> int:
        """Last column needed beside the diagonal element of a row."""
        return max(b for a, b in [*self._asked, (row, row)] if a == row)

    def below(self, column: int) -> int:
        """Last row needed below the diagonal element of a column."""
        return max(a for a, b in [*self._asked, (column, column)] if b == column)

    def copy(self) -> None:
        """Fill the result.

        Its rows often lie 2^n bytes apart and drive each other out of the cache, so that
        it is cheaper to write it once than to work in it.
        """
        for slot, pair in zip(self._result, self._pairs, strict=True):
            slot[...] = self._slots[pair]


def _solve(blocks: _Blocks, z: Points, sigma: Matrices, slots: _Slots, endless: bool) -> None:
    """Fill the slots at points z (n,)."""
    mirror = blocks.kind == "mirror"
    scratch = np.empty(sigma.shape, sigma.dtype)
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
            multiply(slots.take(layer, m), chain.x(m), slots.take(layer, m + 1), scratch)
        for m in range(layer, below):
            if mirror:
                slots.take(m + 1, layer)[...] = slots.take(layer, m + 1).swapaxes(0, 1)
            else:
                multiply(chain.y(m), slots.take(m, layer), slots.take(m + 1, layer), scratch)
        if not last:
            following = slots.take(layer + 1, layer + 1)
            multiply(chain.y(layer), slots.take(layer, layer + 1), following, scratch)
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
        x = multiply(hop, g, np.empty(g.shape, g.dtype), scratch)
        if mirror:
            return x, x.swapaxes(0, 1)
        return x, multiply(g, _adjoint(hop), np.empty(g.shape, g.dtype), scratch)

    def free(layer: int) -> Matrices:
        return np.empty(sigma.shape, sigma.dtype) if layer or top is None else top

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
            below = multiply(*factors, np.empty(sigma.shape, sigma.dtype), scratch)
        g = _resolvent(z, blocks.own[layer], below, free(layer), scratch, mirror)
        for kept, new in zip((chain.functions, chain.right, chain.left), (g, x, y), strict=True):
            kept.insert(0, new)
    return chain


def _turned(sigma: Matrices) -> Matrices:
    """P S P."""
    return MIRROR[:, None, None] * MIRROR[:, None] * sigma


def _adjoint(matrix: Matrices) -> Matrices:
    return matrix.conj().swapaxes(0, 1)


def _resolvent(
    z: Points, own: Matrices, below: Matrices, out: Matrices, scratch: Matrices, symmetric: bool
) -> Matrices:
    """(z - A - S)^-1 by cofactors."""
    m = np.add(own, below)
    for i in range(3):
        m[i, i] -= z
    return minus_inverse(m, out, scratch, symmetric)
