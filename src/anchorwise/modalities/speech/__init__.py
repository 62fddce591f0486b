"""Speech: recordings in wav files, their log-mel features, random views of them, and a small encoder."""
