"""Users and the items that each chose, as a graph: recommendation."""
