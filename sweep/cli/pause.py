"""modesweep pause"""

from __future__ import annotations

from sweep.cli.changing import asking

command = asking(
    lambda place, name: place.pause(name),
    "Let what a sweep has begun finish, and begin nothing more.",
)
