"""The server that the mocks of networked machines share, and what the mocked OctoPrint does beside printing."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from drivers.mock.camera import BOUNDARY, jpeg
from drivers.mock.network_faults import FAULTS, parse
from drivers.mock.octoprint import Fault, MockOctoPrint, Stored
from drivers.mock.printer import Printer, command_of


@pytest.fixture
async def mock() -> AsyncIterator[MockOctoPrint]:
    async with MockOctoPrint(speed=100) as one:
        yield one


@pytest.fixture
async def client(mock: MockOctoPrint) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"X-Api-Key": mock.api_key}
    async with httpx.AsyncClient(base_url=mock.url, headers=headers, trust_env=False, timeout=5) as one:
        yield one


# -- faults in words


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("http_500", (Fault.HTTP_500, 1.0, "")),
        ("http_500:3", (Fault.HTTP_500, 3.0, "")),
        ("lost:2@POST /api/job", (Fault.LOST, 2.0, "POST /api/job")),
        ("half_open", (Fault.HALF_OPEN, 30.0, "")),
    ],
)
def test_a_fault_is_written_as_kind_value_and_request(text: str, meant: tuple[Fault, float, str]) -> None:
    assert parse(text) == meant


@pytest.mark.parametrize("text", ["", "flood", "lost:", "lost:-1", "lost@/api", "lost:1:2", "http_500 "])
def test_what_is_no_fault_is_said_with_those_there_are(text: str) -> None:
    with pytest.raises(ValueError, match="there are: lost"):
        parse(text)


def test_every_fault_says_what_it_does() -> None:
    assert set(FAULTS) == set(Fault)
    assert all(meaning.words for meaning in FAULTS.values())


async def test_a_fault_counted_in_times_goes_away(mock: MockOctoPrint, client: httpx.AsyncClient) -> None:
    mock.inject("http_500:2@GET /api/job")
    codes = [(await client.get(path)).status_code for path in ("/api/version", *["/api/job"] * 3)]
    assert codes == [200, 500, 500, 200]


async def test_a_storm_lasts_for_its_time_and_lets_looks_through(
    mock: MockOctoPrint, client: httpx.AsyncClient
) -> None:
    mock.inject("conflict_storm:0.2")
    assert (await client.get("/api/job")).status_code == 200
    assert (await client.post("/api/connection")).status_code == 409
    await asyncio.sleep(0.25)
    assert (await client.post("/api/connection")).status_code == 204


async def test_a_half_open_connection_says_nothing_and_a_later_one_does(
    mock: MockOctoPrint, client: httpx.AsyncClient
) -> None:
    mock.inject("half_open:0.3")
    with pytest.raises(httpx.ReadTimeout):
        await client.get("/api/job", timeout=0.1)
    await asyncio.sleep(0.3)
    assert (await client.get("/api/job")).status_code == 200


async def test_dropped_sockets_are_refused_for_a_while(mock: MockOctoPrint) -> None:
    address = f"ws://127.0.0.1:{mock.port}/sockjs/websocket"
    async with connect(address, proxy=None) as socket:
        assert "connected" in str(await socket.recv())
        mock.inject("socket_drop:0.2")
        with pytest.raises(ConnectionClosed):
            await socket.recv()
    with pytest.raises(InvalidStatus):
        await connect(address, proxy=None)
    await asyncio.sleep(0.2)
    async with connect(address, proxy=None) as socket:
        await socket.send("not json")
        await socket.send('{"auth": "lab:nobody"}')
        assert "connected" in str(await socket.recv())


async def test_a_killed_server_comes_back_on_its_port(mock: MockOctoPrint, client: httpx.AsyncClient) -> None:
    mock.inject("server_killed:0.1")
    codes: list[int] = []
    async with asyncio.timeout(5):
        while not codes or codes.count(200) < 2 or 0 not in codes:
            try:
                codes.append((await client.get("/api/job")).status_code)
            except httpx.HTTPError:
                codes.append(0)
            await asyncio.sleep(0.01)
    assert codes[-1] == 200


async def test_a_lost_printer_comes_back_after_its_time_and_not_by_connecting(
    mock: MockOctoPrint, client: httpx.AsyncClient
) -> None:
    mock.inject("printer_lost:0.2")
    await client.post("/api/connection")
    assert mock.text == "Offline"
    async with asyncio.timeout(5):
        while mock.text != "Operational":
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("kind", [Fault.HALF_ANSWER, Fault.GARBAGE])
async def test_an_answer_without_a_body_is_damaged_in_its_head(
    mock: MockOctoPrint, client: httpx.AsyncClient, kind: Fault
) -> None:
    mock.fault(kind, "POST /api/connection")
    with pytest.raises(httpx.RemoteProtocolError):
        await client.post("/api/connection")


# -- hostile requests


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET /" + b"x" * 70000,
    ],
)
async def test_what_is_no_request_is_cut_off_and_the_server_goes_on(
    mock: MockOctoPrint, client: httpx.AsyncClient, sent: bytes
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", mock.port)
    writer.write(sent)
    async with asyncio.timeout(5):
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
    writer.close()
    assert (await client.get("/api/version")).status_code == 200


async def test_a_client_that_asks_leave_to_send_a_body_gets_it(mock: MockOctoPrint) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", mock.port)
    writer.write(b"POST /api/job HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
    assert await reader.readline() == b"HTTP/1.1 100 Continue\r\n"
    writer.write(b"{}")
    await reader.readline()
    assert (await reader.readline()).startswith(b"HTTP/1.1 400")
    writer.close()


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/", None, 404),
        ("GET", "/api/nothing", None, 404),
        ("POST", "/api/nothing", None, 404),
        ("DELETE", "/api/files/local/fablab/no.gcode", None, 500),
        ("GET", "/api/files/local/no.gcode", None, 404),
        ("POST", "/api/job", {"command": "cancel"}, 409),
        ("GET", "/webcam/", None, 404),
        ("POST", "/plugin/appkeys/request", {}, 400),
        ("GET", "/plugin/appkeys/request/nobody", None, 404),
        ("GET", "/plugin/appkeys/nothing", None, 404),
    ],
)
async def test_addresses_answer_as_measured(
    client: httpx.AsyncClient, method: str, path: str, body: Any, status: int
) -> None:
    assert (await client.request(method, path, json=body)).status_code == status


async def test_a_file_that_prints_cannot_be_deleted(mock: MockOctoPrint, client: httpx.AsyncClient) -> None:
    mock.files["a.gcode"] = Stored(content=b"G4 P100000\n" * 100, date=1.0)
    mock.print_by_hand("a.gcode")
    assert (await client.delete("/api/files/local/a.gcode")).status_code == 409
    told = (await client.get("/api/files/local/a.gcode")).json()
    assert (told["name"], told["size"]) == ("a.gcode", 1100)


# -- app keys


@pytest.mark.parametrize(("yes", "status"), [(True, 200), (False, 404)])
async def test_an_app_key_is_asked_for_and_decided(
    mock: MockOctoPrint, client: httpx.AsyncClient, yes: bool, status: int
) -> None:
    assert (await client.get("/plugin/appkeys/probe")).status_code == 204
    asked = await client.post("/plugin/appkeys/request", json={"app": "fablab"})
    assert asked.status_code == 201
    assert (await client.get(asked.headers["Location"])).status_code == 202
    mock.decide_key(yes)
    answer = await client.get(asked.headers["Location"])
    assert answer.status_code == status
    assert answer.json().get("api_key") == (mock.api_key if yes else None)


# -- the camera


def segments(picture: bytes) -> dict[int, bytes]:
    """Marker -> content, up to the scan."""
    found, at = {}, 2
    while True:
        marker, length = struct.unpack(">xBH", picture[at : at + 4])
        found[marker] = picture[at + 4 : at + 2 + length]
        at += 2 + length
        if marker == 0xDA:
            return found


async def test_a_snapshot_is_a_baseline_jpeg(client: httpx.AsyncClient) -> None:
    answer = await client.get("/webcam/?action=snapshot")
    picture = answer.content
    assert answer.headers["content-type"] == "image/jpeg"
    assert (picture[:2], picture[-2:]) == (b"\xff\xd8", b"\xff\xd9")
    parts = segments(picture)
    assert set(parts) == {0xDB, 0xC0, 0xC4, 0xDA}
    assert struct.unpack(">BHH", parts[0xC0][:5]) == (8, 96, 128)


async def test_a_stream_is_pictures_that_change(client: httpx.AsyncClient) -> None:
    received = b""
    async with client.stream("GET", "/webcam/?action=stream") as answer:
        assert answer.headers["content-type"] == f"multipart/x-mixed-replace;boundary={BOUNDARY}"
        async for piece in answer.aiter_bytes():
            received += piece
            if received.count(b"\xff\xd9\r\n") == 2:
                break
    pictures = [
        part.partition(b"\r\n\r\n")[2].removesuffix(b"\r\n")
        for part in received.split(b"--" + BOUNDARY.encode())
    ]
    assert pictures[1:] == [jpeg(0), jpeg(1)]


# -- the pretended printer


def test_a_host_sends_neither_comments_nor_empty_lines() -> None:
    lines = ["G1 X1 ; move", "; nothing", "", "  M104 S200  "]
    assert [command_of(line) for line in lines] == ["G1 X1", "", "", "M104 S200"]


async def test_targets_follow_the_program() -> None:
    printer = Printer(speed=1e4)
    printer.begin("a.gcode", b"M140 S60\nM109 R210\nM104 T7 S99\nM190 S60\nG4 S1\nG1 X1\nM104 S0\n")
    await printer.run()
    assert printer.targets_c == {"tool0": 0.0, "bed": 60.0}
    assert printer.heaters["bed"].actual_c == 60.0
    assert printer.elapsed_s > (210 - 21) / 20 + 1
    assert printer.prints[0].whole
