"""Samples, views and networks that a caller brings, in place of those of a recipe."""
