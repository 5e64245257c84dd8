"""Training sessions: dates on which a certification is earned, with their places and what they hold."""
