"""JSON under /api: one file a subject, shapes beside the handlers, problem+json for every error."""

from litestar import Router

from web.api import (
    belonging,
    cameras,
    certifications,
    desks,
    feeds,
    hires,
    hooks,
    hours,
    house,
    jobs,
    letters,
    machines,
    members,
    partners,
    people,
    plan,
    reach,
    reservations,
    rules,
    security,
    signup,
    trainings,
    waiting,
)

ROUTES = (
    *people.ROUTES,
    *security.ROUTES,
    *signup.ROUTES,
    *members.ROUTES,
    *belonging.ROUTES,
    *jobs.ROUTES,
    *machines.ROUTES,
    *plan.ROUTES,
    *reach.ROUTES,
    *reservations.ROUTES,
    *waiting.ROUTES,
    *certifications.ROUTES,
    *trainings.ROUTES,
    *rules.ROUTES,
    *cameras.ROUTES,
    *letters.ROUTES,
    *feeds.ROUTES,
    *hooks.ROUTES,
    *house.ROUTES,
    *hours.ROUTES,
    *desks.ROUTES,
    *hires.ROUTES,
    *partners.ROUTES,
)


def router() -> Router:
    return Router("/api", route_handlers=ROUTES, dependencies=machines.DEPENDENCIES)
