"""A PrusaLink of our own making for tests and the demo lab: the paths, answers and oddities of 0.8.1, or those
of the firmware that MK4, MINI and XL share (`built_in`), over a pretended printer.

Rooms: `digest` (who may ask), `state` (the printer in PrusaLink's words), `files` (uploads), `device` (HTTP).
"""

from drivers.mock.network_faults import Fault
from drivers.mock.prusalink.device import MockPrusaLink
from drivers.mock.prusalink.files import Stored

__all__ = ["Fault", "MockPrusaLink", "Stored"]
