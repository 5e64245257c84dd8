"""The door: pages, API, command line, and the one composition root."""
