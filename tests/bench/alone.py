"""What is measured without a web server, each a table."""
import subprocess

import direct
import growth
import instructions
import plain_cgi
import system_calls
from conftest import ROOT, SECRET
from report import figure
from tokens import BEFORE, BUILT, MANY, NAME, copy_store, fill, flood

FLOOD = 1000000  # names

PARTS = {
    "hmac": "one raw HMAC-SHA-256 of the same bytes",
    "decode": "libjwt's own jwt_decode()",
    "cold": "check of a cold token",
    "hot": "check of a hot token",
    "cookie": "find the token in a Cookie header of 600 bytes",
    "listed": "ask the store whether a session is listed",
    "throttle": "count an attempt, of a new name and address",
    "find": "find a user among few",
}

CGI = """Plain CGI, static: the least program that decodes the token with libjwt and reads the record
of the user's sessions takes {least:.2f} times the time of an empty one, and ours {of:.2f} times that:
it also reads its settings, and looks whether its files are safe. It has {faults} page faults and makes
{calls} system calls, the least one {least_faults} and {least_calls}, the empty one {empty_faults} and
{empty_calls}. Without a store ours takes {storeless:.2f} times the time of the empty one."""


def with_store(bench, name):
    """A folder with settings and a store that lists our sessions; the environment file."""
    folder = bench.place / name
    return folder, plain_cgi.with_store(folder, bench.mint)


def parts(bench):
    folder, _ = with_store(bench, "parts")
    command = [BUILT / "micro", folder / "state", bench.tokens, SECRET, folder / "users", NAME]
    said = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    times = {words[0]: words[1:] for words in map(str.split, said.splitlines())}
    counts = {part: instructions.of_part(folder, command, part) for part in PARTS}
    table = bench.results.table(
        "Parts of a request", ["part", "ns, shortest", "ns, median", "instructions", "of HMAC"],
        "Instructions as callgrind counts them: it knows no SHA instructions, so there an HMAC is "
        "dearer.\nA token is cold when this worker has not seen it: it is verified, and kept.")
    for part, name in PARTS.items():
        table.add(name, *["%.0f" % float(t) for t in times[part]], "%.0f" % counts[part],
                  figure(counts[part] / counts["hmac"]))
    table.add("a system call that does next to nothing",
              *["%.0f" % float(t) for t in times["call"]], "", "")
    for part in ("hot", "listed", "call", "decode"):
        bench.results.facts[part + " us"] = float(times[part][1]) / 1000
    bench.results.facts["cold instructions"] = counts["cold"] / counts["decode"]


def whole_requests(bench):
    folder, env = with_store(bench, "whole")
    before = bench.before and plain_cgi.with_store(bench.place / "whole-before", bench.before)
    table = bench.results.table(
        "Instructions and system calls of a whole request",
        ["program", "instructions", "in its own code", "in libraries", "system calls"],
        "Its own code is all that is compiled into the program. The system's share is not counted.\n"
        "System calls are those of a worker that has a queue.")
    hot = ["token=" + bench.mint.good]
    cold = bench.mint.many.read_text().split()[:instructions.MANY]
    for gate, kind in ((False, "page"), (True, "gate")):
        for name, program, cookies, its in (
                ("empty", direct.EMPTY, hot, env), ("jwt_decode() alone", direct.DECODE, cold, env),
                ("ours, hot token", direct.WELCOME, hot, env),
                ("ours, cold token", direct.WELCOME, cold, env),
                ("version before, hot token", direct.WELCOME_BEFORE,
                 ["token=" + bench.before.good] if before else [], before)):
            if not cookies:
                continue
            every, own = instructions.of_request(its.parent, its, program, cookies, gate)
            calls = system_calls.of_request(its.parent, its, program, cookies, gate)
            table.add("%s, %s" % (kind, name), "%.0f" % every, "%.0f" % own, "%.0f" % (every - own),
                      "%.1f" % sum(calls.values()))
            bench.results.facts["%s, %s" % (kind, name)] = every
            bench.results.facts["%s, %s, calls" % (kind, name)] = sum(calls.values())
            if program == direct.WELCOME and cookies is hot:
                bench.results.facts["own " + kind] = own


def plain_cgis(bench):
    runs = plain_cgi.runs(bench.folder("cgi"), bench.mint, bench.before, 500 * bench.seconds)
    table = bench.results.table(
        "Plain CGI, from spawn to exit",
        ["program", "ms, shortest", "ms, median", "of the empty static one", "page faults",
         "system calls"],
        "GET /welcome with a good token. Ratios are of the medians. *The least* decodes the token with\n"
        "libjwt and reads the record of the user's sessions.")
    for name, (low, middle, faults, calls) in runs.items():
        table.add(name, "%.2f" % (low / 1000), "%.2f" % (middle / 1000),
                  figure(middle / runs["empty, static"][1]), faults, calls)
    facts = bench.results.facts
    facts["cgi static"] = runs["ours, static"][1] / runs["empty, static"][1]
    facts["cgi php"] = runs["ours, static"][1] / runs["PHP-CGI"][1]
    if bench.before:
        facts["before cgi"] = runs["ours, static"][1] / runs["version before, static"][1]
    empty, least, ours, storeless = (runs[name] for name in (
        "empty, static", "the least, static", "ours, static", "ours, static, no store"))
    bench.results.bounds.append(CGI.format(
        least=least[1] / empty[1], of=ours[1] / least[1], storeless=storeless[1] / empty[1],
        faults=ours[2], calls=ours[3], least_faults=least[2], least_calls=least[3],
        empty_faults=empty[2], empty_calls=empty[3]))


def memory(bench):
    folder, env = with_store(bench, "memory")
    seen = direct.memory(folder, env, bench.mint, bench.requests)
    table = bench.results.table(
        "Memory of a worker, PSS in KiB", ["after", "one worker", "the other"],
        "Two workers, no web server; pages and gate, hot tokens and cold ones. Libraries count in "
        "part where other processes have them in memory, too: with those, it is less.")
    for count, row in zip((10000, 10000 + bench.requests), seen):
        table.add("{:,} requests".format(count), *row)
    bench.results.facts["pss"] = max(seen[-1]) * 1024 / 1e6
    bench.results.facts["pss growth"] = max(b / a for a, b in zip(*seen))


def users(bench):
    folder, _ = with_store(bench, "users")
    table = bench.results.table(
        "Users", ["lines in the user file", "find one, µs", "read the file first, ms",
                  "hash of the password, ms", "find, of the hash"],
        "A worker reads the file when it has changed: at the first sign-in, or renewal, after "
        "that.\nThe hash is yescrypt.")
    for lines in (10, 10000, 1000000):
        find, read, hashing = growth.users(folder, bench.tokens, lines)
        table.add("{:,}".format(lines), figure(find), figure(read / 1000), figure(hashing / 1000),
                  "%.5f" % (find / hashing))
        bench.results.facts["find %d" % lines] = find / hashing
        bench.results.facts["read %d" % lines] = read / hashing


def stores(bench):
    """What is in the store of the last row stays there for who follows."""
    table = bench.results.table(
        "Records and attempts in the store", ["in the store", "gate, µs", "sign-in, ms"],
        "One request after the other, no web server: medians. A sign-in hashes a password with\n"
        "SHA-512 crypt.")
    for users, names, name in ((0, 0, "one user"), (MANY, 0, "20,000 users"),
                               (100000, 0, "100,000 users"),
                               (0, FLOOD, "100,000 users, and a flood of 1,000,000 names")):
        if names:
            flood(store, names)
        else:
            store = bench.place / ("store-%d" % users)
            fill(bench.alone.store, store, users)
        gate = growth.gate_cost(bench.place / "costs", store, bench.alone, bench.seconds)
        entry, = growth.sign_in_costs(bench.place / "costs", [(direct.LOGIN, store)],
                                      40 * bench.seconds)
        table.add(name, "%.1f" % gate, "%.2f" % entry)
    bench.crowded = store


def flooded(bench):
    """Sign-ins beside those of the version before, each in a store of its own."""
    if not bench.before:
        return
    stores = []
    for program, mint in (direct.LOGIN, bench.alone), (direct.LOGIN_BEFORE, bench.before):
        store = bench.place / ("flooded-%d" % len(stores))
        copy_store(mint.store, store)
        stores.append((program, store))
    table = bench.results.table(
        "Sign-in, beside the version before",
        ["in the store", "ours, ms", "before, ms", "of before"],
        "They take turns, one request after the other, no web server: medians.")
    for name in "one user", "a flood of 1,000,000 names":
        if name != "one user":
            for built, (_, store) in zip((BUILT, BEFORE / BUILT.relative_to(ROOT)), stores):
                flood(store, FLOOD, built)
        times = growth.sign_in_costs(bench.place / "costs", stores, 400 * bench.seconds)
        table.add(name, *["%.2f" % t for t in times], figure(times[0] / times[1]))
    bench.results.facts["before sign-in"] = times[0] / times[1]
