"""Jobs over the lab's API, from any computer that reaches it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import click
import httpx
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from web.cli.show import CliError, as_json, console, put, words

WATCH_EVERY_S = 1.0
ENDED = frozenset({"done", "failed", "rejected", "cancelled"})

_server = click.option("--url", envvar="FABLAB_URL", default="http://127.0.0.1:8000", show_default=True)
_token = click.option(
    "--token", envvar="FABLAB_TOKEN", required=True, help="from `fablab member token`, or FABLAB_TOKEN"
)


@click.group()
def job() -> None:
    """Submit and follow jobs on a running server."""


@job.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--project", help="project id")
@click.option("--material", help="as PLA or PETG; the file's own by default")
@click.option("--colour")
@click.option("--due", type=click.DateTime(["%Y-%m-%dT%H:%M", "%Y-%m-%d"]), help="local time")
@_server
@_token
@as_json
def submit(
    file: Path,
    project: str | None,
    material: str | None,
    colour: str | None,
    due: datetime | None,
    url: str,
    token: str,
    json_: bool,
) -> None:
    """Send FILE and get a place in the plan."""
    given = {
        "project": project,
        "material": material,
        "colour": colour,
        "due_at": due.astimezone().isoformat() if due else None,
    }
    with _client(url, token) as client, _bar(not json_) as bar, file.open("rb") as stream:
        task = bar.add_task(file.name, total=file.stat().st_size)
        body = _Told(stream, lambda sent: bar.update(task, completed=sent))
        fields = {name: value for name, value in given.items() if value}
        answer = client.post("/api/jobs", data=fields, files={"file": (file.name, body)})  # type: ignore[dict-item]
    made = _good(answer)
    put(made, json_=json_, lines=lambda: _show(made))


@job.command()
@click.argument("job_id")
@_server
@_token
@as_json
def watch(job_id: str, url: str, token: str, json_: bool) -> None:
    """Follow a job to its end; exit code 0 when it is done."""
    last: dict[str, Any] = {}
    with _client(url, token) as client, _bar(not json_) as bar:
        task = bar.add_task(job_id, total=1.0)
        for last in _looks(client, job_id):
            bar.update(task, completed=_fraction(last), description=words().gettext(str(last["state"])))
    put(last, json_=json_, lines=lambda: _show(last))
    if last.get("state") != "done":
        raise click.exceptions.Exit(1)


class _Told:
    """A file that says how far it has been read."""

    def __init__(self, stream: Any, told: Any) -> None:
        self._stream = stream
        self._told = told

    def read(self, size: int = -1) -> bytes:
        block: bytes = self._stream.read(size)
        self._told(self._stream.tell())
        return block

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _client(url: str, token: str) -> httpx.Client:
    headers = {"Authorization": f"Bearer {token}", "Accept-Language": words().language}
    return httpx.Client(base_url=url, headers=headers, timeout=httpx.Timeout(30, read=300, write=300))


def _bar(shown: bool) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeRemainingColumn(),
        console=console,
        disable=not shown,
        transient=True,
    )


def _looks(client: httpx.Client, job_id: str) -> Iterator[dict[str, Any]]:
    while True:
        try:
            found = _good(client.get(f"/api/jobs/{job_id}"))
        except httpx.TransportError:
            time.sleep(WATCH_EVERY_S)  # the server may be restarting; the machine goes on meanwhile
            continue
        yield found
        if found["state"] in ENDED:
            return
        time.sleep(WATCH_EVERY_S)


def _fraction(found: dict[str, Any]) -> float:
    run = found.get("run") or {}
    return 1.0 if found["state"] == "done" else float(run.get("fraction") or 0.0)


def _good(answer: httpx.Response) -> dict[str, Any]:
    if answer.is_success:
        body: dict[str, Any] = answer.json()
        return body
    try:
        problem = answer.json()
    except ValueError:
        raise CliError(f"the server answered {answer.status_code}; is {answer.url.host} a fablab?") from None
    said = [str(problem.get("detail") or problem.get("title") or answer.status_code)]
    said += [f"  - {refusal['detail']}" for refusal in problem.get("refusals") or ()]
    raise CliError("\n".join(said))


def _show(found: dict[str, Any]) -> None:
    console.print(
        f"{found['id']}  {found.get('file_name', '')}  [bold]{words().gettext(str(found['state']))}[/bold]"
    )
    promise = found.get("promise") or {}
    if promise.get("ready_at"):
        when = datetime.fromisoformat(promise["ready_at"]).astimezone()
        console.print(f"  → {when:%a %d %b %H:%M}")
