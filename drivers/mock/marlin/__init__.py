"""A Marlin without a machine: real words on a real pty, with faults on request.

physics    heaters with a time constant, a planner that takes its time
machine    what each command does
faults     what may be asked to go wrong, and when
firmware   the serial side: numbers, checksums, ring, ok, busy      (no descriptor, no thread)
terminal   all of it on a pty (`drivers.mock.pty`)
"""

from drivers.mock.marlin.cli import main
from drivers.mock.marlin.machine import Abilities
from drivers.mock.marlin.terminal import MockMarlin

__all__ = ["Abilities", "MockMarlin", "main"]
