"""Workshops: the catalogue, what schools ask for, and the sessions that come of it."""
