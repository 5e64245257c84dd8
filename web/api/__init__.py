"""JSON under /api: one file a subject, shapes beside the handlers, problem+json for every error."""

from litestar import Router

from web.api import cameras, house, jobs, machines, people, plan

ROUTES = (*people.ROUTES, *jobs.ROUTES, *machines.ROUTES, *plan.ROUTES, *cameras.ROUTES, *house.ROUTES)


def router() -> Router:
    return Router("/api", route_handlers=ROUTES, dependencies=machines.DEPENDENCIES)
