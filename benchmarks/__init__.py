"""Benchmarks of the platform against named baselines, as ratios within one run."""

import os

# The platform's workers set this too. Threads that spin while they wait make fits many times slower where cores are
# shared, on both sides of a comparison. The variable has to be set before a library reads it.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
