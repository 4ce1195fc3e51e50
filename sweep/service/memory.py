"""Memory that answers leave behind, given back to the system.

Pictures are circles of objects, which Python looks for only now and then, and what threads free,
glibc keeps for them. Without this a service that many look at grows by half over some hundred
pages, and then stays there.
"""

from __future__ import annotations

import ctypes
import gc

TIDY_SECONDS = 15.0
"""How often, while there are answers."""


class Memory:
    """Gives back what answers have left, if there were any."""

    def __init__(self) -> None:
        self._answered = False
        # glibc alone has it, and needs it
        self._trim = getattr(ctypes.CDLL(None), "malloc_trim", None)

    def answered(self) -> None:
        """Note that something was answered."""
        self._answered = True

    def give_back(self) -> bool:
        """Give memory back; say whether there was a reason to."""
        if not self._answered:
            return False
        self._answered = False
        gc.collect()
        if self._trim is not None:
            self._trim(0)
        return True
