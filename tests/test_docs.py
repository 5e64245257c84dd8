"""The documents tell the truth about the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fablab.base.states import table_markdown
from fablab.claims.hires import HIRE_STEPS
from fablab.claims.jobs.models import JOB_STEPS
from fablab.claims.models import CLAIM_STEPS
from fablab.claims.reservations import RESERVATION_STEPS
from fablab.claims.reservations.models import HANDOVER_STEPS
from fablab.claims.trainings.models import SEAT_STEPS, TRAINING_STEPS
from fablab.claims.waiting import WAITING_STEPS
from fablab.claims.workshops.words import OFFER_STEPS, REGISTRATION_STEPS, SESSION_STEPS
from fablab.money.subscriptions import SUBSCRIPTION_STEPS
from fablab.notices.models import DELIVERY_STEPS, HOOK_STEPS, LETTER_STEPS
from fablab.people.models import DOCUMENT_STEPS, INVITATION_STEPS, MEMBER_STEPS
from fablab.places.models import GATE_STEPS
from fablab.runs.models import RUN_STEPS

ROOT = Path(__file__).resolve().parents[1]
ARCHITECTURE = (ROOT / "ARCHITECTURE.md").read_text()
PACKAGES = ("fablab", "drivers", "scheduler", "web")


@pytest.mark.parametrize(
    "steps",
    [
        CLAIM_STEPS,
        JOB_STEPS,
        RESERVATION_STEPS,
        HIRE_STEPS,
        HANDOVER_STEPS,
        RUN_STEPS,
        SEAT_STEPS,
        TRAINING_STEPS,
        WAITING_STEPS,
        SESSION_STEPS,
        OFFER_STEPS,
        REGISTRATION_STEPS,
        GATE_STEPS,
        LETTER_STEPS,
        HOOK_STEPS,
        DELIVERY_STEPS,
        MEMBER_STEPS,
        INVITATION_STEPS,
        DOCUMENT_STEPS,
        SUBSCRIPTION_STEPS,
    ],
)
def test_the_architecture_shows_every_state_table_as_the_code_has_it(steps: dict) -> None:  # type: ignore[type-arg]
    assert table_markdown(steps) in ARCHITECTURE


def test_every_room_is_named_in_the_architecture() -> None:
    rooms = {
        path.parent.relative_to(ROOT) for name in PACKAGES for path in (ROOT / name).glob("*/__init__.py")
    }
    missing = [str(room) for room in rooms if room.name not in ARCHITECTURE]
    assert not missing


def test_every_file_the_documents_link_to_exists() -> None:
    broken = []
    for document in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", document.read_text()):
            if "://" not in target and not (document.parent / target).exists():
                broken.append(f"{document.relative_to(ROOT)}: {target}")
    assert not broken


def test_every_make_target_the_readme_names_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"`make ([a-z]+)", (ROOT / "README.md").read_text()))
    assert named <= targets
