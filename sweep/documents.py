"""Sweep files as text: TOML, YAML or JSON in, lines of keys beside it; TOML out."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from sweep.problems import InputError

LARGEST_FILE = 64 * 2**20


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
        return Document("sweep", _plain(dict(source)))
    path = Path(source)
    text = _text(path)
    readers = {".toml": _toml, ".yaml": _yaml, ".yml": _yaml, ".json": _json}
    if path.suffix not in readers:
        msg = (
            f"{path} cannot be read: the ending {path.suffix!r} does not say what it is. "
            "A sweep file ends in .toml, .yaml, .yml or .json. Rename it."
        )
        raise InputError(msg)
    content, lines = readers[path.suffix](path.name, text)
    if not isinstance(content, dict):
        msg = f"{path.name} cannot be run: it holds {type(content).__name__}, not a table of keys."
        raise InputError(msg)
    return Document(path.name, _plain(content), lines)


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > LARGEST_FILE:
            msg = f"{path} is larger than {LARGEST_FILE // 2**20} MiB; a sweep file is short."
            raise InputError(msg)
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        msg = f"There is no sweep file {path}. Give the path of a .toml, .yaml or .json file."
        raise InputError(msg) from None
    except UnicodeDecodeError:
        msg = f"{path} is not text in UTF-8. Save it in that encoding."
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
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        return yaml.safe_load(text), dict(_yaml_lines(node, ""))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        where = " ".join(str(error).split())
        msg = f"{name} cannot be read as YAML: {where}. Mend the line, then try again."
        raise InputError(msg) from None


def _json(name: str, text: str) -> tuple[Any, dict[str, int]]:
    try:
        return json.loads(text), {}
    except (ValueError, RecursionError) as error:
        msg = f"{name} cannot be read as JSON: {error}. Mend the line, then try again."
        raise InputError(msg) from None


_KEY = r"""(?:[A-Za-z0-9_-]+|"[^"\n]*"|'[^'\n]*')"""
_HEADER = re.compile(rf"^\s*\[\[?\s*({_KEY}(?:\s*\.\s*{_KEY})*)\s*\]\]?")
_ASSIGN = re.compile(rf"^\s*({_KEY}(?:\s*\.\s*{_KEY})*)\s*=")


def _toml_lines(text: str) -> Iterator[tuple[str, int]]:
    """Find where keys stand; a key inside an inline table counts as its table's line."""
    table = ""
    for number, line in enumerate(text.splitlines(), start=1):
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
        for key, value in node.value:
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


def _toml_key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else json.dumps(key)


def _toml_value(value: Any) -> str:
    if isinstance(value, Mapping):
        return (
            "{ " + ", ".join(f"{_toml_key(k)} = {_toml_value(v)}" for k, v in value.items()) + " }"
        )
    if isinstance(value, list):
        return "[" + ", ".join(_toml_value(v) for v in value) + "]"
    if isinstance(value, float):
        return repr(value)
    return json.dumps(value, ensure_ascii=False)
