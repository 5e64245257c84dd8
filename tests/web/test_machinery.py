"""The machines page's hands: real drivers against mocks, a key from an OctoPrint, links made anew."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from drivers.mock.marlin import MockMarlin
from drivers.mock.octoprint import MockOctoPrint
from fablab.base.errors import Conflict, Invalid, NotFound
from fablab.device import LinkState
from scheduler.dispatch import Dispatcher
from tests.lab import Lab
from web.fleet import KeyState, Wish
from web.machinery import Devices, Workshop
from web.settings import Settings

ADMIN, OTHER = 4, 5


@asynccontextmanager
async def workshop(lab: Lab, folder: Path, toml: str = "") -> AsyncIterator[tuple[Workshop, Dispatcher]]:
    (folder / "devices.toml").write_text(toml)
    settings = Settings(data_dir=folder)
    devices = Devices(settings, lab.clock)
    devices.read_strictly()
    dispatcher = Dispatcher(lab.database, devices.links(), lambda _: Path(__file__), lab.clock)
    found = Workshop(settings, lab.clock, devices, dispatcher, scan_s=0)
    await dispatcher.begin()
    try:
        yield found, dispatcher
    finally:
        await found.close()
        await dispatcher.close()


async def settled(found: Workshop, key: str, member: int = ADMIN) -> KeyState:
    async with asyncio.timeout(10):
        while (state := found.key_request(member, key).state) is KeyState.WAITING:
            await asyncio.sleep(0.02)
    return state


@pytest.mark.parametrize(("yes", "state"), [(True, KeyState.GRANTED), (False, KeyState.DENIED)])
async def test_a_key_is_asked_for_and_comes_to_the_server_alone(
    lab: Lab, tmp_path: Path, yes: bool, state: KeyState
) -> None:
    async with MockOctoPrint() as server, workshop(lab, tmp_path) as (found, _):
        asked = await found.ask_for_key(ADMIN, server.url)
        assert asked.state is KeyState.WAITING
        assert asked.page.startswith(server.url)
        server.decide_key(yes=yes)
        assert await settled(found, asked.id) is state
        assert found.kept(ADMIN, asked.id) == (server.api_key if yes else "")
        assert found.kept(OTHER, asked.id) == ""
        with pytest.raises(NotFound):
            found.key_request(OTHER, asked.id)


async def test_where_no_octoprint_is_no_key_can_be_asked_for(lab: Lab, tmp_path: Path) -> None:
    async with workshop(lab, tmp_path) as (found, _):
        asked = await found.ask_for_key(ADMIN, "http://127.0.0.1:9")
        assert (asked.state, "no connection" in asked.said) == (KeyState.FAILED, True)
        with pytest.raises(Invalid):
            await found.ask_for_key(ADMIN, "file:///etc/passwd")


async def test_a_server_is_tried_with_its_key_before_it_is_saved(lab: Lab, tmp_path: Path) -> None:
    async with MockOctoPrint() as server, workshop(lab, tmp_path) as (found, _):
        right = Wish(name="new", driver="octoprint", url=server.url, secret=server.api_key)
        wrong = Wish(name="new", driver="octoprint", url=server.url, secret="F" * 32)
        troubles = [(await found.try_now(wish)).trouble for wish in (right, wrong)]
        assert troubles == ["none", "wrong_key"]


async def test_a_port_is_asked_who_is_there_and_closed_again(lab: Lab, tmp_path: Path) -> None:
    with MockMarlin(link=tmp_path / "tty", speed=100) as mock:
        async with workshop(lab, tmp_path) as (found, _):
            check = await found.try_now(Wish(name="new", driver="marlin", port=mock.port))
    assert (check.trouble, check.driver, check.baud) == ("none", "marlin", 115200)
    assert check.firmware.startswith("Marlin")
    assert check.serial_number
    assert not (tmp_path / "hosts").exists()


async def test_a_port_that_another_machine_has_is_not_opened(lab: Lab, tmp_path: Path) -> None:
    toml = '[devices.ours]\ndriver = "marlin"\nport = "/dev/serial/by-id/usb-ours"\n'
    async with workshop(lab, tmp_path, toml) as (found, _):
        check = await found.try_now(Wish(name="new", driver="marlin", port="/dev/serial/by-id/usb-ours"))
        assert (check.trouble, check.said) == ("port_held", "ours")


async def test_a_changed_table_is_taken_when_it_is_tried_again(lab: Lab, tmp_path: Path) -> None:
    table = '[devices.mk3]\ndriver = "octoprint"\nurl = "{}"\napi_key = "{}"\n'
    async with MockOctoPrint() as server:
        toml = table.format("http://127.0.0.1:9", "A" * 32)
        async with workshop(lab, tmp_path, toml) as (found, dispatcher):
            before = dispatcher.links[lab.resources["mk3"]]
            await found.retry("mk3")
            assert dispatcher.links[lab.resources["mk3"]] is before
            (tmp_path / "devices.toml").write_text(table.format(server.url, server.api_key))
            await found.retry("mk3")
            after = dispatcher.links[lab.resources["mk3"]]
            assert after is not before
            async with asyncio.timeout(10):
                while after.state is not LinkState.ONLINE:
                    await asyncio.sleep(0.02)
            with pytest.raises(NotFound):
                await found.retry("nothing")


async def test_a_scan_without_a_network_finds_what_is_on_the_ports(lab: Lab, tmp_path: Path) -> None:
    async with workshop(lab, tmp_path) as (found, _):
        for seen in await found.scan():
            assert not seen.is_url
            assert seen.known_as == ""


async def test_a_table_that_only_a_person_can_change_stays(lab: Lab, tmp_path: Path) -> None:
    toml = 'devices = { mk3 = { driver = "manual" } }\n'
    async with workshop(lab, tmp_path, toml) as (found, _):
        for change in (
            lambda: found.erase("mk3"),
            lambda: found.write(Wish(name="nova", driver="octoprint", url="http://x.local", secret="A" * 32)),
        ):
            with pytest.raises((Conflict, Invalid)):
                change()
        assert (tmp_path / "devices.toml").read_text() == toml
        assert not (tmp_path / "nova.key").exists()
