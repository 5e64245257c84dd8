"""Pages of certifications, rules, trainings and policies: what they show, what their forms do, and what a wrong one says."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from fablab.claims.rules import passport, setting
from fablab.people.certifications import granting, signing, terms
from fablab.people.models import CertificationLevel
from fablab.places.models import Technology
from tests.lab import Lab
from tests.web.site import Site

LASER = Technology.LASER


def member(lab: Lab, name: str = "maker") -> int:
    found = lab.actors[name].member_id
    assert found is not None
    return found


def page(site: Site, path: str, status: int = 200) -> str:
    answer = site.client.get(path, headers={"Accept-Language": "en"})
    assert answer.status_code == status, answer.text
    text: str = answer.text
    return text


def post(site: Site, path: str, **form: Any) -> Any:
    return site.client.post(path, data=form, follow_redirects=False, headers={"Accept-Language": "en"})


@pytest.fixture
def seen(site: Site) -> Site:
    site.client.cookies.set("fablab_language", "en")
    return site


def rules(lab: Lab) -> int:
    with lab.database.begin(lab.actors["admin"]) as uow:
        words = {"title_fr": "Règlement", "title_en": "Laser rules", "text_fr": "Rester.", "text_en": "Stay."}
        return signing.publish(uow, LASER, **words).id


def local(lab: Lab, **ahead: float) -> str:
    paris = lab.clock.now() + timedelta(hours=1)  # in winter
    return (paris + timedelta(**ahead)).strftime("%Y-%m-%dT%H:%M")


def plan(seen: Site, **more: Any) -> Any:
    lab = seen.lab
    form = {
        "scope": "laser",
        "level": "user",
        "start_at": local(lab, days=1),
        "end_at": local(lab, days=1, hours=2),
        "places": "2",
        "trainer": "",
        "holds": [str(lab.resources["laser"]), str(lab.resources["room"])],
        "note": "Bring wood.",
    }
    return post(seen, "/trainings", **{**form, **more})


def planned(seen: Site) -> str:
    seen.sign_in("staff")
    answer = plan(seen)
    assert answer.status_code == 303, answer.text
    return str(answer.headers["location"]).partition("?")[0]


def test_what_is_missing_can_be_done_from_the_page_that_says_so(seen: Site) -> None:
    session, text = planned(seen), rules(seen.lab)
    seen.sign_in("maker")
    shown = page(seen, "/certifications")
    assert "not certified" in shown
    assert f'href="/rules/{text}"' in shown
    assert f'action="{session}/join"' in shown
    joined = post(seen, f"{session}/join", back="/certifications", member="")
    assert joined.headers["location"].startswith("/certifications")
    assert "Give my place up" in page(seen, "/certifications")


def test_signing_takes_ones_own_name_and_says_so_beside_the_field(seen: Site) -> None:
    text = rules(seen.lab)
    seen.sign_in("maker")
    wrong = post(seen, f"/rules/{text}/sign", name="Somebody")
    assert wrong.status_code == 422
    assert 'value="Somebody"' in wrong.text
    assert "type the name as it is kept here: Maker" in wrong.text
    assert post(seen, f"/rules/{text}/sign", name="Maker").status_code == 303
    assert "Signed by Maker" in page(seen, f"/rules/{text}")


def test_the_staff_grant_renew_and_take_back(seen: Site) -> None:
    lab = seen.lab
    seen.sign_in("staff")
    here = f"/members/{member(lab)}/certifications"
    assert post(seen, here, scope=f"laser:{lab.resources['laser']}", level="user").status_code == 303
    with lab.database.read() as uow:
        (stamp,) = passport.stamps(uow, member(lab))
    assert "Laser cutting: laser" in page(seen, here) or "laser" in page(seen, here)
    assert post(seen, f"{here}/{stamp.id}/renew").status_code == 303
    wrong = post(seen, f"{here}/{stamp.id}/revoke", why="")
    assert (wrong.status_code, "Please say why" in wrong.text) == (422, True)
    assert post(seen, f"{here}/{stamp.id}/revoke", why="left the beam alone").status_code == 303
    with lab.database.read() as uow:
        assert passport.stamps(uow, member(lab)) == ()


def test_a_use_is_counted_and_a_signature_on_paper_written_down(seen: Site) -> None:
    lab, text = seen.lab, rules(seen.lab)
    with lab.database.begin(lab.actors["admin"]) as uow:
        terms.set_terms(uow, LASER, supervised_uses=2)
        granting.grant(uow, member(lab), LASER)
    seen.sign_in("staff")
    assert (
        post(seen, f"/members/{member(lab)}/supervised", scope="laser", hours="1", note="").status_code == 303
    )
    assert post(seen, f"/members/{member(lab)}/paper", rules=str(text)).status_code == 303
    shown = page(seen, f"/members/{member(lab)}/certifications")
    assert "1 use under supervision to come" in shown.replace("\u00a0", " ")
    assert "on paper" in shown


def test_a_training_that_cannot_be_keeps_what_was_typed(seen: Site) -> None:
    seen.sign_in("staff")
    wrong = plan(seen, places="0")
    assert (wrong.status_code, "Bring wood." in wrong.text) == (422, True)
    assert "A training has 1 to 60 places." in wrong.text


def test_who_came_is_certified_from_the_page(seen: Site) -> None:
    lab, session = seen.lab, planned(seen)
    seen.sign_in("maker")
    assert post(seen, f"{session}/join", back="", member="").status_code == 303
    lab.clock.advance(days=1, hours=1)
    seen.sign_in("staff")
    assert "These came: certify them" in page(seen, session)
    done = post(seen, f"{session}/attendance", present=[str(member(lab))], more=str(member(lab, "other")))
    assert done.status_code == 303, done.text
    with lab.database.read() as uow:
        held = [passport.holds(uow, member(lab, name), lab.resources["laser"]) for name in ("maker", "other")]
    assert all(held)


def test_a_session_is_cancelled_resized_and_filled_by_the_staff(seen: Site) -> None:
    lab, session = seen.lab, planned(seen)
    assert post(seen, f"{session}/join", member=str(member(lab))).status_code == 303
    assert post(seen, f"{session}/places", places="5").status_code == 303
    assert "Maker" in page(seen, session)
    assert post(seen, f"{session}/cancel", why="ill").status_code == 303
    assert "Cancelled" in page(seen, session)


def test_members_do_not_see_who_else_is_in_a_session(seen: Site) -> None:
    session = planned(seen)
    seen.sign_in("other")
    post(seen, f"{session}/join", member="")
    seen.sign_in("maker")
    assert "Other" not in page(seen, session)


def test_a_member_who_trains_writes_down_a_use_by_number(seen: Site) -> None:
    lab = seen.lab
    with lab.database.begin(lab.actors["admin"]) as uow:
        granting.grant(uow, member(lab, "other"), LASER, CertificationLevel.TRAINER)
    seen.sign_in("other")
    form = {"member": str(member(lab)), "scope": "laser", "what": "grant", "hours": "1"}
    assert post(seen, "/trainings/vouch", **form).status_code == 303
    with lab.database.read() as uow:
        assert passport.holds(uow, member(lab), lab.resources["laser"])


def test_rules_are_published_and_get_a_new_version(seen: Site) -> None:
    seen.sign_in("admin")
    form = {"scope": "laser", "title_fr": "Règlement", "title_en": "Rules", "text_fr": "Un", "text_en": "One"}
    first = post(seen, "/rules", **form)
    assert first.status_code == 303, first.text
    wrong = post(seen, "/rules", **{**form, "text_en": "", "text_fr": "Gardé"})
    assert (wrong.status_code, "Gardé" in wrong.text) == (422, True)
    second = post(seen, "/rules", **{**form, "sign_by": "2026-12-24"})
    assert "version 2" in page(seen, str(second.headers["location"]).partition("?")[0]).replace("\u00a0", " ")


EMPTY = dict.fromkeys((*setting.COLUMNS, "audience"), "")


def test_a_policy_is_set_in_peoples_units_and_shown_in_words(seen: Site) -> None:
    seen.sign_in("admin")
    form = {**EMPTY, "about": "technology:laser", "weekly_s": "4,5", "presence": "staffed"}
    answer = post(seen, "/policies", **form)
    assert answer.status_code == 303, answer.text
    shown = page(seen, "/policies")
    assert "Hours a week for one person: 4.5" in shown
    assert "while the staff is there" in shown


@pytest.mark.parametrize(
    ("field", "value"), [("lead_s", "abc"), ("longest_s", "0"), ("horizon_s", "99999"), ("least_age", "-1")]
)
def test_a_number_that_cannot_be_is_said_beside_its_field(seen: Site, field: str, value: str) -> None:
    seen.sign_in("admin")
    wrong = post(seen, "/policies", **{**EMPTY, "about": "house", field: value})
    assert wrong.status_code == 422
    assert f'id="policy-{field}-e"' in wrong.text


def test_a_material_is_put_on_a_machines_list(seen: Site) -> None:
    lab = seen.lab
    seen.sign_in("admin")
    answer = post(seen, f"/policies/materials/{lab.resources['mk3']}", material="1", permission="forbidden")
    assert answer.status_code == 303, answer.text
    assert "PLA: forbidden" in page(seen, "/policies")


def test_terms_are_set_and_deleted(seen: Site) -> None:
    seen.sign_in("admin")
    form = {
        "scope": "laser",
        "valid_days": "365",
        "disuse_days": "",
        "supervised_uses": "3",
        "remind_days": "30",
    }
    assert post(seen, "/policies/terms", **form).status_code == 303
    assert "3 uses under supervision first" in page(seen, "/policies")
    assert post(seen, "/policies/terms/1/drop").status_code == 303
    assert "Until they are taken back." in page(seen, "/policies")


@pytest.mark.parametrize("path", ["/policies"])
def test_policies_are_for_the_staff(seen: Site, path: str) -> None:
    seen.sign_in("maker")
    page(seen, path, status=403)


def test_one_cannot_look_at_a_strangers_certifications(seen: Site) -> None:
    seen.sign_in("maker")
    page(seen, f"/members/{member(seen.lab, 'other')}/certifications", status=404)
