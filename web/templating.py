"""Jinja for the pages: the words of the request's language as gettext and filters, and what every page is given."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, pass_context
from jinja2.runtime import Context
from litestar import Request, Response
from litestar.enums import MediaType
from markupsafe import Markup

from fablab.people.access import Right, allows
from web.errors import words_of
from web.pages.model import LabView, Viewer
from web.security.identity import caller_of
from web.words import FILTERS, Words

HERE = Path(__file__).resolve().parent
TEMPLATES = HERE / "templates"
STATIC = HERE / "static"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lab:
    """What the house says of itself, read once when the server starts."""

    name: str
    synthetic: bool


class Templates:
    """`render` for a fragment, `page` for an answer. Autoescape is always on."""

    def __init__(self, lab: Lab, *, asset_version: str) -> None:
        self.lab = LabView(name=lab.name, synthetic=lab.synthetic)
        self.environment = environment(asset_version)

    def context(self, request: Request[Any, Any, Any]) -> dict[str, Any]:
        """What `base.html` and every template may count on: words, lang, lab, viewer, path, csrf_token, csrf_input."""
        words, caller = words_of(request), caller_of(request.scope)
        token = caller.csrf
        return {
            "words": words,
            "lang": words.language,
            "lab": self.lab,
            "viewer": _viewer(request, words),
            "path": request.scope["path"],
            "csrf_token": token,
            "csrf_input": Markup('<input type="hidden" name="csrf" value="{}">').format(token),
            "flashes": [],
        }

    def render(self, request: Request[Any, Any, Any], name: str, **more: Any) -> str:
        return self.environment.get_template(name).render({**self.context(request), **more})

    def page(
        self, request: Request[Any, Any, Any], name: str, *, status: int = 200, **more: Any
    ) -> Response[str]:
        """An HTML answer in the caller's language; it depends on who asks, so no proxy may keep it."""
        return Response(
            self.render(request, name, **more),
            media_type=MediaType.HTML,
            status_code=status,
            headers={"Content-Language": words_of(request).language, "Vary": "Cookie, Accept-Language"},
        )


def _viewer(request: Request[Any, Any, Any], words: Words) -> Viewer | None:
    signed_in = caller_of(request.scope).signed_in
    if signed_in is None:
        return None
    initials = "".join(part[0] for part in signed_in.name.split()[:2]).upper()
    return Viewer(
        name=signed_in.name,
        initials=initials,
        role=words.word("role", signed_in.role),
        operates=allows(signed_in.actor, Right.OPERATE),
        reserves=allows(signed_in.actor, Right.SUBMIT),
        partners=allows(signed_in.actor, Right.PARTNER),
    )


@cache
def environment(asset_version: str) -> Environment:
    """One for the process: each template is compiled when it is first used, and no second time."""
    found = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        extensions=["jinja2.ext.i18n"],
        auto_reload=False,
    )

    @pass_context
    def gettext(context: Context, message: str) -> str:
        return _words(context).gettext(message)

    @pass_context
    def ngettext(context: Context, one: str, many: str, count: int) -> str:
        return _words(context).ngettext(one, many, count)

    found.install_gettext_callables(gettext, ngettext, newstyle=True)  # type: ignore[attr-defined]  # made by the extension
    for name in FILTERS:
        found.filters[name] = _filter(name)
    found.globals["asset_version"] = asset_version
    return found


def _filter(name: str) -> Callable[..., str]:
    @pass_context
    def write(context: Context, value: Any) -> str:
        return str(getattr(_words(context), name)(value))

    return write


def _words(context: Context) -> Words:
    words = context.get("words")
    assert isinstance(words, Words), "a template needs `words`; render it with web.templating.Templates"
    return words


def asset_version(folder: Path = STATIC) -> str:
    """Changes with any file under `static`, so that browsers may keep what they have for ever."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            stat = path.stat()
            digest.update(f"{path.relative_to(folder)}:{stat.st_size}:{stat.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:12]
