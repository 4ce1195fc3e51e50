"""What every view has: where it fits, what can be chosen, what it shows, and its numbers.

A view takes numbers out of a dataset (`collect`) and draws them (`draw`); what can be chosen
(`controls`) comes from the dataset and from what was asked for, as plain words, so that the
same choices stand in the address of a page, on the command line and in a report.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, Literal, TypeVar

import numpy as np
import xarray
from bokeh.models import LayoutDOM
from numpy.typing import NDArray

from dashboards import theme

Collected = TypeVar("Collected")
FloatArray = NDArray[np.float64]
Asked = Mapping[str, str]
"""What was asked for, by the name of a control."""
MOST_OPTIONS = 400
"""Values of an axis that are offered."""


@dataclass(frozen=True, slots=True)
class Control:
    """One thing that can be chosen."""

    name: str
    label: str
    options: tuple[tuple[str, str], ...]
    """Value and words of each."""
    value: str
    kind: Literal["menu", "slider"] = "menu"
    """A slider is for values in an order."""

    @classmethod
    def of(
        cls, name: str, label: str, options: Sequence[tuple[str, str]], asked: Asked,
        default: str | None = None, kind: Literal["menu", "slider"] = "menu",
    ) -> Control:  # fmt: skip
        """Choose what was asked for; what there is not falls back to the default, or the first."""
        values = [value for value, _ in options]
        fallback = default if default in values else (values[0] if values else "")
        value = asked.get(name, fallback)
        return cls(name, label, tuple(options), value if value in values else fallback, kind)


@dataclass(frozen=True, slots=True)
class Frame:
    """The room for a picture."""

    width: int = 1000
    """Pixels."""
    height: int = 460


@dataclass(frozen=True, slots=True)
class Table:
    """The numbers of a picture, column by column."""

    columns: Mapping[str, NDArray[Any]]
    """All of one length."""
    units: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Results:
    """What a view looks at.

    Parameters
    ----------
    dataset : of `sweep.open`; read anew each time
    folder : of the sweep
    """

    dataset: xarray.Dataset
    folder: str = ""

    @property
    def name(self) -> str:
        """Name of the sweep."""
        return str(self.dataset.attrs["name"])

    @property
    def model(self) -> str:
        """Name of the model."""
        return str(self.dataset.attrs["model"])

    @property
    def axes(self) -> list[str]:
        """Dims of the sweep, in its order."""
        return [str(d) for d in self.dataset["status"].dims]

    def has(self, *names: str) -> bool:
        """Say whether variables are stored."""
        return all(n in self.dataset.variables for n in names)


class View(ABC, Generic[Collected]):
    """One way to look at results."""

    name: ClassVar[str]
    """As in addresses and on the command line."""
    title: ClassVar[str]
    """As in menus, a noun."""
    picks: ClassVar[tuple[str, ...]] = ()
    """What a click into the picture chooses, and `detail` needs."""
    picks_too: ClassVar[tuple[str, ...]] = ()
    """What a click chooses beside that."""
    hint: ClassVar[str] = ""
    """Says what to click at."""

    @abstractmethod
    def fits(self, results: Results) -> bool:
        """Say whether the store has what the view shows."""

    @abstractmethod
    def controls(self, results: Results, asked: Asked) -> list[Control]:
        """Give what can be chosen, with what is chosen; options may hang on other choices."""

    @abstractmethod
    def collect(self, results: Results, chosen: Asked) -> Collected:
        """Take the numbers out of the store.

        Raises
        ------
        sweep.InputError : there is nothing to show, in words for the reader
        """

    @abstractmethod
    def draw(self, collected: Collected, frame: Frame) -> LayoutDOM:
        """Draw the numbers."""

    @abstractmethod
    def table(self, collected: Collected) -> Table:
        """Give the numbers that are drawn, for CSV."""

    def detail(self, results: Results, chosen: Asked) -> LayoutDOM | None:
        """Draw what was picked in the picture, by names that its columns `choose_NAME` set."""
        return None

    def moved(self, collected: Collected, results: Results, finished: FloatArray) -> float | None:
        """Say how far the last tenth of the points has moved the curves; see `moving`.

        Parameters
        ----------
        finished : when each point of the sweep was finished, in its shape; NaN where it is not
        """
        return None


def chosen_of(controls: Sequence[Control]) -> dict[str, str]:
    """Give what is chosen."""
    return {c.name: c.value for c in controls}


# --- axes of a sweep ------------------------------------------------------------------------


def value_text(value: Any) -> str:
    """Write a value of an axis so that it is found again."""
    if isinstance(value, float | np.floating):
        return f"{float(value):.12g}"
    return str(value)


def axis_options(dataset: xarray.Dataset, name: str) -> list[tuple[str, str]]:
    """Give the values of an axis with their words; of very many, some that are evenly spread."""
    values = axis_values(dataset, name)
    if len(values) > MOST_OPTIONS:
        values = values[np.unique(np.linspace(0, len(values) - 1, MOST_OPTIONS).astype(int))]
    return [(value_text(v), _words(v)) for v in values]


def axis_values(dataset: xarray.Dataset, name: str) -> NDArray[Any]:
    """Give the values of an axis; a dim without values counts from 0."""
    if name not in dataset.coords:
        return np.arange(dataset.sizes[name])
    return np.atleast_1d(dataset[name].values)


def _words(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float | np.floating) else str(value)


def axis_control(
    dataset: xarray.Dataset, name: str, asked: Asked, default: str | None = None
) -> Control:
    """Offer the values of an axis; numbers on a slider."""
    numbers = name in dataset.coords and dataset[name].dtype.kind in "iuf"
    return Control.of(
        name, label_of(dataset, name), axis_options(dataset, name), asked, default,
        "slider" if numbers else "menu",
    )  # fmt: skip


def label_of(dataset: xarray.Dataset, name: str) -> str:
    """Name an axis, with its unit."""
    unit = str(dataset[name].attrs.get("units", "1")) if name in dataset.coords else "1"
    return theme.with_unit(name.replace("_", " "), theme.unit_text(unit))


def index_of(dataset: xarray.Dataset, name: str, text: str) -> int:
    """Find a value of an axis by its text; the first, if there is none."""
    for i, value in enumerate(axis_values(dataset, name)):
        if value_text(value) == text:
            return i
    return 0


def dims_beside(results: Results, variables: Sequence[str], own: Sequence[str]) -> list[str]:
    """Give the dims of variables that have several values, but for their own."""
    dims = [str(d) for n in variables if n in results.dataset for d in results.dataset[n].dims]
    return [d for d in dict.fromkeys(dims) if d not in own and results.dataset.sizes[d] > 1]


def point_controls(
    results: Results, variables: Sequence[str], own: Sequence[str], asked: Asked
) -> list[Control]:
    """Offer what it takes to come to one point; at first the first one that has a result."""
    dims = dims_beside(results, variables, own)
    first = first_ok(results, dims)
    return [
        axis_control(
            results.dataset, d, asked, value_text(axis_values(results.dataset, d)[first[d]])
        )
        for d in dims
    ]


def first_ok(results: Results, dims: Sequence[str]) -> dict[str, int]:
    """Find the first point with a result."""
    status = results.dataset["status"]
    words = str(status.attrs["flag_meanings"]).split()
    good = np.isin(status.values, [words.index("ok"), words.index("unstable")])
    place = np.unravel_index(int(good.argmax()), good.shape) if good.ndim else ()
    found = {str(d): int(i) for d, i in zip(status.dims, place, strict=True)}
    return {d: found.get(d, 0) for d in dims}


def at_point(results: Results, chosen: Asked, dims: Sequence[str]) -> dict[str, int]:
    """Give the place of what is chosen, for `isel`."""
    return {d: index_of(results.dataset, d, chosen.get(d, "")) for d in dims}
