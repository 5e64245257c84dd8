"""`python -m web.cli` is the `fablab` command, for places where it is not installed."""

from web.cli import main

main()
