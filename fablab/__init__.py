"""The lab itself: what it owns, what it promises, what happened."""
