"""JSON under /api: one file a subject, shapes beside the handlers, problem+json for every error."""

from litestar import Router

from web.api import (
    agenda,
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
    requests,
    reservations,
    rules,
    security,
    sessions,
    signup,
    thread,
    trainings,
    waiting,
    workshops,
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
    *sessions.ROUTES,
    *workshops.ROUTES,
    *requests.ROUTES,
    *thread.ROUTES,
    *rules.ROUTES,
    *cameras.ROUTES,
    *letters.ROUTES,
    *feeds.ROUTES,
    *hooks.ROUTES,
    *house.ROUTES,
    *hours.ROUTES,
    *agenda.ROUTES,
    *desks.ROUTES,
    *hires.ROUTES,
    *partners.ROUTES,
)


def router() -> Router:
    return Router("/api", route_handlers=ROUTES, dependencies=machines.DEPENDENCIES)
