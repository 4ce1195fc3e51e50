"""Memory is given back after answers, and only then."""

import gc
import weakref

from sweep.service.memory import Memory


class Circle:
    """An object that holds itself, as pictures do."""

    def __init__(self) -> None:
        self.own = self


def test_what_answers_leave_is_given_back_once() -> None:
    memory = Memory()
    gc.disable()
    try:
        left = weakref.ref(Circle())
        assert not memory.give_back()
        assert left() is not None
        memory.answered()
        assert memory.give_back()
        assert left() is None
        assert not memory.give_back()
    finally:
        gc.enable()
