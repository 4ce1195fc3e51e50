"""`axis=value` pairs, as commands and requests give them."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from typing import Any

from sweep.problems import InputError


def assignments(given: Sequence[str], what: str) -> dict[str, Any]:
    """Read `axis=value` pairs; values are TOML, a bare word is a string, repeats make a list.

    Raises
    ------
    InputError : a pair without `=`
    """
    found: dict[str, list[Any]] = {}
    for pair in given:
        name, equals, text = pair.partition("=")
        if not equals or not name.strip():
            msg = f"{what} {pair!r} is not of the form axis=value. Write for instance layers=21."
            raise InputError(msg)
        found.setdefault(name.strip(), []).append(_value(text.strip()))
    return {name: v if len(v) > 1 else v[0] for name, v in found.items()}


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (tomllib.TOMLDecodeError, ValueError, RecursionError):
        return text
