"""When and where: from claims to a plan, from a plan to runs."""
