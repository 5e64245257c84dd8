"""Run by the peer's own interpreter: a real PrusaLink without what only a Raspberry Pi has.

Left out: names of threads (python-prctl needs system headers), camera pictures (numpy, libturbojpeg), announcing
itself on the network, and the rule that a printer's folder is never below /tmp.
"""

from __future__ import annotations

import importlib
import sys
import types
from typing import Any


class Quiet:
    """Takes everything and does nothing."""

    def __init__(self, *_: object) -> None: ...

    def __getattr__(self, name: str) -> Any:
        return lambda *_, **__: None


def stand_in(name: str, **content: object) -> None:
    sys.modules[name] = module = types.ModuleType(name)
    vars(module).update(content)


if __name__ == "__main__":
    stand_in("prctl", set_name=lambda name: None)
    stand_in("turbojpeg", TurboJPEG=Quiet, TJSAMP_422=1)
    stand_in("numpy")
    vars(importlib.import_module("prusa.link.const"))["BLACKLISTED_PATHS"] = []
    vars(importlib.import_module("prusa.link.service_discovery"))["ServiceDiscovery"] = Quiet
    sys.exit(importlib.import_module("prusa.link.__main__").main())
