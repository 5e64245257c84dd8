"""`web.fleet.Fleet` over the real drivers: tests that disturb no print, and changes of devices.toml."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import tempfile
from collections.abc import Coroutine, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import structlog

from drivers import scan
from drivers.config import ConfigError, DeviceConfig, NetworkOptions, Secret, SerialOptions, edit, parse
from drivers.host import HostedDevice
from drivers.link import Link
from drivers.octoprint import appkey
from drivers.scan import Kind as FoundKind
from drivers.scan import Trouble
from drivers.scan.blocks import name_for
from drivers.scan.ports import holders
from fablab.base.clock import Clock
from fablab.base.errors import Conflict, Invalid, NotFound
from fablab.device import DeviceError, DeviceState, LinkState
from scheduler.dispatch import Dispatcher, MachineLink
from web.fleet import Check, DeviceFacts, KeyRequest, KeyState, Seen, Wish
from web.machinery.devices import Devices
from web.machinery.drawer import Drawer
from web.settings import Settings

log = structlog.get_logger("web")

SCAN_S: Final = 3.0
FRESH_S: Final = 10.0  # a status so young is news enough of a machine that is online
TEST_S: Final = 25.0
AGAIN_S: Final = 1.0  # a link that was asked to try again has begun to by then
BAUDS: Final = (115200, 250000)
_STATES: Final = {state.value: KeyState(state.value) for state in appkey.State}
_FIELD: Final = re.compile(r"(port|baud|url|user|password|api_key)(_file)?: ")
_FIELDS: Final = {"password": "secret", "api_key": "secret"}


class Workshop:
    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        devices: Devices,
        dispatcher: Dispatcher,
        *,
        scan_s: float = SCAN_S,
    ) -> None:
        self._scan_s = scan_s
        self._settings = settings
        self._clock = clock
        self._devices = devices
        self._dispatcher = dispatcher
        self._tests: dict[str, Check] = {}
        self._tried: Drawer[Check] = Drawer()
        self._secrets: Drawer[str] = Drawer()
        self._requests: Drawer[KeyRequest] = Drawer()
        self._tasks: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        """Tests and requests that are under way are given up."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def file(self) -> Path:
        return self._devices.file

    @property
    def is_writable(self) -> bool:
        """The file is replaced in one step, so it is its folder that counts."""
        file = Path(os.path.realpath(self.file))
        folder = file.parent
        return (
            folder.is_dir() and os.access(folder, os.W_OK) and (not file.exists() or os.access(file, os.W_OK))
        )

    def devices(self) -> Mapping[str, DeviceFacts]:
        return self._devices.facts()

    def problem(self) -> str:
        self._devices.configs()
        return self._devices.problem

    # -- testing ---------------------------------------------------------------------------------------------

    def last_test(self, device: str) -> Check | None:
        return self._tests.get(device)

    def test(self, device: str) -> Check:
        config = self._devices.configs().get(device)
        if config is None:
            raise NotFound("machine.no_device", machine=device)
        running = self._tests.get(device)
        if running is None or not running.is_running:
            running = self._tests[device] = Check(began_at=self._clock.now())
            self._spawn(self._test(config, running))
        return running

    async def _test(self, config: DeviceConfig, check: Check) -> None:
        self._tests[config.name] = await self._ended(check, self._look(config, check))

    async def _look(self, config: DeviceConfig, check: Check) -> Check:
        """What the link knows, if it is up: nothing is opened beside it. Else it tries again, and so do we."""
        link = self._link(config.name)
        if link is not None and link.state is not LinkState.ONLINE:
            await self.retry(config.name)
            link = self._link(config.name)
        if link is not None and await _comes_up(link):
            return _of_link(check, link)
        finding = await scan.look(config, data_dir=self._settings.data_dir, within_s=TEST_S)
        return replace(check, trouble=finding.trouble.value, said=finding.said)

    async def retry(self, device: str) -> None:
        link = self._link(device)
        if link is None:
            raise NotFound("machine.no_device", machine=device)
        if link.state is not LinkState.ONLINE and self._devices.has_changed(device):
            await self._dispatcher.remove(device)
            await self.follow(device)
        else:
            link.retry()

    def _link(self, device: str) -> MachineLink | None:
        return next((link for link in self._dispatcher.links.values() if link.name == device), None)

    def try_out(self, member_id: int, wish: Wish) -> str:
        config = self._config(wish)
        check = Check(began_at=self._clock.now())
        key = self._tried.put(member_id, check)

        async def look() -> None:
            found = await self._ended(check, self._look_for(config, check))
            self._tried.replace(member_id, key, found)

        self._spawn(look())
        return key

    async def try_now(self, wish: Wish) -> Check:
        check = Check(began_at=self._clock.now())
        return await self._ended(check, self._look_for(self._config(wish), check))

    def tried_out(self, member_id: int, check_id: str) -> Check:
        found = self._tried.get(member_id, check_id)
        if found is None:
            raise NotFound
        return found

    async def _look_for(self, config: DeviceConfig, check: Check) -> Check:
        options = config.options
        if isinstance(options, SerialOptions):
            return await self._ask_port(options, check)
        if isinstance(options, NetworkOptions):
            finding = await scan.look(config, data_dir=self._settings.data_dir, within_s=TEST_S)
            return replace(check, trouble=finding.trouble.value, said=finding.said, driver=config.driver)
        return replace(check, trouble=Trouble.NONE.value, driver=config.driver)

    async def _ask_port(self, options: SerialOptions, check: Check) -> Check:
        """No host is started for a port that may be the wrong one: it is opened, asked, and closed again."""
        for known in self._devices.configs().values():
            theirs = known.options.port if isinstance(known.options, SerialOptions) else ""
            if theirs and os.path.realpath(theirs) == os.path.realpath(options.port):
                return replace(check, trouble=Trouble.PORT_HELD.value, said=known.name)
        standing = await asyncio.to_thread(_in_the_way, options.port)
        if standing is not None:
            return replace(check, trouble=standing[0].value, said=standing[1])
        asked = scan.Found(kind=FoundKind.SERIAL, what="", where=options.port, name="new")
        bauds = (options.baud, *(baud for baud in BAUDS if baud != options.baud))
        (answer,) = await scan.ask([asked], bauds=bauds)
        if not answer.firmware:
            return replace(check, trouble=Trouble.SILENT.value, said=answer.advice)
        return replace(
            check,
            trouble=(Trouble.NONE if answer.driver else Trouble.WRONG_FIRMWARE).value,
            driver=answer.driver,
            firmware=answer.firmware,
            serial_number=answer.serial_number,
            model=answer.what.removesuffix(f", {answer.firmware}"),
            baud=answer.baud,
        )

    async def _ended(self, check: Check, looking: Coroutine[Any, Any, Check]) -> Check:
        try:
            found = await looking
        except (DeviceError, ConfigError, OSError) as error:
            found = replace(check, trouble=Trouble.OTHER.value, said=str(error)[:300])
        except Exception as error:
            # A mistake in one driver must not leave its test "under way" for good.
            log.exception("a test broke")
            found = replace(check, trouble=Trouble.OTHER.value, said=type(error).__name__)
        return replace(found, ended_at=self._clock.now())

    async def scan(self) -> tuple[Seen, ...]:
        found = await scan.scan(self._devices.configs(), self._scan_s)
        return tuple(
            Seen(
                driver=one.driver,
                what=one.what,
                where=one.where,
                name=one.name,
                known_as=one.known_as,
                held_by=one.held_by,
                serial_number=one.serial_number,
                **({"baud": one.baud} if one.baud else {}),
            )
            for one in found
        )

    # -- secrets ---------------------------------------------------------------------------------------------

    def keep(self, member_id: int, secret: str) -> str:
        return self._secrets.put(member_id, secret)

    def kept(self, member_id: int, kept_id: str) -> str:
        return self._secrets.get(member_id, kept_id) or ""

    async def ask_for_key(self, member_id: int, url: str) -> KeyRequest:
        self._config(Wish(name="new", driver="octoprint", url=url, secret="unknown"))  # noqa: S106 - for the check
        key = self._requests.put(member_id, KeyRequest(id="", state=KeyState.WAITING))
        request = KeyRequest(id=key, state=KeyState.WAITING)
        try:
            pending = await appkey.request_key(url)
        except appkey.NoAppKeys as error:
            request = replace(request, state=KeyState.UNSUPPORTED, said=str(error))
        except DeviceError as error:
            request = replace(request, state=KeyState.FAILED, said=str(error))
        else:
            request = replace(request, page=pending.page)
            self._spawn(self._wait_for_key(member_id, request, pending))
        self._requests.replace(member_id, key, request)
        return request

    async def _wait_for_key(self, member_id: int, request: KeyRequest, pending: appkey.Pending) -> None:
        try:
            secret: Secret = await appkey.wait(pending)
        except appkey.NoKey as error:
            ended = replace(request, state=_STATES[error.state.value], said=str(error))
        except DeviceError as error:
            ended = replace(request, state=KeyState.FAILED, said=str(error))
        else:
            self._secrets.replace(member_id, request.id, secret.reveal())
            ended = replace(request, state=KeyState.GRANTED)
        self._requests.replace(member_id, request.id, ended)

    def key_request(self, member_id: int, request_id: str) -> KeyRequest:
        found = self._requests.get(member_id, request_id)
        if found is None:
            raise NotFound
        return found

    # -- changing devices.toml -------------------------------------------------------------------------------

    def name_for(self, words: str, driver: str) -> str:
        return name_for(words, set(self._devices.configs()), otherwise=driver)

    def block(self, wish: Wish) -> str:
        self._config(wish)
        secret = self.secret_file(wish)
        return _table(wish, secret_file=secret.name if secret is not None else "")

    def secret_file(self, wish: Wish) -> Path | None:
        return self.file.with_name(f"{wish.name}.key") if wish.secret else None

    def write(self, wish: Wish) -> None:
        block, secret = self.block(wish), self.secret_file(wish)
        if not self.is_writable:
            raise Conflict("devices.read_only", file=str(self.file))
        try:
            if secret is not None:
                _write_secret(secret, wish.secret)
            edit.append(self.file, block)
        except ConfigError as error:
            if secret is not None:
                secret.unlink(missing_ok=True)
            raise _invalid(error) from None
        except OSError as error:
            raise Conflict("devices.not_written", said=error.strerror or str(error)) from None

    def erase(self, device: str) -> None:
        if not self.is_writable:
            raise Conflict("devices.read_only", file=str(self.file))
        secret = self.file.with_name(f"{device}.key")
        try:
            taken = edit.remove(self.file, device)
        except ConfigError as error:
            raise Conflict("devices.not_written", said=str(error)) from None
        if f'_file = "{secret.name}"' in taken:
            with contextlib.suppress(OSError):
                secret.unlink()

    async def follow(self, device: str) -> None:
        config = self._devices.configs().get(device)
        if config is None:
            raise NotFound("machine.no_device", machine=device)
        if self._settings.dispatch:
            await self._dispatcher.add(device, self._devices.link(config))

    async def leave(self, device: str) -> None:
        link = self._link(device)
        await self._dispatcher.remove(device)
        self._tests.pop(device, None)
        if isinstance(link, Link) and isinstance(link.device, HostedDevice):
            self._spawn(_end_host(link.device))

    # -- within ----------------------------------------------------------------------------------------------

    def _config(self, wish: Wish) -> DeviceConfig:
        """As it will stand in the file, with the secret in its place. Raises `Invalid` with the field."""
        text = _table(wish)
        try:
            return parse(text, self.file)[wish.name]
        except ConfigError as error:
            raise _invalid(error) from None

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _table(wish: Wish, *, secret_file: str = "") -> str:
    """`secret_file` empty: the secret itself, for a configuration that is never written."""
    lines = [f"[devices.{wish.name}]", f"driver = {edit.quoted(wish.driver)}"]
    values = {
        "port": wish.port,
        "url": wish.url,
        "user": wish.user if wish.driver == "prusalink" else "",
        "serial_number": wish.serial_number,
    }
    lines += [f"{key} = {edit.quoted(value)}" for key, value in values.items() if value]
    if wish.port and wish.baud != 115200:
        lines.append(f"baud = {wish.baud}")
    if wish.secret:
        key = "password" if wish.driver == "prusalink" else "api_key"
        if secret_file:
            lines.append(f"{key}_file = {edit.quoted(secret_file)}")
        else:
            lines.append(f"{key} = {edit.quoted(wish.secret)}")
    return "\n".join(lines) + "\n"


def _invalid(error: ConfigError) -> Invalid:
    """The parser's own sentence: it names the key and says what to do, and never repeats a secret."""
    named = _FIELD.match(error.problem)
    field = _FIELDS.get(named[1], named[1]) if named else None
    said = error.problem[named.end() :] if named else error.problem
    return Invalid("devices.wrong", field=field, said=said)


def _write_secret(path: Path, secret: str) -> None:
    """For this account only, and never half: a new file in one step."""
    fd, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # 0600
    try:
        with os.fdopen(fd, "w", encoding="utf-8") as file:
            file.write(f"{secret}\n")
            file.flush()
            os.fsync(fd)
        os.link(name, path)  # unlike a rename it never overwrites: another machine's key is left alone
    except FileExistsError:
        raise Conflict("devices.secret_there", file=path.name) from None
    finally:
        Path(name).unlink()


def _in_the_way(port: str) -> tuple[Trouble, str] | None:
    """What can be seen of a port of this computer without opening it."""
    if "://" in port:
        return None
    if not Path(port).exists():
        return Trouble.PORT_ABSENT, port
    if not os.access(port, os.R_OK | os.W_OK):
        return Trouble.PORT_FORBIDDEN, port
    held = holders(port)
    return (Trouble.PORT_HELD, f"{held[0][0]}: {held[0][1]}") if held else None


async def _end_host(device: HostedDevice) -> None:
    """It would keep the port for minutes; one that still prints keeps it, and goes on."""
    with contextlib.suppress(DeviceError):
        await device.quit()


async def _comes_up(link: MachineLink) -> bool:
    """Whether it is online and has just been heard, within `TEST_S`; BLOCKED again is an answer, too."""
    loop = asyncio.get_running_loop()
    began, ends_at = loop.time(), loop.time() + TEST_S
    while loop.time() < ends_at:
        if link.state is LinkState.ONLINE:
            if link.age_s is not None and link.age_s <= FRESH_S:
                return True
        elif link.state in (LinkState.BLOCKED, LinkState.WAITING) and loop.time() - began > AGAIN_S:
            return False
        await asyncio.sleep(0.1)
    return False


def _of_link(check: Check, link: MachineLink) -> Check:
    identity, status = link.identity, link.status
    trouble = {
        DeviceState.OFFLINE: Trouble.PRINTER_OFF.value,
        DeviceState.FAULT: Trouble.FAULT.value,
    }.get(status.state, Trouble.NONE.value)
    return replace(
        check,
        trouble=trouble,
        said=status.message if trouble != Trouble.NONE.value else "",
        firmware=identity.firmware if identity else "",
        model=identity.model if identity else "",
        serial_number=identity.serial_number if identity else "",
    )
