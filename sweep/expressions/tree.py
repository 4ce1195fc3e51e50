"""The tree of an expression: what each node does with values, and what it refuses."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NoReturn, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

BoolArray: TypeAlias = NDArray[np.bool_]
Kind: TypeAlias = Literal["number", "text", "truth", "missing"]

RELATIVE_TOLERANCE = 1e-12
"""Numbers nearer than this share of the larger one are the same number."""


class ExpressionError(ValueError):
    """An expression that cannot be read, or has no meaning for the values it is given."""


@dataclass(frozen=True, slots=True)
class Value:
    """An array with what the language says it is; `missing` is compatible with every kind."""

    kind: Kind
    data: NDArray[Any]
    tolerance: float = RELATIVE_TOLERANCE


KIND_WORDS = {"number": "a number", "text": "text", "truth": "true or false", "missing": "missing"}
COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
CALCULATE: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
}


def _as_value(raw: ArrayLike) -> Value | None:
    """Say what kind an array is; None if the language has no such kind."""
    data = np.asarray(raw)
    match data.dtype.kind:
        case "b":
            return Value("truth", data)
        case "i" | "u":
            return Value("number", data)
        case "f":
            rounding = 4 * float(np.finfo(data.dtype).eps)
            # float64 keeps the documented figure; only coarser types need more room.
            return Value("number", _as_float(data), max(RELATIVE_TOLERANCE, rounding))
        case "U":
            return Value("text", data)
        case "T" if not hasattr(data.dtype, "na_object"):
            return Value("text", data)
        case "T" | "O":
            return _text_with_gaps(data.astype(object))
    return None


def _text_with_gaps(data: NDArray[Any]) -> Value | None:
    """Texts among None and NaN; every gap becomes None."""
    texts = [item if isinstance(item, str) else None for item in data.flat]
    gaps = [item for item in data.flat if not isinstance(item, str)]
    if not all(item is None or (isinstance(item, float) and item != item) for item in gaps):
        return None
    if len(gaps) == len(texts):
        return Value("missing", np.full(data.shape, np.nan))
    return Value("text", np.array(texts, dtype=object).reshape(data.shape))


def _as_float(data: NDArray[Any]) -> NDArray[np.float64]:
    return data.astype(np.float64, copy=False)


def _compare(symbol: str, left: Value, right: Value) -> BoolArray:
    """Compare two values of one kind, element by element."""
    if "missing" in (left.kind, right.kind):
        return np.zeros(np.broadcast_shapes(left.data.shape, right.data.shape), dtype=bool)
    if left.kind == "number":
        return _compare_numbers(symbol, left, right)
    found = np.asarray(COMPARE[symbol](left.data, right.data), dtype=bool)
    for side in (left, right):
        if side.data.dtype.kind == "O":
            found = found & (side.data != np.asarray(None))
    return found


def _compare_numbers(symbol: str, left: Value, right: Value) -> BoolArray:
    if left.data.dtype.kind in "iu" and right.data.dtype.kind in "iu":
        return np.asarray(COMPARE[symbol](left.data, right.data))
    a, b = _as_float(left.data), _as_float(right.data)
    room = max(left.tolerance, right.tolerance) * np.maximum(np.abs(a), np.abs(b))
    # The room around an infinity is infinite too; it must not let finite numbers in.
    near = (a == b) | ((np.abs(a - b) <= room) & np.isfinite(room))
    if symbol in ("==", "<=", ">="):
        return np.asarray(COMPARE[symbol](a, b) | near)
    return np.asarray(COMPARE[symbol](a, b) & ~near & (a == a) & (b == b))


@dataclass(frozen=True, slots=True)
class Scope:
    """What evaluation knows besides the tree."""

    text: str
    values: Mapping[str, ArrayLike]

    def fail(self, span: tuple[int, int], what: str, why: str, remedy: str) -> NoReturn:
        """Raise an error that names the part of the expression where it happened."""
        part = f"`{printable(self.text[slice(*span)])}`"
        if self.text[slice(*span)] != self.text:
            part += f" ({place_in(self.text, span[0])} of `{printable(self.text)}`)"
        msg = f"{part} {what}. {why} {remedy}"
        raise ExpressionError(msg)


@dataclass(frozen=True, slots=True)
class Node:
    """A part of an expression: where it stands in the text, and its own parts in that order."""

    span: tuple[int, int]
    operands: tuple[Node, ...]

    def apply(self, values: Sequence[Value], scope: Scope) -> Value:
        """Work out this node from the values of its operands."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Constant(Node):
    """A number, a quoted text, true or false."""

    value: bool | int | float | str

    def apply(self, values: Sequence[Value], scope: Scope) -> Value:
        """Give an array without dims."""
        return _known_kind(self, self.value, scope)


@dataclass(frozen=True, slots=True)
class Name(Node):
    """A name, to be looked up."""

    name: str

    def apply(self, values: Sequence[Value], scope: Scope) -> Value:
        """Look the name up."""
        return _known_kind(self, scope.values[self.name], scope)


@dataclass(frozen=True, slots=True)
class Calculation(Node):
    """Sums and differences, or products and quotients, from left to right."""

    symbols: tuple[str, ...]

    def apply(self, values: Sequence[Value], scope: Scope) -> Value:
        """Calculate in float64."""
        for node, value in zip(self.operands, values, strict=True):
            _check_number(node, value, scope)
        total = _as_float(values[0].data)
        for symbol, value in zip(self.symbols, values[1:], strict=True):
            total = CALCULATE[symbol](total, _as_float(value.data))
        return Value("number", np.asarray(total), max(value.tolerance for value in values))


@dataclass(frozen=True, slots=True)
class Negative(Node):
    """A minus sign."""

    def apply(self, values: Sequence[Value], scope: Scope) -> Value:
        """Change the sign, in float64: unsigned integers have no negatives."""
        _check_number(self.operands[0], values[0], scope)
        return Value("number", np.asarray(-_as_float(values[0].data)), values[0].tolerance)


@dataclass(frozen=True, slots=True)
class Comparison(Node):
    """A chain of comparisons: each operand with the next."""

    symbols: tuple[str, ...]

    def apply(self, values: Sequence[Value], scope: Scope) -> Value:
        """Compare neighbours; all must hold."""
        found = np.asarray(True)
        for place, symbol in enumerate(self.symbols):
            pair = (self.operands[place].span[0], self.operands[place + 1].span[1])
            left, right = values[place], values[place + 1]
            _check_comparable(pair, symbol, left, right, scope)
            found = found & _compare(symbol, left, right)
        return Value("truth", np.asarray(found))


@dataclass(frozen=True, slots=True)
class Membership(Node):
    """`in` or `not in`: the first operand among the others."""

    negated: bool

    def apply(self, values: Sequence[Value], scope: Scope) -> Value:
        """Equal to any, or different from all."""
        symbol = "!=" if self.negated else "=="
        found = np.asarray(self.negated)
        for option in values[1:]:
            _check_comparable(self.span, symbol, values[0], option, scope)
            hit = _compare(symbol, values[0], option)
            found = found & hit if self.negated else found | hit
        return Value("truth", np.asarray(found))


@dataclass(frozen=True, slots=True)
class Between(Node):
    """The first operand from the second to the third, both included."""

    def apply(self, values: Sequence[Value], scope: Scope) -> Value:
        """Compare with both ends."""
        value, low, high = values
        for end in (low, high):
            _check_comparable(self.span, "<=", value, end, scope)
        found = _compare("<=", low, value) & _compare("<=", value, high)
        return Value("truth", np.asarray(found))


@dataclass(frozen=True, slots=True)
class Not(Node):
    """Plain negation."""

    def apply(self, values: Sequence[Value], scope: Scope) -> Value:
        """Turn true into false."""
        return Value("truth", np.asarray(~truth(self.operands[0], values[0], scope)))


@dataclass(frozen=True, slots=True)
class Junction(Node):
    """Conditions joined by `and` or by `or`."""

    word: str

    def apply(self, values: Sequence[Value], scope: Scope) -> Value:
        """Join all; nothing is skipped, so every part is checked."""
        parts = [
            truth(node, value, scope) for node, value in zip(self.operands, values, strict=True)
        ]
        found = parts[0]
        for part in parts[1:]:
            found = found & part if self.word == "and" else found | part
        return Value("truth", np.asarray(found))


def _known_kind(node: Node, raw: ArrayLike, scope: Scope) -> Value:
    value = _as_value(raw)
    if value is None:
        what = f"has values of type {np.asarray(raw).dtype}"
        why = "Only real numbers, texts and true/false can be compared."
        scope.fail(node.span, what, why, "Leave this name out, or convert its values.")
    return value


def _check_number(node: Node, value: Value, scope: Scope) -> None:
    if value.kind not in ("number", "missing"):
        what = f"is {KIND_WORDS[value.kind]}, where a number is wanted"
        scope.fail(node.span, what, "Only numbers can be calculated with.", "Use a number here.")


def _check_comparable(
    span: tuple[int, int], symbol: str, left: Value, right: Value, scope: Scope
) -> None:
    kinds = [value.kind for value in (left, right) if value.kind != "missing"]
    if len(set(kinds)) == 2:
        what = f"compares {KIND_WORDS[left.kind]} with {KIND_WORDS[right.kind]}"
        remedy = "Text stands in quotes, numbers and true/false without."
        scope.fail(span, what, "Only values of one kind can be compared.", remedy)
    if symbol not in ("==", "!=") and kinds and kinds[0] != "number":
        what = f"puts {KIND_WORDS[kinds[0]]} in an order"
        remedy = "Use `==`, `!=` or `in` here."
        scope.fail(span, what, "Only numbers have an order.", remedy)


def truth(node: Node, value: Value, scope: Scope) -> BoolArray:
    """Take a value as true or false, or refuse it."""
    if value.kind == "missing":
        return np.zeros(value.data.shape, dtype=bool)
    if value.kind != "truth":
        what = f"is {KIND_WORDS[value.kind]}, where a condition is wanted"
        remedy = "Compare it with something, as in `layers > 3` or `adlayer == 'none'`."
        scope.fail(node.span, what, "A condition is true or false.", remedy)
    return value.data


def place_in(text: str, start: int) -> str:
    """Name a place by its column, and by its line if there are several; both from 1."""
    line = text.count("\n", 0, start) + 1
    column = start - (text.rfind("\n", 0, start) + 1) + 1
    return f"line {line}, column {column}" if "\n" in text else f"column {column}"


def printable(text: str, longest: int = 80) -> str:
    """Make a part of an expression fit into a message: printable and not too long."""
    cut = text if len(text) <= longest else f"{text[: longest - 3]}..."
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in cut)


def in_order(root: Node) -> list[Node]:
    """List all nodes, operands before their node and left before right, without recursion."""
    waiting, found = [root], []
    while waiting:
        node = waiting.pop()
        found.append(node)
        waiting.extend(node.operands)
    return found[::-1]


def text_literal(node: Node) -> str | None:
    """Give the text that a node is, or None."""
    return node.value if isinstance(node, Constant) and isinstance(node.value, str) else None


def compared_pairs(node: Node) -> list[tuple[Node, Node]]:
    """Give the pairs of operands that a node holds against each other as equal or not."""
    if isinstance(node, Membership):
        return [(node.operands[0], option) for option in node.operands[1:]]
    if isinstance(node, Comparison):
        pairs = zip(node.symbols, node.operands[:-1], node.operands[1:], strict=True)
        return [(left, right) for symbol, left, right in pairs if symbol in ("==", "!=")]
    return []
