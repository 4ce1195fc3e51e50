"""modesweep resume"""

from __future__ import annotations

from sweep.cli.changing import asking

command = asking(
    lambda place, name: place.resume(name),
    "Go on with a sweep that was paused or cancelled.",
)
