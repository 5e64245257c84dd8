"""The staff's pages of the catalogue: the list of all entries, and one form to write one down or to change it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from litestar import Response, get, post
from litestar.params import FromPath

from fablab.base.database import UnitOfWork
from fablab.base.errors import Conflict, Forbidden, Invalid, LabError
from fablab.claims.workshops import catalogue
from fablab.reports import offers
from web.pages import show_catalogue
from web.pages.catalogue_form import NEW, TYPED_LIMIT, said_in, values, wrong_row
from web.pages.people_forms import Form, change, done_in, number_in, trouble, with_done
from web.pages.people_model import Trouble
from web.pages.shell import AnyRequest, Desk, desk_of, form_of, go, in_thread
from web.security import Right

LIST = "/workshops"
FORM = "workshop"


@get(LIST, access=Right.SUBMIT, include_in_schema=False, sync_to_thread=True)
def show_list(request: AnyRequest) -> Response[str]:
    """For the staff, and for partners what is theirs."""
    desk = desk_of(request)
    with desk.look() as (uow, eyes, _):
        view = show_catalogue.listed(uow, eyes)
    return desk.page("workshops.html", view=view, flashes=done_in(request, desk.words))


@get(f"{LIST}/new", access=Right.PARTNER, include_in_schema=False, sync_to_thread=True)
def show_new(request: AnyRequest) -> Response[str]:
    return _page(desk_of(request), None)


@get(f"{LIST}/{{workshop_id:int}}", access=Right.SUBMIT, include_in_schema=False, sync_to_thread=True)
def show(request: AnyRequest, workshop_id: FromPath[int]) -> Response[str]:
    return _page(desk_of(request), workshop_id)


@post(LIST, access=Right.PARTNER, include_in_schema=False)
async def add(request: AnyRequest) -> Response[str]:
    return await _save(request, None)


@post(f"{LIST}/{{workshop_id:int}}", access=Right.PARTNER, include_in_schema=False)
async def edit(request: AnyRequest, workshop_id: FromPath[int]) -> Response[str]:
    return await _save(request, workshop_id)


@post(f"{LIST}/{{workshop_id:int}}/retire", access=Right.PARTNER, include_in_schema=False)
async def retire(request: AnyRequest, workshop_id: FromPath[int]) -> Response[str]:
    def work(uow: UnitOfWork, form: Form) -> object:
        return catalogue.retire(uow, workshop_id, number_in(form, "version"))

    return await _turn(request, workshop_id, work)


@post(f"{LIST}/{{workshop_id:int}}/back", access=Right.PARTNER, include_in_schema=False)
async def bring_back(request: AnyRequest, workshop_id: FromPath[int]) -> Response[str]:
    def work(uow: UnitOfWork, form: Form) -> object:
        return catalogue.bring_back(uow, workshop_id, number_in(form, "version"))

    return await _turn(request, workshop_id, work)


async def _turn(
    request: AnyRequest, workshop_id: int, work: Callable[[UnitOfWork, Form], object]
) -> Response[str]:
    def again(desk: Desk, wrong: Trouble | None) -> Response[str]:
        return _page(desk, workshop_id, wrong=wrong)

    return await change(request, "state", work, again, f"{LIST}/{workshop_id}", "saved")


async def _save(request: AnyRequest, workshop_id: int | None) -> Response[str]:
    """What is wrong, and more rows when they are asked for, come back with all that was typed."""
    desk, form = desk_of(request), await form_of(request)

    def make() -> Response[str]:
        if form.get("more"):
            return _page(desk, workshop_id, form)
        try:
            made = desk.database.write(lambda uow: _written(uow, workshop_id, form), desk.actor)
        except (Invalid, Conflict) as error:
            return _page(desk, workshop_id, form, error=error)
        return go(request, with_done(f"{LIST}/{made}", "saved"))

    return await in_thread(make)


def _written(uow: UnitOfWork, workshop_id: int | None, form: Form) -> int:
    said = said_in(form, offers.things(uow))
    try:
        if workshop_id is None:
            return catalogue.create(uow, said).id
        return catalogue.change(uow, workshop_id, number_in(form, "version"), said).id
    except Conflict as error:
        if error.code == "workshop.taken":  # the one conflict that is a field's
            raise Invalid("workshop.taken", field="slug") from error
        raise


def _page(
    desk: Desk,
    workshop_id: int | None,
    form: Form | None = None,
    *,
    error: LabError | None = None,
    wrong: Trouble | None = None,
) -> Response[str]:
    """`form`: what was typed; `error`: what is wrong with it; `wrong`: what another form of the page could not do."""
    more = form.get("more", "") if form is not None else ""
    if form is not None:
        typed = {name: value[:TYPED_LIMIT] for name, value in form.items() if name not in ("csrf", "more")}
        wrong = Trouble(form=FORM, field="more", text="", typed=typed)
        if error is not None:
            wrong = replace(trouble(desk.words, error, FORM, {}), typed=typed)
    with desk.look() as (uow, eyes, _):
        things = offers.things(uow)
        row = offers.one(uow, workshop_id) if workshop_id is not None else None
        if row is None and not show_catalogue.may_add(uow, eyes):
            raise Forbidden(right=Right.PARTNER.value)
        point = "," if desk.words.language == "fr" else "."
        kept = values(row, things, point=point) if row is not None else NEW
        shown = wrong.typed if wrong is not None and wrong.form == FORM else kept
        view = show_catalogue.form(uow, eyes, row, kept, shown=shown, more=more)
        at = wrong_row(shown, wrong.field, things) if wrong is not None and error is not None else None
    return desk.page(
        "workshop.html",
        status=422 if wrong is not None and wrong.text else 200,
        view=view,
        trouble=wrong,
        wrong_row=at,
        conflict=isinstance(error, Conflict),
        flashes=done_in(desk.request, desk.words),
    )


ROUTES = (show_list, show_new, show, add, edit, retire, bring_back)
