"""Images: sources, safe archives, decoding, two-view augmentation, and the order of batches."""
