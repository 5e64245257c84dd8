"""Dates for a group that needs many things at once: the best of ninety days, why each, and what the others lacked."""
