"""Frozen features judged: embedding, linear probe, nearest neighbours, recall, geometry."""
