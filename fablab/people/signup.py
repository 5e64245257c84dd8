"""How somebody becomes a member by themselves, and gets back in without their password: by links sent to their address.

No answer here tells whether an address is known: the same words whatever happens, and the truth by letter. A password
is chosen only where the link leads, so nobody can put one on an address that is not theirs.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import delete, select

from fablab import notices
from fablab.base.database import Database, UnitOfWork
from fablab.base.errors import Conflict, Forbidden, Invalid
from fablab.base.states import step
from fablab.people import ages, keys, log, standing
from fablab.people.access import Right, hash_password, require
from fablab.people.log import Doing
from fablab.people.members import add_member, clean_email, clean_name
from fablab.people.models import (
    MEMBER_STEPS,
    Audience,
    KeyPurpose,
    Member,
    MemberState,
    OneTimeKey,
    PeopleRules,
    Role,
    SignUp,
)
from fablab.places import house

#: Whoever never followed the link is forgotten.
UNCONFIRMED_KEPT = timedelta(days=7)
#: Who hears that somebody waits for the staff's yes.
WELCOMERS = (Role.ADMIN, Role.STAFF)


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """What somebody says of themselves. `born_on` keeps children from machines that are not for them."""

    name: str
    email: str
    born_on: date | None
    audience: Audience = Audience.PERSONAL
    language: str = "fr"


def rule(uow: UnitOfWork) -> SignUp:
    """Who may sign up; with the staff's approval unless the house says otherwise."""
    row = uow.session.get(PeopleRules, 1)
    return row.sign_up if row is not None else SignUp.APPROVAL


def set_rule(uow: UnitOfWork, sign_up: SignUp) -> None:
    require(uow.actor, Right.MANAGE)
    row = uow.session.get(PeopleRules, 1)
    if row is None:
        uow.session.add(PeopleRules(id=1, sign_up=sign_up, set_at=uow.now))
    else:
        row.sign_up, row.set_at = sign_up, uow.now
    log.record(uow, "house.sign_up", about="house", rule=sign_up.value)
    uow.session.flush()


def sign_up(uow: UnitOfWork, said: Application) -> None:
    """Somebody new is sent the link; somebody known a way back in; the answer is the same.

    Raises `Forbidden` signup.closed, `Invalid` with its field, and signup.too_young: a parent adds the child.
    """
    if rule(uow) is SignUp.CLOSED:
        raise Forbidden("signup.closed")
    name, email = clean_name(said.name), clean_email(said.email)
    check_age(uow, said.born_on)
    forget_unconfirmed(uow)
    member = uow.session.scalar(select(Member).where(Member.email == email))
    if member is None:
        member = add_member(uow, name=name, audience=said.audience, email=email, language=said.language)
        member.state = MemberState.UNCONFIRMED
        member.born_on = said.born_on
        log.record(uow, "member.signed_up", for_member_id=member.id)
    elif member.state is MemberState.UNCONFIRMED:
        # Nobody has shown yet that the address is theirs: what was said last is what the link confirms.
        member.name, member.born_on, member.audience = name, said.born_on, said.audience
        member.language = said.language
    _send_a_way_in(uow, member)


def ask_again(uow: UnitOfWork, email: str) -> None:
    """A lost password, or a link that did not come: whichever it is, a letter with the way in, if there is one."""
    member = uow.session.scalar(select(Member).where(Member.email == clean_email(email)))
    if member is not None:
        _send_a_way_in(uow, member)


def check_age(uow: UnitOfWork, born_on: date | None) -> None:
    if born_on is None:
        raise Invalid("member.born_on", field="born_on")
    ages.check_born_on(born_on, house.today(uow))
    if ages.age_on(born_on, house.today(uow)) < ages.CONSENT_AGE:
        raise Invalid("signup.too_young", field="born_on", least=ages.CONSENT_AGE)


def _send_a_way_in(uow: UnitOfWork, member: Member) -> None:
    assert member.email is not None
    if member.state is MemberState.UNCONFIRMED:
        secret = keys.make(uow, member, KeyPurpose.CONFIRM, member.email)
        code = "signup.confirm"
    elif member.state is MemberState.ACTIVE:
        secret = keys.make(uow, member, KeyPurpose.PASSWORD, member.email)
        code = "password.lost"
    else:
        return  # who waits, is suspended or has left hears nothing new by asking
    if secret is not None:
        notices.write(
            uow, member.email, member.language, code, name=member.name, secret_path=f"/key?key={secret}"
        )


def opened(uow: UnitOfWork, secret: str) -> OneTimeKey:
    """What the link is for, without using it: mail programs fetch links that nobody has clicked."""
    return keys.find(uow, secret)


def set_password(database: Database, secret: str, password: str) -> Member:
    """Use the link of a sign-up or of a lost password. Every sign-in of before ends.

    Takes the database: the hash is made between two transactions, and never holds the writer's lock.
    """
    with database.read() as uow:
        keys.find(uow, secret)
    hashed = hash_password(password)

    def work(uow: UnitOfWork) -> Member:
        key = keys.find(uow, secret)
        member = key.member
        if key.purpose is KeyPurpose.EMAIL or member.email != key.email:
            raise Conflict("key.expired")
        keys.end_all(uow, member.id)
        key.used_at = uow.now
        member.password_hash = hashed
        standing.end_sign_ins(uow, member.id, tokens=False)
        if member.state is MemberState.UNCONFIRMED:
            _confirmed(uow, member)
        else:
            log.record(uow, "member.password", for_member_id=member.id)
            notices.write(uow, key.email, member.language, "password.changed", name=member.name)
        uow.session.flush()
        return member

    return database.write(work)


def _confirmed(uow: UnitOfWork, member: Member) -> None:
    member.state = step(MEMBER_STEPS, member.state, "confirm")
    log.record(uow, "member.confirmed", for_member_id=member.id)
    if rule(uow) is SignUp.OPEN:
        standing.approve(uow, member.id)
    else:
        tell_welcomers(uow, member)


def tell_welcomers(uow: UnitOfWork, member: Member) -> None:
    query = select(Member.id).where(Member.role.in_(WELCOMERS), Member.active)
    for staff_id in uow.session.scalars(query):
        notices.tell(uow, staff_id, "member.waiting", name=member.name, path=f"/members/{member.id}")
    uow.raise_event("member", member.id, "waiting")


def forget_unconfirmed(uow: UnitOfWork) -> None:
    """Who never followed the link goes after a week, with all that was written of them."""
    old = select(Member.id).where(
        Member.state == MemberState.UNCONFIRMED, Member.created_at < uow.now - UNCONFIRMED_KEPT
    )
    gone = list(uow.session.scalars(old))
    if not gone:
        return
    uow.session.execute(delete(OneTimeKey).where(OneTimeKey.member_id.in_(gone)))
    uow.session.execute(delete(Doing).where(Doing.for_member_id.in_(gone)))
    uow.session.execute(delete(Member).where(Member.id.in_(gone)))
