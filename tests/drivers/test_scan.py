"""Which machines are there: ports that are not opened, servers that announce themselves, and a name for each."""

from __future__ import annotations

import errno
import os
import socket
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest
from zeroconf import ServiceInfo
from zeroconf.asyncio import AsyncZeroconf

from drivers.config import DeviceConfig, edit, load, parse
from drivers.host.paths import port_lock, take_lock
from drivers.mock.grbl import MockGrbl
from drivers.mock.marlin import MockMarlin
from drivers.scan import Found, Kind, Lacking, ask, block, lacking, scan
from drivers.scan.blocks import name_for
from drivers.scan.ports import Port, holders, ports
from drivers.scan.scanning import resolve
from drivers.scan.services import Service, services
from tests.drivers.talkers import talker

FAST = {"bauds": (115200,), "answer_s": 3.0}


@dataclass
class Info:
    """A port as pyserial lists it."""

    device: str
    vid: int | None = None
    pid: int | None = None
    serial_number: str | None = None
    manufacturer: str | None = None
    product: str | None = None


def serial_port(path: str = "/dev/serial/by-id/usb-A-if00", **more: object) -> Port:
    return Port(**{"path": path, "device": path, "words": "USB Serial", **more})  # type: ignore[arg-type]


def service(kind: Kind = Kind.OCTOPRINT, **more: object) -> Service:
    usual = {"label": "it", "host": "octopi.local", "addresses": ("192.0.2.5",), "port": 80}
    return Service(**{"kind": kind, **usual, **more})  # type: ignore[arg-type]


async def nobody(host: str) -> frozenset[str]:
    return frozenset()


async def seen(
    *,
    known: dict[str, DeviceConfig] | None = None,
    at: tuple[Port, ...] = (),
    said: tuple[Service, ...] = (),
    find=nobody,
) -> tuple[Found, ...]:
    async def listen(seconds: float) -> tuple[Service, ...]:
        return said

    return await scan(known or {}, 1.0, look_at_ports=lambda: at, listen=listen, find=find)


def found(**more: object) -> Found:
    usual = {"kind": Kind.SERIAL, "what": "USB Serial", "where": "/dev/serial/by-id/usb-A-if00", "name": "a"}
    return Found(**{**usual, **more})  # type: ignore[arg-type]


# -- ports


@pytest.fixture
def by_id(tmp_path: Path) -> Path:
    """Two links as udev makes them, one of them to a port pyserial does not list."""
    folder = tmp_path / "by-id"
    folder.mkdir()
    for name in ("ttyUSB0", "ttyACM0"):
        (tmp_path / name).touch()
    (folder / "usb-1a86_USB_Serial-if00-port0").symlink_to(tmp_path / "ttyUSB0")
    (folder / "usb-Prusa_Original_MK3_CZPX1-if00").symlink_to(tmp_path / "ttyACM0")
    return folder


def test_a_port_goes_by_its_by_id_name_and_its_makers_words(tmp_path: Path, by_id: Path) -> None:
    info = Info(str(tmp_path / "ttyUSB0"), 0x1A86, 0x7523, manufacturer="QinHeng", product="CH340")
    (first, second) = ports(by_id=by_id, listed=lambda: [info])
    assert (first.path, first.words) == (str(by_id / "usb-1a86_USB_Serial-if00-port0"), "QinHeng CH340")
    assert second.words == "Prusa Original MK3 CZPX1"


def test_a_computers_own_ports_are_no_machines(tmp_path: Path) -> None:
    assert ports(by_id=tmp_path / "nowhere", listed=lambda: [Info("/dev/ttyS0")]) == ()


def test_a_usb_port_without_a_by_id_name_goes_by_its_own(tmp_path: Path) -> None:
    (port,) = ports(by_id=tmp_path / "nowhere", listed=lambda: [Info("/dev/ttyUSB7", 0x403, 0x6001)])
    assert (port.path, port.words) == ("/dev/ttyUSB7", "USB serial port")


def test_what_a_chip_calls_itself_is_cleaned(tmp_path: Path) -> None:
    info = Info("/dev/ttyUSB7", 1, 1, product="\x1b[31mred\n" + "x" * 500)
    (port,) = ports(by_id=tmp_path, listed=lambda: [info])
    assert port.words.isprintable()
    assert len(port.words) <= 80


def test_who_has_a_port_open_is_read_from_proc(tmp_path: Path) -> None:
    device = tmp_path / "tty"
    device.touch()
    for pid, target in ((4242, device), (4343, tmp_path)):
        (tmp_path / f"proc/{pid}/fd").mkdir(parents=True)
        (tmp_path / f"proc/{pid}/fd/3").symlink_to(target)
        (tmp_path / f"proc/{pid}/cmdline").write_bytes(b"octoprint\0serve\0")
    (tmp_path / "proc/5555").mkdir()  # gone, or another account's
    assert holders(str(device), proc=tmp_path / "proc") == ((4242, "octoprint serve"),)


# -- names and tables


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ("Original Prusa i3 MK3S", "prusa-i3-mk3s"),
        ("Prusa Research (prusa3d.com) Original Prusa i3 MK3", "prusa-prusa3d-prusa-i3-mk3"),
        ("1a86 USB Serial", "machine"),
        ("Ender-3 d'Émile", "ender-3-d-emile"),
        ("激光", "machine"),
        ("x" * 60, "x" * 30),
        ("[devices.evil]\nport", "devices-evil-port"),
    ],
)
def test_a_name_is_made_of_what_tells_a_machine_from_others(words: str, name: str) -> None:
    assert name_for(words, (), otherwise="machine") == name


def test_a_name_is_nobody_elses() -> None:
    assert name_for("Ender 3", {"ender-3", "ender-3-2"}, otherwise="machine") == "ender-3-3"


@pytest.mark.parametrize(
    ("one", "needs"),
    [
        (found(driver="marlin", baud=250000, serial_number='C"1\n'), Lacking.NOTHING),
        (found(driver="grbl", baud=115200), Lacking.NOTHING),
        (found(kind=Kind.MOONRAKER, driver="moonraker", where="http://voron.local:7125"), Lacking.NOTHING),
        (found(kind=Kind.OCTOPRINT, driver="octoprint", where="http://octopi.local"), Lacking.API_KEY),
        (found(kind=Kind.PRUSALINK, driver="prusalink", where="http://mk4.local"), Lacking.PASSWORD),
    ],
    ids=lambda value: value.kind.value if isinstance(value, Found) else value.value,
)
def test_a_table_is_one_that_devices_toml_takes(tmp_path: Path, one: Found, needs: Lacking) -> None:
    path = tmp_path / "devices.toml"
    (tmp_path / "a.key").write_text("0123456789abcdef\n")
    edit.append(path, block(one))
    assert lacking(one) is needs
    config = load(path)["a"]
    assert config.driver == one.driver
    assert config.serial_number == one.serial_number
    assert one.where in repr(config.options)
    assert getattr(config.options, "baud", 0) == one.baud


def test_hostile_words_stay_in_their_comment(tmp_path: Path) -> None:
    text = block(found(driver="marlin", what='x\n[devices.evil]\ndriver = "manual"\u2028\x00'))
    assert list(tomllib.loads(text)["devices"]) == ["a"]


def test_an_unknown_firmware_needs_a_word_of_a_person() -> None:
    assert lacking(found()) is Lacking.DRIVER
    assert lacking(found(), driver="grbl") is Lacking.NOTHING
    assert 'driver = "grbl"' in block(found(), driver="grbl")
    with pytest.raises(ValueError, match="firmware"):
        block(found())


def test_a_name_that_devices_toml_does_not_take_is_refused() -> None:
    with pytest.raises(ValueError, match="a-z"):
        block(found(driver="marlin"), name="Ada Lovelace")


# -- the scan


async def test_a_machine_of_devices_toml_is_known_by_its_real_port(tmp_path: Path) -> None:
    (tmp_path / "ttyUSB0").touch()
    link = tmp_path / "by-id-name"
    link.symlink_to(tmp_path / "ttyUSB0")
    known = parse(f'[devices.ada]\ndriver = "grbl"\nport = "{link}"\n', tmp_path / "devices.toml")
    port = serial_port(str(link), device=str(tmp_path / "ttyUSB0"))
    (one,) = await seen(known=known, at=(port,))
    assert (one.known_as, one.name, one.driver) == ("ada", "ada", "grbl")


@pytest.mark.parametrize(
    ("url", "known_as"),
    [
        ("http://OctoPi.local", "ada"),
        ("http://192.0.2.5/", "ada"),
        ("http://alias", "ada"),
        ("http://octopi.local:5000", ""),
        ("https://octopi.local", ""),
        ("http://elsewhere", ""),
    ],
)
async def test_a_server_of_devices_toml_is_known_by_name_or_address(
    tmp_path: Path, url: str, known_as: str
) -> None:
    text = f'[devices.ada]\ndriver = "octoprint"\nurl = "{url}"\napi_key = "0123456789abcdef"\n'

    async def find(host: str) -> frozenset[str]:
        return frozenset({"192.0.2.5"} if host == "alias" else ())

    (one,) = await seen(known=parse(text, tmp_path / "devices.toml"), said=(service(),), find=find)
    assert one.known_as == known_as


async def test_every_new_machine_gets_a_name_of_its_own(tmp_path: Path) -> None:
    known = parse('[devices.machine]\ndriver = "manual"\n', tmp_path / "devices.toml")
    two = (serial_port("/dev/a"), serial_port("/dev/b"))
    names = [one.name for one in await seen(known=known, at=two, said=(service(label="machine"),))]
    assert names == ["machine-2", "machine-3", "machine-4"]


async def test_a_server_that_announces_itself_twice_is_one(tmp_path: Path) -> None:
    twice = (service(Kind.PRUSALINK), service(Kind.PRUSALINK, label="again"))
    assert len(await seen(said=twice)) == 1


@pytest.mark.parametrize(
    ("announced", "resolves", "url"),
    [
        (service(), True, "http://octopi.local"),
        (service(), False, "http://192.0.2.5"),
        (service(addresses=()), False, "http://octopi.local"),
        (
            service(addresses=("2001:db8::1",), port=5000, path="/octoprint"),
            False,
            "http://[2001:db8::1]:5000/octoprint",
        ),
        (service(port=443), False, "https://192.0.2.5"),
    ],
)
async def test_a_url_goes_by_name_where_the_name_is_found(
    announced: Service, resolves: bool, url: str
) -> None:
    async def find(host: str) -> frozenset[str]:
        return frozenset({"192.0.2.5"} if resolves else ())

    (one,) = await seen(said=(announced,), find=find)
    assert one.where == url


@pytest.mark.parametrize(
    ("kind", "label", "name"),
    [
        (Kind.OCTOPRINT, 'OctoPrint instance "Ender" on octopi', "ender"),
        (Kind.MOONRAKER, "Moonraker-1a2b3c4d @ voron", "voron"),
        (Kind.OCTOPRINT, "OctoPrint", "octoprint"),
        (Kind.PRUSALINK, "prusa-mk4", "prusa-mk4"),
    ],
)
async def test_a_server_is_called_what_its_people_call_it(kind: Kind, label: str, name: str) -> None:
    (one,) = await seen(said=(service(kind, label=label),))
    assert one.name == name


async def test_boards_that_tell_their_firmware_by_their_number_need_no_asking() -> None:
    prusa = serial_port("/dev/a", usb=(0x2C99, 0x0002), words="Original Prusa i3 MK3")
    klipper = serial_port("/dev/b", usb=(0x1D50, 0x614E), words="Klipper stm32f446xx")
    (first, second) = await seen(at=(prusa, klipper))
    assert (first.driver, second.driver) == ("marlin", "")
    assert "Moonraker" in second.advice


async def test_a_name_is_looked_up_once_and_not_for_ever() -> None:
    assert "127.0.0.1" in await resolve("localhost")
    assert await resolve("no..name") == frozenset()


async def test_a_scan_of_no_seconds_does_not_listen() -> None:
    async def listen(seconds: float) -> tuple[Service, ...]:
        raise AssertionError("listened")

    assert await scan({}, 0, look_at_ports=tuple, listen=listen) == ()


# -- announcements, really sent over the loopback


async def test_announced_servers_are_heard_and_their_words_are_cleaned() -> None:
    here = socket.inet_aton("127.0.0.1")
    said = [
        (
            "_octoprint",
            'OctoPrint "A" on a',
            {"path": "/sub/", "version": "1.11.8", "u": "me", "p": "hunter2"},
        ),
        ("_moonraker", "Moonraker @ b", {"path": "/../\r\nX: y", "version": "\x1b[31mv9"}),
        ("_http", "prusa-mini", {}),
        ("_http", "OctoPrint for my Prusa", {}),
        ("_http", "a coffee machine", {}),
    ]
    announcer = AsyncZeroconf(interfaces=["127.0.0.1"])
    infos = [
        ServiceInfo(
            f"{kind}._tcp.local.",
            f"{label}.{kind}._tcp.local.",
            addresses=[here],
            port=5000 + number,
            server="a.local.",
            properties=words,
        )
        for number, (kind, label, words) in enumerate(said)
    ]
    try:
        for info in infos:
            await announcer.async_register_service(info, cooperating_responders=True)
        heard: tuple[Service, ...] = ()
        for _ in range(6):  # a question may be lost, and announcements have pauses of their own
            heard = await services(2.0, begin=lambda: AsyncZeroconf(interfaces=["127.0.0.1"]))
            if len(heard) == 3:
                break
    finally:
        await announcer.async_close()
    assert [(one.kind, one.port, one.path, one.version) for one in heard] == [
        (Kind.MOONRAKER, 5001, "", "[31mv9"),
        (Kind.OCTOPRINT, 5000, "/sub", "1.11.8"),
        (Kind.PRUSALINK, 5002, "", ""),
    ]
    assert "hunter2" not in repr(heard)


@pytest.mark.parametrize("error", [OSError(errno.ENODEV, "no such device"), RuntimeError("No interfaces")])
async def test_a_computer_without_a_network_hears_nothing(error: Exception) -> None:
    def begin() -> AsyncZeroconf:
        raise error

    assert await services(0.1, begin=begin) == ()


# -- asking


async def asked(port: str, **more: object) -> Found:
    (one,) = await ask((found(where=port, device=port, **more),), **FAST)  # type: ignore[arg-type]
    return one


async def test_a_marlin_says_who_it_is(tmp_path: Path) -> None:
    with MockMarlin(link=tmp_path / "tty", speed=100) as mock:
        one = await asked(mock.port)
    assert (one.driver, one.baud) == ("marlin", 115200)
    assert one.firmware.startswith("Marlin")
    assert one.serial_number
    assert lacking(one) is Lacking.NOTHING


async def test_a_grbl_says_who_it_is() -> None:
    with talker(
        {b"M115": b"error:20\r\n", b"$I": b"[VER:1.1h.20190830:LASER-1]\r\n[OPT:V,15,128]\r\nok\r\n"}
    ) as port:
        one = await asked(port)
    assert (one.driver, one.firmware, one.serial_number) == ("grbl", "Grbl 1.1h.20190830", "LASER-1")


async def test_our_mock_of_a_laser_says_who_it_is(tmp_path: Path) -> None:
    with MockGrbl(link=tmp_path / "tty") as mock:
        one = await asked(mock.port)
    assert one.driver == "grbl"
    assert one.firmware.startswith("Grbl 1.1h")


async def test_a_grbl_that_only_shows_its_banner_is_known_by_it() -> None:
    with talker({b"M115": b"Grbl 1.1f ['$' for help]\r\n"}) as port:
        (one,) = await ask((found(where=port),), bauds=(115200,), answer_s=0.6)
    assert (one.driver, one.firmware) == ("grbl", "Grbl 1.1f")


async def test_a_firmware_that_no_driver_speaks_with_is_named_and_left() -> None:
    with talker({b"M115": b"FIRMWARE_NAME:Smoothieware, FIRMWARE_VERSION:edge\r\nok\r\n"}) as port:
        one = await asked(port)
    assert one.driver == ""
    assert "Smoothieware" in one.what
    assert lacking(one) is Lacking.DRIVER


async def test_a_silent_port_is_said_to_be_silent() -> None:
    with talker({}) as port:
        (one,) = await ask((found(where=port),), bauds=(115200, 250000), answer_s=0.1)
    assert "nothing answered at 115200 or 250000 baud" in one.advice


async def test_noise_is_no_answer() -> None:
    with talker({b"M115": os.urandom(500) + b"\r\n"}) as port:
        (one,) = await ask((found(where=port),), bauds=(115200,), answer_s=0.3)
    assert one.driver == ""


async def test_a_port_that_somebody_owns_is_not_opened() -> None:
    heard: list[bytes] = []
    with talker({}, heard) as port:
        known, held = found(where=port, known_as="ada"), found(where=port, held_by="process 1 (octoprint)")
        assert await ask((known, held), **FAST) == (known, held)  # type: ignore[arg-type]
        lock = take_lock(port_lock(port), "the host of ada")
        one = await asked(port)
        os.close(lock)
    assert "the host of ada" in one.advice
    assert heard == []


async def test_a_port_that_is_gone_meanwhile_is_said_so(tmp_path: Path) -> None:
    one = await asked(str(tmp_path / "gone"))
    assert "not there" in one.advice


async def test_machines_of_one_model_get_names_of_their_own() -> None:
    answer = {b"M115": b"FIRMWARE_NAME:Marlin 2.1 MACHINE_TYPE:Ender-3 UUID:1\r\nok\r\n"}
    with talker(answer) as first, talker(answer) as second:
        new = (found(where=first, name="machine"), found(where=second, name="machine-2"))
        names = {one.name for one in await ask(new, **FAST)}  # type: ignore[arg-type]
    assert names == {"ender-3", "ender-3-2"}
