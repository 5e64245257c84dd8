"""The room's names once more, for whoever asks for its use cases as for those of jobs."""

from fablab.claims.reservations import *  # noqa: F403 - exactly the names in the room's own __all__
from fablab.claims.reservations import __all__ as __all__
