"""A first look: digits, two objectives, one report."""
