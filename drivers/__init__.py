"""Machines: one driver for each wire, one link around any of them."""
