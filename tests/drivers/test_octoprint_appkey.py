"""An application key from OctoPrint, as a person grants it, denies it, or never looks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from drivers.mock.octoprint import Fault, MockOctoPrint
from drivers.mock.wire import stop
from drivers.octoprint import appkey
from drivers.octoprint.appkey import NoAppKeys, NoKey, State
from fablab.device import DeviceError, DeviceRefused, LinkLost, Misfit

QUICK = {"within_s": 5.0, "every_s": 0.02, "answer_s": 0.5}


@pytest.fixture
async def server() -> AsyncIterator[MockOctoPrint]:
    async with MockOctoPrint() as mock:
        yield mock


async def test_a_key_comes_when_a_person_allows_it(server: MockOctoPrint) -> None:
    pending = await appkey.request_key(server.url)
    heard: list[State] = []

    def tell(state: State) -> None:
        heard.append(state)
        server.decide_key(yes=True)

    key = await appkey.wait(pending, **QUICK, tell=tell)
    assert key.reveal() == server.api_key
    assert heard == [State.WAITING, State.GRANTED]


async def test_the_page_where_a_person_answers_is_named(server: MockOctoPrint) -> None:
    pending = await appkey.request_key(server.url)
    assert pending.page == f"{server.url}/plugin/appkeys/auth/{pending.token.reveal()}"


async def test_a_denied_request_says_so(server: MockOctoPrint) -> None:
    pending = await appkey.request_key(server.url)
    server.decide_key(yes=False)
    with pytest.raises(NoKey) as caught:
        await appkey.wait(pending, **QUICK)
    assert caught.value.state is State.DENIED


async def test_nobody_answers_for_ever(server: MockOctoPrint) -> None:
    pending = await appkey.request_key(server.url)
    with pytest.raises(NoKey) as caught:
        await appkey.wait(pending, within_s=0.1, every_s=0.02)
    assert caught.value.state is State.EXPIRED


async def test_a_lost_answer_is_asked_for_again(server: MockOctoPrint) -> None:
    pending = await appkey.request_key(server.url)
    server.inject(Fault.LOST)
    server.decide_key(yes=True)
    with pytest.raises(NoKey) as caught:  # it was in the lost answer, and is handed out once
        await appkey.wait(pending, **QUICK)
    assert caught.value.state is State.EXPIRED


async def test_no_message_repeats_the_token(server: MockOctoPrint) -> None:
    pending = await appkey.request_key(server.url)
    said = [repr(pending)]
    for status in (301, 400, 429, 403, 404):
        said.append(str(appkey._refined(status, "no", f"GET {pending.token.reveal()}")))
    assert pending.token.reveal() not in " ".join(said)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (302, Misfit),
        (401, NoAppKeys),
        (403, NoAppKeys),
        (429, DeviceRefused),
        (400, DeviceRefused),
        (500, LinkLost),
    ],
)
async def test_every_answer_of_another_kind_is_an_error_of_ours(status: int, kind: type[DeviceError]) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
        await writer.drain()
        writer.close()

    listener = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        port = listener.sockets[0].getsockname()[1]
        with pytest.raises(kind):
            await appkey.request_key(f"http://127.0.0.1:{port}", answer_s=2)
    finally:
        await stop(listener)


async def test_an_octoprint_without_the_plugin_is_said_so(server: MockOctoPrint) -> None:
    with pytest.raises(NoAppKeys, match="Application Keys") as caught:
        await appkey.request_key(server.url + "/nothing/here")
    assert caught.value.state is State.UNSUPPORTED


@pytest.mark.parametrize(
    "page",
    [
        "https://evil.example/plugin/appkeys/auth/x",
        "javascript:alert(1)",
        "http://octopi.local/a b",
        "http://octopi.local/\x1b[31m",
        "http://[bad",
        "http://octopi.local/" + "x" * 500,
        "",
    ],
)
def test_a_page_on_another_machine_is_not_shown(page: str) -> None:
    assert appkey._own_page(page, "http://octopi.local") == ""
