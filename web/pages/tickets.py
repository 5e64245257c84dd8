"""Files on their way to being drafts: received, being read, ready or refused. In memory, and gone after an hour.

Each has a thread of its own while it is read; the request that brought it is answered as soon as the last byte is in.
A server that starts again knows none of them: whoever still asks is told to send the file again.
"""

from __future__ import annotations

import queue
import secrets
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from contextlib import suppress

import structlog

from fablab.base.clock import Clock
from fablab.base.database import Actor
from fablab.base.errors import Conflict, Invalid, LabError
from fablab.claims.jobs.models import Job
from fablab.programs.gcode import Cancelled
from fablab.programs.store import clean_name
from scheduler.intake import Intake
from web.pages.model import DraftWord

log = structlog.get_logger("web")

LIFE_S = 3600
MOST = 500
MOST_READING = 24
PREFIX = "t-"
QUICK_S = 0.4  # most files are read in that time: their answer needs no second look
PIECES_WAITING = 16
GIVE_UP_S = 1.0


class Ticket:
    """One file. Written by its own thread, read by anybody; each value is replaced whole."""

    def __init__(self, owner_id: int, name: str, made_at_s: float) -> None:
        self.id = PREFIX + secrets.token_hex(12)
        self.owner_id = owner_id
        self.name = name
        self.made_at_s = made_at_s
        self.size_bytes = 0
        self.fraction = 0.0
        self.state = DraftWord.ANALYSING
        self.job_id = ""
        self.error: LabError | None = None
        self.thrown_away = threading.Event()
        self.done = threading.Event()

    def ready(self, job: Job) -> None:
        self.job_id, self.fraction, self.state = job.id, 1.0, DraftWord.READY

    def fail(self, error: LabError) -> None:
        self.error, self.state = error, DraftWord.FAILED


class Tickets:
    """One for the server."""

    def __init__(self, intake: Intake, clock: Clock) -> None:
        self._intake = intake
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, Ticket] = OrderedDict()

    def take(self, actor: Actor, file_name: str, pieces: Iterable[bytes]) -> Ticket:
        """Read `pieces` to their end, then wait a moment for the analysis. Raises what reading `pieces` raised.

        What is wrong with the file itself stands on the ticket.
        """
        assert actor.member_id is not None
        ticket = self._new(actor.member_id, clean_name(file_name))
        feed: queue.Queue[bytes | BaseException | None] = queue.Queue(PIECES_WAITING)
        reader = threading.Thread(
            target=self._read, args=(actor, ticket, file_name, feed), name=f"read {ticket.id}", daemon=True
        )
        reader.start()
        try:
            for piece in pieces:
                ticket.size_bytes += len(piece)
                if not _put(feed, piece, ticket.done):
                    break
        except BaseException as error:
            _put(feed, error, ticket.done)
            self.drop(ticket)
            raise
        _put(feed, None, ticket.done)
        ticket.done.wait(QUICK_S)
        return ticket

    def find(self, ticket_id: str, owner_id: int) -> Ticket | None:
        """Somebody else's is as unknown as one that is gone."""
        with self._lock:
            self._forget_old()
            ticket = self._kept.get(ticket_id)
        return ticket if ticket is not None and ticket.owner_id == owner_id else None

    def of(self, owner_id: int) -> list[Ticket]:
        """Those that are no drafts yet, newest first."""
        with self._lock:
            self._forget_old()
            found = [t for t in self._kept.values() if t.owner_id == owner_id]
        return [t for t in reversed(found) if t.state is not DraftWord.READY]

    def drop(self, ticket: Ticket) -> None:
        ticket.thrown_away.set()
        with self._lock:
            self._kept.pop(ticket.id, None)

    def _new(self, owner_id: int, name: str) -> Ticket:
        ticket = Ticket(owner_id, name, self._clock.now().timestamp())
        with self._lock:
            self._forget_old()
            if sum(not t.done.is_set() for t in self._kept.values()) >= MOST_READING:
                raise Conflict("busy")
            while len(self._kept) >= MOST:
                self._kept.popitem(last=False)
            self._kept[ticket.id] = ticket
        return ticket

    def _forget_old(self) -> None:
        oldest = self._clock.now().timestamp() - LIFE_S
        for ticket in list(self._kept.values()):
            if ticket.made_at_s < oldest and ticket.done.is_set():
                del self._kept[ticket.id]

    def _read(
        self, actor: Actor, ticket: Ticket, file_name: str, feed: queue.Queue[bytes | BaseException | None]
    ) -> None:
        def told(fraction: float) -> None:
            ticket.fraction = fraction

        try:
            job = self._intake.receive(
                actor, _pieces(feed), file_name, progress=told, cancelled=ticket.thrown_away.is_set
            )
            ticket.ready(job)
        except LabError as error:
            ticket.fail(error)
        except (Cancelled, _BrokenOff):
            ticket.fail(Invalid("upload.broken_off", field="file"))
        except Exception:
            # The request that brought the file is long answered: nobody but the ticket can be told.
            log.exception("a file could not be read", ticket=ticket.id)
            ticket.fail(LabError("internal"))
        finally:
            ticket.done.set()


class _BrokenOff(Exception):
    """The sender went away in the middle."""


def _pieces(feed: queue.Queue[bytes | BaseException | None]) -> Iterator[bytes]:
    while (piece := feed.get()) is not None:
        if isinstance(piece, BaseException):
            raise _BrokenOff from piece
        yield piece


def _put(
    feed: queue.Queue[bytes | BaseException | None],
    piece: bytes | BaseException | None,
    done: threading.Event,
) -> bool:
    """False when nobody reads any more: the file was refused before its end."""
    while not done.is_set():
        with suppress(queue.Full):
            feed.put(piece, timeout=GIVE_UP_S)
            return True
    return False
