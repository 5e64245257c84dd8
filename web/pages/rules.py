"""The rules one signs: to read, to sign, and for those who manage the house to write."""

from __future__ import annotations

from litestar import Response, get, post
from litestar.params import FromPath

from fablab.base.database import UnitOfWork
from fablab.people import families, standing
from fablab.people.access import Right, allows
from fablab.people.certifications import signing, texts
from fablab.people.certifications.models import RuleText
from web.pages import show_certifications as show
from web.pages.certifications import scope_in
from web.pages.certifications_model import RulesList, RulesRow, RulesView, SignatureRow
from web.pages.eyes import Eyes
from web.pages.people_forms import Form, change, day_in, done_in, maybe_number_in
from web.pages.people_model import Mark, Option, Trouble
from web.pages.shell import AnyRequest, Desk, desk_of
from web.security import Access

LIST = "/rules"
FIELDS = ("title_fr", "title_en", "text_fr", "text_en")


@get(LIST, access=Access.SIGNED_IN, include_in_schema=False, sync_to_thread=True)
def show_list(request: AnyRequest) -> Response[str]:
    return _list(desk_of(request), None)


def _list(desk: Desk, wrong: Trouble | None) -> Response[str]:
    with desk.look() as (uow, eyes, _):
        signed = texts.signed_by(uow, desk.signed_in.member_id)
        may_publish = allows(desk.actor, Right.MANAGE)
        view = RulesList(
            rows=tuple(_row(uow, eyes, row, signed) for row in signing.newest(uow)),
            may_publish=may_publish,
            scopes=show.scopes(uow, eyes) if may_publish else (),
        )
    return desk.page(
        "rules.html",
        status=422 if wrong else 200,
        view=view,
        trouble=wrong,
        flashes=done_in(desk.request, desk.words),
    )


def _row(uow: UnitOfWork, eyes: Eyes, row: RuleText, signed: frozenset[int]) -> RulesRow:
    words = eyes.words
    meta = [
        show.about_of(uow, eyes, row.technology, row.resource_id),
        eyes.gettext("version %(num)s", num=str(row.version)),
    ]
    if row.sign_by is not None:
        meta.append(eyes.gettext("to be signed by %(day)s", day=words.day(row.sign_by)))
    mark = (
        Mark(tone="good", word=eyes.gettext("signed"))
        if row.id in signed
        else Mark(tone="wait", word=eyes.gettext("not signed"))
    )
    return RulesRow(
        id=row.id, icon=row.technology.value, title=show.title_of(eyes, row), mark=mark, meta=tuple(meta)
    )


@post(LIST, access=Right.MANAGE, include_in_schema=False)
async def publish(request: AnyRequest) -> Response[str]:
    def work(uow: UnitOfWork, form: Form) -> RuleText:
        technology, machine = scope_in(form)
        said = {name: form.get(name, "") for name in FIELDS}
        return signing.publish(uow, technology, resource_id=machine, sign_by=day_in(form, "sign_by"), **said)

    return await change(request, "publish", work, _list, _to, "saved")


def _to(made: object) -> str:
    assert isinstance(made, RuleText)
    return f"{LIST}/{made.id}"


@get("/rules/{text:int}", access=Access.SIGNED_IN, include_in_schema=False, sync_to_thread=True)
def show_one(request: AnyRequest, text: FromPath[int]) -> Response[str]:
    return _one(desk_of(request), text, None)


def _one(desk: Desk, text_id: int, wrong: Trouble | None) -> Response[str]:
    with desk.look() as (uow, eyes, _):
        view = _view(uow, eyes, desk, signing.text(uow, text_id))
    return desk.page(
        "rules_one.html",
        status=422 if wrong else 200,
        view=view,
        trouble=wrong,
        flashes=done_in(desk.request, desk.words),
    )


def _view(uow: UnitOfWork, eyes: Eyes, desk: Desk, text: RuleText) -> RulesView:
    member_id = desk.signed_in.member_id
    member = standing.get(uow, member_id)
    known = signing.versions(uow, text.technology, text.resource_id)
    own = next((row for row, one in signing.signatures_of(uow, member_id) if one.id == text.id), None)
    manages = allows(desk.actor, Right.MANAGE)
    sees = allows(desk.actor, Right.SEE_ALL)
    counts = signing.counts(uow, [row.id for row in known]) if sees else {}
    is_newest = text.withdrawn_at is None and known[0].id == text.id
    signed = ""
    if own is not None:
        signed = eyes.gettext(
            "Signed by %(name)s: %(when)s", name=own.typed_name, when=eyes.words.when(own.signed_at)
        )
    said = text.text_fr if eyes.words.language == "fr" else text.text_en
    return RulesView(
        id=text.id,
        title=show.title_of(eyes, text),
        about=show.about_of(uow, eyes, text.technology, text.resource_id),
        version=str(text.version),
        paragraphs=tuple(part.strip() for part in said.split("\n\n") if part.strip()),
        old=not is_newest,
        signed=signed,
        may_sign=is_newest and own is None,
        name=member.name,
        children=tuple(
            Option(value=str(child.id), label=child.name)
            for child in families.children_of(uow, member_id)
            if text.id not in texts.signed_by(uow, child.id)
        )
        if is_newest
        else (),
        versions=tuple(_version(eyes, row, counts) for row in known) if sees else (),
        signatures=tuple(
            SignatureRow(
                title=who.name,
                href=f"/members/{who.id}/certifications",
                meta=(row.typed_name, eyes.words.when(row.signed_at)),
            )
            for row, who in signing.signatures(uow, text.id)
        )
        if sees
        else (),
        may_publish=manages and text.withdrawn_at is None,
        scope=text.technology.value + (f":{text.resource_id}" if text.resource_id is not None else ""),
        again={name: getattr(text, name) for name in FIELDS} if manages else {},
    )


def _version(eyes: Eyes, row: RuleText, counts: dict[int, int]) -> RulesRow:
    num = counts.get(row.id, 0)
    meta = [
        eyes.words.day(row.published_at),
        eyes.words.ngettext("%(num)s signature", "%(num)s signatures", num) % {"num": num},
    ]
    if row.sign_by is not None:
        meta.append(eyes.gettext("to be signed by %(day)s", day=eyes.words.day(row.sign_by)))
    return RulesRow(
        id=row.id,
        icon="file",
        title=eyes.gettext("version %(num)s", num=str(row.version)),
        mark=Mark(tone="quiet", word=eyes.gettext("withdrawn")) if row.withdrawn_at is not None else None,
        meta=tuple(meta),
    )


@post("/rules/{text:int}/sign", access=Access.SIGNED_IN, include_in_schema=False)
async def sign(request: AnyRequest, text: FromPath[int]) -> Response[str]:
    language = desk_of(request).words.language

    def work(uow: UnitOfWork, form: Form) -> object:
        member_id = maybe_number_in(form, "member")
        return signing.sign(uow, text, form.get("name", "")[:300], member_id=member_id, language=language)

    return await change(
        request, "sign", work, lambda desk, wrong: _one(desk, text, wrong), f"{LIST}/{text}", "saved"
    )


@post("/rules/{text:int}/withdraw", access=Right.MANAGE, include_in_schema=False)
async def withdraw(request: AnyRequest, text: FromPath[int]) -> Response[str]:
    def work(uow: UnitOfWork, _form: Form) -> object:
        return signing.withdraw(uow, text)

    return await change(
        request, "withdraw", work, lambda desk, wrong: _one(desk, text, wrong), LIST, "withdrawn"
    )


ROUTES = (show_list, publish, show_one, sign, withdraw)
