"""The staff's page of policies: who may use what and how long, what a machine takes, and what was let pass."""

from __future__ import annotations

from collections.abc import Mapping

from litestar import Response, get, post
from litestar.params import FromPath

from fablab.base.database import UnitOfWork
from fablab.base.errors import Invalid
from fablab.claims.rules import setting, waivers
from fablab.claims.rules.asking import Scope
from fablab.claims.rules.models import Overrun, Permission, Presence
from fablab.claims.rules.setting import Value
from fablab.people.access import Right
from fablab.people.certifications import terms
from fablab.people.models import Audience
from fablab.places.models import ResourceKind, Technology
from web.pages import show_policies
from web.pages.certifications import scope_in
from web.pages.people_forms import Form, change, done_in, maybe_number_in, number_in, one_of
from web.pages.people_model import Trouble
from web.pages.shell import AnyRequest, Desk, desk_of
from web.pages.show_policies import UNITS

HERE = "/policies"


@get(HERE, access=Right.OPERATE, include_in_schema=False, sync_to_thread=True)
def show(request: AnyRequest) -> Response[str]:
    return _page(desk_of(request), None)


def _page(desk: Desk, wrong: Trouble | None) -> Response[str]:
    with desk.look() as (uow, eyes, _):
        view = show_policies.view(uow, eyes, desk.request.query_params.get("row", ""))
    return desk.page(
        "policies.html",
        status=422 if wrong else 200,
        view=view,
        trouble=wrong,
        flashes=done_in(desk.request, desk.words),
    )


@post(HERE, access=Right.MANAGE, include_in_schema=False)
async def set_policy(request: AnyRequest) -> Response[str]:
    def work(uow: UnitOfWork, form: Form) -> object:
        audience = one_of(Audience, form, "audience") if form.get("audience") else None
        return setting.set_policy(uow, _scope(form), audience, _said(form))

    return await change(request, "policy", work, _page, HERE, "saved")


def _scope(form: Form) -> Scope:
    """`house`, `kind:room`, `technology:laser` or `resource:3`."""
    what, _, which = form.get("about", "").partition(":")
    if what == "kind":
        return Scope(kind=one_of(ResourceKind, {"about": which}, "about"))
    if what == "technology":
        return Scope(technology=one_of(Technology, {"about": which}, "about"))
    if what == "resource":
        return Scope(resource_id=number_in({"about": which}, "about"))
    if what != "house":
        raise Invalid("choice.unknown", field="about")
    return Scope()


def _said(form: Form) -> Mapping[str, Value]:
    said: dict[str, Value] = {column: _number(form, column) for column in setting.NUMBERS}
    for column in setting.SWITCHES:
        text = form.get(column, "")
        if text not in ("", "yes", "no"):
            raise Invalid("choice.unknown", field=column)
        said[column] = None if not text else text == "yes"
    said["presence"] = one_of(Presence, form, "presence") if form.get("presence") else None
    said["overrun"] = one_of(Overrun, form, "overrun") if form.get("overrun") else None
    return said


def _number(form: Form, name: str) -> int | None:
    """In the unit that the form shows, with a comma or a point; empty says nothing."""
    text = form.get(name, "").strip().replace(",", ".")
    if not text:
        return None
    least, most = (round(end / UNITS[name], 2) for end in setting.NUMBERS[name])
    whole, _, parts = text.partition(".")
    if not (whole.isascii() and whole.isdigit() and len(whole) < 9 and (not parts or parts.isdecimal())):
        raise Invalid("policy.number", field=name, least=least, most=most)
    value = round(float(text) * UNITS[name])
    if not setting.NUMBERS[name][0] <= value <= setting.NUMBERS[name][1]:
        raise Invalid("policy.number", field=name, least=least, most=most)
    return value


@post("/policies/{row:int}/drop", access=Right.MANAGE, include_in_schema=False)
async def drop_policy(request: AnyRequest, row: FromPath[int]) -> Response[str]:
    def work(uow: UnitOfWork, _form: Form) -> None:
        setting.drop_policy(uow, row)

    return await change(request, "drop", work, _page, HERE, "withdrawn")


@post("/policies/terms", access=Right.MANAGE, include_in_schema=False)
async def set_terms(request: AnyRequest) -> Response[str]:
    def work(uow: UnitOfWork, form: Form) -> object:
        technology, machine = scope_in(form)
        return terms.set_terms(
            uow,
            technology,
            resource_id=machine,
            valid_days=maybe_number_in(form, "valid_days"),
            disuse_days=maybe_number_in(form, "disuse_days"),
            supervised_uses=maybe_number_in(form, "supervised_uses") or 0,
            remind_days=maybe_number_in(form, "remind_days") or 30,
        )

    return await change(request, "terms", work, _page, f"{HERE}#terms", "saved")


@post("/policies/terms/{row:int}/drop", access=Right.MANAGE, include_in_schema=False)
async def drop_terms(request: AnyRequest, row: FromPath[int]) -> Response[str]:
    def work(uow: UnitOfWork, _form: Form) -> None:
        terms.drop_terms(uow, row)

    return await change(request, "terms", work, _page, f"{HERE}#terms", "withdrawn")


@post("/policies/materials/{machine:int}", access=Right.MANAGE, include_in_schema=False)
async def list_material(request: AnyRequest, machine: FromPath[int]) -> Response[str]:
    def work(uow: UnitOfWork, form: Form) -> None:
        permission = one_of(Permission, form, "permission") if form.get("permission") else None
        setting.list_material(uow, machine, number_in(form, "material"), permission)

    return await change(request, f"list{machine}", work, _page, f"{HERE}#lists", "saved")


@post("/policies/waivers/{row:int}/second", access=Right.OPERATE, include_in_schema=False)
async def second(request: AnyRequest, row: FromPath[int]) -> Response[str]:
    def work(uow: UnitOfWork, _form: Form) -> object:
        return waivers.second(uow, row)

    return await change(request, "waiver", work, _page, f"{HERE}#waivers", "saved")


@post("/policies/waivers/{row:int}/withdraw", access=Right.OPERATE, include_in_schema=False)
async def withdraw(request: AnyRequest, row: FromPath[int]) -> Response[str]:
    def work(uow: UnitOfWork, _form: Form) -> object:
        return waivers.withdraw(uow, row)

    return await change(request, "waiver", work, _page, f"{HERE}#waivers", "withdrawn")


ROUTES = (show, set_policy, drop_policy, set_terms, drop_terms, list_material, second, withdraw)
