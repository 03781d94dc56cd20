#!/usr/bin/python3
"""Does every check have a test that fails without it?

Takes away one check at a time from the named files of lib/ (an operand of && or ||, or a whole
if), builds the file's unit test with the rest of lib/, and runs it. What no test notices is
printed, and makes the exit status 1, unless EXPECTED says why it may be so.
"""
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys
import tempfile

COMPILE = ["cc", "-std=c11", "-D_GNU_SOURCE", "-DSTORE_REDIS=1", "-DSTORE_TLS=0",
           "-Ilib", "-Ibuild/san", "-w",
           "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
LIBS = ["-lfcgi", "-ljwt", "-ljson-c", "-lhiredis", "-lnettle", "-lcrypto", "-lcrypt", "-lcmocka"]

EXPECTED = {
    ("token", "file->public[0] == '\\0'"): "with no key libjwt takes a token for one of no algorithm",
    ("token", "alg == NULL"): "libjwt refuses such a header first; strcmp() wants a text",
    ("form", "tokener == NULL"): "out of memory",
    ("form", "errno != ENOMEM"): "out of memory",
    ("cookie", "pair.length <= length"): "what a shorter pair begins as is no `=` behind a name",
    ("gate", "asker == SAYS_401"): "of a denial to Apache no header is sent",
    ("groups", "groups->length > 0"): "before the first file this adds 0 to NULL",
    ("key", "bio != NULL"): "out of memory",
    ("key", "whole"): "out of memory",
    ("key", "length > 0"): "out of memory",
    ("key", "right"): "what is not trusted is refused in any case, but need not be parsed",
    ("key", "pkey != NULL"): "OpenSSL says the same of no key",
    ("key", "context != NULL"): "out of memory",
    ("key", "begun"): "OpenSSL sets itself up, which nobody sees",
    ("password", "made != NULL"): "a libcrypt that says NULL for *0",
    ("password", "data != NULL"): "out of memory",
    ("password", "secret_random(random, sizeof(random))"): "a system without randomness",
    ("token_cache", "cache->lengths[i] > 0"): "what is empty is wiped, too, and so takes memory",
    ("users", "users->lines == NULL"): "out of memory",
    ("redis_url", "!STORE_TLS"): "this one is built without",
    ("session", "config->state_grace > 0"): "with no grace this only saves memory",
    ("session", "sessions->files[i] != NULL"): "what is wiped is freed, too, and so not seen",
    ("session", "change == END_ALL"): "else a random word is made and not used",
    ("session", "worst != SESSION_FAULT"): "out of memory",
    ("store", "store == NULL"): "out of memory",
    ("store_folder", "fd < 0"): "what is open left no such errno",
    ("store_folder", "fd >= 0"): "flock(2) and close(2) of -1 fail, too",
    ("store_folder", "held.st_dev == named.st_dev"): "files of one number in two file systems",
    ("store_folder", "close(fd) == 0"): "a file system that only says so at the end, such as NFS",
    ("store_folder", "files == NULL"): "out of memory",
    ("store_folder", "S_ISDIR(st.st_mode)"): "unlinkat(2) removes no folder",
    ("store_folder", "count < SWEEP_NAMES_MAX"): "65536 files",
    ("store_folder", "i < start"): "it may look at more files",
    ("store_folder", "i < start || !is_litter(dir, entry->d_name, now)"):
        "it is asked again under the lock; this saves the lock",
    ("store_folder", "!is_litter(dir, entry->d_name, now)"):
        "it is asked again under the lock; this saves the lock",
    ("store_folder", "current.text != NULL"): "out of memory",
    ("store_folder", "dir < 0"): "what is open left no such errno",
    ("store_folder", "errno == ENOENT"): "where it cannot be opened it cannot be made, either",
    ("store_folder", "swapped == STORE_DONE"): "it may sweep after a change that was not made",
    ("store_folder", "chance % SWEEP_EVERY == 0"): "it may sweep each time",
    ("store_folder", "dir >= 0"): "what is wiped is freed, too, and so not seen",
    ("store_redis", "error != REDIS_ERR_OTHER"): "a name server that is silent",
    ("store_redis", "begin_tls(redis)"): "built without TLS",
    ("store_redis", "(!url->tls || begin_tls(redis))"): "built without TLS",
    ("store_redis", "redis == NULL"): "out of memory",
    ("store_redis", "*wrong == NULL"): "a variable too many does no harm",
    ("store_redis", "redis->context == NULL"): "out of memory",
    ("store_redis", "reply->type != REDIS_REPLY_ARRAY"): "only an array has elements",
}

# Of files that have no test of their own name, or another one, too.
TESTS = {"csrf": ["csrf", "site"], "store_folder": ["store_folder", "store"],
         "store_redis": ["store_redis", "store"], "token": ["token", "key"]}

# What cmocka asks whether to go on after a test that failed.
FAIL_AT_ONCE = {**os.environ, "CMOCKA_TEST_ABORT": "1"}


def blanked(source):
    """The source, with what is no code of this build of the same length but empty."""
    pattern = r'^#if STORE_TLS$.*?^#e[a-z]+$|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|^#[^\n]*'
    return re.sub(pattern, lambda m: re.sub(r"[^\n]", "_", m.group()), source, flags=re.S | re.M)


def closing(text, at):
    """Where the parenthesis that opens at `at` is closed."""
    depth = 0
    for i in range(at, len(text)):
        depth += {"(": 1, ")": -1}.get(text[i], 0)
        if depth == 0:
            return i


def operands(text, start, end):
    """The operands of && and || from start to end, at every depth, as (start, end, operator)."""
    depth, begin, found, operators = 0, start, [], []
    for i in range(start, end + 1):
        two = text[i:i + 2]
        if i == end or (depth == 0 and two in ("&&", "||")):
            found.append((begin, i))
            operators.append(two)
            begin = i + 2
        elif text[i] == "(":
            if depth == 0:
                yield from operands(text, i + 1, closing(text, i))
            depth += 1
        elif text[i] == ")":
            depth -= 1
    for i, (a, b) in enumerate(found):
        if len(found) > 1:
            yield a, b, operators[i] if i < len(found) - 1 else operators[i - 1]


def mutants(source):
    """(start, end, replacement) of each check."""
    text, seen = blanked(source), set()
    spans = [(m.end(), closing(text, m.end() - 1)) for m in re.finditer(r"\b(?:if|while) \(", text)]
    for a, b in spans:
        seen.add((a, b, "0"))
    spans += [m.span(1) for m in re.finditer(r"(?:return|[^=!<>]=) ([^;{]*(?:&&|\|\|)[^;]*);", text)]
    for a, b in spans:
        for c, d, operator in operands(text, a, b):
            seen.add((c, d, "1" if operator == "&&" else "0"))
    return sorted(seen)


def passes(test, changed, rest, folder):
    """Can this test be built with the changed file, and does it pass?"""
    test = "build/san/tests/unit/test_%s.o" % test
    built = subprocess.run([*COMPILE, "-o", folder + "/test", changed, test, *rest, *LIBS],
                           stderr=subprocess.DEVNULL)
    if built.returncode != 0:
        return False
    try:
        return subprocess.run([folder + "/test"], stdout=subprocess.DEVNULL, timeout=60,
                              stderr=subprocess.DEVNULL, cwd=folder, env=FAIL_AT_ONCE
                              ).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def survives(noun, source, mutant):
    """Does the unit test of the file pass without this check? Without any, it must."""
    a, b, replacement = mutant or (0, 0, "")
    with tempfile.TemporaryDirectory() as folder:
        changed = pathlib.Path(folder) / (noun + ".c")
        changed.write_text(source[:a] + " " + replacement + " " + source[b:])
        rest = [str(o) for o in pathlib.Path("build/san/lib").glob("*/*.o") if o.stem != noun]
        return all(passes(test, changed, rest, folder) for test in TESTS.get(noun, [noun]))


def main(nouns):
    status = 0
    for noun in nouns:
        source = next(pathlib.Path("lib").glob("*/%s.c" % noun)).read_text()
        found = mutants(source)
        if not survives(noun, source, None):
            sys.exit("%s: its test fails as it is" % noun)
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            passed = list(pool.map(lambda mutant: survives(noun, source, mutant), found))
        unseen = [mutant for mutant, alive in zip(found, passed) if alive]
        print("%s: %d checks, %d without a test" % (noun, len(found), len(unseen)))
        for a, b, _ in unseen:
            check = " ".join(source[a:b].split())
            why = EXPECTED.get((noun, check))
            status |= why is None
            print("  line %d: %s%s" % (source[:a].count("\n") + 1, check,
                                       "" if why is None else "  (%s)" % why))
    return status


sys.exit(main(sys.argv[1:]))
