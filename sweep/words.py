"""Sizes, times and counts as people read them."""

from __future__ import annotations

from collections.abc import Mapping


def readable_bytes(count: float) -> str:
    """Write a number of bytes with a fitting unit."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"


def readable_seconds(count: float) -> str:
    """Write a time with a fitting unit."""
    if count < 1:
        return f"{count * 1000:.0f} ms"
    if count < 60:
        return f"{count:.1f} s"
    if count < 3600:
        return f"{int(count // 60)} min {int(count % 60):02d} s"
    if count < 86400 * 3:
        return f"{int(count // 3600)} h {int(count % 3600 // 60):02d} min"
    return f"{count / 86400:.1f} days"


def eta_text(left: tuple[float, float] | None) -> str:
    """Write the time left as a range."""
    if left is None:
        return "time left not known yet"
    return f"{readable_seconds(left[0])} to {readable_seconds(left[1])} left"


def counts_text(counts: Mapping[str, int]) -> str:
    """Write counts by status in one line."""
    return ", ".join(f"{n:,} {name}" for name, n in counts.items()) or "no points"
