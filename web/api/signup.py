"""To become a member, and to get back in, as JSON: the same as the pages. For everybody, signed in or not."""

from __future__ import annotations

from datetime import date
from typing import Any

import msgspec
from litestar import Request, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from fablab.base.database import Database
from fablab.base.errors import Invalid
from fablab.people import invitations, members, signup
from fablab.people.models import Audience, KeyPurpose, MemberState
from web.security import Access, Pace, visitor
from web.words import LANGUAGES


class ApplicationIn(msgspec.Struct, frozen=True, kw_only=True):
    """`born_on`: YYYY-MM-DD; under fifteen a parent signs up and adds the child."""

    name: str
    email: str
    born_on: date | None = None
    audience: Audience = Audience.PERSONAL
    language: str = "fr"


class AddressIn(msgspec.Struct, frozen=True, kw_only=True):
    email: str


class KeyIn(msgspec.Struct, frozen=True, kw_only=True):
    """`key`: from the link of a letter. `password`: not for a link that confirms a new address."""

    key: str
    password: str = ""


class AnswerIn(msgspec.Struct, frozen=True, kw_only=True):
    """`answer`: accept (signed in), join (a new account: name, born_on, password) or decline."""

    key: str
    answer: str
    name: str = ""
    born_on: date | None = None
    password: str = ""
    language: str = "fr"


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the address is known is not told."""

    sent: str = "if_it_can_be_used"


class Became(msgspec.Struct, frozen=True, kw_only=True):
    """`state` None: an invitation that was declined."""

    state: MemberState | None


@post(
    "/signup",
    access=Access.PUBLIC,
    pace=Pace.LOGIN,
    csrf="json",
    sync_to_thread=True,
    status_code=202,
    tags=["people"],
)
def sign_up(data: JSONBody[ApplicationIn], database: NamedDependency[Database]) -> Sent:
    """Ask to become a member. A letter follows; the answer is the same whether the address is known or not."""
    if data.language not in LANGUAGES:
        raise Invalid("member.language", field="language")
    said = signup.Application(
        name=data.name[:300],
        email=data.email[:300],
        born_on=data.born_on,
        audience=data.audience,
        language=data.language,
    )
    database.write(lambda uow: signup.sign_up(uow, said))
    return Sent()


@post(
    "/signup/again",
    access=Access.PUBLIC,
    pace=Pace.LOGIN,
    csrf="json",
    sync_to_thread=True,
    status_code=202,
    tags=["people"],
)
def ask_again(data: JSONBody[AddressIn], database: NamedDependency[Database]) -> Sent:
    """A lost password, or a link that did not come."""
    database.write(lambda uow: signup.ask_again(uow, data.email[:300]))
    return Sent()


@post(
    "/key",
    access=Access.PUBLIC,
    pace=Pace.LOGIN,
    csrf="json",
    sync_to_thread=True,
    status_code=200,
    tags=["people"],
)
def use_key(data: JSONBody[KeyIn], database: NamedDependency[Database]) -> Became:
    """Choose a password, or confirm a new address, with what the link of a letter holds."""
    secret = data.key[:200]
    with database.read() as uow:
        purpose = signup.opened(uow, secret).purpose
    if purpose is KeyPurpose.EMAIL:
        return Became(state=database.write(lambda uow: members.take_email(uow, secret)).state)
    return Became(state=signup.set_password(database, secret, data.password[:1000]).state)


@post(
    "/invitation",
    access=Access.PUBLIC,
    pace=Pace.LOGIN,
    csrf="json",
    sync_to_thread=True,
    status_code=200,
    tags=["people"],
)
def answer_invitation(
    request: Request[Any, Any, Any], data: JSONBody[AnswerIn], database: NamedDependency[Database]
) -> Became:
    """Answer an invitation with what the link of its letter holds."""
    secret, who = data.key[:200], visitor(request)
    if data.answer == "decline":
        database.write(lambda uow: invitations.decline(uow, secret))
        return Became(state=None)
    if data.answer == "accept" and who is not None:
        database.write(lambda uow: invitations.accept(uow, secret), who.actor)
        return Became(state=MemberState.ACTIVE)
    if data.answer != "join" or data.language not in LANGUAGES:
        raise Invalid("invitation.answer", field="answer")
    newcomer = invitations.Newcomer(
        name=data.name[:300],
        born_on=data.born_on,
        password=data.password[:1000],
        language=data.language,
    )
    return Became(state=invitations.join(database, secret, newcomer).state)


ROUTES = (sign_up, ask_again, use_key, answer_invitation)
