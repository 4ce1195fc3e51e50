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
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sweep.expressions.grammar import MAX_LENGTH, MAX_NESTING, read_tree
from sweep.expressions.tree import (
    BoolArray,
    ExpressionError,
    Name,
    Node,
    Scope,
    Value,
    compared_pairs,
    in_order,
    printable,
    text_literal,
    truth,
)

__all__ = ["MAX_LENGTH", "MAX_NESTING", "Expression", "ExpressionError", "check_names", "parse"]


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
        nodes = in_order(self.root)
        return tuple(dict.fromkeys(node.name for node in nodes if isinstance(node, Name)))

    def strings_compared_with(self) -> dict[str, tuple[str, ...]]:
        """Give, for each name, the texts that stand opposite to it in `==`, `!=` and `in`.

        Names that meet no text are left out. The caller knows which texts are possible.
        """
        found: dict[str, dict[str, None]] = {}
        for node in in_order(self.root):
            for left, right in compared_pairs(node):
                for name, text in ((left, right), (right, left)):
                    if isinstance(name, Name) and (literal := text_literal(text)) is not None:
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
        return truth(self.root, self._value(values), Scope(self.text, values))

    def _value(self, values: Mapping[str, ArrayLike]) -> Value:
        self._check_values(values)
        scope = Scope(self.text, values)
        stack: list[Value] = []
        with np.errstate(all="ignore"):
            for node in in_order(self.root):
                first = len(stack) - len(node.operands)
                stack[first:] = [node.apply(stack[first:], scope)]
        return stack[0]

    def _check_values(self, values: Mapping[str, ArrayLike]) -> None:
        if unknown := check_names(self, values, "known name", f"`{printable(self.text)}`"):
            raise ExpressionError(" ".join(unknown))
        shapes = {name: np.shape(values[name]) for name in self.names()}
        try:
            np.broadcast_shapes(*shapes.values())
        except ValueError:
            listed = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
            msg = (
                f"The names of `{printable(self.text)}` have shapes that do not fit: {listed}. "
                "An expression is worked out element by element. "
                "Use names that share their dims, or make two expressions of it."
            )
            raise ExpressionError(msg) from None


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


def parse(text: str) -> Expression:
    """Read an expression.

    Raises
    ------
    ExpressionError : the text is not in the language (see the module's docstring), too long,
        or nested too deeply
    """
    return Expression(text, read_tree(text))
