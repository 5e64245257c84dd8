"""Members, organisations, projects, certifications, and how they get in."""
