"""The one expression language, for `where` in a sweep file and for queries.

    layers > 3 and adlayer in ['one side', 'both sides']
    3.1 < frequency <= 3.3 or not relaxed
    adlayer_mass_ratio * 2 between 0.5 and 1

From loose to tight, as in Python: `or`; `and`; `not`; comparisons (`==`, `!=`, `<`, `<=`, `>`,
`>=`, chained or not; `in`, `not in` a list; `between A and B`, both ends included); `+ -`; `* /`;
minus; names, numbers, text in ' or ", true, false, parentheses. Text has no escapes.
There are no functions, attributes or subscripts, and nothing is ever handed to Python.

Equality    Numbers that differ only by rounding are equal: by at most `RELATIVE_TOLERANCE` of the
            larger one, or four units in the last place where an array has a coarser type
            (float32). `==`, `<=`, `>=`, `in` and `between` include such numbers; `!=`, `<` and
            `>` leave them out. Nothing but zero equals zero. Two integers compare exactly.
Missing     NaN (and None in an array of texts) matches nothing: every comparison with it is
            false, `!=` and `not in` too. `not` is plain logic, so `not x < 1` is true for NaN.
Arithmetic  is done in float64, whatever the arrays are, so nothing wraps around. x/0 is an
            infinity, 0/0 is NaN.
Kinds       Numbers, texts and true/false do not mix. There is no order of texts, and a number
            is not a condition.
"""

from __future__ import annotations

import difflib
import math
import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NoReturn, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Expression", "ExpressionError", "check_names", "parse"]

BoolArray: TypeAlias = NDArray[np.bool_]
Kind: TypeAlias = Literal["number", "text", "truth", "missing"]

RELATIVE_TOLERANCE = 1e-12
"""Numbers nearer than this share of the larger one are the same number."""
MAX_LENGTH = 10_000
"""Characters of one expression."""
MAX_NESTING = 50
"""Parentheses, `not` and minus signs inside each other. The parser calls itself up to nine
times for each, which must stay well below Python's limit of 1000."""


class ExpressionError(ValueError):
    """An expression that cannot be read, or has no meaning for the values it is given."""


# ---------------------------------------------------------------------------- values


@dataclass(frozen=True, slots=True)
class _Value:
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


def _as_value(raw: ArrayLike) -> _Value | None:
    """Say what kind an array is; None if the language has no such kind."""
    data = np.asarray(raw)
    match data.dtype.kind:
        case "b":
            return _Value("truth", data)
        case "i" | "u":
            return _Value("number", data)
        case "f":
            rounding = 4 * float(np.finfo(data.dtype).eps)
            # float64 keeps the documented figure; only coarser types need more room.
            return _Value("number", _as_float(data), max(RELATIVE_TOLERANCE, rounding))
        case "U":
            return _Value("text", data)
        case "T" if not hasattr(data.dtype, "na_object"):
            return _Value("text", data)
        case "T" | "O":
            return _text_with_gaps(data.astype(object))
    return None


def _text_with_gaps(data: NDArray[Any]) -> _Value | None:
    """Texts among None and NaN; every gap becomes None."""
    texts = [item if isinstance(item, str) else None for item in data.flat]
    gaps = [item for item in data.flat if not isinstance(item, str)]
    if not all(item is None or (isinstance(item, float) and item != item) for item in gaps):
        return None
    if len(gaps) == len(texts):
        return _Value("missing", np.full(data.shape, np.nan))
    return _Value("text", np.array(texts, dtype=object).reshape(data.shape))


def _as_float(data: NDArray[Any]) -> NDArray[np.float64]:
    return data.astype(np.float64, copy=False)


def _compare(symbol: str, left: _Value, right: _Value) -> BoolArray:
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


def _compare_numbers(symbol: str, left: _Value, right: _Value) -> BoolArray:
    if left.data.dtype.kind in "iu" and right.data.dtype.kind in "iu":
        return np.asarray(COMPARE[symbol](left.data, right.data))
    a, b = _as_float(left.data), _as_float(right.data)
    room = max(left.tolerance, right.tolerance) * np.maximum(np.abs(a), np.abs(b))
    # The room around an infinity is infinite too; it must not let finite numbers in.
    near = (a == b) | ((np.abs(a - b) <= room) & np.isfinite(room))
    if symbol in ("==", "<=", ">="):
        return np.asarray(COMPARE[symbol](a, b) | near)
    return np.asarray(COMPARE[symbol](a, b) & ~near & (a == a) & (b == b))


# ---------------------------------------------------------------------------- the tree


@dataclass(frozen=True, slots=True)
class _Scope:
    """What evaluation knows besides the tree."""

    text: str
    values: Mapping[str, ArrayLike]

    def fail(self, span: tuple[int, int], what: str, why: str, remedy: str) -> NoReturn:
        """Raise an error that names the part of the expression where it happened."""
        part = f"`{_shown(self.text[slice(*span)])}`"
        if self.text[slice(*span)] != self.text:
            part += f" ({_place(self.text, span[0])} of `{_shown(self.text)}`)"
        msg = f"{part} {what}. {why} {remedy}"
        raise ExpressionError(msg)


@dataclass(frozen=True, slots=True)
class Node:
    """A part of an expression: where it stands in the text, and its own parts in that order."""

    span: tuple[int, int]
    operands: tuple[Node, ...]

    def apply(self, values: Sequence[_Value], scope: _Scope) -> _Value:
        """Work out this node from the values of its operands."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Constant(Node):
    """A number, a quoted text, true or false."""

    value: bool | int | float | str

    def apply(self, values: Sequence[_Value], scope: _Scope) -> _Value:
        """Give an array without dims."""
        return _known_kind(self, self.value, scope)


@dataclass(frozen=True, slots=True)
class Name(Node):
    """A name, to be looked up."""

    name: str

    def apply(self, values: Sequence[_Value], scope: _Scope) -> _Value:
        """Look the name up."""
        return _known_kind(self, scope.values[self.name], scope)


@dataclass(frozen=True, slots=True)
class Calculation(Node):
    """Sums and differences, or products and quotients, from left to right."""

    symbols: tuple[str, ...]

    def apply(self, values: Sequence[_Value], scope: _Scope) -> _Value:
        """Calculate in float64."""
        for node, value in zip(self.operands, values, strict=True):
            _check_number(node, value, scope)
        total = _as_float(values[0].data)
        for symbol, value in zip(self.symbols, values[1:], strict=True):
            total = CALCULATE[symbol](total, _as_float(value.data))
        return _Value("number", np.asarray(total), max(value.tolerance for value in values))


@dataclass(frozen=True, slots=True)
class Negative(Node):
    """A minus sign."""

    def apply(self, values: Sequence[_Value], scope: _Scope) -> _Value:
        """Change the sign, in float64: unsigned integers have no negatives."""
        _check_number(self.operands[0], values[0], scope)
        return _Value("number", np.asarray(-_as_float(values[0].data)), values[0].tolerance)


@dataclass(frozen=True, slots=True)
class Comparison(Node):
    """A chain of comparisons: each operand with the next."""

    symbols: tuple[str, ...]

    def apply(self, values: Sequence[_Value], scope: _Scope) -> _Value:
        """Compare neighbours; all must hold."""
        found = np.asarray(True)
        for place, symbol in enumerate(self.symbols):
            pair = (self.operands[place].span[0], self.operands[place + 1].span[1])
            left, right = values[place], values[place + 1]
            _check_comparable(pair, symbol, left, right, scope)
            found = found & _compare(symbol, left, right)
        return _Value("truth", np.asarray(found))


@dataclass(frozen=True, slots=True)
class Membership(Node):
    """`in` or `not in`: the first operand among the others."""

    negated: bool

    def apply(self, values: Sequence[_Value], scope: _Scope) -> _Value:
        """Equal to any, or different from all."""
        symbol = "!=" if self.negated else "=="
        found = np.asarray(self.negated)
        for option in values[1:]:
            _check_comparable(self.span, symbol, values[0], option, scope)
            hit = _compare(symbol, values[0], option)
            found = found & hit if self.negated else found | hit
        return _Value("truth", np.asarray(found))


@dataclass(frozen=True, slots=True)
class Between(Node):
    """The first operand from the second to the third, both included."""

    def apply(self, values: Sequence[_Value], scope: _Scope) -> _Value:
        """Compare with both ends."""
        value, low, high = values
        for end in (low, high):
            _check_comparable(self.span, "<=", value, end, scope)
        found = _compare("<=", low, value) & _compare("<=", value, high)
        return _Value("truth", np.asarray(found))


@dataclass(frozen=True, slots=True)
class Not(Node):
    """Plain negation."""

    def apply(self, values: Sequence[_Value], scope: _Scope) -> _Value:
        """Turn true into false."""
        return _Value("truth", np.asarray(~_truth(self.operands[0], values[0], scope)))


@dataclass(frozen=True, slots=True)
class Junction(Node):
    """Conditions joined by `and` or by `or`."""

    word: str

    def apply(self, values: Sequence[_Value], scope: _Scope) -> _Value:
        """Join all; nothing is skipped, so every part is checked."""
        parts = [
            _truth(node, value, scope) for node, value in zip(self.operands, values, strict=True)
        ]
        found = parts[0]
        for part in parts[1:]:
            found = found & part if self.word == "and" else found | part
        return _Value("truth", np.asarray(found))


def _known_kind(node: Node, raw: ArrayLike, scope: _Scope) -> _Value:
    value = _as_value(raw)
    if value is None:
        what = f"has values of type {np.asarray(raw).dtype}"
        why = "Only real numbers, texts and true/false can be compared."
        scope.fail(node.span, what, why, "Leave this name out, or convert its values.")
    return value


def _check_number(node: Node, value: _Value, scope: _Scope) -> None:
    if value.kind not in ("number", "missing"):
        what = f"is {KIND_WORDS[value.kind]}, where a number is wanted"
        scope.fail(node.span, what, "Only numbers can be calculated with.", "Use a number here.")


def _check_comparable(
    span: tuple[int, int], symbol: str, left: _Value, right: _Value, scope: _Scope
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


def _truth(node: Node, value: _Value, scope: _Scope) -> BoolArray:
    if value.kind == "missing":
        return np.zeros(value.data.shape, dtype=bool)
    if value.kind != "truth":
        what = f"is {KIND_WORDS[value.kind]}, where a condition is wanted"
        remedy = "Compare it with something, as in `layers > 3` or `adlayer == 'none'`."
        scope.fail(node.span, what, "A condition is true or false.", remedy)
    return value.data


# ---------------------------------------------------------------------------- expressions


@dataclass(frozen=True, slots=True)
class Expression:
    """An expression that has been read. Made by `parse`; equal if the texts are equal."""

    text: str
    root: Node = field(repr=False, compare=False)

    def __reduce__(self) -> tuple[Callable[[str], Expression], tuple[str]]:
        # The text is shorter than the tree, and pickle would recurse through a deep one.
        return parse, (self.text,)

    def names(self) -> tuple[str, ...]:
        """Give every name once, in order of first appearance."""
        nodes = _in_order(self.root)
        return tuple(dict.fromkeys(node.name for node in nodes if isinstance(node, Name)))

    def strings_compared_with(self) -> dict[str, tuple[str, ...]]:
        """Give, for each name, the texts that stand opposite to it in `==`, `!=` and `in`.

        Names that meet no text are left out. The caller knows which texts are possible.
        """
        found: dict[str, dict[str, None]] = {}
        for node in _in_order(self.root):
            for left, right in _compared_pairs(node):
                for name, text in ((left, right), (right, left)):
                    if isinstance(name, Name) and (literal := _text_literal(text)) is not None:
                        found.setdefault(name.name, {})[literal] = None
        return {name: tuple(texts) for name, texts in found.items()}

    def evaluate(self, values: Mapping[str, ArrayLike]) -> NDArray[Any]:
        """Work the expression out, element by element.

        Parameters
        ----------
        values : arrays or scalars of numbers, texts or booleans that broadcast against each
            other; names that the expression does not use are ignored

        Returns
        -------
        an array of the common shape of the names in use, without dims if all are scalars;
        gaps among texts are None

        Raises
        ------
        ExpressionError : a name without a value, shapes that do not broadcast, kinds that do
            not go together
        """
        return self._value(values).data

    def evaluate_condition(self, values: Mapping[str, ArrayLike]) -> BoolArray:
        """Work the expression out as `evaluate` does; it must come out as true or false."""
        return _truth(self.root, self._value(values), _Scope(self.text, values))

    def _value(self, values: Mapping[str, ArrayLike]) -> _Value:
        self._check_values(values)
        scope = _Scope(self.text, values)
        stack: list[_Value] = []
        with np.errstate(all="ignore"):
            for node in _in_order(self.root):
                first = len(stack) - len(node.operands)
                stack[first:] = [node.apply(stack[first:], scope)]
        return stack[0]

    def _check_values(self, values: Mapping[str, ArrayLike]) -> None:
        if unknown := check_names(self, values, "known name", f"`{_shown(self.text)}`"):
            raise ExpressionError(" ".join(unknown))
        shapes = {name: np.shape(values[name]) for name in self.names()}
        try:
            np.broadcast_shapes(*shapes.values())
        except ValueError:
            listed = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
            msg = (
                f"The names of `{_shown(self.text)}` have shapes that do not fit: {listed}. "
                "An expression is worked out element by element. "
                "Use names that share their dims, or make two expressions of it."
            )
            raise ExpressionError(msg) from None


def _in_order(root: Node) -> list[Node]:
    """List all nodes, operands before their node and left before right, without recursion."""
    waiting, found = [root], []
    while waiting:
        node = waiting.pop()
        found.append(node)
        waiting.extend(node.operands)
    return found[::-1]


def _text_literal(node: Node) -> str | None:
    return node.value if isinstance(node, Constant) and isinstance(node.value, str) else None


def _compared_pairs(node: Node) -> list[tuple[Node, Node]]:
    if isinstance(node, Membership):
        return [(node.operands[0], option) for option in node.operands[1:]]
    if isinstance(node, Comparison):
        pairs = zip(node.symbols, node.operands[:-1], node.operands[1:], strict=True)
        return [(left, right) for symbol, left, right in pairs if symbol in ("==", "!=")]
    return []


def check_names(
    expression: Expression, known: Iterable[str], what: str, place: str = "`where`"
) -> list[str]:
    """Say which names of an expression are unknown, each with the nearest known one.

    Parameters
    ----------
    known : the legal names, in the order in which they are to be listed
    what : what a legal name is, as in "axis" or "axis or variable"
    place : where the expression stands, the subject of the sentence
    """
    legal = list(dict.fromkeys(known))
    return [_unknown(name, legal, what, place) for name in expression.names() if name not in legal]


def _unknown(name: str, known: Sequence[str], what: str, place: str) -> str:
    article = "an" if what[:1] in "aeiou" else "a"
    several = " or ".join(re.sub(r"is$", "e", word) + "s" for word in what.split(" or "))
    by_lower = {word.lower(): word for word in reversed(known)}
    near = difflib.get_close_matches(name.lower(), by_lower, n=1)
    hint = f"Did you mean '{by_lower[near[0]]}'?" if near else "If it is text, put it in quotes."
    listed = ", ".join(known) or "none"
    return (
        f"{place} names '{name}', which is not {article} {what}. {hint} "
        f"{several.capitalize()}: {listed}."
    )


# ---------------------------------------------------------------------------- reading


TOKEN = re.compile(
    r"""\s*(?:
    (?P<number> (?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?(?![0-9A-Za-z_.]) )
  | (?P<word> [A-Za-z_][A-Za-z0-9_]* )
  | (?P<text> '[^'\n]*' | "[^"\n]*" )
  | (?P<open_text> ['"][^\n]* )
  | (?P<stray> \.?[0-9][0-9A-Za-z_.]* | === | !== | && | \|\| | <> | =< | => | \*\* | // | \+\+ )
  | (?P<symbol> [<>=!]= | \S )
  | (?P<end> \Z )
    )""",
    re.VERBOSE,
)
RESERVED = ("or", "and", "not", "in", "between", "true", "false")
WANT_OPERAND = "a name, a number, a quoted text, true, false or `(`"
WANT_MORE = "a comparison, `+ - * /`, `and`, `or`"
OPERAND_REMEDIES = {
    "+": "Leave the plus sign out.",
    "not": "Put it in parentheses, as in `relaxed == (not stable)`.",
}
SPELLINGS = {
    **dict.fromkeys(("&&", "&"), "Write `and`."),
    **dict.fromkeys(("||", "|"), "Write `or`."),
    **dict.fromkeys(("!", "~"), "Write `not`."),
    **dict.fromkeys(("=", "==="), "Write `==`."),
    "is": "Write `==`, or `!=` for `is not`.",
    **dict.fromkeys(("<>", "!==", "\u2260"), "Write `!=`."),
    **dict.fromkeys(("=<", "\u2264"), "Write `<=`."),
    **dict.fromkeys(("=>", "\u2265"), "Write `>=`."),
    **dict.fromkeys("\u2018\u2019\u201c\u201d`", "Put text in straight quotes, ' or \"."),
    **dict.fromkeys(("**", "^", "//", "%"), "Only + - * / are calculated."),
}


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    start: int


def _tokens(text: str) -> list[_Token]:
    """Cut a text into tokens. What cannot be one is left for the parser to stumble over."""
    found = []
    for match in TOKEN.finditer(text):
        kind = str(match.lastgroup)
        word, start = match[kind], match.start(kind)
        if kind == "word" and word.lower() in (*RESERVED, "is"):
            kind = "symbol" if word in RESERVED else "stray"
        found.append(_Token(kind, word, start))
    return found


class _Parser:
    """Reads one text by recursive descent; each rule takes its tokens and gives a node."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = _tokens(text)
        self.next = 0
        self.open: list[_Token] = []
        """The parentheses, `not` and minus signs that the parser is inside of."""

    @property
    def token(self) -> _Token:
        return self.tokens[self.next]

    def whole(self) -> Node:
        node = self.condition()
        if self.token.kind != "end":
            self.fail(f"{WANT_MORE} or the end", "Take it out, or join it with `and` or `or`.")
        return node

    def condition(self) -> Node:
        start, parts = self.token.start, [self.conjunction()]
        while self.accept("or"):
            parts.append(self.conjunction())
        return self.joined("or", start, parts)

    def conjunction(self) -> Node:
        start, parts = self.token.start, [self.negation()]
        while self.accept("and"):
            parts.append(self.negation())
        return self.joined("and", start, parts)

    def joined(self, word: str, start: int, parts: list[Node]) -> Node:
        return parts[0] if len(parts) == 1 else Junction(self.since(start), tuple(parts), word)

    def negation(self) -> Node:
        start = self.token.start
        if not self.enter("not"):
            return self.comparison()
        operand = self.negation()
        self.open.pop()
        return Not(self.since(start), (operand,))

    def comparison(self) -> Node:
        start, parts, symbols = self.token.start, [self.sum()], []
        while symbol := self.accept(*COMPARE):
            symbols.append(symbol)
            parts.append(self.sum())
        if not symbols:
            return self.one_sided(start, parts[0])
        if self.token.kind == "symbol" and self.token.text in ("in", "not", "between"):
            self.fail("`and`, `or` or the end", "Join the two comparisons with `and`.")
        return Comparison(self.since(start), tuple(parts), tuple(symbols))

    def one_sided(self, start: int, left: Node) -> Node:
        """Read what may follow a value: a list, two bounds, or nothing."""
        if self.accept("not"):
            self.expect("in", "For bounds write `not x between A and B`.")
            options = self.options()
            return Membership(self.since(start), (left, *options), negated=True)
        if self.accept("in"):
            options = self.options()
            return Membership(self.since(start), (left, *options), negated=False)
        if self.accept("between"):
            low = self.sum()
            self.expect("and", "Write `x between A and B`.")
            high = self.sum()
            return Between(self.since(start), (left, low, high))
        return left

    def options(self) -> list[Node]:
        bracket = self.accept("[", "(")
        if not bracket:
            self.fail("a list", "Write it as in `layers in [11, 21]`.")
        closing = {"[": "]", "(": ")"}[bracket]
        if self.token.text == closing:
            self.fail("at least one value", "An empty list would match nothing.")
        found = [self.sum()]
        while self.accept(",") and self.token.text != closing:
            found.append(self.sum())
        self.expect(closing, "Separate the values of a list by commas and close it.")
        return found

    def sum(self) -> Node:
        start, parts, symbols = self.token.start, [self.product()], []
        while symbol := self.accept("+", "-"):
            symbols.append(symbol)
            parts.append(self.product())
        return self.calculated(start, parts, symbols)

    def product(self) -> Node:
        start, parts, symbols = self.token.start, [self.factor()], []
        while symbol := self.accept("*", "/"):
            symbols.append(symbol)
            parts.append(self.factor())
        return self.calculated(start, parts, symbols)

    def calculated(self, start: int, parts: list[Node], symbols: list[str]) -> Node:
        if not symbols:
            return parts[0]
        return Calculation(self.since(start), tuple(parts), tuple(symbols))

    def factor(self) -> Node:
        start, sign = self.token.start, self.enter("-", "(")
        if not sign:
            return self.leaf()
        operand = self.factor() if sign == "-" else self.condition()
        if sign == "(":
            place = _place(self.text, start)
            self.expect(")", f"Close the `(` at {place}.", f"{WANT_MORE} or `)`")
        self.open.pop()
        span = self.since(start)
        if sign == "(":
            return replace(operand, span=span)
        # Large integers stay exact only if the sign is part of the literal.
        if isinstance(operand, Constant) and not isinstance(operand.value, bool | str):
            value = -operand.value or -float(operand.value)  # keeps the sign of zero
            return Constant(span, (), _exact_if_possible(value))
        return Negative(span, (operand,))

    def leaf(self) -> Node:
        token = self.token
        span = (token.start, token.start + len(token.text))
        if token.kind == "number":
            node: Node = Constant(span, (), self.number(token))
        elif token.kind == "text":
            node = Constant(span, (), token.text[1:-1])
        elif token.kind == "word":
            node = Name(span, (), token.text)
        elif token.kind == "symbol" and token.text in ("true", "false"):
            node = Constant(span, (), token.text == "true")
        else:
            self.fail(WANT_OPERAND, OPERAND_REMEDIES.get(token.text, "Write what is missing here."))
        self.next += 1
        return node

    def number(self, token: _Token) -> int | float:
        if token.text.isdigit() and len(token.text) <= 20:
            return _exact_if_possible(int(token.text))
        if math.isinf(value := float(token.text)):
            self.fail("a number below 1.8e308", "Write a smaller number.")
        return value

    def accept(self, *symbols: str) -> str:
        """Take the next token if it is one of these; else give an empty text."""
        if self.token.kind != "symbol" or self.token.text not in symbols:
            return ""
        self.next += 1
        return self.tokens[self.next - 1].text

    def enter(self, *symbols: str) -> str:
        """Take a token that opens a level, within the limit; the caller pops it off `open`."""
        token = self.token
        if found := self.accept(*symbols):
            self.open.append(token)
            if len(self.open) > MAX_NESTING:
                self.next -= 1
                limit = f"at most {MAX_NESTING} parentheses, `not` and `-` inside each other"
                self.fail(limit, "Leave out the ones that are not needed.")
        return found

    def expect(self, symbol: str, remedy: str, wanted: str = "") -> None:
        if not self.accept(symbol):
            self.fail(wanted or f"`{symbol}`", remedy)

    def since(self, start: int) -> tuple[int, int]:
        """Give the span from a place to the end of the last token taken."""
        last = self.tokens[self.next - 1]
        return start, last.start + len(last.text)

    def fail(self, wanted: str, remedy: str) -> NoReturn:
        """Refuse the next token. What is known about the token itself is the better remedy."""
        token = self.token
        found = f"`{_shown(token.text, 40)}`" if token.text else "the end"
        remedy = self.known_mistake(token) or remedy
        _refuse(self.text, token.start, f"{found} stands there", f"Expected: {wanted}.", remedy)

    def known_mistake(self, token: _Token) -> str:
        lower = token.text.lower()
        if token.kind == "stray" and lower in RESERVED:
            return f"Write `{lower}`, in small letters."
        if token.kind == "open_text":
            return "Close the quote, on the same line and with the same sign."
        if token.kind == "stray" and lower.strip(".")[:1].isdigit():
            return "Put a blank or a sign after the number; numbers look like 3, 0.5 or 1e-3."
        if lower in ("(", "[", ".") and self.next and self.tokens[self.next - 1].kind == "word":
            return "There are no functions, subscripts or attributes."
        return SPELLINGS.get(lower, "") if token.kind in ("stray", "symbol") else ""


def _exact_if_possible(value: int | float) -> int | float:
    """Turn an integer that fits into no numpy integer into a float."""
    return value if -(2**63) <= value < 2**64 else float(value)


def parse(text: str) -> Expression:
    """Read an expression.

    Raises
    ------
    ExpressionError : the text is not in the language (see the module's docstring), longer than
        `MAX_LENGTH` or nested deeper than `MAX_NESTING`
    """
    if len(text) > MAX_LENGTH:
        why = f"An expression has at most {MAX_LENGTH} characters, this one has {len(text)}."
        _refuse(text, MAX_LENGTH, "it is too long", why, "Use `in` or `between` to shorten it.")
    if not text.strip():
        why = "An expression compares names with values."
        _refuse(text, 0, "it is empty", why, "Write one, as in `layers > 3`, or leave it out.")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        why = "It stands for a byte that could not be decoded."
        _refuse(text, error.start, "half a character stands there", why, "Write it as UTF-8.")
    return Expression(text, _Parser(text).whole())


def _refuse(text: str, start: int, what: str, why: str, remedy: str) -> NoReturn:
    first, last = max(0, start - 40), start + 40
    dots = "..." if first else "", "..." if last < len(text) else ""
    part = f"{dots[0]}{_shown(text[first:last])}{dots[1]}"
    msg = f"`{part}` cannot be read at {_place(text, start)}: {what}. {why} {remedy}"
    raise ExpressionError(msg)


def _place(text: str, start: int) -> str:
    """Name a place by its column, and by its line if there are several; both from 1."""
    line = text.count("\n", 0, start) + 1
    column = start - (text.rfind("\n", 0, start) + 1) + 1
    return f"line {line}, column {column}" if "\n" in text else f"column {column}"


def _shown(text: str, longest: int = 80) -> str:
    """Make a part of an expression fit into a message: printable and not too long."""
    cut = text if len(text) <= longest else f"{text[: longest - 3]}..."
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in cut)
