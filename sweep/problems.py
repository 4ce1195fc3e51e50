"""What can go wrong, and the exit code that each kind has at the command line.

SweepError                    70  our bug, when nothing below fits
├── InputError (ValueError)    2  the user can mend it before work starts
│   └── RefusedError           2  legal, but over a budget or against what is stored
│       └── OwnedError         2  another process is at the sweep
├── DeviationError             1  results are not what they should be
├── UnreachableError           3  scheduler or workers are not there (ConnectionError)
├── MachineError (OSError)     5  disk full, input or output failed
│   └── ObjectsError           5  an object store refuses, which may pass
└── StoreError (ValueError)    2  what lies on disk is not what it should be
    └── NoSweepError           2  there is no sweep of that name

Every class takes one plain string, so that it can be pickled anywhere.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar


class SweepError(Exception):
    """Anything that this package raises on purpose."""

    exit_code: ClassVar[int] = 70


class InputError(SweepError, ValueError):
    """What the user gave cannot be run; the message lists every problem."""

    exit_code = 2


class RefusedError(InputError):
    """Legal input that would break a budget, or something already stored."""


class OwnedError(RefusedError):
    """Another process is at the sweep; it passes."""


class StoreError(SweepError, ValueError):
    """A sweep on disk cannot be read."""

    exit_code = 2


class NoSweepError(StoreError):
    """There is no sweep of that name."""


class DeviationError(SweepError):
    """Stored results are damaged, or not what the model gives."""

    exit_code = 1


class UnreachableError(SweepError, ConnectionError):
    """The scheduler or its workers are not there, or are of no use."""

    exit_code = 3


class MachineError(SweepError, OSError):
    """The machine refused: no space, no permission, input or output failed."""

    exit_code = 5


class ObjectsError(MachineError):
    """An object store refuses, or is not there; it may be there again."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a sweep file."""

    place: str
    """Path of keys, such as "axes.layers[2]"."""
    text: str
    """What is wrong, what is allowed, what to do."""


def report(problems: Iterable[Problem], source: str, lines: dict[str, int]) -> str:
    """Write all problems, each with its line where it is known."""
    rows = [f"{source} cannot be run:"]
    for problem in problems:
        line = _line(problem.place, lines)
        where = f"{source}:{line}" if line else source
        rows.append(printable(f"  {where}  {problem.place}: {problem.text}"))
    return "\n".join(rows)


def printable(text: str) -> str:
    """Write what a terminal would obey, such as a line break in a key, as an escape."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _line(place: str, lines: dict[str, int]) -> int | None:
    """Find the line of a place, or of the nearest place around it."""
    while place:
        if place in lines:
            return lines[place]
        place = place[: max(place.rfind("."), place.rfind("["), 0)]
    return None


def nearest(word: str, legal: Iterable[str]) -> str:
    """Suggest the legal word that looks most like this one: ' Did you mean ...?' or ''."""
    by_lower = {str(x).lower(): str(x) for x in legal}
    try:
        close = difflib.get_close_matches(str(word).lower(), by_lower, n=1, cutoff=0.6)
    except ValueError:  # a number of too many digits to be written
        return ""
    return f' Did you mean "{by_lower[close[0]]}"?' if close else ""


def _described(value: Any) -> str:
    """Name a value that JSON has no word for: a date, a number of thousands of digits."""
    try:
        return repr(str(value) if hasattr(value, "isoformat") else value)
    except (ValueError, RecursionError):
        return "a number of very many digits" if isinstance(value, int) else "a very deep value"


def shown(value: Any, limit: int = 60) -> str:
    """Show a value in one short line."""
    try:
        text = json.dumps(value)
    except (TypeError, ValueError, RecursionError):
        text = _described(value)
    return text if len(text) <= limit else text[: limit - 3] + "..."
