"""Plain CGI: how long a program takes that is started for every request."""
import pathlib
import re
import shutil
import subprocess

import fcgi
import system_calls
from conftest import PLAIN, ROOT, SECRET
from contestants import GREETING, HERE
from tokens import BEFORE, BUILT, NAME, copy_store, settings

STATIC = ROOT / "build/static/cgi-bin"


def environment(env, cookie, script, store):
    said = dict(fcgi.parameters(SCRIPT_FILENAME=str(script), REDIRECT_STATUS="200",
                                HTTP_COOKIE=cookie, SERVER_PROTOCOL="HTTP/1.1"))
    return {**said, "POSTERN_ENV": str(env), "SECRET": SECRET,
            "RECORD": str(store / "sessions" / NAME)}


def installed(folder, name, program):
    """A copy, as one is made when it is installed."""
    (folder / "bin").mkdir(exist_ok=True)
    return shutil.copy(program, "%s/bin/%s" % (folder, re.sub(r"\W+", "-", name)))


def with_store(folder, mint):
    env = settings(folder)
    copy_store(mint.store, folder / "state")
    return env


def programs(folder, mint, before):
    """Each by its name: its command, and its environment. `before` is the Mint of the version
    before, or None."""
    stored = with_store(folder / "with", mint)
    without = settings(folder / "without", POSTERN_STATE="none")
    php = HERE / "apps/welcome.php"
    found = {
        "empty, static": (BUILT / "apps/empty_cgi_static", without),
        "empty, dynamic": (BUILT / "apps/empty_cgi", without),
        "the least, static": (BUILT / "apps/least_cgi_static", without),
        "ours, static": (STATIC / "welcome.fcgi", stored),
        "ours, static, no store": (STATIC / "welcome.fcgi", without),
        "ours, dynamic": (PLAIN / "welcome.fcgi", stored),
        "ours, dynamic, no store": (PLAIN / "welcome.fcgi", without),
        "PHP-CGI": (pathlib.Path("/usr/bin/php-cgi"), without),
    }
    if before:
        stored = with_store(folder / "before", before)
        found["version before, static"] = BEFORE / STATIC.relative_to(ROOT) / "welcome.fcgi", stored
        found["version before, dynamic"] = BEFORE / "cgi-bin/welcome.fcgi", stored
    return {name: ([installed(folder, name, program)],
                   environment(env, "token=" + (before if "before" in name else mint).good, php,
                               folder / "with/state"))
            for name, (program, env) in found.items()}


def check(name, command, said, mint):
    def answer(cookie):
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, env={**said, "HTTP_COOKIE": cookie},
                              check=True)
        return done.stdout.endswith(GREETING)

    assert answer("token=" + mint.good), name
    if not name.startswith("empty"):
        for bad in ("", "token=" + mint.expired(), "token=" + mint.tampered()):
            assert not answer(bad), (name, bad)


def runs(folder, mint, before, rounds):
    """By name: microseconds from spawn to exit, the shortest and the median; how many page faults
    there were, and how many system calls."""
    found = programs(folder, mint, before)
    text = ""
    for name, (command, said) in found.items():
        check(name, command, said, before if "before" in name else mint)
        text += "%s\n%s\n\n" % (" ".join(command), "\n".join("%s=%s" % one for one in said.items()))
    done = subprocess.run([BUILT / "spawn", str(rounds)], input=text, stdout=subprocess.PIPE,
                          text=True, check=True)
    seen = {}
    for name, line in zip(found, done.stdout.splitlines()):
        low, middle, faults = map(int, line.split())
        calls = system_calls.of_run(folder, *found[name])
        seen[name] = low / 1000, middle / 1000, faults, calls
    return seen
