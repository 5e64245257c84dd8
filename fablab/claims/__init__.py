"""Everything that wants time on a resource."""
