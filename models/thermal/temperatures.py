"""What every model asks of its list of temperatures."""

from typing import Any


def must_ascend(p: Any) -> str | None:
    """Refuse `temperatures` that do not ascend: they are the coordinate of a dim."""
    if list(p.temperatures) != sorted(set(p.temperatures)):
        return "`temperatures` must ascend without repeats."
    return None
