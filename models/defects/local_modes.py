"""Localised modes of a defect above all modes of the host.

F(x) = G^-1(x) - delta L(x) on the touched atoms is the inverse of the defect crystal's Green's
function. Above the host's modes each of its eigenvalues rises with x, so the number of negative
ones is the number of modes above x, and each of those passes zero at one mode. Block by block
of the symmetry, none is missed and degenerate ones are known to be so. (A sign change of the
determinant would miss pairs.)

Near a mode U = F^-1 is v v^T/(v^T F' v (x - x0)), so m'_i v_i^2/(v^T F' v) is the share of a
coordinate in the normalised mode.

Units: host mass 1, squared frequencies.
Source: Wallis (1973), Eqs. 133-137; physics/greens.md, sections 6 and 7.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.defects.interpolation import AboveBand
from models.defects.perturbation import Defect, with_extra
from models.defects.symmetry import SymmetryBlock, blocks_along, changed_blocks
from models.errors import NumericsError
from models.protocol import FloatArray, IntArray

EDGE = 1e-6
"""A localised mode lies above the host's highest by at least this share of it."""
OWN = 1e-6
"""Smallest share that the impurity has in a mode that counts as its own."""
FARTHEST = 1e12
"""Where the search for an upper bound of the modes gives up, in units of the top."""
TURNS = 100
"""Steps of the root search before it gives up; bisection alone needs 60."""
SHARP = 1e-13
"""Relative step of sqrt(x/top - 1) at which a root is found."""
NEAR = 1e-9
"""Relative step at which rounding may be all that is left."""


@dataclass(frozen=True)
class LocalModes:
    """All localised modes, ascending, degenerate ones as often as they are."""

    squared: FloatArray
    """(modes,)."""
    weight: FloatArray
    """(modes,), share of all impurities in each."""
    block: IntArray
    """(modes,), block of the symmetry in which it is."""

    def highest(self, blocks: tuple[int, ...]) -> int:
        """Place of the highest mode of some blocks in which the impurity moves, -1 if none."""
        of = np.flatnonzero(np.isin(self.block, blocks) & (self.weight > OWN))
        return int(of[-1]) if len(of) else -1


@dataclass(frozen=True, eq=False)
class BlockEquation:
    """F(x) of one block: x ((x G)^-1 - A) - C."""

    host: AboveBand
    """x G in the block, (nodes, b, b); atoms on the surface included."""
    mass: FloatArray
    """(b, b), A: 1 - m'/m."""
    change: FloatArray
    """(b, b), C: Phi' - Phi."""
    share: FloatArray
    """(b, b), projector on the impurities, weighted by their masses."""

    def at(self, w: float) -> tuple[FloatArray, FloatArray]:
        """Give F and dF/dx, (b, b), at x = top (1 + w^2)."""
        x = self.host.top * (1 + w * w)
        s = w / np.sqrt(1 + w * w)
        value, slope = self.host.at(s)
        inverse = _inverse(value)
        s_by_x = 1 / (2 * x * w * np.sqrt(1 + w * w))  # ds/dx = top/(2 s x^2)
        rise = inverse - self.mass - (x * s_by_x) * (inverse @ slope @ inverse)
        return x * (inverse - self.mass) - self.change, _symmetric(rise)

    def level(self, w: float, number: int) -> tuple[float, float]:
        """Give the eigenvalue of F with a number (0: lowest) and its slope by w."""
        f, rise = self.at(w)
        values, vectors = np.linalg.eigh(f)
        v = vectors[:, number]
        return values[number], 2 * w * self.host.top * float(v @ rise @ v)

    def weight(self, w: float, number: int) -> float:
        """Share of the impurities in the mode at a zero of this eigenvalue."""
        f, rise = self.at(w)
        v = np.linalg.eigh(f)[1][:, number]
        return float((v @ self.share @ v) / (v @ rise @ v))

    def count_above(self, w: float) -> int:
        """Number of modes above a point."""
        return int((np.linalg.eigvalsh(self.at(w)[0]) < 0).sum())


def block_equations(
    host: AboveBand, defect: Defect, blocks: tuple[SymmetryBlock, ...]
) -> list[BlockEquation]:
    """Project all that F needs into blocks of the coordinates that the defect changes.

    F on these alone has the same zeros, and rises as well.

    Parameters
    ----------
    host : (nodes, 3n, 3n), among the touched sites
    """
    own = defect.impurity_coordinates.ravel()
    # of a free atom x G = 1/m_a
    extra = host.node_factor[:, None] / defect.masses[defect.extra]
    values = with_extra(defect, host.values, extra)
    found = []
    for block in blocks:
        b = block.basis
        share = b[own].T * defect.masses[own] @ b[own]
        mass, change = (b.T * defect.mass_changes) @ b, b.T @ defect.change @ b
        inside = AboveBand(host.top, host.panels, values, b)
        found.append(BlockEquation(inside, mass, change, share))
    return found


def find_local_modes(host: AboveBand, defect: Defect) -> LocalModes:
    """Find every localised mode of a defect.

    Parameters
    ----------
    host : (nodes, 3n, 3n), among the touched sites
    """
    blocks = changed_blocks(defect)
    found = []
    for i, equation in enumerate(block_equations(host, defect, blocks)):
        for w, weight in _roots(equation):
            x = host.top * (1 + w * w)
            found += [(x, weight, i)] * blocks[i].degeneracy
    squared, weights, block = np.array(sorted(found)).reshape(-1, 3).T
    return LocalModes(squared, weights, block.astype(np.int64))


def mode_shifts(modes: LocalModes, other: AboveBand, defect: Defect) -> FloatArray:
    """Say how far each mode would move with another host that is nearly the same, (modes,).

    By one step of Newton's method, in squared frequency.

    Parameters
    ----------
    other : (nodes, 3n, 3n), among the touched sites
    """
    blocks = changed_blocks(defect)
    equations = block_equations(other, defect, blocks)
    shifts = np.empty(len(modes.squared))
    for i in np.unique(modes.block):
        of = np.flatnonzero(modes.block == i)[:: -blocks[i].degeneracy]
        for number, one in enumerate(of):  # the highest mode is where the lowest level passes 0
            w = np.sqrt(modes.squared[one] / other.top - 1)
            value, slope = equations[i].level(w, number)
            same = slice(one + 1 - blocks[i].degeneracy, one + 1)
            shifts[same] = -value / slope * 2 * other.top * w
    return shifts


@dataclass(frozen=True)
class OwnModes:
    """Of a single impurity that moves along the normal and in the plane, each (2,)."""

    squared: FloatArray
    """Highest localised mode, NaN if there is none."""
    weight: FloatArray
    """The share of the impurity in it."""
    place: IntArray
    """Its place among all modes, -1 if there is none."""


def own_modes(modes: LocalModes, defect: Defect) -> OwnModes:
    """Pick the modes in which a single impurity moves."""
    found = [modes.highest(blocks) for blocks in _own_blocks(defect, changed_blocks(defect))]
    place = np.array(found)
    there = place >= 0
    squared, weight = (
        np.where(there, np.append(x, np.nan)[place], np.nan) for x in (modes.squared, modes.weight)
    )
    return OwnModes(squared, weight, place)


def critical_mass_ratios(host: AboveBand, defect: Defect) -> FloatArray:
    """Largest mass ratio with a localised mode along the normal and in the plane, (2,).

    The bonds are those of the defect. Infinite if there is always a mode, NaN if never.

    Parameters
    ----------
    host : (nodes, 3n, 3n), among the touched sites
    """
    blocks = changed_blocks(defect)
    equations = block_equations(host, defect, blocks)
    found = np.full(2, np.nan)
    each = zip(((2,), (0, 1)), _own_blocks(defect, blocks), strict=True)
    for i, (directions, mine) in enumerate(each):
        rows = defect.impurity_coordinates[0, list(directions)]
        for j in mine:
            own = blocks[j].basis[rows]
            # the displacement of the impurity in this block, as a unit vector
            unit = own[np.argmax((own**2).sum(axis=1))]
            one = _critical(equations[j], unit / np.linalg.norm(unit), defect)
            found[i] = np.fmax(found[i], one)
    return found


def _own_blocks(
    defect: Defect, blocks: tuple[SymmetryBlock, ...]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Blocks in which the impurity moves along the normal, and in the plane."""
    x, y, z = (blocks_along(defect, blocks, i) for i in range(3))
    return z, tuple({*x, *y})


def _critical(equation: BlockEquation, own: FloatArray, defect: Defect) -> float:
    """Largest mass ratio with a mode in a block.

    With ratio r the matrix is F1 + (r - 1) x own own^T, F1 being that of ratio 1 and changed
    bonds, and a mode is where (1 - r) x g = 1, g = own^T F1^-1 own. As x comes down from
    infinity to the top, x g rises from 1, but for a jump from +infinity to -infinity at each
    mode of F1, to its value h at the top.
    """
    # a pole of finitely many modes lies just at the top: no nearer than modes are looked for
    w = np.sqrt(EDGE) if equation.host.panels.pole else 0.0
    x = equation.host.top * (1 + w * w)
    value, _ = equation.host.at(w / np.sqrt(1 + w * w))
    ratio = defect.masses[defect.impurity_coordinates[0, 0]]
    f = x * (_inverse(value) - equation.mass) - equation.change
    f -= (ratio - 1) * x * np.outer(own, own)
    modes = int((np.linalg.eigvalsh(f) < 0).sum())
    h = x * float(own @ np.linalg.solve(f, own))
    # with the impurity held fast, r = infinity, those modes are left that do not need it
    if modes - (h < 0) > 0:
        return np.inf
    if modes:
        return 1 - 1 / h
    return 1 - 1 / h if h > 1 else np.nan


def _roots(equation: BlockEquation) -> list[tuple[float, float]]:
    """All modes of a block: w of x = top (1 + w^2), and the weight of the impurities."""
    low = np.sqrt(EDGE)
    found = []
    high, count = low, equation.count_above(low)
    left = count
    while left:
        if high * high > FARTHEST:
            msg = (
                f"The modes of a defect do not end below {FARTHEST:g} times those of the host. "
                "Its masses or bonds are out of all proportion. Choose ratios nearer to 1."
            )
            raise NumericsError(msg)
        # number of modes between two points: so many lowest eigenvalues pass zero there
        nearer, high = high, max(1.0, 2 * high)
        before, left = left, equation.count_above(high)
        for number in range(left, before):
            w = _root(equation, number, nearer, high)
            found.append((w, equation.weight(w, number)))
    return found


def _root(equation: BlockEquation, number: int, low: float, high: float) -> float:
    """Where one eigenvalue passes zero: Newton's steps, halved brackets where they lead out."""
    w = (low + high) / 2
    step = high - low
    for _ in range(TURNS):
        value, slope = equation.level(w, number)
        low, high = (w, high) if value < 0 else (low, w)
        last, before, w = w, step, w - value / slope
        if not low <= w <= high:
            w = (low + high) / 2
        step = abs(w - last)
        # near the root, a step that does not shrink is all rounding
        if step <= SHARP * w or (step <= NEAR * w and step > before / 2):
            break
    return w


def _inverse(matrix: FloatArray) -> FloatArray:
    return _symmetric(np.asarray(np.linalg.inv(matrix)))


def _symmetric(matrix: FloatArray) -> FloatArray:
    """Remove the rounding that makes a symmetric matrix unsymmetric."""
    return (matrix + matrix.T) / 2
