"""The day of a session: the sheet, pupils' files, machines given back, what went wrong, who came, and its end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from urllib.parse import quote as quoted

from litestar import Response, get, post
from litestar.params import FromPath

from fablab.base.database import UnitOfWork
from fablab.base.errors import Conflict, Invalid, LabError, NotFound, Refused
from fablab.claims import workshops
from fablab.claims.workshops import delivering
from fablab.claims.workshops.attendance import AXES, Came
from fablab.reports import sessions
from fablab.runs import lodging
from scheduler.batch import MOST_FILES, Heap, Sent, turns
from web import documents
from web.batch import batch_of
from web.mail.words import LetterWords
from web.pages import show_session
from web.pages.people_forms import Form, done_in, maybe_number_in, number_in, trouble, with_done
from web.pages.people_model import Trouble
from web.pages.shell import AnyRequest, Desk, desk_of, form_of, go, in_thread
from web.security import Pace, Right
from web.words import Words

#: A heap of a class: as many files as there are pupils.
LIMIT_BYTES = 400_000_000
_SAID = (Invalid, Conflict, Refused)


@get("/sessions/{session_id:str}/day", access=Right.OPERATE, include_in_schema=False, sync_to_thread=True)
def show(request: AnyRequest, session_id: FromPath[str]) -> Response[str]:
    return _page(desk_of(request), session_id, None)


def _page(desk: Desk, session_id: str, wrong: Trouble | None, heap: tuple[str, ...] = ()) -> Response[str]:
    names = batch_of(desk.parts).names.of(_safe(session_id))
    with desk.look() as (uow, eyes, _):
        now = sessions.day(uow, session_id)
        view = show_session.view(
            eyes, now, names, turns(uow, now.session, [each.made for each in now.pieces])
        )
    return desk.page(
        "session_day.html",
        status=422 if wrong else 200,
        view=view,
        trouble=wrong,
        heap=heap,
        flashes=done_in(desk.request, desk.words),
    )


def _safe(session_id: str) -> str:
    if not (session_id.isascii() and session_id.isalnum() and len(session_id) <= 16):
        raise NotFound("request.unknown")
    return session_id


# -- papers ----------------------------------------------------------------------------------------------------


@get(
    "/sessions/{session_id:str}/papers/{name:str}",
    access=Right.OPERATE,
    include_in_schema=False,
    sync_to_thread=True,
)
def paper(request: AnyRequest, session_id: FromPath[str], name: FromPath[str]) -> Response[bytes]:
    """`day-sheet`, `labels` or `certificate`, as PDF, in the language of whoever asks."""
    desk = desk_of(request)
    words = LetterWords(desk.words.language, desk.words.formats.zone, clock=desk.parts.clock)
    names = batch_of(desk.parts).names.of(_safe(session_id))
    with desk.database.read(desk.actor) as uow:
        data = paper_data(uow, words, session_id, name, names)
    return pdf_answer(name, data, session_id, words.language)


def paper_data(
    uow: UnitOfWork, words: Words, session_id: str, name: str, names: Mapping[int, str]
) -> dict[str, object]:
    """Raises `NotFound` thread.no_paper for one there is not, or not yet."""
    now = sessions.day(uow, session_id)
    if name == "day-sheet":
        return show_session.sheet(uow, words, now)
    if name == "labels" and now.pieces:
        return show_session.labels(uow, words, now, names)
    if name == "certificate" and now.came is not None:
        return show_session.certificates(uow, words, now)
    raise NotFound("thread.no_paper")


def pdf_answer(name: str, data: Mapping[str, object], session_id: str, language: str) -> Response[bytes]:
    """Blocking."""
    return Response(
        documents.pdf(name, data, language=language),
        media_type="application/pdf",
        headers={
            "Content-Disposition": f"attachment; filename*=UTF-8''{quoted(f'{name}-{session_id}.pdf')}",
            "Content-Security-Policy": "sandbox; default-src 'none'",
            "Cache-Control": "no-store",
        },
    )


# -- what is done ------------------------------------------------------------------------------------------------


@post(
    "/sessions/{session_id:str}/files",
    access=Right.OPERATE,
    pace=Pace.UPLOAD,
    csrf="stream",
    include_in_schema=False,
    request_max_body_size=LIMIT_BYTES,
)
async def files(request: AnyRequest, session_id: FromPath[str]) -> Response[str]:
    """Many files at once, or one for all; what a file is refused for is said beside the others that are taken."""
    desk = desk_of(request)
    batch = batch_of(desk.parts)

    def keep(name: str, chunks: Iterable[bytes]) -> Sent:
        return batch.receive(desk.actor, name, chunks)

    def add(sent: list[Sent], form: Form) -> Response[str]:
        copies = maybe_number_in(form, "copies") or 0
        heap = batch.add(desk.actor, session_id, sent, form.get("names", "").splitlines(), copies)
        if heap.refused:
            return _page(desk, session_id, None, refused_said(desk.words, heap))
        return go(request, with_done(f"/sessions/{session_id}/day#pieces", "files_added"))

    form: Form = {}
    try:
        sent, form = await desk.parts.uploads.take_all(request, keep, most=MOST_FILES)
        return await in_thread(add, sent, form)
    except _SAID as error:
        wrong = trouble(desk.words, error, "files", form)
        return await in_thread(_page, desk, session_id, wrong)


def refused_said(words: Words, heap: Heap) -> tuple[str, ...]:
    """By file, in the order they were dropped."""
    found = []
    for place, why in sorted(heap.refused.items()):
        said = (
            words.error(why) if isinstance(why, LabError) else " ".join(words.refusal(each) for each in why)
        )
        found.append(words.gettext("File %(number)s: %(why)s") % {"number": place, "why": said})
    return tuple(found)


def _counted(form: Form) -> Came:
    def count(name: str) -> int:
        return number_in(form, name) if form.get(name, "").strip() else 0

    return Came(
        people=count("people"),
        adults=count("adults"),
        counts={
            axis: {word.value: count(f"{axis.value}.{word.value}") for word in words}
            for axis, words in AXES.items()
        },
    )


def _attend(desk: Desk, session_id: str, form: Form) -> str:
    came = _counted(form)
    desk.database.write(lambda uow: delivering.attend(uow, session_id, came), desk.actor)
    return "counted"


def _problem(desk: Desk, session_id: str, form: Form) -> str:
    text, resource_id = form.get("problem", ""), maybe_number_in(form, "resource")
    desk.database.write(lambda uow: delivering.report_problem(uow, session_id, text, resource_id), desk.actor)
    return "saved"


def _release(desk: Desk, session_id: str, form: Form) -> str:
    resource_id = number_in(form, "resource")
    desk.database.write(lambda uow: lodging.release_early(uow, session_id, resource_id), desk.actor)
    return "given_back"


def _deliver(desk: Desk, session_id: str, form: Form) -> str:
    batch_of(desk.parts).deliver(desk.actor, session_id)
    return "delivered"


def _close(desk: Desk, session_id: str, form: Form) -> str:
    desk.database.write(lambda uow: workshops.close(uow, session_id), desk.actor)
    return "saved"


_ACTS: Mapping[str, Callable[[Desk, str, Form], str]] = {
    "attendance": _attend,
    "problem": _problem,
    "release": _release,
    "deliver": _deliver,
    "close": _close,
}


@post("/sessions/{session_id:str}/{act:str}", access=Right.OPERATE, include_in_schema=False)
async def do(request: AnyRequest, session_id: FromPath[str], act: FromPath[str]) -> Response[str]:
    desk, form = desk_of(request), await form_of(request)

    def make() -> Response[str]:
        work = _ACTS.get(act)
        if work is None:
            raise NotFound
        try:
            done = work(desk, session_id, form)
        except _SAID as error:
            return _page(desk, session_id, trouble(desk.words, error, act, form))
        return go(request, with_done(f"/sessions/{session_id}/day#{act}", done))

    return await in_thread(make)


ROUTES = (show, paper, files, do)
