"""Random views of images: how strong, what is drawn, and what is done to the pixels."""
