"""Regions: how the store is shared out among blocks, and the blocks among cells.

A *region* is a group of stages that share axes and cutting; it owns part of the store. Its
*blocks*, one Dask task each, are numbered along the grid of the moment. What lies on disk
names them by their *cell*, which an axis that grows does not change.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from models.protocol import Variable

PARTS = 64
"""A summed stage is cut into about this many part tasks."""
ITEM_BYTES = {"float64": 8, "complex128": 16, "int32": 4, "uint8": 1, "str": 32}


@dataclass(frozen=True)
class Region:
    """Stages that share axes and cutting, and their part of the store."""

    name: str
    stages: tuple[str, ...]
    """Evaluated in this order, in one block."""
    variables: tuple[str, ...]
    dims: tuple[int, ...]
    """Places of the sweep's dims that it carries."""
    shape: tuple[int, ...]
    chunk: tuple[int, ...]
    """Points of a block along each of its dims."""
    cut: str | None
    cut_length: int
    """Longest length of the cut dim."""
    cut_chunk: int
    """Elements of the cut dim in a block; 0: a block holds them all."""
    kept: bool
    """Whole results are kept in the workspace by their key."""
    tree: bool
    """Blocks are graphs: parts that are summed in a fixed tree."""
    inputs: tuple[str, ...]
    """Regions whose kept results its blocks read."""

    @cached_property
    def grid(self) -> tuple[int, ...]:
        """Number of blocks along each dim, the cut dim last."""
        points = [math.ceil(n / c) for n, c in zip(self.shape, self.chunk, strict=True)]
        return (*points, math.ceil(self.cut_length / self.cut_chunk) if self.divided else 1)

    @property
    def divided(self) -> bool:
        """Say whether the cut dim of a point is shared out among blocks."""
        return self.cut_chunk > 0

    @property
    def blocks(self) -> int:
        """Number of blocks."""
        return math.prod(self.grid)

    @property
    def instances(self) -> int:
        """Number of points that the region tells apart."""
        return math.prod(self.shape)

    def box(self, block: int) -> tuple[slice, ...]:
        """Give the ranges of a block along the region's dims."""
        return tuple(
            slice(i * c, min((i + 1) * c, n))
            for i, c, n in zip(self.cell(block)[:-1], self.chunk, self.shape, strict=True)
        )

    def cut_range(self, block: int) -> tuple[int, int]:
        """Give the range of a block along the cut dim."""
        if not self.divided:
            return 0, self.cut_length
        i = self.cell(block)[-1]
        return i * self.cut_chunk, min((i + 1) * self.cut_chunk, self.cut_length)

    def cell(self, block: int) -> tuple[int, ...]:
        """Give the place of a block in the grid, which stays when axes grow."""
        return tuple(int(i) for i in np.unravel_index(block, self.grid))

    def block_in(self, cell: Sequence[int]) -> int:
        """Give the block of a cell."""
        return int(np.ravel_multi_index(tuple(cell), self.grid))

    def block_at(self, index: Sequence[int], cut: int = 0) -> int:
        """Give the block that holds a point, by its indices along the region's dims."""
        cell = [i // c for i, c in zip(index, self.chunk, strict=True)]
        return self.block_in([*cell, cut // self.cut_chunk if self.divided else 0])


def fields_of(region: Region) -> dict[str, Any]:
    """Give a region as plain values."""
    return {name: getattr(region, name) for name in Region.__dataclass_fields__}


def region_of(fields: Mapping[str, Any]) -> Region:
    """Make a region of plain values, in which JSON has made lists of tuples."""
    values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()}
    return Region(**values)


@dataclass(frozen=True)
class Array:
    """One array of the store."""

    variable: Variable
    region: str
    dims: tuple[str, ...]
    shape: tuple[int, ...]
    chunk: tuple[int, ...]
    unit: str

    @property
    def bytes(self) -> int:
        """Size before compression; strings are counted at their usual length."""
        return math.prod(self.shape) * ITEM_BYTES[self.variable.dtype]
