"""The shapes of what may be asked over HTTP: query strings and bodies, checked by pydantic."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from sweep.service.desk import HIGHEST, LOWEST
from sweep.service.limits import MOST_ROWS

ROWS = 100_000
Short = Annotated[str, Field(max_length=200)]
Pair = Annotated[str, Field(max_length=2000, description="axis=value, the value in TOML.")]


class Question(BaseModel):
    """Parameters of a request; unknown ones are refused."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class NoParameters(Question):
    """Nothing."""


class SweepFile(Question):
    """How a sweep file is called."""

    file: Annotated[str, Field(pattern=r"^[A-Za-z0-9_ .-]{1,200}$")] = "sweep"
    """Its name in messages."""


class Point(Question):
    """A point of a sweep."""

    point: Annotated[list[Pair], Field(max_length=50)] = []
    """axis=value for each axis; repeat the parameter."""


class Rows(Question):
    """A query on the results."""

    where: Annotated[str, Field(max_length=10_000)]
    """The condition, such as "frequency > 12 and surface_weight > 0.6"."""
    select: Annotated[list[Pair], Field(max_length=200)] = []
    """axis=value; repeat the parameter."""
    vars: Annotated[list[Short], Field(max_length=100)] = []
    """Further variables; repeat the parameter."""
    unit: Short | None = None
    """Unit of frequencies."""
    limit: Annotated[int, Field(ge=1, le=MOST_ROWS)] = ROWS
    """Rows at most."""


class Files(Question):
    """An export."""

    format: Literal["netcdf", "csv", "phonopy"]
    """Format of the files."""
    out: Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,100}$")]
    """Name of the file or folder."""
    select: Annotated[list[Pair], Field(max_length=200)] = []
    """axis=value; repeat the parameter."""
    vars: Annotated[list[Short], Field(max_length=100)] = []
    """Variables to write; repeat the parameter."""
    unit: Short | None = None
    """Unit of frequencies."""


class Schema(Question):
    """How much to tell of a model."""

    schema_only: bool = False
    """Give the JSON schema of its sweep files alone."""


class MoreValues(Question):
    """Values for axes."""

    values: Annotated[dict[Short, Annotated[list[Any], Field(min_length=1)]], Field(min_length=1)]
    """New values by axis."""


class Priority(Question):
    """Another priority."""

    priority: Annotated[int, Field(strict=True, ge=LOWEST, le=HIGHEST)]
    """Each step doubles the share of the cluster."""
