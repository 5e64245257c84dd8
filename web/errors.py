"""Where errors meet HTTP: one table, one shape (problem+json), and plain words in the caller's language.

For pages the same problem is handed to a renderer, if one is registered (`app.state.error_page`); a fragment or an
API call always gets what it asked for. Nothing of a stack trace ever leaves the house: a crash is answered with the
id under which the log has it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Any

import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException
from litestar.types import ExceptionHandlersMap

from fablab.base.errors import (
    Conflict,
    Fact,
    Forbidden,
    Invalid,
    LabError,
    NotFound,
    Refusal,
    Refused,
    TooMany,
    Unauthenticated,
)
from fablab.device import DeviceError, DeviceRefused, LinkLost, Misfit, Unsupported
from web.security import made_by_browser
from web.security.identity import caller_of
from web.security.paths import loggable
from web.words import Catalogue, Words, choose_language
from web.words.codes import SENTENCES

log = structlog.get_logger("web")
PROBLEM_JSON = "application/problem+json"

#: The class of an error -> its status and the heading it is given. The first that fits counts.
STATUS: tuple[tuple[type[LabError], HTTPStatus, str], ...] = (
    (NotFound, HTTPStatus.NOT_FOUND, "not_found"),
    (Forbidden, HTTPStatus.FORBIDDEN, "forbidden"),
    (Unauthenticated, HTTPStatus.UNAUTHORIZED, "unauthenticated"),
    (TooMany, HTTPStatus.TOO_MANY_REQUESTS, "too_many"),
    (Invalid, HTTPStatus.BAD_REQUEST, "invalid"),
    (Refused, HTTPStatus.UNPROCESSABLE_ENTITY, "refused"),
    (Conflict, HTTPStatus.CONFLICT, "conflict"),
    (LabError, HTTPStatus.BAD_REQUEST, "invalid"),
)
#: Codes whose status says more than that of their class.
STATUS_OF_CODE: Mapping[str, HTTPStatus] = {
    "program.too_large": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "upload.not_multipart": HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    "busy": HTTPStatus.SERVICE_UNAVAILABLE,
    "house.missing": HTTPStatus.SERVICE_UNAVAILABLE,
    "camera.down": HTTPStatus.SERVICE_UNAVAILABLE,
    "provider.down": HTTPStatus.SERVICE_UNAVAILABLE,
}
#: Codes whose heading says more than that of their class.
KIND_OF_CODE: Mapping[str, str] = {
    "house.missing": "not_set_up",
    "camera.down": "camera",
    "camera.full": "camera",
    "devices.read_only": "refused",
    "devices.not_written": "refused",
    "devices.secret_there": "refused",
}
#: What the wire says -> status and code.
DEVICE: tuple[tuple[type[DeviceError], HTTPStatus, str], ...] = (
    (LinkLost, HTTPStatus.SERVICE_UNAVAILABLE, "machine.no_answer"),
    (Misfit, HTTPStatus.SERVICE_UNAVAILABLE, "machine.wrong_one"),
    (Unsupported, HTTPStatus.CONFLICT, "machine.cannot"),
    (DeviceRefused, HTTPStatus.CONFLICT, "machine.says_no"),
    (DeviceError, HTTPStatus.SERVICE_UNAVAILABLE, "machine.no_answer"),
)
#: What Litestar itself refuses -> code and heading.
HTTP: Mapping[int, tuple[str, str]] = {
    400: ("http.bad_request", "invalid"),
    401: ("unauthenticated", "unauthenticated"),
    403: ("forbidden", "forbidden"),
    404: ("not_found", "not_found"),
    405: ("http.method_not_allowed", "invalid"),
    406: ("http.not_acceptable", "invalid"),
    413: ("http.too_large", "invalid"),
    415: ("http.unsupported_media_type", "invalid"),
    429: ("too_many", "too_many"),
}


class SaidRefusal(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A refusal as it is answered; `remedy` says what would help."""

    code: str
    waivable: bool
    detail: str
    remedy: str = ""
    facts: Mapping[str, Fact] = {}


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """RFC 9457. `code` is stable; `id` finds the request in the log; `retry_after` is in seconds."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    field: str | None = None
    fields: Mapping[str, str] = {}
    refusals: tuple[SaidRefusal, ...] = ()
    retry_after: int | None = None
    facts: Mapping[str, Fact] = {}
    id: str = ""


#: Draws a problem as a page or a fragment; registered by the pages as `render_error(request, problem)`.
ErrorPage = Callable[[Request[Any, Any, Any], Problem], Response[Any]]
AnyRequest = Request[Any, Any, Any]


def handlers() -> ExceptionHandlersMap:
    return {LabError: _lab, DeviceError: _device, HTTPException: _http, Exception: _crash}


def words_of(request: AnyRequest) -> Words:
    """The words of this request's language."""
    caller = caller_of(request.scope)
    catalogue: Catalogue = request.app.state.catalogue
    member = caller.signed_in.language if caller.signed_in else None
    return catalogue.of(
        choose_language(caller.language_cookie, member, request.headers.get("accept-language"))
    )


def problem_of(error: LabError, words: Words, request_id: str = "") -> Problem:
    """An error of the house in the words of one language."""
    _, status, kind = next(row for row in STATUS if isinstance(error, row[0]))
    refusals: tuple[SaidRefusal, ...] = ()
    if isinstance(error, Refused):
        refusals = said_refusals(words, error.refusals)
    detail = " ".join(dict.fromkeys(r.detail for r in refusals)) if refusals else words.error(error)
    return Problem(
        type=f"/problems/{error.code}",
        title=words.title(KIND_OF_CODE.get(error.code, kind)),
        status=int(STATUS_OF_CODE.get(error.code, status)),
        detail=detail,
        code=error.code,
        field=error.field if isinstance(error, Invalid) else None,
        refusals=refusals,
        retry_after=_retry_after(error),
        facts={name: value for name, value in error.facts.items() if name != "heals"},
        id=request_id,
    )


def said_refusals(words: Words, refusals: Iterable[Refusal]) -> tuple[SaidRefusal, ...]:
    return tuple(
        SaidRefusal(
            code=refusal.code,
            waivable=refusal.waivable,
            detail=words.refusal(refusal),
            remedy=words.remedy(refusal.code, refusal.facts),
            facts=dict(refusal.facts),
        )
        for refusal in refusals
    )


def _retry_after(error: LabError) -> int | None:
    if isinstance(error, TooMany):
        return error.retry_after_s
    return 1 if error.code == "busy" else None


def _lab(request: AnyRequest, error: LabError) -> Response[Any]:
    return _answer(request, problem_of(error, words_of(request), caller_of(request.scope).request_id))


def _device(request: AnyRequest, error: DeviceError) -> Response[Any]:
    words = words_of(request)
    _, status, code = next(row for row in DEVICE if isinstance(error, row[0]))
    facts = {"said": str(error)[:300]}
    problem = _problem(request, words, status=status, code=code, kind="machine", facts=facts)
    return _answer(request, problem)


def _http(request: AnyRequest, error: HTTPException) -> Response[Any]:
    if error.status_code >= 500:
        # Litestar says it so when the client went away in the middle of its body; nobody hears the answer.
        if "disconnected" in error.detail:
            return _lab(request, Invalid("upload.broken_off"))
        return _crash(request, error)
    words = words_of(request)
    code, kind = HTTP.get(error.status_code, HTTP[400])
    fields = _fields(error)
    if fields:
        code = "http.fields"
    facts: dict[str, Fact] = {"fields": words.formats.listed(list(fields))} if fields else {}
    problem = _problem(request, words, status=error.status_code, code=code, kind=kind, facts=facts)
    answer = _answer(request, msgspec.structs.replace(problem, fields=fields))
    allow = (error.headers or {}).get("Allow")
    if allow:
        answer.headers["Allow"] = allow
    return answer


def _fields(error: HTTPException) -> dict[str, str]:
    """Litestar's validation errors by field; its own short English, made for whoever writes the client."""
    extra = error.extra if isinstance(error.extra, list) else []
    found = [item for item in extra if isinstance(item, dict)]
    return {str(item.get("key", "body")): str(item.get("message", ""))[:300] for item in found}


def _crash(request: AnyRequest, error: Exception) -> Response[Any]:
    request_id = caller_of(request.scope).request_id
    # The traceback names files and lines, not the values in them: bodies and cookies stay out of the log.
    log.error("crash", request=request_id, path=loggable(request.scope["path"]), exc_info=error)
    words = words_of(request)
    return _answer(request, _problem(request, words, status=500, code="internal", kind="internal", facts={}))


def _problem(
    request: AnyRequest, words: Words, *, status: int, code: str, kind: str, facts: Mapping[str, Fact]
) -> Problem:
    assert code in SENTENCES, code
    return Problem(
        type=f"/problems/{code}",
        title=words.title(kind),
        status=int(status),
        detail=" ".join(filter(None, (words.say(code, facts), words.remedy(code, facts)))),
        code=code,
        facts=facts,
        id=caller_of(request.scope).request_id,
    )


def _answer(request: AnyRequest, problem: Problem) -> Response[Any]:
    page: ErrorPage | None = request.app.state.error_page
    if page is not None and made_by_browser(request):
        answer = page(request, problem)
    else:
        answer = Response(
            msgspec.json.encode(problem),
            media_type=PROBLEM_JSON,
            status_code=problem.status,
            headers={"Content-Language": words_of(request).language},
        )
    if problem.retry_after is not None:
        answer.headers["Retry-After"] = str(problem.retry_after)
    if problem.status == HTTPStatus.UNAUTHORIZED:
        answer.headers["WWW-Authenticate"] = 'Bearer realm="fablab"'
    return answer
