"""The lab's rules: pure functions that say every refusal at once. `check` judges people, times and places; what a file
may do on which machine is `rules.machines`."""

from fablab.claims.rules.asking import Act, Asked, Context, Policy
from fablab.claims.rules.check import RULES, Finding, Pass, check, findings, needs_two
from fablab.claims.rules.judging import explain_choices, gate, judge, may_start
from fablab.claims.rules.policies import policy_for
from fablab.claims.rules.waivers import waive

__all__ = [
    "RULES",
    "Act",
    "Asked",
    "Context",
    "Finding",
    "Pass",
    "Policy",
    "check",
    "explain_choices",
    "findings",
    "gate",
    "judge",
    "may_start",
    "needs_two",
    "policy_for",
    "waive",
]
