"""JSON under /api: one file a subject."""
