"""Where a condition can be true by the ranges of its names, against the condition itself."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from sweep.expressions.language import parse
from sweep.expressions.ranges import (
    NumberRange,
    Range,
    TextRange,
    TruthRange,
    exact_numbers,
    possible,
)

WORDS = ("bulk", "below", "gap")
BINS, VALUES = 3, 4


def numbers(low: Any, high: Any, missing: Any = False) -> NumberRange:
    return NumberRange(np.asarray(low, float), np.asarray(high, float), np.asarray(missing))


def range_of(values: NDArray[Any]) -> Range:
    """Take the values of each row together."""
    if values.dtype.kind == "b":
        return TruthRange(values.any(axis=1), (~values).any(axis=1))
    if values.dtype == object:
        codes = np.array([[WORDS.index(x) if x else -1 for x in row] for row in values])
        low = np.where(codes < 0, 99, codes).min(axis=1)
        return TextRange(low, codes.max(axis=1), (codes < 0).any(axis=1), WORDS)
    exact = exact_numbers(values)
    return NumberRange(
        exact.low.min(axis=1), exact.high.max(axis=1), exact.missing.any(axis=1), exact.tolerance
    )


# --- what it excludes -----------------------------------------------------------------------

BAND = {
    "frequency": numbers([0.0, 3.0, 3.2, 5.0], [1.0, 3.4, 3.25, 9.0]),
    "weight": numbers([0.0, 0.1, 0.7, 0.9], [1.0, 0.5, 0.8, 0.95]),
    "gaps": numbers([1.0, 1.0, np.inf, 2.0], [1.0, 2.0, -np.inf, 4.0], [False, True, True, False]),
    "zero": numbers([-1.0, 0.0, 1.0, 2.0], [1.0, 0.0, 2.0, 4.0]),
    "kind": TextRange(np.array([0, 1, 2, 9]), np.array([0, 2, 2, -1]),
                      np.array([False, False, True, True]), WORDS),
    "relaxed": TruthRange(np.array([True, True, False, False]),
                          np.array([True, False, True, True])),
}  # fmt: skip
EXCLUDED = {
    "frequency between 3.1 and 3.3 and weight > 0.6": "..x.",
    "frequency between 3.1 and 3.3": ".xx.",
    "3.1 <= frequency < 3.2": ".x..",
    "frequency > 3.4": "...x",
    "frequency >= 3.4": ".x.x",
    "frequency <= 3.2": "xxx.",
    "frequency < 3.2": "xx..",
    "not frequency < 3.2": ".xxx",
    "not frequency >= 3.2": "xx..",
    "frequency == 4": "....",
    "frequency == 3.25 + 1e-13": ".xx.",
    "frequency in [0.5, 6]": "x..x",
    "not frequency in [0.5, 6]": "xxxx",
    "frequency * 2 - 1 > 8": "...x",
    "-frequency > -2": "x...",
    "10 / frequency > 3.1": "xxx.",
    "frequency * weight > 8": "...x",
    "frequency / weight < 4": "x...",
    "frequency - weight > 8": "...x",
    "frequency > 4 or weight < 0.05": "x..x",
    "not (frequency > 4 or weight < 0.05)": "xxx.",
    "gaps != 1": ".x.x",
    "gaps == 1": "xx..",
    "not gaps == 1": ".xxx",
    "not gaps > 0.5": ".xx.",
    "gaps + 1 > 0": "xx.x",
    "1 / zero > 0.9": "xxx.",
    "zero / zero == 1": "xxxx",
    "kind == 'gap'": ".xx.",
    "kind != 'gap'": "xx..",
    "'bulk' == kind": "x...",
    "kind in ['below', 'gap']": ".xx.",
    "kind not in ['below', 'bulk']": ".xx.",
    "not kind == 'bulk'": ".xxx",
    "relaxed": "xx..",
    "relaxed == false": "x.xx",
    "not relaxed and frequency > 3": "..xx",
    "1 > 2": "....",
    "unknown > 3 and frequency > 4": "...x",
    "unknown and relaxed": "xx..",
    "frequency > unknown": "xxxx",
    "kind == other": "xxxx",
}  # fmt: skip


@pytest.mark.parametrize("condition", EXCLUDED)
def test_a_condition_is_excluded_where_its_ranges_forbid_it(condition: str) -> None:
    found = np.broadcast_to(possible(parse(condition), BAND), 4)

    assert "".join("x" if x else "." for x in found) == EXCLUDED[condition]


@pytest.mark.parametrize(
    ("condition", "low", "high", "expected"),
    [
        ("x == 0.3", 0.1 + 0.2, 0.1 + 0.2, True),
        ("x <= 0.3", 0.1 + 0.2, 1.0, True),
        ("x >= 0.3", 0.0, 0.3 * (1 - 5e-13), True),
        ("x >= 0.3", 0.0, 0.3 * (1 - 5e-12), False),
        ("not x < 0.3", 0.0, 0.3 * (1 - 5e-13), True),
        ("not x < 0.3", 0.0, 0.3 * (1 - 5e-12), False),
        ("x == 1 / 0", 1e300, math.inf, True),
        ("x == endless", 0.0, 1e308, False),
        ("x > 1e308", 1e300, math.inf, True),
        ("x * 0 == 0", 1.0, math.inf, True),
        ("not x * 0 >= -endless", 1.0, math.inf, True),
        ("not x - x >= -endless", 1.0, math.inf, True),
        ("not x + x >= -endless", -math.inf, math.inf, True),
        ("not x / x >= -endless", 1.0, math.inf, True),
        ("not x + x >= -endless", -1e308, 1e308, False),
        ("x - x != 0", math.inf, math.inf, True),
        ("not x - x == 0", math.inf, math.inf, True),
        ("not x * 0 == 0", 1.0, math.inf, True),
        ("x * 1e10 > 1e308", 1e307, 1e308, True),
        (f"x == {2**62}", 2.0**62, 2.0**62, True),
        (f"x > {2**62}", 2.0**62, 2.0**62, True),
        (f"x > {2**62 + 4096}", 2.0**62, 2.0**62, False),
    ],
)
def test_rounding_and_infinities_are_minded(
    condition: str, low: float, high: float, expected: bool
) -> None:
    ranges = {"x": numbers(low, high), "endless": exact_numbers(math.inf)}

    assert bool(possible(parse(condition), ranges)) is expected


def test_ranges_broadcast() -> None:
    ranges = {"x": numbers([[0.0], [2.0]], [[1.0], [3.0]]), "y": numbers([0.0, 9.0], [1.0, 9.0])}

    assert possible(parse("x > 1 and y > 8"), ranges).tolist() == [[False, False], [False, True]]


def test_a_coarser_type_has_more_room() -> None:
    single = exact_numbers(np.array([0.7], np.float32))

    assert possible(parse("x == 0.7"), {"x": single}).tolist() == [True]
    assert possible(parse("x == 0.70001"), {"x": single}).tolist() == [False]


# --- never wrongly --------------------------------------------------------------------------

FLOATS = st.one_of(
    st.integers(-3, 3).map(float),
    st.floats(-10, 10, width=32),
    st.sampled_from([math.nan, math.inf, -math.inf, 0.0, -0.0, 0.1, 0.3, 0.1 + 0.2, 1e308,
                     -1e308, 5e-324, 1.0 + 1e-13, 1.0 - 1e-12, 3.0 * (1 + 9e-13)]),
)  # fmt: skip
LARGE = st.sampled_from([0, 1, 3, 2**53, 2**53 + 1, 2**62, 2**62 + 1, -(2**62) - 1])


def columns(element: st.SearchStrategy[Any], dtype: Any) -> st.SearchStrategy[NDArray[Any]]:
    row = st.lists(element, min_size=VALUES, max_size=VALUES)
    rows = st.lists(row, min_size=BINS, max_size=BINS)
    return rows.map(lambda x: np.array(x, dtype=dtype))


VALUES_BY_NAME = st.fixed_dictionaries({
    "x": columns(FLOATS, float), "y": columns(FLOATS, float), "n": columns(LARGE, np.int64),
    "kind": columns(st.sampled_from([*WORDS, None]), object), "on": columns(st.booleans(), bool),
})  # fmt: skip
LITERALS = st.sampled_from(
    ["0", "1", "3", "0.3", "0.1", "1e308", "9007199254740993", "4611686018427387905", "-0", "2.5"]
)
NUMBER = st.recursive(
    st.one_of(st.sampled_from(["x", "y", "n"]), LITERALS),
    lambda inner: st.one_of(
        st.builds("({} {} {})".format, inner, st.sampled_from("+-*/"), inner),
        st.builds("-{}".format, inner),
    ),
    max_leaves=4,
)
ORDER = st.sampled_from(["<", "<=", ">", ">=", "==", "!="])
SAME = st.sampled_from(["==", "!="])
TEXT = st.sampled_from(["kind", "'bulk'", "'below'", "'gap'", "'other'"])
SIMPLE = st.one_of(
    st.builds("{} {} {}".format, NUMBER, ORDER, NUMBER),
    st.builds("{} {} {} {} {}".format, NUMBER, ORDER, NUMBER, ORDER, NUMBER),
    st.builds("{} between {} and {}".format, NUMBER, NUMBER, NUMBER),
    st.builds("{} {} [{}, {}]".format, NUMBER, st.sampled_from(["in", "not in"]), NUMBER, NUMBER),
    st.builds("{} {} {}".format, TEXT, SAME, TEXT),
    st.builds("{} {} [{}, {}]".format, TEXT, st.sampled_from(["in", "not in"]), TEXT, TEXT),
    st.sampled_from(["on", "true", "false"]),
)
CONDITION = st.recursive(
    SIMPLE,
    lambda inner: st.one_of(
        st.builds("({} {} {})".format, inner, st.sampled_from(["and", "or"]), inner),
        st.builds("(not {})".format, inner),
        st.builds("(({}) {} ({}))".format, inner, SAME, inner),
    ),
    max_leaves=4,
)


@given(CONDITION, VALUES_BY_NAME)
@example("x == 0.3", {"x": np.full((BINS, VALUES), 0.1 + 0.2)})
@example("not x < 1", {"x": np.full((BINS, VALUES), math.nan)})
def test_what_comes_true_was_possible(condition: str, values: dict[str, NDArray[Any]]) -> None:
    expression = parse(condition)
    ranges = {name: range_of(array) for name, array in values.items()}

    found = np.broadcast_to(possible(expression, ranges), BINS)

    true = np.broadcast_to(expression.evaluate_condition(values), (BINS, VALUES))
    assert not (true.any(axis=1) & ~found).any()


@given(CONDITION, VALUES_BY_NAME, st.sets(st.sampled_from(["x", "y", "n", "kind", "on"])))
def test_a_name_without_a_range_can_be_anything(
    condition: str, values: dict[str, NDArray[Any]], known: set[str]
) -> None:
    expression = parse(condition)
    ranges = {name: range_of(array) for name, array in values.items() if name in known}

    found = np.broadcast_to(possible(expression, ranges), BINS)

    true = np.broadcast_to(expression.evaluate_condition(values), (BINS, VALUES))
    assert not (true.any(axis=1) & ~found).any()


WHOLE = st.one_of(
    st.builds("{} {} {}".format, st.sampled_from("xy"), ORDER, st.sampled_from("123")),
    st.builds("x between {} and {}".format, st.sampled_from("123"), st.sampled_from("123")),
    st.builds("x + y {} {}".format, ORDER, st.sampled_from("123")),
    st.builds("kind {} 'gap'".format, SAME),
    st.just("on"),
)


@given(
    st.recursive(
        WHOLE,
        lambda inner: st.one_of(
            st.builds("({} {} {})".format, inner, st.sampled_from(["and", "or"]), inner),
            st.builds("(not {})".format, inner),
        ),
    ),
    st.sampled_from([1.0, 2.0, 3.0, math.nan]),
    st.sampled_from([1.0, 2.0, 3.0]),
    st.sampled_from([*WORDS, None]),
    st.booleans(),
)
def test_of_a_single_value_it_knows_all(
    condition: str, x: float, y: float, kind: str | None, on: bool
) -> None:
    values = {"x": x, "y": y, "kind": kind, "on": on}
    arrays = {name: np.array([[value]], dtype=object if name == "kind" else None)
              for name, value in values.items()}  # fmt: skip
    ranges = {name: range_of(array) for name, array in arrays.items()}
    expression = parse(condition)

    found = np.broadcast_to(possible(expression, ranges), 1)

    true = np.broadcast_to(expression.evaluate_condition(arrays), (1, 1))
    assert found.tolist() == true[0].tolist()
