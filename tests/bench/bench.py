#!/usr/bin/python3
"""All that is measured, in its order: `make bench`.

BENCH_SECONDS (1) is how long one measurement of load takes, BENCH_ROUNDS (20) how often all of them
are repeated, and BENCH_REQUESTS (1000000) what a worker answers between two looks at its memory.
BEFORE is a folder with the version before, built: it takes part, too.

Many short measurements tell more than few long ones: which process runs on which core is decided
anew at the start of each, and moves it by more than what is to be seen.
"""
import os
import pathlib
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "site"))

import alone  # noqa: E402
import report  # noqa: E402
from direct import Process  # noqa: E402
from served import Served  # noqa: E402
from tokens import BEFORE, MANY, Mint  # noqa: E402

class Bench:
    """What the steps of a run share."""

    seconds = int(os.environ.get("BENCH_SECONDS", 1))
    rounds = int(os.environ.get("BENCH_ROUNDS", 20))
    requests = int(os.environ.get("BENCH_REQUESTS", 1000000))

    def __init__(self, place):
        self.place, self.results, self.began = place, report.Results(), time.monotonic()
        self.alone = Mint(self.folder("alone"))  # its store knows one user
        self.before = Mint(self.folder("before"), BEFORE / "cgi-bin") if BEFORE else None
        self.mint = Mint(self.folder("mint"))
        self.mint.cookies(MANY)
        self.tokens = place / "tokens"
        self.tokens.write_text(self.mint.many.read_text().replace("token=", ""))
        self.crowded = None  # a store of `alone` with the records of 100,000 users

    def folder(self, name):
        (self.place / name).mkdir()
        return self.place / name

    def say(self, what):
        print("%4.0f s  %s" % (time.monotonic() - self.began, what), flush=True)

    def attempt(self, name, what, *arguments):
        """Do it; if it fails, say why in the end, and go on: the rest is worth having."""
        try:
            return what(*arguments)
        except Exception as fault:
            traceback.print_exc()
            why = " ".join(("%s: %s" % (type(fault).__name__, fault)).split())
            self.results.missing[name] = why.replace(str(self.place), "...")[:300]
            return None

    def step(self, name, what, *arguments):
        self.say(name)
        return self.attempt(name, what, *arguments)


def run(bench, served):
    for what in (alone.parts, alone.whole_requests, alone.plain_cgis, alone.memory, alone.users,
                 alone.stores, alone.flooded):
        bench.step(what.__name__.replace("_", " "), what, bench)
    for what in (served.begin, served.rounds, served.hot, served.cold, served.facts,
                 served.bounds, served.memory, served.connections, served.workers):
        bench.step(what.__name__, what)


def main():
    before = os.getloadavg()[0]
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    place = pathlib.Path(tempfile.mkdtemp(prefix="postern-bench-"))
    place.chmod(0o755)
    try:
        bench = Bench(place)
        served = Served(bench)
        try:
            run(bench, served)
        finally:
            served.stop()
            Process.stop_all()
    finally:
        shutil.rmtree(place, ignore_errors=True)
    if bench.results.bars:
        bench.step("picture", report.picture, bench.results.bars, HERE / "results.svg")
    bench.say("done")
    how = "Load for %d s at a time, %d rounds." % (bench.seconds, bench.rounds)
    print("\n" + report.write(bench.results, HERE, how, before))


main()
