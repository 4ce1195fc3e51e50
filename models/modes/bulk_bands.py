"""Projected bulk bands: the frequencies that the infinite crystal has at an in-plane k.

Each sorted branch is scanned over k_z; its lowest and highest points are
refined, and bands that touch are merged. What lies outside them can only live at a surface.
"""

from __future__ import annotations

import numpy as np

from models.modes.endless import EndlessCrystal
from models.protocol import FloatArray, IntArray

SCAN = 400
"""Values of k_z in the first scan."""
ZOOMS = 12
"""Refinements of each extremum; every one narrows k_z by a factor of four."""
TOUCHING = 4e-5
"""Bands nearer than this share of the highest frequency count as one."""


def signed_root(squared: FloatArray) -> FloatArray:
    """Frequency of a squared frequency: negative for an unstable mode."""
    return np.sign(squared) * np.sqrt(np.abs(squared))


def bulk_bands(crystal: EndlessCrystal, scan: int = SCAN) -> FloatArray:
    """Find the projected bulk bands of a crystal.

    Parameters
    ----------
    crystal : at n in-plane wavevectors
    scan : values of k_z in [0, 2 pi/h) of the first scan; a cell of several layers has a
        smaller zone, with as much fewer of them

    Returns
    -------
    (n, 3 * period, 2): bands in ascending order, low and high edge; NaN where bands merged
    """
    count = -(-scan // crystal.period)
    step = 2 * np.pi / crystal.period / count
    angle = np.broadcast_to(step * np.arange(count), (len(crystal.on_site), count))
    squared = crystal.squared(angle)
    low = _refined(crystal, squared, angle[0], step, 1.0)
    high = _refined(crystal, squared, angle[0], step, -1.0)
    return merged(signed_root(np.stack([low, high], axis=-1)))


def _refined(
    crystal: EndlessCrystal, squared: FloatArray, angle: FloatArray, width: float, sign: float
) -> FloatArray:
    """Refine the minimum (sign 1) or maximum (sign -1) of each branch, (n, branches)."""
    best = (sign * squared).argmin(axis=1)
    value = (sign * squared).min(axis=1)
    centre = angle[best]
    window = np.arange(-4, 5) / 4
    n, branches = value.shape
    for _ in range(ZOOMS):
        at = centre[..., None] + width * window
        fine = sign * crystal.squared(at.reshape(n, -1)).reshape(n, branches, len(window), branches)
        own = np.stack([fine[:, b, :, b] for b in range(branches)], axis=1)
        place: IntArray = own.argmin(axis=2)
        centre = np.take_along_axis(at, place[..., None], axis=2)[..., 0]
        value = np.minimum(value, own.min(axis=2))
        width /= 4
    return sign * value


def merged(edges: FloatArray) -> FloatArray:
    """Join bands that overlap or touch, (n, bands, 2), NaN at the end."""
    order = edges[..., 0].argsort(axis=1, kind="stable")
    edges = np.take_along_axis(edges, order[..., None], axis=1)
    near = TOUCHING * np.abs(edges[..., 1]).max(axis=1)
    result = np.full_like(edges, np.nan)
    result[:, 0] = edges[:, 0]
    last = np.zeros(len(edges), dtype=np.int64)
    every = np.arange(len(edges))
    for band in range(1, edges.shape[1]):
        top = result[every, last, 1]
        apart = edges[:, band, 0] - top >= near
        last = last + apart
        result[every, last, 0] = np.where(apart, edges[:, band, 0], result[every, last, 0])
        high = np.where(apart, edges[:, band, 1], np.maximum(top, edges[:, band, 1]))
        result[every, last, 1] = high
    return result


def place_modes(frequency: FloatArray, bands: FloatArray) -> IntArray:
    """Place modes against the bands: 0 inside, 1 below, 2 in a gap, 3 above.

    Parameters
    ----------
    frequency : (n, modes)
    bands : (n, bands, 2), NaN where there is none

    Returns
    -------
    (n, modes)
    """
    tolerance = TOUCHING * np.nanmax(np.abs(bands), axis=(1, 2))[:, None]
    low, high = np.nanmin(bands, axis=(1, 2))[:, None], np.nanmax(bands, axis=(1, 2))[:, None]
    inside = np.zeros(frequency.shape, dtype=bool)
    for band in range(bands.shape[1]):
        above_edge = frequency >= bands[:, band, :1] - tolerance
        inside |= above_edge & (frequency <= bands[:, band, 1:] + tolerance)
    outside = np.where(frequency < low - tolerance, 1, np.where(frequency > high + tolerance, 3, 2))
    return np.where(inside, 0, outside)
