"""Supporting documents: sent from a page, fetched as a download, accepted or refused, deleted."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import quote

from litestar import Response, get, post
from litestar.params import FromPath

from fablab.base.database import UnitOfWork
from fablab.base.errors import Conflict, Invalid, LabError
from fablab.people import documents
from fablab.people.documents import Sent
from fablab.people.models import DocumentKind
from web.pages.people_forms import Form, change, day_in, maybe_number_in, one_of, trouble, with_done
from web.pages.people_pages import show_of
from web.pages.shell import AnyRequest, desk_of, form_of, go, in_thread
from web.security import Access, Pace


@post(
    "/documents",
    access=Access.IN_PERSON,
    pace=Pace.UPLOAD,
    csrf="stream",
    include_in_schema=False,
    request_max_body_size=documents.LIMIT_BYTES + 1_000_000,
)
async def send(request: AnyRequest) -> Response[str]:
    """The fields `kind` and `for_member` come with the file; without `for_member` it is one's own."""
    desk = desk_of(request)
    store = desk.parts.documents
    member_id = desk.signed_in.member_id
    fields: dict[str, str] = {}

    def keep(name: str, pieces: Iterable[bytes]) -> Sent:
        return documents.keep(store, name, pieces)

    def add(sent: Sent, form: Form) -> Response[str]:
        whose = maybe_number_in(form, "for_member") or member_id

        def work(uow: UnitOfWork) -> object:
            return documents.add(uow, sent, kind=one_of(DocumentKind, form, "kind"), member_id=whose)

        try:
            desk.database.write(work, desk.actor)
        except LabError:
            documents.discard(desk.database, store, sent)
            raise
        to = "/profile" if whose == member_id else f"/members/{whose}"
        return go(request, with_done(f"{to}#documents", "document"))

    try:
        sent, fields = await desk.parts.uploads.take(request, keep)
        return await in_thread(add, sent, fields)
    except (Invalid, Conflict) as error:
        said = fields.get("for_member", "")
        whose = int(said) if said.isascii() and said.isdigit() and len(said) < 10 else member_id
        return await in_thread(show_of(whose), desk, trouble(desk.words, error, "document", fields))


@get("/documents/{row_id:int}", access=Access.IN_PERSON, include_in_schema=False, sync_to_thread=True)
def fetch(request: AnyRequest, row_id: FromPath[int]) -> Response[bytes]:
    """As a download only: whatever a file contains, no page of this house shows it."""
    desk = desk_of(request)
    row = desk.database.write(lambda uow: documents.opened(uow, row_id), desk.actor)
    with desk.parts.documents.open(row.sha256) as file:
        body = file.read()
    return Response(
        body,
        media_type=row.media_type,
        headers={
            "Content-Disposition": f"attachment; filename*=UTF-8''{quote(row.file_name)}",
            "Content-Security-Policy": "sandbox; default-src 'none'",
            "Cache-Control": "no-store",
        },
    )


@post("/documents/{row_id:int}/{name:str}", access=Access.IN_PERSON, include_in_schema=False)
async def decide(request: AnyRequest, row_id: FromPath[int], name: FromPath[str]) -> Response[str]:
    """`accept` with `expires_on`, `refuse` with `reason`, or `delete`; back to whose it is or to `back`."""
    desk = desk_of(request)
    store = desk.parts.documents
    gone: list[str] = []

    def whose() -> int:
        with desk.database.read(desk.actor) as uow:
            return documents.about(uow, row_id)

    def work(uow: UnitOfWork, form: Form) -> object:
        gone.clear()
        if name == "accept":
            return documents.accept(uow, row_id, day_in(form, "expires_on"))
        if name == "refuse":
            return documents.refuse(uow, row_id, form.get("reason", ""))
        if name != "delete":
            raise Invalid("choice.unknown", field="name")
        sha256 = documents.delete(uow, row_id)
        gone.extend([sha256] if sha256 else [])
        return None

    member_id = await in_thread(whose)
    back = (await form_of(request)).get("back", "")
    own = member_id == desk.signed_in.member_id
    to = (
        "/members"
        if back == "/members"
        else "/profile#documents"
        if own
        else f"/members/{member_id}#documents"
    )
    answer = await change(request, f"document-{row_id}", work, show_of(member_id), to, f"document_{name}")
    if answer.status_code == 303:
        await in_thread(documents.throw_away, store, gone)
    return answer


ROUTES = (send, fetch, decide)
