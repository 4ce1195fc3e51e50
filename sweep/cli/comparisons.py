"""Comparisons of variables as `verify` and `diff` print them."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import Progress

from sweep.comparison.values import Comparison
from sweep.comparison.verifying import Told

COLUMNS = ("variable", "unit", "points beyond", "values beyond", "largest deviation", "relative",
           "tolerance", "at")  # fmt: skip


@contextmanager
def recomputing_bar() -> Iterator[Told | None]:
    """Show on a terminal how far a sample is computed again."""
    if not sys.stderr.isatty():
        yield None
        return
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("computing again", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def row_of(c: Comparison) -> tuple[str, ...]:
    """Give the row of a variable: what was compared, the largest deviation and its place."""
    unit = "" if c.unit == "1" else c.unit
    head = (c.variable.name, unit, f"{c.disagreeing:,} of {c.points:,}",
            f"{c.differing:,} of {c.values:,}")  # fmt: skip
    if not c.points:
        return (*head, "not compared", "", "", "")
    if c.identical == c.points:
        return (*head, "same bytes", "", _tolerance(c), "")
    if c.relative == 0:
        return (*head, "none", "", _tolerance(c), "")
    if c.exact:
        counts = not c.variable.flags and c.variable.dtype != "str"
        return (*head, f"{c.absolute:g}" if counts else "differs", "", "exact", place_of(c.at))
    return (*head, _number(c.absolute), _number(c.relative), _tolerance(c), place_of(c.at))


def _tolerance(c: Comparison) -> str:
    return "exact" if c.exact else f"{c.tolerance:.2g}"


def _number(value: float) -> str:
    return f"{value:.1e}" if math.isfinite(value) else "missing"


def place_of(at: Mapping[str, Any]) -> str:
    """Write a place as axis=value pairs."""
    return " ".join(f"{name}={_word(value)}" for name, value in at.items()) or "the only point"


def _word(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    return f'"{value}"' if " " in str(value) else str(value)


def show_notes(comparisons: Iterable[Comparison]) -> None:
    """Say below the table what its numbers mean where that is not plain."""
    found = list(comparisons)
    moved = [c for c in found if c.relative > 0 and not c.exact]
    roots = [c for c in moved if c.variable.root]
    grouped = [c for c in moved if c.variable.degenerate]
    undecided = [c for c in found if c.undecided]
    if roots:
        print(f"{_names(roots)}: relative deviation of the squares, over the largest square.")
    if grouped:
        print(f"{_names(grouped)}: degenerate modes compared as a group.")
    if any(math.isinf(c.relative) for c in found):
        print("missing: one side has a value there, the other has none.")
    for c in undecided:
        print(f"{c.variable.name}: {c.undecided:,} more differ within groups of degenerate modes, "
              "which decides nothing.")  # fmt: skip
    for c in found:
        if c.note:
            left = f"{c.left_out:,} points not compared: " if c.left_out else ""
            print(f"{c.variable.name}: {left}{c.note}.")


def _names(found: Iterable[Comparison]) -> str:
    return ", ".join(c.variable.name for c in found)
