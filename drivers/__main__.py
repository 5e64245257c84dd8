"""`python -m drivers`: be the host of a serial machine, or a mock of one.

    python -m drivers host NAME --devices devices.toml --data DIR [--detach] [--idle SECONDS]
    python -m drivers mock marlin|grbl|... [...]

A host ends with 0 when all is well or another one serves the machine already, 2 when a person must act
(devices.toml, arguments), 75 when a later try may succeed.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import select
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from drivers.config import ConfigError, load
from drivers.host.client import EXIT_MISFIT, EXIT_TRY_AGAIN
from drivers.host.paths import HostPaths, LockHeld

_READY = b"\0"
_DETACH_S = 55.0


def main(argv: Sequence[str] | None = None) -> int:
    words = list(sys.argv[1:] if argv is None else argv)
    if words[:1] == ["mock"]:
        return _mock(words[1:])
    options = _parser().parse_args(words)
    try:
        if options.detach:
            return _detached(options)
        return _host(options, ready=lambda: None)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return EXIT_MISFIT


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m drivers", description="Hosts and mocks of machines.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="host|mock")
    host = commands.add_parser("host", help="own one serial machine until told to quit")
    host.add_argument("name", help="its name in devices.toml")
    host.add_argument("--devices", type=Path, default=Path("devices.toml"))
    host.add_argument("--data", type=Path, default=Path("data"), help="folder for socket, journal and log")
    host.add_argument("--idle", type=_seconds, default=300.0, help="end after so long without client and job")
    host.add_argument("--detach", action="store_true", help="go on in the background once it is ready")
    commands.add_parser("mock", help="a mock machine: mock marlin --link PATH ...", add_help=False)
    return parser


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds < 1e9:
        raise argparse.ArgumentTypeError("must be more than 0 seconds")
    return seconds


def _mock(words: Sequence[str]) -> int:
    from drivers.mock import MOCKS, main_of

    if not words or words[0] not in MOCKS:
        print(f"mock: which machine? known: {', '.join(MOCKS)}", file=sys.stderr)
        return EXIT_MISFIT
    return main_of(words[0])(words[1:])


def _host(options: argparse.Namespace, *, ready: Callable[[], None]) -> int:
    from drivers.host import server
    from drivers.registry import DRIVERS

    devices = load(options.devices)
    config = devices.get(options.name)
    if config is None:
        names = ", ".join(devices) or "none"
        raise ConfigError(
            options.devices, f"[devices.{options.name}]", f"no such machine; there are: {names}"
        )
    if not DRIVERS[config.driver].serial:
        where = f"[devices.{options.name}]"
        raise ConfigError(
            options.devices, where, f"driver: {config.driver} has no serial port and needs no host"
        )
    try:
        known = {device.serial_number: name for name, device in devices.items() if device.serial_number}
        server.run(config, options.data, ready=ready, idle_s=options.idle, known=known)
    except server.HostRuns as reason:
        print(reason, file=sys.stderr)
    except LockHeld as holder:
        print(f"{options.name} is held by {holder}", file=sys.stderr)
        return EXIT_TRY_AGAIN
    except OSError as error:
        print(f"the host cannot work in {options.data}: {error}", file=sys.stderr)
        return EXIT_TRY_AGAIN
    return 0


def _detached(options: argparse.Namespace) -> int:
    """Fork; the child becomes the host, in a session of its own. Returns once it is ready or has failed.

    Nothing but this module's imports has run yet: no thread and no event loop exists that a fork could break.
    """
    options.devices, options.data = options.devices.absolute(), options.data.absolute()
    reading, writing = os.pipe()
    if os.fork():
        os.close(writing)
        return _wait_ready(reading)
    os.close(reading)
    os.setsid()
    code = EXIT_TRY_AGAIN
    try:
        paths = HostPaths(options.data, options.name)
        paths.prepare()
        _leave_terminal(paths.stderr)
        code = _host(options, ready=lambda: _tell(writing, _READY))
    except (ConfigError, OSError) as error:
        code = EXIT_MISFIT if isinstance(error, ConfigError) else EXIT_TRY_AGAIN
        _tell(writing, f"{code} {error}".encode())
    else:
        _tell(writing, f"{code} see {paths.stderr}".encode() if code else _READY)
    return code


def _wait_ready(reading: int) -> int:
    ready, _, _ = select.select([reading], [], [], _DETACH_S)
    said = os.read(reading, 4000) if ready else b""
    os.close(reading)
    if said.startswith(_READY):
        return 0
    code, _, words = said.decode(errors="replace").partition(" ")
    print(words or "the host ended before it was ready; see its log", file=sys.stderr)
    return int(code) if code.isdigit() else EXIT_TRY_AGAIN


def _tell(writing: int, words: bytes) -> None:
    with contextlib.suppress(OSError):  # whoever started us may be gone by now
        os.write(writing, words)


def _leave_terminal(stderr: Path) -> None:
    """What Python itself may say at a crash goes to a small file, new at each start; the log is elsewhere."""
    null = os.open(os.devnull, os.O_RDWR)
    file = os.open(stderr, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    sys.stdout.flush()
    sys.stderr.flush()
    for number, fd in enumerate((null, file, file)):
        os.dup2(fd, number)
    os.close(null)
    os.close(file)


if __name__ == "__main__":
    sys.exit(main())
