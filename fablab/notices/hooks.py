"""Webhooks: what happened is written down for whoever asked, in the transaction in which it happened.

`witness` is called by the database before each commit (`Database.witnesses`) with the events that are about to be
true. An event says which thing changed and no more: a receiver that wants more asks the API, with a token of its own.
"""

from __future__ import annotations

import base64
import json
import random
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select, update

from fablab.base.database import UnitOfWork
from fablab.base.errors import Invalid, NotFound
from fablab.base.events import Event
from fablab.base.states import step
from fablab.notices.models import (
    DELIVERY_STEPS,
    HOOK_STEPS,
    Delivery,
    DeliveryState,
    Hook,
    HookState,
)

#: Topics that may leave the house. What a member is told, and who signs in, is nobody else's business.
TOPICS = (
    "machine",
    "run",
    "claim",
    "calendar",
    "reservation",
    "training",
    "session",
    "certification",
    "waiting",
    "shares",
)
MOST_HOOKS = 50
LEASE = timedelta(minutes=1)
#: Waits between tries; after the last one the delivery is given up.
BACK_OFF = (15, 60, 300, 1800, 2 * 3600, 6 * 3600, 12 * 3600)
MOST_TRIES = len(BACK_OFF) + 1
STOP_AFTER = 12  # failures in a row, over all that is delivered to one webhook
KEPT = timedelta(days=30)
MOST_ATTEMPTS = 12
REMEMBERED = timedelta(seconds=10)
_MEMORY = "notices.hooks"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Who wants to hear: kept in memory, so that a transaction that nobody wants to hear of asks nothing."""

    read_at: datetime
    rows: tuple[tuple[int, frozenset[str]], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """One delivery that was taken, and all that is needed to make it."""

    id: int
    lease: str
    url: str
    secret: str
    key: str
    body: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """How a try ended. `status`: of HTTP, None where there was none; `reason`: a code, empty where it was accepted."""

    reason: str = ""
    status: int | None = None
    said: str = ""
    took_ms: int = 0


# -- what happened --------------------------------------------------------------------------------------------


def witness(uow: UnitOfWork) -> None:
    """Write a delivery for each webhook that wants one of the events of this transaction, and each event once."""
    events = {(e.topic, str(e.id), e.name): e for e in uow.events if e.topic in TOPICS}
    if not events:
        return
    rows = [
        _delivery(uow, hook_id, event)
        for hook_id, names in _wanted(uow).rows
        for event in events.values()
        if {f"{event.topic}.{event.name}", f"{event.topic}.*"} & names
    ]
    if rows:
        uow.session.add_all(rows)
        uow.raise_event("outbox", "house", "hook")


def _wanted(uow: UnitOfWork) -> Wanted:
    """Another process's change is heard of within `REMEMBERED`; one's own at once."""
    known = uow.memory.get(_MEMORY)
    if isinstance(known, Wanted) and timedelta(0) <= uow.now - known.read_at < REMEMBERED:
        return known
    rows = uow.session.execute(
        select(Hook.id, Hook.events).where(Hook.state == HookState.ACTIVE).order_by(Hook.id)
    )
    found = Wanted(read_at=uow.now, rows=tuple((id, frozenset(events)) for id, events in rows))
    uow.memory[_MEMORY] = found
    return found


def _delivery(uow: UnitOfWork, hook_id: int, event: Event) -> Delivery:
    return _new(uow, hook_id, f"{event.topic}.{event.name}", {event.topic: event.id})


def _new(uow: UnitOfWork, hook_id: int, name: str, data: dict[str, str | int]) -> Delivery:
    key = f"msg_{secrets.token_hex(12)}"
    body = {"id": key, "type": name, "timestamp": uow.now.isoformat(), "data": data}
    return Delivery(
        hook_id=hook_id,
        event=name[:60],
        key=key,
        body=json.dumps(body, separators=(",", ":")),
        state=DeliveryState.WAITING,
        made_at=uow.now,
        due_at=uow.now,
        attempts=[],
    )


# -- the webhooks themselves ----------------------------------------------------------------------------------


def add(uow: UnitOfWork, name: str, url: str, events: Iterable[str]) -> tuple[Hook, str]:
    """With its secret in clear, this once. `url` has been looked at (`web.hooks.address`). Raises `Invalid`."""
    count = len(all_hooks(uow))
    if count >= MOST_HOOKS:
        raise Invalid("hook.too_many", field="name", most=MOST_HOOKS)
    row = Hook(
        name=_name(name),
        url=url,
        events=_events(events),
        secret="",
        state=HookState.ACTIVE,
        made_at=uow.now,
        made_by_id=uow.actor.member_id,
    )
    uow.session.add(row)
    uow.session.flush()
    forget(uow)
    return row, renew(uow, row.id)


def change(uow: UnitOfWork, hook_id: int, name: str, url: str, events: Iterable[str]) -> Hook:
    row = hook(uow, hook_id)
    row.name, row.url, row.events = _name(name), url, _events(events)
    forget(uow)
    return row


def move(uow: UnitOfWork, hook_id: int, action: str) -> Hook:
    """pause or resume. What waits for a webhook that is resumed is sent then."""
    row = hook(uow, hook_id)
    row.state = step(HOOK_STEPS, row.state, action)
    row.failures = 0
    forget(uow)
    return row


def renew(uow: UnitOfWork, hook_id: int) -> str:
    """A new secret; the old one signs nothing any more."""
    row = hook(uow, hook_id)
    secret = new_secret()
    row.secret = uow.sealer.seal(secret, of_hook(row.id))
    uow.session.flush()
    return secret


def of_hook(hook_id: int) -> str:
    """What a webhook's sealed secret is of."""
    return f"webhook {hook_id}"


def remove(uow: UnitOfWork, hook_id: int) -> None:
    row = hook(uow, hook_id)
    uow.session.execute(delete(Delivery).where(Delivery.hook_id == row.id))
    uow.session.delete(row)
    forget(uow)


def hook(uow: UnitOfWork, hook_id: int) -> Hook:
    row = uow.session.get(Hook, hook_id)
    if row is None:
        raise NotFound("hook.unknown")
    return row


def all_hooks(uow: UnitOfWork) -> list[Hook]:
    return list(uow.session.scalars(select(Hook).order_by(Hook.name, Hook.id)))


def new_secret() -> str:
    """As the Standard Webhooks specification writes it: 24 random bytes in base64 behind a prefix."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode()


def forget(uow: UnitOfWork) -> None:
    uow.memory.pop(_MEMORY, None)


def _name(said: str) -> str:
    name = " ".join(said.split())
    if not 1 <= len(name) <= 80:
        raise Invalid("hook.name", field="name", most=80)
    return name


def _events(said: Iterable[str]) -> list[str]:
    """Each is a topic's event ("run.failed"), or all of a topic's ("run.*")."""
    events = sorted(set(said))
    if not events:
        raise Invalid("hook.no_events", field="events")
    for event in events:
        topic, _, name = event.partition(".")
        if topic not in TOPICS or not name or len(event) > 60 or not (name == "*" or name.isidentifier()):
            raise Invalid("hook.event", field="events", event=event[:60])
    return events


# -- deliveries -----------------------------------------------------------------------------------------------


def knock(uow: UnitOfWork, hook_id: int) -> Delivery:
    """A delivery that nothing has happened for, to see whether it arrives."""
    row = _new(uow, hook(uow, hook_id).id, "fablab.test", {"hook": hook_id})
    uow.session.add(row)
    uow.session.flush()
    return row


def take(uow: UnitOfWork, lease: str) -> Sending | None:
    """The next delivery whose time has come, ours alone; None when there is none. A paused webhook's wait."""
    query = (
        select(Delivery, Hook)
        .join(Hook, Hook.id == Delivery.hook_id)
        .where(
            Delivery.state.in_((DeliveryState.WAITING, DeliveryState.FAILED)),
            Delivery.due_at <= uow.now,
            Hook.state == HookState.ACTIVE,
        )
        .order_by(Delivery.due_at, Delivery.id)
        .limit(20)
    )
    for row, target in uow.session.execute(query).all():
        after = step(DELIVERY_STEPS, row.state, "take")
        found = uow.session.execute(
            update(Delivery)
            .where(Delivery.id == row.id, Delivery.state == row.state, Delivery.due_at == row.due_at)
            .values(state=after, lease=lease, lease_until=uow.now + LEASE, tries=Delivery.tries + 1)
            .execution_options(synchronize_session=False)
        )
        if found.rowcount == 1:  # type: ignore[attr-defined]  # an UPDATE's result counts its rows
            secret = uow.sealer.open(target.secret, of_hook(target.id))
            return Sending(id=row.id, lease=lease, url=target.url, secret=secret, key=row.key, body=row.body)
    return None


def answered(uow: UnitOfWork, sending: Sending, answer: Answer) -> Hook | None:
    """Write down how the try ended. The webhook, where this failure was the one that stopped it."""
    row = uow.session.get(Delivery, sending.id, with_for_update=True)
    if row is None or row.lease != sending.lease or row.state is not DeliveryState.SENDING:
        return None
    target = uow.session.get_one(Hook, row.hook_id, with_for_update=True)
    attempt: dict[str, object] = {
        "at": uow.now.isoformat(),
        "status": answer.status,
        "reason": answer.reason,
        "said": answer.said[:500],
        "took_ms": answer.took_ms,
    }
    row.attempts = [*row.attempts, attempt][-MOST_ATTEMPTS:]
    row.lease, row.lease_until = None, None
    if not answer.reason:
        row.state, row.ended_at = step(DELIVERY_STEPS, row.state, "accept"), uow.now
        target.failures = 0
        return None
    if row.tries >= MOST_TRIES:
        row.state, row.ended_at = step(DELIVERY_STEPS, row.state, "give_up"), uow.now
    else:
        row.state = step(DELIVERY_STEPS, row.state, "fail")
        row.due_at = uow.now + back_off(row.tries)
    target.failures += 1
    if target.failures >= STOP_AFTER and target.state is HookState.ACTIVE:
        target.state = step(HOOK_STEPS, target.state, "stop")
        forget(uow)
        return target
    return None


def back_off(tries: int, chance: random.Random | None = None) -> timedelta:
    wait_s = BACK_OFF[min(tries, len(BACK_OFF)) - 1]
    return timedelta(seconds=wait_s * (chance or random).uniform(0.8, 1.2))


def lost(uow: UnitOfWork) -> bool:
    """Whether there is anything to recover: to ask is no write."""
    query = select(Delivery.id).where(
        Delivery.state == DeliveryState.SENDING, Delivery.lease_until <= uow.now
    )
    return uow.session.scalar(query.limit(1)) is not None


def recover(uow: UnitOfWork) -> int:
    """Deliveries whose sender has gone silent may be tried again."""
    query = select(Delivery).where(Delivery.state == DeliveryState.SENDING, Delivery.lease_until <= uow.now)
    rows = list(uow.session.scalars(query.with_for_update(skip_locked=True)))
    for row in rows:
        row.state = step(DELIVERY_STEPS, row.state, "fail")
        row.due_at, row.lease, row.lease_until = uow.now, None, None
    return len(rows)


def next_due(uow: UnitOfWork) -> datetime | None:
    query = (
        select(Delivery.due_at)
        .join(Hook, Hook.id == Delivery.hook_id)
        .where(
            Delivery.state.in_((DeliveryState.WAITING, DeliveryState.FAILED)), Hook.state == HookState.ACTIVE
        )
        .order_by(Delivery.due_at)
        .limit(1)
    )
    return uow.session.scalar(query)


def replay(uow: UnitOfWork, hook_id: int, delivery_id: int) -> Delivery:
    """Send it again: the same body under the same key, signed anew. Raises `BadStep` while it is under way."""
    row = uow.session.get(Delivery, delivery_id)
    if row is None or row.hook_id != hook_id:
        raise NotFound("hook.delivery_unknown")
    row.state = step(DELIVERY_STEPS, row.state, "replay")
    row.due_at, row.tries, row.ended_at = uow.now, 0, None
    return row


def deliveries(
    uow: UnitOfWork, hook_id: int, *, before: int | None = None, limit: int = 50
) -> list[Delivery]:
    """Newest first."""
    query = select(Delivery).where(Delivery.hook_id == hook_id)
    if before is not None:
        query = query.where(Delivery.id < before)
    return list(uow.session.scalars(query.order_by(Delivery.id.desc()).limit(limit)))


def sweep(uow: UnitOfWork) -> int:
    """Deliveries that have ended, or that nobody will ever take, go after a month."""
    gone = uow.session.execute(
        delete(Delivery).where(Delivery.made_at < uow.now - KEPT, Delivery.state != DeliveryState.SENDING)
    )
    return int(gone.rowcount)  # type: ignore[attr-defined]  # a DELETE's result counts its rows
