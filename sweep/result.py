"""What a run gives back: how far it came, and the way to what it stored."""

from __future__ import annotations

import html
from dataclasses import dataclass, field
from pathlib import Path

import xarray

from sweep.drawing import drawn_by
from sweep.problems import MachineError
from sweep.queries.querying import open_dataset


@dataclass(frozen=True)
class Result:
    """A sweep that was run, as far as it came."""

    name: str
    path: Path
    outputs: tuple[str, ...]
    counts: dict[str, int] = field(compare=False)
    """Points by status."""

    @property
    def complete(self) -> bool:
        """Every point has a result, or is skipped."""
        return not {"todo", "running", "failed", "lost"} & set(self.counts)

    def open(self) -> xarray.Dataset:
        """Open the results as a lazy xarray.Dataset."""
        return open_dataset(self.path)

    def __str__(self) -> str:
        counts = ", ".join(f"{n} {name}" for name, n in self.counts.items())
        return f"{self.name}: {counts} ({self.path})"

    def _repr_html_(self) -> str:
        """Show counts, axes, variables and the first picture in a notebook."""
        dataset = self.open()
        rows = [
            ("points", ", ".join(f"{n:,} {name}" for name, n in self.counts.items())),
            ("stored in", str(self.path)),
        ]
        rows += [(f"axis {d}", _values(dataset, str(d))) for d in dataset["status"].dims]
        rows += [(str(n), _described(dataset[n])) for n in dataset.data_vars]
        cells = "".join(
            f"<tr><th style='text-align:left'>{html.escape(name)}</th>"
            f"<td style='text-align:left'>{html.escape(text)}</td></tr>"
            for name, text in rows
        )
        return f"<b>{html.escape(self.name)}</b><table>{cells}</table>{self._drawn()}"

    def _drawn(self) -> str:
        """Draw the first view; where nothing draws, the table is enough."""
        try:
            return str(drawn_by("notebook")(str(self.path)))
        except MachineError:
            return ""


def _values(dataset: xarray.Dataset, axis: str) -> str:
    values = [str(v) for v in dataset[axis].values]
    unit = dataset[axis].attrs.get("units", "1")
    few = values if len(values) <= 6 else [*values[:3], "...", *values[-2:]]
    return f"{len(values)} values: {', '.join(few)}" + (f" ({unit})" if unit != "1" else "")


def _described(array: xarray.DataArray) -> str:
    dims = ", ".join(f"{d} {n}" for d, n in array.sizes.items()) or "one value"
    unit = array.attrs.get("units", "1")
    return f"{array.attrs.get('long_name', '')} ({dims})" + (f" in {unit}" if unit != "1" else "")
