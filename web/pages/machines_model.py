"""What the machines page and its form are given: frozen, in the viewer's language, and never a key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from web.pages.model import Action, CameraView, Choice, MachineWord, StopView


@dataclass(frozen=True, slots=True, kw_only=True)
class TroubleView:
    """What stands in the way and what to do; `said` are the driver's own words, in English."""

    sentence: str
    todo: str = ""
    said: str = ""
    is_good: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TestView:
    """A test that is under way, or how the last one ended. `facts`: who answered."""

    __test__ = False  # pytest: this is no test case

    is_running: bool
    at: datetime
    result: TroubleView | None = None
    facts: str = ""
    take: Mapping[str, str] = field(default_factory=dict)  # fields of the form, as they answered


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultView:
    sentence: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceCard:
    """One machine as staff look after it. `machine_id` empty: it stands in devices.toml and not in the lab.

    `device` empty: no table of devices.toml is named in its row; `in_file` False: that table is not there.
    """

    key: str
    name: str
    machine_id: str = ""
    device: str = ""
    in_file: bool = True
    is_mock: bool = False
    technology: str = ""
    model: str = ""
    word: MachineWord | None = None
    driver: str = ""
    where: str = ""
    firmware: str = ""
    answered_as: str = ""
    serial_number: str = ""
    link: str = ""  # a `LinkState`; empty while nothing tries to reach it
    link_word: str = ""
    trouble: TroubleView | None = None
    said_at: datetime | None = None
    capabilities: tuple[str, ...] = ()
    camera: CameraView | None = None
    fault: FaultView | None = None
    outage_note: str = ""
    message: str = ""  # of a machine that is reached, and not as it should be
    stop: StopView | None = None
    test: TestView | None = None
    can: frozenset[Action] = frozenset()
    may_manage: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetView:
    devices: tuple[DeviceCard, ...]
    file: str
    problem: str = ""
    may_manage: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundView:
    """What a scan has found: a choice that fills the form, unless it is known already."""

    what: str
    where: str
    known_as: str = ""
    held_by: str = ""
    values: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyView:
    """A request to an OctoPrint for a key; `page` is where a person says yes."""

    id: str
    state: str
    sentence: str
    page: str = ""
    said: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockView:
    """What a person has to write where this server may not: the table, and in which file the key."""

    text: str
    file: str
    secret_file: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FormView:
    """The form for one more machine, with what was typed. `device`: its table is in devices.toml already.

    `asks` are the fields that its kind has. A key that was typed is not in `values`: `kept` says that it is here.
    """

    values: Mapping[str, str]
    kinds: tuple[Choice, ...]
    asks: frozenset[str]
    technologies: tuple[Choice, ...]
    bauds: tuple[Choice, ...]
    device: str = ""
    where: str = ""
    has_nozzle: bool = True
    secret_is: str = "key"  # noqa: S105 - what it is, not the secret itself
    hands_out_keys: bool = False
    kept: str = ""
    errors: Mapping[str, str] = field(default_factory=dict)
    problem: str = ""
    found: tuple[FoundView, ...] | None = None
    check_id: str = ""
    check: TestView | None = None
    key: KeyView | None = None
    file: str = ""
    is_writable: bool = True
    block: BlockView | None = None
