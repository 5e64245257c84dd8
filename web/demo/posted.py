"""The demo lab's post: letters of the past four weeks have left, a confirmation waits to be read, a webhook is paused."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import update

from fablab.base.database import UnitOfWork
from fablab.notices import hooks
from fablab.notices.models import Channel, Choice, Letter, LetterState, QuietHours, Subject
from fablab.people.models import Member

NIGHT_MIN = (22 * 60, 7 * 60)


def post(uow: UnitOfWork, maker: Member) -> None:
    """Without a mail server the outbox would be full of news a month old; what is told from now on waits in it."""
    uow.session.flush()
    uow.session.execute(
        update(Letter)
        .where(Letter.made_at < uow.now - timedelta(hours=2), Letter.state == LetterState.WAITING)
        .values(state=LetterState.SENT, sent_at=Letter.made_at, tries=1)
    )
    uow.session.add(QuietHours(member_id=maker.id, from_min=NIGHT_MIN[0], until_min=NIGHT_MIN[1]))
    uow.session.add(Choice(member_id=maker.id, subject=Subject.PLAN, channel=Channel.DAILY))
    # It leads to a name that is nobody's (RFC 2606), so it is paused from the beginning.
    row, _ = hooks.add(
        uow, "Tableau de bord (démo)", "https://hooks.example.org/fablab", ["run.*", "calendar.freed"]
    )
    hooks.move(uow, row.id, "pause")
