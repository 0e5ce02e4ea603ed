"""The Python client of a platform. It imports nothing of the platform itself."""
