"""Pictures of where the hardest negatives end, and the laws fitted to them."""
