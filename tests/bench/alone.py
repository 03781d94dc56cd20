"""What is measured without a web server, each a table."""
import subprocess

import direct
import growth
import instructions
import plain_cgi
import system_calls
from conftest import SECRET
from contestants import BUILT
from report import figure
from tokens import NAME, copy_state, settings

PARTS = {
    "hmac": "one raw HMAC-SHA-256 of the same bytes",
    "decode": "libjwt's own jwt_decode()",
    "cold": "check of a cold token",
    "hot": "check of a hot token",
    "cookie": "find the token in a Cookie header of 600 bytes",
    "ended": "ask the state whether a session was ended",
    "throttle": "count a try, of a new name and address",
    "find": "find a user among few",
}

CGI = """Plain CGI, static: the least program that decodes the token with libjwt and asks LMDB for one
key takes {least:.2f} times the time of an empty one, and ours {of:.2f} times that: it also reads its
settings, and looks for damage. It has {faults} page faults and makes {calls} system calls, the least
one {least_faults} and {least_calls}, the empty one {empty_faults} and {empty_calls}. Without a state
ours takes {stateless:.2f} times the time of the empty one."""


def with_state(bench, name):
    """A folder with settings and a state that knows of our tokens; the environment file."""
    folder = bench.folder(name)
    env = settings(folder)
    copy_state(bench.mint.state, folder / "state")
    return folder, env


def parts(bench):
    folder, _ = with_state(bench, "parts")
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
    for part in ("hot", "ended", "call", "decode"):
        bench.results.facts[part + " us"] = float(times[part][1]) / 1000
    bench.results.facts["cold instructions"] = counts["cold"] / counts["decode"]


def whole_requests(bench):
    folder, env = with_state(bench, "whole")
    table = bench.results.table(
        "Instructions and system calls of a whole request",
        ["program", "instructions", "in its own code", "in libraries", "system calls"],
        "Its own code is all that is compiled into the program. The system's share is not counted.\n"
        "System calls are those of a worker that has a queue.")
    hot = ["token=" + bench.mint.good]
    cold = bench.mint.many.read_text().split()[:instructions.MANY]
    for gate, kind in ((False, "page"), (True, "gate")):
        for name, program, cookies in (
                ("empty", direct.EMPTY, hot), ("jwt_decode() alone", direct.DECODE, cold),
                ("ours, hot token", direct.WELCOME, hot),
                ("ours, cold token", direct.WELCOME, cold)):
            every, own = instructions.of_request(folder, env, program, cookies, gate)
            calls = system_calls.of_request(folder, env, program, cookies, gate)
            table.add("%s, %s" % (kind, name), "%.0f" % every, "%.0f" % own, "%.0f" % (every - own),
                      "%.1f" % sum(calls.values()))
            bench.results.facts["%s, %s" % (kind, name)] = every
            bench.results.facts["%s, %s, calls" % (kind, name)] = sum(calls.values())
            if program == direct.WELCOME and cookies is hot:
                bench.results.facts["own " + kind] = own


def plain_cgis(bench):
    runs = plain_cgi.runs(bench.folder("cgi"), bench.mint, 500 * bench.seconds)
    table = bench.results.table(
        "Plain CGI, from spawn to exit",
        ["program", "ms, shortest", "ms, median", "of the empty static one", "page faults",
         "system calls"],
        "GET /welcome with a good token. Ratios are of the medians. *The least* decodes the token with\n"
        "libjwt and asks LMDB for one key.")
    for name, (low, middle, faults, calls) in runs.items():
        table.add(name, "%.2f" % (low / 1000), "%.2f" % (middle / 1000),
                  figure(middle / runs["empty, static"][1]), faults, calls)
    facts = bench.results.facts
    facts["cgi static"] = runs["ours, static"][1] / runs["empty, static"][1]
    facts["cgi php"] = runs["ours, static"][1] / runs["PHP-CGI"][1]
    empty, least, ours, stateless = (runs[name] for name in (
        "empty, static", "the least, static", "ours, static", "ours, static, no state"))
    bench.results.bounds.append(CGI.format(
        least=least[1] / empty[1], of=ours[1] / least[1], stateless=stateless[1] / empty[1],
        faults=ours[2], calls=ours[3], least_faults=least[2], least_calls=least[3],
        empty_faults=empty[2], empty_calls=empty[3]))


def memory(bench):
    folder, env = with_state(bench, "memory")
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
    folder, _ = with_state(bench, "users")
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


def states(bench):
    table = bench.results.table(
        "Ended sessions", ["in the state", "gate, µs", "sign-in, ms"],
        "One request after the other, no web server: medians. A sign-in hashes a password with\n"
        "SHA-512 crypt.")
    for ended, tries, name in (
            (0, 0, "nothing"), (1000, 0, "1,000 ended sessions"),
            (100000, 0, "100,000 ended sessions"),
            (100000, 3 * growth.TRIES_MAX, "100,000, and a full table of tries")):
        state = bench.place / ("state-%d-%d" % (ended, tries))
        growth.fill(state, bench.mint.state, ended, tries)
        gate, entry = growth.state_costs(bench.place / "costs", state, bench.mint, bench.seconds)
        table.add(name, "%.1f" % gate, "%.2f" % entry)
    bench.crowded = state
