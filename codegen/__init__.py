"""Writes the generated part of the Python client: `make client`."""
