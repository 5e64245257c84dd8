"""The demo lab: synthetic people and machines, time-shifted so that today looks alive."""
