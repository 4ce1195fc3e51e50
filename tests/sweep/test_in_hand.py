"""The note of a worker tells the next one what the last was at, and fences off who is late."""

from pathlib import Path

from sweep.in_hand import InHand


def test_a_note_left_behind_names_the_points_that_were_in_hand(tmp_path: Path) -> None:
    dead = InHand(tmp_path / "notes" / "modes.0.0", "7.3")
    dead.begin()
    dead.at([12, 13, 14])
    dead.at([5])

    assert InHand(tmp_path / "notes" / "modes.0.0", "7.3").earlier() == (5,)


def test_a_worker_that_died_before_its_first_point_names_none(tmp_path: Path) -> None:
    InHand(tmp_path / "notes" / "a", "7.3").begin()

    assert InHand(tmp_path / "notes" / "a", "7.3").earlier() == ()


def test_notes_of_other_orders_and_no_notes_say_nothing(tmp_path: Path) -> None:
    InHand(tmp_path / "notes" / "a", "7.3").begin()

    assert InHand(tmp_path / "notes" / "a", "7.4").earlier() is None
    assert InHand(tmp_path / "notes" / "b", "7.3").earlier() is None


def test_a_worker_that_is_late_sees_that_another_order_has_come(tmp_path: Path) -> None:
    late, next_one = (InHand(tmp_path / "notes" / "a", order) for order in ("7.3", "8.0"))
    late.begin()
    assert late.is_mine()

    next_one.begin()
    assert not late.is_mine()
    late.end()
    assert next_one.is_mine()

    next_one.end()
    assert not late.is_mine()
    assert list((tmp_path / "notes").iterdir()) == []
