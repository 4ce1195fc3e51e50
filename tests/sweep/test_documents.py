"""Sweep files as text: TOML out and in again, lines of keys, numbers of YAML."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sweep.documents import load, to_toml
from sweep.problems import InputError

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
leaves = st.one_of(
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    text,
)
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
    max_leaves=10,
)


@settings(derandomize=True, deadline=None)
@given(st.dictionaries(text, values, max_size=6))
@example({"a\x7f\n\"'": "\x00\x7f\x80\r\n\u2028\\", "😀": {"é": ["😀"]}})
@example({"a": {"b": {"c": {}}}, "d": [[], [{}]]})
@example({"a": [1e300, -0.0, 5e-324, float("inf"), 1e22, 123456789.123456789]})
def test_a_document_comes_back_from_toml_as_it_was(document: dict[str, Any]) -> None:
    assert tomllib.loads(to_toml(document)) == document


def test_toml_is_written_for_people() -> None:
    document = {
        "name": "a", "zip": [["a", "b"]],
        "axes": {"layers": [3, 5], "ratio": {"geomspace": [0.2, 5.0, 9]}},
    }  # fmt: skip

    assert to_toml(document) == (
        'name = "a"\nzip = [["a", "b"]]\n\n[axes]\nlayers = [3, 5]\n'
        "ratio = { geomspace = [0.2, 5.0, 9] }\n"
    )


def test_lines_of_toml_are_those_where_keys_stand(tmp_path: Path) -> None:
    file = tmp_path / "a.toml"
    file.write_text(
        "# note \u2028 with \x0c odd breaks\nname = 'a'\n\n[fixed]\nlayers = 3\n"
        "[run.deep]\nmore = 1\n[axes]\n'quoted key' = [\n  1,\n]\nlast.dotted = 2\n".replace(
            "\x0c", "\t"
        ),
        encoding="utf-8",
    )

    assert load(file).lines == {
        "name": 2, "fixed": 4, "fixed.layers": 5, "run.deep": 6, "run.deep.more": 7, "axes": 8,
        "axes.quoted key": 9, "axes.last.dotted": 12,
    }  # fmt: skip


def test_lines_of_yaml_are_those_of_keys_and_items(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("name: a\naxes:\n  layers:\n    - 3\n    - 5\n  ratio: [1,\n    2]\n")

    assert load(file).lines == {
        "name": 1, "axes": 2, "axes.layers": 3, "axes.layers[0]": 4, "axes.layers[1]": 5,
        "axes.ratio": 6, "axes.ratio[0]": 6, "axes.ratio[1]": 7,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("written", "expected"),
    [("1e-3", 1e-3), ("1E5", 1e5), ("-2.5e+3", -2500.0), ("1.e2", 100.0), ("3", 3), ("0.1", 0.1),
     ("1e-3s", "1e-3s"), ("10min", "10min"), ("'1e-3'", "1e-3"), ("true", True)],
)  # fmt: skip
def test_numbers_of_yaml_are_those_of_toml_and_json(
    written: str, expected: Any, tmp_path: Path
) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(f"x: {written}\n")

    found = load(file).content["x"]

    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize("suffix", ["toml", "yaml", "yml", "json"])
def test_a_file_knows_its_own_name(suffix: str, tmp_path: Path) -> None:
    file = tmp_path / f"a.{suffix}"
    file.write_text('{"x": 1}' if suffix == "json" else "x = 1" if suffix == "toml" else "x: 1")

    assert load(file).source == file.name
    assert load(file).content == {"x": 1}


def test_anchors_without_aliases_are_harmless(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("x: &mark 1\n")

    assert load(file).content == {"x": 1}
    file.write_text("x: &mark [1]\ny: *mark\n")
    with pytest.raises(InputError, match=r"line 2 has an alias \(\*\). Write the value out"):
        load(file)
