"""Resources, opening hours, materials and spools."""
