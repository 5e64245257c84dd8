"""The compiled heart of the search: one sequence of demands a machine, decoded into the pieces of its calendar.

A plan is an order on every machine, no more. `decode` puts each demand of an order at the first minute its rules allow
behind the one before, around what may not be moved (`Fixed`: outages, facts, gangs). Every state between two demands
is kept, so that a change of an order costs its tail only, and not even that where the old state comes back.

Compiled by numba without the GIL; uncompiled (NUMBA_DISABLE_JIT=1) the same functions give the same numbers. All of it
stands in one file on purpose: numba's cache looks only at the age of the file a function stands in. Times are whole
minutes; -1 is "none" for families, machines and minutes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, ParamSpec, TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
P = ParamSpec("P")
R = TypeVar("R")

NEVER = 1 << 40
NOBODY, STAFF, HOUSE = 0, 1, 2  # problem.Presence
SAME, COLOUR, MATERIAL, NOZZLE = (
    0,
    1,
    2,
    3,
)  # columns of `Calendars.rule` and, but for the first, of `families`

# The tiers of plan.Objective as one number: a tier is worth a thousandth of the one above or less, so that annealing
# has a slope to go down; whether a result is better is judged by the tiers themselves.
UNPLACED, MOVED, SETUP, READY = 1e9, 1e-3, 1e-5, 1e-9
MACHINE_CHANGE_MIN = 60  # plan.MACHINE_CHANGE_MIN


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    try:
        done: Any = numba.njit(cache=True, nogil=True, error_model="numpy")(function)
    except RuntimeError:  # numba finds no folder it may write to
        done = numba.njit(nogil=True, error_model="numpy")(function)
    return cast("Callable[P, R]", done)


class Calendars(NamedTuple):
    """By machine: `x_at[m]:x_at[m + 1]` are its stretches in `x_from`, `x_to`."""

    staffed_at: Ints
    staffed_from: Ints
    staffed_to: Ints
    open_at: Ints
    open_from: Ints
    open_to: Ints
    alone_at: Ints  # stretches with nobody there, longer than a run may be alone
    alone_from: Ints
    alone_to: Ints
    alone_max: Ints
    night_start: Bools
    loads: Bools
    rule: Ints  # machines x 4, minutes
    loaded: Ints  # family at the origin
    families: Ints  # families x (colour, material, nozzle)
    horizon: int


class Fixed(NamedTuple):
    """What orders flow around, by machine in order of start: machines x room, `size` of each are used.

    `spare`: what the set-up in front of it leaves for a change of family.
    """

    size: Ints
    start: Ints
    end: Ints
    family: Ints
    spare: Ints


class Jobs(NamedTuple):
    """The demands for one machine each. `run[j, m]` is 0 where j may not go; `told_on` -1: nobody was told."""

    release: Ints
    due: Ints
    weight: Floats
    presence: Ints
    setup: Ints
    clear: Ints
    family: Ints
    starts_at: Ints
    starts_from: Ints
    starts_to: Ints
    eligible_at: Ints
    eligible: Ints
    run: NDArray[np.int32]
    told_on: Ints
    told_start: Ints


class Orders(NamedTuple):
    """The orders and what they decode to. Columns of `free`, `left`, `next`, `cost`: the state before each place."""

    size: Ints
    order: Ints  # machines x room
    free: Ints  # from when the machine is free
    left: Ints  # the family left in it
    next: Ints  # the first of `Fixed` that is still ahead
    cost: Floats  # of all before
    on: Ints  # by job: machine,
    place: Ints  # place in its order,
    setup: Ints  # begin of its set-up,
    start: Ints  # of its run, -1 unplaced,
    ready: Ints
    waits: Bools  # not before the start that people were told


class Draft(NamedTuple):
    """Room for two changed orders: as in `Orders`, by row; what is kept of them `take` copies."""

    order: Ints
    free: Ints
    left: Ints
    next: Ints
    cost: Floats
    setup: Ints
    start: Ints
    ready: Ints


class World(NamedTuple):
    calendars: Calendars
    fixed: Fixed
    jobs: Jobs
    orders: Orders
    draft: Draft


@compiled
def room(begins: Ints, ends: Ints, low: int, high: int, at: int, length: int) -> int:
    """The first minute from `at` on with `length` minutes inside one stretch."""
    first, last = low, high
    while first < last:
        middle = (first + last) >> 1
        if begins[middle] <= at:
            first = middle + 1
        else:
            last = middle
    if first > low and ends[first - 1] >= at + length and ends[first - 1] > at:
        return at
    for later in range(first, high):
        if ends[later] - begins[later] >= length:
            return int(begins[later])
    return NEVER


@compiled
def change(calendars: Calendars, m: int, before: int, after: int) -> int:
    """Minutes of a person between two families; the dearest difference counts alone."""
    if after < 0 or not calendars.loads[m]:
        return 0
    rule = calendars.rule
    if before == after:
        return int(rule[m, SAME])
    if before < 0:
        return int(rule[m, MATERIAL])
    for what in (NOZZLE, MATERIAL):
        if calendars.families[before, what - 1] != calendars.families[after, what - 1]:
            return int(rule[m, what])
    return int(rule[m, COLOUR])


@compiled
def alone_until(calendars: Calendars, m: int, at: int, run: int) -> int:
    """`at`, or the next start whose run is left alone no longer than the machine may be."""
    first, last = calendars.alone_at[m], calendars.alone_at[m + 1]
    high = last
    while first < last:
        middle = (first + last) >> 1
        if calendars.alone_to[middle] <= at:
            first = middle + 1
        else:
            last = middle
    most = calendars.alone_max[m]
    while first < high and calendars.alone_from[first] < at + run:
        end = calendars.alone_to[first]
        if min(at + run, end) - max(at, calendars.alone_from[first]) > most:
            return int(end - most if calendars.night_start[m] else end)
        first += 1
    return at


@compiled
def allowed(calendars: Calendars, jobs: Jobs, m: int, j: int, setup: int, at: int, run: int) -> int:
    """`at` when no rule of the calendar objects to a run start then, else the next minute to try."""
    presence = jobs.presence[j]
    alone = presence == NOBODY and calendars.alone_max[m] > 0
    low, high = calendars.staffed_at[m], calendars.staffed_at[m + 1]
    if setup > 0:
        begin = room(calendars.staffed_from, calendars.staffed_to, low, high, at - setup, setup)
        if begin != at - setup:
            return begin + setup
    elif alone and not calendars.night_start[m]:
        begin = room(calendars.staffed_from, calendars.staffed_to, low, high, at, 1)
        if begin != at:
            return begin
    first, last = jobs.starts_at[j], jobs.starts_at[j + 1]
    if last > first:
        later = first
        while later < last and jobs.starts_from[later] <= at:
            later += 1
        if later == first or jobs.starts_to[later - 1] <= at:
            return int(jobs.starts_from[later]) if later < last else NEVER
    if alone:
        return alone_until(calendars, m, at, run)
    if presence == HOUSE:
        low, high = calendars.open_at[m], calendars.open_at[m + 1]
        return room(calendars.open_from, calendars.open_to, low, high, at, run)
    return room(calendars.staffed_from, calendars.staffed_to, low, high, at, run)


@compiled
def next_fits(calendars: Calendars, fixed: Fixed, m: int, ahead: int, family: int) -> bool:
    """Whether the next fixed thing that loads something has set-up enough after this family."""
    if family < 0:
        return True
    for index in range(ahead, fixed.size[m]):
        if fixed.family[m, index] >= 0:
            spare = fixed.spare[m, index]
            return bool(spare >= change(calendars, m, family, fixed.family[m, index]))
    return True


@compiled
def fit(world: World, m: int, j: int, free: int, left: int, ahead: int) -> tuple[int, int, int, int, int]:
    """The first place for j behind a state: (set-up, run start, ready, next fixed, family before); run start -1: none."""
    calendars, fixed, jobs = world.calendars, world.fixed, world.jobs
    run, clear, release = int(jobs.run[j, m]), jobs.clear[j], jobs.release[j]
    least = jobs.setup[j] + run + clear
    family = jobs.family[j] if calendars.loads[m] else -1
    not_before = jobs.told_start[j] if world.orders.waits[j] and jobs.told_on[j] == m else 0
    low, high = calendars.staffed_at[m], calendars.staffed_at[m + 1]
    while True:
        last = ahead >= fixed.size[m]
        bound = calendars.horizon if last else min(fixed.start[m, ahead], calendars.horizon)
        begin = max(free, release)
        if begin + least > calendars.horizon:
            return -1, -1, -1, ahead, left
        if bound - begin >= least and next_fits(calendars, fixed, m, ahead, family):
            setup = jobs.setup[j] + change(calendars, m, left, family)
            at = max(begin + setup, not_before)
            while at + run + clear <= bound:
                later = allowed(calendars, jobs, m, j, setup, at, run)
                if later == at:
                    ready = at + run
                    if clear > 0:
                        ready = clear + room(
                            calendars.staffed_from, calendars.staffed_to, low, high, ready, clear
                        )
                    if ready <= bound:
                        return at - setup, at, ready, ahead, left
                    break
                at = later
        if last:
            return -1, -1, -1, ahead, left
        free = max(free, fixed.end[m, ahead])
        if fixed.family[m, ahead] >= 0:
            left = fixed.family[m, ahead]
        ahead += 1


@compiled
def price(jobs: Jobs, m: int, j: int, setup: int, start: int, ready: int) -> float:
    cost = READY * ready + SETUP * (start - setup)
    if 0 <= jobs.due[j] < ready:
        cost += jobs.weight[j] * (ready - jobs.due[j])
    if jobs.told_on[j] >= 0:
        moved = abs(start - jobs.told_start[j])
        if jobs.told_on[j] != m:
            moved += MACHINE_CHANGE_MIN
        cost += MOVED * jobs.weight[j] * moved
    return float(cost)


@compiled
def decode(
    world: World, row: int, m: int, count: int, begin: int, tail: int, shift: int, limit: float
) -> tuple[float, int]:
    """The cost of m with the draft's order, and the place up to which it had to be decoded.

    The draft's order equals the present one before `begin`, and from `tail` on the one `shift` places before. It ends
    where the old state comes back; inf once the cost has passed `limit`.
    """
    orders, draft, jobs = world.orders, world.draft, world.jobs
    free, left = orders.free[m, begin], orders.left[m, begin]
    ahead, cost = orders.next[m, begin], orders.cost[m, begin]
    for place in range(begin, count):
        if place >= tail:
            old = place - shift
            if orders.free[m, old] == free and orders.left[m, old] == left and orders.next[m, old] == ahead:
                return cost + orders.cost[m, orders.size[m]] - orders.cost[m, old], place
        draft.free[row, place], draft.left[row, place] = free, left
        draft.next[row, place], draft.cost[row, place] = ahead, cost
        j = draft.order[row, place]
        setup, start, ready, nearest, before = fit(world, m, j, free, left, ahead)
        draft.setup[row, place], draft.start[row, place], draft.ready[row, place] = setup, start, ready
        if start < 0:
            cost += UNPLACED * jobs.weight[j]
        else:
            cost += price(jobs, m, j, setup, start, ready)
            free, ahead, left = ready, nearest, before
            if world.calendars.loads[m] and jobs.family[j] >= 0:
                left = jobs.family[j]
        if cost > limit:
            return np.inf, place
    draft.free[row, count], draft.left[row, count] = free, left
    draft.next[row, count], draft.cost[row, count] = ahead, cost
    return cost, count


@compiled
def take(world: World, row: int, m: int, count: int, begin: int, upto: int, shift: int, cost: float) -> None:
    """Make the draft's order the present one: places begin..upto are as decoded, later ones moved by `shift`."""
    orders, draft = world.orders, world.draft
    if upto < count:
        step = -1 if shift > 0 else 1
        first, last = (count, upto - 1) if shift > 0 else (upto, count + 1)
        off = cost - orders.cost[m, orders.size[m]]
        for place in range(first, last, step):
            old = place - shift
            orders.free[m, place], orders.left[m, place] = orders.free[m, old], orders.left[m, old]
            orders.next[m, place], orders.cost[m, place] = orders.next[m, old], orders.cost[m, old] + off
    for place in range(begin, min(upto + 1, count + 1) if upto >= count else upto):
        orders.free[m, place], orders.left[m, place] = draft.free[row, place], draft.left[row, place]
        orders.next[m, place], orders.cost[m, place] = draft.next[row, place], draft.cost[row, place]
    for place in range(begin, count):
        j = draft.order[row, place]
        orders.order[m, place], orders.on[j], orders.place[j] = j, m, place
        if place < upto:
            orders.setup[j] = draft.setup[row, place]
            orders.start[j] = draft.start[row, place]
            orders.ready[j] = draft.ready[row, place]
    orders.size[m] = count


@compiled
def lay_out(world: World, m: int) -> float:
    """Decode the order of m as it stands, from its beginning; its cost."""
    orders, draft = world.orders, world.draft
    count = orders.size[m]
    for place in range(count):
        draft.order[0, place] = orders.order[m, place]
    orders.free[m, 0], orders.left[m, 0] = 0, world.calendars.loaded[m]
    orders.next[m, 0], orders.cost[m, 0] = 0, 0.0
    cost, _ = decode(world, 0, m, count, 0, count + 1, 0, np.inf)
    take(world, 0, m, count, 0, count, 0, cost)
    return cost


@compiled
def append(world: World, queue: Ints) -> None:
    """Each in turn goes where it is ready earliest, behind all that is there; who fits nowhere, to its first machine."""
    orders, jobs = world.orders, world.jobs
    for q in range(queue.shape[0]):
        j = queue[q]
        on, best, best_setup, best_start, best_next, best_left = (
            jobs.eligible[jobs.eligible_at[j]],
            NEVER,
            -1,
            -1,
            0,
            -1,
        )
        for index in range(jobs.eligible_at[j], jobs.eligible_at[j + 1]):
            m = jobs.eligible[index]
            last = orders.size[m]
            setup, start, ready, nearest, before = fit(
                world, m, j, orders.free[m, last], orders.left[m, last], orders.next[m, last]
            )
            if start >= 0 and ready < best:
                on, best, best_setup, best_start, best_next, best_left = (
                    m,
                    ready,
                    setup,
                    start,
                    nearest,
                    before,
                )
        last = orders.size[on]
        orders.order[on, last], orders.on[j], orders.place[j] = j, on, last
        orders.setup[j], orders.start[j], orders.ready[j] = (
            best_setup,
            best_start,
            best if best_start >= 0 else -1,
        )
        orders.size[on] = last + 1
        cost = orders.cost[on, last]
        if best_start >= 0:
            cost += price(jobs, on, j, best_setup, best_start, best)
            left = jobs.family[j] if world.calendars.loads[on] and jobs.family[j] >= 0 else best_left
            orders.free[on, last + 1], orders.left[on, last + 1], orders.next[on, last + 1] = (
                best,
                left,
                best_next,
            )
        else:
            cost += UNPLACED * jobs.weight[j]
            orders.free[on, last + 1], orders.left[on, last + 1] = (
                orders.free[on, last],
                orders.left[on, last],
            )
            orders.next[on, last + 1] = orders.next[on, last]
        orders.cost[on, last + 1] = cost


@compiled
def total(world: World) -> float:
    cost = 0.0
    for m in range(world.orders.size.shape[0]):
        cost += world.orders.cost[m, world.orders.size[m]]
    return cost


# -- moves: each changes one or two orders, or nothing ---------------------------------------------------------------


@compiled
def seed(value: int) -> None:
    """Chance inside compiled functions is numba's own."""
    np.random.seed(value)


@compiled
def place_at(orders: Orders, m: int, at: int) -> int:
    """The first place whose demand is ready after `at`."""
    first, last = 0, int(orders.size[m])
    while first < last:
        middle = (first + last) >> 1
        if orders.free[m, middle + 1] <= at:
            first = middle + 1
        else:
            last = middle
    return first


@compiled
def chosen(world: World) -> int:
    """A demand; more often one that is late or has no place."""
    orders, jobs = world.orders, world.jobs
    size = jobs.release.shape[0]
    pick = np.random.randint(size)
    if np.random.random() < 0.4:
        return int(pick)
    worst = -1.0
    for _ in range(4):
        j = np.random.randint(size)
        late = -1.0
        if orders.start[j] < 0:
            late = UNPLACED
        elif jobs.due[j] >= 0:
            late = jobs.weight[j] * (orders.ready[j] - jobs.due[j])
        if late > worst:
            worst, pick = late, j
    return int(pick)


@compiled
def some_machine(jobs: Jobs, j: int) -> int:
    first = jobs.eligible_at[j]
    return int(jobs.eligible[first + np.random.randint(jobs.eligible_at[j + 1] - first)])


@compiled
def move_within(world: World, m: int, begin: int, length: int, limit: float) -> bool:
    """A block goes to another place of its own order."""
    orders, draft = world.orders, world.draft
    count = orders.size[m]
    if count <= length:
        return False
    goal = begin + np.random.randint(-4, 5)
    if np.random.random() < 0.5:
        goal = np.random.randint(count - length + 1)
    if goal == begin or goal < 0 or goal > count - length:
        return False
    low, high = min(begin, goal), max(begin, goal) + length
    for place in range(low, count):
        draft.order[0, place] = orders.order[m, place]
    for place in range(goal, begin):
        draft.order[0, place + length] = orders.order[m, place]
    for place in range(begin + length, goal + length):
        draft.order[0, place - length] = orders.order[m, place]
    for index in range(length):
        draft.order[0, goal + index] = orders.order[m, begin + index]
    bound = orders.cost[m, count] + limit
    cost, upto = decode(world, 0, m, count, low, high, 0, bound)
    if cost > bound:
        return False
    take(world, 0, m, count, low, upto, 0, cost)
    return True


@compiled
def a_goal(world: World, j: int, m: int) -> int:
    """A place on m for j: by the clock mostly, since a demand is released, and better before than now."""
    orders = world.orders
    count = orders.size[m]
    if np.random.random() < 0.3:
        return int(np.random.randint(count + 1))
    release = world.jobs.release[j]
    at = orders.start[j] if orders.start[j] >= 0 else world.calendars.horizon
    if np.random.random() < 0.7:
        at = release + int(max(0, at - release) * np.random.random())
    goal = place_at(orders, m, at)
    if np.random.random() < 0.3:
        goal += np.random.randint(-1, 2)
    return int(max(0, min(goal, count)))


@compiled
def move_across(world: World, m: int, begin: int, length: int, other: int, limit: float) -> bool:
    """A block goes to another machine."""
    orders, draft, jobs = world.orders, world.draft, world.jobs
    for index in range(1, length):
        if jobs.run[orders.order[m, begin + index], other] == 0:
            return False
    count, its = orders.size[m], orders.size[other]
    if its + length >= orders.order.shape[1]:
        return False
    goal = a_goal(world, orders.order[m, begin], other)
    for place in range(begin, count - length):
        draft.order[0, place] = orders.order[m, place + length]
    cost, upto = decode(world, 0, m, count - length, begin, begin, -length, np.inf)
    bound = orders.cost[m, count] + orders.cost[other, its] + limit - cost
    if orders.cost[other, goal] > bound:
        return False
    for index in range(length):
        draft.order[1, goal + index] = orders.order[m, begin + index]
    for place in range(goal, its):
        draft.order[1, place + length] = orders.order[other, place]
    its_cost, its_upto = decode(world, 1, other, its + length, goal, goal + length, length, bound)
    if its_cost > bound:
        return False
    take(world, 0, m, count - length, begin, upto, -length, cost)
    take(world, 1, other, its + length, goal, its_upto, length, its_cost)
    return True


@compiled
def swap(world: World, j: int, other: int, limit: float) -> bool:
    """Two demands change places."""
    orders, draft = world.orders, world.draft
    m, place = orders.on[j], orders.place[j]
    its = orders.size[other]
    if its == 0:
        return False
    if np.random.random() < 0.6:
        at = orders.start[j] if orders.start[j] >= 0 else world.calendars.horizon
        goal = place_at(orders, other, at) + np.random.randint(-2, 3)
    else:
        goal = np.random.randint(its)
    if goal < 0 or goal >= its:
        return False
    i = orders.order[other, goal]
    if i == j or world.jobs.run[i, m] == 0:
        return False
    count = orders.size[m]
    if m == other:
        low, high = min(place, goal), max(place, goal) + 1
        for index in range(low, count):
            draft.order[0, index] = orders.order[m, index]
        draft.order[0, place], draft.order[0, goal] = i, j
        bound = orders.cost[m, count] + limit
        cost, upto = decode(world, 0, m, count, low, high, 0, bound)
        if cost > bound:
            return False
        take(world, 0, m, count, low, upto, 0, cost)
        return True
    for index in range(place, count):
        draft.order[0, index] = orders.order[m, index]
    for index in range(goal, its):
        draft.order[1, index] = orders.order[other, index]
    draft.order[0, place], draft.order[1, goal] = i, j
    bound = orders.cost[m, count] + orders.cost[other, its] + limit
    cost, upto = decode(world, 0, m, count, place, place + 1, 0, bound)
    if cost > bound:
        return False
    its_cost, its_upto = decode(world, 1, other, its, goal, goal + 1, 0, bound - cost)
    if its_cost > bound - cost:
        return False
    take(world, 0, m, count, place, upto, 0, cost)
    take(world, 1, other, its, goal, its_upto, 0, its_cost)
    return True


@compiled
def turn_wait(world: World, j: int, limit: float) -> bool:
    """A demand begins to wait for the start people were told, or no longer waits."""
    orders, draft = world.orders, world.draft
    m, place = orders.on[j], orders.place[j]
    if world.jobs.told_on[j] != m:
        return False
    count = orders.size[m]
    orders.waits[j] = not orders.waits[j]
    for index in range(place, count):
        draft.order[0, index] = orders.order[m, index]
    bound = orders.cost[m, count] + limit
    cost, upto = decode(world, 0, m, count, place, place + 1, 0, bound)
    if cost > bound:
        orders.waits[j] = not orders.waits[j]
        return False
    take(world, 0, m, count, place, upto, 0, cost)
    return True


@compiled
def anneal(world: World, moves: int, temperature: float) -> int:
    """Try `moves` changes, each kept if it costs no more than chance at this temperature allows; how many were."""
    orders, jobs = world.orders, world.jobs
    kept = 0
    for _ in range(moves):
        limit = -temperature * np.log(1.0 - np.random.random())
        kind = np.random.random()
        j = chosen(world)
        m = orders.on[j]
        if kind < 0.7:
            length = 1
            if kind < 0.1:
                length = min(1 + np.random.randint(3), orders.size[m] - orders.place[j])
            other = m if np.random.random() < 0.35 else some_machine(jobs, j)
            if other == m:
                kept += move_within(world, m, orders.place[j], length, limit)
            else:
                kept += move_across(world, m, orders.place[j], length, other, limit)
        elif kind < 0.97:
            kept += swap(world, j, m if np.random.random() < 0.3 else some_machine(jobs, j), limit)
        else:
            kept += turn_wait(world, j, limit)
    return kept
