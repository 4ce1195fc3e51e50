"""One point in the process at hand: no cluster, no child, no limits, so that a debugger can look.

The numbers are those that a sweep stores: the same stages, cut into the same grains, with
one thread of linear algebra.
"""

from __future__ import annotations

import shlex
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import threadpoolctl

from models.evaluate import Evaluator
from models.protocol import Arrays, Variable
from models.units import FREQUENCY_UNITS
from sweep import documents
from sweep.layout import DEFAULT_WORKSPACE, is_sweep, sweep_file
from sweep.locating import locate
from sweep.problems import InputError, nearest
from sweep.spec import Sweep, output_variables
from sweep.sweep_file import FORMAT, read
from sweep.values import FieldValues, plain

ENDINGS = (".toml", ".yaml", ".yml", ".json")


@dataclass(frozen=True)
class Point:
    """A point that was checked and can be computed."""

    sweep: Sweep
    """Without axes: every parameter is fixed."""
    variables: dict[str, Variable]
    """What is computed, by name."""
    unit: str | None
    """Of frequencies, if not the one that a sweep would store."""

    @property
    def parameters(self) -> Any:
        """The parameters, as the model takes them."""
        return self.sweep.point(())

    def compute(self) -> Arrays:
        """Compute the variables, by name; what the numerics raise is raised as it is."""
        model, p = self.sweep.model, self.parameters
        evaluator = Evaluator(model)
        found: Arrays = {}
        with threadpoolctl.threadpool_limits(1, "blas"):  # as a numerics process has it
            for stage in model.stages:
                names = [v.name for v in stage.variables if v.name in self.variables]
                whole = evaluator.whole(stage, p) if names else {}
                found |= {n: self._converted(n, model.present(n, whole[n][0], p)) for n in names}
        return {name: found[name] for name in self.variables}

    def unit_of(self, name: str) -> str:
        """Give the unit of a computed variable."""
        stored = self._stored_unit(name)
        # an energy is stored in meV, too
        frequency = stored in FREQUENCY_UNITS and self.variables[name].unit != "energy"
        return self.unit if self.unit is not None and frequency else stored

    def _stored_unit(self, name: str) -> str:
        return self.sweep.model.unit_of(self.variables[name].unit, self.parameters)

    def _converted(self, name: str, values: Any) -> Any:
        unit, stored = self.unit_of(name), self._stored_unit(name)
        if unit == stored:
            return values
        return values * (FREQUENCY_UNITS[unit] / FREQUENCY_UNITS[stored])


def point(
    source: str | Path | Mapping[str, Any] | Sweep,
    values: Mapping[str, Any],
    *,
    variables: Sequence[str] = (),
    unit: str | None = None,
    workspace: str | Path = DEFAULT_WORKSPACE,
) -> Arrays:
    """Compute one point of a sweep in this process.

    Parameters
    ----------
    source : sweep file or a dict of the same shape, or a stored sweep by name or folder
    values : a legal value for every axis, on the axis or not; other parameters may be given, too
    variables : what to compute; default: what the sweep stores
    unit : THz, cm-1 or meV, for frequencies; default: as the sweep stores them

    Returns
    -------
    arrays by name, without the axes of the sweep

    Raises
    ------
    InputError : names every axis without a value, unknown name and illegal value
    """
    return prepared(source, values, variables=variables, unit=unit, workspace=workspace).compute()


def prepared(
    source: str | Path | Mapping[str, Any] | Sweep,
    values: Mapping[str, Any],
    *,
    variables: Sequence[str] = (),
    unit: str | None = None,
    workspace: str | Path = DEFAULT_WORKSPACE,
) -> Point:
    """Check a point; computes nothing. See `point`."""
    whole = read(_found(source, workspace))
    document, problems = _document(whole, values, variables)
    problems += _unknown_unit(unit)
    try:
        sweep = read(document)
    except InputError as error:
        problems += _of_the_point(str(error))
    if problems:
        msg = "\n  ".join([f"The point of {whole.name} cannot be computed:", *problems])
        raise InputError(msg)
    stored = output_variables(sweep)
    wanted = dict.fromkeys(variables or stored)
    found = Point(sweep, {n: sweep.model.variables()[n][0] for n in wanted}, unit)
    for name, variable in found.variables.items():
        if unit is not None and variable.unit == "frequency" and found.unit_of(name) != unit:
            msg = (
                f"{name} is computed in {found.unit_of(name)}, which {unit} cannot express: "
                "reduced units have no scale. Give a `material`, or leave the unit out."
            )
            raise InputError(msg)
    return found


def _found(
    source: str | Path | Mapping[str, Any] | Sweep, workspace: str | Path
) -> Path | Mapping[str, Any] | Sweep:
    """Tell a sweep file from a stored sweep."""
    if not isinstance(source, str | Path):
        return source
    if Path(source).suffix in ENDINGS and not is_sweep(Path(source)):
        return Path(source)
    return sweep_file(locate(source, workspace))


def _document(
    sweep: Sweep, values: Mapping[str, Any], variables: Sequence[str]
) -> tuple[dict[str, Any], list[str]]:
    """Write the sweep of this one point, and say which axes have no value.

    They get their first value, so that all the others are checked, too.
    """
    first = {a: plain(along[0]) for dim in sweep.dims for a, along in dim.values.items()}
    problems = [
        f"{axis}: is an axis and has no value. Give one, such as {_word(axis, value)}."
        for axis, value in first.items()
        if axis not in values
    ]
    given = {name: _meant(sweep, name, plain(value)) for name, value in values.items()}
    document = {
        "modesweep": FORMAT, "name": sweep.name, "model": sweep.model.name,
        "fixed": sweep.document.get("fixed", {}) | first | given,
    }  # fmt: skip
    if variables:
        document["outputs"] = list(dict.fromkeys(variables))
    elif "outputs" in sweep.document:
        document["outputs"] = sweep.document["outputs"]
    return document, problems


def _meant(sweep: Sweep, name: str, value: Any) -> Any:
    """Take a bare 111 for "111" where that is a word and the number is not allowed."""
    if isinstance(value, int | float) and name in sweep.model.parameters.model_fields:
        legal = FieldValues(sweep.model.parameters, name)
        if str(value) in legal.words and legal.check([value])[1]:
            return str(value)
    return value


def _unknown_unit(unit: str | None) -> list[str]:
    if unit is None or unit in FREQUENCY_UNITS:
        return []
    known = ", ".join(FREQUENCY_UNITS)
    return [f"unit: {unit!r} is not known.{nearest(unit, FREQUENCY_UNITS)} Units: {known}."]


def _of_the_point(report: str) -> list[str]:
    """Take the problems from the report of a sweep file that the user never saw."""
    return [
        line.strip().removeprefix("sweep").strip().removeprefix("fixed.")
        for line in report.splitlines()[1:]
    ]


def command_line(folder: str | Path, values: Mapping[str, Any]) -> str:
    """Give the line that computes a point again, to be copied into a shell."""
    words = [_word(name, value) for name, value in values.items()]
    return " ".join(["modesweep point", shlex.quote(str(folder)), *words])


def _word(name: str, value: Any) -> str:
    return shlex.quote(f"{name}={typed(value)}")


def typed(value: Any) -> str:
    """Write a value as it is given on the command line: TOML, or a bare word."""
    value = plain(value)
    if isinstance(value, str) and not _reads_as_toml(value):
        return value
    # a list of one: TOML writes tables inside lists in one line
    return documents.to_toml({"v": [value]}).removeprefix("v = [").removesuffix("]\n")


def _reads_as_toml(text: str) -> bool:
    """Say whether a string would be taken for something else without quotes."""
    try:
        tomllib.loads(f"v = {text}")
    except tomllib.TOMLDecodeError:
        return text != text.strip()
    return True
