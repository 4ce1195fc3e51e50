"""What owner and workers tell each other: orders out, receipts back.

Both are small: data never flows through the scheduler.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeVar

NUMBER = re.compile(r"[-+]?\d+(\.\d*)?([eE][-+]?\d+)?")


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
    serial: int
    """Unlike any other order of this owner."""
    starts: int = 0
    """How often the points were started before, by workers that died."""
    only: bytes | None = None
    """bool for each point of the block's box: the ones to compute. None: all of them.
    The others keep what is stored."""
    alone: bool = False
    """Compute each point by itself: one of them has killed a worker."""
    code: str = ""
    """Names a state of the models' code: it is loaded afresh where another was named before."""

    @property
    def name(self) -> str:
        """What the note of its block calls it."""
        return f"{self.generation}.{self.serial}"


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


Outcome = Literal["written", "dropped", "died", "unfit"]


@dataclass(frozen=True)
class Receipt:
    """What a block returns."""

    region: str
    block: int
    generation: int
    outcome: Outcome = "written"
    """dropped: another owner or a later order had taken over, and nothing was written;
    died: the worker that had this order before is gone; unfit: this worker cannot do it."""
    suspects: bytes = b""
    """bool for each point of the box: those in hand when the worker died; empty: not known."""
    message: str = ""
    """Why the worker is unfit."""
    status: bytes = b""
    """uint8 for each point of the block's box, in its order; those left out are 0."""
    attempts: bytes = b""
    seconds: bytes = b""
    """float32 for each point."""
    errors: tuple[PointError, ...] = ()
    files: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Size and checksum by name."""
    ranges: dict[str, bytes] = field(default_factory=dict)
    """Ranges of the values by variable, packed, for the index that queries use."""
    work: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Seconds and counted operations by stage."""
    worker: str = ""
    kernel: str = ""


def grouped(failures: Iterable[SomeFailed]) -> dict[tuple[str, str], list[SomeFailed]]:
    """Group failures by kind and message, the largest group first.

    Messages that differ in numbers alone are one group, under the message of its first.
    """
    groups: dict[tuple[str, str], list[SomeFailed]] = {}
    for failure in failures:
        groups.setdefault((failure.kind, NUMBER.sub("#", failure.message)), []).append(failure)
    ordered = sorted(groups.items(), key=lambda item: -len(item[1]))
    return {(kind, members[0].message): members for (kind, _), members in ordered}
