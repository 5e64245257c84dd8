"""What things cost: tariffs, quotes, charges."""
