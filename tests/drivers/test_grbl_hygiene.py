"""No byte of a program reaches a GRBL but as plain G-code: whatever the file holds, nothing in it is obeyed at once."""

from __future__ import annotations

import asyncio
import random
import re
import tempfile
import time
from collections.abc import Callable, Coroutine
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.grbl import Grbl
from drivers.grbl.program import Kind, Program
from drivers.grbl.talk import LONGEST_LINE, Origin, Sent, Talk, frame
from drivers.lines import Lines, ScriptPort
from drivers.mock.grbl.firmware import Firmware
from drivers.mock.grbl.settings import Settings
from fablab.device import DeviceError, DeviceRefused
from tests.drivers.grbl_rig import QUICK, burns, ended, written

REALTIME = frozenset(b"!?~\x18") | frozenset(range(0x80, 0x100))
GCODE = re.compile(rb"[A-Za-z][A-Za-z0-9 +.\-]*")

NASTY = [
    "Terminé !".encode(),
    b"G1 X1 ;\x18\x85!~?",
    b"G1 X1 (\x84)\nG1 X2",
    b"(never closed ! \x18\nG1 X1",
    b"G1 X1)!(",
    b"G1 X1\rG1 X2\r\n!",
    b"$H\n$X\n$RST=*",
    b"G1\x00X1",
    b"\xef\xbb\xbfG21",
    b"G1 X1\x0bG1 X2",
    b"M4\tS1",
    b"G1 X1;" + b"!" * 5000 + b"\nG1 X2",
    b"(" + b"!" * 5000 + b")G1 X2",
    b"/G1 X1 (a ; b) ; c ) !",
    "G1 X１".encode(),
]

anything = st.one_of(
    st.binary(max_size=300),
    st.lists(
        st.sampled_from(
            [
                b"G1 X1",
                b"M4 S1",
                b";",
                b"(",
                b")",
                b"!",
                b"~",
                b"?",
                b"\x18",
                b"\x85",
                b"$",
                b"\r",
                b"\n",
                b" ",
            ]
        ),
        max_size=60,
    ).map(b"".join),
)


@settings(max_examples=400, deadline=None)
@given(st.one_of(anything, st.sampled_from(NASTY)))
def test_what_a_file_yields_is_plain_g_code_and_nothing_else(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.nc"
        path.write_bytes(data)
        program = Program(path)
        talk = Talk()
        while step := program.next():
            if step.kind is Kind.SEND:
                wire = talk.send(Sent(command=step.command, origin=Origin.PROGRAM))
                assert GCODE.fullmatch(wire[:-1])
                assert wire.endswith(b"\n")
                assert len(wire) <= LONGEST_LINE + 1
                assert not REALTIME & set(wire)
        program.close()


@settings(max_examples=400, deadline=None)
@given(st.binary(max_size=100))
def test_the_last_door_lets_plain_lines_pass_and_no_other(data: bytes) -> None:
    plain = len(data) <= LONGEST_LINE and all(0x20 <= byte < 0x7E and byte not in b"!?" for byte in data)
    if plain:
        assert frame(data) == data + b"\n"
    else:
        with pytest.raises(ValueError, match="not to be sent"):
            frame(data)


class Machine:
    """The mocked firmware without its pty: what is written to it is kept."""

    def __init__(self) -> None:
        self.accepted: list[bytes] = []
        self._firmware = Firmware(name="g", speed=0.0, accept=self.accepted.append, settings=Settings())
        self._firmware.boot(time.monotonic())
        self.port = ScriptPort(self._answer)

    def _answer(self, data: bytes) -> list[bytes]:
        now = time.monotonic()
        self._firmware.receive(data, now)
        self._firmware.run(now)
        said = bytes(self._firmware.out)
        self._firmware.out.clear()
        return [said] if said else []


@pytest.mark.parametrize("data", NASTY, ids=range(len(NASTY)))
async def test_on_the_wire_every_write_is_one_realtime_byte_of_ours_or_one_plain_line(
    tmp_path: Path, data: bytes
) -> None:
    machine = Machine()
    path = tmp_path / "a.nc"
    path.write_bytes(b"G21\n" + data + b"\nG90\n")
    grbl = Grbl(name="g", port="", limits=QUICK, connect=lambda: Lines(machine.port))
    await grbl.open()
    try:
        async with asyncio.timeout(10):
            await grbl.start(path, "run-1")
            await ended(grbl)
    except DeviceRefused:
        assert b"G90" not in b"".join(machine.accepted)  # all or nothing
    await grbl.close()
    for one in machine.port.written:
        if len(one) == 1:
            assert one in (b"?", b"!", b"\x18")
        else:
            assert one[-1:] == b"\n"
            assert not REALTIME & set(one)
    # A hold, and a reset beyond those of the handshake and around the check mode, would be the program's doing.
    assert b"!" not in machine.port.written
    assert machine.port.written.count(b"\x18") <= 3


NONSENSE = [
    *[b"ok\r\n"] * 4,
    b"error:9\r\n",
    b"ALARM:1\r\n",
    b"ALARM:3\r\n",
    *(
        b"<" + state + b"|FS:0,0>\r\n"
        for state in (b"Idle", b"Run", b"Hold:0", b"Hold:1", b"Alarm", b"Check")
    ),
    *(
        b"<" + state + b"|FS:0,0|Ov:100,100,100>\r\n"
        for state in (b"Idle", b"Door:0", b"Door:1", b"Sleep", b"Home")
    ),
    b"\r\nGrbl 1.1h ['$' for help]\r\n",
    b"[GC:G0]\r\n",
    b"[OPT:V,15,128]\r\n",
    b"$32=1\r\n",
    b"\xff\x00<\n",
]


class Liar:
    """A machine that answers honestly until it is told to lie; then it leaves answers out and makes others up."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.lies = False
        self.port = ScriptPort(self._answer)

    def _answer(self, data: bytes) -> list[bytes]:
        if not self.lies or self.chance.random() < 0.3:
            said = [HONEST.get(data, b"" if len(data) == 1 else b"ok\r\n")]
        else:
            said = []
        if self.lies and self.chance.random() < 0.5:
            said += self.chance.choices(NONSENSE, k=self.chance.randrange(4))
        return [one for one in said if one]


HONEST = {
    b"?": b"<Idle|FS:0,0|Ov:100,100,100>\r\n",
    b"\x18": b"Grbl 1.1h ['$' for help]\r\n",
    b"$I\n": b"[VER:1.1h.20190830:]\r\n[OPT:V,15,128]\r\nok\r\n",
    b"$$\n": b"$32=1\r\nok\r\n",
}


async def live_with(machine: Liar, program: Path) -> None:
    limits = replace(
        QUICK,
        check_s=0.05,
        safe_s=0.3,
        hold_s=0.1,
        reset_s=0.1,
        silence_s=0.3,
        line_s=0.3,
        pause_s=0.1,
        resume_s=0.1,
    )
    grbl = Grbl(name="g", port="", limits=limits, connect=lambda: Lines(machine.port))
    await grbl.open()
    machine.lies = True
    resumes = 0
    asked: list[asyncio.Task[object]] = []
    for turn in range(12):
        order = machine.chance.choice(["start", "pause", "resume", "cancel", "make_safe", "nothing"])
        resumes += order == "resume"
        orders: dict[str, Callable[[], Coroutine[Any, Any, object]]] = {
            "start": partial(grbl.start, program, f"run-{turn}"),
            "pause": grbl.pause,
            "resume": grbl.resume,
            "cancel": grbl.cancel,
            "make_safe": grbl.make_safe,
            "nothing": partial(asyncio.sleep, 0.02),
        }
        asked.append(asyncio.create_task(orders[order]()))
        await asyncio.sleep(machine.chance.random() * 0.02)
    async with asyncio.timeout(15):
        answers = await asyncio.gather(*asked, return_exceptions=True)
    broken = [one for one in answers if isinstance(one, BaseException) and not isinstance(one, DeviceError)]
    assert broken == []
    assert not any("the driver itself failed" in str(one) for one in answers)
    await grbl.close()
    wire = machine.port.written
    assert wire.count(b"~") <= resumes  # nothing goes on by itself
    assert not any(one.startswith((b"$X", b"$H")) or b"=" in one for one in wire)
    assert all(
        one in (b"?", b"!", b"~", b"\x18") if len(one) == 1 else not REALTIME & set(one) for one in wire
    )


@pytest.mark.parametrize("seed", [1, 2])
async def test_a_machine_that_talks_nonsense_neither_breaks_the_driver_nor_gets_a_byte_it_should_not(
    tmp_path: Path, seed: int
) -> None:
    program = written(tmp_path, burns(3000))
    await asyncio.gather(*(live_with(Liar(seed * 1000 + n), program) for n in range(12)))
