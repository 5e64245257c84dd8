"""What is no longer needed goes by itself: links, sign-ups nobody confirmed, old lines of the log, papers."""

from __future__ import annotations

from fablab.base.database import Database, UnitOfWork
from fablab.base.errors import NotFound
from fablab.people import documents, log, signup
from fablab.places import house
from fablab.programs.store import Store


def tidy(database: Database, store: Store) -> int:
    """Once an hour; how many files of documents went. A lab that is not set up yet has nothing to tidy."""

    def rows(uow: UnitOfWork) -> bool:
        try:
            house.house(uow)
        except NotFound:
            return False
        signup.forget_unconfirmed(uow)
        log.forget_old(uow)
        return True

    return documents.sweep(database, store) if database.write(rows) else 0
