"""Nothing that a machine, a line or a person sends breaks a parser: no crash, no hang.

The full counts of the house (1,000,000 random bytes and 100,000 damaged replies into each parser) and what the
event loop feels of it are printed by `python -m tests.bench fuzz`; here it is a tenth of the replies.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from drivers.lines import Lines, ScriptPort
from drivers.marlin import Limits, Marlin
from drivers.mock.moonraker import MockMoonraker
from drivers.mock.octoprint import MockOctoPrint
from drivers.mock.prusalink import MockPrusaLink
from drivers.mock.server import NetworkMock
from drivers.mock.wire import Wire, read, stop
from drivers.moonraker import Moonraker
from drivers.octoprint import OctoPrint
from drivers.prusalink import PrusaLink
from fablab.device import Device, DeviceError, LinkLost
from tests.drivers import recorded
from tests.drivers.doubles import until
from tests.drivers.fuzzing import PARSERS, feed, mutants, noise

HANG_S = 2.0
RANDOM_BYTES = 1_000_000
MUTANTS = 10_000

MOCKS: dict[str, Callable[[], NetworkMock]] = {
    "octoprint": MockOctoPrint,
    "moonraker": MockMoonraker,
    "prusalink": MockPrusaLink,
}


@contextlib.contextmanager
def nothing_escapes(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """No task of the event loop dies of an error nobody expected, and nothing is logged as our own failure."""
    loop, escaped = asyncio.get_running_loop(), list[dict[str, Any]]()
    loop.set_exception_handler(lambda _, context: escaped.append(context))
    caplog.set_level(logging.ERROR)
    yield
    assert escaped == []
    assert [record.getMessage() for record in caplog.records] == []


async def _lost(device: Device) -> LinkLost:
    """Watch to the end."""
    try:
        async with asyncio.timeout(60):
            async for _ in device.watch():
                pass
    except LinkLost as error:
        return error
    raise AssertionError("the watch ended without a word")


@pytest.mark.parametrize("name", PARSERS)
def test_random_bytes_break_no_parser(name: str) -> None:
    assert feed(PARSERS[name], noise(7, RANDOM_BYTES)).slowest_s < HANG_S


@pytest.mark.parametrize("name", PARSERS)
def test_damaged_replies_break_no_parser(name: str) -> None:
    parser = PARSERS[name]
    assert feed(parser, mutants(parser.samples, MUTANTS, 11)).slowest_s < HANG_S


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("name", PARSERS)
def test_many_more_damaged_replies_break_no_parser(name: str, seed: int) -> None:
    parser = PARSERS[name]
    assert feed(parser, mutants(parser.samples, 100_000, seed)).slowest_s < HANG_S


# -- a Marlin at the end of a noisy line


async def test_a_marlin_that_babbles_is_lost_and_never_a_failure_of_ours(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def answer(data: bytes) -> list[bytes | None]:
        told: list[bytes | None] = [b"ok\n"] * data.count(b"\n")
        return [b"FIRMWARE_NAME:Marlin 2.0\n", *told] if b"M115" in data else told

    port = ScriptPort(answer)
    limits = Limits(open_s=1, hello_s=0.05, silence_s=0.05, busy_silence_s=0.05, long_s=0.1, tick_s=0.001)
    device = Marlin(name="m", port="x", limits=limits, connect=lambda: Lines(port))
    with nothing_escapes(caplog):
        await device.open()
        # not "start" and the like: each would be answered by a handshake with its own waits
        samples = [s for s in recorded.MARLIN if not s.startswith((b"start", b"PowerUp", b"Marlin"))]
        lines = mutants(samples, 5_000, 3)
        while piece := list(itertools.islice(lines, 50)):
            port.say(b"\n".join(piece) + b"\n")
        port.say(*noise(3, 100_000), None)
        assert "the driver itself failed" not in str(await _lost(device))
        await device.close()


# -- servers that answer anything


class Liar:
    """An HTTP server that answers with damaged replies, damaged heads included."""

    def __init__(self, samples: list[bytes], seed: int) -> None:
        self._bodies = mutants(samples, 1_000_000, seed)
        self._heads = mutants([b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"], 1_000_000, seed)
        self._told = itertools.count()
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                body = next(self._bodies)
                honest = next(self._told) % 4 != 0
                head = (
                    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n" if honest else next(self._heads)
                )
                writer.write(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def liar(samples: list[bytes], seed: int = 5) -> AsyncIterator[str]:
    server = await asyncio.start_server(Liar(samples, seed).serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        await stop(server)


DRIVERS: dict[str, tuple[Callable[[str], Device], list[bytes]]] = {
    "octoprint": (
        lambda url: OctoPrint(name="o", url=url, api_key="k", answer_s=0.3, safe_s=0.3),
        recorded.OCTOPRINT,
    ),
    "moonraker": (
        lambda url: Moonraker(name="m", url=url, api_key="k", answer_s=0.3, safe_s=0.3),
        recorded.MOONRAKER,
    ),
    "prusalink": (
        lambda url: PrusaLink(name="p", url=url, api_key="k", answer_s=0.3, safe_s=0.3),
        recorded.PRUSALINK,
    ),
}


@pytest.mark.parametrize("name", DRIVERS)
async def test_a_server_that_answers_anything_is_met_with_the_ports_errors(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    make, samples = DRIVERS[name]
    with nothing_escapes(caplog):
        async with liar(samples) as url:

            async def one() -> None:
                device = make(url)
                for _ in range(15):
                    with contextlib.suppress(DeviceError):
                        await device.open()
                await device.make_safe()
                await device.close()

            await asyncio.gather(*(one() for _ in range(8)))


def _network(name: str, mock: Any) -> Device:
    if name == "octoprint":
        return OctoPrint(name="o", url=mock.url, api_key=mock.api_key, look_s=0.5)
    return Moonraker(name="m", url=mock.url, api_key=mock.api_key, look_s=0.5)


@pytest.mark.parametrize("name", ["octoprint", "moonraker"])
async def test_damaged_pushes_are_survived_or_end_the_watch(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    samples = recorded.OCTOPRINT if name == "octoprint" else recorded.MOONRAKER
    with nothing_escapes(caplog):
        async with MOCKS[name]() as mock:
            device = _network(name, mock)
            await device.open()
            for number, data in enumerate(mutants(samples, 2_000, 13)):
                mock.say(data.decode(errors="replace"))
                if number % 100 == 0:
                    await asyncio.sleep(0)
            mock.hang_up()
            await _lost(device)
            await device.close()


# -- what the mocks are asked


def _requests(mock: Any) -> list[bytes]:
    """Requests as our drivers make them, with a right key."""
    key = f"X-Api-Key: {mock.api_key}\r\n"
    form = (
        '--b\r\nContent-Disposition: form-data; name="path"\r\n\r\nfablab\r\n--b\r\nContent-Disposition: '
        'form-data; name="file"; filename="lab-r1.gcode"\r\n\r\nG28\r\n--b--\r\n'
    )
    bodies: list[tuple[str, str, str]] = [
        ("GET /api/version", "", ""),
        ("GET /api/v1/status", "", ""),
        ("GET /api/job", "", ""),
        ("GET /api/printer?history=true&limit=1", "", ""),
        ("GET /server/info", "", ""),
        ("GET /printer/objects/query?webhooks&print_stats", "", ""),
        ("GET /server/history/list?limit=5", "", ""),
        ("PUT /api/v1/files/local/lab-r1.gcode", "text/x.gcode", "G28\n"),
        ("PUT /api/v1/job/42/pause", "", ""),
        ("DELETE /api/v1/job/42", "", ""),
        ("POST /api/printer/tool", "application/json", '{"command":"target","targets":{"tool0":0}}'),
        ("POST /api/printer/bed", "application/json", '{"command":"target","target":0}'),
        ("POST /api/printer/command", "application/json", '{"commands":["M104 S0","M105"]}'),
        ("POST /api/job", "application/json", '{"command":"pause","action":"pause"}'),
        ("POST /api/login", "application/json", '{"passive":true}'),
        ("POST /api/files/local", "multipart/form-data; boundary=b", form),
        ("POST /server/files/upload", "multipart/form-data; boundary=b", form),
        ("POST /printer/print/start?filename=lab-r1.gcode", "", ""),
        ("POST /printer/gcode/script", "application/json", '{"script":"M104 S0"}'),
    ]
    return [
        f"{called} HTTP/1.1\r\nHost: x\r\n{key}Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()
        for called, kind, body in bodies
    ]


@pytest.mark.parametrize("name", MOCKS)
async def test_a_mock_answers_any_request_or_cuts_the_connection(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    with nothing_escapes(caplog):
        async with MOCKS[name]() as mock:
            for data in itertools.chain(mutants(_requests(mock), 4_000, 17), noise(17, 100_000)):
                reader = asyncio.StreamReader(limit=65536)
                reader.feed_data(data)
                reader.feed_eof()
                wire = Wire(reader, cast("asyncio.StreamWriter", None), mute=True)
                # These are what the server cuts a connection for.
                cuts = (ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError)
                with contextlib.suppress(*cuts):
                    request = await read(wire, prefix="", max_body=1_000_000)
                    status = 200 if request is None else (await mock.answer(request))[0]
                    assert 200 <= status < 600


@pytest.mark.parametrize("name", ["octoprint", "moonraker"])
async def test_a_mock_hears_anything_on_its_websocket(name: str, caplog: pytest.LogCaptureFixture) -> None:
    samples = [
        b'{"subscribe": {"state": {"logs": false}, "events": ["PrintDone"], "plugins": false}}',
        b'{"auth": "lab:session1"}',
        b'{"throttle": 4}',
        b'{"jsonrpc": "2.0", "method": "server.connection.identify", "params": {"api_key": "KEY"}, "id": 1}',
        b'{"jsonrpc": "2.0", "method": "printer.objects.subscribe", "params": {"objects": {"heaters": null}}, "id": 2}',
    ]
    with nothing_escapes(caplog):
        async with MOCKS[name]() as mock:
            samples = [s.replace(b"KEY", cast("Any", mock).api_key.encode()) for s in samples]
            address = f"ws://127.0.0.1:{mock.port}{mock.socket_path}"
            async with connect(address, proxy=None, max_size=None, close_timeout=0.5) as socket:
                with contextlib.suppress(ConnectionClosed):
                    for data in mutants(samples, 2_000, 19):
                        await socket.send(data.decode(errors="replace"))
                sent = asyncio.create_task(socket.close())
                await until(lambda: sent.done())
            async with connect(address, proxy=None):
                pass


def test_every_recorded_reply_is_used() -> None:
    assert all(parser.samples for parser in PARSERS.values())
    assert {p.stem for p in Path(recorded.__file__).with_name("recordings").iterdir()} == set(MOCKS)
