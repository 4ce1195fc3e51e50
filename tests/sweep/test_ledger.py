"""What the ledger says of a block adds up, whatever is recorded of it and when."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from sweep.layout import FAILED, LOST, OK, TODO, UNSTABLE
from sweep.ledger import BlockRow, Ledger
from sweep.messages import PointError
from sweep.problems import MachineError


def row(
    status: list[int] | list[list[int]], attempts: int = 1, files: tuple[str, ...] = (),
    errors: tuple[PointError, ...] = (),
) -> BlockRow:  # fmt: skip
    s = np.array(status, np.uint8)
    return BlockRow(
        "modes", (0, 3, 0), s, np.where(s, attempts, 0).astype(np.uint8),
        np.where(s, 0.5, np.nan).astype(np.float32), dict.fromkeys(files, (1, 2)), errors=errors,
    )  # fmt: skip


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = Ledger(tmp_path, writable=True)
    yield opened
    opened.close()


def test_points_that_a_row_leaves_out_keep_what_is_known_of_them(ledger: Ledger) -> None:
    ledger.record([row([OK, TODO, TODO], files=("a",))])

    (merged,) = ledger.record([row([TODO, UNSTABLE, TODO], files=("b",))])

    assert merged.status.tolist() == [OK, UNSTABLE, TODO]
    assert merged.attempts.tolist() == [1, 1, 0]
    assert np.isnan(merged.seconds).tolist() == [False, False, True]
    assert merged.files == {"a": (1, 2), "b": (1, 2)}
    assert [r.status.tolist() for r in ledger.blocks()] == [merged.status.tolist()]


def test_a_box_that_has_grown_keeps_its_old_points_in_place(ledger: Ledger) -> None:
    ledger.record([row([[OK, FAILED], [OK, OK]])])

    (merged,) = ledger.record([row([[TODO, TODO, OK], [TODO, TODO, OK], [OK, OK, OK]])])

    assert merged.status.tolist() == [[OK, FAILED, OK], [OK, OK, OK], [OK, OK, OK]]


def test_trying_again_opens_failed_and_lost_points_and_adds_up_their_starts(
    ledger: Ledger,
) -> None:
    why = PointError("modes", (1,), "exception", "no", "", 2)
    ledger.record([row([OK, FAILED, LOST], attempts=2, errors=(why,))])

    opened = ledger.try_again()
    (left,) = ledger.blocks()
    (merged,) = ledger.record([row([TODO, OK, OK], attempts=1)])

    assert opened == 2
    assert left.status.tolist() == [OK, TODO, TODO]
    assert list(ledger.errors()) == []
    assert merged.attempts.tolist() == [2, 3, 3]


def test_forgotten_blocks_leave_nothing_behind(ledger: Ledger) -> None:
    why = PointError("modes", (1,), "exception", "no", "", 1)
    ledger.record([row([OK, FAILED], errors=(why,))])

    ledger.forget([("modes", (0, 3, 0))])

    assert list(ledger.blocks()) == []
    assert list(ledger.errors()) == []


def test_rows_are_all_recorded_or_none(ledger: Ledger) -> None:
    broken = row([OK, OK])
    broken.files["not json"] = object()  # type: ignore[assignment]

    with pytest.raises(TypeError, match="not JSON serializable"):
        ledger.record([row([OK, OK]), broken])

    assert list(ledger.blocks()) == []


def test_a_file_that_is_no_ledger_is_told_in_words(tmp_path: Path) -> None:
    (tmp_path / "ledger.sqlite").write_bytes(b"this is no database, but long enough" * 40)

    with pytest.raises(MachineError, match=r"ledger.sqlite cannot be used: .*computed again"):
        Ledger(tmp_path)
