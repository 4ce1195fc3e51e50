"""The expression language: what it accepts, what it refuses in which words, what it means.

The reference below writes expressions from trees and works the trees out on its own: numbers
with math.isclose element by element, everything else with one numpy call per node.
"""

from __future__ import annotations

import inspect
import math
import pickle
import re
import sys
from collections.abc import Callable
from dataclasses import FrozenInstanceError
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sweep.expressions import language
from sweep.expressions.language import Expression, ExpressionError, check_names, parse
from tests.effort import examples

POINT = {
    "layers": 21,
    "ratio": 0.1 + 0.2,
    "adlayer": "one side",
    "relaxed": True,
    "gap": math.nan,
}


def holds(text: str, **values: Any) -> bool:
    return bool(parse(text).evaluate_condition(POINT | values))


# ---------------------------------------------------------------------------- meaning


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("layers == 21", True),
        ("layers == 21.0", True),
        ("layers != 21", False),
        ("layers > 20", True),
        ("20 < layers <= 21", True),
        ("20 < layers < 21", False),
        ("20 < layers > 3", True),
        ("1 < 2 < 3 < 4 < 4", False),
        ("layers in [11, 21]", True),
        ("layers in (11, 21,)", True),
        ("layers in (21)", True),
        ("layers in [11, layers - 1]", False),
        ("layers not in [11, 31]", True),
        ("layers between 21 and 30", True),
        ("layers between 1 and 21", True),
        ("layers between 22 and 30", False),
        ("layers between 30 and 1", False),
        ("layers between 1 and 30 and relaxed", True),
        ("not layers between 1 and 30", False),
        ("layers between 1 + 1 and 2 * 15", True),
        ("adlayer == 'one side'", True),
        ('adlayer == "one side"', True),
        ("'one side' == adlayer", True),
        ("adlayer != 'none'", True),
        ("adlayer in ['none', 'one side']", True),
        ("adlayer not in ['none', 'one side']", False),
        ("adlayer == '\"'", False),
        ("relaxed", True),
        ("relaxed and layers > 3", True),
        ("not relaxed", False),
        ("relaxed == true", True),
        ("relaxed != true", False),
        ("relaxed in [false]", False),
        ("relaxed == (layers > 3)", True),
        ("true", True),
        ("false or true and false", False),
        ("true or true and false", True),
        ("(true or true) and false", False),
        ("not true or true", True),
        ("not (true or true)", False),
        ("not not true", True),
        ("not layers == 3", True),
        ("1 + 2 * 3 == 7", True),
        ("(1 + 2) * 3 == 9", True),
        ("10 - 4 - 3 == 3", True),
        ("24 / 4 / 3 == 2", True),
        ("24 / 4 * 3 == 18", True),
        ("1 / 2 == 0.5", True),
        ("-2 * -3 == 6", True),
        ("- -3 == 3", True),
        ("2 - -3 == 5", True),
        ("-layers == -21", True),
        ("-(1 + 2) == -3", True),
        ("1 - 3 < -1", True),
        ("1e3 == 1000 and .5 == 5E-1 and 3. == 3 and 007 == 7", True),
        ("1 / -0 == -1 / 0 and 1 / - -0 == 1 / 0 and -0 == 0", True),
        ("1 / 0 > 1e308 and -1 / 0 < -1e308", True),
        ("layers\n > 20\tand\u00a0relaxed", True),
    ],
)
def test_expressions_mean_what_they_say(text: str, expected: bool) -> None:
    assert holds(text) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ratio == 0.3", True),
        ("ratio != 0.3", False),
        ("ratio in [0.1, 0.3]", True),
        ("ratio not in [0.1, 0.3]", False),
        ("ratio > 0.3", False),
        ("ratio >= 0.3", True),
        ("ratio <= 0.3", True),
        ("0.3 < ratio", False),
        ("0.3 >= ratio", True),
        ("ratio between 0.1 and 0.3", True),
        ("0.1 * 3 == ratio", True),
        ("ratio == 0.3000000001", False),
        ("ratio < 0.3000000001", True),
        ("1 == 1.0000000000009", True),
        ("1 == 1.0000000000011", False),
        ("-1 == -1.0000000000009", True),
        ("1e-300 == 2e-300", False),
        ("ratio - 0.3 == 0", False),
        ("0 == -0.0", True),
        ("1 / 0 == 1 / 0", True),
        ("1 / 0 == 1e308", False),
        ("1e308 < 1 / 0", True),
        ("1 / 0 == -1 / 0", False),
    ],
)
def test_numbers_that_differ_by_rounding_are_equal(text: str, expected: bool) -> None:
    assert holds(text) is expected


@pytest.mark.parametrize("symbol", ["==", "!=", "<", "<=", ">", ">="])
@pytest.mark.parametrize("pair", ["gap {} 1", "1 {} gap", "gap {} gap", "0 / 0 {} gap + 1"])
def test_missing_numbers_match_nothing(symbol: str, pair: str) -> None:
    assert not holds(pair.format(symbol))


@pytest.mark.parametrize(
    "text",
    [
        "gap in [1]",
        "gap not in [1]",
        "1 not in [2, gap]",
        "gap between 0 and 1",
        "1 between 0 and gap",
        "1 < 2 != gap",
    ],
)
def test_missing_numbers_match_no_list_and_no_bounds(text: str) -> None:
    assert not holds(text)


def test_not_is_plain_logic_for_missing_numbers() -> None:
    assert holds("not gap < 1")
    assert holds("not gap in [1]")


def test_integers_compare_exactly_and_others_with_tolerance() -> None:
    seeds = np.array([2**62, 2**62 + 1])

    assert parse(f"seed == {2**62 + 1}").evaluate({"seed": seeds}).tolist() == [False, True]
    assert parse(f"-{2**62 + 1} < -{2**62}").evaluate({}).item()
    assert parse(f"seed == {2**62 + 1}.0").evaluate({"seed": seeds}).tolist() == [True, True]
    assert holds(f"seed == {2**64 - 1}", seed=np.uint64(2**64 - 1))
    assert not holds(f"seed == {2**64 - 1}", seed=np.uint64(2**64 - 2))
    assert holds("seed > -1", seed=np.uint64(2**64 - 1))
    assert holds(f"seed < {10**25}", seed=2**62)
    assert holds(f"seed > -{2**64 - 1}", seed=2**62)


def test_small_integers_do_not_wrap_around() -> None:
    layers = np.array([100, 200], dtype=np.uint8)

    assert parse("layers * 2 == 400").evaluate({"layers": layers}).tolist() == [False, True]
    assert parse("-layers < -150").evaluate({"layers": layers}).tolist() == [False, True]
    assert parse("layers < 1000").evaluate({"layers": layers}).all()


def test_float32_numbers_are_equal_within_their_own_rounding() -> None:
    weight = np.array([0.1, 0.7, 0.70001], dtype=np.float32)

    assert parse("weight == 0.7").evaluate({"weight": weight}).tolist() == [False, True, False]
    assert parse("weight >= 0.7").evaluate({"weight": weight}).tolist() == [False, True, True]
    assert parse("weight * 10 >= 7").evaluate({"weight": weight}).tolist() == [False, True, True]
    assert parse("-weight == -0.7").evaluate({"weight": weight}).tolist() == [False, True, False]


# ---------------------------------------------------------------------------- arrays


def test_arrays_broadcast() -> None:
    values = {"frequency": np.arange(6.0).reshape(2, 3), "layers": np.array([[1], [2]])}

    found = parse("frequency > 2 and layers == 1 or frequency == 5").evaluate_condition(values)

    assert found.dtype == bool
    assert found.tolist() == [[False, False, False], [False, False, True]]


def test_the_result_has_the_common_shape_of_the_names_in_use() -> None:
    values = {"a": np.zeros((4, 1)), "b": np.zeros(3), "unused": np.zeros(7)}

    assert parse("a == 0 and b == 0").evaluate(values).shape == (4, 3)
    assert parse("a + b").evaluate(values).shape == (4, 3)
    assert parse("b in [0, 1]").evaluate(values).shape == (3,)
    assert parse("1 < 2").evaluate(values).shape == ()
    assert isinstance(parse("1 < 2").evaluate(values), np.ndarray)


def test_empty_arrays_give_empty_results() -> None:
    for nothing in (np.zeros(0), np.array([], dtype=str), np.array([], dtype=object)):
        found = parse("x == y").evaluate_condition({"x": nothing, "y": nothing})
        assert found.shape == (0,)
    assert parse("x").evaluate_condition({"x": np.array([], dtype=object)}).shape == (0,)


StringDType = np.dtypes.StringDType


@pytest.mark.parametrize(
    "dtype", ["<U12", object, StringDType(), StringDType(na_object=None)], ids=str
)
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("adlayer == 'none'", [True, False, False]),
        ("adlayer != 'none'", [False, True, True]),
        ("adlayer in ['none', 'both sides']", [True, False, True]),
        ("adlayer not in ['none', 'both sides']", [False, True, False]),
        ("adlayer == other", [True, False, True]),
        ("adlayer == ''", [False, False, False]),
        ("adlayer == 'a text longer than the array can hold'", [False, False, False]),
    ],
)
@pytest.mark.parametrize("other", ["<U12", object, StringDType()], ids=str)
def test_texts_of_every_type_compare(
    dtype: Any, other: Any, text: str, expected: list[bool]
) -> None:
    values = {
        "adlayer": np.array(["none", "one side", "both sides"], dtype=dtype),
        "other": np.array(["none", "none", "both sides"], dtype=other),
    }

    assert parse(text).evaluate_condition(values).tolist() == expected


@pytest.mark.parametrize(
    "adlayer",
    [
        np.array(["none", None, "x"], dtype=object),
        np.array(["none", math.nan, "x"], dtype=object),
        np.array(["none", None, "x"], dtype=StringDType(na_object=None)),
        np.array(["none", math.nan, "x"], dtype=StringDType(na_object=math.nan)),
    ],
    ids=["None", "NaN", "string None", "string NaN"],
)
def test_missing_texts_match_nothing(adlayer: NDArray[Any]) -> None:
    values = {"adlayer": adlayer}

    assert parse("adlayer == 'none'").evaluate(values).tolist() == [True, False, False]
    assert parse("adlayer != 'none'").evaluate(values).tolist() == [False, False, True]
    assert parse("adlayer not in ['none']").evaluate(values).tolist() == [False, False, True]
    assert parse("adlayer == adlayer").evaluate(values).tolist() == [True, False, True]


def test_a_name_without_any_value_goes_with_every_kind_and_matches_nothing() -> None:
    for text in ("x == 'a'", "x != 3", "x == true", "x", "x + 1 > 0", "x < 1", "x not in ['a']"):
        assert not holds(text, x=None)


def test_values_may_be_scalars_of_python_and_numpy() -> None:
    for one in (1, 1.0, np.int8(1), np.float32(1), np.array(1)):
        assert holds("x == 1", x=one)
    assert holds("x == 'a' and y", x=np.str_("a"), y=np.True_)


def test_evaluation_leaves_its_arrays_alone() -> None:
    x = np.array([1.0, 2.0])
    x.flags.writeable = False

    assert parse("-x + 1 - x").evaluate({"x": x}).tolist() == [-1.0, -3.0]
    assert parse("x").evaluate({"x": x}).tolist() == [1.0, 2.0]


# ---------------------------------------------------------------------------- the tree


def test_names_come_in_order_of_first_appearance() -> None:
    text = "b < -a and (c in [d, b] or not e) and f between g + a and h and 'x' == 'y'"

    assert parse(text).names() == ("b", "a", "c", "d", "e", "f", "g", "h")
    assert parse("1 < 2").names() == ()
    assert parse("order and notes or inner == truest").names() == (
        "order",
        "notes",
        "inner",
        "truest",
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a == 'x'", {"a": ("x",)}),
        ("'x' != a", {"a": ("x",)}),
        ("a == 'x' or not (a == 'y') or a == 'x'", {"a": ("x", "y")}),
        ("a in ['x', 'y'] and b not in ('z')", {"a": ("x", "y"), "b": ("z",)}),
        ("'x' in [a, b]", {"a": ("x",), "b": ("x",)}),
        ("a == b == 'x'", {"b": ("x",)}),
        ("a == b and c < 3 and d in [1]", {}),
        ("(a) == ('x')", {"a": ("x",)}),
        ("a == ''", {"a": ("",)}),
    ],
)
def test_strings_are_reported_with_the_names_that_they_meet(
    text: str, expected: dict[str, tuple[str, ...]]
) -> None:
    assert parse(text).strings_compared_with() == expected


def test_expressions_are_frozen_values() -> None:
    expression = parse("layers > 3")

    assert expression.text == "layers > 3"
    assert expression == parse("layers > 3")
    assert hash(expression) == hash(parse("layers > 3"))
    assert expression != parse("layers > 4")
    assert repr(expression) == "Expression(text='layers > 3')"
    with pytest.raises(FrozenInstanceError, match="text"):
        expression.text = "x"  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError, match="span"):
        expression.root.span = (0, 0)  # type: ignore[misc]


def test_expressions_survive_pickling() -> None:
    copied = pickle.loads(pickle.dumps(parse("x in [1, 2] and not y")))

    assert copied == parse("x in [1, 2] and not y")
    assert copied.evaluate_condition({"x": 1, "y": False})


def test_errors_survive_pickling_with_their_text() -> None:
    with pytest.raises(ExpressionError, match="column 3") as caught:
        parse("x = 3")

    copied = pickle.loads(pickle.dumps(caught.value))

    assert type(copied) is ExpressionError
    assert copied.args == caught.value.args == (str(caught.value),)
    assert isinstance(copied, ValueError)


# ---------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("text", "column", "found", "remedy"),
    [
        ("x > 3 && y", 7, "`&&`", "Write `and`."),
        ("x > 3 & y", 7, "`&`", "Write `and`."),
        ("x || y", 3, "`||`", "Write `or`."),
        ("x | y", 3, "`|`", "Write `or`."),
        ("x = 3", 3, "`=`", "Write `==`."),
        ("x === 3", 3, "`===`", "Write `==`."),
        ("x is 3", 3, "`is`", "Write `==`, or `!=` for `is not`."),
        ("x is not 3", 3, "`is`", "Write `==`, or `!=` for `is not`."),
        ("!x", 1, "`!`", "Write `not`."),
        ("x and !(y)", 7, "`!`", "Write `not`."),
        ("~x", 1, "`~`", "Write `not`."),
        ("x <> 3", 3, "`<>`", "Write `!=`."),
        ("x \u2260 3", 3, "`\u2260`", "Write `!=`."),
        ("x => 3", 3, "`=>`", "Write `>=`."),
        ("x =< 3", 3, "`=<`", "Write `<=`."),
        ("x \u2264 3", 3, "`\u2264`", "Write `<=`."),
        ("x AND y", 3, "`AND`", "Write `and`, in small letters."),
        ("relaxed == True", 12, "`True`", "Write `true`, in small letters."),
        ("x == \u201ca\u201d", 6, "`\u201c`", "Put text in straight quotes"),
        ("x ** 2 > 3", 3, "`**`", "Only + - * / are calculated."),
        ("x % 2 == 0", 3, "`%`", "Only + - * / are calculated."),
        ("+3 < x", 1, "`+`", "Leave the plus sign out."),
        ("3x > 2", 1, "`3x`", "Put a blank or a sign after the number"),
        ("x > 1.2.3", 5, "`1.2.3`", "Put a blank or a sign after the number"),
        ("x > 1e", 5, "`1e`", "Put a blank or a sign after the number"),
        ("x > 1_000", 5, "`1_000`", "Put a blank or a sign after the number"),
        ("x < 1e999", 5, "`1e999`", "Write a smaller number."),
        ("x == 'abc", 6, "`'abc`", "Close the quote"),
        ("x == 'abc\"", 6, "`'abc\"`", "Close the quote"),
        ("x == 'a\nb'", 6, "`'a`", "Close the quote, on the same line"),
        ("(x > 1", 7, "the end", "Close the `(` at column 1."),
        ("x > (1 + 2", 11, "the end", "Close the `(` at column 5."),
        ("x > 1)", 6, "`)`", "Take it out, or join it"),
        ("x in [1, 2", 11, "the end", "Separate the values of a list by commas and close it."),
        ("x in (1, 2]", 11, "`]`", "Expected: `)`."),
        ("x in [1 2]", 9, "`2`", "Separate the values of a list by commas"),
        ("x in []", 7, "`]`", "An empty list would match nothing."),
        ("x in [,]", 7, "`,`", "Write what is missing here."),
        ("x in y", 6, "`y`", "Write it as in `layers in [11, 21]`."),
        ("x in 'abc'", 6, "`'abc'`", "Write it as in `layers in [11, 21]`."),
        ("x not 3", 7, "`3`", "Expected: `in`."),
        ("x not between 1 and 2", 7, "`between`", "write `not x between A and B`"),
        ("x between 1 or 2", 13, "`or`", "Write `x between A and B`."),
        ("x between 1", 12, "the end", "Expected: `and`."),
        ("1 < x in [2]", 7, "`in`", "Join the two comparisons with `and`."),
        ("1 < x between 1 and 2", 7, "`between`", "Join the two comparisons with `and`."),
        ("x in [1] < 2", 10, "`<`", "or the end"),
        ("x == not y", 6, "`not`", "Put it in parentheses"),
        ("x y", 3, "`y`", "Take it out, or join it with `and` or `or`."),
        ("x, y", 2, "`,`", "Take it out"),
        ("x or", 5, "the end", "Write what is missing here."),
        ("x <", 4, "the end", "Write what is missing here."),
        ("and x", 1, "`and`", "Expected: a name, a number"),
        ("x and and y", 7, "`and`", "Write what is missing here."),
        ("()", 2, "`)`", "Write what is missing here."),
        ("exp(x) > 1", 4, "`(`", "There are no functions, subscripts or attributes."),
        ("x[0] > 1", 2, "`[`", "There are no functions, subscripts or attributes."),
        ("x.real > 1", 2, "`.`", "There are no functions, subscripts or attributes."),
        ("__import__('os')", 11, "`(`", "There are no functions"),
        ("x; y", 2, "`;`", "Take it out"),
        ("\u03c9 > 1", 1, "`\u03c9`", "Write what is missing here."),
        ("x > \x00", 5, r"`\x00`", "Write what is missing here."),
    ],
)
def test_unreadable_expressions_are_refused_at_their_place(
    text: str, column: int, found: str, remedy: str
) -> None:
    with pytest.raises(ExpressionError, match=re.escape(remedy)) as caught:
        parse(text)
    assert f"at column {column}: {found} stands there. Expected: " in str(caught.value).replace(
        "line 1, ", ""
    )


def test_places_in_several_lines_have_a_line_and_a_column() -> None:
    with pytest.raises(ExpressionError, match=r"`x > 1\\n  and and y` .* line 2, column 7: `and`"):
        parse("x > 1\n  and and y")


@pytest.mark.parametrize("text", ["", " ", "\n\t "])
def test_an_empty_text_is_refused(text: str) -> None:
    with pytest.raises(ExpressionError, match="it is empty. .* Write one, as in `layers > 3`"):
        parse(text)


def test_a_text_that_is_too_long_is_refused() -> None:
    longest = " or ".join(["x == 1"] * 1000).ljust(language.MAX_LENGTH)

    assert parse(longest).names() == ("x",)
    with pytest.raises(ExpressionError, match="at most 10000 characters, this one has 10001"):
        parse(longest + " ")


def test_half_characters_are_refused_and_shown() -> None:
    with pytest.raises(ExpressionError, match=r"`x == '\\udcff'` .* column 7: half a character"):
        parse("x == '\udcff'")


DEEP = [
    ("(", "relaxed", ")"),
    ("not ", "relaxed", ""),
    ("-", "layers", ""),
    ("not (", "relaxed", ")"),
    ("-(1 + 2 * ", "layers", ")"),
    ("(relaxed or relaxed and 1 == 1 + 2 * ", "layers", ")"),
    ("(layers in [1, ", "layers", "])"),
    ("not relaxed and (", "relaxed", ")"),
]


@pytest.mark.parametrize(("before", "inside", "after"), DEEP)
def test_too_deep_nesting_is_refused_long_before_python_gives_up(
    before: str, inside: str, after: str
) -> None:
    for depth in (51, 200, 650):
        text = before * depth + inside + after * depth
        with pytest.raises(ExpressionError, match="at most 50 parentheses|it is too long"):
            parse(text)


@pytest.mark.parametrize(("before", "inside", "after"), DEEP)
def test_the_deepest_nesting_needs_few_frames(before: str, inside: str, after: str) -> None:
    levels = sum(before.count(opener) for opener in ("(", "-", "not"))
    depth = language.MAX_NESTING // levels
    text = before * depth + inside + after * depth
    usual = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack()) + 500)
    try:
        expression = parse(text)
        copied = pickle.loads(pickle.dumps(expression))
        assert (copied, hash(copied), repr(copied)) == (
            expression,
            hash(expression),
            repr(expression),
        )
        assert set(expression.names()) <= set(POINT)
        assert expression.strings_compared_with() == {}
        evaluates_or_refuses(expression, POINT)
    finally:
        sys.setrecursionlimit(usual)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("3 and relaxed", "`3` (column 1 of `3 and relaxed`) is a number, where a condition"),
        ("relaxed or adlayer", "`adlayer` (column 12 of"),
        ("not layers", "`layers` (column 5 of `not layers`) is a number"),
        ("not (layers + 1)", "`(layers + 1)` (column 5 of"),
        ("layers == 'a'", "`layers == 'a'` compares a number with text"),
        ("relaxed and adlayer == 3", "`adlayer == 3` (column 13 of"),
        ("adlayer in ['none', 3]", "`adlayer in ['none', 3]` compares text with a number"),
        ("layers in ['none']", "compares a number with text"),
        ("layers between 1 and 'b'", "compares a number with text"),
        ("1 < layers < 'b'", "`layers < 'b'` (column 5 of"),
        ("relaxed == 1", "compares true or false with a number"),
        ("relaxed == 'true'", "compares true or false with text"),
        ("adlayer < 'b'", "puts text in an order. Only numbers have an order. Use `==`"),
        ("adlayer between 'a' and 'b'", "puts text in an order"),
        ("relaxed > false", "puts true or false in an order"),
        ("adlayer + 'b' == 'ab'", "`adlayer` (column 1 of `adlayer + 'b' == 'ab'`) is text"),
        ("-adlayer == 'b'", "`adlayer` (column 2 of"),
        ("2 * relaxed > 1", "`relaxed` (column 5 of `2 * relaxed > 1`) is true or false"),
        ("-true == 1", "`true` (column 2 of"),
        ("1 + (layers > 3) == 2", "`(layers > 3)` (column 5 of"),
    ],
)
def test_kinds_that_do_not_go_together_are_refused(text: str, message: str) -> None:
    with pytest.raises(ExpressionError, match=re.escape(message)):
        parse(text).evaluate(POINT)


@pytest.mark.parametrize("text", ["layers", "adlayer", "layers + 1", "3", "'a'", "-layers"])
def test_a_condition_must_be_true_or_false(text: str) -> None:
    parse(text).evaluate(POINT)
    with pytest.raises(ExpressionError, match=f"`{re.escape(text)}` is .*where a condition"):
        parse(text).evaluate_condition(POINT)


@pytest.mark.parametrize(
    "values",
    [
        np.array([1j]),
        np.array([b"bytes"]),
        np.array(["2020-01-01"], dtype="datetime64[D]"),
        np.array([1, "a"], dtype=object),
        np.array([1, 2], dtype=object),
        np.array([True, None], dtype=object),
        10**30,
    ],
    ids=lambda values: str(np.asarray(values).dtype),
)
def test_values_of_other_types_are_refused(values: Any) -> None:
    with pytest.raises(ExpressionError, match=r"`x` \(column 1 of `x == 1`\) has values of type"):
        parse("x == 1").evaluate({"x": values})


def test_names_without_a_value_are_refused_with_the_nearest_one() -> None:
    with pytest.raises(ExpressionError, match="'layer', which is not a known name. Did you mean "):
        parse("layer > 3").evaluate({"layers": 3})


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ExpressionError, match=r"do not fit: a \(2,\), b \(3,\)\. .* share"):
        parse("a < b").evaluate({"a": np.zeros(2), "b": np.zeros(3)})


AXES = ["adlayer", "layers", "adlayer_mass_ratio"]
LISTED = "Axes: adlayer, layers, adlayer_mass_ratio."


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("adlayer == 'none' and layers > 3", []),
        (
            "adlyer == 'none'",
            [f"`where` names 'adlyer', which is not an axis. Did you mean 'adlayer'? {LISTED}"],
        ),
        (
            "LAYERS > 3",
            [f"`where` names 'LAYERS', which is not an axis. Did you mean 'layers'? {LISTED}"],
        ),
        (
            "adlayer == none or zz > 1 and zz < 3",
            [
                "`where` names 'none', which is not an axis. "
                f"If it is text, put it in quotes. {LISTED}",
                "`where` names 'zz', which is not an axis. "
                f"If it is text, put it in quotes. {LISTED}",
            ],
        ),
    ],
)
def test_unknown_names_are_listed_with_the_nearest_word(text: str, expected: list[str]) -> None:
    assert check_names(parse(text), iter(AXES), "axis") == expected


def test_unknown_names_are_described_in_the_callers_words() -> None:
    found = check_names(parse("frequncy > 1"), ["frequency"], "variable or axis", "the query")

    assert found == [
        "the query names 'frequncy', which is not a variable or axis. "
        "Did you mean 'frequency'? Variables or axes: frequency."
    ]
    assert check_names(parse("x"), [], "axis")[0].endswith("Axes: none.")


# ---------------------------------------------------------------------------- the reference

Tree = tuple[Any, ...]
"""(what, ...): a leaf ("value", literal) or ("name", name), or a node with trees in it."""

VALUES: dict[str, NDArray[Any]] = {
    "x": np.array([0.1 + 0.2, 0.3, -1.5, 0.0, math.nan, math.inf, 1e-3, 3.0]),
    "y": np.array([[0.3], [3.0], [-math.inf]]),
    "n": np.array([0, 1, 2, 3, -3, 21, 7, 3]),
    "small": np.array(3, dtype=np.int8),
    "relaxed": np.array([True, False] * 4),
    "stable": np.array([[True], [False], [True]]),
    "face": np.array(["111", "100", "", "none", "111", "1", "x y", "it's"]),
    "kind": np.array("111", dtype=object),
}
COMPARISONS = {
    "==": lambda a, b, near: near,
    "!=": lambda a, b, near: not near and not math.isnan(a) and not math.isnan(b),
    "<": lambda a, b, near: a < b and not near,
    "<=": lambda a, b, near: a < b or near,
    ">": lambda a, b, near: a > b and not near,
    ">=": lambda a, b, near: a > b or near,
}
ARITHMETIC = {"+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide}
BINDING = {"or": 1, "and": 2, "not": 3, "chain": 4, "in": 4, "between": 4}
BINDING |= {"+": 5, "-": 5, "*": 6, "/": 6, "minus": 7, "value": 8, "name": 8}


def number_trees() -> st.SearchStrategy[Tree]:
    literals = st.one_of(
        st.integers(0, 30), st.sampled_from([0.3, 0.1, 1e-3, 2.5e10, 1e-300, 0.30000000000000004])
    )
    leaves = st.one_of(
        st.tuples(st.just("value"), literals),
        st.tuples(st.just("name"), st.sampled_from(["x", "y", "n", "small"])),
    )
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.tuples(st.sampled_from(sorted(ARITHMETIC)), inner, inner),
            st.tuples(st.just("minus"), inner),
        ),
        max_leaves=5,
    )


def text_trees() -> st.SearchStrategy[Tree]:
    literals = st.sampled_from(["111", "100", "", "none", "x y", "it's", 'a "b"'])
    names = st.sampled_from(["face", "kind"])
    return st.tuples(st.just("value"), literals) | st.tuples(st.just("name"), names)


def chains(
    of: st.SearchStrategy[Tree], symbols: list[str], longest: int
) -> st.SearchStrategy[Tree]:
    links = st.lists(st.tuples(st.sampled_from(symbols), of), min_size=1, max_size=longest)
    return st.tuples(st.just("chain"), of, links)


def memberships(of: st.SearchStrategy[Tree]) -> st.SearchStrategy[Tree]:
    return st.tuples(st.just("in"), of, st.lists(of, min_size=1, max_size=3), st.booleans())


def condition_trees() -> st.SearchStrategy[Tree]:
    numbers, texts = number_trees(), text_trees()
    leaves = st.one_of(
        st.tuples(st.just("name"), st.sampled_from(["relaxed", "stable"])),
        st.tuples(st.just("value"), st.booleans()),
        chains(numbers, sorted(COMPARISONS), 3),
        memberships(numbers),
        st.tuples(st.just("between"), numbers, numbers, numbers),
        chains(texts, ["==", "!="], 2),
        memberships(texts),
    )
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.tuples(st.sampled_from(["and", "or"]), inner, inner),
            st.tuples(st.just("not"), inner),
            chains(inner, ["==", "!="], 2),
            memberships(inner),
        ),
        max_leaves=6,
    )


def written(tree: Tree, extra: Callable[[], bool], at_least: int = 0) -> str:
    """Write a tree as text, with the parentheses that Python would need, and some more."""
    text = written_bare(tree, extra)
    if BINDING[tree[0]] < at_least or extra():
        return f"({text})"
    return text


def written_bare(tree: Tree, extra: Callable[[], bool]) -> str:
    what, *parts = tree
    match what:
        case "name":
            return str(parts[0])
        case "value" if isinstance(parts[0], str):
            return f'"{parts[0]}"' if "'" in parts[0] else f"'{parts[0]}'"
        case "value":
            return repr(parts[0]).lower()
        case "minus":
            return f"-{written(parts[0], extra, 7)}"
        case "not":
            return f"not {written(parts[0], extra, 3)}"
        case "chain":
            links = [f" {symbol} {written(part, extra, 5)}" for symbol, part in parts[1]]
            return written(parts[0], extra, 5) + "".join(links)
        case "in":
            listed = ", ".join(written(part, extra, 5) for part in parts[1])
            opening, closing = "()" if extra() else "[]"
            word = "not in" if parts[2] else "in"
            return f"{written(parts[0], extra, 5)} {word} {opening}{listed}{closing}"
        case "between":
            value, low, high = (written(part, extra, 5) for part in parts)
            return f"{value} between {low} and {high}"
    binding = BINDING[what]
    return f"{written(parts[0], extra, binding)} {what} {written(parts[1], extra, binding + 1)}"


def worked_out(tree: Tree) -> NDArray[Any]:
    what, *parts = tree
    match what:
        case "name":
            return VALUES[parts[0]]
        case "value":
            return np.asarray(parts[0])
        case "minus":
            return np.negative(worked_out(parts[0]).astype(float))
        case "not":
            return np.logical_not(worked_out(parts[0]))
        case "chain":
            sides = [worked_out(part) for part in (parts[0], *(link[1] for link in parts[1]))]
            symbols = [link[0] for link in parts[1]]
            pairs = zip(symbols, sides[:-1], sides[1:], strict=True)
            return every(compared(symbol, a, b) for symbol, a, b in pairs)
        case "in":
            symbol, join = ("!=", every) if parts[2] else ("==", some)
            left = worked_out(parts[0])
            return join(compared(symbol, left, worked_out(part)) for part in parts[1])
        case "between":
            value, low, high = (worked_out(part) for part in parts)
            return every([compared(">=", value, low), compared("<=", value, high)])
        case "and" | "or":
            join = every if what == "and" else some
            return join(worked_out(part) for part in parts)
    left, right = (worked_out(part).astype(float) for part in parts)
    return np.asarray(ARITHMETIC[what](left, right))


def every(parts: Any) -> NDArray[Any]:
    return np.all(np.broadcast_arrays(*parts), axis=0)


def some(parts: Any) -> NDArray[Any]:
    return np.any(np.broadcast_arrays(*parts), axis=0)


def compared(symbol: str, left: NDArray[Any], right: NDArray[Any]) -> NDArray[Any]:
    def one(a: Any, b: Any) -> bool:
        if isinstance(a, str | bool | np.bool_):
            return bool((a == b) if symbol == "==" else (a != b))
        near = math.isclose(a, b, rel_tol=1e-12, abs_tol=0.0)
        return bool(COMPARISONS[symbol](float(a), float(b), near))

    pairs = np.broadcast(left, right)
    return np.array([one(a, b) for a, b in pairs], dtype=bool).reshape(pairs.shape)


@settings(deadline=None, max_examples=examples(300))
@given(tree=condition_trees(), extra=st.randoms(use_true_random=False))
def test_conditions_agree_with_the_reference(tree: Tree, extra: Any) -> None:
    text = written(tree, lambda: extra.random() < 0.15)
    with np.errstate(all="ignore"):
        expected = worked_out(tree)

    found = parse(text).evaluate_condition(VALUES)

    np.testing.assert_array_equal(*np.broadcast_arrays(found, expected), err_msg=text)
    assert found.dtype == bool


@settings(deadline=None, max_examples=examples(150))
@given(tree=number_trees(), extra=st.randoms(use_true_random=False))
def test_calculations_agree_with_the_reference(tree: Tree, extra: Any) -> None:
    text = written(tree, lambda: extra.random() < 0.15)
    with np.errstate(all="ignore"):
        expected = worked_out(tree)

    np.testing.assert_array_equal(parse(text).evaluate(VALUES), expected, err_msg=text)


# ---------------------------------------------------------------------------- arbitrary text


def evaluates_or_refuses(expression: Expression, values: dict[str, Any]) -> None:
    for evaluate in (expression.evaluate, expression.evaluate_condition):
        try:
            evaluate(values)
        except ExpressionError as error:
            assert_well_formed(error)


def assert_well_formed(error: ExpressionError) -> None:
    (message,) = error.args
    assert str(message).isprintable()
    assert len(message) < 600


def parses_or_refuses(text: str) -> None:
    try:
        expression = parse(text)
    except ExpressionError as error:
        assert_well_formed(error)
        return
    assert expression.text == text
    expression.strings_compared_with()
    assert len(check_names(expression, [], "axis")) == len(expression.names())
    evaluates_or_refuses(expression, dict.fromkeys(expression.names(), 1.5) | VALUES)


@settings(deadline=None, max_examples=examples(400))
@given(st.text(max_size=60) | st.text(st.characters(), max_size=20))
@example("\ud800")
@example("\x1c")
@example("x == '\x00'")
@example("1" * 5000)
@example("1e" + "9" * 5000)
@example("-" + "9" * 19)
@example("x" + " " * 9000)
@example("(" * 9000)
def test_any_text_is_read_or_refused(text: str) -> None:
    parses_or_refuses(text)


WORDS = ["or", "and", "not", "in", "between", "true", "false", "is", "True", "AND"]
VALUE_WORDS = ["x", "y", "n", "face", "relaxed", "1", "0.3", "1e3", "'a'", '"b"', "3x"]
SIGNS = [*"()[],+-*/<>=!.;'\"\n", "==", "!=", "<=", ">=", "&&", "||", "**"]
TOKENS = WORDS + VALUE_WORDS + SIGNS


@settings(deadline=None, max_examples=examples(600))
@given(st.lists(st.sampled_from(TOKENS), max_size=25), st.sampled_from(["", " "]))
def test_any_row_of_tokens_is_read_or_refused(tokens: list[str], between: str) -> None:
    parses_or_refuses(between.join(tokens))


@settings(deadline=None, max_examples=examples(300))
@given(
    condition_trees(),
    st.integers(0, 10**6),
    st.sampled_from([*TOKENS, ""]),
    st.integers(0, 3),
)
def test_a_spoiled_expression_is_read_or_refused(
    tree: Tree, place: int, token: str, removed: int
) -> None:
    text = written(tree, lambda: False)
    place %= len(text) + 1
    parses_or_refuses(text[:place] + token + text[place + removed :])
