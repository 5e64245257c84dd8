"""Webhooks: added with a secret that is answered once, paused, tried out; and the log of their deliveries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec
from litestar import delete, get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody

from fablab.base.database import Database
from fablab.notices.models import Delivery, Hook
from fablab.people.access import SignedIn
from fablab.people.post import hooks
from web.hooks import look_at
from web.hooks.address import networks
from web.security import Right
from web.settings import Settings


class HookIn(msgspec.Struct, frozen=True, kw_only=True):
    """`events`: such as `run.failed`, or all of a topic's as `run.*`."""

    name: str
    url: str
    events: tuple[str, ...]


class HookOut(msgspec.Struct, frozen=True, kw_only=True):
    """`state`: active, paused (by a person) or stopped (after failing). `failures`: in a row."""

    id: int
    name: str
    url: str
    events: Sequence[str]
    state: str
    failures: int
    made_at: datetime


class NewHook(msgspec.Struct, frozen=True, kw_only=True):
    """`secret` is known now and never again."""

    hook: HookOut
    secret: str


class NewSecret(msgspec.Struct, frozen=True, kw_only=True):
    secret: str


class DeliveryOut(msgspec.Struct, frozen=True, kw_only=True):
    """`key` is the `webhook-id` of every try. `attempts`: at, status, reason, said, took_ms."""

    id: int
    event: str
    key: str
    body: str
    state: str
    made_at: datetime
    due_at: datetime
    tries: int
    attempts: Sequence[Mapping[str, object]]


@get("/hooks", access=Right.MANAGE, sync_to_thread=True, tags=["webhooks"])
def list_hooks(database: NamedDependency[Database], signed_in: NamedDependency[SignedIn]) -> list[HookOut]:
    with database.read(signed_in.actor) as uow:
        return [_out(row) for row in hooks.listed(uow)]


@post("/hooks", access=Right.MANAGE, sync_to_thread=True, tags=["webhooks"])
def add_hook(
    data: JSONBody[HookIn],
    database: NamedDependency[Database],
    signed_in: NamedDependency[SignedIn],
    settings: NamedDependency[Settings],
) -> NewHook:
    """Deliveries are signed as the Standard Webhooks specification says (`webhook-signature`)."""
    url = look_at(data.url, networks(settings.hook_networks))
    row, secret = database.write(lambda uow: hooks.add(uow, data.name, url, data.events), signed_in.actor)
    return NewHook(hook=_out(row), secret=secret)


@put("/hooks/{hook_id:int}", access=Right.MANAGE, sync_to_thread=True, tags=["webhooks"])
def change_hook(
    hook_id: FromPath[int],
    data: JSONBody[HookIn],
    database: NamedDependency[Database],
    signed_in: NamedDependency[SignedIn],
    settings: NamedDependency[Settings],
) -> HookOut:
    url = look_at(data.url, networks(settings.hook_networks))
    row = database.write(lambda uow: hooks.change(uow, hook_id, data.name, url, data.events), signed_in.actor)
    return _out(row)


@delete("/hooks/{hook_id:int}", access=Right.MANAGE, sync_to_thread=True, tags=["webhooks"])
def remove_hook(
    hook_id: FromPath[int], database: NamedDependency[Database], signed_in: NamedDependency[SignedIn]
) -> None:
    database.write(lambda uow: hooks.remove(uow, hook_id), signed_in.actor)


@post(
    "/hooks/{hook_id:int}/pause", access=Right.MANAGE, sync_to_thread=True, status_code=200, tags=["webhooks"]
)
def pause_hook(
    hook_id: FromPath[int], database: NamedDependency[Database], signed_in: NamedDependency[SignedIn]
) -> HookOut:
    return _out(database.write(lambda uow: hooks.move(uow, hook_id, "pause"), signed_in.actor))


@post(
    "/hooks/{hook_id:int}/resume",
    access=Right.MANAGE,
    sync_to_thread=True,
    status_code=200,
    tags=["webhooks"],
)
def resume_hook(
    hook_id: FromPath[int], database: NamedDependency[Database], signed_in: NamedDependency[SignedIn]
) -> HookOut:
    """Also after it was stopped for failing; what waits for it is sent then."""
    return _out(database.write(lambda uow: hooks.move(uow, hook_id, "resume"), signed_in.actor))


@post(
    "/hooks/{hook_id:int}/secret",
    access=Right.MANAGE,
    sync_to_thread=True,
    status_code=200,
    tags=["webhooks"],
)
def renew_secret(
    hook_id: FromPath[int], database: NamedDependency[Database], signed_in: NamedDependency[SignedIn]
) -> NewSecret:
    return NewSecret(secret=database.write(lambda uow: hooks.renew(uow, hook_id), signed_in.actor))


@post("/hooks/{hook_id:int}/test", access=Right.MANAGE, sync_to_thread=True, tags=["webhooks"])
def try_hook(
    hook_id: FromPath[int], database: NamedDependency[Database], signed_in: NamedDependency[SignedIn]
) -> DeliveryOut:
    """A delivery of `fablab.test`, which nothing has happened for."""
    return _delivery(database.write(lambda uow: hooks.knock(uow, hook_id), signed_in.actor))


@get("/hooks/{hook_id:int}/deliveries", access=Right.MANAGE, sync_to_thread=True, tags=["webhooks"])
def list_deliveries(
    hook_id: FromPath[int],
    database: NamedDependency[Database],
    signed_in: NamedDependency[SignedIn],
    before: FromQuery[int | None] = None,
) -> list[DeliveryOut]:
    """Fifty, newest first; `before`: the id that the page before this one ended with."""
    with database.read(signed_in.actor) as uow:
        return [_delivery(row) for row in hooks.deliveries(uow, hook_id, before=before)]


@post(
    "/hooks/{hook_id:int}/deliveries/{delivery_id:int}/replay",
    access=Right.MANAGE,
    sync_to_thread=True,
    status_code=200,
    tags=["webhooks"],
)
def replay_delivery(
    hook_id: FromPath[int],
    delivery_id: FromPath[int],
    database: NamedDependency[Database],
    signed_in: NamedDependency[SignedIn],
) -> DeliveryOut:
    """The same body under the same key, signed anew."""
    return _delivery(database.write(lambda uow: hooks.replay(uow, hook_id, delivery_id), signed_in.actor))


def _out(row: Hook) -> HookOut:
    return HookOut(
        id=row.id,
        name=row.name,
        url=row.url,
        events=row.events,
        state=row.state.value,
        failures=row.failures,
        made_at=row.made_at,
    )


def _delivery(row: Delivery) -> DeliveryOut:
    return DeliveryOut(
        id=row.id,
        event=row.event,
        key=row.key,
        body=row.body,
        state=row.state.value,
        made_at=row.made_at,
        due_at=row.due_at,
        tries=row.tries,
        attempts=row.attempts,
    )


ROUTES = (
    list_hooks,
    add_hook,
    change_hook,
    remove_hook,
    pause_hook,
    resume_hook,
    renew_secret,
    try_hook,
    list_deliveries,
    replay_delivery,
)
