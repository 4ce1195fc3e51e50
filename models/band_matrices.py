"""Hermitian band matrices: eigenvalues, shifted factors, positive definite systems.

Storage is LAPACK's lower band: `band[i, j]` is element (j + i, j), shape (half width + 1, n),
best in Fortran order; what lies below the last row of the matrix is not read.

This is the only module that calls scipy.linalg: its solvers hold the interpreter's lock for
their whole run, which costs nothing in the process of its own in which models are computed.
It is loaded at the first call: that takes a third of a second, and commands that compute
nothing need not wait for it.
Source: LAPACK's sbevd/hbevd, gbtrf/gbtrs, pbsv; BLAS' sbmv/hbmv; ARPACK.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from models.protocol import FloatArray

Numbers: TypeAlias = NDArray[Any]
"""float64 or complex128."""


@cache
def _routine(real: str, complex_: str, of_complex: bool) -> Any:
    """Find a routine of LAPACK or BLAS."""
    name = complex_ if of_complex else real
    library = "blas" if name.endswith("mv") else "lapack"
    return getattr(import_module(f"scipy.linalg.{library}"), name)


def eigenvalues(band: Numbers) -> FloatArray:
    """Give all eigenvalues of a Hermitian band matrix, ascending, (n,).

    The band is brought to tridiagonal form by rotations that stay inside it, which costs
    n^2 times the half width against n^3 for a full matrix.

    Raises
    ------
    numpy.linalg.LinAlgError : the iteration does not converge
    """
    solve = _routine("dsbevd", "zhbevd", np.iscomplexobj(band))
    values, _, info = solve(band, compute_v=0, lower=1)
    if info:
        msg = f"The eigenvalues of a band matrix did not converge (LAPACK info {info})."
        raise np.linalg.LinAlgError(msg)
    return np.asarray(values, dtype=np.float64)


def factored(band: Numbers, shift: float) -> Callable[[Numbers], Numbers]:
    """Factor (A - shift) of a Hermitian band matrix A; gives what solves for right sides (n, m).

    The shift may lie anywhere, also on an eigenvalue: a pivot of zero is replaced by a tiny
    one, which only lengthens the solution along the eigenvector that is asked for.
    """
    half, n = len(band) - 1, band.shape[1]
    both = np.zeros((3 * half + 1, n), dtype=band.dtype, order="F")
    both[2 * half] = band[0] - shift
    for i in range(1, half + 1):
        both[2 * half + i, : n - i] = band[i, : n - i]
        both[2 * half - i, i:] = band[i, : n - i].conj()
    factor = _routine("dgbtrf", "zgbtrf", np.iscomplexobj(band))
    solve = _routine("dgbtrs", "zgbtrs", np.iscomplexobj(band))
    lu, pivots, _ = factor(both, half, half, overwrite_ab=1)
    diagonal = lu[2 * half]
    least = np.finfo(float).eps * max(float(np.abs(band[0]).max()), np.finfo(float).tiny)
    diagonal[np.abs(diagonal) < least] = least

    def solved(right: Numbers) -> Numbers:
        x, _ = solve(lu, half, half, right, pivots)
        return np.asarray(x).reshape(right.shape)

    return solved


def beyond_edge(band: Numbers, edge: float, number: int, above: bool) -> Numbers:
    """Give vectors of the `number` eigenvalues next to an edge on one side, (n, number).

    Fewer if the iteration does not settle. Lanczos iteration with the inverse of (A - edge),
    in which the two sides are the two ends of the spectrum: eigenvalues that crowd on the
    other side do not disturb.
    """
    n = band.shape[1]
    if not number:
        return np.zeros((n, 0), dtype=band.dtype)
    solve = factored(band, edge)
    sparse = import_module("scipy.sparse.linalg")
    inverse = sparse.LinearOperator(
        (n, n), matvec=lambda x: solve(np.asarray(x, band.dtype).reshape(n, 1))[:, 0],
        dtype=band.dtype,
    )  # fmt: skip
    start = np.cos(np.arange(1.0, n + 1)).astype(band.dtype)
    steps = min(n, max(24, 3 * number + 1))
    side = "LA" if above else "SA"
    try:
        vectors = sparse.eigsh(inverse, number, which=side, v0=start, ncv=steps)[1]
    except sparse.ArpackNoConvergence as partial:
        vectors = partial.eigenvectors
    return np.asarray(vectors)


def product(band: Numbers, vectors: Numbers) -> Numbers:
    """Multiply a Hermitian band matrix with vectors (n, m)."""
    times = _routine("dsbmv", "zhbmv", np.iscomplexobj(band))
    result = np.empty_like(vectors)
    for i in range(vectors.shape[1]):
        result[:, i] = times(len(band) - 1, 1.0, band, vectors[:, i], lower=1)
    return result


def solve_symmetric(band: FloatArray, right: FloatArray) -> FloatArray:
    """Solve A x = right, (n,), for a real symmetric A, positive definite or not."""
    _, x, info = _routine("dpbsv", "zpbsv", False)(band, right, lower=1)
    if info:
        return np.asarray(factored(band, 0.0)(right[:, None])[:, 0])
    return np.asarray(x, dtype=np.float64)
