"""Numbers of pictures as CSV."""

from __future__ import annotations

import csv
import io
from typing import Any

from dashboards.views.view import Table


def csv_of(table: Table) -> str:
    """Write a table: names with units, then rows; what is missing is left empty."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([f"{n} ({u})" if (u := table.units.get(n, "")) else n for n in table.columns])
    columns = [[_cell(v) for v in c.tolist()] for c in table.columns.values()]
    writer.writerows(zip(*columns, strict=True))
    return out.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, float):
        return "" if value != value else repr(value)  # noqa: PLR0124 - NaN alone is not itself
    return value
