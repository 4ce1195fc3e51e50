"""A report: what a sweep was, how far it is, and all its pictures, in one file."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bokeh.embed import components
from bokeh.models import UIElement
from bokeh.resources import INLINE
from markupsafe import Markup

import sweep
from dashboards.files import write_text
from dashboards.plotting import results_of
from dashboards.progress.status_map import collect_status_map, columns_of, draw_status_map
from dashboards.site import wording
from dashboards.site.site import templates
from dashboards.views.registry import views_of
from dashboards.views.view import Frame, Results, chosen_of
from sweep import InputError

HERE = Path(__file__).parent
FRAME = Frame(1080, 460)
MOST_FAILURES = 20
ABSOLUTE = re.compile(r"(?<![\w./])/(?:[^\s/:'\"]+/)+([^\s/:'\"]*)")
"""A path from the root of a machine; its last name says enough."""
ADDRESS = re.compile(r"\b(?:tcp|tls|ucx)://[^\s,;'\"]+")


@dataclass(frozen=True)
class Section:
    """A picture of a report, or why it is not there."""

    title: str
    at: str
    """What was chosen."""
    content: UIElement | None
    words: str = ""


def write_report(
    name: str | Path, out: str | Path, workspace: str | Path = "results", *, portable: bool = False
) -> Path:
    """Write everything that there is to see of a sweep as one HTML file that needs no network.

    Parameters
    ----------
    portable : leave out where on this machine anything lies; lines that repeat a failure name
        the file sweep.toml, which is passed on with the report

    Raises
    ------
    StoreError : there is no such sweep
    MachineError : the file cannot be written
    """
    status = sweep.status(name, workspace)
    results = results_of(status.path)
    sections = [_map(results), *[_section(results, view) for view in views_of(results)]]
    drawn = [s for s in sections if s.content is not None]
    script, places = components([s.content for s in drawn])
    placed = dict(zip(map(id, drawn), places, strict=True))
    page = templates.get_template("report.html").render(
        status=status, words=wording, written=time.strftime("%Y-%m-%d %H:%M"),
        facts=_facts(results), axes=_axes(results), document=sweep.document(status.path),
        sections=[(s, Markup(placed.get(id(s), ""))) for s in sections],  # noqa: S704 - of Bokeh
        failures=_failures(status.path, portable=portable),
        bokeh=Markup(INLINE.render_js()), script=Markup(script),  # noqa: S704 - of Bokeh
        style=Markup((HERE / "site" / "static" / "modesweep.css").read_text()),  # noqa: S704
    )  # fmt: skip
    out = Path(out)
    write_text(out, page)
    return out


@dataclass(frozen=True)
class Failures:
    """Points that failed alike, as a report tells of them."""

    count: int
    stage: str
    kind: str
    message: str
    command: str
    """Repeats the first."""


def _failures(folder: Path, *, portable: bool) -> list[Failures]:
    found = []
    for group in sweep.failures(folder, most_groups=MOST_FAILURES, most_points=1):
        message, first = group.message, group.points[0] if group.points else None
        command = first.command if first else ""
        if portable:
            message = ADDRESS.sub("a worker", ABSOLUTE.sub(r"\1", message))
            command = sweep.command_line("sweep.toml", first.point) if first else ""
        found.append(Failures(group.count, group.stage, group.kind, message, command))
    return found


def _map(results: Results) -> Section:
    """Draw the status of all points over the first two axes."""
    axes = results.axes
    x = axes[0] if axes else ""
    y = axes[1] if len(axes) > 1 else ""
    found = collect_status_map(results.dataset, x, y)
    drawn = draw_status_map(found.grid, columns_of(found), FRAME.width, link="")
    return Section("Status of the points", "", drawn)


def _section(results: Results, view: Any) -> Section:
    controls = view.controls(results, {})
    at = ", ".join(
        f"{c.label}: {dict(c.options).get(c.value, c.value)}" for c in controls if c.value
    )
    title = str(view.title)[:1].upper() + str(view.title)[1:]
    try:
        return Section(title, at, view.draw(view.collect(results, chosen_of(controls)), FRAME))
    except InputError as error:
        return Section(title, at, None, str(error))


def _facts(results: Results) -> list[tuple[str, str]]:
    attrs = results.dataset.attrs
    versions = ", ".join(f"{n} {v}" for n, v in dict(attrs.get("versions", {})).items())
    told = [
        ("model", f"{results.model}, revision {attrs.get('revision', '?')}"),
        ("about", str(attrs.get("title", ""))), ("source", str(attrs.get("source", ""))),
        ("begun", str(attrs.get("created", ""))), ("versions", versions),
        ("linear algebra", str(attrs.get("blas", ""))),
    ]  # fmt: skip
    return [(name, text) for name, text in told if text]


def _axes(results: Results) -> list[tuple[str, str]]:
    data = results.dataset
    return [(n, ", ".join(map(str, _few(data[n].values.tolist()))))
            for n in results.axes if n in data.coords]  # fmt: skip


def _few(values: list[Any]) -> list[Any]:
    return values if len(values) <= 12 else [*values[:9], "...", values[-1]]
