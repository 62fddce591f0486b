"""Text: sentences, pairs and captions, their tokens, and transformers that encode them."""
