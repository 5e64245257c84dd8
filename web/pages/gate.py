"""Whether somebody may start a machine now: every reason why not, and what would help, on one page."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from litestar import Response, get
from litestar.params import FromPath, FromQuery

from fablab.base.errors import Refusal
from fablab.claims.rules import gate
from fablab.claims.rules.judging import whom
from fablab.people import standing
from fablab.places import house
from web.pages.shell import AnyRequest, desk_of
from web.security import Access
from web.words import Words


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusalView:
    """`session`: a training that leads out of it and can be joined right here; `rule_text`: rules to be signed."""

    code: str
    text: str
    remedy: str
    session: str
    rule_text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GateView:
    machine: str
    whose: str
    member: str
    refusals: tuple[RefusalView, ...]


def refusal_views(words: Words, refusals: Iterable[Refusal]) -> tuple[RefusalView, ...]:
    """For `partials/gate_refusals.html`, on any page that has to say why not."""
    return tuple(
        RefusalView(
            code=each.code,
            text=words.refusal(each),
            remedy=words.remedy(each.code, each.facts),
            session=str(each.facts.get("session") or ""),
            rule_text=str(each.facts.get("rule_text") or ""),
        )
        for each in refusals
    )


@get("/machines/{machine:int}/gate", access=Access.SIGNED_IN, include_in_schema=False, sync_to_thread=True)
def show(
    request: AnyRequest,
    machine: FromPath[int],
    member: FromQuery[int | None] = None,
    claim: FromQuery[str | None] = None,
) -> Response[str]:
    """Of oneself, of a child, or, by the staff, of anybody; for a use in person, or for a `claim`."""
    desk = desk_of(request)
    with desk.look() as (uow, _eyes, _):
        who = whom(uow, member)
        found = gate(uow, machine, who, claim_id=claim)
        is_own = who == desk.signed_in.member_id
        view = GateView(
            machine=house.machine(uow, machine).resource.name,
            whose="" if is_own else standing.get(uow, who).name,
            member="" if is_own else str(who),
            refusals=refusal_views(desk.words, found),
        )
    return desk.page("gate.html", view=view)


ROUTES = (show,)
