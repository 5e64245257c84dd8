"""Like pieces on a few machines in a session: how many are made, what is left for afterwards, and until when."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.offering.fit import Bed, fit
from scheduler.problem import Piece


def beds(machines: int, session: int, *after: Piece) -> list[Bed]:
    return [Bed(machine=number, session=Piece(0, session), after=after) for number in range(machines)]


def test_twenty_four_tags_of_22_minutes_are_made_on_six_machines_in_two_hours() -> None:
    found = fit(beds(6, 120), pieces=24, run_min=22, load_min=3)
    assert found.fits
    assert (found.in_session, found.left, found.ready_at) == (24, 0, 100)


def test_what_an_hour_and_a_half_leaves_is_made_afterwards() -> None:
    found = fit(beds(6, 90, Piece(100, 400)), pieces=24, run_min=22, load_min=3)
    assert (found.in_session, found.left, found.unplaced) == (18, 6, 0)
    assert found.ready_at == 125


def test_what_finds_no_time_afterwards_is_said() -> None:
    found = fit(beds(2, 60, Piece(60, 90)), pieces=9, run_min=22, load_min=3)
    assert (found.in_session, found.left, found.unplaced) == (4, 5, 3)


def test_a_piece_longer_than_the_session_is_left_for_afterwards() -> None:
    found = fit(beds(3, 90, Piece(90, 300)), pieces=2, run_min=100, load_min=5)
    assert (found.in_session, found.left, found.ready_at) == (0, 2, 195)


def test_nothing_to_make_fits_everywhere() -> None:
    assert fit([], pieces=0, run_min=10, load_min=1).fits
    assert fit([], pieces=0, run_min=10, load_min=1).ready_at is None


def test_pieces_without_a_length_are_no_question() -> None:
    with pytest.raises(ValueError):
        fit(beds(1, 60), pieces=1, run_min=0, load_min=1)


@given(
    lengths=st.lists(st.integers(0, 60), min_size=1, max_size=3),
    free=st.lists(st.integers(0, 40), min_size=3, max_size=3),
    pieces=st.integers(0, 6),
    run_min=st.integers(1, 20),
    load_min=st.integers(0, 5),
)
def test_no_other_sharing_out_is_done_sooner(
    lengths: list[int], free: list[int], pieces: int, run_min: int, load_min: int
) -> None:
    each = run_min + load_min
    some = [
        Bed(machine=number, session=Piece(0, length), after=(Piece(70, 70 + free[number]),))
        for number, length in enumerate(lengths)
    ]
    found = fit(some, pieces=pieces, run_min=run_min, load_min=load_min)
    room = [length // each for length in lengths]
    assert found.in_session == min(pieces, sum(room))
    later = [free[number] // each for number in range(len(lengths))]
    assert found.unplaced == max(0, found.left - sum(later))
    ways = [
        max((70 + count * each for count in counts if count), default=0)
        for counts in product(*(range(most + 1) for most in later))
        if sum(counts) == found.left - found.unplaced
    ]
    assert max((made.end for made in found.made if not made.in_session), default=0) == min(ways)
    for made in found.made:
        assert made.start == made.load_at + load_min
        assert made.end == made.start + run_min
        (bed,) = (one for one in some if one.machine == made.machine)
        stretch = bed.session if made.in_session else bed.after[0]
        assert stretch.start <= made.load_at
        assert made.end <= stretch.end
