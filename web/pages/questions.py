"""How it was: four questions after a session, for whoever has the link; nobody signs in, and nobody is known."""

from __future__ import annotations

from litestar import Response, get, post
from litestar.params import FromPath

from fablab.base.errors import Conflict, Invalid
from fablab.claims.workshops import survey
from fablab.claims.workshops.offer import in_language
from web.errors import words_of
from web.pages.people_forms import options, trouble
from web.pages.people_model import Trouble
from web.pages.shell import AnyRequest, Parts, form_of, go, in_thread, templates_of
from web.security import Access

HERE = survey.PATH + "{token:str}"


@get(HERE, access=Access.PUBLIC, include_in_schema=False, sync_to_thread=True)
def show(request: AnyRequest, token: FromPath[str]) -> Response[str]:
    return _page(request, token, None)


def _page(request: AnyRequest, token: str, wrong: Trouble | None) -> Response[str]:
    parts: Parts = request.app.state.parts
    words = words_of(request)
    with parts.database.read() as uow:
        title = in_language(survey.session_of(uow, token).workshop.title, words.language)
    return templates_of(request).page(
        request,
        "questions.html",
        status=422 if wrong else 200,
        title=title,
        here=survey.path(token),
        questions=options(words, survey.Question, "survey_question"),
        trouble=wrong,
        thanks=request.query_params.get("sent") == "1",
    )


@post(HERE, access=Access.PUBLIC, include_in_schema=False)
async def answer(request: AnyRequest, token: FromPath[str]) -> Response[str]:
    parts: Parts = request.app.state.parts
    form = await form_of(request)
    said = {name: form.get(name, "") for name in survey.Question}
    marks = {
        name.value: int(text)
        for name, text in said.items()
        if text.isascii() and text.isdigit() and len(text) < 3
    }

    def make() -> Response[str]:
        try:
            parts.database.write(lambda uow: survey.answer(uow, token, marks, form.get("remark", "")))
        except (Invalid, Conflict) as error:
            return _page(request, token, trouble(words_of(request), error, "questions", form))
        return go(request, f"{survey.path(token)}?sent=1")

    return await in_thread(make)


ROUTES = (show, answer)
