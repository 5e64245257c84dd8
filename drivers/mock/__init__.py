"""Firmware and servers that speak the real wire, for tests and the demo lab."""
