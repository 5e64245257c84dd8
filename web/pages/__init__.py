"""HTML for maker, staff and floor."""
