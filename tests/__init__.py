import os

# As workers have it, before a booster's library reads it: with threads that spin while they wait, the small fits of
# these tests take several times as long on a busy machine.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# As Ray has it in a worker: AutoARIMA multiplies small matrices, which takes two threads twice the time of one. The
# boosters are given their number of threads.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Temporary folders are in memory where it has room for them: most of the time of a short call is its wait for a disk.
_MEMORY, _MIN_FREE_BYTES = "/dev/shm", 4 << 30
if os.access(_MEMORY, os.W_OK | os.X_OK):
    _free = os.statvfs(_MEMORY)
    if _free.f_bavail * _free.f_frsize >= _MIN_FREE_BYTES:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", _MEMORY)
