"""What all pages share: a path, a query that holds their whole state, and parts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol

from dashboards.site.parts import Part
from dashboards.site.watching import Watch
from sweep import InputError, Status

Query = Mapping[str, str]


class Service(Protocol):
    """What the pages look at."""

    workspace: Path

    def statuses(self) -> list[Status]:
        """Say how far all sweeps are."""

    def status(self, name: str) -> Status:
        """Say how far a sweep is."""

    def folder(self, name: str) -> Path:
        """Give the folder of a sweep."""

    def document(self, name: str) -> dict[str, Any]:
        """Give a sweep file as plain values."""

    def cluster(self) -> dict[str, Any]:
        """Tell of the scheduler and the workers."""


@dataclass(frozen=True)
class Request:
    """A page that is asked for."""

    watch: Watch
    query: Query
    """The state of the page."""
    sweep: str = ""
    base: str = ""
    """Before all paths."""
    wide: int = 1160
    """Pixels that a picture may take."""


@dataclass(frozen=True)
class Content:
    """What a page shows now."""

    parts: list[Part]
    state: dict[str, str] = field(default_factory=dict)
    """The state in full, as a link to this page holds it."""
    seconds: float = 2.0
    """After which it is worth to look again."""


@dataclass(frozen=True)
class File:
    """Something to be downloaded."""

    name: str
    content: bytes
    kind: str = "text/csv; charset=utf-8"


class Page(ABC):
    """A page: what it is called, its template, and its parts."""

    path: ClassVar[str]
    """Pattern of its path; a group `sweep` is a name."""
    template: ClassVar[str]

    @abstractmethod
    def title(self, request: Request) -> str:
        """Name the page."""

    @abstractmethod
    def content(self, request: Request) -> Content:
        """Give the parts as they are now.

        Raises
        ------
        SweepError : there is nothing to show, in words for the reader
        """

    def file(self, request: Request, name: str) -> File:
        """Give something that can be downloaded from the page.

        Raises
        ------
        SweepError : there is no such file
        """
        msg = f"This page has no file {name!r}."
        raise InputError(msg)
