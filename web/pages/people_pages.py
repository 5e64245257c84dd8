"""A member's page, drawn: one's own, and another's for a parent or the staff."""

from __future__ import annotations

import json

from litestar import Response

from fablab.base.errors import NotFound
from fablab.people.models import Audience, DocumentKind, Role
from fablab.reports import members as report
from web.pages import show_member
from web.pages.people_forms import Show, done_in, options
from web.pages.people_model import Trouble
from web.pages.shell import Desk

OWN = "/profile"


def show_own(desk: Desk, wrong: Trouble | None) -> Response[str]:
    return _draw(desk, desk.signed_in.member_id, OWN, "profile.html", wrong)


def show_of(member_id: int) -> Show:
    """The page of this member; one's own is the profile, wherever it is asked for."""

    def show(desk: Desk, wrong: Trouble | None) -> Response[str]:
        if member_id == desk.signed_in.member_id:
            return show_own(desk, wrong)
        return _draw(desk, member_id, f"/members/{member_id}", "member.html", wrong)

    return show


def _draw(desk: Desk, member_id: int, here: str, template: str, wrong: Trouble | None) -> Response[str]:
    with desk.look() as (uow, eyes, _):
        view = show_member.view(eyes, report.card(uow, member_id), here)
    return desk.page(
        template,
        status=422 if wrong else 200,
        card=view,
        trouble=wrong,
        document_kinds=options(desk.words, DocumentKind, "document_kind"),
        audiences=options(desk.words, Audience, "audience"),
        roles=options(desk.words, Role, "role"),
        flashes=done_in(desk.request, desk.words),
    )


def kept(desk: Desk, member_id: int) -> Response[bytes]:
    """All that is kept about them, as a file."""
    with desk.database.read(desk.actor) as uow:
        found = report.kept_about(uow, member_id)
    if not found["members"]:
        raise NotFound("member.unknown")
    body = json.dumps(found, ensure_ascii=False, indent=1).encode()
    name = f'attachment; filename="fablab-member-{member_id}.json"'
    return Response(body, media_type="application/json", headers={"Content-Disposition": name})
