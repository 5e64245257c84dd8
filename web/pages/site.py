"""The house's public site: home, workshops, machines, prices. For everybody, and without a name in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from litestar import Response, get
from litestar.params import FromPath

from fablab.base.database import UnitOfWork
from fablab.claims.workshops import catalogue as offered
from web.pages import show_agenda, show_site
from web.pages.shell import AnyRequest, templates_of
from web.security import Access
from web.words import Words


@get("/house", access=Access.PUBLIC, include_in_schema=False, sync_to_thread=True)
def home(request: AnyRequest) -> Response[str]:
    def look(uow: UnitOfWork, words: Words) -> Mapping[str, Any]:
        return {
            "opening": show_site.opening(uow, words),
            "technologies": show_site.technologies(uow, words),
            "cards": show_site.cards(uow, words)[: show_site.FEW],
            "dates": show_agenda.next_few(uow, words, show_site.FEW),
        }

    return _page(request, "house.html", look)


@get("/house/workshops", access=Access.PUBLIC, include_in_schema=False, sync_to_thread=True)
def catalogue(request: AnyRequest) -> Response[str]:
    return _page(request, "house_workshops.html", lambda uow, words: {"cards": show_site.cards(uow, words)})


@get("/house/workshops/{slug:str}", access=Access.PUBLIC, include_in_schema=False, sync_to_thread=True)
def one(request: AnyRequest, slug: FromPath[str]) -> Response[str]:
    def look(uow: UnitOfWork, words: Words) -> Mapping[str, Any]:
        return {"card": show_site.card(words, offered.by_slug(uow, slug))}

    return _page(request, "house_workshop.html", look)


@get("/house/machines", access=Access.PUBLIC, include_in_schema=False, sync_to_thread=True)
def machines(request: AnyRequest) -> Response[str]:
    return _page(
        request,
        "house_machines.html",
        lambda uow, words: {"technologies": show_site.technologies(uow, words)},
    )


@get("/house/prices", access=Access.PUBLIC, include_in_schema=False, sync_to_thread=True)
def prices(request: AnyRequest) -> Response[str]:
    return _page(request, "house_prices.html", lambda uow, words: {"prices": show_site.prices(uow, words)})


def _page(
    request: AnyRequest, name: str, look: Callable[[UnitOfWork, Words], Mapping[str, Any]]
) -> Response[str]:
    templates = templates_of(request)
    words: Words = templates.context(request)["words"]
    with request.app.state.parts.database.read() as uow:
        shown = look(uow, words)
    return templates.page(request, name, **shown)


ROUTES = (home, catalogue, one, machines, prices)
