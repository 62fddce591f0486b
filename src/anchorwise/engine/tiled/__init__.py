"""The backend that holds one tile of scores at a time."""
