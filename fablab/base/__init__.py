"""The ground every other room stands on; it knows nothing of a FabLab."""
