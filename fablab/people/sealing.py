"""At a start: what an earlier version kept in clear is sealed, and a key that is gone is said before anybody needs it."""

from __future__ import annotations

from sqlalchemy import select

from fablab.base.database import Database, UnitOfWork
from fablab.base.sealing import SealError, is_sealed
from fablab.notices.hooks import of_hook
from fablab.notices.models import Hook
from fablab.people.access.models import Factor, of_factor


def seal_all(database: Database) -> int:
    """How many were in clear. Makes the key where nothing is sealed yet.

    Raises `SealError` where there is something to open and no key: with a new one it could never be opened again.
    """

    def work(uow: UnitOfWork) -> int:
        found: list[tuple[Factor | Hook, str]] = [
            *((row, of_factor(row.member_id)) for row in uow.session.scalars(select(Factor))),
            *((row, of_hook(row.id)) for row in uow.session.scalars(select(Hook))),
        ]
        if any(is_sealed(row.secret) for row, _ in found) and not uow.sealer.exists():
            raise SealError(
                f"{uow.sealer.path} is missing, and secrets are sealed with it: put it back from a backup"
            )
        clear = [(row, of) for row, of in found if not is_sealed(row.secret)]
        uow.sealer.make()
        for row, of in clear:
            row.secret = uow.sealer.seal(row.secret, of)
        return len(clear)

    return database.write(work)
