"""Who may use what alone: certifications, the rules signed for them, and uses under somebody's eyes."""
