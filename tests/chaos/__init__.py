"""Faults injected into a running platform under load: `make chaos` (`python -m tests.chaos --help`)."""
