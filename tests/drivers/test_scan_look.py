"""Looking at one machine of devices.toml: a plain sentence of what was found, and what to do, for every trouble."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from drivers.config import DeviceConfig, parse
from drivers.mock.marlin import MockMarlin
from drivers.mock.octoprint import MockOctoPrint
from drivers.mock.wire import stop
from drivers.scan import Finding, Trouble, look
from drivers.scan.looking import Computer, _why_serial
from drivers.scan.servers import _broken, explain
from fablab.device import DeviceRefused, DeviceTimeout, LinkLost, Misfit
from tests.drivers.conftest import Hosts
from tests.drivers.talkers import talker


def device(text: str, folder: Path) -> DeviceConfig:
    return parse(f"[devices.m1]\n{text}\n", folder / "devices.toml")["m1"]


# -- serial


async def test_a_machine_that_is_well_is_described_and_nothing_is_to_do(tmp_path: Path, hosts: Hosts) -> None:
    with MockMarlin(link=tmp_path / "tty", speed=100) as mock:
        found = await look(hosts.config(mock.port), data_dir=hosts.folder)
    assert found.trouble is Trouble.NONE
    assert found.ok
    assert found.said.startswith("answers. Marlin")
    assert ", idle, nozzle " in found.said
    assert "°C" in found.said
    assert found.todo == "Nothing to do."


async def test_a_host_that_is_at_work_is_shared_and_stays(tmp_path: Path, hosts: Hosts) -> None:
    with MockMarlin(link=tmp_path / "tty", speed=1) as mock:
        mine = hosts.at(mock.port)
        await mine.open()
        program = tmp_path / "long.gcode"
        program.write_text("G4 P200\n" * 300)
        await mine.start(program, "t1")
        before = mine.host_pid
        found = await look(hosts.config(mock.port), data_dir=hosts.folder)
        await mine.open()
        after = mine.host_pid
        await mine.quit(force=True)
    assert (found.state, after) == ("running", before)


async def test_another_machine_on_the_port_is_named_beside_the_right_one(
    tmp_path: Path, hosts: Hosts
) -> None:
    with MockMarlin(link=tmp_path / "tty", speed=100) as mock:
        config = hosts.config(mock.port, more='serial_number = "THE-RIGHT-ONE"')
        found = await look(config, data_dir=hosts.folder)
    assert found.trouble is Trouble.WRONG_NUMBER
    assert not found.ok
    assert "THE-RIGHT-ONE" in found.said
    assert "answered" in found.said
    assert "swapped" in found.todo


async def test_another_firmware_on_the_port_names_the_driver_to_write(tmp_path: Path, hosts: Hosts) -> None:
    answers = {b"M115": b"error:20\r\n"}
    with talker(answers, default=b"Grbl 1.1h ['$' for help]\r\n") as port:
        found = await look(hosts.config(port), data_dir=hosts.folder)
    assert found.trouble is Trouble.WRONG_FIRMWARE
    assert 'driver = "grbl"' in found.todo


@pytest.mark.parametrize(
    ("driver", "said", "write"),
    [
        ("grbl", "expected a GRBL 1.1 laser on /x, this answered: T:25.00 /0.00 B:25.00", "marlin"),
        ("grbl", "expected a GRBL 1.1 laser on /x, this answered: echo:busy", "marlin"),
        ("marlin", "expected a Marlin printer on /x, this machine speaks GRBL", "grbl"),
    ],
)
def test_what_was_heard_instead_gives_the_other_firmware_away(
    tmp_path: Path, driver: str, said: str, write: str
) -> None:
    config = device(f'driver = "{driver}"\nport = "{tmp_path}"', tmp_path)
    found = _why_serial(config, Misfit(said), Computer())
    assert f'driver = "{write}"' in found.todo


async def test_silence_suggests_another_rate(hosts: Hosts) -> None:
    with talker({}) as port:
        found = await look(hosts.config(port), data_dir=hosts.folder, within_s=2)
    assert found.trouble is Trouble.SILENT
    assert "250000" in found.todo


@pytest.fixture
def port(tmp_path: Path) -> Path:
    port = tmp_path / "usb-Ada-if00"
    port.touch()
    return port


async def test_a_port_that_is_not_there_names_those_that_are(tmp_path: Path) -> None:
    by_id = tmp_path / "by-id"
    by_id.mkdir()
    (by_id / "usb-Prusa_MK3_CZPX2-if00").touch()
    config = device(f'driver = "marlin"\nport = "{by_id}/usb-Prusa_MK3_CZPX1-if00"', tmp_path)
    found = await look(config, data_dir=tmp_path, computer=Computer(by_id=by_id))
    assert found.trouble is Trouble.PORT_ABSENT
    assert f"port = {by_id}/usb-Prusa_MK3_CZPX2-if00" in found.todo
    assert not (tmp_path / "hosts").exists()


@pytest.mark.parametrize(("there", "words"), [(["usb-Zebra"], "usb-Zebra"), ([], "no USB port")])
async def test_a_port_that_is_like_no_other_lists_all(tmp_path: Path, there: list[str], words: str) -> None:
    by_id = tmp_path / "by-id"
    for name in there:
        by_id.mkdir()
        (by_id / name).touch()
    config = device('driver = "grbl"\nport = "/dev/none-at-all-of-this-name"', tmp_path)
    found = await look(config, data_dir=tmp_path, computer=Computer(by_id=by_id))
    assert words in found.todo


async def test_a_port_this_account_may_not_open_names_the_group(tmp_path: Path, port: Path) -> None:
    config = device(f'driver = "marlin"\nport = "{port}"', tmp_path)
    found = await look(config, data_dir=tmp_path, computer=Computer(may_open=lambda path: False))
    assert found.trouble is Trouble.PORT_FORBIDDEN
    assert "usermod -aG dialout" in found.todo


async def test_a_port_that_another_program_holds_names_the_program(tmp_path: Path, port: Path) -> None:
    (tmp_path / "proc/4242/fd").mkdir(parents=True)
    (tmp_path / "proc/4242/fd/5").symlink_to(port)
    (tmp_path / "proc/4242/cmdline").write_bytes(b"octoprint\0serve")
    config = device(f'driver = "marlin"\nport = "{port}"', tmp_path)
    found = await look(config, data_dir=tmp_path, computer=Computer(proc=tmp_path / "proc"))
    assert found.trouble is Trouble.PORT_HELD
    assert "process 4242 (octoprint serve)" in found.said


@pytest.mark.parametrize(
    ("error", "trouble", "todo"),
    [
        (DeviceRefused("the door is open"), Trouble.FAULT, "says no"),
        (DeviceTimeout("no answer within 25 s"), Trouble.SILENT, "baud = 250000"),
        (Misfit("a.toml has other settings; restart the server"), Trouble.OTHER, "restart the server"),
        (LinkLost("the host did not start: exit code 75"), Trouble.OTHER, "try again"),
        (Misfit("expected a Marlin printer, what answers is unclear"), Trouble.WRONG_FIRMWARE, "--probe"),
        (LinkLost("/dev/x is not there; the machine is off"), Trouble.PORT_ABSENT, "cable"),
    ],
)
def test_what_a_driver_says_becomes_something_to_do(
    tmp_path: Path, error: LinkLost | Misfit | DeviceRefused, trouble: Trouble, todo: str
) -> None:
    gone = trouble is Trouble.PORT_ABSENT
    (tmp_path / "tty").touch()
    config = device(f'driver = "marlin"\nport = "{tmp_path / ("gone" if gone else "tty")}"', tmp_path)
    found = _why_serial(config, error, Computer(by_id=tmp_path / "by-id", proc=tmp_path / "proc"))
    assert (found.trouble, todo in found.todo) == (trouble, True)


def test_a_port_of_another_computer_is_looked_for_there(tmp_path: Path) -> None:
    config = device('driver = "marlin"\nport = "socket://print-server:4000"', tmp_path)
    found = _why_serial(config, LinkLost("cannot be opened: refused"), Computer())
    assert found.trouble is Trouble.REFUSED
    assert "print-server:4000" in found.todo


async def test_a_mock_that_does_not_start_is_no_machines_fault(tmp_path: Path, hosts: Hosts) -> None:
    config = hosts.config(mock=True, more='faults = ["no_such_fault"]')
    found = await look(config, data_dir=hosts.folder)
    assert found.trouble is Trouble.MOCK
    assert "m1.log" in found.todo


async def test_a_person_is_a_machine_that_always_answers(tmp_path: Path) -> None:
    found = await look(device('driver = "manual"', tmp_path), data_dir=tmp_path)
    assert (found.trouble, found.state) == (Trouble.NONE, "idle")


# -- servers


@asynccontextmanager
async def server(
    answers: Mapping[str, tuple[int, str, str]], *, raw: bytes | None = None
) -> AsyncIterator[str]:
    """An HTTP server's URL; `answers`: path -> status, more head, body; anything else is 404. `raw` in place of all."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            asked = await reader.read(4096)
            path = asked.split()[1].decode() if asked.startswith(b"GET ") else "what is this?"
            status, head, body = answers.get(path, (404, "", "<html>nothing here</html>"))
            length = f"Connection: close\r\nContent-Length: {len(body)}\r\n\r\n"
            if raw != b"":
                writer.write(raw or f"HTTP/1.1 {status} X\r\n{head}{length}{body}".encode())
            await (writer.drain() if raw != b"" else reader.read())
        except ConnectionError:
            return
        finally:
            writer.close()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    finally:
        await stop(listener)


def behind(url: str, folder: Path, driver: str = "octoprint", key: str = "0123456789abcdef") -> DeviceConfig:
    return device(f'driver = "{driver}"\nurl = "{url}"\napi_key = "{key}"', folder)


async def explained(url: str, folder: Path, driver: str = "octoprint") -> Finding:
    return await explain(behind(url, folder, driver), "the driver's word; what it would do", answer_s=0.5)


OCTOPRINT = json.dumps({"api": "0.1", "server": "1.11.8", "text": "OctoPrint 1.11.8"})
MOONRAKER = json.dumps({"result": {"klippy_state": "ready"}})
PRUSALINK = json.dumps({"api": "2.0.0", "server": "2.1.2", "text": "PrusaLink"})
DIGEST = 'WWW-Authenticate: Digest realm="Printer API", nonce="1"\r\n'


async def test_an_octoprint_that_is_well_is_described(tmp_path: Path) -> None:
    async with MockOctoPrint() as mock:
        found = await look(behind(mock.url, tmp_path, key=mock.api_key), data_dir=tmp_path)
    assert found.trouble is Trouble.NONE
    assert "OctoPrint" in found.said


async def test_a_printer_that_is_off_behind_its_server_is_not_the_servers_fault(tmp_path: Path) -> None:
    async with MockOctoPrint() as mock:
        mock.unplug()
        found = await look(behind(mock.url, tmp_path, key=mock.api_key), data_dir=tmp_path)
    assert found.ok
    assert found.trouble in (Trouble.PRINTER_OFF, Trouble.FAULT)


async def test_a_key_that_is_not_taken_says_how_to_get_one(tmp_path: Path) -> None:
    async with MockOctoPrint() as mock:
        found = await look(behind(mock.url, tmp_path, key="f" * 32), data_dir=tmp_path)
    assert found.trouble is Trouble.WRONG_KEY
    assert "fablab devices key m1" in found.todo
    assert "ffff" not in found.said + found.todo


@pytest.mark.parametrize(
    ("driver", "answers", "trouble", "words"),
    [
        ("octoprint", {"/api/version": (200, "", OCTOPRINT)}, Trouble.OTHER, "what it would do"),
        ("octoprint", {"/api/version": (200, "", PRUSALINK)}, Trouble.WRONG_SERVER, '"prusalink"'),
        ("octoprint", {"/api/version": (401, DIGEST, "")}, Trouble.WRONG_SERVER, '"prusalink"'),
        ("octoprint", {"/server/info": (200, "", MOONRAKER)}, Trouble.WRONG_SERVER, '"moonraker"'),
        (
            "octoprint",
            {"/api/version": (301, "Location: https://x/\r\n", "")},
            Trouble.WRONG_PATH,
            "https://x/",
        ),
        ("octoprint", {"/api/version": (200, "", "<html>")}, Trouble.WRONG_SERVER, "browser"),
        ("octoprint", {"/api/version": (200, "", "[1]")}, Trouble.WRONG_SERVER, "browser"),
        ("octoprint", {}, Trouble.WRONG_SERVER, "browser"),
        ("moonraker", {"/server/info": (200, "", MOONRAKER)}, Trouble.OTHER, "what it would do"),
        (
            "moonraker",
            {"/server/info": (401, "", '{"error": {"code": 401}}')},
            Trouble.WRONG_KEY,
            "trusted_clients",
        ),
        ("moonraker", {"/api/version": (200, "", OCTOPRINT)}, Trouble.WRONG_SERVER, '"octoprint"'),
        (
            "moonraker",
            {"/api/version": (403, "", '{"error": "no permission"}')},
            Trouble.WRONG_SERVER,
            '"octoprint"',
        ),
        (
            "octoprint",
            {"/api/version": (200, "", '{"text": "Moonraker v0.9"}')},
            Trouble.WRONG_SERVER,
            '"moonraker"',
        ),
        ("prusalink", {"/api/version": (401, DIGEST, "")}, Trouble.WRONG_KEY, "Settings > Network"),
        ("prusalink", {"/api/version": (200, "", PRUSALINK)}, Trouble.OTHER, "what it would do"),
    ],
)
async def test_what_a_server_answers_tells_what_to_do(
    tmp_path: Path, driver: str, answers: Mapping[str, tuple[int, str, str]], trouble: Trouble, words: str
) -> None:
    async with server(answers) as url:
        found = await explained(url, tmp_path, driver)
    assert (found.trouble, words in found.todo) == (trouble, True), found


async def test_a_path_too_many_is_found_out(tmp_path: Path) -> None:
    async with server({"/api/version": (200, "", OCTOPRINT)}) as url:
        found = await explained(f"{url}/octoprint", tmp_path)
    assert found.trouble is Trouble.WRONG_PATH
    assert f"url = {url}" in found.todo


async def test_a_closed_port_names_the_usual_ones(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        found = await explained(f"http://127.0.0.1:{taken.getsockname()[1]}", tmp_path, "moonraker")
    assert found.trouble is Trouble.REFUSED
    assert "7125" in found.todo


async def test_a_server_that_never_answers_is_silent(tmp_path: Path) -> None:
    async with server({}, raw=b"") as url:
        found = await explained(url, tmp_path)
    assert found.trouble is Trouble.SILENT


async def test_what_speaks_no_http_is_no_server_of_ours(tmp_path: Path) -> None:
    async with server({}, raw=b"SSH-2.0-OpenSSH_9.2\r\n") as url:
        found = await explained(url, tmp_path)
    assert found.trouble is Trouble.WRONG_SERVER


async def test_https_where_plain_http_is_spoken_is_said_so(tmp_path: Path) -> None:
    async with server({}) as url:
        found = await explained(url.replace("http", "https"), tmp_path)
    assert found.trouble is Trouble.TLS
    assert "http://" in found.todo


@pytest.mark.parametrize(
    ("cause", "trouble"),
    [
        (socket.gaierror(-2, "Name or service not known"), Trouble.UNKNOWN_HOST),
        (ssl.SSLCertVerificationError(1, "self-signed certificate"), Trouble.TLS),
        (OSError(113, "No route to host"), Trouble.SILENT),
    ],
)
async def test_why_there_was_no_connection_is_told_apart(
    tmp_path: Path, cause: Exception, trouble: Trouble
) -> None:
    error = httpx.ConnectError("no")
    error.__cause__ = cause
    assert _broken(error).trouble is trouble


async def test_a_name_nobody_has_says_where_to_look(tmp_path: Path) -> None:
    found = await explained("http://-.invalid", tmp_path)
    assert found.trouble in (Trouble.UNKNOWN_HOST, Trouble.SILENT)
