"""The lab's rules: pure functions that say every refusal at once."""

from fablab.claims.rules.machines import LATEST_DUE, Candidate, Context, Verdict, Wish, check

__all__ = ["LATEST_DUE", "Candidate", "Context", "Verdict", "Wish", "check"]
