"""What owner and workers tell each other: orders out, receipts back.

Both are small: data never flows through the scheduler.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol, TypeVar


class Failed(Protocol):
    """Something that failed for a reason."""

    @property
    def kind(self) -> str:
        """Which way it failed."""

    @property
    def message(self) -> str:
        """Why."""


SomeFailed = TypeVar("SomeFailed", bound=Failed)


@dataclass(frozen=True)
class Order:
    """What a block task is told."""

    folder: str
    generation: int
    region: str
    block: int
    attempt: int
    skip: tuple[tuple[int, ...], ...] = ()
    """Points that read a shared result which failed; the error stands with that one."""


@dataclass(frozen=True)
class PointError:
    """Why one instance of a stage failed."""

    stage: str
    """The stage to blame: that of the point, or a shared one before it."""
    place: tuple[int, ...]
    """Indices along the dims of the sweep that the stage depends on."""
    kind: str
    message: str
    traceback: str
    attempts: int


@dataclass(frozen=True)
class Receipt:
    """What a block returns."""

    region: str
    block: int
    generation: int
    dropped: bool = False
    """Another owner had taken over; nothing was written."""
    status: bytes = b""
    """uint8 for each point of the block's box, in its order; skipped ones 0."""
    attempts: bytes = b""
    seconds: bytes = b""
    """float32 for each point."""
    errors: tuple[PointError, ...] = ()
    files: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Size and checksum by name."""
    worker: str = ""
    kernel: str = ""


def grouped(failures: Iterable[SomeFailed]) -> dict[tuple[str, str], list[SomeFailed]]:
    """Group failures by kind and message, the largest group first."""
    groups: dict[tuple[str, str], list[SomeFailed]] = {}
    for failure in failures:
        groups.setdefault((failure.kind, failure.message), []).append(failure)
    return dict(sorted(groups.items(), key=lambda item: -len(item[1])))
