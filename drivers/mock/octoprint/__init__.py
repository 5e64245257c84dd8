"""An OctoPrint of our own making for tests and the demo lab: the real paths, answers and oddities as measured
on 1.11.8, over a pretended printer.

Rooms: `state` (the printer as OctoPrint sees it, and what it pushes), `files` (uploads), `appkeys`, `device` (HTTP).
"""

from drivers.mock.network_faults import Fault
from drivers.mock.octoprint.device import MockOctoPrint
from drivers.mock.octoprint.files import Stored

__all__ = ["Fault", "MockOctoPrint", "Stored"]
