"""The rules themselves: one table, one pure function over it, every refusal at once and nothing ever raised.

`check` is total and does not care for any order: what it is given in another order it answers alike. Each rule is its
code, what it is about, for which acts it holds, who passes it by their role, and how it may be let pass; whether it
speaks is one small function over frozen facts. Taking one cause away takes exactly its own refusal away.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from enum import StrEnum

from fablab.base.errors import Fact, Refusal
from fablab.base.intervals import Interval, Intervals, instant, intersect, merge, subtract
from fablab.claims.rules.asking import Act, Asked, Booked, Context, Quota, Waived, Where
from fablab.claims.rules.models import Permission, Presence
from fablab.people.certifications.standing import Lapse
from fablab.people.models import MemberState
from fablab.places.models import ResourceKind

Facts = Mapping[str, Fact]
_ALWAYS = frozenset(Act)
_USE = frozenset({Act.RESERVE, Act.START})
_RESERVE = frozenset({Act.RESERVE})
_START = frozenset({Act.START})
_MAKE = frozenset({Act.SUBMIT, Act.RESERVE, Act.START})
_SLACK = timedelta(seconds=1)  # instants come from forms and clocks; a second is nobody's gap


class Pass(StrEnum):
    """Who may let a refusal pass: nobody, one of the staff, or two of them where somebody could be hurt."""

    NEVER = "never"
    STAFF = "staff"
    TWO = "two"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """`by_role`: the staff are never asked this of themselves. Of `about_member` and `about_resource` one is set; they
    answer the facts of the refusal, or None where nothing is to be said."""

    acts: frozenset[Act]
    passes: Pass
    by_role: bool = False
    about_member: Callable[[Asked, Context], Facts | None] | None = None
    about_resource: Callable[[Asked, Context, Where], Facts | None] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A refusal and the resource it is about; None where it is about the member, or the day."""

    resource_id: int | None
    refusal: Refusal


def check(asked: Asked, context: Context) -> tuple[Refusal, ...]:
    """Every reason why not, in the table's order and then by resource; nothing for what was let pass."""
    found = [finding.refusal for finding in findings(asked, context)]
    marks = [(refusal.code, repr(sorted(refusal.facts.items()))) for refusal in found]
    first = [mark not in marks[:place] for place, mark in enumerate(marks)]
    return tuple(refusal for refusal, is_first in zip(found, first, strict=True) if is_first)


def findings(asked: Asked, context: Context) -> tuple[Finding, ...]:
    """The same with what each is about; of a quota that several resources share, one for each of them."""
    ordered = sorted(context.where, key=lambda where: where.resource_id)
    found: list[Finding] = []
    for code, rule in RULES.items():
        if asked.act not in rule.acts or (rule.by_role and context.who.staff):
            continue
        for resource_id, facts in _answers(rule, asked, context, ordered):
            if facts is not None and not _is_waived(context, code, resource_id):
                refusal = Refusal(code=code, waivable=rule.passes is not Pass.NEVER, facts=facts)
                found.append(Finding(resource_id=resource_id, refusal=refusal))
    return tuple(found)


def _answers(
    rule: Rule, asked: Asked, context: Context, ordered: Iterable[Where]
) -> Iterable[tuple[int | None, Facts | None]]:
    if rule.about_member is not None:
        return [(None, rule.about_member(asked, context))]
    assert rule.about_resource is not None
    return [(where.resource_id, rule.about_resource(asked, context, where)) for where in ordered]


def _is_waived(context: Context, code: str, resource_id: int | None) -> bool:
    everywhere = Waived(code=code)
    return everywhere in context.waived or Waived(code=code, resource_id=resource_id) in context.waived


# -- the member ------------------------------------------------------------------------------------------------------


def _not_active(asked: Asked, context: Context) -> Facts | None:
    state = context.who.state
    return None if state is MemberState.ACTIVE else {"member_state": state.value}


def _no_consent(asked: Asked, context: Context) -> Facts | None:
    limit, age = context.consent_age, context.who.age
    if limit is None or age is None or age >= limit or context.who.consent:
        return None
    return {"years": limit}


# -- when ------------------------------------------------------------------------------------------------------------


def _past(asked: Asked, context: Context) -> Facts | None:
    return {"start": _iso(asked.start_at)} if asked.end_at <= context.now else None


def _too_soon(asked: Asked, context: Context, where: Where) -> Facts | None:
    lead_s = where.policy.lead_s
    if not lead_s or asked.start_at >= context.now + timedelta(seconds=lead_s) - _SLACK:
        return None
    return {"machine": where.name, "lead_s": lead_s}


def _too_far(asked: Asked, context: Context, where: Where) -> Facts | None:
    until = context.now + timedelta(seconds=where.policy.horizon_s)
    return {"machine": where.name, "until": _iso(until)} if asked.start_at > until else None


def _too_short(asked: Asked, context: Context, where: Where) -> Facts | None:
    least_s = where.policy.shortest_s
    return {"machine": where.name, "least_s": least_s} if _length_s(asked) < least_s else None


def _too_long(asked: Asked, context: Context, where: Where) -> Facts | None:
    most_s = where.policy.longest_s
    if most_s is None or _length_s(asked) <= most_s:
        return None
    return {"machine": where.name, "most_s": most_s}


def _closure(asked: Asked, context: Context) -> Facts | None:
    hit = [c for c in context.closures for span in _attended(asked) if c.span.overlaps(span)]
    if not hit:
        return None
    first = min(hit, key=lambda closed: (closed.span.start, closed.name))
    return {"name": first.name, "until": _iso(first.span.end)}


def _not_open(asked: Asked, context: Context, where: Where) -> Facts | None:
    if where.policy.presence is Presence.ANYTIME:
        return None
    left = subtract(_attended(asked), merge([*where.open, *_shut(context)]))
    return {"machine": where.name, "from": _iso(left[0].start)} if left else None


def _not_staffed(asked: Asked, context: Context, where: Where) -> Facts | None:
    if where.policy.presence is not Presence.STAFFED:
        return None
    return _nobody_there(asked, where, _attended(asked))


def _nobody_there(asked: Asked, where: Where, wanted: Intervals) -> Facts | None:
    """Only of hours that are open: that the house is shut is another rule's word."""
    left = subtract(intersect(wanted, merge(where.open)), merge(where.staffed))
    return {"machine": where.name, "from": _iso(left[0].start)} if left else None


def _attended(asked: Asked) -> Intervals:
    """The part of it that somebody spends there: the first second at the least, for somebody has to begin it."""
    end = asked.end_at if asked.alone_from is None else min(asked.end_at, asked.alone_from)
    return (Interval(asked.start_at, max(end, asked.start_at + _SLACK)),)


def _shut(context: Context) -> list[Interval]:
    return [closed.span for closed in context.closures]


# -- how much --------------------------------------------------------------------------------------------------------


def _gap(asked: Asked, context: Context, where: Where) -> Facts | None:
    gap = timedelta(seconds=where.policy.gap_s)
    own = [b.span for b in _others(asked, context) if b.resource_id == where.resource_id]
    near = [
        span
        for span in own
        if not span.overlaps(asked.span)
        and span.start < asked.end_at + gap
        and asked.start_at < span.end + gap
    ]
    if not near:
        return None
    return {"machine": where.name, "gap_s": where.policy.gap_s, "start": _iso(min(near).start)}


def _week(asked: Asked, context: Context, where: Where) -> Facts | None:
    quota = where.policy.weekly
    if quota is None:
        return None
    asking = sum(1 for other in context.where if quota.scope.covers(other))
    for week in _weeks(asked, context):
        had = sum(_shared_s(b.span, week) for b in _in(quota, asked, context))
        if had + asking * _shared_s(asked.span, week) > quota.most:
            return {
                **_about(quota),
                "most_s": quota.most,
                "left_s": max(0, round(quota.most - had)),
                "day": _iso(week.start),
            }
    return None


def _concurrent(asked: Asked, context: Context, where: Where) -> Facts | None:
    quota = where.policy.concurrent
    if quota is None:
        return None
    live = {b.claim_id for b in _in(quota, asked, context) if b.span.end > context.now}
    return {**_about(quota), "most": quota.most} if len(live) >= quota.most else None


def _in(quota: Quota, asked: Asked, context: Context) -> list[Booked]:
    return [b for b in _others(asked, context) if quota.scope.covers(b)]


def _others(asked: Asked, context: Context) -> list[Booked]:
    return [b for b in context.booked if b.claim_id != asked.claim_id]


def _about(quota: Quota) -> dict[str, Fact]:
    """A code for what a quota is about; two resources under one quota are refused once."""
    scope = quota.scope
    return {
        "technology": scope.technology.value if scope.technology else None,
        "kind": scope.kind.value if scope.kind else None,
        "resource": scope.resource_id,
    }


def _weeks(asked: Asked, context: Context) -> list[Interval]:
    """The weeks of the house that it touches, from Monday's local midnight."""
    weeks: list[Interval] = []
    day = asked.start_at.astimezone(context.zone).date()
    day -= timedelta(days=day.weekday())
    while (start := instant(day, time(0), context.zone)) < asked.end_at:
        weeks.append(Interval(start, instant(day + timedelta(days=7), time(0), context.zone)))
        day += timedelta(days=7)
    return weeks


def _shared_s(span: Interval, week: Interval) -> float:
    return max(0.0, (min(span.end, week.end) - max(span.start, week.start)).total_seconds())


# -- leave to use it -------------------------------------------------------------------------------------------------


def _certified(where: Where) -> bool:
    return not where.needs_certification or where.standing.held is not None


def _missing(asked: Asked, context: Context, where: Where) -> Facts | None:
    if _certified(where) or where.standing.lapse is not None:
        return None
    return {**_named(where), **_training(where)}


def _lapsed(lapse: Lapse) -> Callable[[Asked, Context, Where], Facts | None]:
    def speaks(asked: Asked, context: Context, where: Where) -> Facts | None:
        standing = where.standing
        if _certified(where) or standing.lapse is not lapse:
            return None
        since = standing.lapsed_at
        return {**_named(where), **_training(where), "since": _iso(since) if since else None}

    return speaks


def _supervised(asked: Asked, context: Context, where: Where) -> Facts | None:
    """Before the first use alone a place can be had when somebody is there, and a start when they have said so."""
    held = where.standing.held
    if not where.needs_certification or held is None or not held.supervised_left:
        return None
    facts = {**_named(where), "count": held.supervised_left}
    if asked.act is Act.START:
        until = where.supervised_until
        return None if until is not None and until > context.now else facts
    if asked.alone_from is None and not subtract((asked.span,), merge(where.staffed)):
        return None
    return facts


def _unsigned(asked: Asked, context: Context, where: Where) -> Facts | None:
    if not where.unsigned:
        return None
    first = min(where.unsigned, key=lambda text: text.rule_text_id)
    return {**_named(where), "rule_text": first.rule_text_id, "version": first.version}


def _no_subscription(asked: Asked, context: Context, where: Where) -> Facts | None:
    return {"machine": where.name} if where.policy.subscription and not context.who.subscribed else None


def _too_young(asked: Asked, context: Context, where: Where) -> Facts | None:
    least, age = where.policy.least_age, context.who.age
    return None if least is None or age is None or age >= least else {"machine": where.name, "years": least}


def _child_alone(asked: Asked, context: Context, where: Where) -> Facts | None:
    """Somebody of the staff is in the house all the time that the child is there."""
    limit, age = where.policy.alone_age, context.who.age
    if limit is None or age is None or age >= limit:
        return None
    wanted = subtract(_attended(asked), merge(_shut(context)))
    left = subtract(wanted, merge(where.staffed))
    return {"machine": where.name, "years": limit, "from": _iso(left[0].start)} if left else None


# -- the machine -----------------------------------------------------------------------------------------------------


def _out(asked: Asked, context: Context, where: Where) -> Facts | None:
    """A place for later may be had on a machine that is out now: its outage holds its own time in the calendar."""
    later = asked.act is Act.RESERVE and asked.start_at > context.now
    return {"machine": where.name} if where.out_of_service and not later else None


def _somebody_elses(asked: Asked, context: Context, where: Where) -> Facts | None:
    hit = [
        taken
        for taken in where.taken
        if taken.claim_id != asked.claim_id and taken.span.contains(asked.start_at)
    ]
    if not hit:
        return None
    until = max(taken.span.end for taken in hit)
    return {"machine": where.name, "until": _iso(until)}


def _alone(asked: Asked, context: Context, where: Where) -> Facts | None:
    is_machine = where.kind is ResourceKind.MACHINE
    if not is_machine or where.unattended or not _alone_span(asked):
        return None
    return {"machine": where.name}


def _alone_too_long(asked: Asked, context: Context, where: Where) -> Facts | None:
    """The longest stretch with nobody in the house, as the planner counts it."""
    if where.kind is not ResourceKind.MACHINE or not where.unattended:
        return None
    stretches = subtract(_alone_span(asked), merge(where.staffed))
    longest_s = max((stretch.duration.total_seconds() for stretch in stretches), default=0.0)
    if longest_s <= where.unattended_max_s:
        return None
    return {"machine": where.name, "most_s": where.unattended_max_s, "alone_s": round(longest_s)}


def _alone_span(asked: Asked) -> Intervals:
    if asked.alone_from is None or asked.alone_from >= asked.end_at:
        return ()
    return (Interval(max(asked.alone_from, asked.start_at), asked.end_at),)


def _forbidden(asked: Asked, context: Context, where: Where) -> Facts | None:
    listed = where.materials
    if listed is None or asked.materials is None:
        return None
    bad = [m for m in asked.materials if listed.get(m) is Permission.FORBIDDEN]
    return {"machine": where.name, "material_id": min(bad)} if bad else None


def _unlisted(asked: Asked, context: Context, where: Where) -> Facts | None:
    """A machine with a list cuts what is on it; what it does not know takes a data sheet and two people's leave."""
    listed = where.materials
    if listed is None or asked.materials is None:
        return None
    unknown = [m for m in asked.materials if m not in listed]
    if asked.materials and not unknown:
        return None
    return {"machine": where.name, "material_id": min(unknown, default=None)}


def _bed(asked: Asked, context: Context, where: Where) -> Facts | None:
    """Width and depth may be turned; the height may not."""
    if where.bed_mm is None or asked.size_mm is None:
        return None
    width, depth = sorted(side or 0.0 for side in asked.size_mm[:2])
    x_mm, y_mm = sorted(where.bed_mm[:2])
    if width <= x_mm and depth <= y_mm and (asked.size_mm[2] or 0.0) <= where.bed_mm[2]:
        return None
    return {"machine": where.name, "x_mm": where.bed_mm[0], "y_mm": where.bed_mm[1], "z_mm": where.bed_mm[2]}


def _named(where: Where) -> dict[str, Fact]:
    technology = where.technology.value if where.technology else None
    return {"machine": where.name, "technology": technology}


def _training(where: Where) -> dict[str, Fact]:
    """The way to it: which session, when, and whether there is a place."""
    following = where.next_training
    if following is None:
        return {}
    return {
        "session": following.session_id,
        "at": _iso(following.start_at),
        "free": following.free,
    }


def _length_s(asked: Asked) -> float:
    return (asked.end_at - asked.start_at).total_seconds()


def _iso(at: datetime) -> str:
    return at.isoformat()


#: Every rule by its code, in the order in which refusals are said.
RULES: dict[str, Rule] = {
    "membership.not_active": Rule(acts=_ALWAYS, passes=Pass.NEVER, about_member=_not_active),
    "minor.no_consent": Rule(acts=_ALWAYS, passes=Pass.NEVER, about_member=_no_consent),
    "minor.too_young": Rule(acts=_ALWAYS, passes=Pass.TWO, about_resource=_too_young),
    "minor.alone": Rule(acts=_USE, passes=Pass.TWO, about_resource=_child_alone),
    "subscription.missing": Rule(
        acts=_MAKE, passes=Pass.STAFF, by_role=True, about_resource=_no_subscription
    ),
    "certification.missing": Rule(acts=_MAKE, passes=Pass.TWO, by_role=True, about_resource=_missing),
    "certification.expired": Rule(
        acts=_MAKE, passes=Pass.TWO, by_role=True, about_resource=_lapsed(Lapse.EXPIRED)
    ),
    "certification.disused": Rule(
        acts=_MAKE, passes=Pass.TWO, by_role=True, about_resource=_lapsed(Lapse.DISUSED)
    ),
    "certification.supervised": Rule(acts=_USE, passes=Pass.TWO, by_role=True, about_resource=_supervised),
    "rules.unsigned": Rule(acts=_MAKE, passes=Pass.TWO, by_role=True, about_resource=_unsigned),
    "machine.out_of_service": Rule(acts=_USE, passes=Pass.NEVER, about_resource=_out),
    "reservation.somebody_elses": Rule(
        acts=_START, passes=Pass.STAFF, by_role=True, about_resource=_somebody_elses
    ),
    "material.forbidden": Rule(acts=_MAKE, passes=Pass.NEVER, about_resource=_forbidden),
    "material.unlisted": Rule(acts=_MAKE, passes=Pass.TWO, about_resource=_unlisted),
    "bed.too_small": Rule(acts=_MAKE, passes=Pass.NEVER, about_resource=_bed),
    "unattended.not_allowed": Rule(acts=_USE, passes=Pass.NEVER, about_resource=_alone),
    "unattended.too_long": Rule(acts=_USE, passes=Pass.TWO, about_resource=_alone_too_long),
    "house.closure": Rule(acts=_USE, passes=Pass.STAFF, by_role=True, about_member=_closure),
    "hours.closed": Rule(acts=_USE, passes=Pass.STAFF, by_role=True, about_resource=_not_open),
    "hours.not_staffed": Rule(acts=_USE, passes=Pass.TWO, by_role=True, about_resource=_not_staffed),
    "time.past": Rule(acts=_RESERVE, passes=Pass.NEVER, about_member=_past),
    "time.too_soon": Rule(acts=_RESERVE, passes=Pass.STAFF, by_role=True, about_resource=_too_soon),
    "time.too_far": Rule(acts=_RESERVE, passes=Pass.STAFF, by_role=True, about_resource=_too_far),
    "time.too_short": Rule(acts=_RESERVE, passes=Pass.STAFF, by_role=True, about_resource=_too_short),
    "time.too_long": Rule(acts=_RESERVE, passes=Pass.STAFF, by_role=True, about_resource=_too_long),
    "quota.gap": Rule(acts=_RESERVE, passes=Pass.STAFF, by_role=True, about_resource=_gap),
    "quota.week": Rule(acts=_RESERVE, passes=Pass.STAFF, by_role=True, about_resource=_week),
    "quota.concurrent": Rule(acts=_RESERVE, passes=Pass.STAFF, by_role=True, about_resource=_concurrent),
}


def needs_two(code: str) -> bool:
    """Whether two different people have to let it pass."""
    rule = RULES.get(code)
    return rule is not None and rule.passes is Pass.TWO
