"""What the tests of programs share: the kernel as plain Python, and a short way to analyse a text."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numba
import pytest

from fablab.programs import gcode
from fablab.programs.gcode import kernel as compiled_kernel

Read = Callable[..., gcode.Analysis]


@pytest.fixture(scope="session")
def kernel() -> ModuleType:
    return compiled_kernel


@pytest.fixture(scope="session")
def plain_kernel() -> ModuleType:
    """The same source, loaded once more with the compiler switched off."""
    spec = importlib.util.spec_from_file_location("plain_kernel", str(compiled_kernel.__file__))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    before = numba.config.DISABLE_JIT
    numba.config.DISABLE_JIT = True
    try:
        spec.loader.exec_module(module)
    finally:
        numba.config.DISABLE_JIT = before
    return module


@pytest.fixture
def read(plain_kernel: ModuleType) -> Read:
    """Analyse a text with the uncompiled kernel: quick to start, and every branch of it is seen."""

    def read_text(text: str | bytes, limits: gcode.MachineLimits = gcode.DEFAULT) -> gcode.Analysis:
        data = text.encode() if isinstance(text, str) else text
        return gcode.run([data], limits, plain_kernel, 4096)

    return read_text


@pytest.fixture
def samples() -> Path:
    return Path(__file__).resolve().parents[1] / "samples"
