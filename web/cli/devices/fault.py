"""`fablab devices fault`: have a mock machine fail on request, to see what the lab makes of it."""

from __future__ import annotations

import difflib
import json
import re
import socket
from pathlib import Path
from typing import Any, Final

import click

from drivers.host.paths import HostPaths
from web.cli.devices.file import configs, data_option, file_option
from web.cli.show import CliError, as_json, console, put

_ANSWER_S: Final = 5.0
_LONGEST_ANSWER: Final = 1_000_000


@click.command()
@click.argument("name")
@click.argument("kind", required=False)
@file_option
@data_option
@as_json
def fault(name: str, kind: str | None, file: Path | None, data: Path | None, json_: bool) -> None:
    """Have mock NAME fail: KIND, KIND:VALUE or KIND@LINE. Without KIND: which faults it knows.

    Only a mock fails on request, and only while something uses it: a server, or `fablab devices watch NAME`.
    """
    (config,), folder = configs((name,), file, data)
    if not config.mock:
        raise CliError(f"{name} is a real machine; only a mock (mock = true) fails on request")
    path = HostPaths(folder, name).control
    known = _ask(path, name, {"do": "faults"}).get("faults", {})
    if kind is None:
        put(known, json_=json_, lines=lambda: _show(name, known))
        return
    word = re.split("[:@]", kind, maxsplit=1)[0]
    if word not in known:
        near = difflib.get_close_matches(word, known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"it knows: {', '.join(known)}"
        raise CliError(f"{name} knows no fault {word}; {hint}")
    answer = _ask(path, name, {"fault": kind})
    put(answer, json_=json_, lines=lambda: _say(f"{name}: {kind}: {known[word]}"))


def _ask(path: Path, name: str, order: dict[str, str]) -> dict[str, Any]:
    """One line to the mock's control socket and its answer; an unhappy one is a `CliError`."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.settimeout(_ANSWER_S)
            client.connect(str(path))
            client.sendall(json.dumps(order).encode() + b"\n")
            with client.makefile("rb") as lines:
                line = lines.readline(_LONGEST_ANSWER)
        answer = json.loads(line)
    except (FileNotFoundError, ConnectionRefusedError):
        raise CliError(
            f"{name} is not running; a mock runs while a server, or `fablab devices watch {name}`, uses it"
        ) from None
    except TimeoutError:
        raise CliError(f"the mock of {name} does not answer within {_ANSWER_S:.0f} s") from None
    except (OSError, ValueError) as error:
        raise CliError(f"the mock of {name} cannot be spoken to: {error}") from None
    if not isinstance(answer, dict) or not answer.get("ok"):
        raise CliError(f"{name}: {answer.get('error') if isinstance(answer, dict) else answer}")
    return answer


def _show(name: str, known: dict[str, str]) -> None:
    width = max(map(len, known), default=0)
    for kind, does in known.items():
        _say(f"{kind:<{width}}  {does}")
    _say("")
    _say(f"fablab devices fault {name} KIND    KIND:VALUE sets seconds or times where that makes sense")


def _say(line: str) -> None:
    console.print(line, markup=False, soft_wrap=True)
