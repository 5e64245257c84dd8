"""The second factor, recovery codes, confirmations, the lists of sign-ins and tokens, and who must have a factor."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from fablab.base.database import Actor
from fablab.base.errors import Conflict, Forbidden, Invalid, LabError, NotFound, TooMany, Unauthenticated
from fablab.notices import Notice
from fablab.people import access, log, members, rescue, standing
from fablab.people.access import Entry, FactorState, Rules, Scope, SecondStep, SignedIn, browsers, totp
from fablab.people.access.models import Factor, FactorDue, KnownBrowser, LoginStep, RecoveryCode
from fablab.people.models import Login, LoginTry, Member, Role
from tests.lab import PASSWORD, Lab

MAIL = "maker@lab.example"
STAFF = "staff@lab.example"


def sign_in(lab: Lab, email: str = MAIL, **more: str) -> SignedIn:
    return access.sign_in(lab.database, email, PASSWORD, **{"address": "10.0.0.1", "agent": "test", **more})


def enrolled(lab: Lab, email: str = MAIL) -> tuple[SignedIn, str, tuple[str, ...]]:
    """A sign-in of a member who has just set one up: with its secret and the recovery codes."""
    signed_in = sign_in(lab, email)
    with lab.database.begin(signed_in.actor) as uow:
        secret = access.enrol(uow, signed_in.token).secret
    with lab.database.begin(signed_in.actor) as uow:
        codes = access.confirm_enrolment(uow, signed_in.token, code(lab, secret))
    lab.clock.advance(seconds=60)
    return signed_in, secret, codes


def code(lab: Lab, secret: str, shift: int = 0) -> str:
    return totp.code_at(secret, totp.step_of(lab.clock.now()) + shift)


def step(lab: Lab, email: str = MAIL) -> str:
    with pytest.raises(SecondStep) as half:
        sign_in(lab, email)
    return half.value.token


def finish(lab: Lab, token: str, said: str, address: str = "10.0.0.1") -> SignedIn:
    return access.finish(lab.database, token, said, Entry(address=address, agent="test"))


def told(lab: Lab, who: Actor) -> list[str]:
    with lab.database.read() as uow:
        query = select(Notice.code).where(Notice.member_id == who.member_id).order_by(Notice.id)
        return list(uow.session.scalars(query))


def wrong(lab: Lab, secret: str) -> str:
    """Six digits that are right at no time around now."""
    near = {code(lab, secret, shift) for shift in range(-3, 4)}
    return next(text for text in ("000000", "111111", "222222", "333333", "444444") if text not in near)


# -- the codes -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (59, "94287082"),
        (1111111109, "07081804"),
        (1111111111, "14050471"),
        (1234567890, "89005924"),
        (2000000000, "69279037"),
        (20000000000, "65353130"),
    ],
)
def test_codes_are_those_of_rfc_6238(seconds: int, said: str) -> None:
    secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"  # "12345678901234567890", appendix B
    assert totp.code_at(secret, seconds // totp.STEP_S, digits=8) == said


def test_a_secret_has_160_bits_and_is_never_twice_the_same() -> None:
    one, other = totp.new_secret(), totp.new_secret()
    assert len(one) == 32
    assert one != other


def test_the_address_of_the_qr_code_escapes_what_names_have_in_them() -> None:
    address = totp.address("ABC", lab="Atelier: é&", account="a b@lab.example")
    assert address.startswith("otpauth://totp/Atelier%20%20%C3%A9%26:a%20b@lab.example?secret=ABC&issuer=")


@pytest.mark.parametrize(("shift", "good"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_a_clock_may_be_half_a_minute_off_either_way(lab: Lab, shift: int, good: bool) -> None:
    _, secret, _ = enrolled(lab)
    lab.clock.advance(minutes=5)
    token, said = step(lab), code(lab, secret, shift)
    if good:
        assert finish(lab, token, said).member_id == lab.maker.member_id
    else:
        with pytest.raises(Unauthenticated, match=r"factor\.wrong"):
            finish(lab, token, said)


def test_a_code_may_be_typed_with_blanks(lab: Lab) -> None:
    _, secret, _ = enrolled(lab)
    said = code(lab, secret)
    assert finish(lab, step(lab), f" {said[:3]} {said[3:]} ").token


# -- signing in with it --------------------------------------------------------------------------------------------


def test_a_factor_counts_only_once_its_first_code_has_come_back(lab: Lab) -> None:
    signed_in = sign_in(lab)
    with lab.database.begin() as uow:
        secret = access.enrol(uow, signed_in.token).secret
    with lab.database.begin() as uow, pytest.raises(Invalid, match=r"factor\.wrong"):
        access.confirm_enrolment(uow, signed_in.token, wrong(lab, secret))
    assert sign_in(lab).token
    with lab.database.begin() as uow:
        assert len(set(access.confirm_enrolment(uow, signed_in.token, code(lab, secret)))) == 10
    assert step(lab)


def test_the_password_alone_opens_nothing_once_there_is_a_factor(lab: Lab) -> None:
    enrolled(lab)
    token = step(lab)
    with lab.database.read() as uow:
        assert access.has_step(uow, token)
        with pytest.raises(Unauthenticated):
            access.resume(uow, token)
        assert token not in set(uow.session.scalars(select(LoginStep.token_hash)))


def test_a_wrong_password_says_nothing_about_a_factor(lab: Lab) -> None:
    enrolled(lab)
    with pytest.raises(Unauthenticated, match=r"login\.wrong"):
        access.sign_in(lab.database, MAIL, "not the password", address="10.0.0.1", code="123456")


def test_password_and_code_may_come_together(lab: Lab) -> None:
    _, secret, _ = enrolled(lab)
    assert sign_in(lab, code=code(lab, secret)).token
    with pytest.raises(Unauthenticated, match=r"factor\.wrong"):
        sign_in(lab, code=code(lab, secret))


def test_a_code_is_taken_once_and_none_of_before_it_after(lab: Lab) -> None:
    _, secret, _ = enrolled(lab)
    lab.clock.advance(minutes=5)
    finish(lab, step(lab), code(lab, secret))
    for shift in (0, -1):
        with pytest.raises(Unauthenticated, match=r"factor\.wrong"):
            finish(lab, step(lab), code(lab, secret, shift))
    assert finish(lab, step(lab), code(lab, secret, 1)).token


def test_a_second_step_goes_on_after_a_wrong_code_and_works_once(lab: Lab) -> None:
    _, secret, codes = enrolled(lab)
    token = step(lab)
    with pytest.raises(Unauthenticated, match=r"factor\.wrong"):
        finish(lab, token, wrong(lab, secret))
    finish(lab, token, code(lab, secret))
    with pytest.raises(Unauthenticated, match=r"login\.step_expired"):
        finish(lab, token, codes[0])


def test_a_second_step_waits_ten_minutes(lab: Lab) -> None:
    _, secret, _ = enrolled(lab)
    token = step(lab)
    lab.clock.advance(access.STEP_LIFE)
    with pytest.raises(Unauthenticated, match=r"login\.step_expired"):
        finish(lab, token, code(lab, secret))


def test_wrong_codes_are_counted_by_member_wherever_they_come_from_and_the_member_is_told(lab: Lab) -> None:
    _, secret, _ = enrolled(lab)
    token = step(lab)
    for number in range(access.TRIES_BY_CODE):
        with pytest.raises(Unauthenticated, match=r"factor\.wrong"):
            finish(lab, token, wrong(lab, secret), address=f"10.0.1.{number}")
    with pytest.raises(TooMany):
        finish(lab, token, code(lab, secret), address="10.0.1.99")
    assert told(lab, lab.maker).count("security.wrong_codes") == 1
    lab.clock.advance(access.TRY_WINDOW)
    assert finish(lab, step(lab), code(lab, secret)).token


def test_guesses_at_once_are_counted_one_by_one(any_lab: Lab) -> None:
    _, secret, _ = enrolled(any_lab)
    token, said = step(any_lab), wrong(any_lab, secret)

    def guess(number: int) -> type[LabError]:
        with pytest.raises(LabError) as refused:
            finish(any_lab, token, said, address=f"10.0.2.{number}")
        return type(refused.value)

    with ThreadPoolExecutor(12) as pool:
        outcomes = list(pool.map(guess, range(12)))
    assert outcomes.count(Unauthenticated) == access.TRIES_BY_CODE
    assert outcomes.count(TooMany) == 12 - access.TRIES_BY_CODE


def test_of_two_who_use_one_code_at_once_one_wins(any_lab: Lab) -> None:
    _, secret, _ = enrolled(any_lab)
    steps, said = [step(any_lab) for _ in range(4)], code(any_lab, secret)
    assert won(any_lab, steps, said) == 1


def test_of_two_who_use_one_recovery_code_at_once_one_wins(any_lab: Lab) -> None:
    _, _, codes = enrolled(any_lab)
    steps = [step(any_lab) for _ in range(4)]
    assert won(any_lab, steps, codes[3]) == 1
    with any_lab.database.read() as uow:
        left = select(func.count()).where(RecoveryCode.used_at.is_(None))
        assert uow.session.scalar(left) == access.RECOVERY_CODES - 1


def won(lab: Lab, steps: list[str], said: str) -> int:
    def use(token: str) -> bool:
        try:
            return bool(finish(lab, token, said).token)
        except Unauthenticated:
            return False

    with ThreadPoolExecutor(len(steps)) as pool:
        return sum(pool.map(use, steps))


# -- recovery codes ------------------------------------------------------------------------------------------------


def test_each_recovery_code_opens_once_however_it_is_typed(lab: Lab) -> None:
    _, _, codes = enrolled(lab)
    assert finish(lab, step(lab), codes[0].lower().replace("-", " ")).token
    with pytest.raises(Unauthenticated, match=r"factor\.wrong"):
        finish(lab, step(lab), codes[0])
    assert finish(lab, step(lab), codes[1].replace("0", "O").replace("1", "l")).token
    assert told(lab, lab.maker).count("security.recovery_used") == 2


def test_recovery_codes_are_kept_as_hashes_and_are_nobody_else_s(lab: Lab) -> None:
    _, _, codes = enrolled(lab)
    enrolled(lab, "other@lab.example")
    with lab.database.read() as uow:
        kept = set(uow.session.scalars(select(RecoveryCode.code_hash)))
    assert not kept & {*codes, *(each.replace("-", "") for each in codes)}
    with pytest.raises(Unauthenticated, match=r"factor\.wrong"):
        finish(lab, step(lab, "other@lab.example"), codes[0])


def test_new_recovery_codes_end_those_of_before(lab: Lab) -> None:
    signed_in, _, codes = enrolled(lab)
    with lab.database.begin() as uow:
        new = access.new_recovery_codes(uow, signed_in.token)
    assert not set(new) & set(codes)
    with pytest.raises(Unauthenticated):
        finish(lab, step(lab), codes[0])
    assert finish(lab, step(lab), new[0]).token


def test_a_factor_that_is_taken_off_takes_its_codes_along(lab: Lab) -> None:
    signed_in, _, _ = enrolled(lab)
    with lab.database.begin() as uow:
        access.remove_factor(uow, signed_in.token)
        with pytest.raises(NotFound, match=r"factor\.off"):
            access.remove_factor(uow, signed_in.token)
    assert sign_in(lab).token
    with lab.database.read() as uow:
        assert access.factor_of(uow, signed_in.member_id).state is FactorState.OFF
        assert access.factor_of(uow, signed_in.member_id).codes_left == 0
    assert "security.factor_off" in told(lab, lab.maker)


def test_there_is_one_factor_at_a_time(lab: Lab) -> None:
    signed_in, _, _ = enrolled(lab)
    with lab.database.begin() as uow, pytest.raises(Conflict, match=r"factor\.on"):
        access.enrol(uow, signed_in.token)


# -- once more who it is -------------------------------------------------------------------------------------------


def test_locks_are_changed_only_within_ten_minutes_of_a_sign_in_or_a_confirmation(lab: Lab) -> None:
    signed_in = sign_in(lab)
    lab.clock.advance(access.FRESH_FOR)
    with lab.database.begin() as uow:
        for change in (
            lambda: access.enrol(uow, signed_in.token),
            lambda: access.remove_factor(uow, signed_in.token),
            lambda: access.new_token(uow, signed_in.token, "x", frozenset({Scope.READ}), 1),
        ):
            with pytest.raises(Forbidden, match=r"access\.confirm"):
                change()
    with pytest.raises(Forbidden, match=r"access\.confirm"):
        access.change_password(lab.database, signed_in.token, "another password")
    access.confirm(lab.database, signed_in.token, PASSWORD, "", address="10.0.0.1")
    access.change_password(lab.database, signed_in.token, "another password")


def test_whoever_has_a_factor_confirms_with_both(lab: Lab) -> None:
    signed_in, secret, _ = enrolled(lab)
    lab.clock.advance(access.FRESH_FOR)
    for password, said in ((PASSWORD, ""), (PASSWORD, wrong(lab, secret)), ("not it", code(lab, secret))):
        with pytest.raises(Forbidden, match=r"confirm\.wrong"):
            access.confirm(lab.database, signed_in.token, password, said, address="10.0.0.1")
    access.confirm(lab.database, signed_in.token, PASSWORD, code(lab, secret), address="10.0.0.1")


def test_wrong_confirmations_are_counted(lab: Lab) -> None:
    signed_in = sign_in(lab)
    for _ in range(access.TRIES_BY_EMAIL):
        with pytest.raises(Forbidden):
            access.confirm(lab.database, signed_in.token, "not it", "", address="10.0.0.1")
    with pytest.raises(TooMany):
        access.confirm(lab.database, signed_in.token, PASSWORD, "", address="10.0.0.1")


# -- password, sign-ins, tokens ------------------------------------------------------------------------------------


def test_a_new_password_ends_every_other_sign_in_and_half_a_one(lab: Lab) -> None:
    here, _, codes = enrolled(lab)
    half = step(lab)
    other = finish(lab, step(lab), codes[0])
    access.confirm(lab.database, here.token, PASSWORD, codes[1], address="10.0.0.1")
    access.change_password(lab.database, here.token, "another password")
    with lab.database.read() as uow:
        assert access.resume(uow, here.token)
        with pytest.raises(Unauthenticated):
            access.resume(uow, other.token)
        assert not access.has_step(uow, half)
    assert told(lab, lab.maker)[-1] == "security.password_changed"


def test_sign_ins_are_listed_with_where_and_when_this_one_first(lab: Lab) -> None:
    firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
    here = sign_in(lab, agent=firefox, address="10.0.0.7")
    lab.clock.advance(minutes=1)
    sign_in(lab, address="10.0.0.8")
    with lab.database.read() as uow:
        first, second = access.sessions(uow, here.token)
        tokens = set(uow.session.scalars(select(Login.token_hash)))
    assert (first.here, first.browser, first.address) == (True, "Firefox, Linux", "10.0.0.7")
    assert (second.here, second.address) == (False, "10.0.0.8")
    assert not {first.id, second.id} & {each[:16] for each in tokens}


def test_a_sign_in_is_ended_by_its_own_member_only(lab: Lab) -> None:
    mine, other, stranger = sign_in(lab), sign_in(lab), sign_in(lab, STAFF)
    with lab.database.begin() as uow:
        theirs = access.sessions(uow, mine.token)[1].id
        with pytest.raises(NotFound, match=r"session\.unknown"):
            access.end_session(uow, stranger.token, theirs)
        access.end_session(uow, mine.token, theirs)
        with pytest.raises(Unauthenticated):
            access.resume(uow, other.token)
        assert access.end_others(uow, mine.token) == 0


def test_a_token_is_withdrawn_by_its_own_member_only(lab: Lab) -> None:
    mine = sign_in(lab)
    with lab.database.begin() as uow:
        secret = access.new_token(uow, mine.token, "screen", frozenset({Scope.READ}), None)
        row = access.tokens(uow, mine.member_id)[0]
        with pytest.raises(NotFound, match=r"token\.gone"):
            access.revoke_token(uow, lab.staff.member_id or 0, row.id)
        assert access.bearer(uow, secret).member_id == mine.member_id
        access.revoke_token(uow, mine.member_id, row.id)
        assert access.tokens(uow, mine.member_id) == []
        with pytest.raises(Unauthenticated):
            access.bearer(uow, secret)


# -- browsers ------------------------------------------------------------------------------------------------------


def test_a_new_browser_is_told_but_neither_the_first_nor_a_known_one(lab: Lab) -> None:
    first = sign_in(lab)
    assert told(lab, lab.maker) == []
    assert sign_in(lab, browser=first.browser).browser == first.browser
    assert told(lab, lab.maker) == []
    second = sign_in(lab, agent="Mozilla/5.0 (Windows NT 10.0) Chrome/140.0 Safari/537.36")
    assert second.browser != first.browser
    assert told(lab, lab.maker) == ["security.new_browser"]


def test_a_browser_s_name_that_this_server_did_not_make_is_not_adopted(lab: Lab) -> None:
    assert sign_in(lab, browser="planted-by-somebody").browser != "planted-by-somebody"


def test_a_shared_browser_is_known_to_each_who_uses_it(lab: Lab) -> None:
    shared = sign_in(lab).browser
    assert sign_in(lab, STAFF, browser=shared).browser == shared
    sign_in(lab, browser=shared)
    sign_in(lab, STAFF, browser=shared)
    assert told(lab, lab.maker) == told(lab, lab.staff) == []


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/140.0 Safari/537.36 Edg/140.0", "Edge, Windows"),
        (
            "Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 Chrome/140.0 Mobile Safari/537.36",
            "Chrome, Android",
        ),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Safari/604.1",
            "Safari, iPhone",
        ),
        ("our-script/1.2", "our-script"),
        ("", "?"),
    ],
)
def test_agents_are_called_what_people_call_them(agent: str, name: str) -> None:
    assert browsers.called(agent) == name


# -- who must have one ---------------------------------------------------------------------------------------------


def rule(lab: Lab, wants: bool = True, days: int = 14) -> None:
    with lab.database.begin(lab.actors["admin"]) as uow:
        access.set_rules(uow, Rules(staff_factor=wants, grace_days=days))


def resumed(lab: Lab, token: str) -> SignedIn:
    with lab.database.read() as uow:
        return access.resume(uow, token)


def test_only_whoever_manages_the_house_makes_the_rule(lab: Lab) -> None:
    with lab.database.begin(lab.staff) as uow, pytest.raises(Forbidden):
        access.set_rules(uow, Rules(staff_factor=True))
    with lab.database.begin(lab.actors["admin"]) as uow, pytest.raises(Invalid, match=r"factor\.grace"):
        access.set_rules(uow, Rules(staff_factor=True, grace_days=91))


def test_the_staff_has_its_days_and_is_held_back_after_them_makers_never(lab: Lab) -> None:
    staff, maker = sign_in(lab, STAFF), sign_in(lab)
    rule(lab)
    assert told(lab, lab.staff) == ["security.factor_wanted"]
    assert told(lab, lab.maker) == []
    lab.clock.advance(timedelta(days=14) - timedelta(seconds=1))
    staff, maker = sign_in(lab, STAFF), sign_in(lab)
    assert not resumed(lab, staff.token).held_back
    lab.clock.advance(seconds=1)
    assert resumed(lab, staff.token).held_back
    assert not resumed(lab, maker.token).held_back


def test_a_factor_lets_them_go_on_and_taking_it_off_holds_them_back_at_once(lab: Lab) -> None:
    rule(lab, days=0)
    signed_in, _, _ = enrolled(lab, STAFF)
    assert not resumed(lab, signed_in.token).held_back
    with lab.database.begin() as uow:
        access.remove_factor(uow, signed_in.token)
    assert resumed(lab, signed_in.token).held_back


def test_without_the_rule_nobody_is_held_back(lab: Lab) -> None:
    rule(lab, days=0)
    signed_in = sign_in(lab, STAFF)
    assert resumed(lab, signed_in.token).held_back
    rule(lab, wants=False)
    assert not resumed(lab, signed_in.token).held_back
    with lab.database.read() as uow:
        assert uow.session.scalars(select(FactorDue)).first() is None


def test_the_rule_meets_whoever_joins_the_staff_later(lab: Lab) -> None:
    rule(lab, days=0)
    signed_in = sign_in(lab)
    with lab.database.begin() as uow:
        uow.session.get_one(Member, signed_in.member_id).role = Role.MEDIATOR
        access.touch(uow, signed_in.token)
    assert resumed(lab, signed_in.token).held_back


def test_a_token_goes_on_whatever_is_due(lab: Lab) -> None:
    signed_in = sign_in(lab, STAFF)
    with lab.database.begin() as uow:
        secret = access.new_token(uow, signed_in.token, "screen", frozenset({Scope.READ}), None)
    rule(lab, days=0)
    with lab.database.read() as uow:
        assert not access.bearer(uow, secret).held_back


# -- the staff's help ----------------------------------------------------------------------------------------------


def test_the_staff_takes_a_lost_factor_off_with_a_reason_and_the_member_is_told(lab: Lab) -> None:
    mine, _, _ = enrolled(lab)
    staff = sign_in(lab, STAFF)
    with lab.database.begin(lab.staff) as uow:
        with pytest.raises(Invalid, match=r"reason\.missing"):
            rescue.reset_factor(uow, staff.token, mine.member_id, " ")
        rescue.reset_factor(uow, staff.token, mine.member_id, "phone fell into the lake")
    with lab.database.read() as uow:
        with pytest.raises(Unauthenticated):
            access.resume(uow, mine.token)
        line = log.about_member(uow, mine.member_id)[0]
        assert uow.session.scalars(select(Factor).where(Factor.member_id == mine.member_id)).first() is None
    assert (line.code, line.actor_id, line.facts["why"]) == (
        "member.factor_reset",
        lab.staff.member_id,
        "phone fell into the lake",
    )
    assert told(lab, lab.maker)[-1] == "security.factor_reset"
    assert sign_in(lab).token


def test_nobody_takes_off_the_factor_of_whoever_may_more_nor_their_own(lab: Lab) -> None:
    admin, _, _ = enrolled(lab, "admin@lab.example")
    staff = sign_in(lab, STAFF)
    with lab.database.begin(lab.staff) as uow, pytest.raises(Forbidden, match=r"member\.above_you"):
        rescue.reset_factor(uow, staff.token, admin.member_id, "because")
    with lab.database.begin(admin.actor) as uow, pytest.raises(Conflict, match=r"factor\.own"):
        rescue.reset_factor(uow, admin.token, admin.member_id, "because")


def test_a_maker_takes_nobody_s_factor_off(lab: Lab) -> None:
    other, _, _ = enrolled(lab, "other@lab.example")
    maker = sign_in(lab)
    with lab.database.begin(lab.maker) as uow, pytest.raises(Forbidden):
        rescue.reset_factor(uow, maker.token, other.member_id, "because")


def test_of_somebody_who_is_forgotten_no_key_stays(lab: Lab) -> None:
    signed_in, _, _ = enrolled(lab)
    step(lab)
    with lab.database.begin(lab.maker) as uow:
        standing.leave(uow, signed_in.member_id)
    with lab.database.begin(lab.actors["admin"]) as uow:
        members.forget(uow, signed_in.member_id)
        for table in (Factor, RecoveryCode, LoginStep, KnownBrowser):
            assert (
                uow.session.scalars(select(table).where(table.member_id == signed_in.member_id)).all() == []
            )


def test_failed_tries_are_swept_with_the_next_sign_in(lab: Lab) -> None:
    _, secret, _ = enrolled(lab)
    with pytest.raises(Unauthenticated):
        finish(lab, step(lab), wrong(lab, secret))
    lab.clock.advance(access.TRY_WINDOW)
    finish(lab, step(lab), code(lab, secret))
    with lab.database.read() as uow:
        assert uow.session.scalar(select(func.count()).select_from(LoginTry)) == 0
