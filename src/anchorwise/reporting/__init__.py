"""Reports as one self-contained HTML file, and where a result comes from."""
