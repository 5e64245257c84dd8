"""Members as JSON: one's own card, and for the staff the list, new ones, and what is decided on them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from enum import StrEnum
from typing import Annotated, Any, TypeVar

import msgspec
from litestar import Request, Response, get, patch, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from fablab.base.database import Database, UnitOfWork
from fablab.base.errors import Fact, Invalid, NotFound
from fablab.people import documents, families, members, signup, standing
from fablab.people.access import Right, SignedIn
from fablab.people.members import Person, Profile, Search
from fablab.people.models import Audience, ConsentKind, Member, MemberState, Role, SignUp
from fablab.programs.store import Store
from fablab.reports import members as report
from web.api.members_schema import CardOut, MemberOut, MembersOut, card_out, member_out
from web.security import Access
from web.security.identity import caller_of

E = TypeVar("E", bound=StrEnum)


class ProfileIn(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    phone: str = ""
    born_on: date | None = None
    language: str = "fr"


class PersonIn(msgspec.Struct, frozen=True, kw_only=True):
    """`email` empty: the staff acts for them. `role`: of a new member; later it is changed by its own step."""

    name: str
    email: str = ""
    phone: str = ""
    born_on: date | None = None
    audience: Audience = Audience.PERSONAL
    role: Role = Role.MAKER
    language: str = "fr"


class NewAddressIn(msgspec.Struct, frozen=True, kw_only=True):
    email: str


class ChildIn(msgspec.Struct, frozen=True, kw_only=True):
    """`parent` null: oneself. `consents`: under fifteen, "membership" must be among them."""

    name: str
    born_on: date
    consents: tuple[ConsentKind, ...] = ()
    parent: int | None = None


class ConsentIn(msgspec.Struct, frozen=True, kw_only=True):
    """`said_by`: the parent, where the staff writes it down for somebody without an account."""

    consent: ConsentKind
    given: bool
    said_by: str = ""


class StepIn(msgspec.Struct, frozen=True, kw_only=True):
    """`reason` for refuse and suspend; `role` for role."""

    reason: str = ""
    role: Role | None = None


class RulesIn(msgspec.Struct, frozen=True, kw_only=True):
    sign_up: SignUp


@get("/members/me", access=Access.SIGNED_IN, sync_to_thread=True, tags=["people"])
def my_card(database: NamedDependency[Database], signed_in: NamedDependency[SignedIn]) -> CardOut:
    """Oneself with all that belongs to one."""
    with database.read(signed_in.actor) as uow:
        return card_out(report.card(uow, signed_in.member_id))


@get("/members/{member_id:int}", access=Access.SIGNED_IN, sync_to_thread=True, tags=["people"])
def card(
    member_id: FromPath[int], database: NamedDependency[Database], signed_in: NamedDependency[SignedIn]
) -> CardOut:
    """For the staff, and for a parent a child's."""
    with database.read(signed_in.actor) as uow:
        return card_out(report.card(uow, member_id))


@get("/members/{member_id:int}/data", access=Access.IN_PERSON, sync_to_thread=True, tags=["people"])
def data(
    member_id: FromPath[int], database: NamedDependency[Database], signed_in: NamedDependency[SignedIn]
) -> dict[str, list[dict[str, Fact]]]:
    """Every row that is kept about them, by table, without secrets (GDPR, article 15)."""
    with database.read(signed_in.actor) as uow:
        return report.kept_about(uow, member_id)


@put("/members/{member_id:int}/profile", access=Access.IN_PERSON, sync_to_thread=True, tags=["people"])
def edit_profile(
    member_id: FromPath[int],
    data: JSONBody[ProfileIn],
    database: NamedDependency[Database],
    signed_in: NamedDependency[SignedIn],
) -> MemberOut:
    """Oneself, or a child."""
    said = Profile(name=data.name[:300], phone=data.phone[:60], born_on=data.born_on, language=data.language)
    return member_out(database.write(lambda uow: members.edit_own(uow, member_id, said), signed_in.actor))


@post("/email", access=Access.IN_PERSON, sync_to_thread=True, status_code=202, tags=["people"])
def change_email(
    request: Request[Any, Any, Any],
    data: JSONBody[NewAddressIn],
    database: NamedDependency[Database],
    signed_in: NamedDependency[SignedIn],
) -> None:
    """A link goes to the new address, which counts once it was followed. Asks for a fresh confirmation."""
    token = caller_of(request.scope).login_token
    database.write(lambda uow: members.ask_for_email(uow, token, data.email[:300]), signed_in.actor)


@get("/members", access=Right.SEE_ALL, sync_to_thread=True, tags=["people"])
def listed(
    database: NamedDependency[Database],
    signed_in: NamedDependency[SignedIn],
    q: FromQuery[str] = "",
    in_state: Annotated[str, QueryParameter(name="state")] = "",
    role: FromQuery[str] = "",
    audience: FromQuery[str] = "",
    organisation: FromQuery[int] = 0,
    page: FromQuery[int] = 1,
) -> MembersOut:
    """By name, fifty a page. `q`: parts of the name or the address, or a number."""
    wanted = Search(
        text=q[:120],
        state=_one_of(MemberState, in_state, "state"),
        role=_one_of(Role, role, "role"),
        audience=_one_of(Audience, audience, "audience"),
        organisation_id=organisation or None,
        page=page,
    )
    with database.read(signed_in.actor) as uow:
        found = members.search(uow, wanted)
    return MembersOut(
        members=tuple(member_out(row) for row in found.rows),
        total=found.total,
        page=found.page,
        pages=found.pages,
    )


def _one_of(kind: type[E], said: str, field: str) -> E | None:
    if not said:
        return None
    try:
        return kind(said)
    except ValueError:
        raise Invalid("choice.unknown", field=field) from None


@post("/members", access=Right.OPERATE, sync_to_thread=True, tags=["people"])
def create(
    data: JSONBody[PersonIn], database: NamedDependency[Database], signed_in: NamedDependency[SignedIn]
) -> MemberOut:
    """A member at once; with an e-mail they get the link for a password."""
    return member_out(database.write(lambda uow: members.create(uow, _person(data)), signed_in.actor))


@patch("/members/{member_id:int}", access=Right.OPERATE, sync_to_thread=True, tags=["people"])
def edit(
    member_id: FromPath[int],
    data: JSONBody[PersonIn],
    database: NamedDependency[Database],
    signed_in: NamedDependency[SignedIn],
) -> MemberOut:
    """By the staff; all fields but the role are taken as they are given."""
    return member_out(
        database.write(lambda uow: members.edit(uow, member_id, _person(data)), signed_in.actor)
    )


def _person(data: PersonIn) -> Person:
    return Person(
        name=data.name[:300],
        email=data.email[:300],
        phone=data.phone[:60],
        born_on=data.born_on,
        audience=data.audience,
        role=data.role,
        language=data.language,
    )


def _role(uow: UnitOfWork, who: int, said: StepIn) -> Member:
    if said.role is None:
        raise Invalid("choice.unknown", field="role")
    return standing.set_role(uow, who, said.role)


def _way_in(uow: UnitOfWork, who: int, _said: StepIn) -> Member:
    members.send_way_in(uow, who)
    return standing.get(uow, who)


STEPS: Mapping[str, Callable[[UnitOfWork, int, StepIn], Member]] = {
    "approve": lambda uow, who, _said: standing.approve(uow, who),
    "refuse": lambda uow, who, said: standing.refuse(uow, who, said.reason),
    "suspend": lambda uow, who, said: standing.suspend(uow, who, said.reason),
    "reactivate": lambda uow, who, _said: standing.reactivate(uow, who),
    "leave": lambda uow, who, _said: standing.leave(uow, who),
    "role": _role,
    "way-in": _way_in,
}


@post(
    "/members/{member_id:int}/step/{name:str}",
    access=Access.IN_PERSON,
    sync_to_thread=True,
    status_code=200,
    tags=["people"],
)
def step(
    member_id: FromPath[int],
    name: FromPath[str],
    data: JSONBody[StepIn],
    database: NamedDependency[Database],
    signed_in: NamedDependency[SignedIn],
) -> MemberOut:
    """`approve`, `refuse`, `suspend`, `reactivate`, `role` and `way-in` by the staff; `leave` also by oneself."""
    make = STEPS.get(name)
    if make is None:
        raise NotFound
    return member_out(database.write(lambda uow: make(uow, member_id, data), signed_in.actor))


@post(
    "/members/{member_id:int}/forget",
    access=Right.MANAGE,
    sync_to_thread=True,
    status_code=204,
    tags=["people"],
)
def forget(
    member_id: FromPath[int],
    database: NamedDependency[Database],
    documents_store: NamedDependency[Store],
    signed_in: NamedDependency[SignedIn],
) -> None:
    """Everything but the number of somebody who has left (GDPR, article 17)."""

    def work(uow: UnitOfWork) -> list[str]:
        files = documents.forget_all(uow, member_id)
        members.forget(uow, member_id)
        return files

    documents.throw_away(documents_store, database.write(work, signed_in.actor))


@post("/children", access=Access.IN_PERSON, sync_to_thread=True, tags=["people"])
def add_child(
    data: JSONBody[ChildIn], database: NamedDependency[Database], signed_in: NamedDependency[SignedIn]
) -> MemberOut:
    """By a parent, or by the staff for one."""
    said = families.Child(name=data.name[:300], born_on=data.born_on, consents=frozenset(data.consents))
    parent = data.parent or signed_in.member_id
    return member_out(database.write(lambda uow: families.add_child(uow, parent, said), signed_in.actor))


@post(
    "/members/{member_id:int}/consent",
    access=Access.IN_PERSON,
    sync_to_thread=True,
    status_code=204,
    tags=["people"],
)
def consent(
    member_id: FromPath[int],
    data: JSONBody[ConsentIn],
    database: NamedDependency[Database],
    signed_in: NamedDependency[SignedIn],
) -> None:
    """A parent's yes, or no from now on."""

    def work(uow: UnitOfWork) -> None:
        if data.given:
            families.consent(uow, member_id, data.consent, said_by=data.said_by[:300])
        else:
            families.withdraw(uow, member_id, data.consent)

    database.write(work, signed_in.actor)


@get("/people/rules", access=Right.SEE_ALL, sync_to_thread=True, tags=["people"])
def rules(database: NamedDependency[Database]) -> dict[str, str]:
    """Who may sign up."""
    with database.read() as uow:
        return {"sign_up": signup.rule(uow).value}


@put("/people/rules", access=Right.MANAGE, sync_to_thread=True, tags=["people"])
def set_rules(
    data: JSONBody[RulesIn], database: NamedDependency[Database], signed_in: NamedDependency[SignedIn]
) -> dict[str, str]:
    database.write(lambda uow: signup.set_rule(uow, data.sign_up), signed_in.actor)
    return {"sign_up": data.sign_up.value}


@get("/documents/{row_id:int}", access=Access.IN_PERSON, sync_to_thread=True, tags=["people"])
def document(
    row_id: FromPath[int],
    database: NamedDependency[Database],
    documents_store: NamedDependency[Store],
    signed_in: NamedDependency[SignedIn],
) -> Response[bytes]:
    """The file, as a download; that somebody of the staff looked is written down."""
    row = database.write(lambda uow: documents.opened(uow, row_id), signed_in.actor)
    headers = {"Content-Disposition": "attachment", "Cache-Control": "no-store"}
    body = documents_store.path(row.sha256).read_bytes()
    return Response(body, media_type=row.media_type, headers=headers)


ROUTES = (
    my_card,
    card,
    data,
    edit_profile,
    change_email,
    listed,
    create,
    edit,
    step,
    forget,
    add_child,
    consent,
    rules,
    set_rules,
    document,
)
