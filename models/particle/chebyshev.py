"""Spectra of a block from Chebyshev moments, without its eigenvectors.

The moments mu_n = <s|T_n(X)|s> of start vectors s, with X the matrix brought to [-1, 1], take
one product with the matrix for two of them: mu_2n = 2 <t_n|t_n> - mu_0 and mu_2n+1 =
2 <t_n+1|t_n> - mu_1. N moments are the same as N nodes of the interval with weights: the sum
over the nodes is exact for every polynomial below degree N, and for any other function what
its Chebyshev interpolation gives. So whatever reads levels can read nodes in their place. A
Gaussian in frequency of width w needs about 6 w_max/(2 w) of them for eight digits.

The rigid motion is taken out of the start vectors, and its eigenvalue is put to the middle of
the interval, where rounding that comes back cannot grow.

A kind of site with few basis vectors is exact: each is a start vector. One with more has
`start_vectors` vectors of signs drawn from a fixed seed, whose mean estimates the trace.

Units: squared frequency epsilon/(m sigma^2).
Axes:  start vectors (rows, starts); moments (starts, moments).
Source: A. Weisse et al., Rev. Mod. Phys. 78, 275 (2006), sections II.B and II.D.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.errors import NumericsError
from models.particle.levels import Block, Levels
from models.protocol import FloatArray, IntArray

SEED = 1973
FIRST = 512
"""Moments to begin with when their number is not given."""
MOST = 8192
"""More are not tried."""
LANCZOS = 120
"""Steps that find the ends of a spectrum; the upper one to many digits, the lower roughly."""
MARGIN = 0.01
"""By how much of the upper end the interval goes beyond it."""
LOWER = 0.6
"""The interval begins at this share of the lowest value that was found."""
GROWTH = 1.001
"""A moment larger than the first by this factor says that a level lies outside the interval."""


@dataclass(frozen=True, eq=False)
class Nodes:
    """Nodes in place of levels: the best known, and those of a cheaper calculation."""

    best: Levels
    half_moments: Levels
    half_starts: Levels


def ends_of(matrix: FloatArray, rigid: FloatArray | None, steps: int) -> tuple[float, float]:
    """Estimate the lowest and highest eigenvalue, the rigid motion left out, by Lanczos.

    Both come from inside: the highest is exact to 1e-8 with 60 steps or more.
    """
    rng = np.random.default_rng(SEED)
    n = len(matrix) - (rigid is not None)
    steps = min(steps, n)
    if steps == 0:
        return np.inf, -np.inf
    basis = np.zeros((steps, len(matrix)))
    small = np.zeros((steps, steps))
    v = _without(rng.standard_normal(len(matrix)), rigid)
    for i in range(steps):
        norm = float(np.linalg.norm(v))
        if norm < 1e-9 * np.abs(small).max(initial=1e-9):
            small = small[:i, :i]
            break
        basis[i] = v / norm
        if i:
            small[i, i - 1] = small[i - 1, i] = norm
        v = _without(matrix @ basis[i], rigid)
        small[i, i] = basis[i] @ v
        for _ in range(2):  # twice is enough to stay orthogonal, to the rigid motion too
            v = _without(v - basis[: i + 1].T @ (basis[: i + 1] @ v), rigid)
    found = np.linalg.eigvalsh(small)
    return float(found[0]), float(found[-1])


def _without(x: FloatArray, rigid: FloatArray | None) -> FloatArray:
    return x if rigid is None else x - np.multiply.outer(rigid, rigid @ x)


def nodes_of(
    block: Block, kinds: FloatArray, start_vectors: int, moments: int | None, accuracy: float
) -> Nodes | None:
    """Give nodes and weights of a block, or None if it has no level, or one at or below zero.

    Parameters
    ----------
    kinds : (kinds, sets), 1/(atoms of the kind) where a set belongs to it
    moments : how many; None: doubled until the mean of 1/omega of every kind holds `accuracy`
    """
    low, high = ends_of(block.matrix, block.rigid, LANCZOS)
    if not 1e-9 * high < low <= high:
        return None
    start, kind, first_half = _start_vectors(block, kinds, start_vectors)
    d = block.basis.representation.dimension
    upper = high * (1 + MARGIN)
    for lower in low * LOWER ** np.arange(1, 6):
        mu = _moments(block, _without(start, block.rigid), (lower, upper), moments, accuracy)
        if (np.abs(mu).max(axis=1) <= GROWTH * mu[:, 0] + 1e-12).all():
            return Nodes(
                _nodes(mu, d * kind, (lower, upper)),
                _nodes(mu[:, : mu.shape[1] // 2], d * kind, (lower, upper)),
                _nodes(mu, d * first_half, (lower, upper)),
            )
    msg = (
        f"A level of {block.basis.representation.name} lies below {lower:.3g}. "
        "The interval of the Chebyshev polynomials must hold all levels. "
        'Use `solver` = "dense".'
    )
    raise NumericsError(msg)


def _start_vectors(
    block: Block, kinds: FloatArray, wanted: int
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Choose start vectors, and how each counts for the kinds, for all and for half of them.

    Returns
    -------
    start : (rows, starts)
    weight, half : (kinds, starts)
    """
    rng = np.random.default_rng(SEED)
    of_row = kinds[:, block.basis.orbit]
    start, weight, half = [], [], []
    for kind, value in enumerate(of_row):
        rows: IntArray = np.flatnonzero(value)
        few = len(rows) <= wanted
        count = len(rows) if few else wanted
        chosen = np.zeros((len(value), count))
        if few:
            chosen[rows, np.arange(count)] = 1.0
        else:
            chosen[rows] = rng.choice([-1.0, 1.0], size=(len(rows), count))
        counts = np.zeros((2, len(of_row), count))
        counts[:, kind] = value[rows[:1]].sum() * (1.0 if few else 1.0 / count)
        if not few:
            counts[1, kind] *= 2.0 * (np.arange(count) < count // 2)
        start.append(chosen)
        weight.append(counts[0])
        half.append(counts[1])
    return np.concatenate(start, axis=1), np.concatenate(weight, axis=1), np.concatenate(half, 1)


def _moments(
    block: Block,
    start: FloatArray,
    interval: tuple[float, float],
    moments: int | None,
    accuracy: float,
) -> FloatArray:
    """Give the moments of every start vector, (starts, moments)."""
    middle, half = sum(interval) / 2, (interval[1] - interval[0]) / 2
    matrix, rigid = block.matrix, block.rigid

    def apply(x: FloatArray) -> FloatArray:
        y = matrix @ x
        y -= middle * x  # the rigid motion has the eigenvalue 0 after this, once lifted
        if rigid is not None:
            y += np.outer(middle * rigid, rigid @ x)
        y /= half
        return y

    before, now = start, apply(start)
    mu = [np.einsum("rs,rs->s", before, before), np.einsum("rs,rs->s", before, now)]
    wanted = moments or FIRST
    while True:
        while len(mu) < wanted:
            mu.append(2 * np.einsum("rs,rs->s", now, now) - mu[0])
            following = 2 * apply(now) - before
            before, now = now, following
            mu.append(2 * np.einsum("rs,rs->s", before, now) - mu[1])
        found = np.array(mu).T
        if moments or wanted >= MOST or _settled(found, interval, accuracy):
            return found
        wanted *= 2


def _settled(mu: FloatArray, interval: tuple[float, float], accuracy: float) -> bool:
    """Say whether half of the moments give the same mean of 1/omega."""
    every, half = (
        (lambda n: n.share @ n.squared**-0.5)(_nodes(m, np.eye(len(m)), interval))
        for m in (mu, mu[:, : mu.shape[1] // 2])
    )
    return bool((np.abs(every - half) <= accuracy * np.abs(every)).all())


def _nodes(mu: FloatArray, weight: FloatArray, interval: tuple[float, float]) -> Levels:
    """Turn moments into nodes and weights: w_k = (mu_0 + 2 sum mu_n T_n(x_k))/N."""
    n = mu.shape[1]
    x = np.cos(np.pi * (np.arange(n) + 0.5) / n)
    share = _cosine_sums(weight @ mu) / n
    squared = sum(interval) / 2 + (interval[1] - interval[0]) / 2 * x
    return Levels(squared, share, np.full(n, np.nan))


def _cosine_sums(x: FloatArray) -> FloatArray:
    """Give x_0 + 2 sum_j x_j cos(pi j (k + 1/2)/n) for each k along the last axis of x (.., n)."""
    n = x.shape[-1]
    turned = x * np.exp(1j * np.pi * np.arange(n) / (2 * n))
    turned[..., 1:] *= 2
    return np.asarray((2 * n * np.fft.ifft(turned, 2 * n)).real[..., :n])
