"""A job is given up wherever it stands, but for what only a person at the machine can end: pages and API alike."""

from __future__ import annotations

from fablab.base.database import Actor, UnitOfWork
from fablab.base.errors import Refusal, Refused
from fablab.device import Capability
from fablab.runs import attempts
from fablab.runs.models import RunState
from scheduler.dispatch import Dispatcher
from scheduler.intake import Intake


def cancel_job(intake: Intake, dispatcher: Dispatcher, actor: Actor, job_id: str) -> None:
    """Asks a machine that runs to stop. Raises `Refused` machine.cannot_cancel, and then nothing has changed."""

    def give_up(uow: UnitOfWork) -> None:
        run = attempts.cancel_job(uow, job_id)
        if run is None or run.state is RunState.CANCELLED:
            return
        link = dispatcher.links.get(run.resource_id)
        if link is not None and Capability.CANCEL not in link.capabilities:
            raise Refused([Refusal(code="machine.cannot_cancel", facts={"machine": link.name})])

    intake.database.write(give_up, actor)
