"""modesweep diff"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from sweep.cli.common import AsJson, Workspace, show_json, show_table
from sweep.cli.comparisons import COLUMNS, place_of, row_of, show_notes
from sweep.cli.suggestions import sweeps
from sweep.comparison.differing import Difference, diff
from sweep.layout import DEFAULT_WORKSPACE
from sweep.problems import shown

MOST_TEXT = 60


def command(
    a: Annotated[str, typer.Argument(help="Name or folder of a sweep.", autocompletion=sweeps)],
    b: Annotated[str, typer.Argument(help="Name or folder of another.", autocompletion=sweeps)],
    tolerance: Annotated[
        float | None,
        typer.Option(help="Relative, for all variables; default: what each of them declares."),
    ] = None,
    workspace: Workspace = DEFAULT_WORKSPACE,
    as_json: AsJson = False,
) -> None:
    """Compare two sweeps of one model: parameters, axes, status, values at points of both."""
    found = diff(a, b, tolerance=tolerance, workspace=workspace)
    if as_json:
        show_json(found.as_dict())
    else:
        _show(found)


def _show(d: Difference) -> None:
    print(f"a  {d.a}: {d.points[0]:,} points of {d.model}")
    print(f"b  {d.b}: {d.points[1]:,} points of {d.model}")
    if d.parameters:
        print()
        rows = [(_unit(p.name, p.unit), _text(p.a), _text(p.b)) for p in d.parameters]
        show_table("Set for the whole sweep", ["", "a", "b"], rows)
    if d.axes:
        print()
        axes = [
            (_unit(x.name, x.unit), _roles(x.swept), f"{x.both:,}", _text(x.only_a),
             _text(x.only_b))
            for x in d.axes
        ]  # fmt: skip
        show_table("Axes", ["", "", "values of both", "only in a", "only in b"], axes)
    print(f"\n{d.both:,} points are in both, {d.compared:,} of them with a result in both")
    _show_results(d)


def _show_results(d: Difference) -> None:
    if d.status:
        print()
        status = [(s.a, s.b, f"{s.points:,}", place_of(s.at)) for s in d.status]
        show_table("Status", ["in a", "in b", "points", "first at"], status)
    if d.variables and d.both:
        print()
        show_table("", COLUMNS, [row_of(c) for c in d.variables])
        show_notes(d.variables)
    for side, names in (("a", d.only_a), ("b", d.only_b)):
        if names:
            print(f"Only in {side}: {', '.join(names)}.")
    print()
    print(_verdict(d))


def _verdict(d: Difference) -> str:
    if not d.compared:
        return "There is nothing to compare: no point has a result in both."
    beyond = [c.variable.name for c in d.variables if c.disagreeing]
    if beyond:
        return f"Beyond rounding: {', '.join(beyond)}"
    return "What both have agrees within rounding"


def _unit(name: str, unit: str) -> str:
    return f"{name} / {unit}" if unit else name


def _roles(swept: tuple[bool, bool]) -> str:
    return "" if all(swept) else f"fixed in {'b' if swept[0] else 'a'}"


def _text(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, str):
        return value
    if isinstance(value, Sequence):
        return _listed([f"{v:.6g}" if isinstance(v, float) else str(v) for v in value])
    return shown(value)


def _listed(words: Sequence[str]) -> str:
    """List words as far as there is room, and say how many there are."""
    text, told = "", 0
    for word in words:
        if told and len(text) + len(word) > MOST_TEXT:
            return f"{text}, ... ({len(words):,} values)"
        text, told = f"{text}, {word}" if told else word, told + 1
    return text
