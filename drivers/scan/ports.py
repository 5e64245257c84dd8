"""The serial ports of this computer, and who has them open. Nothing here opens a port."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from serial.tools import list_ports

BY_ID: Final = Path("/dev/serial/by-id")
PROC: Final = Path("/proc")

#: Boards whose USB number names the firmware: (vendor, product) -> driver. The numbers of adapter chips
#: (CH340, FTDI, CP210x) say nothing: printers and lasers have the same ones.
FIRMWARE: Final = {(0x2C99, 0x0001): "marlin", (0x2C99, 0x0002): "marlin"}  # Prusa i3 MK2 and MK3
#: The number under which Klipper's own firmware announces itself.
KLIPPER: Final = (0x1D50, 0x614E)


class PortInfo(Protocol):
    """What pyserial knows of a port."""

    device: str
    vid: int | None
    pid: int | None
    serial_number: str | None
    manufacturer: str | None
    product: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """`path` is the by-id name where there is one; `device` the real path. `usb_serial` is the chip's own number,
    not the machine's."""

    path: str
    device: str
    words: str
    usb: tuple[int, int] | None = None
    usb_serial: str = ""


def ports(
    *, by_id: Path = BY_ID, listed: Callable[[], Iterable[PortInfo]] = list_ports.comports
) -> tuple[Port, ...]:
    """Ports that a machine can hang on: on USB, or with a by-id name. A computer's own ttyS0 is none of them."""
    stable = {os.path.realpath(link): str(link) for link in sorted(_links(by_id))}
    found = []
    for info in listed():
        real = os.path.realpath(info.device)
        path = stable.pop(real, "")
        if info.vid is None and not path:
            continue
        usb = (info.vid, info.pid) if info.vid is not None and info.pid is not None else None
        words = _words(info.manufacturer, info.product) or _from_link(path) or "USB serial port"
        found.append(
            Port(
                path=path or info.device,
                device=real,
                words=words,
                usb=usb,
                usb_serial=_clean(info.serial_number),
            )
        )
    found += [Port(path=path, device=real, words=_from_link(path)) for real, path in stable.items()]
    return tuple(sorted(found, key=lambda port: port.path))


def holders(device: str, *, proc: Path = PROC) -> tuple[tuple[int, str], ...]:
    """Processes that have `device` open, as (pid, command), as far as this account may see them."""
    real = os.path.realpath(device)
    found = []
    for folder in proc.glob("[0-9]*"):
        if int(folder.name) == os.getpid():
            continue
        try:
            is_open = any(os.path.realpath(link) == real for link in (folder / "fd").iterdir())
            command = (folder / "cmdline").read_bytes() if is_open else b""
        except OSError:  # it has ended, or is another account's
            continue
        if is_open:
            words = command.replace(b"\0", b" ").decode("utf-8", "replace")
            found.append((int(folder.name), _clean(words)[:120]))
    return tuple(sorted(found))


def _links(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:  # udev makes the folder with the first port
        return []


def _words(maker: str | None, product: str | None) -> str:
    maker, product = _clean(maker), _clean(product)
    return product if maker.lower() in product.lower() else f"{maker} {product}".strip()


def _from_link(path: str) -> str:
    """usb-1a86_USB_Serial-if00-port0 -> 1a86 USB Serial."""
    name = Path(path).name.removeprefix("usb-").partition("-if0")[0]
    return _clean(name.replace("_", " "))


def _clean(text: str | None) -> str:
    """A chip's own words: whatever its maker, or a prankster, burnt into it."""
    shown = "".join(letter if letter.isprintable() else " " for letter in (text or "")[:200])
    return " ".join(shown.split())[:80]
