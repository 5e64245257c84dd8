"""One site for many tests of signing in: it is made once, and after each test nobody has ever been there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from litestar.testing import TestClient
from sqlalchemy import delete, update

from fablab.notices import Letter, Notice
from fablab.people.access import models
from fablab.people.log import Doing
from fablab.people.models import ApiToken, Login, LoginTry, Member, PeopleRules
from tests.lab import TUESDAY, make_lab
from tests.web.site import HOST, Site, make_app
from web.security.limits import Limiter, Pace, Rate

TABLES = (
    Login,
    LoginTry,
    ApiToken,
    PeopleRules,
    Letter,
    Notice,
    Doing,
    models.Factor,
    models.RecoveryCode,
    models.LoginStep,
    models.KnownBrowser,
    models.FactorDue,
    models.SigningRules,
    models.Identity,
    models.Trip,
    models.Arrival,
)
NEW = "new@elsewhere.example"


@contextmanager
def founded(folder: Path, **settings: Any) -> Iterator[Site]:
    lab = make_lab(f"sqlite:///{folder / 'lab.db'}", folder)
    wide = Limiter({pace: Rate(burst=100_000, per_minute=100_000) for pace in Pace})
    app = make_app(lab, folder, limiter=wide, base_url=HOST, **settings)
    with TestClient(app, base_url=HOST, raise_server_exceptions=False) as client:
        yield Site(lab, app, client)
    lab.database.dispose()


def forget(site: Site) -> None:
    """Back to the day the lab was founded, at a browser that has never been here."""
    site.client.cookies.clear()
    site.client.headers.pop("X-CSRF-Token", None)
    site.client.cookies.set("fablab_language", "en")
    site.lab.clock.set(TUESDAY)
    with site.lab.database.begin() as uow:
        hashed = uow.session.query(Member.password_hash).filter_by(email="admin@lab.example").scalar()
        for table in TABLES:
            uow.session.execute(delete(table))
        uow.session.execute(delete(Member).where(Member.email == NEW))
        uow.session.execute(update(Member).values(password_hash=hashed))
