"""The compiled heart of the search: one sequence of demands a machine, decoded into the pieces of its calendar.

A plan is an order on every machine, and a start and a crew for every gang. `decode` puts each demand of an order at the
first minute its rules allow behind the one before, around what stands there (`fixed`: outages, facts, gangs). The state
before every place is kept, so that a change of an order costs its tail only, and not even that where the old state comes
back, or where the tail can only get dearer than chance allows.

Compiled by numba without the GIL; uncompiled (NUMBA_DISABLE_JIT=1) the same functions give the same numbers. All of it
stands in one file on purpose: numba's cache looks only at the age of the file a function stands in. A table is one array
with named columns, because numba hands every array of a `World` to every call. Times are whole minutes; -1 is "none".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, ParamSpec, TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int32]
Floats = NDArray[np.float64]
P = ParamSpec("P")
R = TypeVar("R")

NEVER = 1 << 30
NOBODY, STAFF, HOUSE = 0, 1, 2  # problem.Presence
GANGS = 0.1  # of the moves at most: one takes the time of fifty
MENDED = 0.5  # of the moves of gangs that cost too much: who is in the way is put where it costs least
RUINS = 0.1  # of the moves of singles: one takes the time of fifty, and is worth it at every size
CROSSES = 0.2  # of the other moves of singles
TAILS = 0.1  # of these exchange all that stands behind
HOT, MANY = (
    0.9,
    1000,
)  # of the moves of so many singles or more: at 200 x 4,000 all that can be won is about 500 of them
ENOUGH = 0.05  # of the temperature: what costs no more has found its place, the rest is not looked at: twice as fast
ANYWHERE = 0.5  # of the times a place is looked for on machines in any order, not first where it stood
BLINK = 0.05  # of the places are not looked at: what is best is not always best for all
GRID = 8  # a calendar is looked up by the minute over 2**GRID

# The tiers of plan.Objective as one number: a tier is worth a thousandth of the one above or less, so that annealing
# has a slope to go down; whether a result is better is judged by the tiers themselves.
UNPLACED, MOVED, DISLIKED, SETUP, READY = 1e9, 1e-3, 1e-4, 1e-5, 1e-9
MACHINE_CHANGE_MIN = 60  # plan.MACHINE_CHANGE_MIN

# Columns, table by table.
BEGIN, END, DISLIKE = 0, 1, 2  # hours
STAFFED, OPEN, ALONE = (
    0,
    3,
    6,
)  # machine: each the first stretch, the end of the last, and where its grid begins
ALONE_MAX, NIGHT, RULE, LOADED, FACTS = 9, 10, 11, 12, 13
RELEASE, DUE, PRESENCE, OWN_SETUP, CLEAR, FAMILY = 0, 1, 2, 3, 4, 5  # job
STARTS, STARTS_END, ELIGIBLE, ELIGIBLE_END, TOLD_ON, TOLD_START = 6, 7, 8, 9, 10, 11
OF_FAMILY, SPARE, OWNER = 2, 3, 4  # fixed, after BEGIN and END; the owner is a gang or -1
FREE, LEFT, NEXT = 0, 1, 2  # state: free from when, the family in it, the first of `fixed` still ahead
ON, PLACE, SET_FROM, START, READY_AT, WAITS = (
    0,
    1,
    2,
    3,
    4,
    5,
)  # at; WAITS: not before the start people were told
NEEDS, NEEDS_END, CREW, CREW_END, AT, TOLD, TOLD_END = 0, 1, 2, 3, 4, 5, 6  # gang
MEMBER, BEGINS, FREED, FOR = 0, 1, 2, 3  # crew: machine, its set-up, its end, the job row of its need


# Without numba's counting of references: nothing here makes an array, and to count those of a `World` in and out of
# every call took ten times as long as all the rest.
_OPTIONS: Any = {"nogil": True, "error_model": "numpy", "_nrt": False}
_INNER: Any = _OPTIONS | {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    return _compiled(function, _OPTIONS)


def inner(function: Callable[P, R]) -> Callable[P, R]:
    """Called from compiled functions only: no way in from Python is built, which takes half the time of compiling."""
    return _compiled(function, _INNER)


def flat(function: Callable[P, R]) -> Callable[P, R]:
    """Becomes a part of whoever calls it: to hand the arrays of a `World` over takes longer than what is done with them,
    and without this all is two thirds as fast.
    """
    return _compiled(function, _INNER | {"forceinline": True})


def _compiled(function: Callable[P, R], options: dict[str, Any]) -> Callable[P, R]:
    try:
        done: Any = numba.njit(cache=True, **options)(function)
    except RuntimeError:  # numba finds no folder it may write to
        done = numba.njit(**options)(function)
    return cast("Callable[P, R]", done)


class World(NamedTuple):
    """`room` is the most places an order may have; a job row is a single, behind the singles a need of a gang."""

    hours: Ints  # stretches x (begin, end, dislike): those of calendars, then those of `starts`
    grid: Ints  # by calendar and minute >> GRID: the first stretch that ends later
    machine: Ints  # machines x 14
    change: Ints  # rules x families + 1 x families + 1: set-up minutes; row and column 0 are no family
    job: Ints  # jobs x 12
    weight: Floats  # jobs
    run: Ints  # jobs x machines: minutes, 0 where it may not go
    listed: Ints  # the machines that job (eligible) and gang (told) point into
    quantity: Ints  # jobs
    fixed: Ints  # machines x facts and gangs x 5, by begin
    size: Ints  # machines x (places of the order, of fixed)
    order: Ints  # machines x room
    state: Ints  # machines x room + 1 x 3: before each place, and behind the last
    cost: Floats  # machines x room + 1: of all before
    at: Ints  # singles x 6
    gain: Floats  # singles: what its machine would cost less without it,
    gain_of: Ints  # when its machine was of this version
    version: Ints  # machines: of its order, no two of all the same
    gang: Ints  # gangs x 7
    crew: Ints  # as it is, as proposed x members x 4
    new_order: Ints  # two drafts x room
    new_state: Ints
    new_cost: Floats
    new_at: Ints  # two drafts x room x (begin of set-up, start, ready)
    scratch: Floats  # machines
    saved: Ints  # orders that a ruin has changed, as they were x (machine, size, order)
    ruined: Ints  # singles that stand nowhere just now
    tally: Ints  # kinds of moves x (tried, kept)
    mine: Ints  # the singles that moves begin at
    ticks: Ints  # the next version of an order, and by how much versions grow
    floor: Floats  # singles: what it costs to be late alone in the lab
    late: (
        Ints  # the singles that were late beyond that when the last moves began, and in the last row how many
    )
    enough: Floats  # one number: a place that costs no more is good enough for who looks for one
    horizon: int


# -- where one demand fits -------------------------------------------------------------------------------------------


@flat
def later(world: World, m: int, calendar: int, at: int) -> int:
    """The first stretch of a calendar that ends after `at`."""
    high = world.machine[m, calendar + 1]
    index = world.grid[world.machine[m, calendar + 2] + (min(at, world.horizon) >> GRID)]
    while index < high and world.hours[index, END] <= at:
        index += 1
    return int(index)


@flat
def room(world: World, m: int, calendar: int, at: int, length: int) -> int:
    """The first minute from `at` on with `length` minutes inside one stretch."""
    hours = world.hours
    for index in range(later(world, m, calendar, at), world.machine[m, calendar + 1]):
        begin = max(at, hours[index, BEGIN])
        if hours[index, END] - begin >= length:
            return int(begin)
    return NEVER


@flat
def alone_until(world: World, m: int, at: int, run: int) -> int:
    """`at`, or the next start whose run is left alone no longer than the machine may be."""
    hours, most = world.hours, world.machine[m, ALONE_MAX]
    if run <= most:
        return at
    for index in range(later(world, m, ALONE, at), world.machine[m, ALONE + 1]):
        begin, end = hours[index, BEGIN], hours[index, END]
        if begin >= at + run:
            break
        if min(at + run, end) - max(at, begin) > most:
            return int(end - most if world.machine[m, NIGHT] else end)
    return at


@flat
def allowed(world: World, m: int, j: int, setup: int, at: int, run: int) -> int:
    """`at` when no rule of the calendar objects to a run start then, else the next minute to try."""
    job = world.job
    presence = job[j, PRESENCE]
    alone = presence == NOBODY and world.machine[m, ALONE_MAX] > 0
    if setup > 0:
        begin = room(world, m, STAFFED, at - setup, setup)
        if begin != at - setup:
            return begin + setup
    elif alone and not world.machine[m, NIGHT]:
        begin = room(world, m, STAFFED, at, 1)
        if begin != at:
            return begin
    first, last = job[j, STARTS], job[j, STARTS_END]
    if last > first:
        while first < last and world.hours[first, END] <= at:
            first += 1
        if first == last:
            return NEVER
        if world.hours[first, BEGIN] > at:
            return int(world.hours[first, BEGIN])
    if alone:
        return alone_until(world, m, at, run)
    return room(world, m, OPEN if presence == HOUSE else STAFFED, at, run)


@flat
def change(world: World, m: int, before: int, after: int) -> int:
    """Minutes of a person between two families."""
    rule = world.machine[m, RULE]
    return int(world.change[rule, before + 1, after + 1]) if rule >= 0 else 0


@flat
def next_fits(world: World, m: int, ahead: int, family: int) -> bool:
    """Whether the next fixed thing that loads something has set-up enough after this family."""
    for index in range(ahead, world.size[m, 1]):
        follows = world.fixed[m, index, OF_FAMILY]
        if follows >= 0:
            return bool(world.fixed[m, index, SPARE] >= change(world, m, family, follows))
    return True


@flat
def fit(world: World, m: int, j: int, free: int, left: int, ahead: int) -> tuple[int, int, int, int, int]:
    """The first place for j behind a state: (set-up, run start, ready, next fixed, family before); start -1: none."""
    job, fixed, horizon = world.job, world.fixed, world.horizon
    run, own, clear = int(world.run[j, m]), int(job[j, OWN_SETUP]), int(job[j, CLEAR])
    least = own + run + clear
    family = job[j, FAMILY] if world.machine[m, RULE] >= 0 else -1
    not_before = 0
    if job[j, TOLD_ON] == m and world.at[j, WAITS]:
        not_before = job[j, TOLD_START]
    while True:
        last = ahead >= world.size[m, 1]
        bound = horizon if last else min(fixed[m, ahead, BEGIN], horizon)
        begin = max(free, job[j, RELEASE])
        if begin + least > horizon:
            return -1, -1, -1, ahead, left
        if bound - begin >= least and (last or family < 0 or next_fits(world, m, ahead, family)):
            setup = own + change(world, m, left, family)
            at = max(begin + setup, not_before)
            while at + run + clear <= bound:
                upto = allowed(world, m, j, setup, at, run)
                if upto == at:
                    ready = at + run
                    if clear > 0:
                        ready = clear + room(world, m, STAFFED, ready, clear)
                    if ready <= bound:
                        return at - setup, at, ready, ahead, left
                    break
                at = upto
        if last:
            return -1, -1, -1, ahead, left
        free = max(free, fixed[m, ahead, END])
        if fixed[m, ahead, OF_FAMILY] >= 0:
            left = fixed[m, ahead, OF_FAMILY]
        ahead += 1


@inner
def dislike(world: World, j: int, start: int) -> int:
    for index in range(world.job[j, STARTS], world.job[j, STARTS_END]):
        if world.hours[index, BEGIN] <= start < world.hours[index, END]:
            return int(world.hours[index, DISLIKE])
    return 0


@flat
def price(world: World, m: int, j: int, setup: int, start: int, ready: int) -> float:
    job = world.job
    cost = READY * ready + SETUP * (start - setup)
    due, told_on = job[j, DUE], job[j, TOLD_ON]
    if 0 <= due < ready:
        cost += world.weight[j] * (ready - due)
    if told_on >= 0:
        moved = abs(start - job[j, TOLD_START])
        if told_on != m:
            moved += MACHINE_CHANGE_MIN
        cost += MOVED * world.weight[j] * moved
    return float(cost)


# -- an order, decoded -----------------------------------------------------------------------------------------------


@inner
def decode(
    world: World, row: int, m: int, count: int, begin: int, tail: int, shift: int, limit: float
) -> tuple[float, int]:
    """The cost of m with the draft's order, and the place up to which it had to be decoded.

    The draft's order equals the present one before `begin`, and from `tail` on the one `shift` places before. It ends
    where the old state comes back; inf once the cost has passed `limit`, or will: behind a state that is the old one
    but later nothing gets cheaper (a set-up behind the next change of family may: so rarely that it is not looked at).
    """
    state, known = world.state, world.cost
    free, left, ahead = state[m, begin, FREE], state[m, begin, LEFT], state[m, begin, NEXT]
    cost, whole = known[m, begin], known[m, world.size[m, 0]]
    new_state, new_cost, new_at = world.new_state, world.new_cost, world.new_at
    loads = world.machine[m, RULE] >= 0
    for place in range(begin, count):
        if place >= tail:
            old = place - shift
            if state[m, old, LEFT] == left and state[m, old, FREE] <= free:
                rest = cost + whole - known[m, old]
                if state[m, old, FREE] == free and state[m, old, NEXT] == ahead:
                    return rest, place
                if rest > limit:
                    return np.inf, place
        new_state[row, place, FREE], new_state[row, place, LEFT] = free, left
        new_state[row, place, NEXT], new_cost[row, place] = ahead, cost
        j = world.new_order[row, place]
        setup, start, ready, nearest, before = fit(world, m, j, free, left, ahead)
        new_at[row, place, 0], new_at[row, place, 1], new_at[row, place, 2] = setup, start, ready
        if start < 0:
            cost += UNPLACED * world.weight[j]
        else:
            cost += price(world, m, j, setup, start, ready)
            free, ahead, left = ready, nearest, before
            if loads and world.job[j, FAMILY] >= 0:
                left = world.job[j, FAMILY]
        if cost > limit:
            return np.inf, place
    new_state[row, count, FREE], new_state[row, count, LEFT] = free, left
    new_state[row, count, NEXT], new_cost[row, count] = ahead, cost
    return cost, count


@inner
def take(world: World, row: int, m: int, count: int, begin: int, upto: int, shift: int, cost: float) -> None:
    """Make the draft's order the present one: places begin..upto are as decoded, later ones moved by `shift`."""
    state, known, at = world.state, world.cost, world.at
    if upto < count:
        off = cost - known[m, world.size[m, 0]]
        step = -1 if shift > 0 else 1
        first, last = (count, upto - 1) if shift > 0 else (upto, count + 1)
        for place in range(first, last, step):
            old = place - shift
            for column in range(3):
                state[m, place, column] = state[m, old, column]
            known[m, place] = known[m, old] + off
    for place in range(begin, upto if upto < count else count + 1):
        for column in range(3):
            state[m, place, column] = world.new_state[row, place, column]
        known[m, place] = world.new_cost[row, place]
    for place in range(begin, count):
        j = world.new_order[row, place]
        world.order[m, place], at[j, ON], at[j, PLACE] = j, m, place
        if place < upto:
            for column in range(3):
                at[j, SET_FROM + column] = world.new_at[row, place, column]
    world.size[m, 0] = count
    world.ticks[0] += world.ticks[1]
    world.version[m] = world.ticks[0]


@inner
def relaid(world: World, m: int, limit: float) -> float:
    """The cost of m's order as it stands, around what is fixed now, in the first draft."""
    count = world.size[m, 0]
    for place in range(count):
        world.new_order[0, place] = world.order[m, place]
    cost, _ = decode(world, 0, m, count, 0, count + 1, 0, limit)
    return cost


@inner
def lay_out(world: World, m: int) -> None:
    """Decode the order of m as it stands, from its beginning."""
    world.state[m, 0, FREE], world.state[m, 0, LEFT] = 0, world.machine[m, LOADED]
    world.state[m, 0, NEXT], world.cost[m, 0] = 0, 0.0
    cost = relaid(world, m, np.inf)
    count = world.size[m, 0]
    take(world, 0, m, count, 0, count, 0, cost)


@compiled
def lay_out_all(world: World) -> None:
    for m in range(world.size.shape[0]):
        lay_out(world, m)


@compiled
def total(world: World) -> float:
    cost = 0.0
    for m in range(world.size.shape[0]):
        cost += world.cost[m, world.size[m, 0]]
    for g in range(world.gang.shape[0]):
        cost += gang_price(world, g, 0, world.gang[g, AT])
    return cost


@compiled
def append(world: World, queue: Ints) -> None:
    """Each in turn goes where it is ready earliest, behind all that is there; who fits nowhere, to its first machine."""
    state, job = world.state, world.job
    for q in range(queue.shape[0]):
        j = queue[q]
        on, best = world.listed[job[j, ELIGIBLE]], NEVER
        for index in range(job[j, ELIGIBLE], job[j, ELIGIBLE_END]):
            m = world.listed[index]
            last = world.size[m, 0]
            _, start, ready, _, _ = fit(
                world, m, j, state[m, last, FREE], state[m, last, LEFT], state[m, last, NEXT]
            )
            if start >= 0 and ready < best:
                on, best = m, ready
        last = world.size[on, 0]
        world.new_order[0, last] = j
        cost, _ = decode(world, 0, on, last + 1, last, last + 1, 0, np.inf)
        take(world, 0, on, last + 1, last, last + 1, 0, cost)


# -- moves: each changes one or two orders, or a gang, or nothing ----------------------------------------------------


@inner
def place_at(world: World, m: int, at: int) -> int:
    """The first place whose demand is ready after `at`."""
    first, last = 0, int(world.size[m, 0])
    while first < last:
        middle = (first + last) >> 1
        if world.state[m, middle + 1, FREE] <= at:
            first = middle + 1
        else:
            last = middle
    return first


@flat
def excess(world: World, j: int) -> float:
    """What j costs by being late that it would not cost alone in the lab; not above 0 if nothing."""
    if world.at[j, START] < 0:
        return UNPLACED
    if world.job[j, DUE] < 0:
        return -1.0
    return float(world.weight[j] * (world.at[j, READY_AT] - world.job[j, DUE]) - world.floor[j])


@compiled
def find_floors(world: World) -> None:
    """Gangs are not there yet."""
    for j in range(world.at.shape[0]):
        soonest = world.horizon
        for index in range(world.job[j, ELIGIBLE], world.job[j, ELIGIBLE_END]):
            m = world.listed[index]
            left, rule, family = -1, world.machine[m, RULE], world.job[j, FAMILY]
            if rule >= 0 and family >= 0:
                for before in range(world.change.shape[1]):
                    if world.change[rule, before, family + 1] < change(world, m, left, family):
                        left = before - 1
            _, start, ready, _, _ = fit(world, m, j, 0, left, 0)
            if start >= 0:
                soonest = min(soonest, ready)
        world.floor[j] = max(0.0, world.weight[j] * (soonest - world.job[j, DUE]))


@inner
def find_late(world: World) -> None:
    """Who is, as this hand's chunk of moves begins."""
    count = 0
    for index in range(world.mine.shape[0]):
        if excess(world, world.mine[index]) > 0.0:
            world.late[count] = world.mine[index]
            count += 1
    world.late[-1] = count


@inner
def in_its_way(world: World) -> int:
    """One of the late, or what stands before it on its machine since it was released; -1: it is late no more."""
    late = world.late
    j = late[np.random.randint(late[-1])]
    if np.random.random() < 0.5:
        other = late[np.random.randint(late[-1])]
        if excess(world, other) > excess(world, j):
            j = other
    if excess(world, j) <= 0.0:
        return -1
    m, place = world.at[j, ON], world.at[j, PLACE]
    first = place_at(world, m, world.job[j, RELEASE])
    if first < place and np.random.random() < 0.6:
        j = world.order[m, first + np.random.randint(place - first + 1)]
    return int(j)


@inner
def chosen(world: World) -> int:
    """A demand; more often one that is late or has no place, and of many demands mostly one that has to do with such."""
    if world.late[-1] > 0 and np.random.random() < HOT * min(1.0, world.at.shape[0] / MANY):
        j = in_its_way(world)
        if j >= 0:
            return j
    size = world.mine.shape[0]
    pick = world.mine[np.random.randint(size)]
    if np.random.random() < 0.4:
        return int(pick)
    worst = excess(world, pick)
    for _ in range(3):
        j = world.mine[np.random.randint(size)]
        late_by = excess(world, j)
        if late_by > worst:
            worst, pick = late_by, j
    return int(pick)


@inner
def some_machine(world: World, j: int) -> int:
    first = world.job[j, ELIGIBLE]
    return int(world.listed[first + np.random.randint(world.job[j, ELIGIBLE_END] - first)])


@inner
def move_within(world: World, m: int, begin: int, length: int, limit: float) -> bool:
    """A block goes to another place of its own order."""
    order, draft = world.order, world.new_order
    count = world.size[m, 0]
    if count <= length:
        return False
    goal = begin + np.random.randint(-4, 5)
    if np.random.random() < 0.5:
        goal = np.random.randint(count - length + 1)
    if goal == begin or goal < 0 or goal > count - length:
        return False
    low, high = min(begin, goal), max(begin, goal) + length
    for place in range(low, count):
        draft[0, place] = order[m, place]
    for place in range(goal, begin):
        draft[0, place + length] = order[m, place]
    for place in range(begin + length, goal + length):
        draft[0, place - length] = order[m, place]
    for index in range(length):
        draft[0, goal + index] = order[m, begin + index]
    bound = world.cost[m, count] + limit
    cost, upto = decode(world, 0, m, count, low, high, 0, bound)
    if cost > bound:
        return False
    take(world, 0, m, count, low, upto, 0, cost)
    return True


@inner
def a_goal(world: World, j: int, m: int) -> int:
    """A place on m for j: by the clock mostly, since a demand is released, and better before than now."""
    count = world.size[m, 0]
    if np.random.random() < 0.3:
        return int(np.random.randint(count + 1))
    release = world.job[j, RELEASE]
    at = world.at[j, START] if world.at[j, START] >= 0 else world.horizon
    if np.random.random() < 0.7:
        at = release + int(max(0, at - release) * np.random.random())
    goal = place_at(world, m, at)
    if np.random.random() < 0.3:
        goal += np.random.randint(-1, 2)
    return int(max(0, min(goal, count)))


@inner
def cut(world: World, m: int, begin: int, length: int) -> tuple[float, int]:
    """Decode m without a block, in the first draft."""
    count = world.size[m, 0]
    for place in range(begin, count - length):
        world.new_order[0, place] = world.order[m, place + length]
    return decode(world, 0, m, count - length, begin, begin, -length, np.inf)


@inner
def move_across(world: World, m: int, begin: int, length: int, other: int, limit: float) -> bool:
    """A block goes to another machine."""
    order, draft = world.order, world.new_order
    for index in range(1, length):
        if world.run[order[m, begin + index], other] == 0:
            return False
    count, its = world.size[m, 0], world.size[other, 0]
    if its + length >= order.shape[1]:
        return False
    j = order[m, begin]
    goal = a_goal(world, j, other)
    cost, upto = -1.0, 0
    if length == 1 and world.gain_of[j] == world.version[m]:
        gain = world.gain[j]
    else:
        cost, upto = cut(world, m, begin, length)
        gain = world.cost[m, count] - cost
        if length == 1:
            world.gain[j], world.gain_of[j] = gain, world.version[m]
    bound = world.cost[other, its] + limit + gain
    if world.cost[other, goal] > bound:
        return False
    for index in range(length):
        draft[1, goal + index] = order[m, begin + index]
    for place in range(goal, its):
        draft[1, place + length] = order[other, place]
    its_cost, its_upto = decode(world, 1, other, its + length, goal, goal + length, length, bound)
    if its_cost > bound:
        return False
    if cost < 0.0:
        cost, upto = cut(world, m, begin, length)
    take(world, 0, m, count - length, begin, upto, -length, cost)
    take(world, 1, other, its + length, goal, its_upto, length, its_cost)
    return True


@inner
def swap(world: World, j: int, other: int, limit: float) -> bool:
    """Two demands change places."""
    order, draft = world.order, world.new_order
    m, place = world.at[j, ON], world.at[j, PLACE]
    its = world.size[other, 0]
    if its == 0:
        return False
    if np.random.random() < 0.6:
        at = world.at[j, START] if world.at[j, START] >= 0 else world.horizon
        goal = place_at(world, other, at) + np.random.randint(-2, 3)
    else:
        goal = np.random.randint(its)
    if goal < 0 or goal >= its:
        return False
    i = order[other, goal]
    if i == j or world.run[i, m] == 0:
        return False
    count = world.size[m, 0]
    bound = world.cost[m, count] + limit
    if m == other:
        low, high = min(place, goal), max(place, goal) + 1
        for index in range(low, count):
            draft[0, index] = order[m, index]
        draft[0, place], draft[0, goal] = i, j
        cost, upto = decode(world, 0, m, count, low, high, 0, bound)
        if cost > bound:
            return False
        take(world, 0, m, count, low, upto, 0, cost)
        return True
    for index in range(place, count):
        draft[0, index] = order[m, index]
    for index in range(goal, its):
        draft[1, index] = order[other, index]
    draft[0, place], draft[1, goal] = i, j
    bound += world.cost[other, its]
    cost, upto = decode(world, 0, m, count, place, place + 1, 0, bound - world.cost[other, goal])
    if cost > bound:
        return False
    its_cost, its_upto = decode(world, 1, other, its, goal, goal + 1, 0, bound - cost)
    if its_cost > bound - cost:
        return False
    take(world, 0, m, count, place, upto, 0, cost)
    take(world, 1, other, its, goal, its_upto, 0, its_cost)
    return True


@inner
def cross(world: World, j: int, other: int, limit: float) -> bool:
    """A few demands in a row, or all from j on, change places with those of about the same time on another machine."""
    order, draft, at = world.order, world.new_order, world.at
    m, begin = at[j, ON], at[j, PLACE]
    count, its = world.size[m, 0], world.size[other, 0]
    when = at[j, SET_FROM] if at[j, START] >= 0 else world.horizon
    goal = place_at(world, other, when) + np.random.randint(-1, 2)
    if m == other or goal < 0 or goal >= its:
        return False
    mine, theirs = count - begin, its - goal
    if np.random.random() >= TAILS:
        mine, theirs = min(mine, 1 + np.random.randint(3)), min(theirs, 1 + np.random.randint(3))
    more = theirs - mine
    if count + more >= order.shape[1] or its - more >= order.shape[1]:
        return False
    for index in range(theirs):
        draft[0, begin + index] = order[other, goal + index]
        if world.run[order[other, goal + index], m] == 0:
            return False
    for index in range(mine):
        draft[1, goal + index] = order[m, begin + index]
        if world.run[order[m, begin + index], other] == 0:
            return False
    for place in range(begin + mine, count):
        draft[0, place + more] = order[m, place]
    for place in range(goal + theirs, its):
        draft[1, place - more] = order[other, place]
    bound = world.cost[m, count] + world.cost[other, its] + limit - world.cost[other, goal]
    cost, upto = decode(world, 0, m, count + more, begin, begin + theirs, more, bound)
    if cost > bound:
        return False
    bound += world.cost[other, goal] - cost
    its_cost, its_upto = decode(world, 1, other, its - more, goal, goal + mine, -more, bound)
    if its_cost > bound:
        return False
    take(world, 0, m, count + more, begin, upto, more, cost)
    take(world, 1, other, its - more, goal, its_upto, -more, its_cost)
    return True


@inner
def turn_wait(world: World, j: int, limit: float) -> bool:
    """A demand begins to wait for the start people were told, or no longer waits; elsewhere than it was told, it will
    once it is there: else it could never come back to begin earlier.
    """
    at = world.at
    m, place = at[j, ON], at[j, PLACE]
    if world.job[j, TOLD_ON] != m:
        at[j, WAITS] = 1 - at[j, WAITS]
        return bool(world.job[j, TOLD_ON] >= 0)
    count = world.size[m, 0]
    at[j, WAITS] = 1 - at[j, WAITS]
    for index in range(place, count):
        world.new_order[0, index] = world.order[m, index]
    bound = world.cost[m, count] + limit
    cost, upto = decode(world, 0, m, count, place, place + 1, 0, bound)
    if cost > bound:
        at[j, WAITS] = 1 - at[j, WAITS]
        return False
    take(world, 0, m, count, place, upto, 0, cost)
    return True


# -- gangs -----------------------------------------------------------------------------------------------------------


@inner
def gang_price(world: World, g: int, which: int, start: int) -> float:
    """As plan.objective counts it; `which`: 0 the crew it has, 1 the proposed one."""
    gang, crew = world.gang, world.crew
    j = gang[g, NEEDS]
    weight = world.weight[j]
    if start < 0:
        return float(UNPLACED * weight)
    ready, setup, changed = 0, 0, 0
    for index in range(gang[g, CREW], gang[g, CREW_END]):
        ready = max(ready, crew[which, index, FREED])
        setup += start - crew[which, index, BEGINS]
        known = False
        for told in range(gang[g, TOLD], gang[g, TOLD_END]):
            known = known or world.listed[told] == crew[which, index, MEMBER]
        changed += not known
    cost = READY * ready + SETUP * setup + DISLIKED * weight * dislike(world, j, start)
    if 0 <= world.job[j, DUE] < ready:
        cost += weight * (ready - world.job[j, DUE])
    if gang[g, TOLD_END] > gang[g, TOLD]:
        cost += MOVED * weight * (abs(start - world.job[j, TOLD_START]) + MACHINE_CHANGE_MIN * changed)
    return float(cost)


@inner
def lift(world: World, g: int, which: int) -> None:
    """Take a gang off its machines."""
    for index in range(world.gang[g, CREW], world.gang[g, CREW_END]):
        m = world.crew[which, index, MEMBER]
        into = 0
        for row in range(world.size[m, 1]):
            if world.fixed[m, row, OWNER] != g:
                if into != row:
                    for column in range(5):
                        world.fixed[m, into, column] = world.fixed[m, row, column]
                into += 1
        world.size[m, 1] = into


@compiled
def put(world: World, g: int, which: int, start: int) -> None:
    """Put a gang on the machines of a crew; its orders are not decoded."""
    fixed = world.fixed
    for index in range(world.gang[g, CREW], world.gang[g, CREW_END]):
        m, begin = world.crew[which, index, MEMBER], world.crew[which, index, BEGINS]
        j = world.crew[which, index, FOR]
        row = world.size[m, 1]
        while row > 0 and fixed[m, row - 1, BEGIN] > begin:
            for column in range(5):
                fixed[m, row, column] = fixed[m, row - 1, column]
            row -= 1
        fixed[m, row, BEGIN], fixed[m, row, END] = begin, world.crew[which, index, FREED]
        fixed[m, row, OF_FAMILY] = world.job[j, FAMILY] if world.machine[m, RULE] >= 0 else -1
        fixed[m, row, SPARE], fixed[m, row, OWNER] = start - begin - world.job[j, OWN_SETUP], g
        world.size[m, 1] += 1


@inner
def serves(world: World, m: int, j: int, start: int) -> tuple[int, int]:
    """(set-up, end) of a member on m for a run from `start`, whoever of the singles is there; (-1, -1): it cannot."""
    run, setup = world.run[j, m], world.job[j, OWN_SETUP]
    rule, family = world.machine[m, RULE], world.job[j, FAMILY]
    if rule >= 0 and family >= 0:
        longest = 0
        for before in range(world.change.shape[1]):  # whatever comes to stand in front of it
            longest = max(longest, world.change[rule, before, family + 1])
        setup += longest
    begin, ready = start - setup, start + run
    if begin < world.job[j, RELEASE] or ready > world.horizon:
        return -1, -1
    if allowed(world, m, j, setup, start, run) != start:
        return -1, -1
    clear = world.job[j, CLEAR]
    if clear > 0:
        ready = clear + room(world, m, STAFFED, ready, clear)
    ahead = 0
    for row in range(world.size[m, 1]):
        if world.fixed[m, row, BEGIN] < ready and begin < world.fixed[m, row, END]:
            return -1, -1
        if world.fixed[m, row, BEGIN] < begin:
            ahead = row + 1
    if ready > world.horizon or (rule >= 0 and family >= 0 and not next_fits(world, m, ahead, family)):
        return -1, -1
    return begin, ready


@inner
def propose(world: World, g: int, start: int) -> bool:
    """A crew for a start, rather of machines where few are in the way; whether there is one."""
    scratch, crew = world.scratch, world.crew
    member = first = world.gang[g, CREW]
    for j in range(world.gang[g, NEEDS], world.gang[g, NEEDS_END]):
        for index in range(world.job[j, ELIGIBLE], world.job[j, ELIGIBLE_END]):
            m = world.listed[index]
            begin, ready = serves(world, m, j, start)
            scratch[m] = np.inf
            if ready >= 0:
                in_way = place_at(world, m, ready) - place_at(world, m, begin)
                scratch[m] = in_way + 2.0 * np.random.random()
        for _ in range(world.quantity[j]):
            best, on = np.inf, -1
            for index in range(world.job[j, ELIGIBLE], world.job[j, ELIGIBLE_END]):
                m = world.listed[index]
                taken = False
                for earlier in range(first, member):
                    taken = taken or crew[1, earlier, MEMBER] == m
                if scratch[m] < best and not taken:
                    best, on = scratch[m], m
            if on < 0:
                return False
            begin, ready = serves(world, on, j, start)
            crew[1, member, MEMBER], crew[1, member, FOR] = on, j
            crew[1, member, BEGINS], crew[1, member, FREED] = begin, ready
            member += 1
    return True


@inner
def a_start(world: World, g: int) -> int:
    """The start it has, one of its dates, or any other."""
    j, now = world.gang[g, NEEDS], world.gang[g, AT]
    first, last = world.job[j, STARTS], world.job[j, STARTS_END]
    kind = np.random.random()
    if now >= 0 and kind < 0.25:
        return int(now)
    if last > first:
        date = first + np.random.randint(last - first)
        begin, end = world.hours[date, BEGIN], world.hours[date, END]
        return int(begin if kind < 0.6 else begin + np.random.randint(end - begin))
    release = world.job[j, RELEASE] + world.job[j, OWN_SETUP]
    if now >= 0 and kind < 0.6:
        at = now + np.random.randint(-240, 241)
    elif now >= 0 and kind < 0.85:
        at = release + np.random.randint(max(1, now - release))
    else:
        at = release + int((world.horizon - release) * np.random.random())
    m = world.listed[world.job[j, ELIGIBLE]]
    at = max(at, release)
    return int(allowed(world, m, j, world.job[j, OWN_SETUP], at, world.run[j, m]))


# -- ruin and recreate -----------------------------------------------------------------------------------------------


@inner
def save(world: World, count: int, m: int) -> int:
    """Keep the order of m as it is, once; how many are kept."""
    for row in range(count):
        if world.saved[row, 0] == m:
            return count
    size = world.size[m, 0]
    world.saved[count, 0], world.saved[count, 1] = m, size
    for place in range(size):
        world.saved[count, 2 + place] = world.order[m, place]
    return count + 1


@inner
def best_place(world: World, j: int, limit: float) -> tuple[float, int, int]:
    """Where j costs least among all orders it may stand in: (how much, machine, place); machine -1: over `limit`."""
    draft, state = world.new_order, world.state
    release, due, weight = world.job[j, RELEASE], world.job[j, DUE], world.weight[j]
    best, on, goal = limit, -1, -1
    stood = world.at[j, ON]  # tried first: often it was best, and then all others are soon through
    choices = world.job[j, ELIGIBLE_END] - world.job[j, ELIGIBLE]
    turn, enough = np.random.randint(choices), world.enough[0]
    anywhere = np.random.random() < ANYWHERE
    for step in range(-1, choices):
        again = step >= 0
        if (anywhere and not again) or (on >= 0 and best <= enough):
            continue
        m = world.listed[world.job[j, ELIGIBLE] + (step + turn) % choices] if again else stood
        count = world.size[m, 0]
        if count + 2 >= world.order.shape[1] or (again and m == stood and not anywhere):
            continue
        least = world.run[j, m] + world.job[j, OWN_SETUP] + world.job[j, CLEAR]
        first = place_at(world, m, release)
        for place in range(first, count):
            draft[1, place + 1] = world.order[m, place]
        for place in range(first, count + 1):
            if place > first:
                draft[1, place - 1] = world.order[m, place - 1]
            draft[1, place] = j
            if due >= 0 and weight * (state[m, place, FREE] + least - due) > best:
                break
            if np.random.random() < BLINK:
                continue
            whole = world.cost[m, count]
            cost, _ = decode(world, 1, m, count + 1, place, place + 1, 1, whole + best)
            if cost - whole < best:
                best, on, goal = cost - whole, m, place
                if best <= enough:
                    break
    return best, on, goal


@inner
def beside(world: World, j: int, g: int, step: int, at: int) -> tuple[int, int]:
    """(machine, place) of the next string to take out: on a machine of gang g at its start, or for j about `at`."""
    if g >= 0:
        first, last = world.gang[g, CREW], world.gang[g, CREW_END]
        m = int(world.crew[0, first + np.random.randint(last - first), MEMBER])
        return m, place_at(world, m, world.gang[g, AT])
    if step == 0:
        return int(world.at[j, ON]), int(world.at[j, PLACE])
    m = some_machine(world, j)
    return m, place_at(world, m, at)


@inner
def ruin(world: World, j: int, g: int, limit: float) -> bool:
    """Neighbours of j, or of gang g, in time are taken out and put back one by one, each where it costs least."""
    order, size = world.order, world.size
    at = world.at[j, START] if world.at[j, START] >= 0 else world.horizon
    at = int(world.job[j, RELEASE] + max(0, at - world.job[j, RELEASE]) * np.random.random())
    gone, saved, change = 0, 0, 0.0
    for step in range(1 + np.random.randint(3)):
        m, place = beside(world, j, g, step, at)
        length = 1 + np.random.randint(4)
        begin = max(0, place - np.random.randint(length))
        length = min(length, size[m, 0] - begin)
        if length < 1 or (g < 0 and step > 0 and m == world.at[j, ON]):
            continue
        saved = save(world, saved, m)
        before = world.cost[m, size[m, 0]]
        for index in range(length):
            world.ruined[gone] = order[m, begin + index]
            gone += 1
        cost, upto = cut(world, m, begin, length)
        take(world, 0, m, size[m, 0] - length, begin, upto, -length, cost)
        change += cost - before
    by = np.random.randint(3)  # who goes back first: anyone, the hurried, the heavy
    for index in range(gone):
        pick, most = index, -np.inf
        for other in range(index, gone):
            i = world.ruined[other]
            rank = np.random.random()
            if by == 1:
                rank = -float(world.job[i, DUE]) if world.job[i, DUE] >= 0 else -1e9
            elif by == 2:
                rank = world.weight[i] / (1.0 + world.run[i, world.at[i, ON]])
            if rank > most:
                pick, most = other, rank
        i = world.ruined[pick]
        world.ruined[pick] = world.ruined[index]
        world.ruined[index] = i
        cost, m, place = best_place(world, i, limit - change)
        if m < 0:
            change = np.inf
            break
        saved = save(world, saved, m)
        count = size[m, 0]
        world.new_order[0, place] = i
        for later_place in range(place, count):
            world.new_order[0, later_place + 1] = order[m, later_place]
        whole, upto = decode(world, 0, m, count + 1, place, place + 1, 1, np.inf)
        take(world, 0, m, count + 1, place, upto, 1, whole)
        change += cost
    if change <= limit:
        return True
    for row in range(saved):
        m = world.saved[row, 0]
        size[m, 0] = world.saved[row, 1]
        for place in range(size[m, 0]):
            order[m, place] = world.saved[row, 2 + place]
        lay_out(world, m)
    return False


@inner
def exchange(world: World, g: int, now: int, start: int) -> None:
    """The proposed crew, put already, becomes the one it has, and that (`now` -1: it had none) the proposed one."""
    crew = world.crew
    world.gang[g, AT] = start
    for index in range(world.gang[g, CREW], world.gang[g, CREW_END]):
        if now >= 0:
            lay_out(world, crew[0, index, MEMBER])
        lay_out(world, crew[1, index, MEMBER])
        for column in range(4):
            had = crew[0, index, column]
            crew[0, index, column] = crew[1, index, column]
            crew[1, index, column] = had


@inner
def move_gang(world: World, g: int, limit: float) -> bool:
    """A gang goes to another start or another crew, whole; the singles flow around it, or are put elsewhere."""
    gang, crew = world.gang, world.crew
    now, start = gang[g, AT], a_start(world, g)
    if start >= world.horizon:
        return False
    first, last = gang[g, CREW], gang[g, CREW_END]
    if now >= 0:
        lift(world, g, 0)
    if not propose(world, g, start):
        if now >= 0:
            put(world, g, 0, now)
        return False
    put(world, g, 1, start)
    change = gang_price(world, g, 1, start) - gang_price(world, g, 0, now)
    for which in range(1 if now < 0 else 0, 2):
        for index in range(first, last):
            m = crew[which, index, MEMBER]
            both = False
            for other in range(first, last):
                both = both or (which == 1 and now >= 0 and crew[0, other, MEMBER] == m)
            if not both and change <= limit + UNPLACED:
                change += relaid(world, m, np.inf) - world.cost[m, world.size[m, 0]]
    mends = now >= 0 and world.at.shape[0] > 0 and np.random.random() < MENDED
    if change > limit and not mends:
        lift(world, g, 1)
        if now >= 0:
            put(world, g, 0, now)
        return False
    exchange(world, g, now, start)
    if change <= limit or ruin(world, chosen(world), g, limit - change):
        return True
    lift(world, g, 0)
    put(world, g, 1, now)
    exchange(world, g, start, now)
    return False


@inner
def move_single(world: World, j: int, limit: float) -> tuple[int, bool]:
    """One of the moves of singles, begun at j: (which, whether it was kept)."""
    m, place = world.at[j, ON], world.at[j, PLACE]
    kind = np.random.random()
    if kind < RUINS:
        return 1, ruin(world, j, -1, limit)
    if np.random.random() < CROSSES:
        return 6, cross(world, j, some_machine(world, j), limit)
    kind = np.random.random()
    if kind < 0.7:
        length = 1
        if kind < 0.1:
            length = min(1 + np.random.randint(3), world.size[m, 0] - place)
        other = m if np.random.random() < 0.35 else some_machine(world, j)
        if other == m:
            return 2, move_within(world, m, place, length, limit)
        return 3, move_across(world, m, place, length, other, limit)
    if kind < 0.97:
        return 4, swap(world, j, m if np.random.random() < 0.3 else some_machine(world, j), limit)
    return 5, turn_wait(world, j, limit)


@compiled
def anneal(world: World, moves: int, temperature: float, part: float, chance: int) -> int:
    """Try `moves` changes, `part` of them of gangs, each kept if it costs no more than chance at this temperature allows;
    how many were. Chance begins at `chance`: inside compiled functions it is numba's own, and each thread's.
    """
    np.random.seed(chance)
    find_late(world)
    world.enough[0] = ENOUGH * temperature
    gangs, singles = world.gang.shape[0], world.mine.shape[0]
    kept = 0
    for _ in range(moves):
        limit = -temperature * np.log(1.0 - np.random.random())
        if singles == 0 or np.random.random() < part:
            kind, done = 0, move_gang(world, np.random.randint(gangs), limit)
        else:
            kind, done = move_single(world, chosen(world), limit)
        world.tally[kind, 0] += 1
        world.tally[kind, 1] += done
        kept += done
    return kept
