"""Parts of a page, and what has changed in them since a browser has seen them.

A browser names the version that it has of each part. What it has the newest of is not sent; of
what it has an older one of, the changes are, if that version is still remembered here.
"""

from __future__ import annotations

import hashlib
import json
import pickle
import threading
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from bokeh.embed import json_item
from bokeh.models import LayoutDOM

from dashboards import theme

MOST_REMEMBERED = 8 * 2**20
"""Characters of the versions of parts that changes can be told from: the table of a hundred sweeps
is there some thirty times."""
MOST_CHANGES = 0.5
"""Of a column, beyond which it is sent whole."""
_DRAWING = threading.Lock()
"""Bokeh has one current document for all threads."""

Columns = Mapping[str, Any]


class Part(ABC):
    """A piece of a page that is brought up to date by itself."""

    id: str

    @abstractmethod
    def content(self) -> str:
        """Give all that tells one state of the part from another."""

    @property
    def version(self) -> str:
        """Names this state of the part."""
        return digest(self.content())

    @abstractmethod
    def whole(self, *, dark: bool) -> dict[str, Any]:
        """Give everything."""

    def since(self, before: Part, *, dark: bool) -> dict[str, Any]:
        """Give what has changed since an earlier state."""
        return self.whole(dark=dark)

    def kept(self) -> Part | None:
        """Give what changes can be told from later; None where all is sent anyway."""
        return None


@dataclass(frozen=True)
class Words(Part):
    """Words, as HTML."""

    id: str
    html: str

    def content(self) -> str:
        """Give the HTML."""
        return self.html

    def whole(self, *, dark: bool) -> dict[str, Any]:
        """Give everything."""
        return {"html": self.html}


@dataclass(frozen=True)
class Rows(Part):
    """Rows of a table, each as HTML."""

    id: str
    rows: Mapping[str, str]
    """By a key that stays."""

    def content(self) -> str:
        """Give all rows with their keys."""
        return json.dumps(list(self.rows.items()))

    def whole(self, *, dark: bool) -> dict[str, Any]:
        """Give everything."""
        return {"order": list(self.rows), "rows": dict(self.rows)}

    def since(self, before: Part, *, dark: bool) -> dict[str, Any]:
        """Give the order, and the rows that are new or other."""
        old = before.rows if isinstance(before, Rows) else {}
        fresh = {key: row for key, row in self.rows.items() if old.get(key) != row}
        return {"order": list(self.rows), "rows": fresh}

    def kept(self) -> Part:
        """Keep the rows."""
        return self


@dataclass(frozen=True)
class Figure(Part):
    """A picture.

    Parameters
    ----------
    draw : draws it, on white
    key : what the picture hangs on beside its columns; another key is another picture
    sources : columns of the data sources that may change while the picture stays, by their names
    """

    id: str
    draw: Callable[[], LayoutDOM]
    key: str
    sources: Mapping[str, Columns] = field(default_factory=dict)

    def content(self) -> str:
        """Give the key and all columns."""
        return json.dumps([self.key, _plain(self.sources)])

    def whole(self, *, dark: bool) -> dict[str, Any]:
        """Give the whole picture."""
        with _DRAWING:
            content = self.draw()
            return {"figure": json_item(theme.dark(content) if dark else content)}

    def since(self, before: Part, *, dark: bool) -> dict[str, Any]:
        """Give the places of columns that are other, or columns, or the whole picture."""
        if not isinstance(before, Figure) or before.key != self.key:
            return self.whole(dark=dark)
        return {"changes": {
            name: _changes(_plain(before.sources[name]), _plain(columns))
            for name, columns in self.sources.items()
        }}  # fmt: skip

    def kept(self) -> Part | None:
        """Keep the columns, and nothing of what it takes to draw."""
        return Figure(self.id, _drawn_already, self.key, self.sources) if self.sources else None


def _drawn_already() -> LayoutDOM:
    msg = "an earlier state of a picture is not drawn again"
    raise RuntimeError(msg)


def _changes(old: dict[str, list[Any]], new: dict[str, list[Any]]) -> dict[str, Any]:
    """Give columns whole where much has changed, else the places and their values."""
    same_length = {len(c) for c in old.values()} == {len(c) for c in new.values()}
    found: dict[str, Any] = {"columns": {}, "patches": {}}
    for name, column in new.items():
        if not same_length or name not in old:
            return {"columns": new, "patches": {}}
        places = [i for i, (a, b) in enumerate(zip(old[name], column, strict=True)) if a != b]
        if len(places) > MOST_CHANGES * len(column):
            found["columns"][name] = column
        elif places:
            found["patches"][name] = [[i, column[i]] for i in places]
    return found


def _plain(value: Any) -> Any:
    """Give values that JSON has; NaN as None."""
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, np.ndarray):
        if value.dtype.kind == "f":
            shorter = value.astype(object)
            shorter[~np.isfinite(value)] = None
            return shorter.tolist()
        return value.tolist()
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return [_plain(v) for v in value] if isinstance(value, list | tuple) else value


def digest(text: str) -> str:
    """Give a short name for a text."""
    return hashlib.blake2b(text.encode(), digest_size=6).hexdigest()


class Memory:
    """The latest versions of parts, so that changes can be told."""

    def __init__(self) -> None:
        self._parts: OrderedDict[tuple[str, str], tuple[Part, int]] = OrderedDict()
        self._size = 0
        self._lock = threading.Lock()

    def answer(self, part: Part, known: str | None, *, dark: bool) -> dict[str, Any] | None:
        """Give what a browser that knows a version lacks; None if it lacks nothing."""
        content = part.content()
        version = digest(content)
        with self._lock:
            before, _ = self._parts.get((part.id, known or ""), (None, 0))
            if (kept := part.kept()) is not None:
                self._keep((part.id, version), kept, len(content))
        if known == version:
            return None
        told = part.whole(dark=dark) if before is None else part.since(before, dark=dark)
        return {"id": part.id, "version": version, **told}

    def _keep(self, name: tuple[str, str], part: Part, size: int) -> None:
        """Keep a part as the latest; the oldest go when all together are too much."""
        _, before = self._parts.pop(name, (part, 0))
        self._parts[name] = part, size
        self._size += size - before
        while self._size > MOST_REMEMBERED and len(self._parts) > 1:
            _, (_, gone) = self._parts.popitem(last=False)
            self._size -= gone


def digest_of(value: Any) -> str:
    """Give a short name for numbers and words of any shape."""
    return hashlib.blake2b(pickle.dumps(value, protocol=5), digest_size=8).hexdigest()
