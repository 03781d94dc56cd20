"""What grows with a site: its user file, the records and the attempts in its store."""
import os
import shutil
import statistics
import subprocess
import time

from conftest import SECRET, USERS, hashed
from direct import WELCOME, Process, bytes_of, figures
from tokens import BUILT, NAME, PASSWORD, settings

OTHER = "grace-hopper"  # signs in so often that her first sessions are over


def user_file(path, lines):
    """NAME stands in the middle of it."""
    made = hashed(PASSWORD, "yescrypt")
    with open(path, "w") as file:
        for i in range(lines):
            file.write("%s:%s\n" % (NAME if i == lines // 2 else "user%d" % i, made))
    path.chmod(0o600)
    os.utime(path, (time.time() - 3600,) * 2)  # one that has just changed is always read again


def users(folder, tokens, lines):
    """Microseconds to find a name, to read the file first and then find it, and to hash."""
    path = folder / "users-many"
    user_file(path, lines)
    found = []
    for part in ("find", "read", "password"):
        done = subprocess.run([BUILT / "micro", folder, tokens, SECRET, path, NAME, part],
                              stdout=subprocess.PIPE, text=True, check=True)
        found.append(float(done.stdout.split()[2]) / 1000)
    path.unlink()
    return found


def gate_cost(folder, store, mint, seconds):
    """With this store: microseconds of a gate's request."""
    worker = Process(folder / "gate", settings(folder, POSTERN_STATE=store), WELCOME)
    gate = figures(worker.drive([bytes_of("token=" + mint.good, gate=True)], 3000 * seconds))[0]
    worker.stop()
    shutil.rmtree(folder)
    return gate


def sign_in_costs(folder, stores, count):
    """Milliseconds of a sign-in with each of these, pairs of a program and a store: the medians of
    `count` that take turns."""
    folder.mkdir()
    workers = [Process(folder / ("login%d" % i), settings(folder / str(i), POSTERN_STATE=store),
                       program) for i, (program, store) in enumerate(stores)]
    times = [[] for _ in stores]
    for i in range(count):
        for worker, taken in zip(workers, times):
            began = time.perf_counter()
            reply = worker.post("/login", {"username": OTHER, "password": USERS[OTHER]},
                                REMOTE_ADDR="198.51.100.%d" % (i % 250))
            taken.append((time.perf_counter() - began) * 1000)
            assert reply.status == 200, reply.status
    for worker in workers:
        worker.stop()
    shutil.rmtree(folder)
    return [statistics.median(taken) for taken in times]
