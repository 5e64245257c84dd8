"""Read-only views over what happened."""
