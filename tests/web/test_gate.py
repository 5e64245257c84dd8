"""The start gate through its real doors: whatever stands against a start, page, API, kiosk and dispatcher say the same.

Twelve causes are laid on one lab, in any combination; each door is asked, and answers the codes it would refuse with.
Another door is one more line of `DOORS`.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import combinations, product
from pathlib import Path

import pytest
from litestar.testing import TestClient
from sqlalchemy import delete

from fablab.base.database import UnitOfWork
from fablab.claims.models import (
    Allocation,
    AllocationState,
    Claim,
    ClaimKind,
    ClaimState,
)
from fablab.claims.rules import RULES, may_start
from fablab.claims.rules.models import MachineMaterial, Permission, Presence, ReservationPolicy
from fablab.people import badges, kiosks
from fablab.people.certifications.models import RuleText
from fablab.people.models import Consent, ConsentKind, Member, MemberState
from fablab.places.models import Machine, MachineGate, Technology
from scheduler.hands import against_start
from tests.lab import Lab
from tests.web.site import HOST, Site, make_app
from web.security.limits import Limiter, Pace, Rate

#: Half past nine in Paris: the house is open, and nobody from the staff is there yet.
EARLY = datetime(2026, 11, 24, 8, 30, tzinfo=UTC)
CAUSES = (
    "membership.not_active",
    "minor.no_consent",
    "minor.too_young",
    "minor.alone",
    "subscription.missing",
    "certification.missing",
    "rules.unsigned",
    "machine.out_of_service",
    "reservation.somebody_elses",
    "material.forbidden",
    "hours.not_staffed",
    "unattended.not_allowed",
)


@dataclass
class Scene:
    """A child, a printer and a claim that is to run on it."""

    site: Site
    member_id: int
    machine_id: int
    claim_id: str
    other_id: int
    material_id: int


Door = Callable[[Scene], set[str]]


def by_rule(scene: Scene) -> set[str]:
    with scene.site.lab.database.read() as uow:
        found = may_start(uow, scene.machine_id, scene.member_id, claim_id=scene.claim_id)
    return {refusal.code for refusal in found}


def by_api(scene: Scene) -> set[str]:
    query = {"member": scene.member_id, "claim": scene.claim_id}
    answer = scene.site.client.get(f"/api/machines/{scene.machine_id}/gate", params=query)
    assert answer.status_code == 200, answer.text
    return {refusal["code"] for refusal in answer.json()["refusals"]}


def by_page(scene: Scene) -> set[str]:
    query = {"member": scene.member_id, "claim": scene.claim_id}
    answer = scene.site.client.get(f"/machines/{scene.machine_id}/gate", params=query)
    assert answer.status_code == 200, answer.text
    return set(re.findall(r'data-code="([^"]+)"', answer.text))


def by_kiosk(scene: Scene) -> set[str]:
    """On the tablet beside the machine, to whom it is that has just held their badge to it."""
    lab, client = scene.site.lab, scene.site.client
    if "fablab_known" not in client.cookies:
        made = lab.database.write(lambda uow: kiosks.make(uow, "Tablet", scene.machine_id), lab.staff)
        _, tablet = lab.database.write(lambda uow: kiosks.enrol(uow, made.link_token))
        lab.database.write(lambda uow: badges.set_badge(uow, scene.member_id, "04A2197F"), lab.staff)
        client.cookies.set("fablab_kiosk", tablet)
        client.cookies.set("fablab_known", kiosks.by_badge(lab.database, tablet, "04A2197F"))
    answer = client.get(f"/kiosk/{scene.machine_id}", params={"claim": scene.claim_id})
    assert answer.status_code == 200, answer.text
    return set(re.findall(r'data-code="([^"]+)"', answer.text))


def by_dispatcher(scene: Scene) -> set[str]:
    """Whatever it also has to say of the calendar ahead is not the gate's word."""
    with scene.site.lab.database.read() as uow:
        claim = uow.session.get_one(Claim, scene.claim_id)
        found = against_start(uow, scene.machine_id, claim, scene.member_id, None)
    return {refusal.code for refusal in found} & RULES.keys()


DOORS: dict[str, Door] = {
    "rule": by_rule,
    "api": by_api,
    "page": by_page,
    "kiosk": by_kiosk,
    "dispatcher": by_dispatcher,
}


@pytest.fixture
def site(lab: Lab, tmp_path: Path) -> Iterator[Site]:
    """As often as they like: three doors for each of 4096 combinations are more than anybody's pace."""
    wide = Limiter({pace: Rate(burst=100_000, per_minute=100_000) for pace in Pace})
    with TestClient(make_app(lab, tmp_path, limiter=wide), base_url=HOST) as client:
        yield Site(lab, client.app, client)


@pytest.fixture
def scene(site: Site) -> Scene:
    lab = site.lab
    lab.clock.set(EARLY)
    member_id, other_id = lab.maker.member_id, lab.actors["other"].member_id
    assert member_id is not None
    assert other_id is not None
    made = Scene(site, member_id, lab.resources["mk3"], "aaaaaaaaaaaaaaaa", other_id, material_id=1)
    with lab.database.begin() as uow:
        uow.session.get_one(Member, member_id).born_on = date(2014, 1, 1)
        uow.session.add(claim(made.claim_id, ClaimKind.JOB, member_id, made.material_id))
        uow.session.add(claim("bbbbbbbbbbbbbbbb", ClaimKind.RESERVATION, other_id, None))
    site.sign_in("staff")
    return made


def claim(claim_id: str, kind: ClaimKind, member_id: int, material_id: int | None) -> Claim:
    return Claim(
        id=claim_id,
        kind=kind,
        state=ClaimState.HELD,
        title=kind.value,
        member_id=member_id,
        release_at=EARLY,
        estimate_s=3600,
        attended=False,
        material_id=material_id,
        made_at=EARLY,
    )


def lay(scene: Scene, causes: frozenset[str]) -> None:
    """The lab as these causes make it, whatever it was before."""
    with scene.site.lab.database.begin() as uow:
        _people(uow, scene, causes)
        _machine(uow, scene, causes)
        _calendar(uow, scene, causes)


def _people(uow: UnitOfWork, scene: Scene, causes: frozenset[str]) -> None:
    member = uow.session.get_one(Member, scene.member_id)
    away = "membership.not_active" in causes
    member.state = MemberState.SUSPENDED if away else MemberState.ACTIVE
    uow.session.execute(delete(Consent))
    if "minor.no_consent" not in causes:
        uow.session.add(
            Consent(member_id=member.id, kind=ConsentKind.MEMBERSHIP, said_by="A parent", given_at=EARLY)
        )
    uow.session.execute(delete(RuleText))
    if "rules.unsigned" in causes:
        words = {"title_fr": "a", "title_en": "a", "text_fr": "a", "text_en": "a"}
        uow.session.add(RuleText(technology=Technology.FDM, version=1, published_at=EARLY, **words))


def _machine(uow: UnitOfWork, scene: Scene, causes: frozenset[str]) -> None:
    machine = uow.session.get_one(Machine, scene.machine_id)
    out = "machine.out_of_service" in causes
    machine.gate = MachineGate.OUT_OF_SERVICE if out else MachineGate.CLEAR
    machine.needs_certification = "certification.missing" in causes
    machine.unattended = "unattended.not_allowed" not in causes
    uow.session.execute(delete(MachineMaterial))
    forbidden = "material.forbidden" in causes
    uow.session.add(
        MachineMaterial(
            resource_id=scene.machine_id,
            material_id=scene.material_id,
            permission=Permission.FORBIDDEN if forbidden else Permission.ALLOWED,
        )
    )
    uow.session.execute(delete(ReservationPolicy))
    uow.session.add(
        ReservationPolicy(
            resource_id=scene.machine_id,
            least_age=16 if "minor.too_young" in causes else None,
            alone_age=15 if "minor.alone" in causes else 0,
            subscription="subscription.missing" in causes,
            presence=Presence.STAFFED if "hours.not_staffed" in causes else Presence.OPEN,
            set_at=EARLY,
        )
    )


def _calendar(uow: UnitOfWork, scene: Scene, causes: frozenset[str]) -> None:
    uow.session.execute(delete(Allocation))
    if "reservation.somebody_elses" in causes:
        end = EARLY + timedelta(hours=2)
        uow.session.add(
            Allocation(
                claim_id="bbbbbbbbbbbbbbbb",
                resource_id=scene.machine_id,
                state=AllocationState.FIRM,
                start_at=EARLY,
                run_start_at=EARLY,
                run_end_at=end,
                end_at=end,
            )
        )


def answers(scene: Scene, causes: frozenset[str]) -> dict[str, set[str]]:
    lay(scene, causes)
    return {name: door(scene) for name, door in DOORS.items()}


def pairwise() -> list[frozenset[str]]:
    """Every pair of causes is there together, apart, and one without the other, at least once."""
    wanted = {
        (a, b, one, two) for a, b in combinations(CAUSES, 2) for one, two in product((False, True), repeat=2)
    }
    chance, rows = random.Random(5), [frozenset[str](), frozenset(CAUSES)]

    def covered(row: frozenset[str]) -> set[tuple[str, str, bool, bool]]:
        return {(a, b, a in row, b in row) for a, b in combinations(CAUSES, 2)}

    for row in rows:
        wanted -= covered(row)
    while wanted:
        drawn = [frozenset(c for c in CAUSES if chance.random() < 0.5) for _ in range(40)]
        best = max(drawn, key=lambda row: len(covered(row) & wanted))
        wanted -= covered(best)
        rows.append(best)
    return rows


def test_every_door_gives_the_same_answer_for_every_pair_of_causes(scene: Scene) -> None:
    wrong = []
    for causes in pairwise():
        found = answers(scene, causes)
        if any(said != causes for said in found.values()):
            wrong.append((sorted(causes), {name: said ^ causes for name, said in found.items()}))
    assert wrong == []


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_every_door_gives_the_same_answer_in_all_4096_combinations(scene: Scene) -> None:
    wrong, seen = [], 0
    for chosen in product((False, True), repeat=len(CAUSES)):
        causes = frozenset(cause for cause, is_so in zip(CAUSES, chosen, strict=True) if is_so)
        found = answers(scene, causes)
        seen += 1
        if any(said != causes for said in found.values()):
            wrong.append((sorted(causes), {name: said ^ causes for name, said in found.items()}))
    assert (seen, wrong) == (4096, [])
