"""A school's visit, from its request to its bill, over the API: six printers on real ptys make 24 name tags."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select

from fablab.claims.models import Allocation
from fablab.claims.workshops.models import Attendance, Session
from fablab.money.models import Charge
from fablab.runs.models import Run, RunState
from tests.lab import OVERLAPS, PASSWORD, counted
from tests.stories.school_rig import FIRST_NAMES, PRINTERS, PUPILS, SchoolHouse, school_house, tag_program

pytestmark = pytest.mark.xdist_group("school")
MOST_S = 120.0


class Api:
    """One caller over HTTP; an answer that is no success says why."""

    def __init__(self, base: str) -> None:
        self.client = httpx.AsyncClient(base_url=base, timeout=60)

    async def sign_in(self, who: str) -> None:
        self.client.cookies.clear()
        self.client.headers.pop("X-CSRF-Token", None)
        me = await self.post("/api/login", email=f"{who}@lab.example", password=PASSWORD)
        self.client.headers["X-CSRF-Token"] = me["csrf"]

    async def post(self, path: str, **body: Any) -> Any:
        return read(await self.client.post(path, json=body))

    async def put(self, path: str, **body: Any) -> Any:
        return read(await self.client.put(path, json=body))

    async def get(self, path: str) -> Any:
        return read(await self.client.get(path))


def read(answer: httpx.Response) -> Any:
    assert answer.is_success, (answer.status_code, answer.text[:600])
    return answer.json() if answer.content else None


async def test_a_school_comes_and_goes_home_with_24_name_tags(tmp_path: Path) -> None:
    async with school_house(tmp_path / "data") as house:
        staff, school = Api(house.base), Api(house.base)
        async with staff.client, school.client:
            await staff.sign_in("staff")
            session_id, key = await asks(house, school)
            await is_offered_three_dates(staff, session_id)
            school.client.headers["X-Thread-Key"] = key
            held = await keeps_one(school, staff, session_id)
            await quoted_and_accepted(school, house, held)
            await goes_to_the_day(house, staff, held)
            await prints(house, staff, session_id)
            await ends(house, staff, session_id)
            await charged(house, session_id)


async def asks(house: SchoolHouse, school: Api) -> tuple[str, str]:
    day = house.a_school_day()
    asked = await school.post(
        "/api/requests",
        workshop="name-tags",
        school="École Jean-Macé",
        contact="Claire Martin",
        email="claire.martin@ac-lille.example",
        level="elementaire",
        people=PUPILS,
        adults=2,
        number="0620001P",
        place="62400 Béthune",
        wishes=[{"day": day.isoformat(), "half": "am"}],
        accessibility="Un élève en fauteuil.",
    )
    assert asked == {"id": None, "confirm": True, "warnings": []}
    confirmed = await school.post("/api/requests/confirm", key=house.key_in("session.confirm"))
    return confirmed["id"], confirmed["key"]


async def is_offered_three_dates(staff: Api, session_id: str) -> None:
    found = await staff.get(f"/api/requests/{session_id}/dates")
    assert len(found["dates"]) >= 3
    thread = await staff.post(
        f"/api/requests/{session_id}/propose", starts=[offer["start_at"] for offer in found["dates"][:3]]
    )
    assert len(thread["offers"]) == 3


async def keeps_one(school: Api, staff: Api, session_id: str) -> Any:
    thread = await school.post("/api/thread/hold", rank=1)
    assert thread["state"] == "offered"
    day = await staff.get(f"/api/sessions/{session_id}/day")
    assert len(day["places"]["machine"]) == len(PRINTERS)
    return day


async def quoted_and_accepted(school: Api, house: SchoolHouse, day: Any) -> None:
    key = school.client.headers["X-Thread-Key"]
    quote = await school.client.get(f"/thread/{key}/quote.pdf")
    assert quote.content.startswith(b"%PDF-"), quote.text[:300]
    thread = await school.post("/api/thread/accept", by="order_number", order_number="BC-2027-12")
    assert thread["state"] == "confirmed"


async def goes_to_the_day(house: SchoolHouse, staff: Api, day: Any) -> None:
    house.clock.turn_to(datetime.fromisoformat(day["start_at"]) + timedelta(minutes=5))
    await staff.sign_in("staff")  # weeks later nobody is signed in any more


async def prints(house: SchoolHouse, staff: Api, session_id: str) -> None:
    """All tags are dropped at once; on each printer the next one is started as soon as a bed is clear."""
    files = [("file", (f"{name}.gcode", tag_program(n))) for n, name in enumerate(FIRST_NAMES)]
    sent = await staff.client.post(
        f"/api/sessions/{session_id}/pieces", files=files, data={"names": "\n".join(FIRST_NAMES)}
    )
    heap = read(sent)
    assert (len(heap["numbers"]), heap["after"], heap["refused"]) == (PUPILS, [], [])
    paper = await staff.client.get(f"/sessions/{session_id}/papers/labels")
    assert paper.content.startswith(b"%PDF-")

    async with asyncio.timeout(MOST_S):
        await asyncio.gather(*(_keeps_busy(house, staff, session_id, name) for name in PRINTERS))
    day = await staff.get(f"/api/sessions/{session_id}/day")
    assert [piece["state"] for piece in day["pieces"]] == ["done"] * PUPILS


async def _keeps_busy(house: SchoolHouse, staff: Api, session_id: str, name: str) -> None:
    """Somebody who stands before one printer until nothing is left."""
    machine = f"/api/machines/{house.lab.resources[name]}"
    await eventually(lambda: _is(staff, machine, "link", "online"))
    while True:
        answer = await staff.client.post(f"{machine}/tap", json={"bed_clear": True})
        if answer.status_code == 409:  # another hand took the same piece, or there is none any more
            day = await staff.get(f"/api/sessions/{session_id}/day")
            if all(piece["state"] != "queued" for piece in day["pieces"]):
                return
            await asyncio.sleep(0.2)
            continue
        run_id = read(answer)["id"]
        await eventually(lambda run_id=run_id: _ended(house, run_id))  # type: ignore[misc]


async def _is(staff: Api, path: str, key: str, value: str) -> bool:
    return bool((await staff.get(path))[key] == value)


async def _ended(house: SchoolHouse, run_id: str) -> bool:
    def look() -> bool:
        with house.lab.database.read() as uow:
            run = uow.session.get_one(Run, run_id)
            assert run.state not in (RunState.FAILED, RunState.INTERRUPTED), run.detail
            return run.state is RunState.SUCCEEDED

    return await asyncio.to_thread(look)


async def ends(house: SchoolHouse, staff: Api, session_id: str) -> None:
    await staff.post(f"/api/sessions/{session_id}/problems", text="Une buse s’est bouchée.")
    await staff.put(
        f"/api/sessions/{session_id}/attendance",
        people=PUPILS,
        adults=2,
        age={"moins_de_douze": PUPILS},
        gender={"feminin": 13, "masculin": 11},
        status={"scolarise": PUPILS},
    )
    paper = await staff.client.get(f"/sessions/{session_id}/papers/certificate")
    assert paper.content.startswith(b"%PDF-")
    day = await staff.post(f"/api/sessions/{session_id}/deliver")
    assert day["state"] == "delivered"
    guest = Api(house.base)
    async with guest.client:
        token = day["questions"].rpartition("/")[2]
        await guest.post(f"/api/questions/{token}", liked=5, learnt=4, helped=5, again=5)
    closed = await staff.client.post(f"/sessions/{session_id}/close", data={"csrf": await _csrf(staff)})
    assert closed.status_code == 303


async def _csrf(staff: Api) -> str:
    return str(staff.client.headers["X-CSRF-Token"])


async def charged(house: SchoolHouse, session_id: str) -> None:
    with house.lab.database.read() as uow:
        charges = list(uow.session.scalars(select(Charge)))
        # 60.00 and 20 %, 24 times 3.33 and 5.5 %, rounded once: what was promised, and nothing for the pieces.
        assert [(row.claim_id, row.total_cents) for row in charges] == [(session_id, 7200 + 7992 + 440)]
        session = uow.session.get_one(Session, session_id)
        assert (session.state.value, session.price_cents) == ("closed", 15632)
        assert uow.session.scalar(select(func.sum(Attendance.people))) == 3 * PUPILS + 2
        cleared_at = house.clock.now() + timedelta(minutes=16)  # a room is held while it is cleared
        left = select(func.count()).where(Allocation.end_at > cleared_at)
        assert uow.session.scalar(left) == 0
    assert counted(house.lab, OVERLAPS) == 0
    stored = house.lab.database.url.database
    assert stored is not None
    written = b"".join(path.read_bytes() for path in Path(stored).parent.glob("fablab.sqlite*"))
    assert not any(name.encode() in written for name in FIRST_NAMES)


async def eventually(look: Callable[[], Awaitable[bool]], within_s: float = 60.0) -> None:
    async with asyncio.timeout(within_s):
        while not await look():
            await asyncio.sleep(0.05)
