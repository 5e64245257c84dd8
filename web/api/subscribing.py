"""What gives leave to use the lab, as JSON: subscriptions and their tariffs, supporting documents."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any

import anyio.to_thread
import msgspec
from litestar import Request, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from fablab.base.database import Database, UnitOfWork
from fablab.base.errors import Invalid, LabError, NotFound
from fablab.money import subscriptions
from fablab.money.subscriptions import Cover, Settled, Subscription, TariffWish
from fablab.people import documents
from fablab.people.access import Right, SignedIn
from fablab.people.models import Audience, DocumentKind, MemberDocument
from fablab.programs.store import Store
from web.api.members_schema import (
    DocumentOut,
    SubscriptionOut,
    TariffOut,
    document_out,
    subscription_out,
    tariff_out,
)
from web.security import Access, Pace
from web.uploads import Uploads


class SubscribeIn(msgspec.Struct, frozen=True, kw_only=True):
    """`first_day` only where the staff sells it; null: today, or the day after the one that runs."""

    tariff: int
    member: int | None = None
    organisation: int | None = None
    first_day: date | None = None


class SettleIn(msgspec.Struct, frozen=True, kw_only=True):
    how: Settled | None = None


class TariffIn(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    cover: Cover
    months: int
    price_cents: int
    audience: Audience | None = None


class DecisionIn(msgspec.Struct, frozen=True, kw_only=True):
    """`reason` to refuse; `expires_on` to accept, null for good."""

    reason: str = ""
    expires_on: date | None = None


@get("/subscriptions/tariffs", access=Access.SIGNED_IN, sync_to_thread=True, tags=["people"])
def all_tariffs(database: NamedDependency[Database]) -> tuple[TariffOut, ...]:
    """What can be had today."""
    with database.read() as uow:
        return tuple(map(tariff_out, subscriptions.tariffs(uow)))


@post("/subscriptions/tariffs", access=Right.MANAGE, sync_to_thread=True, tags=["people"])
def add_tariff(
    data: JSONBody[TariffIn], database: NamedDependency[Database], signed_in: NamedDependency[SignedIn]
) -> TariffOut:
    wish = TariffWish(
        name=data.name[:300],
        audience=data.audience,
        cover=data.cover,
        months=data.months,
        price_cents=data.price_cents,
    )
    return tariff_out(database.write(lambda uow: subscriptions.add_tariff(uow, wish), signed_in.actor))


@delete(
    "/subscriptions/tariffs/{row_id:int}",
    access=Right.MANAGE,
    sync_to_thread=True,
    status_code=200,
    tags=["people"],
)
def end_tariff(
    row_id: FromPath[int], database: NamedDependency[Database], signed_in: NamedDependency[SignedIn]
) -> TariffOut:
    """From tomorrow on nobody can have it."""
    return tariff_out(database.write(lambda uow: subscriptions.end_tariff(uow, row_id), signed_in.actor))


@post("/subscriptions", access=Access.IN_PERSON, sync_to_thread=True, tags=["people"])
def subscribe(
    data: JSONBody[SubscribeIn], database: NamedDependency[Database], signed_in: NamedDependency[SignedIn]
) -> SubscriptionOut:
    """Ask for one, for oneself or a child."""
    if data.organisation is not None or data.first_day is not None:
        raise Invalid("subscription.whose", field="organisation")
    return subscription_out(
        database.write(
            lambda uow: subscriptions.ask(uow, data.tariff, member_id=data.member), signed_in.actor
        )
    )


@post("/subscriptions/sold", access=Right.OPERATE, sync_to_thread=True, tags=["people"])
def sell(
    data: JSONBody[SubscribeIn], database: NamedDependency[Database], signed_in: NamedDependency[SignedIn]
) -> SubscriptionOut:
    """By the staff, agreed at once, for a member or an organisation."""

    def work(uow: UnitOfWork) -> Subscription:
        return subscriptions.sell(
            uow,
            data.tariff,
            member_id=data.member if data.organisation is None else None,
            organisation_id=data.organisation,
            first_day=data.first_day,
        )

    return subscription_out(database.write(work, signed_in.actor))


@post(
    "/subscriptions/{row_id:int}/{name:str}",
    access=Access.IN_PERSON,
    sync_to_thread=True,
    status_code=200,
    tags=["people"],
)
def step_subscription(
    row_id: FromPath[int],
    name: FromPath[str],
    data: JSONBody[SettleIn],
    database: NamedDependency[Database],
    signed_in: NamedDependency[SignedIn],
) -> SubscriptionOut:
    """`agree`, `settle` (with `how`) by the staff; `cancel` of a wish also by who made it."""

    def work(uow: UnitOfWork) -> Subscription:
        if name == "agree":
            return subscriptions.agree(uow, row_id)
        if name == "cancel":
            return subscriptions.cancel(uow, row_id)
        if name != "settle":
            raise NotFound
        if data.how is None:
            raise Invalid("choice.unknown", field="how")
        return subscriptions.settle(uow, row_id, data.how)

    return subscription_out(database.write(work, signed_in.actor))


@post(
    "/documents",
    access=Access.IN_PERSON,
    pace=Pace.UPLOAD,
    csrf="stream",
    request_max_body_size=documents.LIMIT_BYTES + 1_000_000,
    tags=["people"],
)
async def send_document(
    request: Request[Any, Any, Any],
    database: NamedDependency[Database],
    documents_store: NamedDependency[Store],
    uploads: NamedDependency[Uploads],
    signed_in: NamedDependency[SignedIn],
) -> DocumentOut:
    """multipart/form-data: `kind`, `for_member` (a child, or by the staff), and the `file`: PDF, JPEG or PNG."""

    def keep(name: str, pieces: Iterable[bytes]) -> documents.Sent:
        return documents.keep(documents_store, name, pieces)

    sent, fields = await uploads.take(request, keep)
    whose = fields.get("for_member", "").strip()
    try:
        if fields.get("kind", "") not in set(DocumentKind) or (whose and not _is_number(whose)):
            raise Invalid("choice.unknown", field="kind")
        kind, member_id = DocumentKind(fields["kind"]), int(whose) if whose else None

        def work(uow: UnitOfWork) -> MemberDocument:
            return documents.add(uow, sent, kind=kind, member_id=member_id)

        return document_out(await anyio.to_thread.run_sync(database.write, work, signed_in.actor))
    except LabError:
        await anyio.to_thread.run_sync(documents.discard, database, documents_store, sent)
        raise


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 10


@post(
    "/documents/{row_id:int}/{name:str}",
    access=Right.OPERATE,
    sync_to_thread=True,
    status_code=200,
    tags=["people"],
)
def decide_document(
    row_id: FromPath[int],
    name: FromPath[str],
    data: JSONBody[DecisionIn],
    database: NamedDependency[Database],
    signed_in: NamedDependency[SignedIn],
) -> DocumentOut:
    """`accept` or `refuse`."""
    if name == "accept":
        return document_out(
            database.write(lambda uow: documents.accept(uow, row_id, data.expires_on), signed_in.actor)
        )
    if name != "refuse":
        raise NotFound
    return document_out(
        database.write(lambda uow: documents.refuse(uow, row_id, data.reason), signed_in.actor)
    )


@delete("/documents/{row_id:int}", access=Access.IN_PERSON, sync_to_thread=True, tags=["people"])
def delete_document(
    row_id: FromPath[int],
    database: NamedDependency[Database],
    documents_store: NamedDependency[Store],
    signed_in: NamedDependency[SignedIn],
) -> None:
    sha256 = database.write(lambda uow: documents.delete(uow, row_id), signed_in.actor)
    documents.throw_away(documents_store, [sha256] if sha256 else [])


ROUTES = (
    all_tariffs,
    add_tariff,
    end_tariff,
    subscribe,
    sell,
    step_subscription,
    send_document,
    decide_document,
    delete_document,
)
