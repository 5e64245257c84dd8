"""The bus: everyone hears, in order, and one listener's fault is not the others' loss."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from threading import Barrier, Thread

import pytest

from fablab.base.events import Bus, Event

AT = datetime(2026, 6, 2, 9, tzinfo=UTC)


def happened(name: str, number: int = 1) -> Event:
    return Event(topic="job", id=number, name=name, at=AT)


def test_every_listener_hears_every_event_in_order() -> None:
    bus, one, other = Bus(), list[Event](), list[Event]()
    bus.subscribe(one.append)
    bus.subscribe(other.append)
    told = [happened("queued"), happened("planned")]
    bus.publish(told)
    assert one == other == told


def test_a_listener_hears_nothing_from_before_it_listened() -> None:
    bus, heard = Bus(), list[Event]()
    bus.publish([happened("queued")])
    bus.subscribe(heard.append)
    assert heard == []


def test_a_listener_that_has_left_hears_no_more() -> None:
    bus, heard = Bus(), list[Event]()
    leave = bus.subscribe(heard.append)
    bus.publish([happened("queued")])
    leave()
    bus.publish([happened("done")])
    assert [event.name for event in heard] == ["queued"]


def test_leaving_twice_takes_no_one_else_along() -> None:
    bus, heard = Bus(), list[Event]()
    leave = bus.subscribe(heard.append)
    bus.subscribe(heard.append)
    leave()
    leave()
    bus.publish([happened("queued")])
    assert len(heard) == 1


def test_a_listener_that_fails_does_not_stop_the_others() -> None:
    bus, heard = Bus(), list[Event]()

    def fail(_: Event) -> None:
        raise RuntimeError("the screen is gone")

    bus.subscribe(fail)
    bus.subscribe(heard.append)
    bus.publish([happened("queued"), happened("done")])
    assert [event.name for event in heard] == ["queued", "done"]


def test_a_listener_that_fails_is_logged_with_what_it_was_told(caplog: pytest.LogCaptureFixture) -> None:
    bus = Bus()

    def fail(_: Event) -> None:
        raise RuntimeError("the screen is gone")

    bus.subscribe(fail)
    with caplog.at_level(logging.ERROR):
        bus.publish([happened("queued", 7)])
    assert "a listener failed on job 7 queued" in caplog.text
    assert "the screen is gone" in caplog.text


def test_a_listener_may_leave_while_it_is_being_told() -> None:
    bus, heard = Bus(), list[str]()

    def once(event: Event) -> None:
        heard.append(event.name)
        leave()

    leave = bus.subscribe(once)
    bus.publish([happened("queued"), happened("done")])
    assert heard == ["queued"]


def test_events_published_by_many_threads_all_arrive_and_each_thread_keeps_its_order() -> None:
    bus, heard, threads, each = Bus(), list[Event](), 8, 200
    together = Barrier(threads)
    bus.subscribe(heard.append)

    def publish(number: int) -> None:
        together.wait(timeout=30)
        bus.publish(happened(str(n), number) for n in range(each))

    workers = [Thread(target=publish, args=(number,)) for number in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(timeout=30)
    for number in range(threads):
        assert [event.name for event in heard if event.id == number] == [str(n) for n in range(each)]


def test_an_event_without_a_time_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="needs a time zone"):
        Event(topic="job", id=1, name="queued", at=AT.replace(tzinfo=None))
