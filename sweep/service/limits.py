"""How much a service takes and sends; its clients know it, too."""

LARGEST_BODY = 8 * 2**20
"""Bytes of a request."""
MOST_ROWS = 1_000_000
"""Rows of an answer to a query."""
