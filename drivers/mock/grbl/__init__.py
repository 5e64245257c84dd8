"""A GRBL 1.1h without a machine: real words on a real pty, with faults on request.

words      numbers, and what is kept of a line
settings   what the EEPROM keeps
motion     the planner, trapezoids of speed, and the beam
arcs       an arc in chords
parser     G-code: a line in, a checked block or an error number out
machine    states, realtime commands
execution  what is done with a checked block
system     the `$` commands
reports    the status report and its kin
faults     what may be asked to go wrong
firmware   the serial side: buffer, realtime bytes, ok and error    (no descriptor, no thread)
terminal   all of it on a pty (`drivers.mock.pty`)
"""

from drivers.mock.grbl.cli import main
from drivers.mock.grbl.terminal import MockGrbl

__all__ = ["MockGrbl", "main"]
