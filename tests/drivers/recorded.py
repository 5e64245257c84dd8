"""What real peers said: OctoPrint 1.11.8, Moonraker 0.11, PrusaLink 0.8.1, a Marlin 2.0.9 and a GRBL 1.1h.

The bodies of the networked ones stand in `recordings/`, one JSON document a line, as recorded from the peers of
`tests/peers` (paths and sessions replaced, runs of alike messages shortened).
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Final

from drivers.host import wire
from fablab.device import DeviceState, Identity, LinkLost, Outcome, Progress, Safety, Status
from tests.drivers.doubles import NOON

_FOLDER = Path(__file__).with_name("recordings")


def _bodies(name: str) -> list[bytes]:
    return (_FOLDER / f"{name}.jsonl").read_bytes().splitlines()


OCTOPRINT: Final = _bodies("octoprint")
MOONRAKER: Final = _bodies("moonraker")
PRUSALINK: Final = _bodies("prusalink")

MARLIN: Final = [
    b"start",
    b"PowerUp",
    b"Marlin 2.0.9.7",
    b"echo: Last Updated: 2023-01-01 | Author: (aucun, r\xc3\xa9glages d'usine)",
    b"echo: Free Memory: 3654  PlannerBufferBytes: 1416",
    b"FIRMWARE_NAME:Marlin 2.0.9.7 (Jan  1 2023 12:00:00) SOURCE_CODE_URL:github.com/MarlinFirmware/Marlin "
    b"PROTOCOL_VERSION:1.0 MACHINE_TYPE:3D Printer EXTRUDER_COUNT:1 UUID:cede2a2f-41a2-4748-9b12-c55c62f367ff",
    b"Cap:EEPROM:1",
    b"Cap:AUTOREPORT_TEMP:1",
    b"Cap:EMERGENCY_PARSER:1",
    b"ok",
    b"ok T:210.0 /210.0 B:60.0 /60.0 T0:210.0 /210.0 @:64 B@:127",
    b"ok N5 P15 B3",
    b" T:25.00 /60.00 B:21.00 /0.00 @:127 B@:0 W:?",
    b"echo:busy: processing",
    b"echo:busy: paused for user",
    b"Error:checksum mismatch, Last Line: 2",
    b"Resend: 3",
    b"rs N3 Expected checksum 67",
    b"Error:Line Number is not Last Line Number+1, Last Line: 41",
    b'echo:Unknown command: "FOO"',
    b"Error:Printer halted. kill() called!",
    b"Error:MAXTEMP triggered, system stopped! Heater_ID: 0",
    b"X:0.00 Y:0.00 Z:0.00 E:0.00 Count X:0 Y:0 Z:0",
    b"//action:pause",
    b"wait",
]

GRBL: Final = [
    b"Grbl 1.1h ['$' for help]",
    b"[MSG:'$H'|'$X' to unlock]",
    b"[MSG:Pgm End]",
    b"[VER:1.1h.20190830:]",
    b"[OPT:V,15,128]",
    b"[GC:G0 G54 G17 G21 G90 G94 M5 M9 T0 F0 S0]",
    b"<Idle|MPos:0.000,0.000,0.000|FS:0,0|WCO:0.000,0.000,0.000>",
    b"<Run|MPos:12.345,-6.789,0.000|Bf:12,128|FS:1138,474|Ov:100,100,100|A:S>",
    b"<Hold:1|MPos:5.000,0.000,0.000|FS:500,0>",
    b"<Door:0|MPos:5.000,0.000,0.000|FS:0,0|Pn:D>",
    b"<Alarm|MPos:0.000,0.000,0.000|FS:0,0>",
    b"ALARM:3",
    b"ALARM:1",
    b"error:9",
    b"error:22",
    b"ok",
    b"$32=1",
    b"$110=12000.000",
    b">G20G54G17:ok",
]

TO_MARLIN: Final = [
    b"N0 M110 N0*125",
    b"N1 M115*39",
    b"N2 M105*37",
    b"M105",
    b"M115",
    b"M104 S0",
    b"G1 X10.5 Y-3 E0.25 F1200",
    b"G28",
    b"G92 E0",
    b"M155 S2",
    b"M113 S2",
    b"M400",
    b"M108",
    b"M114",
    b"M220 S150",
    b"G4 P10",
]

TO_GRBL: Final = [
    b"$$",
    b"$I",
    b"$G",
    b"$#",
    b"$C",
    b"$X",
    b"$H",
    b"$32=1",
    b"$J=G91 X10 F1000",
    b"?",
    b"!",
    b"~",
    b"\x18",
    b"\x85",
    b"G21 G90 M4 S500 F3000",
    b"G1 X10.5 Y-3.25",
    b"G2 X10 Y0 I5 J0",
    b"G3 X0 Y0 R5",
    b"G4 P0.01",
    b"G10 L20 P1 X0 Y0",
    b"M5",
    b"M2",
    b"(comment) G0 X1 ; more",
]

_PROGRESS = Progress(token="r1", fraction=0.5, elapsed_s=61.25, remaining_s=60.0, outcome=Outcome.DONE)
_STATUS = Status(
    at=NOON,
    state=DeviceState.RUNNING,
    progress=_PROGRESS,
    heat_c={"tool0": 210.5, "bed": 60.0},
    message="ça va",
)
HOST: Final = [
    wire.line(wire.Hello(protocol=wire.PROTOCOL, name="m1", pid=4711, fingerprint="0" * 16, busy=False)),
    wire.line(wire.Call(id=1, op=wire.Op.OPEN)),
    wire.line(
        wire.Call(
            id=2, op=wire.Op.START, program="/p.gcode", token="r1", deadline=NOON + timedelta(minutes=5)
        )
    ),
    wire.line(wire.Call(id=3, op=wire.Op.QUIT, force=True)),
    wire.line(wire.Reply(id=1, identity=Identity(firmware="Marlin", features={"EEPROM": "1"}))),
    wire.line(wire.Reply(id=4, safety=Safety.CONFIRMED)),
    wire.line(wire.failed(5, LinkLost("gone"))),
    wire.line(wire.Push(status=_STATUS)),
    wire.line(wire.Push(lost="the port is gone")),
]
