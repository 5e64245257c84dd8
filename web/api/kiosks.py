"""Kiosks, the codes on machines, badges and PINs. What lets somebody in is answered once, and kept as a hash only."""

from __future__ import annotations

import msgspec
from litestar import delete, get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from fablab.base.database import Database
from fablab.people import badges, kiosks
from fablab.people.access import SignedIn
from fablab.people.badges import Keys
from fablab.people.kiosks import Kiosk
from web.api.schema import At
from web.api.security import AnyRequest, login_token
from web.security import Access, Right
from web.settings import Settings

TAGS = ["kiosks"]


class KioskIn(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    machine: int


class KioskOut(msgspec.Struct, frozen=True, kw_only=True):
    """`enrolled_at`: since when a tablet is let in by it; null: its link has not been followed yet."""

    id: int
    name: str
    machine: int
    made_at: At
    enrolled_at: At | None
    seen_at: At | None


class NewKiosk(KioskOut, frozen=True, kw_only=True):
    """`link`: opened once, on the tablet, until `link_until`; it is answered this once."""

    link: str
    link_until: At | None


class CodeOut(msgspec.Struct, frozen=True, kw_only=True):
    """`address`: what the code on the machine leads to."""

    machine: int
    address: str


class BadgeIn(msgspec.Struct, frozen=True, kw_only=True):
    """`number`: as the reader types it."""

    number: str


class PinIn(msgspec.Struct, frozen=True, kw_only=True):
    pin: str


class KeysOut(msgspec.Struct, frozen=True, kw_only=True):
    """Since when they have each; never what it is."""

    badge_at: At | None
    pin_at: At | None


def _out(row: Kiosk) -> KioskOut:
    return KioskOut(
        id=row.id,
        name=row.name,
        machine=row.resource_id,
        made_at=row.made_at,
        enrolled_at=row.enrolled_at,
        seen_at=row.seen_at,
    )


def _keys(found: Keys) -> KeysOut:
    return KeysOut(badge_at=found.badge_at, pin_at=found.pin_at)


@get("/kiosks", access=Right.OPERATE, sync_to_thread=True, tags=TAGS)
def list_kiosks(
    database: NamedDependency[Database], signed_in: NamedDependency[SignedIn]
) -> tuple[KioskOut, ...]:
    """Those that are not revoked."""
    with database.read(signed_in.actor) as uow:
        return tuple(_out(row) for row in kiosks.every(uow))


@post("/kiosks", access=Right.OPERATE, sync_to_thread=True, tags=TAGS)
def make(
    data: JSONBody[KioskIn],
    database: NamedDependency[Database],
    settings: NamedDependency[Settings],
    signed_in: NamedDependency[SignedIn],
) -> NewKiosk:
    """A tablet for a machine. Its link is in this answer and nowhere else."""
    made = database.write(lambda uow: kiosks.make(uow, data.name, data.machine), signed_in.actor)
    return NewKiosk(
        **msgspec.structs.asdict(_out(made.kiosk)),
        link=f"{settings.address}/kiosk/enrol/{made.link_token}",
        link_until=made.kiosk.link_until,
    )


@delete("/kiosks/{kiosk_id:int}", access=Right.OPERATE, sync_to_thread=True, tags=TAGS)
def revoke(
    kiosk_id: FromPath[int], database: NamedDependency[Database], signed_in: NamedDependency[SignedIn]
) -> None:
    """Its cookie opens nothing any more, and nobody is known at it."""
    database.write(lambda uow: kiosks.revoke(uow, kiosk_id), signed_in.actor)


@get("/kiosks/codes", access=Right.OPERATE, sync_to_thread=True, tags=TAGS)
def list_codes(
    database: NamedDependency[Database],
    settings: NamedDependency[Settings],
    signed_in: NamedDependency[SignedIn],
) -> tuple[CodeOut, ...]:
    """Of every machine; one that has none yet is made one."""
    found = database.write(kiosks.with_codes, signed_in.actor)
    return tuple(_code(settings, machine, code) for machine, code in sorted(found.items()))


@post("/kiosks/codes/{machine:int}/new", access=Right.OPERATE, sync_to_thread=True, tags=TAGS)
def new_code(
    machine: FromPath[int],
    database: NamedDependency[Database],
    settings: NamedDependency[Settings],
    signed_in: NamedDependency[SignedIn],
) -> CodeOut:
    """The old label leads nowhere from now on."""
    return _code(
        settings, machine, database.write(lambda uow: kiosks.new_code(uow, machine), signed_in.actor)
    )


def _code(settings: Settings, machine: int, code: str) -> CodeOut:
    return CodeOut(machine=machine, address=f"{settings.address}/k/{code}")


# -- badges and PINs: of a member by the staff, of oneself in person and by a fresh sign-in ---------------------------


@get("/members/{member_id:int}/keys", access=Access.SIGNED_IN, sync_to_thread=True, tags=TAGS)
def show_keys(
    member_id: FromPath[int], database: NamedDependency[Database], signed_in: NamedDependency[SignedIn]
) -> KeysOut:
    """One's own, or for the staff those of whoever may not more than they."""
    with database.read(signed_in.actor) as uow:
        return _keys(badges.keys_seen(uow, member_id))


@put("/members/{member_id:int}/badge", access=Right.OPERATE, sync_to_thread=True, status_code=204, tags=TAGS)
def set_badge(
    member_id: FromPath[int],
    data: JSONBody[BadgeIn],
    request: AnyRequest,
    database: NamedDependency[Database],
    signed_in: NamedDependency[SignedIn],
) -> None:
    """It takes the place of the one they have; the number is not kept. The member is told."""
    token = login_token(request)
    database.write(
        lambda uow: badges.set_badge(uow, member_id, data.number, login_token=token), signed_in.actor
    )


@delete("/members/{member_id:int}/badge", access=Right.OPERATE, sync_to_thread=True, tags=TAGS)
def take_badge(
    member_id: FromPath[int],
    request: AnyRequest,
    database: NamedDependency[Database],
    signed_in: NamedDependency[SignedIn],
) -> None:
    """Lost or given back."""
    token = login_token(request)
    database.write(lambda uow: badges.take_badge(uow, member_id, login_token=token), signed_in.actor)


@put("/members/{member_id:int}/pin", access=Right.OPERATE, sync_to_thread=True, status_code=204, tags=TAGS)
def set_pin(
    member_id: FromPath[int],
    data: JSONBody[PinIn],
    request: AnyRequest,
    database: NamedDependency[Database],
    signed_in: NamedDependency[SignedIn],
) -> None:
    token = login_token(request)
    database.write(lambda uow: badges.set_pin(uow, member_id, data.pin, login_token=token), signed_in.actor)


@delete("/members/{member_id:int}/pin", access=Right.OPERATE, sync_to_thread=True, tags=TAGS)
def take_pin(
    member_id: FromPath[int],
    request: AnyRequest,
    database: NamedDependency[Database],
    signed_in: NamedDependency[SignedIn],
) -> None:
    token = login_token(request)
    database.write(lambda uow: badges.take_pin(uow, member_id, login_token=token), signed_in.actor)


@put("/badge", access=Access.IN_PERSON, sync_to_thread=True, status_code=204, tags=TAGS)
def set_own_badge(
    data: JSONBody[BadgeIn],
    request: AnyRequest,
    database: NamedDependency[Database],
    signed_in: NamedDependency[SignedIn],
) -> None:
    """One's own, after a fresh confirmation (`access.confirm` says so)."""
    token = login_token(request)
    database.write(
        lambda uow: badges.set_badge(uow, signed_in.member_id, data.number, login_token=token),
        signed_in.actor,
    )


@put("/pin", access=Access.IN_PERSON, sync_to_thread=True, status_code=204, tags=TAGS)
def set_own_pin(
    data: JSONBody[PinIn],
    request: AnyRequest,
    database: NamedDependency[Database],
    signed_in: NamedDependency[SignedIn],
) -> None:
    """As for the badge."""
    token = login_token(request)
    database.write(
        lambda uow: badges.set_pin(uow, signed_in.member_id, data.pin, login_token=token), signed_in.actor
    )


ROUTES = (
    list_kiosks,
    make,
    revoke,
    list_codes,
    new_code,
    show_keys,
    set_badge,
    take_badge,
    set_pin,
    take_pin,
    set_own_badge,
    set_own_pin,
)
