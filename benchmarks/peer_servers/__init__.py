"""The booster of a bundle behind servers of others; each file runs in the virtual environment of its server."""
