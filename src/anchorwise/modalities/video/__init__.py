"""Video: frames in order, of which encoders see clips."""
