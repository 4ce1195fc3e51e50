"""How much the quick form does of what the long form does."""

LONG = False
"""Whether tests marked `long` are selected; `conftest.py` sets it before any test is read."""


def examples(long: int) -> int:
    """Give how many examples a property is tried on: a third of all in the quick form."""
    return long if LONG else max(long // 3, 1)
