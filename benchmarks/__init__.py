"""Measures the platform against named baselines, as ratios within one run."""
