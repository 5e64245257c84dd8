"""Benches: how fast, how big, how true, beside software this project did not write."""
