"""What owner and workers tell each other: orders out, receipts back.

Both are small: data never flows through the scheduler.
"""

from __future__ import annotations

from dataclasses import dataclass, field


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
    """Why one point of a block failed."""

    place: tuple[int, ...]
    """Indices along the region's dims."""
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
