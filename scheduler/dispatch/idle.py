"""Which machines stand idle, and which jobs could be started on them at once."""

from __future__ import annotations

from collections.abc import Mapping

from fablab.base.database import UnitOfWork
from fablab.device import Capability, DeviceState, LinkState
from fablab.places import house
from fablab.places.models import MachineGate
from fablab.runs import attempts
from scheduler.planner import Idle
from scheduler.port import MachineLink


def idle_now(uow: UnitOfWork, links: Mapping[int, MachineLink]) -> Idle:
    """`links`: by machine. One without a link, or that a person starts at the machine itself, is nobody's to pull to."""
    busy = {run.resource_id for run in attempts.all_live(uow)}
    machines = frozenset(
        row.id
        for row in house.machines(uow)
        if row.machine is not None
        and row.machine.gate is MachineGate.CLEAR
        and (link := links.get(row.id)) is not None
        and _is_idle(link)
        and row.id not in busy
    )
    return Idle(machines=machines, startable=attempts.startable(uow) if machines else frozenset())


def _is_idle(link: MachineLink) -> bool:
    ready = link.state is LinkState.ONLINE and link.status.state is DeviceState.IDLE
    return ready and Capability.START in link.capabilities
