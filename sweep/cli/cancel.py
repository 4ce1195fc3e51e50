"""modesweep cancel"""

from __future__ import annotations

from sweep.cli.changing import asking

command = asking(
    lambda place, name: place.cancel(name),
    "Stop a sweep at once; what is finished is kept, and `resume` goes on.",
)
