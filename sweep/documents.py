"""Sweep files as text: TOML, YAML or JSON in, lines of keys beside it; TOML out."""

from __future__ import annotations

import json
import re
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from sweep.problems import InputError

LARGEST_FILE = 64 * 2**20
KINDS = {".toml": "toml", ".yaml": "yaml", ".yml": "yaml", ".json": "json"}
"""How a sweep file is written, by the ending of its name."""


@dataclass(frozen=True)
class Document:
    """A sweep file as it was read."""

    source: str
    """Its name in messages."""
    content: dict[str, Any]
    lines: dict[str, int] = field(default_factory=dict)
    """From a path of keys to the line where it stands, counted from 1."""


def load(source: str | Path | Mapping[str, Any]) -> Document:
    """Read a sweep file (by its ending .toml, .yaml, .yml or .json), or take a dict.

    Raises
    ------
    InputError : there is no such file, or its text is not what its ending says
    """
    if isinstance(source, Mapping):
        return Document("sweep", _table("sweep", dict(source)))
    return parse(*text_of(Path(source)))


def text_of(path: Path) -> tuple[str, str, str]:
    """Give the name of a sweep file, how it is written (see `parse`), and its text.

    Raises
    ------
    InputError : there is no such file, it is no text, or its ending does not say what it is
    """
    text = _text(path)
    if path.suffix not in KINDS:
        msg = (
            f"{path} cannot be read: the ending {path.suffix!r} does not say what it is. "
            "A sweep file ends in .toml, .yaml, .yml or .json. Rename it."
        )
        raise InputError(msg)
    return path.name, KINDS[path.suffix], text


def parse(name: str, kind: str, text: str) -> Document:
    """Read the text of a sweep file.

    Parameters
    ----------
    name : what messages call it
    kind : "toml", "yaml" or "json"

    Raises
    ------
    InputError : it is not what it is said to be
    """
    content, lines = {"toml": _toml, "yaml": _yaml, "json": _json}[kind](name, text)
    return Document(name, _table(name, content), lines)


def _table(name: str, content: Any) -> dict[str, Any]:
    if not isinstance(content, dict):
        held = "nothing" if content is None else "a list" if isinstance(content, list) else "text"
        msg = f"{name} cannot be run: it holds {held}, not a table of keys and values."
        raise InputError(msg)
    try:
        plain: dict[str, Any] = _plain(content)
    except RecursionError:
        msg = f"{name} cannot be run: it is nested too deeply. A sweep has a few levels."
        raise InputError(msg) from None
    return plain


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > LARGEST_FILE:
            msg = f"{path} is larger than {LARGEST_FILE // 2**20} MiB; a sweep file is short."
            raise InputError(msg)
        return path.read_text(encoding="utf-8-sig")  # some editors begin with a mark
    except FileNotFoundError:
        msg = f"There is no sweep file {path}. Give the path of a .toml, .yaml or .json file."
        raise InputError(msg) from None
    except UnicodeDecodeError:
        msg = f"{path} is not text in UTF-8. Save it in that encoding."
        raise InputError(msg) from None
    except InputError:
        raise
    except ValueError:  # a zero in the path
        msg = f"{str(path)!r} is no path of a file. Give the path of a .toml, .yaml or .json file."
        raise InputError(msg) from None
    except OSError as error:
        msg = f"{path} cannot be read: {error.strerror}. Give the path of a readable file."
        raise InputError(msg) from None


def _toml(name: str, text: str) -> tuple[Any, dict[str, int]]:
    try:
        return tomllib.loads(text), dict(_toml_lines(text))
    except (tomllib.TOMLDecodeError, ValueError, RecursionError) as error:
        msg = f"{name} cannot be read as TOML: {error}. Mend the line, then try again."
        raise InputError(msg) from None


def _yaml(name: str, text: str) -> tuple[Any, dict[str, int]]:
    try:
        node = yaml.compose(text, Loader=_YamlLoader)
        lines = dict(_yaml_lines(node, ""))
        return yaml.load(text, Loader=_YamlLoader), lines  # noqa: S506 - a safe loader
    except YAML_ERRORS as error:
        where = " ".join(str(error).split())
        msg = f"{name} cannot be read as YAML: {where}. Mend the line, then try again."
        raise InputError(msg) from None


YAML_ERRORS = (
    yaml.YAMLError, ValueError, RecursionError,
    LookupError, AttributeError, TypeError,  # the library's, at values that belie their !!tag
)  # fmt: skip


class _YamlLoader(yaml.SafeLoader):
    """Reads plain values only, and refuses what would hide or multiply them."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Refuse aliases: a few lines of them make billions of values."""
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            msg = f"line {mark.line + 1} has an alias (*). Write the value out"
            raise yaml.YAMLError(msg)
        return super().compose_node(parent, index)


_YamlLoader.add_implicit_resolver(  # YAML 1.1, which the library reads, takes 1e-3 for text
    "tag:yaml.org,2002:float", re.compile(r"[-+]?[0-9]+(?:\.[0-9]*)?[eE][-+]?[0-9]+$"),
    list("-+0123456789"),
)  # fmt: skip


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) < len(pairs):
        key = Counter(key for key, _ in pairs).most_common(1)[0][0]
        msg = f"the key {key!r} stands twice in one table"
        raise ValueError(msg)
    return table


def _json(name: str, text: str) -> tuple[Any, dict[str, int]]:
    try:
        return json.loads(text, object_pairs_hook=_once), {}
    except (ValueError, RecursionError) as error:
        msg = f"{name} cannot be read as JSON: {error}. Mend the line, then try again."
        raise InputError(msg) from None


_KEY = r"""(?:[A-Za-z0-9_-]+|"[^"\n]*"|'[^'\n]*')"""
_HEADER = re.compile(rf"^\s*\[\[?\s*({_KEY}(?:\s*\.\s*{_KEY})*)\s*\]\]?")
_ASSIGN = re.compile(rf"^\s*({_KEY}(?:\s*\.\s*{_KEY})*)\s*=")


def _toml_lines(text: str) -> Iterator[tuple[str, int]]:
    """Find where keys stand; a key inside an inline table counts as its table's line."""
    table = ""
    for number, line in enumerate(text.split("\n"), start=1):
        if header := _HEADER.match(line):
            table = _joined("", header[1])
            yield table, number
        elif assign := _ASSIGN.match(line):
            yield _joined(table, assign[1]), number


def _joined(table: str, dotted: str) -> str:
    keys = [k.strip().strip("\"'") for k in re.findall(_KEY, dotted)]
    return ".".join([table, *keys] if table else keys)


def _yaml_lines(node: Any, place: str) -> Iterator[tuple[str, int]]:
    if isinstance(node, yaml.MappingNode):
        seen = set()
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                line = key.start_mark.line + 1
                msg = f"the key {key.value!r} stands twice in one table, again in line {line}"
                raise ValueError(msg)
            seen.add(str(key.value))
            inner = f"{place}.{key.value}" if place else str(key.value)
            yield inner, key.start_mark.line + 1
            yield from _yaml_lines(value, inner)
    elif isinstance(node, yaml.SequenceNode):
        for i, value in enumerate(node.value):
            yield f"{place}[{i}]", value.start_mark.line + 1
            yield from _yaml_lines(value, f"{place}[{i}]")


def _plain(value: Any) -> Any:
    """Turn tuples and numpy values of a dict given in Python into plain lists and numbers."""
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if hasattr(value, "tolist"):  # numpy arrays and scalars
        return _plain(value.tolist())
    return value


def to_toml(content: Mapping[str, Any]) -> str:
    """Write a document as TOML: plain keys first, then one table for each nested one."""
    plain = {k: v for k, v in content.items() if not isinstance(v, Mapping)}
    tables = {k: v for k, v in content.items() if isinstance(v, Mapping)}
    rows = [f"{_toml_key(k)} = {_toml_value(v)}" for k, v in plain.items()]
    for name, table in tables.items():
        rows += ["", f"[{_toml_key(name)}]"]
        rows += [f"{_toml_key(k)} = {_toml_value(v)}" for k, v in table.items()]
    return "\n".join(rows) + "\n"


def to_value(value: Any) -> str:
    """Write one value as TOML."""
    return _toml_value(_plain(value))


def _toml_key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else _toml_string(key)


def _toml_string(text: str) -> str:
    # JSON's escapes are TOML's, but for this one character, which JSON does not escape
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _toml_value(value: Any) -> str:
    if isinstance(value, Mapping):
        return (
            "{ " + ", ".join(f"{_toml_key(k)} = {_toml_value(v)}" for k, v in value.items()) + " }"
        )
    if isinstance(value, list):
        return "[" + ", ".join(_toml_value(v) for v in value) + "]"
    if isinstance(value, float):
        return repr(value)
    return _toml_string(value) if isinstance(value, str) else json.dumps(value)
