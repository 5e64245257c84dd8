"""A member's certifications: how they stand with each machine, what is missing, and the staff's hand in it."""

from __future__ import annotations

from litestar import Response, get, post
from litestar.params import FromPath

from fablab.base.database import UnitOfWork
from fablab.base.errors import Invalid
from fablab.claims.trainings import following
from fablab.claims.trainings import use as trainings
from fablab.claims.trainings.models import SeatState
from fablab.people import standing
from fablab.people.access import Right, allows
from fablab.people.certifications import granting, signing
from fablab.people.models import CertificationLevel
from fablab.places.models import Technology
from web.pages import show_certifications as show
from web.pages.certifications_model import PassportView
from web.pages.eyes import Eyes
from web.pages.people_forms import Form, Show, change, done_in, maybe_number_in, number_in, one_of
from web.pages.people_model import Option, Trouble
from web.pages.shell import AnyRequest, Desk, desk_of
from web.security import Access

OWN = "/certifications"


@get(OWN, access=Access.SIGNED_IN, include_in_schema=False, sync_to_thread=True)
def show_own(request: AnyRequest) -> Response[str]:
    desk = desk_of(request)
    return _draw(desk, desk.signed_in.member_id, None)


@get(
    "/members/{member:int}/certifications",
    access=Access.SIGNED_IN,
    include_in_schema=False,
    sync_to_thread=True,
)
def show_of(request: AnyRequest, member: FromPath[int]) -> Response[str]:
    """A child's for a parent, anybody's for the staff."""
    return _draw(desk_of(request), member, None)


def _draw(desk: Desk, member_id: int, wrong: Trouble | None) -> Response[str]:
    with desk.look() as (uow, eyes, _):
        view = _view(uow, eyes, desk, member_id)
    return desk.page(
        "certifications.html",
        status=422 if wrong else 200,
        view=view,
        trouble=wrong,
        flashes=done_in(desk.request, desk.words),
    )


def _view(uow: UnitOfWork, eyes: Eyes, desk: Desk, member_id: int) -> PassportView:
    member = standing.seen_by(uow, member_id)
    is_own = member_id == desk.signed_in.member_id
    leaves = show.leaves(uow, eyes, member_id)
    mine = trainings.seats_of(uow, member_id)
    waits = (SeatState.JOINED, SeatState.WAITING)
    staff = allows(desk.actor, Right.OPERATE) and not is_own
    return PassportView(
        member_id=member_id,
        whose="" if is_own else member.name,
        here=OWN if is_own else f"/members/{member_id}/certifications",
        leaves=leaves,
        stamps=show.stamps(uow, eyes, member_id),
        trainings=tuple(
            show.training_row(eyes, session, mine)
            for session in following.planned(uow)
            if mine.get(session.id) in waits
        ),
        signatures=show.signatures(uow, eyes, member_id),
        may_grant=staff,
        paper=tuple(Option(value=str(t.id), label=t.title) for leave in leaves for t in leave.unsigned)
        if staff
        else (),
        scopes=show.scopes(uow, eyes) if staff else (),
        levels=show.levels(eyes),
    )


def scope_in(form: Form, name: str = "scope") -> tuple[Technology, int | None]:
    """`laser`, or `laser:3` for one machine of it."""
    technology, _, machine = form.get(name, "").strip().partition(":")
    if machine and not (machine.isascii() and machine.isdigit() and len(machine) < 10):
        raise Invalid("choice.unknown", field=name)
    return one_of(Technology, {name: technology}, name), int(machine) if machine else None


def back_in(form: Form, otherwise: str) -> str:
    """Where the form stood: one of the pages that have it."""
    said = form.get("back", "")
    member, _, rest = said.removeprefix("/members/").partition("/")
    is_members = said.startswith("/members/") and member.isdigit() and rest == "certifications"
    return said if is_members or said in (OWN, "/trainings") else otherwise


@post("/members/{member:int}/certifications", access=Right.SUBMIT, include_in_schema=False)
async def grant(request: AnyRequest, member: FromPath[int]) -> Response[str]:
    def work(uow: UnitOfWork, form: Form) -> object:
        technology, machine = scope_in(form)
        level = one_of(CertificationLevel, form, "level")
        return granting.grant(uow, member, technology, level, resource_id=machine)

    return await change(request, "grant", work, _on(member), f"/members/{member}/certifications", "saved")


@post("/members/{member:int}/certifications/{row:int}/renew", access=Right.SUBMIT, include_in_schema=False)
async def renew(request: AnyRequest, member: FromPath[int], row: FromPath[int]) -> Response[str]:
    def work(uow: UnitOfWork, _form: Form) -> object:
        return granting.renew(uow, row)

    return await change(request, "renew", work, _on(member), f"/members/{member}/certifications", "saved")


@post("/members/{member:int}/certifications/{row:int}/revoke", access=Right.SUBMIT, include_in_schema=False)
async def revoke(request: AnyRequest, member: FromPath[int], row: FromPath[int]) -> Response[str]:
    def work(uow: UnitOfWork, form: Form) -> object:
        return granting.revoke(uow, row, form.get("why", ""))

    name = f"revoke{row}"
    return await change(request, name, work, _on(member), f"/members/{member}/certifications", "saved")


@post("/members/{member:int}/supervised", access=Right.SUBMIT, include_in_schema=False)
async def supervise(request: AnyRequest, member: FromPath[int]) -> Response[str]:
    return await change(
        request,
        "supervise",
        lambda uow, form: _supervise(uow, member, form),
        _on(member),
        f"/members/{member}/certifications",
        "saved",
    )


def _supervise(uow: UnitOfWork, member_id: int, form: Form) -> object:
    technology, machine = scope_in(form)
    hours = maybe_number_in(form, "hours") or 0
    return granting.supervise(
        uow,
        member_id,
        technology,
        resource_id=machine,
        duration_s=hours * 3600,
        note=form.get("note", "")[:300],
    )


@post("/members/{member:int}/paper", access=Right.OPERATE, include_in_schema=False)
async def paper(request: AnyRequest, member: FromPath[int]) -> Response[str]:
    """What was signed on paper, before the eyes of whoever writes it down."""

    def work(uow: UnitOfWork, form: Form) -> object:
        name = standing.get(uow, member).name
        return signing.sign(uow, number_in(form, "rules"), name, member_id=member)

    return await change(request, "paper", work, _on(member), f"/members/{member}/certifications", "saved")


def _on(member_id: int) -> Show:
    return lambda desk, wrong: _draw(desk, member_id, wrong)


ROUTES = (show_own, show_of, grant, renew, revoke, supervise, paper)
