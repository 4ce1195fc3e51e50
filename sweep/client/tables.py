"""Answers of a service to queries, as the tables that a query at home gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd


def table_of(head: Mapping[str, Any], rows: Sequence[Sequence[Any]]) -> pd.DataFrame:
    """Build a table; numbers are those of the store to the last digit."""
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(head["columns"])
    table = pd.DataFrame(
        {
            name: _column(values, dtype)
            for name, values, dtype in zip(head["columns"], columns, head["dtypes"], strict=True)
        }
    )
    table.attrs["units"] = head["units"]
    table.attrs["more"] = head["more"]
    return table


def _column(values: Sequence[Any], dtype: str) -> Any:
    if dtype.startswith("complex"):
        return np.array([complex(*map(_number, v)) for v in values], dtype=dtype)
    if dtype.startswith("float"):
        return np.array([_number(v) for v in values], dtype=dtype)
    return pd.Series(list(values), dtype=dtype)


def _number(value: Any) -> float:
    """Read a number; a missing one has no word in JSON, an infinite one is a text."""
    return np.nan if value is None else float(value)
