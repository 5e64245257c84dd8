"""The machines page: each machine's wire, who answered, what stands in the way, and what this viewer may do about it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from fablab.device import Capability, LinkState
from fablab.people.access import Right, allows
from fablab.reports.floor import MachineNow
from fablab.runs.models import Run
from scheduler.dispatch import MachineLink
from web.fleet import KINDS, Check, DeviceFacts, Fleet
from web.pages import show_floor
from web.pages.eyes import Eyes, Stock
from web.pages.machines_model import DeviceCard, FaultView, FleetView, TestView, TroubleView
from web.pages.model import Action, MachineCard, MachineWord
from web.pages.show_floor import Wires
from web.trouble import trouble_of

_TITLES = {kind.driver: kind.title for kind in KINDS}
_AWAY = frozenset({LinkState.WAITING, LinkState.BLOCKED})


def fleet_view(
    eyes: Eyes,
    rows: Iterable[MachineNow],
    faults: Mapping[int, Run],
    wires: Wires,
    stock: Stock,
    fleet: Fleet,
) -> FleetView:
    """Every machine of the lab, then what stands in devices.toml and in no row of the lab."""
    cards = [row_card(eyes, row, faults.get(row.resource.id), wires, stock, fleet) for row in rows]
    taken = {card.device for card in cards}
    loose = [loose_card(eyes, facts, fleet) for name, facts in fleet.devices().items() if name not in taken]
    return FleetView(
        devices=(*cards, *loose),
        file=str(fleet.file),
        problem=fleet.problem(),
        may_manage=allows(eyes.actor, Right.MANAGE),
    )


def row_card(
    eyes: Eyes, row: MachineNow, fault: Run | None, wires: Wires, stock: Stock, fleet: Fleet
) -> DeviceCard:
    seen = show_floor.card(eyes, row, wires, stock)
    link, machine = wires.link(row.resource.id), row.resource.machine
    assert machine is not None
    device = machine.device or ""
    facts = fleet.devices().get(device)
    can = seen.can & {Action.STOP, Action.OUT_OF_SERVICE, Action.BACK, Action.ACKNOWLEDGE}
    if facts is not None:
        can |= {Action.TEST}
    if link is not None and link.state in _AWAY:
        can |= {Action.RETRY}
    return DeviceCard(
        key=seen.id,
        name=seen.name,
        machine_id=seen.id,
        device=device,
        in_file=facts is not None,
        technology=seen.technology,
        model=seen.model,
        word=seen.word,
        said_at=seen.said_at,
        camera=seen.camera,
        outage_note=seen.outage_note,
        message=_message(eyes, seen),
        stop=seen.stop,
        fault=_fault(eyes, fault),
        test=test_view(eyes, fleet.last_test(device)),
        can=can,
        may_manage=allows(eyes.actor, Right.MANAGE),
        **_of_file(eyes, facts),
        **_of_link(eyes, facts, link),
    )


def loose_card(eyes: Eyes, facts: DeviceFacts, fleet: Fleet) -> DeviceCard:
    return DeviceCard(
        key=f"d-{facts.name}",
        name=facts.name,
        device=facts.name,
        test=test_view(eyes, fleet.last_test(facts.name)),
        can=frozenset({Action.TEST}),
        may_manage=allows(eyes.actor, Right.MANAGE),
        **_of_file(eyes, facts),
    )


def _message(eyes: Eyes, seen: MachineCard) -> str:
    """Why a machine that is connected does not do what it should; of one that is not, its connection tells."""
    if seen.word is MachineWord.FAULT:
        return seen.message or eyes.gettext("The machine reports a fault.")
    return seen.message if seen.word is MachineWord.PAUSED else ""


def driver_title(eyes: Eyes, driver: str) -> str:
    """Firmware and programs have one name in all languages; a person has not."""
    return _TITLES.get(driver, driver) or eyes.gettext("A person works it")


def _of_file(eyes: Eyes, facts: DeviceFacts | None) -> dict[str, Any]:
    if facts is None:
        return {}
    return {"driver": driver_title(eyes, facts.driver), "where": facts.where, "is_mock": facts.is_mock}


def _of_link(eyes: Eyes, facts: DeviceFacts | None, link: MachineLink | None) -> dict[str, Any]:
    if link is None:
        return {"trouble": TroubleView(sentence=eyes.words.say("machine.no_link"))}
    identity = link.identity
    online = link.state is LinkState.ONLINE
    machine_answers = facts is None or bool(_TITLES.get(facts.driver))  # where a person does, nothing is read
    return {
        "link": link.state.value,
        "link_word": eyes.words.word("link_state", link.state),
        "trouble": None if online or not link.reason else trouble(eyes, trouble_of(link.reason), link.reason),
        "capabilities": tuple(
            eyes.words.word("capability", can) for can in Capability if can in link.capabilities
        ),
        "firmware": identity.firmware if identity and machine_answers else "",
        "answered_as": identity.model if identity and machine_answers else "",
        "serial_number": identity.serial_number if identity else "",
    }


def trouble(eyes: Eyes, word: str, said: str = "") -> TroubleView:
    return TroubleView(
        sentence=eyes.words.word("trouble", word),
        todo=eyes.words.word("todo", word) if word != "none" else "",
        said=said[:300],
        is_good=word == "none",
    )


def test_view(eyes: Eyes, check: Check | None) -> TestView | None:
    if check is None:
        return None
    if check.is_running:
        return TestView(is_running=True, at=check.began_at)
    said = "" if check.trouble == "none" else check.said
    facts = [check.firmware, check.model, check.serial_number]
    return TestView(
        is_running=False,
        at=check.ended_at or check.began_at,
        result=trouble(eyes, check.trouble, said),
        facts=" · ".join(dict.fromkeys(filter(None, facts))),
        take={name: value for name, value in _answered(check).items() if value},
    )


test_view.__test__ = False  # type: ignore[attr-defined]  # pytest: this is no test


def _answered(check: Check) -> dict[str, str]:
    """What the form may take over from whoever answered on a port."""
    if not check.firmware or not check.driver:
        return {}
    baud = str(check.baud) if check.baud else ""
    return {
        "driver": check.driver,
        "baud": baud,
        "serial_number": check.serial_number,
        "model": check.model,
    }


def _fault(eyes: Eyes, run: Run | None) -> FaultView | None:
    if run is None or run.ended_at is None:
        return None
    said = eyes.words.machine(run.detail) or eyes.words.word("run_state", run.state)
    return FaultView(sentence=said, at=run.ended_at)
