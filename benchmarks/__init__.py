"""Measures the platform against named baselines, as ratios within one run."""

import os

# As the platform's workers have it, and before a library reads it: threads that spin while they wait make fits many
# times slower where cores are shared, on both sides of a comparison.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
