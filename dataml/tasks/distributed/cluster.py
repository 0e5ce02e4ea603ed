"""The CPUs of the Ray cluster, as far as tasks may share them."""


def is_worth_distributing() -> bool:
    """Return whether the cluster has more CPUs than the two that one worker uses by itself, to compute and to write."""
    return cpu_count() > 2


def cpu_count() -> int:
    """Return the number of CPUs of all nodes; 1 without a cluster."""
    import ray

    return int(ray.cluster_resources().get("CPU", 1)) if ray.is_initialized() else 1
