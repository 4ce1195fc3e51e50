"""Reads the text of an expression into a tree, or says where and why it cannot."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from typing import NoReturn

from sweep.expressions.tree import (
    COMPARE,
    Between,
    Calculation,
    Comparison,
    Constant,
    ExpressionError,
    Junction,
    Membership,
    Name,
    Negative,
    Node,
    Not,
    place_in,
    printable,
)

MAX_LENGTH = 10_000
"""Characters of one expression."""
MAX_NESTING = 50
"""Parentheses, `not` and minus signs inside each other. The parser calls itself up to nine
times for each, which must stay well below Python's limit of 1000."""

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
            place = place_in(self.text, start)
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
        found = f"`{printable(token.text, 40)}`" if token.text else "the end"
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


def _refuse(text: str, start: int, what: str, why: str, remedy: str) -> NoReturn:
    first, last = max(0, start - 40), start + 40
    dots = "..." if first else "", "..." if last < len(text) else ""
    part = f"{dots[0]}{printable(text[first:last])}{dots[1]}"
    msg = f"`{part}` cannot be read at {place_in(text, start)}: {what}. {why} {remedy}"
    raise ExpressionError(msg)


def read_tree(text: str) -> Node:
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
    return _Parser(text).whole()
