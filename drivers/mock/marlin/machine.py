"""What the mocked firmware does with a command, one function for each; the words are those of a Marlin
2.0.9.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from drivers.mock.marlin.physics import Head, Heater, Planner, bed, hotend

VERSION = "2.0.9.7"
_WORD = re.compile(rb"([A-Z])\s*(-?\d*\.?\d+)?")
_CODE = re.compile(rb"([GMT]\s*\d+)(?:\.\d+)?")
HOMING_S = 12.0
PROBING_S = 30.0


class Why(Enum):
    """Why a command is not over yet."""

    MOTION = "motion"
    HEAT = "heat"
    PERSON = "person"
    TIME = "time"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Until a simulated instant; infinite when only a person or M108 ends it."""

    until: float
    why: Why


@dataclass(frozen=True, slots=True, kw_only=True)
class Abilities:
    """What this firmware was built with, as M115 tells it."""

    emergency_parser: bool = True
    reports_heat: bool = True
    says_busy: bool = True


class Machine:
    """State behind the serial side. `say` sends a line; `ok` is what acknowledges the present command."""

    def __init__(self, *, name: str, abilities: Abilities, say: Callable[[str], None]) -> None:
        self.name = name
        self.abilities = abilities
        self.say = say
        self.serial_number = str(uuid.uuid5(uuid.NAMESPACE_URL, f"fablab-mock:{name}"))
        self.restart()

    def restart(self) -> None:
        self.tool: Heater = hotend()
        self.bed: Heater = bed()
        self.planner = Planner()
        self.head = Head()
        self.fan = 0
        self.report_s = 0.0  # M155
        self.ok = "ok"
        self.killed = False

    def cool_off(self, now: float) -> None:
        """A reboot or a kill: heaters off, but they stay as warm as they are."""
        for heater in (self.tool, self.bed):
            heater.aim(0.0, now)

    def execute(self, command: bytes, now: float) -> Wait | None:
        self.ok = "ok"
        found = _CODE.match(command)
        code = found[1].replace(b" ", b"").decode() if found else ""
        act = COMMANDS.get(code)
        if act is None:
            self.say(f'echo:Unknown command: "{command.decode("utf-8", "replace")}"')
            return None
        assert found is not None
        if act is _move:
            return _move(self, _words(command, found.end()), now)
        self.rest = command[found.end() :]
        return act(self, _words(command, found.end()), now)

    def temperatures(self, now: float) -> str:
        tool, plate = self.tool, self.bed
        tool_c, plate_c = tool.at(now), plate.at(now)
        power = 127 if tool.target_c > tool_c else 0, 127 if plate.target_c > plate_c else 0
        return (
            f"T:{tool_c:.2f} /{tool.target_c:.2f} B:{plate_c:.2f} /{plate.target_c:.2f}"
            f" @:{power[0]} B@:{power[1]}"
        )

    def quick_stop(self, now: float) -> None:
        self.planner.drop(now)


Words = dict[str, float]
Act = Callable[[Machine, Words, float], Wait | None]


def _words(command: bytes, start: int) -> Words:
    return {key.decode(): _number(value) for key, value in _WORD.findall(command, start)}


def _number(text: bytes) -> float:
    """Of the size that a machine could mean: the square of a larger one is no float."""
    return min(max(float(text), -1e9), 1e9) if text else 0.0


def _move(machine: Machine, words: Words, now: float) -> Wait | None:
    duration_s = machine.head.move(words)
    if duration_s <= 0:
        return None
    room_at = machine.planner.room_at(now)
    machine.planner.add(duration_s, max(now, room_at))
    return Wait(until=room_at, why=Why.MOTION) if room_at > now else None


def _lasts(seconds: float) -> Act:
    def act(machine: Machine, words: Words, now: float) -> Wait | None:
        until = max(now, machine.planner.busy_until) + seconds
        machine.planner.busy_until = until
        return Wait(until=until, why=Why.MOTION)

    return act


def _home(machine: Machine, words: Words, now: float) -> Wait | None:
    machine.head.set(dict.fromkeys("XYZ", 0.0))
    return _lasts(HOMING_S)(machine, words, now)


def _dwell(machine: Machine, words: Words, now: float) -> Wait | None:
    seconds = words.get("S", words.get("P", 0.0) / 1000)
    return Wait(until=max(now, machine.planner.busy_until) + seconds, why=Why.TIME)


def _drain(machine: Machine, words: Words, now: float) -> Wait | None:
    until = machine.planner.busy_until
    return Wait(until=until, why=Why.MOTION) if until > now else None


def _quick_stop(machine: Machine, words: Words, now: float) -> None:
    machine.quick_stop(now)


def _wait_for_person(machine: Machine, words: Words, now: float) -> Wait | None:
    return Wait(until=float("inf"), why=Why.PERSON)


def _set(pick: str) -> Act:
    def act(machine: Machine, words: Words, now: float) -> None:
        if "S" in words:
            (machine.tool if pick == "tool" else machine.bed).aim(words["S"], now)

    return act


def _set_and_wait(pick: str) -> Act:
    def act(machine: Machine, words: Words, now: float) -> Wait | None:
        heater = machine.tool if pick == "tool" else machine.bed
        heater.aim(words.get("R", words.get("S", heater.target_c)), now)
        until = heater.reached_at(now, cooling="R" in words)
        return Wait(until=until, why=Why.HEAT) if until > now else None

    return act


def _temperatures(machine: Machine, words: Words, now: float) -> None:
    machine.ok = f"ok {machine.temperatures(now)}"


def _report(machine: Machine, words: Words, now: float) -> None:
    if machine.abilities.reports_heat:
        machine.report_s = words.get("S", 0.0)


def _fan(machine: Machine, words: Words, now: float) -> None:
    machine.fan = int(words.get("S", 255.0))


def _fan_off(machine: Machine, words: Words, now: float) -> None:
    machine.fan = 0


def _position(machine: Machine, words: Words, now: float) -> None:
    axes = " ".join(f"{axis}:{value:.2f}" for axis, value in machine.head.axes.items())
    machine.say(f"{axes} Count X:0 Y:0 Z:0")


def _who(machine: Machine, words: Words, now: float) -> None:
    able = machine.abilities
    machine.say(
        f"FIRMWARE_NAME:Marlin {VERSION} (Mock) SOURCE_CODE_URL:none PROTOCOL_VERSION:1.0"
        f" MACHINE_TYPE:{machine.name} EXTRUDER_COUNT:1 UUID:{machine.serial_number}"
    )
    for name, on in (
        ("SERIAL_XON_XOFF", False),
        ("EEPROM", False),
        ("AUTOREPORT_POS", False),
        ("AUTOREPORT_TEMP", able.reports_heat),
        ("PROGRESS", False),
        ("BUSY_PROTOCOL", able.says_busy),
        ("EMERGENCY_PARSER", able.emergency_parser),
        ("HOST_ACTION_COMMANDS", False),
        ("ARCS", True),
    ):
        machine.say(f"Cap:{name}:{int(on)}")


def _echo(machine: Machine, words: Words, now: float) -> None:
    machine.say(machine.rest.strip().decode("utf-8", "replace"))


def _card(machine: Machine, words: Words, now: float) -> None:
    machine.say("Not SD printing")


def _kill(machine: Machine, words: Words, now: float) -> None:
    machine.killed = True


def _coordinates(machine: Machine, words: Words, now: float) -> None:
    machine.head.set(words)


def _mode(*, relative: bool | None = None, relative_e: bool | None = None, scale: float = 0.0) -> Act:
    def act(machine: Machine, words: Words, now: float) -> None:
        if relative is not None:
            machine.head.relative = relative
        if relative_e is not None:
            machine.head.relative_e = relative_e
        if scale:
            machine.head.scale = scale

    return act


def _speed(machine: Machine, words: Words, now: float) -> None:
    machine.head.percent = max(1.0, words.get("S", machine.head.percent))


def _nothing(machine: Machine, words: Words, now: float) -> None:
    return


COMMANDS: dict[str, Act] = {
    **dict.fromkeys(("G0", "G1", "G2", "G3"), _move),
    "G4": _dwell,
    "G20": _mode(scale=25.4),
    "G21": _mode(scale=1.0),
    "G28": _home,
    **dict.fromkeys(("G29", "G80"), _lasts(PROBING_S)),
    "G90": _mode(relative=False, relative_e=False),
    "G91": _mode(relative=True, relative_e=True),
    "G92": _coordinates,
    **dict.fromkeys(("M0", "M1", "M600"), _wait_for_person),
    "M27": _card,
    "M82": _mode(relative_e=False),
    "M83": _mode(relative_e=True),
    **dict.fromkeys(("M18", "M84", "M400"), _drain),
    "M104": _set("tool"),
    "M105": _temperatures,
    "M106": _fan,
    "M107": _fan_off,
    "M109": _set_and_wait("tool"),
    "M112": _kill,
    "M114": _position,
    "M115": _who,
    "M118": _echo,
    "M140": _set("bed"),
    "M155": _report,
    "M190": _set_and_wait("bed"),
    "M220": _speed,
    "M410": _quick_stop,
    **dict.fromkeys(
        (
            "M17",
            "M73",
            "M108",
            "M110",
            "M113",
            "M117",
            "M201",
            "M203",
            "M204",
            "M205",
            "M221",
            "M862",
            "M900",
        ),
        _nothing,
    ),
    **dict.fromkeys(("M211", "M420", "M572", "M593", "M907", "T0"), _nothing),
}
