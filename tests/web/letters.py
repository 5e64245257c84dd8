"""What a lab has written to people, as a test reads it: before anybody has sent it."""

from __future__ import annotations

from sqlalchemy import select

from fablab.notices.models import Letter
from tests.lab import Lab


def letters_to(lab: Lab, address: str) -> list[Letter]:
    """Oldest first."""
    with lab.database.read() as uow:
        return list(uow.session.scalars(select(Letter).where(Letter.address == address).order_by(Letter.id)))


def link_to(lab: Lab, address: str) -> str:
    """Where the newest letter to that address leads."""
    return str(letters_to(lab, address)[-1].facts["secret_path"])


def codes_to(lab: Lab, address: str) -> list[str]:
    return [letter.code for letter in letters_to(lab, address)]
