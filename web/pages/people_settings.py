"""The house's settings for members: who may sign up, and what subscriptions there are."""

from __future__ import annotations

from litestar import Response, get, post
from litestar.params import FromPath

from fablab.base.database import UnitOfWork
from fablab.money import subscriptions
from fablab.money.subscriptions import Cover, TariffWish
from fablab.people import signup
from fablab.people.access import Right
from fablab.people.models import Audience, SignUp
from web.pages.people_forms import Form, cents_in, change, done_in, number_in, one_of, options
from web.pages.people_model import SettingsView, TariffRow, Trouble
from web.pages.shell import AnyRequest, Desk, desk_of

HERE = "/members/settings"


@get(HERE, access=Right.MANAGE, include_in_schema=False, sync_to_thread=True)
def show(request: AnyRequest) -> Response[str]:
    return _page(desk_of(request), None)


def _page(desk: Desk, wrong: Trouble | None) -> Response[str]:
    words = desk.words
    with desk.database.read(desk.actor) as uow:
        rows = tuple(
            TariffRow(
                id=row.id,
                name=row.name,
                audience=words.word("audience", row.audience) if row.audience else "",
                cover=words.word("cover", row.cover),
                price=words.money(row.price_cents),
                months=row.months,
            )
            for row in subscriptions.tariffs(uow)
            if row.last_day is None
        )
        view = SettingsView(
            sign_up=signup.rule(uow).value,
            rules=options(words, SignUp, "sign_up"),
            tariffs=rows,
            audiences=options(words, Audience, "audience"),
            covers=options(words, Cover, "cover"),
        )
    return desk.page(
        "people_settings.html",
        status=422 if wrong else 200,
        view=view,
        trouble=wrong,
        flashes=done_in(desk.request, words),
    )


@post(HERE, access=Right.MANAGE, include_in_schema=False)
async def set_rule(request: AnyRequest) -> Response[str]:
    def work(uow: UnitOfWork, form: Form) -> None:
        signup.set_rule(uow, one_of(SignUp, form, "sign_up"))

    return await change(request, "rule", work, _page, HERE, "saved")


@post("/members/settings/tariffs", access=Right.MANAGE, include_in_schema=False)
async def add_tariff(request: AnyRequest) -> Response[str]:
    def work(uow: UnitOfWork, form: Form) -> object:
        wish = TariffWish(
            name=form.get("name", "")[:300],
            audience=one_of(Audience, form, "audience") if form.get("audience") else None,
            cover=one_of(Cover, form, "cover"),
            months=number_in(form, "months"),
            price_cents=cents_in(form, "price"),
        )
        return subscriptions.add_tariff(uow, wish)

    return await change(request, "tariff", work, _page, HERE, "saved")


@post("/members/settings/tariffs/{row_id:int}/end", access=Right.MANAGE, include_in_schema=False)
async def end_tariff(request: AnyRequest, row_id: FromPath[int]) -> Response[str]:
    def work(uow: UnitOfWork, _form: Form) -> object:
        return subscriptions.end_tariff(uow, row_id)

    return await change(request, "tariff", work, _page, HERE, "saved")


ROUTES = (show, set_rule, add_tariff, end_tariff)
