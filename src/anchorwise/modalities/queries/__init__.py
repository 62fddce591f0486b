"""Queries: people, or a rule, say which two of three trajectories are alike."""
