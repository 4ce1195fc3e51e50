"""Receipts that die with their worker while they are fetched: nobody waits for ever for them."""

from typing import Any

import pytest

from sweep import graph
from sweep.graph import CalledBackError, Window
from sweep.messages import Order, Receipt

ORDER = Order("folder", 1, "region", 0, 0)
RECEIPT = Receipt("region", 0, 1)


class Told:
    """A future that was told as finished, whose worker then dies."""

    def __init__(self, *answers: Any) -> None:
        self.status = "finished"
        self._answers = list(answers)

    def result(self, timeout: float | None = None) -> Any:
        assert timeout == graph.RECEIPT_SECONDS
        self.status, answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def add_done_callback(self, call: Any) -> None:
        call(self)

    def release(self) -> None:
        pass


@pytest.fixture
def window() -> Window:
    return Window(None, None)  # type: ignore[arg-type]


def handed_out(window: Window, future: Any) -> None:
    window._futures[future], window._places[future] = ORDER, 0.0
    window._bound[future] = {"tcp://gone"}
    window._ended.put(future)


def test_a_receipt_that_does_not_come_is_asked_for_again(window: Window) -> None:
    handed_out(window, Told(("finished", TimeoutError()), ("finished", RECEIPT)))

    assert window.next(0) is None
    assert window.outstanding == 1
    outcome = window.next(0)
    assert outcome is not None
    assert outcome.receipt is RECEIPT
    assert window.outstanding == 0


def test_meanwhile_it_can_be_called_back(window: Window) -> None:
    future = Told(("pending", TimeoutError()))
    handed_out(window, future)

    assert window.next(0) is None
    assert list(window._bound) == [future], "or nobody would know that its workers are gone"
    future.status = "cancelled"
    window._called_back.add(future)  # type: ignore[arg-type]
    outcome = window.next(0)
    assert outcome is not None
    assert isinstance(outcome.error, CalledBackError)


def test_an_error_of_the_task_is_none_of_the_fetching(window: Window) -> None:
    handed_out(window, Told(("finished", ValueError("cannot be unpacked"))))

    with pytest.raises(ValueError, match="cannot be unpacked"):
        window.next(0)
