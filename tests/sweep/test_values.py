"""Values of parameters: canonical forms, texts, times and bytes, words about what is allowed."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.registry import get
from sweep.values import (
    FieldValues,
    as_text,
    byte_count,
    canonical,
    seconds,
)
from sweep.words import readable_bytes, readable_seconds

SLAB, CHAIN = get("slab").parameters, get("chain").parameters
finite = st.floats(allow_nan=False, allow_infinity=False)


@settings(derandomize=True, deadline=None)
@given(finite)
def test_rounding_to_canonical_digits_changes_little_and_only_once(x: float) -> None:
    assert canonical(canonical(x)) == canonical(x)
    assert canonical(x) == pytest.approx(x, rel=1e-13, abs=1e-310)


@settings(derandomize=True, deadline=None)
@given(st.floats(1e-100, 1e100), st.integers(-8, 8))
def test_a_few_roundings_do_not_make_another_value(x: float, ulps: int) -> None:
    x = canonical(x)
    near = x
    for _ in range(abs(ulps)):
        near = math.nextafter(near, math.inf if ulps > 0 else 0)

    assert canonical(near) == x


@settings(derandomize=True, deadline=None)
@given(st.floats(1e-3, 1e3))
def test_values_that_differ_in_the_tenth_digit_stay_apart(x: float) -> None:
    assert canonical(x * (1 + 1e-10)) != canonical(x)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.1 + 0.2, 0.3), (1 / 3 * 3, 1.0), (5, 5), (True, True), ("0.30000000000000004",) * 2,
        ([0.1 + 0.2, [1]], [0.3, [1]]), ((1, 2), [1, 2]), ({"a": 0.1 + 0.2}, {"a": 0.3}),
        (math.inf, math.inf), (None, None),
    ],
)  # fmt: skip
def test_canonical_reaches_inside(value: Any, expected: Any) -> None:
    assert canonical(value) == expected
    assert type(canonical(value)) is type(expected)


def test_there_is_one_zero() -> None:
    assert math.copysign(1, canonical(-0.0)) == 1


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("one side", "one side"), (3, "3"), (0.5, "0.5"), (True, "true"),
        ([[0.0, 0.5]], "[[0.0,0.5]]"),
        ((1.0, 2.0), "[1.0,2.0]"),
        ({"epsilon_K": 1.0, "mass_u": 2}, '{"epsilon_K":1.0,"mass_u":2}'),
    ],
)  # fmt: skip
def test_a_value_that_is_no_number_is_named_by_compact_json(value: Any, text: str) -> None:
    assert as_text(value) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [("30s", 30), ("10min", 600), ("2h", 7200), ("1.5h", 5400), ("1d", 86400), (" 5 min ", 300),
     (12, 12), (0.25, 0.25), ("1e2s", 100), (".5s", 0.5)],
)  # fmt: skip
def test_times_are_read_as_written(text: Any, expected: float) -> None:
    assert seconds(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("2GiB", 2**31), ("500MB", 5 * 10**8), ("1 kB", 1000), ("1KiB", 1024), ("0.5TiB", 2**39),
     (4096, 4096), ("1TB", 10**12), ("100B", 100)],
)  # fmt: skip
def test_bytes_are_read_as_written(text: Any, expected: int) -> None:
    assert byte_count(text) == expected
    assert type(byte_count(text)) is int


@pytest.mark.parametrize(
    "text",
    ["", "s", "10", "10 minutes", "-5s", "1,5h", "1.2.3s", "5 GB", "infs", "nan s", True, None, [],
     {}, "10mins", "0x10s", 10**400],
)  # fmt: skip
def test_what_is_no_time_is_refused_with_examples(text: Any) -> None:
    with pytest.raises(ValueError, match='must be "30s", "10min", "2h" or a number of seconds'):
        seconds(text)


@pytest.mark.parametrize("text", [0, -1, "0s", math.inf, math.nan, "1e300d"])
def test_a_time_is_above_zero_and_finite(text: Any) -> None:
    with pytest.raises(ValueError, match="above zero and finite"):
        seconds(text)


@pytest.mark.parametrize("text", ["2gib", "2 G", "2Gb", "two GiB", False])
def test_what_is_no_number_of_bytes_is_refused_with_units(text: Any) -> None:
    with pytest.raises(ValueError, match="units: B, kB, MB, GB, TB, KiB, MiB, GiB, TiB"):
        byte_count(text)


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (2**31, "2.0 GiB"), (2**50, "1024.0 TiB")],
)
def test_bytes_are_shown_with_a_fitting_unit(count: float, text: str) -> None:
    assert readable_bytes(count) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0.01, "10 ms"),
        (5, "5.0 s"),
        (65, "1 min 05 s"),
        (3700, "1 h 01 min"),
        (864000, "10.0 days"),
    ],
)
def test_times_are_shown_with_a_fitting_unit(count: float, text: str) -> None:
    assert readable_seconds(count) == text


# ---------------------------------------------------------------------------- fields


@pytest.mark.parametrize(
    ("parameters", "name", "text"),
    [
        (SLAB, "layers", 'a whole number from 1 to 20000, or "infinite"'),
        (SLAB, "cutoff", "a number from 1 to 40"),
        (SLAB, "relaxed", "true or false"),
        (SLAB, "surface", '"100", "110", "111", "0001"'),
        (SLAB, "k_path", "a string"),
        (SLAB, "k_mesh", "a whole number from 1 to 2000"),
        (SLAB, "k_list", "a list, each [a number, a number]"),
        (
            SLAB,
            "nn_distance",
            '"static", "zero-point", or a number from 0.9 to 1.3, or a table with temperature',
        ),
        (CHAIN, "temperatures", "a list, each a number from 0"),
    ],
)
def test_what_a_parameter_allows_is_said_in_words(parameters: Any, name: str, text: str) -> None:
    assert FieldValues(parameters, name).allowed == text


@pytest.mark.parametrize(
    ("parameters", "name", "given", "taken"),
    [
        (SLAB, "layers", [21, 21.0], [21, 21]),
        (SLAB, "cutoff", [2, 2.5], [2.0, 2.5]),
        (SLAB, "k_list", [[[0, 0.5]]], [((0.0, 0.5),)]),
        (SLAB, "k_path", [None, "G-M"], [None, "G-M"]),
        (CHAIN, "temperatures", [[0, 1]], [(0.0, 1.0)]),
    ],
)
def test_good_values_are_taken_as_the_model_takes_them(
    parameters: Any, name: str, given: list[Any], taken: list[Any]
) -> None:
    values, wrong = FieldValues(parameters, name).check(given)

    assert not wrong
    assert values == taken
    assert [type(v) for v in values] == [type(v) for v in taken]


@pytest.mark.parametrize(
    ("parameters", "name", "value", "why"),
    [
        (SLAB, "layers", 0, "must be at least 1"),
        (SLAB, "layers", 2.5, "not a whole number"),
        (SLAB, "layers", True, "not a whole number"),
        (SLAB, "layers", 2**70, "too large"),
        (SLAB, "surface", "112", "none of the words"),
        (SLAB, "material", "Rn", "none of the words"),
        (SLAB, "material", {"mass_u": 1}, "`epsilon_K` is missing, `sigma_angstrom` is missing"),
        (SLAB, "nn_distance", 2.0, "must be at most 1.3, not a table"),
        (SLAB, "nn_distance", "static ", "none of the words"),
        (SLAB, "k_list", [[1]], "too short"),
        (CHAIN, "mass_ratio", math.nan, "not finite"),
        (CHAIN, "mass_ratio", 10**400, "too large"),
        (CHAIN, "mass_ratio", 1j, "not a number"),
    ],
)
def test_bad_values_are_refused_in_few_words(
    parameters: Any, name: str, value: Any, why: str
) -> None:
    assert FieldValues(parameters, name).check([value]) == ([], {0: why})
