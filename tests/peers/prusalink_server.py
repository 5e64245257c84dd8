"""A real PrusaLink 0.8.1 in front of a pretended MK3, as a child process on a free loopback port."""

from __future__ import annotations

import hashlib
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.peers.mk3 import MK3
from tests.peers.venvs import peer_env, peer_venv

USER, PASSWORD, API_KEY = "maker", "correct-Horse7", "key-of-the-peer"
START_S = 90.0
STOP_S = 10.0
_GCODES = "PrusaLink gcodes"


@dataclass(frozen=True, kw_only=True)
class Server:
    url: str
    printer: MK3


def _write_settings(folder: Path, *, port: int, tty: str) -> None:
    digest = hashlib.md5(f"{USER}:Administrator:{PASSWORD}".encode()).hexdigest()
    (folder / _GCODES).mkdir(parents=True)
    (folder / "prusalink.ini").write_text(
        f"[daemon]\ndata_dir = {folder}\n[http]\naddress = 127.0.0.1\nport = {port}\n"
        f"[printer]\nport = {tty}\nsettings = ./settings.ini\n[cameras]\nauto_detect = False\n"
    )
    (folder / "settings.ini").write_text(
        "[printer]\ntype = MK3S\nname = peer\n[service::local]\nenable = 1\n"
        f"username = {USER}\ndigest = {digest}\napi_key = {API_KEY}\n"
    )


def _is_ready(url: str) -> bool:
    """It knows all of its printer; a start that comes earlier is left waiting for half a minute (seen with 0.8.1)."""
    try:
        with httpx.Client(base_url=url, headers={"X-Api-Key": API_KEY}, trust_env=False, timeout=5) as client:
            info = client.get("/api/v1/info").json()
            storages = client.get("/api/v1/storage").json()["storage_list"]
            printer = client.get("/api/v1/status").json()["printer"]
    except (httpx.HTTPError, ValueError, KeyError):
        return False
    found = all(storage["available"] for storage in storages)  # the SD card is read last of all
    return found and bool(info["serial"] and info["nozzle_diameter"]) and "target_bed" in printer


@contextmanager
def serve(folder: Path) -> Iterator[Server]:
    """Takes about ten seconds: PrusaLink waits for a printer to boot before it asks who it is."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    with MK3() as printer, (folder / "console.log").open("wb") as log:
        _write_settings(folder, port=port, tty=printer.port)
        boot = Path(__file__).with_name("prusalink_boot.py")
        python = peer_venv("prusalink") / "bin" / "python"
        command = [str(python), str(boot), "-f", "-c", str(folder / "prusalink.ini")]
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=folder,
            env=peer_env({"HOME": str(folder)}),
        )
        try:
            url = f"http://127.0.0.1:{port}"
            deadline = time.monotonic() + START_S
            while not _is_ready(url):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError((folder / "console.log").read_text(errors="replace")[-4000:])
                time.sleep(0.2)
            yield Server(url=url, printer=printer)
        finally:
            process.kill()  # its orderly end waits for threads of its own
            process.wait(STOP_S)
