"""Nodes of a heterogeneous graph, with what lies between them."""
