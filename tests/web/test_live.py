"""Live events: who hears what, over a real server and a real socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import httpx
import pytest

from fablab.base.events import Event
from fablab.people.access import Scope
from tests.lab import TAG, Lab
from tests.web.serving import serving
from tests.web.site import Site, make_app
from web.live import MOST_WAITING, Ear, Live


def event(lab: Lab, topic: str, id: int | str, name: str = "changed") -> Event:
    return Event(topic=topic, id=id, name=name, at=lab.clock.now())


def ear(lab: Lab, who: str = "maker", *, sees_all: bool = False, pages: bool = True) -> Ear:
    member_id = lab.actors[who].member_id
    assert member_id is not None
    return Ear(member_id=member_id, sees_all=sees_all, pages=pages)


async def names(stream: AsyncIterator[bytes], count: int) -> list[str]:
    """The names of the next `count` events."""
    found: list[str] = []
    async with asyncio.timeout(5):
        while len(found) < count:
            chunk = (await anext(stream)).decode()
            found += [
                line.removeprefix("event: ") for line in chunk.splitlines() if line.startswith("event: ")
            ]
    return found


@pytest.fixture
async def live(lab: Lab) -> AsyncIterator[Live]:
    made = Live(lab.database)
    made.begin()
    yield made
    made.close()


def job_of_maker(lab: Lab) -> str:
    from fablab.claims.jobs.use import Wishes

    job = lab.intake.receive(lab.maker, [TAG.read_bytes()], "tag.gcode")
    lab.intake.submit(lab.maker, job.id, Wishes(material="PLA"))
    return job.id


async def test_a_machine_is_everybodys_and_a_job_its_owners(lab: Lab, live: Live) -> None:
    job_id = await asyncio.to_thread(job_of_maker, lab)
    async with (
        aclosing(live.listen(ear(lab))) as mine,
        aclosing(live.listen(ear(lab, "other"))) as others,
        aclosing(live.listen(ear(lab, "staff", sees_all=True))) as staffs,
    ):
        for stream in (mine, others, staffs):
            assert await names(stream, 1) == ["hello"]
        lab.database.bus.publish(
            [event(lab, "claim", job_id, "progress"), event(lab, "machine", 1, "status")]
        )
        assert await names(mine, 2) == [f"job-{job_id}", "machine-1"]
        assert await names(others, 1) == ["machine-1"]
        assert await names(staffs, 2) == [f"job-{job_id}", "machine-1"]


async def test_a_notice_is_heard_by_its_member_alone(lab: Lab, live: Live) -> None:
    maker, other = lab.maker.member_id, lab.actors["other"].member_id
    assert maker is not None
    assert other is not None
    async with (
        aclosing(live.listen(ear(lab))) as mine,
        aclosing(live.listen(ear(lab, "staff", sees_all=True))) as staffs,
    ):
        await names(mine, 1)
        await names(staffs, 1)
        lab.database.bus.publish([event(lab, "member", maker, "notice"), event(lab, "calendar", "house")])
        assert await names(mine, 2) == ["notices", "calendar"]
        assert await names(staffs, 1) == ["calendar"]


async def test_what_was_not_heard_yet_is_told_once(lab: Lab, live: Live) -> None:
    async with aclosing(live.listen(ear(lab))) as stream:
        await names(stream, 1)
        lab.database.bus.publish([event(lab, "machine", 1, "status")] * 50 + [event(lab, "machine", 2)])
        await asyncio.sleep(0.05)
        assert await names(stream, 2) == ["machine-1", "machine-2"]


async def test_a_listener_that_is_far_behind_is_told_to_look_again(lab: Lab, live: Live) -> None:
    async with aclosing(live.listen(ear(lab))) as stream:
        await names(stream, 1)
        lab.database.bus.publish([event(lab, "machine", n) for n in range(MOST_WAITING + 1)])
        await asyncio.sleep(0.05)
        assert await names(stream, 1) == ["resync"]


async def test_a_listener_that_comes_back_is_told_to_look_again(lab: Lab, live: Live) -> None:
    async with aclosing(live.listen(ear(lab), again=True)) as stream:
        assert await names(stream, 1) == ["resync"]


async def test_silence_is_filled_with_heartbeats(lab: Lab) -> None:
    live = Live(lab.database, heartbeat_s=0.01)
    live.begin()
    async with aclosing(live.listen(ear(lab))) as stream:
        await anext(stream)
        assert await anext(stream) == b": here\n\n"
    live.close()


async def test_a_stream_ends_after_its_life_and_leaves_no_box_behind(lab: Lab) -> None:
    live = Live(lab.database, heartbeat_s=0.01, life_s=0.05)
    live.begin()
    async with asyncio.timeout(5):
        async for _ in live.listen(ear(lab)):
            assert live.listeners == 1
    assert live.listeners == 0
    live.close()


async def test_closing_ends_every_stream(lab: Lab, live: Live) -> None:
    stream = live.listen(ear(lab))
    await anext(stream)
    live.close()
    async with asyncio.timeout(5):
        async for _ in stream:
            pass
    assert live.listeners == 0


async def test_events_cross_a_real_socket_and_the_server_stops_with_streams_open(
    lab: Lab, tmp_path: Path
) -> None:
    app = make_app(lab, tmp_path)
    headers = Site(lab, app, None).token("maker", *Scope)  # type: ignore[arg-type]  # no client is needed for this
    heard: list[str] = []
    database = app.state.parts.database

    async def listen(port: int) -> None:
        address = f"http://127.0.0.1:{port}/api/events"
        async with (
            httpx.AsyncClient(timeout=10) as client,
            client.stream("GET", address, headers=headers) as answer,
        ):
            assert answer.headers["content-type"].startswith("text/event-stream")
            assert answer.headers["cache-control"] == "no-store"
            async for line in answer.aiter_lines():
                heard.append(line)

    async with serving(app) as port:
        listener = asyncio.create_task(listen(port))
        async with asyncio.timeout(10):
            while "event: hello" not in heard:
                await asyncio.sleep(0.01)
            await asyncio.to_thread(database.bus.publish, [event(lab, "machine", 7, "gate")])
            while "event: machine" not in heard:
                await asyncio.sleep(0.01)
    await asyncio.wait_for(
        listener, 5
    )  # the server ended the stream, and ended itself without waiting for it
    data = json.loads(heard[heard.index("event: machine") + 1].removeprefix("data: "))
    assert (data["topic"], data["id"], data["name"]) == ("machine", "7", "gate")


async def test_nobody_listens_without_a_sign_in(lab: Lab, tmp_path: Path) -> None:
    app = make_app(lab, tmp_path)
    async with serving(app) as port, httpx.AsyncClient() as client:
        assert (await client.get(f"http://127.0.0.1:{port}/api/events")).status_code == 401
