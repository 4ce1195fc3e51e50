"""Values of parameters: their canonical form, what a field allows, numbers with units.

Values that differ only by rounding are one value: 0.1 + 0.2 and 0.3 name the same point.
"""

from __future__ import annotations

import itertools
import json
import math
import re
import types
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import annotated_types
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from models.protocol import Parameters, Unit

DIGITS = 14
"""Significant digits that tell values apart: a hundred roundings of a double still agree."""
MOST_REASONS = 20
"""Of how many wrong values of one parameter it is said what is wrong."""


def canonical(value: Any) -> Any:
    """Round every float inside a value to its canonical digits."""
    if isinstance(value, float):
        # adding zero makes -0.0 the zero that it equals
        return float(f"{value:.{DIGITS}g}") + 0.0 if math.isfinite(value) else value
    if isinstance(value, Mapping):
        return {k: canonical(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [canonical(v) for v in value]
    return value


def as_text(value: Any) -> str:
    """Name a value as the coordinate of an axis that is not all numbers."""
    if isinstance(value, str):
        return value
    if isinstance(value, BaseModel):
        value = value.model_dump()
    return json.dumps(value, separators=(",", ":"))


class FieldValues:
    """Checks values of one parameter, many at a time."""

    def __init__(self, parameters: type[Parameters], name: str) -> None:
        self.name = name
        self.field: FieldInfo = parameters.model_fields[name]
        # built at run time, so no type checker can follow it
        form: Any = Annotated
        one: Any = form[(self.field.annotation, self.field, *self.field.metadata)]
        config = ConfigDict(strict=True, allow_inf_nan=False)
        self._many: TypeAdapter[list[Any]] = TypeAdapter(list[one], config=config)
        self._whole = _takes_only_whole_numbers(self.field.annotation)

    def check(self, values: Sequence[Any]) -> tuple[list[Any], dict[int, str]]:
        """Give the values as the model takes them, and what is wrong, by their place."""
        try:
            taken = [self._number(canonical(v)) for v in values]
            large = {
                i: "too large" for i, v in enumerate(taken)
                if isinstance(v, int) and not -(2**63) <= v < 2**63
            }  # fmt: skip
            return ([], large) if large else (self._many.validate_python(taken), {})
        except ValidationError as error:
            found: dict[int, list[ErrorDetails]] = {}
            for e in error.errors(include_url=False, include_input=False):
                found.setdefault(int(e["loc"][0]), []).append(e)
            told = itertools.islice(found.items(), MOST_REASONS)
            return [], dict.fromkeys(found, "") | {i: _reason(values[i], e) for i, e in told}
        except RecursionError:
            return [], {0: "nested too deeply"}

    def _number(self, value: Any) -> Any:
        """Take 21.0, as linspace gives it, for 21 where only whole numbers are legal."""
        if self._whole and isinstance(value, float) and value.is_integer():
            return int(value)
        return value

    @property
    def allowed(self) -> str:
        """What the parameter allows, in words."""
        return allowed(self.field.annotation, self.field.metadata)

    @property
    def words(self) -> list[str]:
        """The words that the parameter allows, for suggestions."""
        return _words(self.field.annotation)


_REASONS = {
    "int_type": "not a whole number", "int_from_float": "not a whole number",
    "float_type": "not a number", "bool_type": "not true or false",
    "string_type": "not a string", "tuple_type": "not a list", "model_type": "not a table",
    "literal_error": "none of the words", "finite_number": "not finite",
    "missing": "`{key}` is missing", "extra_forbidden": "unknown key `{key}`",
    "greater_than": "must be above {gt:g}", "greater_than_equal": "must be at least {ge:g}",
    "less_than": "must be below {lt:g}", "less_than_equal": "must be at most {le:g}",
    "too_short": "too short", "too_long": "too long",
}  # fmt: skip
"""pydantic's kinds of errors in the words of a sweep file."""


def _reason(value: Any, errors: Sequence[ErrorDetails]) -> str:
    """Say what is wrong with one value; a union gives an error for each of its options."""
    if isinstance(value, list | Mapping):  # the option that got deepest is the one meant
        deepest = max(len(e["loc"]) for e in errors)
        errors = [e for e in errors if len(e["loc"]) == deepest]
    elif isinstance(value, str):
        errors = [e for e in errors if e["type"] == "literal_error"] or errors
    else:
        errors = [e for e in errors if e["type"] != "literal_error"] or errors
    inside = isinstance(value, Mapping)
    return ", ".join(dict.fromkeys(_in_words(e, inside=inside) for e in errors))


def _in_words(error: ErrorDetails, *, inside: bool) -> str:
    key = error["loc"][-1]
    kind = "too_short" if error["type"] == "missing" and isinstance(key, int) else error["type"]
    text = _REASONS.get(kind, error["msg"][0].lower() + error["msg"][1:].replace("{", "{{"))
    named = inside and "{key}" not in text and isinstance(key, str) and key.isidentifier()
    return (f"`{key}`: " if named else "") + text.format(**error.get("ctx", {}) | {"key": key})


def _takes_only_whole_numbers(annotation: Any) -> bool:
    options = [get_args(a)[0] if get_origin(a) is Annotated else a for a in _options(annotation)]
    return int in options and float not in options


def _options(annotation: Any) -> list[Any]:
    if get_origin(annotation) in (Union, types.UnionType):
        return [x for a in get_args(annotation) for x in _options(a)]
    return [annotation]


def _words(annotation: Any) -> list[str]:
    found = []
    for option in _options(annotation):
        if get_origin(option) is Literal:
            found += [str(x) for x in get_args(option)]
    return found


def allowed(annotation: Any, metadata: Sequence[Any] = ()) -> str:
    """Say in words what a type allows."""
    if get_origin(annotation) is Annotated:
        inner, *more = get_args(annotation)
        return allowed(inner, [*more, *metadata])
    if get_origin(annotation) in (Union, types.UnionType):
        texts = [allowed(a, metadata) for a in get_args(annotation) if a is not type(None)]
        return ", or ".join(texts)
    if get_origin(annotation) is Literal:
        return ", ".join(json.dumps(x) for x in get_args(annotation))
    if get_origin(annotation) is tuple:
        items = get_args(annotation)
        if items[-1] is Ellipsis:
            return f"a list, each {allowed(items[0])}"
        return f"[{', '.join(allowed(x) for x in items)}]"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return f"a table with {', '.join(annotation.model_fields)}"
    names = {int: "a whole number", float: "a number", bool: "true or false", str: "a string"}
    return f"{names.get(annotation, 'a value')}{_range(metadata)}"


def _range(metadata: Sequence[Any]) -> str:
    bounds = []
    for m in _flat(metadata):
        if isinstance(m, annotated_types.Ge):
            bounds.append(f"from {m.ge}")
        if isinstance(m, annotated_types.Gt):
            bounds.append(f"above {m.gt}")
        if isinstance(m, annotated_types.Le):
            bounds.append(f"to {m.le}")
        if isinstance(m, annotated_types.Lt):
            bounds.append(f"below {m.lt}")
    return f" {' '.join(bounds)}" if bounds else ""


def _flat(metadata: Sequence[Any]) -> list[Any]:
    return [x for m in metadata for x in (m.metadata if isinstance(m, FieldInfo) else [m])]


def unit_of(field: FieldInfo) -> str:
    """Give the unit that a parameter is marked with, or an empty string."""
    return next((m.name for m in _flat(field.metadata) if isinstance(m, Unit)), "")


_SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86400}
_BYTES = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12,
          "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}  # fmt: skip


def seconds(text: str | float) -> float:
    """Read "10min", "1.5h", "30s" or a number of seconds.

    Raises
    ------
    ValueError : it is none of them, or not above zero
    """
    return _quantity(text, _SECONDS, '"30s", "10min", "2h" or a number of seconds')


def byte_count(text: str | float) -> int:
    """Read "2GiB", "500MB" or a number of bytes.

    Raises
    ------
    ValueError : it is none of them, or not above zero
    """
    return int(_quantity(text, _BYTES, '"2GiB", "500MB" or a number of bytes'))


def _quantity(text: str | float, units: Mapping[str, int], examples: str) -> float:
    match = re.fullmatch(r"\s*([0-9.]+(?:[eE][0-9]+)?)\s*([A-Za-z]+)\s*", str(text))
    try:
        if isinstance(text, str):
            if match is None or match[2] not in units:
                raise ValueError(text)
            value = float(match[1]) * units[match[2]]
        elif isinstance(text, bool):
            raise ValueError(text)
        else:
            value = float(text)
    except (ValueError, TypeError, OverflowError):
        msg = f"must be {examples}; units: {', '.join(units)}"
        raise ValueError(msg) from None
    if not 0 < value < 1e18:
        msg = f"must be above zero and finite, such as {examples}"
        raise ValueError(msg)
    return value


def plain(value: Any) -> Any:
    """Give the value of a parameter as a sweep file has it."""
    return value.model_dump(mode="json") if isinstance(value, BaseModel) else value
