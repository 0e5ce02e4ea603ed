import os

# As workers have it, before a booster's library reads it: with threads that spin while they wait, the small fits of
# these tests take several times as long on a busy machine.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# As Ray has it in a worker: AutoARIMA multiplies small matrices, which takes two threads twice the time of one. The
# boosters are given their number of threads.
os.environ.setdefault("OMP_NUM_THREADS", "1")
