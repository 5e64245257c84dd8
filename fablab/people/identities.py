"""Accounts elsewhere that let their member in (OpenID Connect): the way there and back, and who it is that comes back.

Who it is say issuer and subject together, and nothing else. An e-mail never opens an account that exists: its member
links the two by their own act, signed in here, and only if the provider vouches for the very address they have here.
Somebody new goes through the same approval as everybody else. What a provider says has been verified by
`web.security.oidc` before it comes here.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError

from fablab.base.database import Database, UnitOfWork
from fablab.base.errors import Conflict, Forbidden, Invalid, LabError, NotFound
from fablab.base.states import step
from fablab.notices import tell
from fablab.people import keys, log, signup, standing
from fablab.people.access import Entry, SignedIn, require_fresh
from fablab.people.access.confirming import FRESH_FOR, login_of
from fablab.people.access.logins import past_first, settled
from fablab.people.access.models import Arrival, Identity, Trip, TripPurpose
from fablab.people.access.proving import active_factor, prove
from fablab.people.members import add_member, clean_name
from fablab.people.models import MEMBER_STEPS, Member, MemberState, SignUp

TRIP_LIFE = timedelta(minutes=10)
ARRIVAL_LIFE = timedelta(minutes=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """What a provider has vouched for. `verified`: it has seen that the e-mail is theirs. `auth_at`: when they last
    gave their password there, where it says so."""

    provider: str
    issuer: str
    subject: str
    email: str = ""
    verified: bool = False
    name: str = ""
    auth_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Departure:
    """`state`, `nonce` and `challenge` travel with the browser to the provider; `browser` goes into its cookie."""

    state: str
    nonce: str
    challenge: str
    browser: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Returned:
    """The trip that a browser has come back from."""

    purpose: TripPurpose
    nonce: str
    verifier: str
    next_path: str
    member_id: int | None


class NewPerson(LabError):
    """Nobody here has this account or this e-mail; `token` names what is known of them until they have said the rest."""

    code = "arrival.new"

    def __init__(self, token: str) -> None:
        super().__init__()
        self.token = token


def depart(
    uow: UnitOfWork, provider: str, purpose: TripPurpose, next_path: str = "", login_token: str = ""
) -> Departure:
    """To sign in or, signed in and freshly confirmed, to link an account there. (`depart_to_confirm` for the third.)"""
    member_id = require_fresh(uow, login_token).member_id if purpose is TripPurpose.LINK else None
    return _depart(uow, provider, purpose, next_path, member_id)


def depart_to_confirm(
    database: Database, provider: str, next_path: str, login_token: str, code: str, *, address: str
) -> Departure:
    """For a member who has no password: their second factor first, if they have one, and then the account elsewhere.

    Raises `Forbidden` confirm.wrong for the code, `TooMany`.
    """
    with database.begin() as uow:
        member_id = login_of(uow, login_token).member_id
        wants_code = active_factor(uow, member_id) is not None
        good = not wants_code or prove(uow, member_id, code, address=address) is not None
        departure = _depart(uow, provider, TripPurpose.CONFIRM, next_path, member_id) if good else None
    if departure is None:
        raise Forbidden("confirm.wrong")
    return departure


def _depart(
    uow: UnitOfWork, provider: str, purpose: TripPurpose, next_path: str, member_id: int | None
) -> Departure:
    uow.session.execute(delete(Trip).where(Trip.expires_at <= uow.now))
    state, nonce, browser, verifier = (secrets.token_urlsafe(size) for size in (32, 24, 32, 48))
    uow.session.add(
        Trip(
            state_hash=_digest(state),
            browser_hash=_digest(browser),
            provider=provider,
            purpose=purpose,
            member_id=member_id,
            nonce=nonce,
            verifier=verifier,
            next_path=next_path[:500],
            made_at=uow.now,
            expires_at=uow.now + TRIP_LIFE,
        )
    )
    return Departure(state=state, nonce=nonce, challenge=_challenge(verifier), browser=browser)


def come_back(uow: UnitOfWork, provider: str, state: str, browser: str) -> Returned:
    """The trip of this state, which is over with this: of two that come back with it one goes on.

    Raises `Forbidden` trip.unknown alike for a state that is made up, used, too old, another provider's or another
    browser's: a stranger's answer never signs this browser in, and theirs never signs a stranger's in.
    """
    row = uow.session.get(Trip, _digest(state))
    if row is None or row.expires_at <= uow.now or row.provider != provider:
        raise Forbidden("trip.unknown")
    if not hmac.compare_digest(row.browser_hash, _digest(browser)):
        raise Forbidden("trip.unknown")
    gone = delete(Trip).where(Trip.state_hash == row.state_hash).returning(Trip.state_hash)
    if uow.session.scalar(gone.execution_options(synchronize_session=False)) is None:
        raise Forbidden("trip.unknown")
    return Returned(
        purpose=row.purpose,
        nonce=row.nonce,
        verifier=row.verifier,
        next_path=row.next_path,
        member_id=row.member_id,
    )


def arrive(database: Database, person: Person, entry: Entry) -> SignedIn:
    """In, as the member who has this account.

    Raises `SecondStep` where they have a factor, `NewPerson` for somebody new, and `Forbidden` arrival.waiting,
    arrival.not_active, arrival.unverified, arrival.link_first, signup.closed.
    """
    with database.begin() as uow:
        outcome = _arrived(uow, person, entry)
    return settled(outcome)


def _arrived(uow: UnitOfWork, person: Person, entry: Entry) -> SignedIn | LabError:
    identity = _find(uow, person)
    if identity is not None:
        refusal = _may_not_enter(identity.member)
        if refusal is not None:
            return refusal
        identity.used_at = uow.now
        return past_first(uow, identity.member_id, entry)
    if not person.verified or not person.email:
        return Forbidden("arrival.unverified")  # and nothing about whether the lab knows the address
    member = uow.session.scalar(select(Member).where(Member.email == person.email))
    if member is not None and member.state is not MemberState.UNCONFIRMED:
        return Forbidden("arrival.link_first")
    if signup.rule(uow) is SignUp.CLOSED:
        return Forbidden("signup.closed")
    return NewPerson(_remember(uow, person))


def _may_not_enter(member: Member) -> LabError | None:
    """They have shown who they are, so they are told how things stand."""
    if member.active:
        return None
    waits = member.state in (MemberState.WAITING, MemberState.UNCONFIRMED)
    return Forbidden("arrival.waiting") if waits else Forbidden("arrival.not_active")


def _remember(uow: UnitOfWork, person: Person) -> str:
    uow.session.execute(delete(Arrival).where(Arrival.expires_at <= uow.now))
    token = secrets.token_urlsafe(32)
    uow.session.add(
        Arrival(
            token_hash=_digest(token),
            provider=person.provider,
            issuer=person.issuer,
            subject=person.subject,
            email=person.email,
            name=" ".join(person.name.split())[:120],
            made_at=uow.now,
            expires_at=uow.now + ARRIVAL_LIFE,
        )
    )
    return token


def arrival(uow: UnitOfWork, token: str) -> Arrival:
    """Raises `NotFound` arrival.unknown."""
    row = uow.session.get(Arrival, _digest(token))
    if row is None or row.expires_at <= uow.now:
        raise NotFound("arrival.unknown")
    return row


def settle_in(
    database: Database, token: str, *, name: str, born_on: date | None, language: str, entry: Entry
) -> SignedIn:
    """A new member: in at once where the house is open to all, else after the staff's yes (`Forbidden`
    arrival.waiting). The provider's word takes the place of the letter that confirms an address.

    Raises `Invalid` with its field, `NotFound` arrival.unknown, `Conflict` arrival.taken.
    """

    def work(uow: UnitOfWork) -> SignedIn | LabError:
        row = arrival(uow, token)
        said = clean_name(name)
        signup.check_age(uow, born_on)
        member = _new_member(uow, row, said, born_on, language)
        person = Person(provider=row.provider, issuer=row.issuer, subject=row.subject, email=row.email)
        _add(uow, member, person)
        uow.session.delete(row)
        member.state = step(MEMBER_STEPS, member.state, "confirm")
        log.record(uow, "member.confirmed", for_member_id=member.id)
        if signup.rule(uow) is not SignUp.OPEN:
            signup.tell_welcomers(uow, member)
            return Forbidden("arrival.waiting")
        standing.approve(uow, member.id)
        return past_first(uow, member.id, entry)

    return settled(database.write(work))


def _new_member(uow: UnitOfWork, row: Arrival, name: str, born_on: date | None, language: str) -> Member:
    if signup.rule(uow) is SignUp.CLOSED:
        raise Forbidden("signup.closed")
    member = uow.session.scalar(select(Member).where(Member.email == row.email))
    if member is not None and member.state is not MemberState.UNCONFIRMED:
        raise Conflict("arrival.taken")
    if member is not None:
        keys.end_all(uow, member.id)
    else:
        member = add_member(uow, name=name, email=row.email, language=language)
        member.state = MemberState.UNCONFIRMED
        log.record(uow, "member.signed_up", for_member_id=member.id)
    # Whoever signed up with this address and never followed the link is not known to be the one who has it.
    member.name, member.born_on, member.language, member.password_hash = name, born_on, language, None
    return member


def link(uow: UnitOfWork, login_token: str, person: Person, member_id: int | None) -> Identity:
    """The account elsewhere lets this member in from now on. `member_id`: who set out to link it.

    Raises `Forbidden` access.confirm, trip.unknown (somebody else is signed in by now), identity.unverified,
    identity.other_email; `Conflict` identity.taken.
    """
    login = require_fresh(uow, login_token)
    if login.member_id != member_id:
        raise Forbidden("trip.unknown")
    if not person.verified:
        raise Forbidden("identity.unverified")
    if login.member.email is None or person.email != login.member.email:
        raise Forbidden("identity.other_email")
    row = _find(uow, person)
    if row is not None and row.member_id == login.member_id:
        return row
    if row is not None:
        raise Conflict("identity.taken")
    added = _add(uow, login.member, person)
    tell(uow, login.member_id, "security.identity_linked", provider=person.provider, path="/security")
    return added


def unlink(uow: UnitOfWork, login_token: str, identity_id: int) -> None:
    """Raises `Forbidden` access.confirm, `NotFound` identity.unknown, `Conflict` identity.last_way_in."""
    login = require_fresh(uow, login_token)
    row = uow.session.get(Identity, identity_id)
    if row is None or row.member_id != login.member_id:
        raise NotFound("identity.unknown")
    if login.member.password_hash is None and len(identities_of(uow, login.member_id)) == 1:
        raise Conflict("identity.last_way_in")
    uow.session.delete(row)
    tell(uow, login.member_id, "security.identity_removed", provider=row.provider, path="/security")


def confirm_elsewhere(uow: UnitOfWork, login_token: str, person: Person, member_id: int | None) -> None:
    """Where an account elsewhere is the way in, it also says that it is still them: with a password given there just
    now. Raises `Forbidden` trip.unknown, confirm.not_you, confirm.too_old."""
    login = login_of(uow, login_token)
    if login.member_id != member_id:
        raise Forbidden("trip.unknown")
    row = _find(uow, person)
    if row is None or row.member_id != login.member_id:
        raise Forbidden("confirm.not_you")
    if person.auth_at is None or uow.now - person.auth_at >= FRESH_FOR:
        raise Forbidden("confirm.too_old")
    login.confirmed_at = uow.now


def identities_of(uow: UnitOfWork, member_id: int) -> list[Identity]:
    query = select(Identity).where(Identity.member_id == member_id).order_by(Identity.id)
    return list(uow.session.scalars(query).unique())


def _find(uow: UnitOfWork, person: Person) -> Identity | None:
    query = select(Identity).where(Identity.issuer == person.issuer, Identity.subject == person.subject)
    return uow.session.scalars(query).unique().first()


def _add(uow: UnitOfWork, member: Member, person: Person) -> Identity:
    if not person.subject or len(person.subject) > 255:
        raise Invalid("identity.subject")
    row = Identity(
        member_id=member.id,
        provider=person.provider,
        issuer=person.issuer,
        subject=person.subject,
        email=person.email[:254],
        linked_at=uow.now,
    )
    try:
        with uow.session.begin_nested():
            uow.session.add(row)
    except IntegrityError:
        raise Conflict("identity.taken") from None
    return row


def _challenge(verifier: str) -> str:
    """RFC 7636, 4.2, S256."""
    return urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
