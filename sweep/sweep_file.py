"""From a sweep file to a sweep, or to one message with everything that is wrong with it."""

from __future__ import annotations

import itertools
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models import registry
from models.errors import ModelInputError
from models.protocol import Model
from sweep import documents
from sweep.expressions.language import Expression, ExpressionError, check_names, parse
from sweep.layout import NAME
from sweep.problems import InputError, Problem, nearest, report, shown
from sweep.spec import (
    Dimension,
    RunSettings,
    Sweep,
    needed_stages,
    output_variables,
    wanted_on,
)
from sweep.values import FieldValues, as_text, byte_count, canonical, seconds

FORMAT = 1
MAX_POINTS = 10**8
MAX_VALUES = 10**7
"""Of one axis given as a range: they are listed, points are not."""
KEYS = ("modesweep", "name", "model", "outputs", "where", "zip", "fixed", "axes", "run")
RANGES = ("linspace", "geomspace", "logspace", "arange")
MOST_LOOKED_AT = 200
"""Combinations of axes that settings left at "auto" are made numbers by, at most."""
MOST_SHOWN = 5
"""How many offending values or points of one kind a message names."""
MOST_PROBLEMS = 100
"""A file with so many is no sweep file; looking for more would take for ever."""


def read(source: str | Path | Mapping[str, Any] | documents.Document | Sweep) -> Sweep:
    """Read and check a sweep file, or a dict of the same shape.

    Raises
    ------
    InputError : lists every problem with its line, place, value and remedy
    """
    if isinstance(source, Sweep):
        return source
    document = source if isinstance(source, documents.Document) else documents.load(source)
    reader = _Reader(document.content)
    try:
        sweep = reader.sweep()
    except _EnoughError:
        sweep = None
    if sweep is None or reader.problems:
        raise InputError(report(reader.problems, document.source, document.lines))
    return sweep


class _EnoughError(Exception):
    """There are more problems than anybody will read."""


class _Reader:
    """Checks a document piece by piece and collects what is wrong."""

    def __init__(self, content: dict[str, Any]) -> None:
        self.content = content
        self.problems: list[Problem] = []

    def wrong(self, place: str, text: str) -> None:
        problem = Problem(place, text)
        if problem in self.problems:
            return
        self.problems.append(problem)
        if len(self.problems) == MOST_PROBLEMS:
            raise _EnoughError

    def sweep(self) -> Sweep | None:
        self._keys()
        name, run = self._name(), self._run()
        model = self._model()
        if model is None:
            return None
        fixed = self._fixed(model)
        axes = self._axes(model)
        dims = self._dims(axes)
        where = self._where(axes)
        outputs = self._outputs(model)
        self._gaps()
        if self.problems:
            return None
        sweep = Sweep(name, model, outputs, fixed, dims, where, run, canonical(self.content))
        self._size(sweep)
        if not self.problems:
            self._rules(sweep)
            self._units(sweep)
        if not self.problems:
            sweep = self._without_missing(sweep)
        return sweep if self.problems else settled(sweep)

    def _gaps(self) -> None:
        """Refuse what no sweep file can hold, where no other check has done so."""
        for place, text in _unfit(self.content, ""):
            if not any(place.startswith(p.place) for p in self.problems):
                self.wrong(place, text)

    def _keys(self) -> None:
        for key in self.content:
            if key not in KEYS:
                self.wrong(key, f"unknown key.{nearest(key, KEYS)} Allowed: {', '.join(KEYS)}.")
        version = self.content.get("modesweep")
        if version != FORMAT or isinstance(version, bool):
            given = shown(version) if "modesweep" in self.content else "missing"
            self.wrong("modesweep", f"must be {FORMAT}, the format's version; it is {given}.")

    def _name(self) -> str:
        name = self.content.get("name")
        if not isinstance(name, str) or not NAME.fullmatch(name):
            given = shown(name) if "name" in self.content else "missing"
            self.wrong("name", f"must be 1 to 100 letters, digits, - and _; it is {given}.")
            return "unnamed"
        return name

    def _table(self, key: str) -> dict[str, Any]:
        table = self.content.get(key, {})
        if not isinstance(table, dict):
            self.wrong(key, f"must be a table of keys and values; it is {shown(table)}.")
            return {}
        return table

    def _run(self) -> RunSettings:
        readers = {
            "retries": _whole(0, 100), "timeout": seconds,
            "memory": byte_count, "priority": _whole(-1000, 1000),
        }  # fmt: skip
        given = {}
        for key, value in self._table("run").items():
            if key not in readers:
                hint = nearest(key, readers)
                self.wrong(f"run.{key}", f"unknown key.{hint} Allowed: {', '.join(readers)}.")
                continue
            try:
                given[key] = readers[key](value)
            except (ValueError, TypeError) as error:
                self.wrong(f"run.{key}", f"{shown(value)} {error}.")
        return RunSettings(**given)

    def _model(self) -> Model | None:
        name = self.content.get("model")
        try:
            if isinstance(name, str):
                return registry.get(name)
        except ModelInputError:
            pass
        known = registry.names()
        given = shown(name) if "model" in self.content else "missing"
        hint = nearest(str(name), known)
        self.wrong("model", f"must name a model; it is {given}.{hint} Known: {', '.join(known)}.")
        return None

    def _known(self, model: Model, place: str, name: str) -> bool:
        fields = model.parameters.model_fields
        if name in fields:
            return True
        self.wrong(place, f"{model.name} has no such parameter.{nearest(name, fields)} "
                   f"Its parameters: {', '.join(fields)}.")  # fmt: skip
        return False

    def _fixed(self, model: Model) -> dict[str, Any]:
        fixed = {
            name: f.get_default(call_default_factory=True)
            for name, f in model.parameters.model_fields.items()
        }
        swept = self._table("axes")
        for name, value in self._table("fixed").items():
            place = f"fixed.{name}"
            if not self._known(model, place, name):
                continue
            if name in swept:
                self.wrong(place, "is fixed and swept at once. Remove it here or under [axes].")
            values, wrong = FieldValues(model.parameters, name).check([value])
            if wrong:
                self._bad_value(model, place, name, value, wrong[0])
            else:
                fixed[name] = values[0]
        return fixed

    def _bad_value(self, model: Model, place: str, name: str, value: Any, why: str) -> None:
        legal = FieldValues(model.parameters, name)
        self.wrong(place, f"{shown(value)} is not allowed ({why}).{nearest(value, legal.words)} "
                   f"Allowed: {legal.allowed}.")  # fmt: skip

    def _axes(self, model: Model) -> dict[str, tuple[Any, ...]]:
        axes = {}
        for name, given in self._table("axes").items():
            place = f"axes.{name}"
            if not self._known(model, place, name):
                continue
            if name in model.fixed_only:
                self.wrong(place, "names an inner dim of the variables and cannot be swept. "
                           "Give one list under [fixed].")  # fmt: skip
                continue
            axes[name] = self._axis(model, place, name, given)
        return axes

    def _axis(self, model: Model, place: str, name: str, given: Any) -> tuple[Any, ...]:
        listed = self._listed(place, given)
        if not listed:
            return ()
        values, wrong = FieldValues(model.parameters, name).check(listed)
        for i, why in itertools.islice(wrong.items(), MOST_SHOWN):
            self._bad_value(model, f"{place}[{i}]", name, listed[i], why)
        if len(wrong) > MOST_SHOWN:
            self.wrong(place, f"{len(wrong) - MOST_SHOWN} more values are not allowed.")
        if name not in self._followers():
            self._no_repeats(place, listed, values)
        return tuple(values)

    def _followers(self) -> set[str]:
        """Name the zipped axes that are not their dim's name: their values may repeat."""
        groups = self.content.get("zip")
        legal = [g for g in groups if _is_group(g)] if isinstance(groups, list) else []
        return {axis for group in legal for axis in group[1:]}

    def _no_repeats(self, place: str, listed: list[Any], values: list[Any]) -> None:
        seen: dict[str, int] = {}
        repeats = []
        for i, value in enumerate(values):
            first = seen.setdefault(as_text(value), i)
            if first != i:
                repeats.append((i, first))
        for i, first in repeats[:MOST_SHOWN]:
            self.wrong(f"{place}[{i}]", f"{shown(listed[i])} stands here a second time "
                       f"(first at [{first}]; values that differ by rounding are one). "
                       "Leave one out.")  # fmt: skip
        if len(repeats) > MOST_SHOWN:
            self.wrong(place, f"{len(repeats) - MOST_SHOWN} more values stand here twice.")

    def _listed(self, place: str, given: Any) -> list[Any]:
        if isinstance(given, list):
            if not given:
                self.wrong(place, "is empty. Give at least one value, or leave the axis out.")
            return given
        if isinstance(given, dict) and len(given) == 1:
            kind, numbers = next(iter(given.items()))
            if kind in RANGES:
                return self._range(f"{place}.{kind}", kind, numbers)
            self.wrong(f"{place}.{kind}", f"unknown key.{nearest(kind, RANGES)} "
                       f"Allowed: {', '.join(RANGES)}, or a plain list.")  # fmt: skip
            return []
        self.wrong(place, f"must be a list of values, or a table with one of {', '.join(RANGES)}; "
                   f"it is {shown(given)}.")  # fmt: skip
        return []

    def _range(self, place: str, kind: str, numbers: Any) -> list[Any]:
        try:
            return expand_range(kind, numbers)
        except ValueError as error:
            self.wrong(place, f"{shown(numbers)} {error}.")
            return []

    def _dims(self, axes: Mapping[str, tuple[Any, ...]]) -> tuple[Dimension, ...]:
        groups = self._zip(axes)
        leader = {axis: group[0] for group in groups for axis in group}
        members: dict[str, dict[str, tuple[Any, ...]]] = {}
        for axis, values in axes.items():
            members.setdefault(leader.get(axis, axis), {})[axis] = values
        return tuple(Dimension(name, values) for name, values in members.items())

    def _zip(self, axes: Mapping[str, tuple[Any, ...]]) -> list[list[str]]:
        given = self.content.get("zip", [])
        if not isinstance(given, list) or not all(_is_group(g) for g in given):
            self.wrong("zip", "must be a list of lists, each naming two or more axes that move "
                       f'together, such as [["a", "b"]]; it is {shown(given)}.')  # fmt: skip
            return []
        used: set[str] = set()
        legal = []
        for i, group in enumerate(given):
            place = f"zip[{i}]"
            unknown = [n for n in group if n not in axes]
            for n in unknown:
                self.wrong(place, f'"{n}" is not an axis.{nearest(n, axes)} '
                           f"Axes: {', '.join(axes) or 'none'}.")  # fmt: skip
            if used.intersection(group) or len(set(group)) < len(group):
                self.wrong(place, "names an axis twice. An axis moves with one group only.")
            elif not unknown:
                lengths = {n: len(axes[n]) for n in group}
                if len(set(lengths.values())) > 1 and all(lengths.values()):
                    self.wrong(place, f"joins axes of different lengths ({shown(lengths)}). "
                               "Give them as many values each.")  # fmt: skip
                else:
                    legal.append(group)
            used.update(group)
        return legal

    def _where(self, axes: Mapping[str, tuple[Any, ...]]) -> Expression | None:
        text = self.content.get("where")
        if text is None or text == "":
            return None
        if not isinstance(text, str):
            self.wrong("where", f"must be a condition in a string; it is {shown(text)}.")
            return None
        try:
            expression = parse(text)
        except ExpressionError as error:
            self.wrong("where", str(error))
            return None
        if unknown := check_names(expression, axes, "axis"):
            for message in unknown:
                self.wrong("where", message)
            return None
        self._words_in(expression, axes)
        if not self.problems:
            try:
                first = {
                    n: Dimension(n, {n: axes[n]}).coordinate(n)[:1] for n in expression.names()
                }
                expression.evaluate_condition(first)
            except ExpressionError as error:
                self.wrong("where", str(error))
        return expression

    def _words_in(self, expression: Expression, axes: Mapping[str, tuple[Any, ...]]) -> None:
        for name, words in expression.strings_compared_with().items():
            known = [as_text(v) for v in axes.get(name, ())]
            for word in words:
                if known and word not in known:
                    self.wrong("where", f'compares {name} with "{word}", which is none of its '
                               f"values.{nearest(word, known)} "
                               f"Values: {shown(known)}.")  # fmt: skip

    def _outputs(self, model: Model) -> tuple[str, ...]:
        variables = {n: v for n, (v, _) in model.variables().items()}
        given = self.content.get("outputs")
        if given is None:
            return tuple(n for n, v in variables.items() if v.standard and not v.always)
        if not isinstance(given, list) or not given or not all(isinstance(x, str) for x in given):
            self.wrong("outputs", f"must be a list of variables; it is {shown(given)}. "
                       f"Variables: {', '.join(variables)}.")  # fmt: skip
            return ()
        for i, name in enumerate(given):
            if name not in variables:
                self.wrong(f"outputs[{i}]", f'{model.name} has no variable "{name}".'
                           f"{nearest(name, variables)} "
                           f"Variables: {', '.join(variables)}.")  # fmt: skip
        if len(set(given)) < len(given):
            self.wrong("outputs", "names a variable twice. Leave one out.")
        return tuple(given)

    def _size(self, sweep: Sweep) -> None:
        if sweep.size > MAX_POINTS:
            lengths = " x ".join(f"{len(d)} {d.name}" for d in sweep.dims)
            self.wrong("axes", f"span {sweep.size:.3g} points ({lengths}), more than the "
                       f"{MAX_POINTS:.0e} of one sweep. "
                       "Use fewer values, or several sweeps.")  # fmt: skip

    def _rules(self, sweep: Sweep) -> None:
        """Check each rule on the few combinations of values that it can see."""
        for rule in sweep.model.parameters.rules:
            dims = sorted({sweep.axes[n] for n in rule.names if n in sweep.axes})
            broken: dict[str, list[str]] = {}
            for combination in _combinations(sweep, dims):
                values = SimpleNamespace(**{n: _value(sweep, n, combination) for n in rule.names})
                text = rule.check(values)
                if text:
                    at = ", ".join(
                        f"{n}={as_text(getattr(values, n))}" for n in rule.names if n in sweep.axes
                    )
                    broken.setdefault(text, []).append(at)
            for text, points in itertools.islice(broken.items(), MOST_SHOWN):
                where = f" At {points[0]}." if points[0] else ""
                self.wrong(self._place(rule.names), f"{text}{where}")

    def _place(self, names: Sequence[str]) -> str:
        for table in ("axes", "fixed"):
            for name in names:
                if name in self.content.get(table, {}):
                    return f"{table}.{name}"
        return "fixed"

    def _units(self, sweep: Sweep) -> None:
        """A variable has one unit in a sweep."""
        model = sweep.model
        dims = sorted({sweep.axes[n] for n in model.unit_parameters if n in sweep.axes})
        variables = model.variables()
        units: dict[str, set[str]] = {}
        for combination in _combinations(sweep, dims):
            index = [combination.get(i, 0) for i in range(len(sweep.dims))]
            p = sweep.point(index)
            for name in output_variables(sweep):
                units.setdefault(name, set()).add(model.unit_of(variables[name][0].unit, p))
        for name, found in units.items():
            if len(found) > 1:
                self.wrong(self._place(model.unit_parameters),
                           f"{name} would be stored in {' and in '.join(sorted(found))}. One "
                           "sweep has one unit for a variable. Make two sweeps of it.")  # fmt: skip
                return

    def _without_missing(self, sweep: Sweep) -> Sweep:
        """Leave out variables that no point can have, such as thermal ones without temperatures.

        Those that were asked for by name are refused.
        """
        model = sweep.model
        dims = sorted({sweep.axes[n] for n in model.shape_parameters if n in sweep.axes})
        points = [
            sweep.point([at.get(i, 0) for i in range(len(sweep.dims))])
            for at in itertools.islice(_combinations(sweep, dims), MOST_LOOKED_AT)
        ]
        known = model.variables()
        lengths = [model.lengths(p) for p in points]
        kept = []
        for name in sweep.outputs:
            why = [model.missing(name, p) for p in points]
            empty = [d for d in known[name][0].dims if all(n[d] == 0 for n in lengths)]
            if points and all(why):
                self._asked_for(f"outputs: {why[0]}")
            elif points and empty:
                self._asked_for(f"outputs: {name} would hold nothing: its dim {', '.join(empty)} "
                                f"has no length. Give {empty[0]}s under [fixed], or leave it "
                                "out.")  # fmt: skip
            else:
                kept.append(name)
        return replace(sweep, outputs=tuple(kept))

    def _asked_for(self, text: str) -> None:
        """Refuse what cannot be stored, if the file names its outputs."""
        if "outputs" in self.content:
            place, _, why = text.partition(": ")
            self.wrong(place, why)


def settled(sweep: Sweep) -> Sweep:
    """Make numbers of the settings of a sweep that are "auto", where its outputs feel them."""
    open_ = [n for n in _felt(sweep) if sweep.fixed.get(n) == "auto"]
    numbers = _numbers(sweep, open_) if open_ else {}
    if not numbers:
        return sweep
    document = {**sweep.document, "fixed": {**sweep.document.get("fixed", {}), **numbers}}
    return replace(
        sweep, fixed={**sweep.fixed, **numbers}, document=document, settled=tuple(numbers)
    )


def outgrown(sweep: Sweep) -> dict[str, tuple[Any, Any]]:
    """Find bounds that a sweep of more values would have made larger: as they are, as needed.

    A frequency grid stays what it was when the sweep began, whatever is added to its axes.
    """
    bounds = sweep.model.settles[:1]
    names = [n for n in bounds if n in _felt(sweep) and sweep.fixed[n] != "auto"]
    auto = replace(sweep, fixed={**sweep.fixed, **dict.fromkeys(names, "auto")})
    needed = _numbers(auto, names) if names else {}
    return {n: (sweep.fixed[n], x) for n, x in needed.items() if x > sweep.fixed[n] * (1 + 1e-9)}


def _felt(sweep: Sweep) -> list[str]:
    """Name the settings that may be "auto" and that some output depends on."""
    model = sweep.model
    needed = [model.stage(n) for n in needed_stages(model, dict.fromkeys(sweep.outputs))]
    felt = {n for s in needed for n in model.depends_on(s)}
    return [n for n in model.settles if n in felt]


def _numbers(sweep: Sweep, names: Sequence[str]) -> dict[str, Any]:
    """Have the model settle some of its parameters for the points of a sweep."""
    model = sweep.model
    dims = sorted({sweep.axes[n] for n in model.settled_by if n in sweep.axes})
    combinations = _combinations(sweep, dims)
    step = -(-len(combinations) // MOST_LOOKED_AT) or 1
    chosen = [*combinations[::step], *combinations[-1:]]
    found = model.settle(
        [sweep.point([at.get(i, 0) for i in range(len(sweep.dims))]) for at in chosen]
    )
    return {n: canonical(found[n]) for n in names if n in found}


def _whole(low: int, high: int) -> Any:
    def check(value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            msg = f"must be a whole number from {low} to {high}"
            raise ValueError(msg)
        return value

    return check


def _unfit(value: Any, place: str) -> Iterator[tuple[str, str]]:
    """Find what TOML, in which a sweep is kept, cannot say, or what no parameter may be."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _unfit(inner, f"{place}.{key}" if place else key)
    elif isinstance(value, list):
        for i, inner in enumerate(value):
            yield from _unfit(inner, f"{place}[{i}]")
    elif value is None:
        yield place, "is null, which is no value. Leave the key out to get its default."
    elif isinstance(value, float) and not math.isfinite(value):
        yield place, f"{shown(value)} is not a finite number. Give one."
    elif isinstance(value, str) and not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            yield place, f"{shown(value)} holds half a character. Write it as UTF-8."


def _is_group(group: Any) -> bool:
    return isinstance(group, list) and len(group) > 1 and all(isinstance(x, str) for x in group)


def _value(sweep: Sweep, name: str, combination: Mapping[int, int]) -> Any:
    if name not in sweep.axes:
        return sweep.fixed[name]
    place = sweep.axes[name]
    return sweep.dims[place].values[name][combination[place]]


def _combinations(sweep: Sweep, dims: Sequence[int]) -> list[dict[int, int]]:
    """List the combinations of indices along a few dims that some wanted point has."""
    wanted = wanted_on(sweep, dims)
    return [dict(zip(dims, map(int, i), strict=True)) for i in np.argwhere(wanted)]


def expand_range(kind: str, numbers: Any) -> list[float]:
    """Give the values of linspace, geomspace, logspace or arange, with numpy's meaning.

    Raises
    ------
    ValueError : says what the numbers must be
    """
    plain = isinstance(numbers, list) and all(
        isinstance(x, int | float) and not isinstance(x, bool) and abs(x) <= sys.float_info.max
        for x in numbers
    )
    if kind == "arange":
        if not plain or not 1 <= len(numbers) <= 3 or (len(numbers) == 3 and numbers[2] == 0):
            msg = "must be [stop], [start, stop] or [start, stop, step], the step not zero"
            raise ValueError(msg)
        start, stop, step = ([0, *numbers, 1] if len(numbers) == 1 else [*numbers, 1])[:3]
        if (float(stop) - float(start)) / step > MAX_VALUES:
            msg = f"has more than {MAX_VALUES:.0e} values"
            raise ValueError(msg)
        if max(abs(start), abs(stop), abs(step)) >= 2**62:  # numpy would make objects of them
            start, stop, step = float(start), float(stop), float(step)
        values = np.arange(start, stop, step)
        if not len(values):
            msg = "has no values"
            raise ValueError(msg)
        return _listed(values)
    if not plain or len(numbers) != 3 or not isinstance(numbers[2], int) or numbers[2] < 1:
        msg = "must be [first, last, how many], the last a whole number above zero"
        raise ValueError(msg)
    if numbers[2] > MAX_VALUES:
        msg = f"has more than {MAX_VALUES:.0e} values"
        raise ValueError(msg)
    if kind == "geomspace" and (0 in numbers[:2] or (numbers[0] < 0) != (numbers[1] < 0)):
        msg = "must run between two numbers of the same sign, neither zero"
        raise ValueError(msg)
    make: Any = {"linspace": np.linspace, "geomspace": np.geomspace, "logspace": np.logspace}[kind]
    with np.errstate(all="ignore"):  # what overflows is refused below
        values = make(float(numbers[0]), float(numbers[1]), numbers[2])
    if not np.isfinite(values).all():
        msg = "leaves the range of numbers"
        raise ValueError(msg)
    return _listed(values)


def _listed(values: NDArray[Any]) -> list[float]:
    listed: list[float] = values.tolist()
    return listed
