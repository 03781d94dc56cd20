#!/usr/bin/python3
"""Can names be told apart by time, and what does a flood of names cost?

Prints medians of requests to the programs themselves, over FastCGI without a web server. Only
figures of one run can be compared.
"""
import pathlib
import random
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/site"))

import fcgi  # noqa: E402
from conftest import PLAIN, hashed, write_settings  # noqa: E402

NAMES, ROUNDS, FLOOD = 20, 40, 1000000


def timed(worker, *arguments, **more):
    started = time.perf_counter()
    reply = worker.post(*arguments, **more)
    return (time.perf_counter() - started) * 1000, reply.status


def show(title, rows):
    print("\n%s\n" % title)
    for name, status, times in rows:
        print("  %-38s %3d %9.3f ms   (middle half %.3f to %.3f)" % (
            name, status, statistics.median(times), *statistics.quantiles(times)[::2]))


def sign_ins(worker):
    """Each kind of sign-in in a random order, as the one before it leaves warm caches."""
    kinds = {
        "known name, wrong password": ("user%d", "wrong", "192.0.%d.%d", 401),
        "unknown name": ("nobody%d", "wrong", "192.1.%d.%d", 401),
        "known name, right password": ("user%d", "right", "192.2.%d.%d", 200),
        "throttled, known name, wrong password": ("user0", "wrong", "203.0.113.1", 429),
        "throttled, known name, right password": ("user0", "right", "203.0.113.1", 429),
        "throttled, unknown name": ("nobody0", "wrong", "203.0.113.1", 429),
    }
    for name in ("user0", "nobody0"):
        for _ in range(5):
            timed(worker, "/login", {"username": name, "password": "wrong"},
                  REMOTE_ADDR="203.0.113.1")
    times = {kind: [] for kind in kinds}
    for i in range(ROUNDS * NAMES):
        for kind in random.sample(list(kinds), len(kinds)):
            name, password, address, status = kinds[kind]
            name = name % (1 + i % (NAMES - 1)) if "%" in name else name
            address = address % (i // 250, i % 250) if "%" in address else address
            taken, got = timed(worker, "/login", {"username": name, "password": password},
                               REMOTE_ADDR=address)
            assert got == status, (kind, got)
            times[kind].append(taken)
    return [(kind, kinds[kind][3], times[kind]) for kind in kinds]


def visits(worker, token):
    times = []
    for _ in range(3000):
        started = time.perf_counter()
        assert worker.ask(HTTP_COOKIE="token=" + token).startswith("Status: 200")
        times.append((time.perf_counter() - started) * 1000)
    return times


def start(folder, env, program):
    (folder / program).mkdir()
    return fcgi.Worker(folder / program, env, program, programs=PLAIN)


def main():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="postern-bench-"))
    env = write_settings(folder)
    (folder / "users").write_text("".join("user%d:%s\n" % (i, hashed("right"))
                                          for i in range(NAMES)))
    login, welcome = start(folder, env, "login.fcgi"), start(folder, env, "welcome.fcgi")
    show("Signing in", sign_ins(login))

    def right():
        # Of another user than the visitor: of one user only so many sessions stay open.
        taken, status = timed(login, "/login", {"username": "user2", "password": "right"},
                              REMOTE_ADDR="198.51.100.1")
        assert status == 200, status
        return taken

    token = login.post("/login", {"username": "user1", "password": "right"}).cookie()
    before, entry = visits(welcome, token), [right() for _ in range(200)]
    print("\n" + subprocess.run([ROOT / "build/plain/tests/bench/flood", folder / "state",
                                 str(FLOOD)], stdout=subprocess.PIPE, text=True,
                                check=True).stdout.strip())
    print("  %9d bytes of attempts" % (folder / "state/attempts").stat().st_size)
    after = visits(welcome, token)
    show("Before and after them", [("welcome.fcgi, before", 200, before),
                                   ("welcome.fcgi, after", 200, after),
                                   ("a right password, before", 200, entry),
                                   ("a right password, after", 200, [right() for _ in range(200)])])
    login.stop()
    welcome.stop()
    subprocess.run(["rm", "-r", folder], check=True)


main()
