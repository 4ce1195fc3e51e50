"""Where a condition can be true, when no more than the ranges of its names is known.

The tree is worked out as in `expression_tree`, with ranges in place of values: numbers from
low to high, texts by their codes, and for conditions whether they can be true and whether
they can be false. Both may hold; both hold wherever something is not understood.

Bounds are calculated in float64, as values are. Rounding to the nearest keeps the order of
numbers, so a calculated value cannot leave its calculated bounds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sweep.expressions.language import Expression
from sweep.expressions.tree import (
    RELATIVE_TOLERANCE,
    Between,
    BoolArray,
    Calculation,
    Comparison,
    Constant,
    Junction,
    Membership,
    Name,
    Negative,
    Node,
    Not,
    in_order,
)

EXACT_INTEGERS = 2.0**53
"""From here on float64 leaves integers out."""


@dataclass(frozen=True, slots=True)
class NumberRange:
    """Numbers from `low` to `high`, both included; there are none where the two cross."""

    low: NDArray[np.float64]
    high: NDArray[np.float64]
    missing: BoolArray
    """Some may be NaN; so where there are no numbers."""
    tolerance: float = RELATIVE_TOLERANCE


@dataclass(frozen=True, slots=True)
class TextRange:
    """Texts whose places in `words` run from `low` to `high`; none where the two cross."""

    low: NDArray[Any]
    high: NDArray[Any]
    missing: BoolArray
    """Some may be None; so where there are no texts."""
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TruthRange:
    """What a condition can be."""

    true: BoolArray
    false: BoolArray


Range: TypeAlias = NumberRange | TextRange | TruthRange
ANY_TRUTH = TruthRange(np.asarray(True), np.asarray(True))


def possible(expression: Expression, ranges: Mapping[str, Range]) -> BoolArray:
    """Say where a condition can be true.

    Parameters
    ----------
    ranges : of the values, by name; arrays that broadcast. A name without one can be anything

    Returns
    -------
    false only where no values within the ranges make the condition true; broadcasts against
    the arrays of `ranges`
    """
    stack: list[Range | None] = []
    with np.errstate(all="ignore"):
        for node in in_order(expression.root):
            first = len(stack) - len(node.operands)
            stack[first:] = [_worked_out(node, stack[first:], ranges)]
    return _truth(stack[0]).true


def exact_numbers(values: ArrayLike) -> NumberRange:
    """Give ranges of one known number each."""
    data = np.asarray(values)
    numbers = data.astype(np.float64)
    low = high = numbers
    tolerance = RELATIVE_TOLERANCE
    if data.dtype.kind == "f":
        tolerance = max(tolerance, 4 * float(np.finfo(data.dtype).eps))
    elif (large := np.abs(numbers) >= EXACT_INTEGERS).any():
        low = np.where(large, np.nextafter(numbers, -np.inf), numbers)
        high = np.where(large, np.nextafter(numbers, np.inf), numbers)
    return _numbers(low, high, np.isnan(numbers), tolerance)


def _numbers(
    low: NDArray[Any], high: NDArray[Any], missing: BoolArray, tolerance: float
) -> NumberRange:
    """Make a range of bounds that may be NaN, as they are where there is no number."""
    none = ~(low <= high)
    return NumberRange(
        np.where(none, np.inf, low), np.where(none, -np.inf, high), missing, tolerance
    )


def _worked_out(
    node: Node, parts: Sequence[Range | None], ranges: Mapping[str, Range]
) -> Range | None:
    """Give the range of a node from those of its operands; None: it can be anything."""
    match node:
        case Name():
            return ranges.get(node.name)
        case Constant():
            return _constant(node.value)
        case Calculation() | Negative():
            return _calculated(node, [p for p in parts if isinstance(p, NumberRange)])
        case Comparison():
            pairs = zip(node.symbols, parts[:-1], parts[1:], strict=True)
            return _all([_compared(symbol, a, b) for symbol, a, b in pairs])
        case Between():
            value, low, high = parts
            return _all([_compared("<=", low, value), _compared("<=", value, high)])
        case Membership(negated=True):
            return _all([_compared("!=", parts[0], option) for option in parts[1:]])
        case Membership():
            return _any([_compared("==", parts[0], option) for option in parts[1:]])
        case Junction():
            joined = [_truth(part) for part in parts]
            return _all(joined) if node.word == "and" else _any(joined)
        case Not():
            return _not(_truth(parts[0]))
    return None


def _constant(value: bool | int | float | str) -> Range:
    if isinstance(value, bool):
        return TruthRange(np.asarray(value), np.asarray(not value))
    if isinstance(value, str):
        return TextRange(np.asarray(0), np.asarray(0), np.asarray(False), (value,))
    return exact_numbers(value)


# --- truth ----------------------------------------------------------------------------------


def _truth(part: Range | None) -> TruthRange:
    return part if isinstance(part, TruthRange) else ANY_TRUTH


def _not(part: TruthRange) -> TruthRange:
    return TruthRange(part.false, part.true)


def _all(parts: Sequence[TruthRange]) -> TruthRange:
    return TruthRange(
        reduce(np.logical_and, [part.true for part in parts]),
        reduce(np.logical_or, [part.false for part in parts]),
    )


def _any(parts: Sequence[TruthRange]) -> TruthRange:
    return _not(_all([_not(part) for part in parts]))


# --- comparisons ----------------------------------------------------------------------------


def _compared(symbol: str, left: Range | None, right: Range | None) -> TruthRange:
    if symbol in (">", ">="):
        return _compared({">": "<", ">=": "<="}[symbol], right, left)
    match left, right:
        case NumberRange(), NumberRange():
            true, false = _compared_numbers(symbol, left, right)
        case TextRange(), TextRange() if len(right.words) == 1 and symbol in ("==", "!="):
            true, false = _compared_texts(symbol, left, right.words[0])
        case TextRange(), TextRange() if len(left.words) == 1 and symbol in ("==", "!="):
            return _compared(symbol, right, left)
        case TruthRange(), TruthRange() if symbol in ("==", "!="):
            return _compared_truths(symbol, left, right)
        case _:
            return ANY_TRUTH
    there = (left.low <= left.high) & (right.low <= right.high)
    return TruthRange(true & there, (false & there) | left.missing | right.missing)


def _compared_numbers(symbol: str, a: NumberRange, b: NumberRange) -> tuple[BoolArray, BoolArray]:
    """Say whether numbers can compare as true, and whether as false.

    Integers compare exactly, other numbers with tolerance: each answer takes the laxer way.
    The nearest numbers of two ranges that do not meet are their bounds, also in relation to
    their size; so are the numbers that are farthest in order.
    """
    tolerance = max(a.tolerance, b.tolerance)
    if symbol == "<":
        return a.low < b.high, (a.high >= b.low) | _near(a.high, b.low, tolerance)
    if symbol == "<=":
        return (a.low <= b.high) | _near(a.low, b.high, tolerance), a.high > b.low
    meet = ((a.low <= b.high) | _near(a.low, b.high, tolerance)) & (
        (b.low <= a.high) | _near(b.low, a.high, tolerance)
    )
    differ = ~((a.low == a.high) & (b.low == b.high) & (a.low == b.low))
    return (meet, differ) if symbol == "==" else (differ, meet)


def _near(a: NDArray[Any], b: NDArray[Any], tolerance: float) -> BoolArray:
    """Say whether numbers may count as equal, with twice the room against rounding."""
    room = 2 * tolerance * np.maximum(np.abs(a), np.abs(b))
    return np.asarray((np.abs(a - b) <= room) & np.isfinite(room))


def _compared_texts(symbol: str, texts: TextRange, word: str) -> tuple[BoolArray, BoolArray]:
    places = [i for i, known in enumerate(texts.words) if known == word] or [-1]
    found = (texts.low <= max(places)) & (texts.high >= min(places))
    other = ~((texts.low == texts.high) & np.isin(texts.low, places))
    return (found, other) if symbol == "==" else (other, found)


def _compared_truths(symbol: str, a: TruthRange, b: TruthRange) -> TruthRange:
    same = TruthRange(
        (a.true & b.true) | (a.false & b.false), (a.true & b.false) | (a.false & b.true)
    )
    return same if symbol == "==" else _not(same)


# --- calculations ---------------------------------------------------------------------------


def _calculated(node: Calculation | Negative, parts: Sequence[NumberRange]) -> NumberRange | None:
    if len(parts) < len(node.operands):
        return None
    total = parts[0]
    if isinstance(node, Negative):
        return _numbers(-total.high, -total.low, total.missing, total.tolerance)
    for symbol, part in zip(node.symbols, parts[1:], strict=True):
        total = _STEPS[symbol](total, part)
    return total


def _sum(a: NumberRange, b: NumberRange) -> NumberRange:
    # inf - inf is NaN: with infinite bounds on both sides nothing is known
    return _result(a, b, a.low + b.low, a.high + b.high, _endless(a) & _endless(b))


def _difference(a: NumberRange, b: NumberRange) -> NumberRange:
    return _result(a, b, a.low - b.high, a.high - b.low, _endless(a) & _endless(b))


def _product(a: NumberRange, b: NumberRange) -> NumberRange:
    corners = (a.low * b.low, a.low * b.high, a.high * b.low, a.high * b.high)
    unknown = _endless(a) | _endless(b)  # 0 * inf is NaN
    return _result(a, b, reduce(np.minimum, corners), reduce(np.maximum, corners), unknown)


def _quotient(a: NumberRange, b: NumberRange) -> NumberRange:
    corners = (a.low / b.low, a.low / b.high, a.high / b.low, a.high / b.high)
    unknown = ((b.low <= 0) & (b.high >= 0)) | (_endless(a) & _endless(b))
    return _result(a, b, reduce(np.minimum, corners), reduce(np.maximum, corners), unknown)


_STEPS = {"+": _sum, "-": _difference, "*": _product, "/": _quotient}


def _endless(a: NumberRange) -> BoolArray:
    return np.isinf(a.low) | np.isinf(a.high)


def _result(
    a: NumberRange, b: NumberRange, low: NDArray[Any], high: NDArray[Any], unknown: BoolArray
) -> NumberRange:
    """Make the range of a step; where it is not known, anything, unless there is nothing."""
    there = (a.low <= a.high) & (b.low <= b.high)
    low = np.where(there, np.where(unknown, -np.inf, low), np.inf)
    high = np.where(there, np.where(unknown, np.inf, high), -np.inf)
    missing = a.missing | b.missing | unknown
    return _numbers(low, high, missing, max(a.tolerance, b.tolerance))
