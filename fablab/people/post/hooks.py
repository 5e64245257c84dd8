"""Webhooks belong to whoever manages the house: they carry what happens in it to other computers."""

from __future__ import annotations

from collections.abc import Iterable

from fablab.base.database import UnitOfWork
from fablab.base.errors import NotFound
from fablab.notices import hooks, tell
from fablab.notices.hooks import Answer, Sending
from fablab.notices.models import Delivery, Hook
from fablab.people import log
from fablab.people.access import Right, require


def listed(uow: UnitOfWork) -> list[Hook]:
    require(uow.actor, Right.MANAGE)
    return hooks.all_hooks(uow)


def one(uow: UnitOfWork, hook_id: int) -> Hook:
    require(uow.actor, Right.MANAGE)
    return hooks.hook(uow, hook_id)


def add(uow: UnitOfWork, name: str, url: str, events: Iterable[str]) -> tuple[Hook, str]:
    """Its secret is to be shown to whoever added it, this once."""
    require(uow.actor, Right.MANAGE)
    row, secret = hooks.add(uow, name, url, events)
    _note(uow, "hook.added", row)
    return row, secret


def change(uow: UnitOfWork, hook_id: int, name: str, url: str, events: Iterable[str]) -> Hook:
    require(uow.actor, Right.MANAGE)
    row = hooks.change(uow, hook_id, name, url, events)
    _note(uow, "hook.changed", row)
    return row


def move(uow: UnitOfWork, hook_id: int, action: str) -> Hook:
    """pause or resume; whatever else is asked for does not exist."""
    require(uow.actor, Right.MANAGE)
    if action not in ("pause", "resume"):
        raise NotFound
    row = hooks.move(uow, hook_id, action)
    _note(uow, "hook.resumed" if action == "resume" else "hook.paused", row)
    uow.raise_event("outbox", "house", "hook")
    return row


def renew(uow: UnitOfWork, hook_id: int) -> str:
    require(uow.actor, Right.MANAGE)
    secret = hooks.renew(uow, hook_id)
    _note(uow, "hook.renewed", hooks.hook(uow, hook_id))
    return secret


def remove(uow: UnitOfWork, hook_id: int) -> None:
    require(uow.actor, Right.MANAGE)
    _note(uow, "hook.removed", hooks.hook(uow, hook_id))
    hooks.remove(uow, hook_id)


def knock(uow: UnitOfWork, hook_id: int) -> Delivery:
    require(uow.actor, Right.MANAGE)
    row = hooks.knock(uow, hook_id)
    uow.raise_event("outbox", "house", "hook")
    return row


def replay(uow: UnitOfWork, hook_id: int, delivery_id: int) -> Delivery:
    require(uow.actor, Right.MANAGE)
    row = hooks.replay(uow, hook_id, delivery_id)
    _note(uow, "hook.replayed", hooks.hook(uow, hook_id))
    uow.raise_event("outbox", "house", "hook")
    return row


def deliveries(uow: UnitOfWork, hook_id: int, *, before: int | None = None) -> list[Delivery]:
    require(uow.actor, Right.MANAGE)
    hooks.hook(uow, hook_id)
    return hooks.deliveries(uow, hook_id, before=before)


def answered(uow: UnitOfWork, sending: Sending, answer: Answer) -> None:
    """Write down how a try ended; who set the webhook up hears of it when it was the failure that stopped it."""
    stopped = hooks.answered(uow, sending, answer)
    if stopped is not None:
        tell(
            uow, stopped.made_by_id, "hook.stopped", name=stopped.name, count=stopped.failures, path="/hooks"
        )


def _note(uow: UnitOfWork, code: str, row: Hook) -> None:
    log.record(uow, code, about=f"hook {row.id}", name=row.name)
