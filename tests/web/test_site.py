"""The public site: everybody may read it, in both languages, with the state of the machines and nobody's name."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from fablab.people.models import Member
from tests.lab import submitted
from tests.web.site import Site

PAGES = ("/house", "/house/workshops", "/house/machines", "/house/prices")


@pytest.mark.parametrize("language", ["fr", "en"])
def test_everybody_reads_every_page_and_nobody_is_named(site: Site, language: str) -> None:
    with site.lab.database.read() as uow:
        names = list(uow.session.scalars(select(Member.name)))
    for path in PAGES:
        answer = site.client.get(path, headers={"Accept-Language": language})
        assert (path, answer.status_code, answer.headers["Content-Language"]) == (path, 200, language)
        assert [name for name in names if name in answer.text] == []


def test_a_machine_that_somebody_uses_is_not_called_free(site: Site) -> None:
    english = {"Accept-Language": "en"}
    before = site.client.get("/house/machines", headers=english).text.count("can be used now")
    submitted(site.lab)
    after = site.client.get("/house/machines", headers=english).text
    assert (after.count("can be used now"), after.count("somebody is using it")) == (before - 1, 1)


def test_a_workshop_that_is_not_public_is_not_found(site: Site) -> None:
    answer = site.client.get("/house/workshops/no-such-thing", headers={"Accept": "text/html"})
    assert answer.status_code == 404
