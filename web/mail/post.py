"""The post: takes what is due out of the outbox, writes it in the reader's language, and hands it to the mail server."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from zoneinfo import ZoneInfo

import structlog

from fablab.base.clock import Clock
from fablab.base.database import Database, UnitOfWork
from fablab.base.errors import Invalid
from fablab.base.events import Event
from fablab.claims import agenda
from fablab.claims.agenda import Invitation
from fablab.claims.workshops import letters
from fablab.notices import outbox
from fablab.people import post
from fablab.people.post import Envelope
from fablab.places import house as places
from web.mail import invitation as ics
from web.mail.letter import House, compose, write
from web.mail.smtp import Line, Refusal, ServerTrouble
from web.mail.words import LetterWords
from web.rounds import LONGEST_S, Aside, Rounds
from web.settings import Settings
from web.words import LANGUAGES

log = structlog.get_logger("web")

#: How long the server is left alone after each time in a row that it was not there.
PATIENCE_S = (30.0, 60.0, 300.0, 600.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """One letter that is ours to send, and what its writing needs; read in one transaction."""

    envelope: Envelope
    lab: str
    zone: ZoneInfo
    at: datetime
    told: Invitation | None


class Post:
    """Without a mail server nothing is taken: the letters wait, and staff read them in the outbox."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        clock: Clock,
        line: Callable[[Settings], Line] = Line,
    ) -> None:
        self._settings = settings
        self._database = database
        self._clock = clock
        self._line = line
        self._aside = Aside()
        self._troubles = 0
        self._rounds = Rounds("post", database, self.round, _wakes)

    def begin(self) -> None:
        if self._settings.sends_mail:
            self._rounds.begin()

    async def close(self) -> None:
        await self._rounds.close()

    async def round(self) -> float:
        """Send all that is due. In how many seconds there may be more."""
        await self._aside(self._recover)
        taken = await self._aside(self._take)
        if taken is not None:
            try:
                await self._send_all(taken)
            except ServerTrouble:
                self._troubles += 1
                return PATIENCE_S[min(self._troubles, len(PATIENCE_S)) - 1]
            self._troubles = 0
        return await self._aside(self._wait_s)

    async def _send_all(self, taken: Taken | None) -> None:
        """Whatever happens, the letter in hand is answered for; a cancelled task leaves it to its lease."""
        try:
            async with self._line(self._settings) as line:
                while taken is not None:
                    await self._send(line, taken)
                    taken = await self._aside(self._take)
        except ServerTrouble as trouble:
            assert taken is not None, "there was a letter, or no line would have been opened"
            lease, why, said = taken.envelope.lease, trouble.reason, trouble.said
            log.warning("no letter can be sent", why=why, said=said)
            await self._aside(
                lambda: self._database.write(lambda uow: outbox.put_back(uow, lease, why, said))
            )
            raise

    async def _send(self, line: Line, taken: Taken) -> None:
        lease = taken.envelope.lease
        try:
            refusal = await line.send(self._compose(taken))
        except Invalid as error:
            refusal = Refusal(reason=error.code, said="", for_good=True)

        def answer(uow: UnitOfWork) -> None:
            if refusal is None:
                outbox.accept(uow, lease)
            elif refusal.for_good:
                outbox.give_up(uow, lease, refusal.reason, refusal.said)
            else:
                outbox.fail(uow, lease, refusal.reason, refusal.said)

        await self._aside(lambda: self._database.write(answer))

    def _recover(self) -> None:
        with self._database.read() as uow:
            lost = outbox.lost(uow)
        if lost:
            self._database.write(outbox.recover)

    def _take(self) -> Taken | None:
        """Looked for by reading first: nobody waits for a writer's turn because there is no letter."""
        return self._database.write(take) if self._wait_s() <= 0 else None

    def _wait_s(self) -> float:
        with self._database.read() as uow:
            due = outbox.next_due(uow)
        return LONGEST_S if due is None else (due - self._clock.now()).total_seconds()

    def _compose(self, taken: Taken) -> EmailMessage:
        reader = taken.envelope.reader
        language = reader.language if reader.language in LANGUAGES else LANGUAGES[0]
        words = LetterWords(language, taken.zone, clock=self._clock)
        house = House(name=taken.lab, address=self._settings.address, sender=self._settings.smtp_from)
        written = write(
            taken.envelope.letters, reader.name, words, house, off_secret=taken.envelope.off_secret
        )
        invited = None
        if taken.told is not None:
            invited = ics.invitation(
                taken.told,
                words,
                at=taken.at,
                host=house.host,
                organiser=(house.name, house.sender),
                reader=(reader.name, reader.address),
            )
        return compose(written, taken.envelope, house, at=taken.at, language=language, invitation=invited)


def take(uow: UnitOfWork) -> Taken | None:
    """The next letter, with what its reader's calendar is told: written down with the taking."""
    envelope = post.take(uow)
    if envelope is None:
        return None
    row, reader = envelope.letters[0], envelope.reader
    told = None
    if len(envelope.letters) == 1 and row.claim_id is not None and reader.member_id is not None:
        told = agenda.invite(uow, reader.member_id, row.claim_id)
    house = places.house(uow)
    if len(envelope.letters) == 1 and row.claim_id is not None and reader.member_id is None:
        told = letters.invitation(uow, row.claim_id, row.code, row.facts, house.name)
    return Taken(envelope=envelope, lab=house.name, zone=ZoneInfo(house.zone), at=uow.now, told=told)


def _wakes(event: Event) -> bool:
    return (event.topic, event.name) == ("outbox", "waiting")
