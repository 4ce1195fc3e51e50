"""Broken sweep files by the hundred: each is read, or refused in words, and never anything else.

A good document is broken in one to four places: values replaced by junk, keys misspelt, left
out, moved or invented, items repeated. Then the same is done to the text of a file.
"""

from __future__ import annotations

import copy
import datetime
import json
import re
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import sweep
from sweep.documents import to_toml
from sweep.planning import Plan
from sweep.problems import InputError
from sweep.schema import file_schema
from tests.commands import run_here
from tests.effort import examples

GOOD: tuple[dict[str, Any], ...] = (
    {"modesweep": 1, "name": "a", "model": "chain"},
    {
        "modesweep": 1, "name": "ends", "model": "chain",
        "outputs": ["frequency_squared", "mean_square_displacement"],
        "where": "atoms > 3 and mass_ratio <= 2.5", "zip": [["atoms", "end_mass_ratio"]],
        "fixed": {"temperatures": [0, 0.5], "end_spring_ratio": 1.5},
        "axes": {
            "atoms": [3, 4, 9], "mass_ratio": {"linspace": [1, 3, 5]},
            "end_mass_ratio": [0.5, 1.5, 2],
        },
        "run": {"retries": 1, "timeout": "10min", "memory": "2GiB", "priority": 3},
    },
    {
        "modesweep": 1, "name": "slab_1", "model": "slab",
        "outputs": ["frequency", "mode_kind", "eigenvector"],
        "where": "adlayer != 'none' or adlayer_mass_ratio == 1",
        "fixed": {"surface": "100", "layers": 7, "k_path": "G-X-M-G", "k_points": 9,
                  "cutoff": 2.5, "relaxed": False},
        "axes": {
            "adlayer": ["none", "one side", "both sides"],
            "adlayer_mass_ratio": {"geomspace": [0.2, 5, 9]},
            "material": ["Ne", "Xe", {"epsilon_K": 99, "sigma_angstrom": 3.1, "mass_u": 7}],
        },
    },
    {
        "modesweep": 1, "name": "springs", "model": "slab",
        "fixed": {"forces": "springs", "k_list": [[0.1, 0.2], [0, 0.5]], "layer_masses": [2, 3]},
        "axes": {"layers": {"arange": [3, 9, 2]}, "spring_nnn": [0, 0.25]},
        "run": {"timeout": 30},
    },
)  # fmt: skip

WORDS = sorted(
    {
        w
        for d in GOOD
        for w in re.findall(r"[\w.>=' -]+", json.dumps(d))
    }
    | {"linspace", "logspace", "true", "none", "inf", "..", "a/b", "", "\x00", "\x7f", "é", "😀"}
)  # fmt: skip
DEEP = eval("[" * 60 + "]" * 60)
scalars = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 60),
    st.sampled_from([10**6, 10**9, -(2**63), 10**30]),
    st.floats(), st.floats(0, 3), st.sampled_from(WORDS), st.text(max_size=12),
    st.sampled_from([datetime.date(2024, 1, 1), datetime.time(7), DEEP, 10**400]),
)  # fmt: skip
junk = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.sampled_from(WORDS) | st.text(max_size=6), inner, max_size=3),
    ),
    max_leaves=6,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """List the ways into a document, deeper ones included."""
    if isinstance(value, dict):
        inside = list(value.items())
    elif isinstance(value, list):
        inside = list(enumerate(value))
    else:
        inside = []
    return [path] * bool(path) + [p for k, v in inside for p in places(v, (*path, k))]


def misspelt(draw: st.DrawFn, word: str) -> str:
    at = draw(st.integers(0, max(len(word) - 1, 0)))
    return draw(
        st.sampled_from([word[:at] + word[at + 1 :], word[:at] + "x" + word[at:], word.upper()])
    )


def broken(draw: st.DrawFn, document: dict[str, Any]) -> None:
    """Break a document in one place."""
    found = places(document)
    if not found:
        return
    *way, key = draw(st.sampled_from(found))
    holder: Any = document
    for step in way:
        holder = holder[step]
    kind = draw(st.sampled_from(["replace", "delete", "repeat", "insert", "misspell", "move"]))
    if kind == "replace":
        holder[key] = copy.deepcopy(draw(junk))
    elif kind == "delete":
        del holder[key]
    elif kind == "repeat" and isinstance(holder, list):
        holder.insert(draw(st.integers(0, len(holder))), copy.deepcopy(holder[key]))
    elif kind == "insert" and isinstance(holder, list):
        holder.insert(key, copy.deepcopy(draw(junk)))
    elif kind == "misspell" and isinstance(holder[key], str):
        holder[key] = misspelt(draw, holder[key])
    elif kind == "misspell" and isinstance(holder, dict):
        holder[misspelt(draw, key)] = holder.pop(key)
    elif kind == "move":
        document[draw(st.sampled_from(["fixed", "axes", "run", "zip", "x"]))] = copy.deepcopy(
            holder[key]
        )
    elif isinstance(holder, dict):
        holder[draw(st.sampled_from(WORDS))] = copy.deepcopy(draw(junk))


@st.composite
def broken_documents(draw: st.DrawFn) -> dict[str, Any]:
    document = copy.deepcopy(draw(st.sampled_from(GOOD)))
    for _ in range(draw(st.integers(1, 4))):
        broken(draw, document)
    return document


def as_toml(document: dict[str, Any]) -> str:
    return to_toml(document)


def as_json(document: dict[str, Any]) -> str:
    return json.dumps(document, default=str)


def as_yaml(document: dict[str, Any]) -> str:
    return yaml.safe_dump(document, sort_keys=False)


@st.composite
def broken_texts(draw: st.DrawFn) -> tuple[str, str]:
    """A file and its ending; most of its bytes are those of a good one."""
    suffix, write = draw(st.sampled_from([("toml", as_toml), ("yaml", as_yaml), ("json", as_json)]))
    text = write(draw(st.sampled_from(GOOD)))
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(text)))
        stop = min(len(text), start + draw(st.integers(0, 12)))
        what = draw(
            st.sampled_from(["", text[start:stop] * 2, "[", "]", "{", '"', "'", ":", "=", "\n",
                             "\t", "#", "- ", "&a ", "*a", "!!", "null", "\0", "\ufeff", "1e-3"])
            | st.text(max_size=3)
        )  # fmt: skip
        text = text[:start] + what + text[stop:]
    return suffix, text


def check_reads_or_refuses(source: Any) -> None:
    """See that a source is planned, or refused with a message for people."""
    try:
        planned = Plan(sweep.read(source))
    except InputError as error:
        message = str(error)
        head, *problems = message.splitlines()
        assert "cannot be" in head, message
        assert problems or len(head) > 30, message
        # outside of what the user wrote himself, which stands in quotes or after a place
        jargon = r"type=\w+_type|pydantic|Traceback|validat|NoneType|input should|instance of"
        assert not re.search(jargon, message), message
        assert len(message) < 20_000
        assert all(re.match(r"  \S+  ", line) for line in problems), message
    else:
        assert planned.regions
        assert planned.bytes >= 0
        stored = sweep.read(planned.sweep.document)
        assert stored.canonical_document() == planned.sweep.canonical_document()


def test_the_good_documents_are_good() -> None:
    for document in GOOD:
        assert Plan(sweep.read(document)).regions


@settings(
    max_examples=examples(300),
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
@given(broken_documents())
@example({**GOOD[0], "run": {"timeout": 10**400}})
@example({**GOOD[0], "axes": {"mass_ratio": {"linspace": [1, 10**400, 3]}}})
@example(
    {**GOOD[3], "fixed": {}, "axes": {"surface_depth": [10**30]}, "where": "surface_depth > 1"}
)
def test_a_broken_document_is_read_or_refused(document: dict[str, Any]) -> None:
    check_reads_or_refuses(document)


@settings(
    max_examples=examples(150),
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
@given(broken_texts())
def test_a_broken_file_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, text: tuple[str, str]
) -> None:
    folder = tmp_path_factory.getbasetemp() / "fuzzed"
    folder.mkdir(exist_ok=True)
    file = folder / f"broken.{text[0]}"
    file.write_text(text[1], encoding="utf-8", newline="")
    try:
        check_reads_or_refuses(file)

        assert [p.name for p in folder.iterdir()] == [file.name]
    finally:
        file.unlink()


def refused(document: dict[str, Any]) -> bool:
    """Whether a document can be written as TOML and is bad input."""
    try:
        to_toml(document)
    except TypeError:  # a date or a time, which only a reader of files makes
        return False
    try:
        sweep.read(document)
    except InputError:
        return "null" not in as_json(document)
    return False


@settings(
    max_examples=10, deadline=None, derandomize=True, database=None,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
@given(broken_documents().filter(refused))
def test_the_commands_refuse_a_broken_file(
    tmp_path_factory: pytest.TempPathFactory, document: dict[str, Any]
) -> None:
    folder = tmp_path_factory.mktemp("command")
    (folder / "broken.toml").write_text(to_toml(document), encoding="utf-8")
    workspace = folder / "results"

    for command in (["plan", "--no-pilots"], ["run"]):
        ended = run_here(*command, "broken.toml", "--workspace", workspace, cwd=folder)
        assert ended.returncode == 2, ended.stderr
        assert ended.stdout == ""
        assert ended.stderr.startswith("error: broken.toml cannot be"), ended.stderr
        assert "Traceback" not in ended.stderr

    assert [p.name for p in folder.iterdir()] == ["broken.toml"]


def test_the_schema_knows_every_key_that_the_good_documents_use() -> None:
    known = file_schema()["properties"]

    assert {k for d in GOOD for k in d} <= set(known)
