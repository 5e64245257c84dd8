"""A school asks: the form for everybody, "look into your mail", and what is wrong said beside each answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from litestar import Response, get, post

from fablab.base.database import Actor
from fablab.base.errors import Invalid, LabError, NotFound, TooMany
from fablab.claims.workshops import asking
from fablab.people.access import Right as Rights
from fablab.people.access import allows
from web.errors import words_of
from web.pages import schools_form, show_schools
from web.pages.shell import AnyRequest, Parts, form_of, go, in_thread, templates_of
from web.security import Access, Pace, visitor

#: Somebody from the street: no right of the house is theirs, and their address has to be confirmed.
NOBODY: Final = Actor(member_id=None, name="", role="visitor")


@get("/house/request", access=Access.PUBLIC, include_in_schema=False, sync_to_thread=True)
def show(request: AnyRequest) -> Response[str]:
    """`?workshop=slug`: the one that somebody has just read about."""
    chosen = request.query_params.get("workshop", "")[:80]
    return _page(request, {"workshop": chosen} if chosen else {})


@post("/house/request", access=Access.PUBLIC, pace=Pace.LOGIN, include_in_schema=False)
async def ask(request: AnyRequest) -> Response[str]:
    """To "look into your mail"; a member of the staff who writes one down for a school, to the request itself."""
    form = await form_of(request)

    def make() -> Response[str]:
        parts: Parts = request.app.state.parts
        who = visitor(request)
        actor = who.actor if who is not None else NOBODY
        said, wrong = schools_form.read(
            form, words_of(request).language, by_staff=allows(actor, Rights.OPERATE)
        )
        errors: dict[str, LabError] = dict(wrong)
        if not errors:
            try:
                made = parts.database.write(lambda uow: asking.ask(uow, said), actor)
                id_ = made.session.id
                return go(
                    request, f"/requests/{id_}" if allows(actor, Rights.OPERATE) else "/house/request/sent"
                )
            except Invalid as error:
                errors[error.field or ""] = error
            except NotFound as error:
                errors["workshop"] = error
            except TooMany as error:
                errors[""] = error
        return _page(request, schools_form.typed(form), errors)

    return await in_thread(make)


@get("/house/request/sent", access=Access.PUBLIC, include_in_schema=False, sync_to_thread=True)
def sent(request: AnyRequest) -> Response[str]:
    return templates_of(request).page(request, "school_said.html", what="sent")


def _page(
    request: AnyRequest, typed: Mapping[str, str], errors: Mapping[str, LabError] | None = None
) -> Response[str]:
    words, parts = words_of(request), request.app.state.parts
    with parts.database.read() as uow:
        form = show_schools.form(uow, words, typed, errors)
    answer = templates_of(request).page(
        request, "school_request.html", status=422 if errors else 200, form=form
    )
    answer.headers["Cache-Control"] = "no-store"
    return answer


ROUTES = (show, ask, sent)
