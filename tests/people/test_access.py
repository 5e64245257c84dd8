"""How people get in, how they are kept out, and what each may do."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import func, select

from fablab.base.database import SYSTEM, Actor
from fablab.base.errors import Forbidden, Invalid, TooMany, Unauthenticated
from fablab.people import access
from fablab.people.access import RIGHTS, Right, Scope, SignedIn, allows, require
from fablab.people.models import ApiToken, Login, LoginTry, Member, MemberState, Role
from tests.lab import PASSWORD, Lab

MAIL = "maker@lab.example"


def sign_in(lab: Lab, email: str = MAIL, password: str = PASSWORD, address: str = "10.0.0.1") -> SignedIn:
    return access.sign_in(lab.database, email, password, address=address, agent="test")


def wrong(lab: Lab, email: str = MAIL, password: str = "not the password", address: str = "10.0.0.1") -> str:
    with pytest.raises(Unauthenticated) as refused:
        sign_in(lab, email, password, address)
    return str(refused.value)


def who(lab: Lab, token: str) -> SignedIn:
    with lab.database.read() as uow:
        return access.resume(uow, token)


def change(lab: Lab, mail: str = MAIL, **values: object) -> None:
    with lab.database.begin() as uow:
        member = uow.session.scalars(select(Member).where(Member.email == mail)).one()
        for name, value in values.items():
            setattr(member, name, value)


# -- passwords -----------------------------------------------------------------------------------------------------


def test_a_password_is_kept_as_an_argon2id_hash_and_never_twice_the_same() -> None:
    one, other = access.hash_password(PASSWORD), access.hash_password(PASSWORD)
    assert one.startswith("$argon2id$")
    assert one != other
    assert PASSWORD not in one


@pytest.mark.parametrize(
    ("password", "code"), [("short", "password.too_short"), ("x" * 201, "password.too_long")]
)
def test_a_password_has_a_length(password: str, code: str) -> None:
    with pytest.raises(Invalid, match=code) as refused:
        access.hash_password(password)
    assert refused.value.field == "password"


def test_the_right_password_opens(lab: Lab) -> None:
    signed = sign_in(lab, " MAKER@lab.example ")
    assert (signed.member_id, signed.role, signed.name) == (lab.maker.member_id, Role.MAKER, "Maker")
    assert who(lab, signed.token).actor == signed.actor


def test_a_member_without_e_mail_signs_in_with_their_number(lab: Lab) -> None:
    change(lab, email=None)
    assert sign_in(lab, f" {lab.maker.member_id} ").name == "Maker"
    assert wrong(lab, "999999999") == wrong(lab, "12345678901234567890")


def test_every_sign_in_gets_a_token_of_its_own_and_only_its_hash_is_kept(lab: Lab) -> None:
    one, other = sign_in(lab), sign_in(lab)
    assert len({one.token, other.token, one.csrf, other.csrf}) == 4
    with lab.database.read() as uow:
        kept = list(uow.session.scalars(select(Login.token_hash)))
    assert len(kept) == 2
    assert not {one.token, other.token} & set(kept)


def test_a_wrong_password_and_an_unknown_e_mail_are_answered_alike(lab: Lab) -> None:
    assert wrong(lab) == wrong(lab, "nobody@lab.example") == wrong(lab, "nobody@lab.example", PASSWORD)


@pytest.mark.parametrize(
    "values",
    [{"state": MemberState.SUSPENDED}, {"password_hash": None}, {"password_hash": "not a hash"}],
    ids=["left", "none", "broken"],
)
def test_who_may_not_sign_in_is_answered_like_anybody_else(lab: Lab, values: dict[str, object]) -> None:
    change(lab, **values)
    assert wrong(lab, password=PASSWORD) == "login.wrong"


def test_a_password_cut_short_is_another_password(lab: Lab) -> None:
    change(lab, password_hash=access.hash_password("x" * 200))
    assert sign_in(lab, password="x" * 200).token
    wrong(lab, password="x" * 201)
    wrong(lab, password="x" * 100_000)


# -- too many tries ------------------------------------------------------------------------------------------------


def test_too_many_tries_on_an_e_mail_are_slowed_down_wherever_they_come_from(lab: Lab) -> None:
    for number in range(access.TRIES_BY_EMAIL):
        wrong(lab, address=f"10.0.0.{number}")
    with pytest.raises(TooMany) as slow:
        sign_in(lab, address="10.0.0.99")
    assert slow.value.retry_after_s == access.TRY_WINDOW.total_seconds()
    assert sign_in(lab, "other@lab.example").token


def test_too_many_tries_from_an_address_are_slowed_down_whoever_they_name(lab: Lab) -> None:
    wrong(lab, "nobody@lab.example")
    with lab.database.begin() as uow:  # the others without waiting for their hashes
        keys = list(uow.session.scalars(select(LoginTry.key)))
        uow.session.add_all(LoginTry(key=k, at=uow.now) for k in keys * (access.TRIES_BY_ADDRESS - 1))
    with pytest.raises(TooMany):
        sign_in(lab)
    assert sign_in(lab, address="10.0.0.2").token


def test_retry_after_is_true_to_the_second(lab: Lab) -> None:
    wrong(lab)
    lab.clock.advance(minutes=5, milliseconds=300)
    for _ in range(access.TRIES_BY_EMAIL - 1):
        wrong(lab)
    with pytest.raises(TooMany) as slow:
        sign_in(lab)
    assert slow.value.retry_after_s == 600
    lab.clock.advance(seconds=slow.value.retry_after_s)
    assert sign_in(lab).token


def test_a_refused_try_does_not_count_again(lab: Lab) -> None:
    for _ in range(access.TRIES_BY_EMAIL):
        wrong(lab)
    for _ in range(3):
        with pytest.raises(TooMany):
            sign_in(lab)
    with lab.database.read() as uow:
        assert uow.session.scalar(select(func.count()).select_from(LoginTry)) == 2 * access.TRIES_BY_EMAIL


def test_a_sign_in_forgets_the_tries_on_its_e_mail(lab: Lab) -> None:
    for _ in range(2):
        for _ in range(access.TRIES_BY_EMAIL - 1):
            wrong(lab)
        sign_in(lab)


# -- staying in ----------------------------------------------------------------------------------------------------


def test_a_sign_in_lasts_two_weeks(lab: Lab) -> None:
    token = sign_in(lab).token
    lab.clock.advance(access.LOGIN_LIFE - timedelta(seconds=1))
    assert who(lab, token).member_id == lab.maker.member_id
    lab.clock.advance(seconds=1)
    with pytest.raises(Unauthenticated, match="expired"):
        who(lab, token)


def test_being_seen_makes_it_last_but_never_wakes_it_up_again(lab: Lab) -> None:
    token = sign_in(lab).token
    lab.clock.advance(access.LOGIN_LIFE - timedelta(seconds=1))
    with lab.database.begin() as uow:
        assert access.needs_touch(uow, token)
        access.touch(uow, token)
        assert not access.needs_touch(uow, token)
    lab.clock.advance(access.LOGIN_LIFE)
    with lab.database.begin() as uow:
        access.touch(uow, token)
        access.touch(uow, "no such token")
    with pytest.raises(Unauthenticated):
        who(lab, token)


def test_signing_out_ends_it(lab: Lab) -> None:
    token, other = sign_in(lab).token, sign_in(lab).token
    with lab.database.begin() as uow:
        access.sign_out(uow, token)
    with pytest.raises(Unauthenticated):
        who(lab, token)
    assert who(lab, other).member_id == lab.maker.member_id


def test_a_member_who_left_is_out_at_once(lab: Lab) -> None:
    token = sign_in(lab).token
    change(lab, state=MemberState.SUSPENDED)
    with pytest.raises(Unauthenticated):
        who(lab, token)


def test_sign_ins_that_are_over_are_swept_with_the_next_one(lab: Lab) -> None:
    sign_in(lab)
    lab.clock.advance(access.LOGIN_LIFE)
    sign_in(lab)
    with lab.database.read() as uow:
        assert uow.session.scalar(select(func.count()).select_from(Login)) == 1


@pytest.mark.parametrize("token", ["", "x", "fab_x", "é" * 50])
def test_a_made_up_token_opens_nothing(lab: Lab, token: str) -> None:
    with lab.database.read() as uow:
        with pytest.raises(Unauthenticated):
            access.resume(uow, token)
        with pytest.raises(Unauthenticated):
            access.bearer(uow, token)
        assert not access.needs_touch(uow, token)


# -- tokens --------------------------------------------------------------------------------------------------------


def make_token(lab: Lab, actor: Actor, *scopes: Scope, life: timedelta | None = None) -> str:
    with lab.database.begin() as uow:
        member = uow.session.get_one(Member, actor.member_id)
        return access.make_token(uow, member, "printer screen", frozenset(scopes), life)


def bearer(lab: Lab, token: str) -> Actor:
    with lab.database.read() as uow:
        return access.bearer(uow, token).actor


def test_a_token_never_allows_more_than_its_scopes(lab: Lab) -> None:
    actor = bearer(lab, make_token(lab, lab.staff, Scope.SUBMIT))
    assert [right for right in Right if allows(actor, right)] == [Right.SUBMIT]


def test_a_token_never_allows_more_than_its_member(lab: Lab) -> None:
    actor = bearer(lab, make_token(lab, lab.maker, *Scope))
    assert [right for right in Right if allows(actor, right)] == [Right.SUBMIT]


def test_a_token_lives_as_long_as_it_was_given(lab: Lab) -> None:
    token = make_token(lab, lab.staff, Scope.READ, life=timedelta(days=1))
    forever = make_token(lab, lab.staff, Scope.READ)
    lab.clock.advance(days=1)
    with pytest.raises(Unauthenticated, match="expired"):
        bearer(lab, token)
    assert bearer(lab, forever).member_id == lab.staff.member_id


def test_a_revoked_token_is_unknown(lab: Lab) -> None:
    token = make_token(lab, lab.staff, Scope.READ)
    with lab.database.begin() as uow:
        row = uow.session.scalars(select(ApiToken)).one()
        assert token not in row.token_hash
        row.revoked_at = uow.now
    with pytest.raises(Unauthenticated, match="unknown"):
        bearer(lab, token)


def test_the_token_of_a_member_who_left_is_unknown(lab: Lab) -> None:
    token = make_token(lab, lab.maker, Scope.READ)
    change(lab, state=MemberState.SUSPENDED)
    with pytest.raises(Unauthenticated, match="unknown"):
        bearer(lab, token)


# -- rights --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("right", Right)
def test_rights_are_those_of_the_table(role: Role, right: Right) -> None:
    actor = Actor(member_id=1, name="x", role=role.value)
    assert allows(actor, right) == (right in RIGHTS[role])


def test_makers_only_submit_and_partners_run_their_own_part_besides() -> None:
    assert RIGHTS[Role.MAKER] == {Right.SUBMIT}
    assert RIGHTS[Role.PARTNER] == {Right.SUBMIT, Right.PARTNER}
    assert RIGHTS[Role.ADMIN] == set(Right)


def test_the_lab_itself_may_do_everything_and_a_stranger_nothing() -> None:
    assert all(allows(SYSTEM, right) for right in Right)
    nobody = [Actor(member_id=None, name="guest", role="guest"), Actor(member_id=1, name="x", role="king")]
    assert not any(allows(actor, right) for actor in nobody for right in Right)


def test_what_is_required_and_not_allowed_is_forbidden() -> None:
    require(SYSTEM, Right.MANAGE)
    with pytest.raises(Forbidden) as refused:
        require(Actor(member_id=1, name="x", role="maker"), Right.OPERATE)
    assert refused.value.facts == {"right": "operate"}
