"""What grows with a site: its user file, its ended sessions, the tries that are counted."""
import os
import pathlib
import shutil
import statistics
import subprocess
import tempfile
import time

from conftest import SECRET, hashed
from contestants import BUILT
from direct import LOGIN, WELCOME, Process, bytes_of, figures
from tokens import NAME, PASSWORD, copy_state, settings

TRIES_MAX = 65536


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


def fill(folder, state, ended, tries):
    """Copy a state to `folder`, end so many sessions in it, and count so many tries."""
    # In memory, as each session is on the disk before the next one is ended.
    memory = "/dev/shm" if os.path.isdir("/dev/shm") else None
    with tempfile.TemporaryDirectory(dir=memory, prefix="postern-bench-") as name:
        work = pathlib.Path(name)
        copy_state(state, work)
        subprocess.run([BUILT / "fill", work, str(ended)], check=True)
        if tries:
            subprocess.run([BUILT / "flood", work, str(tries)], check=True,
                           stdout=subprocess.DEVNULL)
        copy_state(work, folder)


def state_costs(folder, state, mint, seconds):
    """With this state: microseconds of a gate's request, milliseconds of a sign-in."""
    env = settings(folder)
    copy_state(state, folder / "state")
    worker = Process(folder / "gate", env, WELCOME)
    gate = figures(worker.drive([bytes_of("token=" + mint.good, gate=True)], 3000 * seconds))[0]
    worker.stop()
    worker, times = Process(folder / "login", env, LOGIN), []
    for i in range(40 * seconds):
        began = time.perf_counter()
        reply = worker.post("/login", {"username": NAME, "password": PASSWORD},
                            REMOTE_ADDR="198.51.100.%d" % (i % 250))
        times.append((time.perf_counter() - began) * 1000)
        assert reply.status == 200, reply.status
    worker.stop()
    shutil.rmtree(folder)
    return gate, statistics.median(times)
