"""What really happened on a machine: one attempt, from the operator's tap to its settled end."""
