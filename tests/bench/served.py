"""What is measured behind web servers: all contestants in turn, round after round."""
import os
import pathlib
import re
import statistics

import direct
import load
from contestants import (ApacheFcgid, Contestant, Empty, Form, FormContestant, Lighttpd, Nginx,
                         Node, Openidc, Php, Redis)
from report import figure
from tokens import KEYS, MANY, Mint, key_file

PAGE, GATE = "/welcome", "/private/file.txt"
EMPTIES = EMPTY, AGAIN, AT_ONCE = "empty", "empty, again", "empty, closing at once"
DECODE = "jwt_decode() alone"
OURS, CROWDED, BEFORE = "ours", "ours, crowded", "version before"
REDIS, SOCKET = "ours, Redis", "ours, Redis on a socket"
FOUR, REDIS_FOUR = "ours, four workers", "ours, Redis, four workers"
PROGRAMS = {EMPTY: direct.EMPTY, AGAIN: direct.EMPTY, AT_ONCE: direct.AT_ONCE,
            DECODE: direct.DECODE, BEFORE: direct.WELCOME_BEFORE}

HOT = """%d connections, two workers where nothing else is said; medians of all rounds.

- *Page*: a JSON answer. *Gate*: a small file that is guarded.
- *Of empty*: of the empty program in the same place. Those that are a server themselves are
  compared with the one under lighttpd.
- *Again*: a second one of the same kind: so far can the figures be trusted.
- *Closing at once*: libfcgi, and so the empty program, waits after each reply until the server has
  closed the connection, as a reply can be lost where something is left unread. This one never
  waits. Ours waits only where it has not read all: as a gate under nginx, say.
- *Crowded*: with the records of 100,000 users and a full table of attempts.
- *Redis*: the store is on a redis-server on 127.0.0.1, or on a socket of this machine; it is
  asked in every request. *ES256*, *RS256*: with a key file, of P-256 or 2,048 bits of RSA.
- Latency at half of these requests/s.
- CPU: user and system time of the FastCGI program, a request. mod_fcgid has more processes
  than there are connections."""


COLD = """{:,} tokens in turn, each of another user, of which a worker keeps 512. *jwt_decode() alone* is
the empty program that finds the cookie, decodes it and looks at "alg" and "exp"."""


HOT_BOUND = """A hot token, {kind}: an empty request takes {whole:.1f} µs of {cores} cores, load and
server and all, and {base:.1f} of them are its program's own CPU time; of ours, {own:.1f}, with
{calls:+.0f} system calls. The empty program waits after each reply until the server has closed the
connection. One that closes it at once reaches {at_once:.3f} of it, and ours {of:.3f} of that. The
second empty program reaches {again:.3f} of the first."""

HOT_PARTS = """Without a web server, again and again in one process, the check of a hot token takes
{hot us:.2f} µs and the question whether its session is listed {listed us:.2f} µs; a system call that
does next to nothing takes {call us:.2f} µs. The empty program itself reaches {empty openidc:.2f} times
mod_auth_openidc, {empty php:.2f} times PHP-FPM and {empty express:.1f} times Express."""

BOUND = """A cold token, {kind}: an empty request takes {whole:.1f} µs of {cores} cores, load and
server and all. At {wanted} of its requests/s, {left:.1f} µs more may be spent on one. In the same
place jwt_decode() alone spends {more:.1f} µs more of its own CPU time, and reaches {share:.2f} of
the empty program; ours spends {ours:.1f} µs more, and reaches {of:.2f} of jwt_decode() alone."""

BOUND_PARTS = """By itself, again and again in one process, jwt_decode() takes {decode us:.1f} µs.
Of a whole page callgrind counts {page, empty:.0f} instructions, with jwt_decode() alone
{page, jwt_decode() alone:.0f}, of ours with a cold token {page, ours, cold token:.0f}."""


REDIS_PARTS = """The gate with the store on Redis, {load} token: a request takes {redis:.1f} µs of
{cores} cores, load and servers and all, and {folder:.1f} µs with the store in a folder. Of the
{more:.1f} µs more, redis-server spends {server:.1f} µs of CPU time, welcome.fcgi {worker:.1f} µs, and
in {idle:.1f} µs a core had nothing to do, as a worker waits for its answer before it does anything
else."""


class Served:
    def __init__(self, bench):
        self.bench, self.results = bench, bench.results
        self.servers = []
        self.contestants = {}  # by where they are and their name
        # By the same and the load, seconds a request of each round: of the FastCGI programs'
        # CPU time, of redis-server's, and of cores that had nothing to do.
        self.costs = {"worker": {}, "redis": {}, "idle": {}}
        self.mints = {}        # by name, of those whose tokens or whose store are others

    def stop(self):
        for server in self.servers:
            server.stop()
        self.servers = []

    # -- who takes part ----------------------------------------------------------------------

    def make_mints(self):
        """Start Redis; tokens of each kind."""
        self.redis = Redis(self.bench.place, "redis")
        self.servers.append(self.redis)
        self.redis.start()
        self.add_mint(REDIS, POSTERN_STATE="redis://127.0.0.1:%d" % self.redis.port)
        self.mints[REDIS_FOUR] = self.mints[REDIS]
        self.add_mint(SOCKET, POSTERN_STATE="unix:%s" % (self.redis.folder / "socket"))
        for algorithm in KEYS:
            folder = self.bench.folder(algorithm)
            self.add_mint("ours, " + algorithm, POSTERN_KEY_FILE=key_file(folder, algorithm))

    def add_mint(self, name, **settings):
        folder = self.bench.folder(re.sub(r"\W+", "-", "mint " + name))
        self.mints[name] = Mint(folder, **settings)
        self.mints[name].cookies(MANY)

    def begin(self):
        self.bench.step("tokens for other keys and another store", self.make_mints)
        place, mint = self.bench.place, self.bench.mint
        for where, kind in (("lighttpd", Lighttpd), ("nginx", Nginx),
                            ("Apache mod_fcgid", ApacheFcgid)):
            before = (BEFORE,) if self.bench.before else ()
            for name in ((*EMPTIES, DECODE, OURS, *before, CROWDED, FOUR, *self.mints)
                         if kind is Lighttpd else (EMPTY, OURS)):
                self.bench.step("%s: %s" % (where, name), self.enter_program, kind, where, name)
        for name, make, kind, group, path in (
                ("PHP-FPM", lambda: Php(place, "php"), Contestant, "page", "/welcome.php"),
                ("Express", lambda: Node(place, "express"), Contestant, "page", PAGE),
                ("Fastify", lambda: Node(place, "fastify"), Contestant, "page", PAGE),
                ("mod_auth_openidc", lambda: Openidc(place, "openidc", mint.kid), Contestant,
                 "gate", GATE),
                ("mod_auth_form", lambda: Form(place, "form"), FormContestant, "gate", GATE)):
            self.bench.step(name, self.enter_other, make, kind, "lighttpd " + group, name, path)

    def enter_program(self, kind, where, name):
        others = {**self.mints, CROWDED: self.bench.alone, BEFORE: self.bench.before}
        mint = others.get(name, self.bench.mint)
        store = self.bench.crowded if name == CROWDED else mint.store
        assert store, "there is no such store"
        folder = re.sub(r"\W+", "-", "%s-%s" % (kind.__name__.lower(), name))
        server = kind(self.bench.place, folder, PROGRAMS.get(name, direct.WELCOME), mint,
                      store, workers=4 if name in (FOUR, REDIS_FOUR) else 2)
        make = Empty if name in EMPTIES else Contestant
        self.enter(server, [make("%s %s" % (where, what), name, server, path, mint)
                            for what, path in (("page", PAGE), ("gate", GATE))
                            if what == "gate" or name not in (FOUR, *self.mints)])

    def enter_other(self, make, kind, group, name, path):
        server = make()
        self.enter(server, [kind(group, name, server, path, self.bench.mint)])

    def enter(self, server, contestants):
        """Start a server; what answers right takes part."""
        self.servers.append(server)
        server.start()
        for one in contestants:
            one.check()
            load.rate(one.url, one.file, 1)  # to be warm
            self.contestants[one.group, one.name] = one

    # -- requests a second -------------------------------------------------------------------

    def jobs(self):
        """Those that are compared stand beside each other."""
        found = [((*key, "hot"), one, one.file) for key, one in self.contestants.items()]
        found += [((*key, "cold"), one, one.mint.many)
                  for key, one in self.contestants.items()
                  if key[0].startswith("lighttpd") and
                  key[1] in (EMPTY, DECODE, OURS, *self.mints)]
        return sorted(found, key=lambda job: (job[0][2], job[0][0]))

    def rounds(self):
        jobs = self.jobs()
        for i in range(self.bench.rounds):
            for key, one, cookies in jobs if i % 2 == 0 else reversed(jobs):
                name = ", ".join(key)
                again = "%s, round %d, which was then repeated" % (name, i + 1)
                if name in self.results.missing or self.bench.attempt(
                        again, self.measure, key, one, cookies):
                    continue
                self.bench.attempt(name, self.measure, key, one, cookies)
            self.bench.say("round %d of %d" % (i + 1, self.bench.rounds))
        for (group, name), one in self.contestants.items():
            self.bench.attempt("%s, %s, at the end" % (group, name), one.check)
        self.results.rates = {key: rates for key, rates in self.results.rates.items()
                              if ", ".join(key) not in self.results.missing}

    def measure(self, key, one, cookies):
        before = self.spent(one.server)
        rate, count = load.rate(one.url, cookies, self.bench.seconds)
        for kind, now in self.spent(one.server).items():
            self.costs[kind].setdefault(key, []).append((now - before[kind]) / count)
        self.results.rates.setdefault(key, []).append(rate)
        return True

    def spent(self, server):
        """Seconds that each of the costs has come to."""
        return {"worker": sum(server.spent()["welcome.fcgi"]),
                "redis": sum(self.redis.spent()["redis-server"]),
                "idle": int(pathlib.Path("/proc/stat").read_text().split()[4]) /
                os.sysconf("SC_CLK_TCK")}

    def microseconds(self, key, kind="worker"):
        """A cost of a request, the median."""
        return statistics.median(self.costs[kind][key]) * 1e6

    def more(self, key, base, kind="worker"):
        """How much dearer a request is than another; the median of the rounds."""
        return statistics.median(b - a for a, b in zip(
            self.costs[kind][base], self.costs[kind][key])) * 1e6

    def whole(self, key):
        """Microseconds of all cores that a request takes, whoever spends them."""
        return os.cpu_count() / self.results.median(key) * 1e6

    def where(self, key):
        """A contestant that is a server itself stands under no other."""
        under = (*PROGRAMS, *self.mints, OURS, CROWDED, FOUR, "PHP-FPM")
        return key[0] if key[1] in under else key[0].split()[-1]

    def hot(self):
        """And the latency at half of what each can do."""
        table = self.results.table(
            "A good token, the same in every request",
            ["where", "contestant", "requests/s", "of empty", "middle half", "p50, ms", "p99, ms",
             "CPU, µs"], HOT % load.CONNECTIONS)
        for key in sorted(self.contestants, key=lambda k: k[0]):
            one, hot = self.contestants[key], (*key, "hot")
            if hot not in self.results.rates:
                continue
            rate = self.results.median(hot)
            ratio, spread = self.results.compared(hot, (key[0], EMPTY, "hot"))
            times = self.bench.step(
                "latency of %s, %s" % key, load.latency, one.url, one.cookie, rate / 2,
                self.bench.seconds + 2, self.bench.place / "log") or ("", "")
            cpu = self.microseconds(hot)
            table.add(self.where(key), key[1], "%.0f" % rate, figure(ratio), spread,
                      *map(figure, times), "%.1f" % cpu if cpu else "")
            if ratio is not None and key[1] not in (*EMPTIES, CROWDED, FOUR):
                self.results.bars.append(("%s: %s" % (self.where(key), key[1]), ratio))

    def cold(self):
        table = self.results.table(
            "Another good token in every request",
            ["where", "contestant", "requests/s", "of empty", "middle half", "of jwt_decode()",
             "middle half", "CPU, µs"],
            COLD.format(MANY))
        for key in sorted(k for k in self.results.rates if k[2] == "cold"):
            table.add(key[0], key[1], "%.0f" % self.results.median(key),
                      *map(figure, self.results.compared(key, (key[0], EMPTY, "cold"))),
                      *map(figure, self.results.compared(key, (key[0], DECODE, "cold"))),
                      "%.1f" % (self.microseconds(key)))

    def facts(self):
        def ratio(kind, name, base, load="hot"):
            return self.results.compared(("lighttpd " + kind, name, load),
                                         ("lighttpd " + kind, base, load))[0]

        facts = self.results.facts
        for kind in ("page", "gate"):
            facts["hot " + kind] = ratio(kind, OURS, EMPTY)
            facts["cold " + kind] = ratio(kind, OURS, EMPTY, "cold")
            facts["crowded " + kind] = ratio(kind, CROWDED, EMPTY)
            facts["before " + kind] = ratio(kind, OURS, BEFORE)
        facts["express"] = ratio("page", OURS, "Express")
        facts["php"] = ratio("page", OURS, "PHP-FPM")
        facts["openidc"] = ratio("gate", OURS, "mod_auth_openidc")
        facts["empty express"] = ratio("page", EMPTY, "Express")
        facts["empty php"] = ratio("page", EMPTY, "PHP-FPM")
        facts["empty openidc"] = ratio("gate", EMPTY, "mod_auth_openidc")
        for how in ("hot", "cold"):
            facts["redis " + how] = ratio("gate", REDIS, OURS, how)
        facts["redis four"] = ratio("gate", REDIS_FOUR, FOUR)

    def bounds(self):
        """What keeps a request from what is wanted of it."""
        facts, kinds = self.results.facts, ("page", "gate")
        self.results.bounds += [self.hot_bound(kind) for kind in kinds]
        self.results.bounds.append(HOT_PARTS.format_map(facts))
        self.results.bounds += [self.cold_bound(kind, 0.85) for kind in kinds]
        self.results.bounds.append(BOUND_PARTS.format_map(facts))
        self.results.bounds += [self.redis_parts(how) for how in ("hot", "cold")]

    def hot_bound(self, kind):
        """What it is spent on."""
        empty, again, at_once, ours = (("lighttpd " + kind, name, "hot")
                                       for name in (*EMPTIES, OURS))
        calls = [self.results.facts["%s, %s, calls" % (kind, name)]
                 for name in ("empty", "ours, hot token")]
        return HOT_BOUND.format(
            kind=kind, cores=os.cpu_count(), whole=self.whole(empty), base=self.microseconds(empty),
            own=self.microseconds(ours), calls=calls[1] - calls[0],
            at_once=self.results.compared(at_once, empty)[0],
            of=self.results.compared(ours, at_once)[0],
            again=self.results.compared(again, empty)[0])

    def cold_bound(self, kind, wanted):
        """What libjwt's part alone takes."""
        empty, decode, ours = (("lighttpd " + kind, name, "cold")
                               for name in (EMPTY, DECODE, OURS))
        whole = self.whole(empty)
        return BOUND.format(
            kind=kind, cores=os.cpu_count(), whole=whole, wanted=wanted,
            left=whole / wanted - whole, more=self.more(decode, empty),
            share=self.results.compared(decode, empty)[0], ours=self.more(ours, empty),
            of=self.results.compared(ours, decode)[0])

    def redis_parts(self, kind):
        """What a request spends more when it asks Redis."""
        folder, redis = (("lighttpd gate", name, kind) for name in (OURS, REDIS))
        whole = [self.whole(key) for key in (folder, redis)]
        return REDIS_PARTS.format(
            load=kind, cores=os.cpu_count(), folder=whole[0], redis=whole[1],
            more=whole[1] - whole[0], server=self.microseconds(redis, "redis"),
            worker=self.more(redis, folder), idle=self.more(redis, folder, "idle"))

    # -- what else ---------------------------------------------------------------------------

    def memory(self):
        """Of everything that a contestant needs."""
        table = self.results.table(
            "Memory of all processes, PSS in MB", ["contestant", "server and programs"],
            "After the rounds. Under lighttpd: two workers for the page, two for the gate.")
        seen = []
        for (group, name), one in self.contestants.items():
            if one.server not in seen and name not in (
                    AGAIN, AT_ONCE, CROWDED, FOUR, REDIS_FOUR):
                seen.append(one.server)
                under = self.where((group, name)) == group
                table.add(("%s: " % group.rpartition(" ")[0] if under else "") + name,
                          "%.1f" % (one.server.pss() * 1024 / 1e6))
        table.add("redis-server", "%.1f" % (self.redis.pss() * 1024 / 1e6))

    def compare(self, table, name, pair, connections):
        """A row of a table of growth: the empty program and ours, in turn."""
        rates = {EMPTY: [], OURS: []}
        for _ in range(self.bench.rounds // 4 + 1):
            for kind, one in pair.items():
                rates[kind].append(load.rate(one.url, one.file, self.bench.seconds, connections)[0])
        table.add(name, *["%.0f" % statistics.median(r) for r in rates.values()],
                  figure(statistics.median(b / a for a, b in zip(*rates.values()))))

    def connections(self):
        table = self.results.table("Connections", ["connections", EMPTY, OURS, "of empty"],
                                   "The page under lighttpd, hot token, two workers: requests/s.")
        pair = {name: self.contestants["lighttpd page", name] for name in (EMPTY, OURS)}
        for count in (1, 16, 128, 1000):
            self.compare(table, "{:,}".format(count), pair, count)

    def workers(self):
        table = self.results.table("Workers", ["workers", EMPTY, OURS, "of empty"],
                                   "The page under lighttpd, hot token, %d connections: requests/s."
                                   % load.CONNECTIONS)
        self.stop()
        for count in (1, 2, 4, 8):
            pair = {}
            for name, make in ((EMPTY, Empty), (OURS, Contestant)):
                server = Lighttpd(self.bench.place, "%s-%d" % (name, count),
                                  PROGRAMS.get(name, direct.WELCOME), self.bench.mint, workers=count)
                self.servers.append(server)
                server.start()
                pair[name] = make("lighttpd page", name, server, PAGE, self.bench.mint)
                pair[name].check()
            self.compare(table, count, pair, load.CONNECTIONS)
            self.stop()
