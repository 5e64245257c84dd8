"""A lab on a virtual clock: the same year lived under several policies, with the real planner as one of them.

    house (what the lab is) -> luck (what will happen to it, drawn once) -> world (the clock) <-> policies -> report

Nothing here knows a database; minutes are counted from the first midnight of the simulated time.
"""

from scheduler.simulate.house import House, Settings, house
from scheduler.simulate.luck import Luck, draw
from scheduler.simulate.report import Score, score
from scheduler.simulate.run import POLICIES, compare, live

__all__ = ["POLICIES", "House", "Luck", "Score", "Settings", "compare", "draw", "house", "live", "score"]
