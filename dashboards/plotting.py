"""One picture of the results of a sweep: chosen by words, drawn, written to a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bokeh.models import LayoutDOM

import sweep
from dashboards import theme
from dashboards.files import write_page, write_picture, write_svg, write_text
from dashboards.tables import csv_of
from dashboards.views.registry import VIEWS, views_of
from dashboards.views.view import Control, Frame, Results, Table, View, chosen_of, value_text
from sweep import InputError, MachineError

ENDINGS = (".html", ".png", ".svg", ".csv")
MARGIN = 40
"""Pixels around a picture."""


@dataclass(frozen=True)
class Picture:
    """A drawn view of a sweep."""

    title: str
    content: LayoutDOM
    table: Table
    chosen: Mapping[str, str]
    frame: Frame


def results_of(name: str | Path, workspace: str | Path = "results") -> Results:
    """Open a sweep for views.

    Raises
    ------
    StoreError : there is no such sweep
    """
    folder = sweep.status(name, workspace).path
    return Results(sweep.open(folder), str(folder))


def offered(
    name: str | Path, workspace: str | Path = "results"
) -> list[tuple[View[Any], list[Control]]]:
    """Give the views that fit a sweep, each with what can be chosen in it.

    Raises
    ------
    StoreError : there is no such sweep
    """
    results = results_of(name, workspace)
    return [(view, view.controls(results, {})) for view in views_of(results)]


def picture(
    results: Results, kind: str = "", choices: Mapping[str, Any] | None = None,
    frame: Frame | None = None,
) -> Picture:  # fmt: skip
    """Draw a view of a sweep.

    Parameters
    ----------
    kind : name of the view; default: the first that fits
    choices : values by the names of its controls; what is not given is as the page has it

    Raises
    ------
    InputError : names every choice that is none, or says that there is nothing to show
    """
    view = _view(results, kind)
    asked = {name: value_text(value) for name, value in (choices or {}).items()}
    controls = view.controls(results, asked)
    _check(view, controls, asked)
    chosen = chosen_of(controls)
    collected = view.collect(results, chosen)
    frame = frame or Frame()
    title = f"{results.name}: {view.title}"
    return Picture(title, view.draw(collected, frame), view.table(collected), chosen, frame)


def plot(
    name: str | Path, out: str | Path, *, kind: str = "", choices: Mapping[str, Any] | None = None,
    workspace: str | Path = "results", width: int = 1000, height: int = 460, dark: bool = False,
) -> Path:  # fmt: skip
    """Draw a view of a sweep into a file.

    Parameters
    ----------
    out : its ending says what it becomes: .html, .png, .svg, .csv (the numbers)
    kind, choices : see `picture`
    width, height : of the picture, in pixels; PNG has twice as many

    Raises
    ------
    InputError : an unknown ending, kind or choice
    MachineError : PNG and SVG need a Chromium, or the file cannot be written
    """
    out = Path(out)
    if out.suffix not in ENDINGS:
        msg = f"{out}: pictures end in {', '.join(ENDINGS)}. Give one of these."
        raise InputError(msg)
    drawn = picture(results_of(name, workspace), kind, choices, Frame(width, height))
    if out.suffix == ".csv":
        write_text(out, csv_of(drawn.table))
        return out
    content = theme.dark(drawn.content) if dark else drawn.content
    background = theme.DARK["white"] if dark else "white"
    if out.suffix == ".html":
        return write_page(content, out, drawn.title, background=background)
    if out.suffix == ".svg":
        return write_svg(content, out, drawn.title)
    page = write_page(content, out.with_suffix(".partial.html"), drawn.title, background=background)
    try:
        if not write_picture(page, out, (width + MARGIN, height + MARGIN)):
            msg = f"{out} needs a Chromium, which this machine lacks. Give a file .html instead."
            raise MachineError(msg)
    finally:
        page.unlink(missing_ok=True)
    return out


def _view(results: Results, kind: str) -> View[Any]:
    fitting = views_of(results)
    for view in fitting:
        if kind in ("", view.name):
            return view
    known = {v.name for v in VIEWS}
    why = "does not have what it shows" if kind in known else "has no such view"
    msg = (
        f"--kind {kind!r}: {results.name} {why}. Views of it: {', '.join(v.name for v in fitting)}."
    )
    raise InputError(msg)


def _check(view: View[Any], controls: Sequence[Control], asked: Mapping[str, str]) -> None:
    """Name every choice that there is not."""
    known = {c.name: c for c in controls}
    problems = [
        f"{name!r} cannot be chosen. Choices: {', '.join(known) or 'none'}."
        for name in asked if name not in known
    ]  # fmt: skip
    for name, control in known.items():
        if name in asked and control.value != asked[name]:
            legal = [value for value, _ in control.options]
            few = legal if len(legal) <= 12 else [*legal[:10], "...", legal[-1]]
            problems.append(f"{name} has no value {asked[name]!r}. Values: {', '.join(few)}.")
    if problems:
        msg = f"The view {view.name} cannot be drawn: {' '.join(problems)}"
        raise InputError(msg)
