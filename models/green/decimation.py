"""Self-energy of the half space below a layer, by decimation of principal layers.

Sigma(z) = H g(z) H+ is what the bulk below a principal layer adds to it: g is the Green's
function of the topmost layer of the half space alone, with the self terms of the bulk. Each
doubling removes every second layer,

    g = (z - e)^-1,  Sigma += a g b,  e += a g b + b g a,  a -> a g a,  b -> b g b,

from a = H, b = H+, e = A, Sigma = 0. Symmetry saves work. Let P reverse the layers of a
principal layer:

* "mirror" (A, H real; A = PAP, HP symmetric; P turns the sign of z): two-fold axis, and alike
  from both sides. With c = aP and the halves of g that are even and odd under P,
  u = c g+ c and v = c g- c give a g b = u + v, c -> u - v and b g a = P (u + v) P;
* "inversion" (A^T = PAP, H^T = PHP): centre of inversion. In the basis (1 + iP)/sqrt 2 all of
  e, a, b are symmetric, A is real, and b g a = (a g b)^T; on the real axis b = conj(a) too;
* "real" (A, H real): b = a^T throughout;
* "none": all four products.

A value belongs to its (k, z): each product and inverse is that of one z, and each z is
doubled until it has converged by itself.

Units: squared frequency. Axes: (n_z, q, q), at one wavevector.
Source: M. P. Lopez Sancho, J. M. Lopez Sancho, J. Rubio, J. Phys. F 15, 851 (1985).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from models.errors import NumericsError
from models.green.half_space import Matrices
from models.protocol import ComplexArray, FloatArray, IntArray

Kind: TypeAlias = Literal["mirror", "inversion", "real", "none"]
Points: TypeAlias = FloatArray | ComplexArray
"""Squared frequencies z: real ones outside the bands, or complex ones above the real axis."""
State: TypeAlias = tuple[Matrices, ...]
TOLERANCE = 1e-14
"""What the doublings left out may add to Sigma, as a share of the largest element of A."""
DOUBLINGS = 60
"""Layers joined before z counts as lying in a band: 2^60."""
BATCH = 32
"""Values of z that are doubled together: matrices of order 21 to 33 then stay in the cache."""
SAME = 1e-11
"""Share of the largest element by which a symmetry may be missed: rounding of the phase sums."""
SMALL = 12
"""Order up to which LAPACK inverts at once: above it, halves and products are faster."""


@dataclass(frozen=True)
class Chain:
    """A principal layer and its hop at one wavevector, in the basis that suits `kind`."""

    kind: Kind
    onsite: Matrices
    hop: Matrices
    """H; HP for "mirror"."""
    basis: Matrices | None
    """(q, q), columns are the basis; None: the coordinates themselves."""
    even: int
    """Number of coordinates even under P, for "mirror"."""
    scale: float
    """Largest element of A."""


def chain_of(onsite: Matrices, hop: Matrices) -> Chain:
    """Find the symmetry of a bulk chain, (q, q) each, and go to its basis."""
    scale = float(np.abs(onsite).max())
    q = len(onsite)
    layers = np.arange(q).reshape(-1, 3) if q % 3 == 0 else np.arange(q)[:, None]
    reverse = layers[::-1].ravel()

    def alike(a: Matrices, b: Matrices) -> bool:
        return float(np.abs(a - b).max()) <= SAME * scale

    if np.isrealobj(onsite) and np.isrealobj(hop):
        sign = np.where(np.arange(q) % 3 == 2, -1.0, 1.0) if q % 3 == 0 else np.ones(q)
        p = np.eye(q)[reverse] * sign
        if alike(onsite, p @ onsite @ p) and alike(hop.T, p @ hop @ p):
            basis, even = _parities(reverse, sign)
            return Chain(
                "mirror", _symmetric(basis.T @ onsite @ basis),
                _symmetric(basis.T @ hop @ p @ basis), basis, even, scale,
            )  # fmt: skip
        return Chain("real", onsite, hop, None, 0, scale)
    p = np.eye(q)[reverse]
    if alike(onsite.T, p @ onsite @ p) and alike(hop.T, p @ hop @ p):
        turn = (np.eye(q) + 1j * p) / np.sqrt(2)
        turned = turn.conj().T @ np.stack([onsite, hop]) @ turn
        return Chain("inversion", _symmetric(turned[0].real), _symmetric(turned[1]), turn, 0, scale)
    return Chain("none", onsite, hop, None, 0, scale)


def _symmetric(matrix: Matrices) -> Matrices:
    """Remove the rounding that breaks a symmetry which products later rely on."""
    return (matrix + matrix.T) / 2


def _parities(reverse: IntArray, sign: FloatArray) -> tuple[FloatArray, int]:
    """Orthonormal columns, first those even and then those odd under P, and how many are even."""
    columns: tuple[list[FloatArray], list[FloatArray]] = ([], [])
    unit = np.eye(len(sign))
    for i, (j, s) in enumerate(zip(reverse, sign, strict=True)):
        if i == j:
            columns[int(s < 0)].append(unit[i])
        elif i < j:
            for parity, factor in enumerate((s, -s)):
                columns[parity].append((unit[i] + factor * unit[j]) / np.sqrt(2))
    return np.array(columns[0] + columns[1]).T, len(columns[0])


def chain_self_energies(onsite: Matrices, hop: Matrices, z: Points) -> Matrices:
    """Self-energies H g(z) H+ of a half space of bulk on the layer above it, (n_z, q, q).

    Parameters
    ----------
    onsite, hop : (q, q), at one wavevector
    z : (n_z,), with Im z > 0, or real and outside the bulk bands

    Raises
    ------
    NumericsError : no convergence, since z is real and in or too near to a band
    """
    chain = chain_of(onsite, hop)
    real = np.isrealobj(z) and chain.kind in ("mirror", "real")
    sigma = np.empty((len(z), *onsite.shape), dtype=float if real else complex)
    for start in range(0, len(z), BATCH):
        of = slice(start, start + BATCH)
        sigma[of] = _decimate(chain, z[of])
        if chain.basis is not None:
            sigma[of] = chain.basis @ sigma[of] @ chain.basis.conj().T
    return sigma


Step: TypeAlias = Callable[[Points, State], tuple[Matrices, FloatArray, State]]
"""From z and the state to a g b, the size of g (a, b), and the next state; the last array of a
state holds a."""


def _decimate(chain: Chain, z: Points) -> Matrices:
    """Double until every z has converged: Sigma in the basis of the chain, (n_z, q, q)."""
    step, state = _start(chain, z)
    sigma: Matrices = np.zeros((len(z), *chain.onsite.shape), state[-1].dtype)
    result: Matrices = np.empty_like(sigma)
    active = np.arange(len(z))
    for _ in range(DOUBLINGS):
        size = _norm(state[-1])
        try:
            update, decay, state = step(z, state)
        except np.linalg.LinAlgError:
            break
        sigma += update
        # a g b of the next doubling is about |a| |g b|^3
        done = size * decay**3 <= TOLERANCE * chain.scale
        if done.any():
            result[active[done]] = sigma[done]
            active, z, sigma = active[~done], z[~done], sigma[~done]
            state = tuple(x[~done] for x in state)
        if not len(active):
            return result
    msg = (
        f"The half space does not converge at z = {z[0]:.6g} (at most {DOUBLINGS} doublings). A "
        "real squared frequency must lie outside the bulk bands and off the modes of layers cut "
        "out of the bulk. Move it, or give it an imaginary part."
    )
    raise NumericsError(msg)


def _start(chain: Chain, z: Points) -> tuple[Step, State]:
    """Give the doubling step of a chain and its first state."""
    real = np.isrealobj(z)
    e = chain.onsite if real else chain.onsite.astype(complex)
    first: State
    step: Step
    if chain.kind == "mirror":
        h = chain.even
        step, first = _double_mirror, (e[:h, :h], e[h:, h:], chain.hop.astype(e.dtype))
    elif chain.kind == "real":
        step, first = _double_real, (e, chain.hop.astype(e.dtype))
    elif chain.kind == "inversion" and real:
        step, first = _double_on_axis, (e, chain.hop)
    else:
        both = np.concatenate([chain.hop, chain.hop.conj().T], axis=1)
        step = _double_inversion if chain.kind == "inversion" else _double_any
        first = (e.astype(complex), both)
    return step, tuple(np.repeat(m[None], len(z), axis=0) for m in first)


def _double_mirror(z: Points, state: State) -> tuple[Matrices, FloatArray, State]:
    """Both halves of g apart: (2 (q/2)^3 inverses, 3/2 q^3 products)."""
    even, odd, c = state
    h = even.shape[-1]
    over, under = c[:, :h], c[:, h:]
    y_even = inverse(resolvent(z, even), z, symmetric=True) @ over
    y_odd = inverse(resolvent(z, odd), z, symmetric=True) @ under
    u, v = _transposed(over) @ y_even, _transposed(under) @ y_odd
    update = u + v
    decay = np.hypot(_norm(y_even), _norm(y_odd))
    return update, decay, (even + 2 * update[:, :h, :h], odd + 2 * update[:, h:, h:], u - v)


def _double_inversion(z: Points, state: State) -> tuple[Matrices, FloatArray, State]:
    """Symmetric e, a, b: five products."""
    e, ab = state
    q = e.shape[-1]
    y = inverse(resolvent(z, e), z, symmetric=True) @ ab
    a, b = ab[..., :q], ab[..., q:]
    update = a @ y[..., q:]
    following = np.empty_like(ab)
    np.matmul(a, y[..., :q], out=following[..., :q])
    np.matmul(b, y[..., q:], out=following[..., q:])
    return update, _norm(y), (e + update + _transposed(update), following)


def _double_on_axis(z: Points, state: State) -> tuple[Matrices, FloatArray, State]:
    """The same on the real axis, where e is real and b = conj(a): three products."""
    e, a = state
    y = inverse(resolvent(z, e), z, symmetric=True) @ a
    update = a @ y.conj()
    return update, _norm(y), (e + 2 * update.real, a @ y)


def _double_real(z: Points, state: State) -> tuple[Matrices, FloatArray, State]:
    """Symmetric e and b = a^T: five products."""
    e, a = state
    b = _transposed(a)
    g = inverse(resolvent(z, e), z, symmetric=True)
    y = g @ a
    update, other = a @ (g @ b), b @ y
    # rounding would let e drift from symmetry, which the inverse relies on
    change = update + other
    return update, _norm(y), (e + (change + _transposed(change)) / 2, a @ y)


def _double_any(z: Points, state: State) -> tuple[Matrices, FloatArray, State]:
    """No symmetry: six products."""
    e, ab = state
    q = e.shape[-1]
    y = inverse(resolvent(z, e), z) @ ab
    a_y, b_y = ab[..., :q] @ y, ab[..., q:] @ y
    update = a_y[..., q:]
    following = np.concatenate([a_y[..., :q], b_y[..., q:]], axis=-1)
    return update.copy(), _norm(y), (e + update + b_y[..., :q], following)


def _transposed(matrix: Matrices) -> Matrices:
    return matrix.swapaxes(-1, -2)


def _norm(matrix: Matrices) -> FloatArray:
    """Frobenius norms, (n,)."""
    flat = np.ascontiguousarray(matrix).reshape(len(matrix), -1).view(float)
    return np.sqrt(np.einsum("ni,ni->n", flat, flat))


def resolvent(z: Points, e: Matrices) -> Matrices:
    """z - e, (n_z, q, q), for e (n_z, q, q) or (q, q)."""
    m: Matrices = np.empty((len(z), *e.shape[-2:]), np.result_type(z, e))
    np.negative(e, out=m)
    every = np.arange(e.shape[-1])
    m[:, every, every] += z[:, None]
    return m


def inverse(matrix: Matrices, z: Points, symmetric: bool = False) -> Matrices:
    """Inverses of matrices z - .. of order q, (n, q, q); `symmetric` ones equal their transposes.

    Off the real axis by halves, above the order that LAPACK is quick for, and without pivots
    between the halves: none are needed where the imaginary part is definite. On the real axis
    a half may be nearly singular in a gap, so LAPACK gets the whole.
    """
    q = matrix.shape[-1]
    if q <= SMALL or np.isrealobj(z):
        return np.linalg.inv(matrix)
    h = q // 2
    right, left = matrix[:, :h, h:], matrix[:, h:, :h]
    upper = inverse(matrix[:, :h, :h], z, symmetric)
    x = upper @ right
    y = _transposed(x) if symmetric else left @ upper
    lower = inverse(matrix[:, h:, h:] - y @ right, z, symmetric)
    result = np.empty_like(matrix)
    corner = x @ lower
    result[:, h:, h:] = lower
    np.add(upper, corner @ y, out=result[:, :h, :h])
    np.negative(corner, out=result[:, :h, h:])
    np.negative(_transposed(corner) if symmetric else lower @ y, out=result[:, h:, :h])
    return result
