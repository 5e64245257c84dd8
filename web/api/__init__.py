"""JSON under /api: one file a subject, shapes beside the handlers, problem+json for every error."""

from litestar import Router

from web.api import cameras, hours, house, jobs, machines, people, plan, reach, reservations, security

ROUTES = (
    *people.ROUTES,
    *security.ROUTES,
    *jobs.ROUTES,
    *machines.ROUTES,
    *plan.ROUTES,
    *reach.ROUTES,
    *reservations.ROUTES,
    *cameras.ROUTES,
    *house.ROUTES,
    *hours.ROUTES,
)


def router() -> Router:
    return Router("/api", route_handlers=ROUTES, dependencies=machines.DEPENDENCIES)
