"""Images and what is said of them: pairs, their views, and two towers that bring both into one space."""
