"""The doorman: one look-up for all who come while somebody is looked up, and nothing that is remembered."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest

from fablab.base.database import SYSTEM, Actor, Database, UnitOfWork
from fablab.base.errors import Conflict
from fablab.people.access import revoke_token, tokens
from fablab.people.access.tokens import make_token
from fablab.people.models import Member
from tests.lab import Lab
from web.security.doorman import Doorman
from web.security.identity import Known, Shown, look_up

PATIENCE_S = 20.0


class Slow(Database):
    """The same database, whose reads wait to be let; counted."""

    def __init__(self, like: Database) -> None:
        super().__init__(str(like.url), clock=like.clock)
        self.reads, self.let, self.wrong = 0, threading.Event(), False

    def read(self, actor: Actor = SYSTEM) -> AbstractContextManager[UnitOfWork]:
        self.reads += 1
        assert self.let.wait(PATIENCE_S)
        if self.wrong:
            raise Conflict("busy", heals=True)
        return super().read(actor)


@pytest.fixture
def slow(lab: Lab) -> Iterator[Slow]:
    made = Slow(lab.database)
    yield made
    made.let.set()
    made.dispose()


def bearer(secret: str, kind: str = "Bearer") -> Shown:
    return Shown(kind=kind, secret=secret, visit="", language="")


def token_of(lab: Lab, who: str) -> str:
    with lab.database.begin(lab.actors[who]) as uow:
        member = uow.session.get_one(Member, lab.actors[who].member_id)
        return make_token(uow, member, "test", frozenset())


def who(known: Known) -> Any:
    return known.signed_in.member_id if known.signed_in else known.failure and known.failure.code


async def coming(doorman: Doorman, slow: Slow, *secrets: str) -> list[asyncio.Task[Known]]:
    """The first has set off to be looked up when the others come."""
    first = asyncio.create_task(doorman.ask(bearer(secrets[0])))
    async with asyncio.timeout(PATIENCE_S):
        while not slow.reads:
            await asyncio.sleep(0.001)
    rest = [asyncio.create_task(doorman.ask(bearer(secret))) for secret in secrets[1:]]
    await asyncio.sleep(0)
    return [first, *rest]


async def test_all_who_come_meanwhile_share_the_next_look_up(lab: Lab, slow: Slow) -> None:
    maker, staff = token_of(lab, "maker"), token_of(lab, "staff")
    asked = await coming(Doorman(slow), slow, maker, staff, "x" * 30, maker)
    slow.let.set()
    found = [who(known) for known in await asyncio.gather(*asked)]
    mine, theirs = lab.maker.member_id, lab.staff.member_id
    assert (found, slow.reads) == ([mine, theirs, "token.unknown", mine], 2)


async def test_who_has_just_lost_their_token_is_not_let_in(lab: Lab) -> None:
    doorman, secret = Doorman(lab.database), token_of(lab, "maker")
    before = who(await doorman.ask(bearer(secret)))
    mine = lab.maker.member_id or 0
    with lab.database.begin(lab.maker) as uow:
        revoke_token(uow, mine, tokens(uow, mine)[0].id)
    assert (before, who(await doorman.ask(bearer(secret)))) == (lab.maker.member_id, "token.unknown")


async def test_a_look_up_that_fails_is_everybodys_who_waited_and_the_next_is_another(
    lab: Lab, slow: Slow
) -> None:
    doorman, secret = Doorman(slow), token_of(lab, "maker")
    slow.wrong = True
    asked = await coming(doorman, slow, secret, secret)
    slow.let.set()
    outcomes = await asyncio.gather(*asked, return_exceptions=True)
    slow.wrong = False
    again = who(await doorman.ask(bearer(secret)))
    assert ([type(each) for each in outcomes], again) == ([Conflict, Conflict], lab.maker.member_id)


async def test_somebody_who_does_not_stay_for_the_answer_keeps_it_from_nobody(lab: Lab, slow: Slow) -> None:
    secret = token_of(lab, "maker")
    asked = await coming(Doorman(slow), slow, secret, secret, secret)
    asked[1].cancel()
    slow.let.set()
    found = await asyncio.gather(*asked, return_exceptions=True)
    assert isinstance(found[1], asyncio.CancelledError)
    assert [who(known) for known in (found[0], found[2]) if isinstance(known, Known)] == [
        lab.maker.member_id
    ] * 2


def test_a_secret_opens_only_where_it_belongs(lab: Lab) -> None:
    """A token's in a cookie, one under another kind beside the same as a bearer's, and nothing at all."""
    secret = token_of(lab, "maker")
    shown = [bearer(secret), bearer(secret, kind=""), bearer(secret, kind="Basic"), bearer("", kind="")]
    found = [who(known) for known in look_up(lab.database, shown)]
    assert found == [lab.maker.member_id, "login.expired", "token.unknown", None]
