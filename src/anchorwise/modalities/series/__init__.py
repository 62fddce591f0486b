"""One-dimensional signals: what sensors record over time, of participants or of anything else."""
