"""Webhooks: who is told what, whether it arrives, and every delivery of the last month."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from litestar import Response, get, post
from litestar.params import FromPath

from fablab.base import states
from fablab.base.errors import Invalid
from fablab.notices.hooks import TOPICS
from fablab.notices.models import DELIVERY_STEPS, HOOK_STEPS, Delivery, Hook
from fablab.people.post import hooks
from web.hooks import look_at
from web.hooks.address import networks
from web.pages.shell import AnyRequest, Desk, desk_of, form_of, go, in_thread
from web.security import Right
from web.words import Words


@dataclass(frozen=True, slots=True, kw_only=True)
class HookRow:
    id: int
    name: str
    url: str
    state: str
    state_word: str
    failures: int
    can: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryRow:
    """`status`: the last answer's, or a dash."""

    id: int
    event: str
    key: str
    state: str
    state_word: str
    made_at: datetime
    due_at: datetime | None
    tries: int
    status: str
    reason: str
    said: str
    body: str
    can_replay: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class HookForm:
    """`topics`: (value, label, chosen). `more`: single events, as typed."""

    action: str
    name: str
    url: str
    topics: tuple[tuple[str, str, bool], ...]
    more: str
    error: str
    field: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HooksView:
    hooks: tuple[HookRow, ...]
    form: HookForm


@dataclass(frozen=True, slots=True, kw_only=True)
class HookView:
    """`secret`: shown this once, empty otherwise."""

    hook: HookRow
    form: HookForm
    secret: str
    deliveries: tuple[DeliveryRow, ...]
    older: int | None


@get("/hooks", access=Right.MANAGE, include_in_schema=False, sync_to_thread=True)
def show(request: AnyRequest) -> Response[str]:
    return _list(desk_of(request))


@post("/hooks", access=Right.MANAGE, include_in_schema=False, status_code=200)
async def add(request: AnyRequest) -> Response[str]:
    """Answered with the webhook's page: its secret is shown this once."""
    desk, form = desk_of(request), await form_of(request)
    return await in_thread(_add, desk, form)


def _add(desk: Desk, form: Mapping[str, str]) -> Response[str]:
    try:
        url, events = _wish(desk, form)
        row, secret = desk.database.write(
            lambda uow: hooks.add(uow, form.get("name", ""), url, events), desk.actor
        )
    except Invalid as error:
        return _list(desk, form, error)
    return _one(desk, row.id, secret=secret)


@get("/hooks/{hook_id:int}", access=Right.MANAGE, include_in_schema=False, sync_to_thread=True)
def show_one(request: AnyRequest, hook_id: FromPath[int]) -> Response[str]:
    said = request.query_params.get("before", "")
    return _one(desk_of(request), hook_id, before=int(said) if said.isdecimal() and len(said) < 12 else None)


@post("/hooks/{hook_id:int}", access=Right.MANAGE, include_in_schema=False)
async def change(request: AnyRequest, hook_id: FromPath[int]) -> Response[str]:
    desk, form = desk_of(request), await form_of(request)
    return await in_thread(_change, desk, hook_id, form)


def _change(desk: Desk, hook_id: int, form: Mapping[str, str]) -> Response[str]:
    try:
        url, events = _wish(desk, form)
        desk.database.write(
            lambda uow: hooks.change(uow, hook_id, form.get("name", ""), url, events), desk.actor
        )
    except Invalid as error:
        return _one(desk, hook_id, typed=form, error=error)
    return go(desk.request, f"/hooks/{hook_id}")


@post("/hooks/{hook_id:int}/{action:str}", access=Right.MANAGE, include_in_schema=False, status_code=200)
async def act(request: AnyRequest, hook_id: FromPath[int], action: FromPath[str]) -> Response[str]:
    """pause, resume, test, renew (its secret), remove."""
    return await in_thread(_act, desk_of(request), hook_id, action)


def _act(desk: Desk, hook_id: int, action: str) -> Response[str]:
    if action == "renew":
        secret = desk.database.write(lambda uow: hooks.renew(uow, hook_id), desk.actor)
        return _one(desk, hook_id, secret=secret)
    if action == "remove":
        desk.database.write(lambda uow: hooks.remove(uow, hook_id), desk.actor)
        return go(desk.request, "/hooks")
    if action == "test":
        desk.database.write(lambda uow: hooks.knock(uow, hook_id), desk.actor)
    else:
        # What is neither is no step of a webhook, and said as such.
        desk.database.write(lambda uow: hooks.move(uow, hook_id, action), desk.actor)
    return go(desk.request, f"/hooks/{hook_id}")


@post(
    "/hooks/{hook_id:int}/deliveries/{delivery_id:int}/replay", access=Right.MANAGE, include_in_schema=False
)
async def replay(request: AnyRequest, hook_id: FromPath[int], delivery_id: FromPath[int]) -> Response[str]:
    desk = desk_of(request)
    await in_thread(desk.database.write, lambda uow: hooks.replay(uow, hook_id, delivery_id), desk.actor)
    return go(request, f"/hooks/{hook_id}#deliveries")


def _wish(desk: Desk, form: Mapping[str, str]) -> tuple[str, tuple[str, ...]]:
    url = look_at(form.get("url", ""), networks(desk.parts.settings.hook_networks))
    whole = [f"{topic}.*" for topic in TOPICS if form.get(f"topic-{topic}")]
    single = form.get("more", "")[:1000].replace(",", " ").split()
    return url, (*whole, *single)


def _list(desk: Desk, form: Mapping[str, str] | None = None, error: Invalid | None = None) -> Response[str]:
    with desk.database.read(desk.actor) as uow:
        rows = hooks.listed(uow)
    view = HooksView(
        hooks=tuple(_row(desk.words, row) for row in rows),
        form=_form(desk, "/hooks", form or {}, error),
    )
    return desk.page("hooks.html", view=view, status=422 if error else 200)


def _one(
    desk: Desk,
    hook_id: int,
    *,
    secret: str = "",
    before: int | None = None,
    typed: Mapping[str, str] | None = None,
    error: Invalid | None = None,
) -> Response[str]:
    with desk.database.read(desk.actor) as uow:
        row = hooks.one(uow, hook_id)
        deliveries = hooks.deliveries(uow, hook_id, before=before)
    view = HookView(
        hook=_row(desk.words, row),
        form=_form(desk, f"/hooks/{hook_id}", typed if typed is not None else _stored(row), error),
        secret=secret,
        deliveries=tuple(_delivery(desk.words, each) for each in deliveries),
        older=deliveries[-1].id if len(deliveries) == 50 else None,
    )
    answer = desk.page("hook.html", view=view, status=422 if error else 200)
    if secret:
        answer.headers["Cache-Control"] = "no-store"
    return answer


def _stored(row: Hook) -> dict[str, str]:
    whole = {event for event in row.events if event.endswith(".*")}
    single = [event for event in row.events if event not in whole]
    topics = {f"topic-{event.removesuffix('.*')}": "on" for event in whole}
    return {"name": row.name, "url": row.url, "more": ", ".join(single), **topics}


def _form(desk: Desk, action: str, typed: Mapping[str, str], error: Invalid | None) -> HookForm:
    return HookForm(
        action=action,
        name=typed.get("name", "")[:200],
        url=typed.get("url", "")[:600],
        topics=tuple(
            (topic, desk.words.word("hook_topic", topic), bool(typed.get(f"topic-{topic}")))
            for topic in TOPICS
        ),
        more=typed.get("more", "")[:1000],
        error=desk.words.error(error) if error is not None else "",
        field=error.field or "" if error is not None else "",
    )


def _row(words: Words, row: Hook) -> HookRow:
    return HookRow(
        id=row.id,
        name=row.name,
        url=row.url,
        state=row.state.value,
        state_word=words.word("hook_state", row.state),
        failures=row.failures,
        can=tuple(a for a in states.actions(HOOK_STEPS, row.state) if a != "stop"),
    )


def _delivery(words: Words, row: Delivery) -> DeliveryRow:
    last = row.attempts[-1] if row.attempts else {}
    reason = str(last.get("reason") or "")
    return DeliveryRow(
        id=row.id,
        event=row.event,
        key=row.key,
        state=row.state.value,
        state_word=words.word("delivery_state", row.state),
        made_at=row.made_at,
        due_at=row.due_at if row.state.value == "failed" else None,
        tries=row.tries,
        status=str(last.get("status") or "–"),
        reason=words.say(reason) if reason else "",
        said=str(last.get("said") or ""),
        body=row.body,
        can_replay="replay" in states.actions(DELIVERY_STEPS, row.state),
    )


ROUTES = (show, add, show_one, change, act, replay)
