"""What can be wrong between the lab and a machine, and what a person does about it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Trouble(StrEnum):
    NONE = "none"
    PORT_ABSENT = "port_absent"
    PORT_FORBIDDEN = "port_forbidden"
    PORT_HELD = "port_held"
    SILENT = "silent"  # the wire is there, and nothing answers
    WRONG_FIRMWARE = "wrong_firmware"
    WRONG_NUMBER = "wrong_number"
    UNKNOWN_HOST = "unknown_host"
    REFUSED = "refused"  # the computer is there, no server on that port
    TLS = "tls"
    WRONG_KEY = "wrong_key"
    WRONG_PATH = "wrong_path"
    WRONG_SERVER = "wrong_server"  # something answers, but not what the driver speaks with
    MOCK = "mock"  # a mock did not start
    PRINTER_OFF = "printer_off"  # the server answers, its printer does not
    FAULT = "fault"  # the machine itself reports one
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One machine looked at. `said` is what was found, `todo` what to do: plain sentences in English.

    `state` is the machine's own, empty when it did not answer.
    """

    name: str
    trouble: Trouble
    said: str
    todo: str
    state: str = ""

    @property
    def ok(self) -> bool:
        """It answers; a machine that answers may still have a fault of its own."""
        return self.trouble in (Trouble.NONE, Trouble.PRINTER_OFF, Trouble.FAULT)


def in_words(name: str, said: str) -> Finding:
    """Of a trouble that only the driver knows. Its sentences go "what is wrong; what to do"."""
    problem, _, todo = said.partition("; ")
    todo = todo or "look at the machine and its cable, then try again"
    return Finding(name=name, trouble=Trouble.OTHER, said=problem, todo=todo)
