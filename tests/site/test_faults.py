"""When things break: never a pass, never a hang, nothing lost, and the next request works."""
import concurrent.futures
import itertools
import os
import random
import subprocess
import threading

import jwt
import pytest

import fcgi
from conftest import PLAIN, SECRET, hashed, wait_until, write_private, write_settings
from fcgi import FORM
from test_interop import Key

BODY = b"username=admin&password=password"
HTML = "text/html"
# One after the other: attempts of the same client are counted together.
HOSTS = itertools.cycle(range(250))


MANY = {"POSTERN_SESSIONS": 1000}  # so that no session falls off the list meanwhile


@pytest.fixture
def env(tmp_path):
    return write_settings(tmp_path, **MANY)


def run(env, faults, program, said, body=b"", **environment):
    """One request as plain CGI; its reply, or None when the program died of it."""
    process = fcgi.run_cgi(env, dict(said) | faults.environment | environment, subprocess.PIPE,
                           program, programs=PLAIN)
    out, err = process.communicate(body, 60)
    assert b"password=" not in err
    return fcgi.Reply(out.decode()) if b"\r\n\r\n" in out else None


def sign_in(env, faults, password=b"password", name=b"admin", accept="*/*", **more):
    body = b"username=%s&password=%s" % (name, password)
    said = fcgi.parameters("POST", "/login", CONTENT_TYPE=FORM, CONTENT_LENGTH=str(len(body)),
                           HTTP_ACCEPT=accept, REMOTE_ADDR="192.0.2.%d" % next(HOSTS))
    return run(env, faults, "login.fcgi", said, body, **more)


def visit(token, env, faults, **more):
    return run(env, faults, "welcome.fcgi", fcgi.parameters(HTTP_COOKIE="token=" + token), **more)


def sign_out(token, env, faults, **more):
    said = fcgi.parameters("POST", "/logout", HTTP_COOKIE="token=" + token)
    return run(env, faults, "login.fcgi", said, **more)


# -- memory ------------------------------------------------------------------------------------

def never(*statuses):
    def check(reply):
        assert reply.status not in statuses and reply.cookie() in (None, ""), reply.lines
    return check


def is_session(reply, key=SECRET, alg="HS256"):
    """Whoever gets a token gets one that verifies."""
    if reply.cookie():
        read = jwt.decode(reply.cookie(), key, algorithms=[alg], audience="session")
        assert read["sub"] == "admin" and len(read["sid"]) == 32
    else:
        assert reply.status in (500, 503), reply.lines


def keeps_the_cookie(reply):
    """A fault is no reason to sign somebody out."""
    assert reply.status in (200, 500, 503, 400), reply.lines
    assert reply.header("Set-Cookie") == ""


# What is asked, and whether a reply is one that may be given.
REQUESTS = {
    "right": (lambda good, ended, **m: sign_in(**m), is_session),
    "right-browser": (lambda good, ended, **m: sign_in(accept=HTML, **m), is_session),
    "wrong": (lambda good, ended, **m: sign_in(password=b"wrong", **m), never(200, 303)),
    "unknown": (lambda good, ended, **m: sign_in(name=b"nobody", **m), never(200, 303)),
    "good": (lambda good, ended, **m: visit(good, **m), keeps_the_cookie),
    "ended": (lambda good, ended, **m: visit(ended, **m), never(200)),
    "forged": (lambda good, ended, **m: visit(good[:-3] + "AAA", **m), never(200)),
}


def fail_in_turn(env, faults, tmp_path, name, samples=None, **key):
    """In plain CGI, from the start of the process; the many of OpenSSL's start in one case only."""
    (tmp_path / "users").write_text("admin:%s\n" % hashed("password", "sha256crypt"))
    ask, check = REQUESTS[name]
    count = tmp_path / "count"
    there = {"env": env, "faults": faults}
    good, ended = sign_in(**there).cookie(), sign_in(**there).cookie()
    assert sign_out(ended, **there).status == 200

    def allocations(request):
        count.unlink(missing_ok=True)
        request(FAULT_COUNT=str(count), **there)
        return int(count.read_text())

    def fail(nth):
        reply = ask(good, ended, FAULT_MALLOC=str(nth), **there)
        if reply is None:
            return None
        check(reply, **(key if check is is_session else {}))
        return reply.status

    start = allocations(lambda **more: run(said=fcgi.parameters(path="/x"), program="login.fcgi", **more))
    end = allocations(lambda **more: ask(good, ended, **more))
    assert end > start > 500
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        first = 1 if name == "good" else start - 50
        nths = range(first, end + 1) if not samples else \
            sorted({*range(first, end + 1, (end - first) // samples), *range(start - 50, start + 200)})
        statuses = list(pool.map(fail, nths))
    # Where jansson has no memory for a text in the header it leaves it out and says nothing.
    assert name != "good" or statuses.count(400) <= 2
    assert visit(good, **there).status == 200 and visit(ended, **there).status == 400
    assert sign_in(**there).status == 200


@pytest.mark.slow
@pytest.mark.parametrize("name", REQUESTS)
def test_every_allocation_fails_in_turn(env, faults, tmp_path, name):
    fail_in_turn(env, faults, tmp_path, name)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["right", "good", "forged"])
def test_allocations_fail_in_turn_with_a_key_file(faults, tmp_path, name):
    """OpenSSL makes thousands of them, to read the key anew for each token: some of them, and all before."""
    key = Key("ES256", tmp_path)
    env = write_settings(tmp_path, POSTERN_KEY_FILE=key.file, **MANY)
    fail_in_turn(env, faults, tmp_path, name, samples=30, key=key.public, alg="ES256")


def test_who_only_verifies_does_not_begin_with_half_an_openssl(faults, tmp_path):
    """It would take every good token for a bad one."""
    key = Key("RS256", tmp_path)
    good = sign_in(write_settings(tmp_path, POSTERN_KEY_FILE=key.file), faults).cookie()
    write_private(tmp_path / "public.env", "POSTERN_PUBLIC_KEY_FILE=%s\nPOSTERN_STATE=none\n" % key.public_file)

    def fail(nth):
        reply = visit(good, tmp_path / "public.env", faults, FAULT_MALLOC=str(nth))
        return reply and reply.status

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        statuses = list(pool.map(fail, range(1, 600, 8)))
    assert fail(0) == 200 and 400 not in statuses


@pytest.mark.slow
@pytest.mark.parametrize("program", ["login.fcgi", "welcome.fcgi"])
def test_a_worker_without_memory_answers_the_next_request(env, faults, tmp_path, program):
    """Or, where a library could not go on, the one that is started in its place."""
    token = sign_in(env=env, faults=faults).cookie()

    def ask(worker):
        try:
            return worker.sign_in() if program == "login.fcgi" else \
                worker.ask(HTTP_COOKIE="token=" + token)
        except (ConnectionResetError, BrokenPipeError):
            return ""

    def start(nth, name):
        (folder := tmp_path / name).mkdir()
        return fcgi.Worker(folder, env, program, programs=PLAIN, environment={
            **faults.environment, "FAULT_MALLOC": str(nth), "FAULT_COUNT": str(folder / "count")})

    worker = start(0, "none")
    ask(worker)
    worker.stop()
    count = int((tmp_path / "none/count").read_text())
    died = bad = 0
    for nth in range(1, count + 1):
        worker = start(nth, str(nth))
        replies = [ask(worker)]
        if replies[0].startswith("Status: 200"):
            replies.append(ask(worker))  # the last ones are met by the next request
        assert "Status: 401" not in replies[-1]
        bad += "Status: 400" in replies[-1]
        if replies[-1] == "":
            died += 1
            worker.process.kill()
            worker.process.wait()
            worker = start(0, "after-%d" % nth)
        assert ask(worker).startswith("Status: 200"), nth
        worker.stop()
    assert count > 50 and died < count / 2 and bad <= 2


@pytest.mark.parametrize("asker", [{}, {"FCGI_APACHE_ROLE": "ACCESS_CHECKER"},
                                   {"role": fcgi.RESPONDER, "POSTERN_GATE": "401"}],
                         ids=["lighttpd", "apache", "nginx"])
def test_without_memory_nobody_passes_the_gate(env, faults, tmp_path, asker):
    good, ended = (sign_in(env=env, faults=faults).cookie() for _ in range(2))
    assert sign_out(ended, env=env, faults=faults).status == 200

    def start(nth, name):
        (folder := tmp_path / name).mkdir()
        return fcgi.Worker(folder, env, "welcome.fcgi", programs=PLAIN, environment={
            **faults.environment, "FAULT_MALLOC": str(nth), "FAULT_COUNT": str(folder / "count")})

    def ask(worker, token):
        """The status, or None when there is no reply, which no server takes for a pass."""
        try:
            return worker.authorize(HTTP_COOKIE="token=" + token, **asker).status
        except (ConnectionError, AssertionError):
            return None

    worker = start(0, "none")
    assert (ask(worker, ended), ask(worker, good)) == (401, 200)
    worker.stop()
    for nth in range(1, int((tmp_path / "none/count").read_text()) + 1):
        worker = start(nth, str(nth))
        first = ask(worker, ended)
        assert first in (401, 503, None)
        if first is not None:
            assert ask(worker, good) in (200, 401, 503, None)
        worker.process.kill()
        worker.process.wait()


# -- randomness, and the user file ------------------------------------------------------------

def test_without_randomness_there_is_no_session(env, faults, tmp_path):
    worker = fcgi.Worker(tmp_path, env, programs=PLAIN,
                         environment={**faults.environment, "FAULT_RANDOM": "1"})
    reply = fcgi.Reply(worker.sign_in())
    assert reply.status == 503 and reply.cookie() is None
    assert fcgi.Reply(worker.ask(path="/login")).status == 200
    worker.stop()


def test_a_fault_does_not_tell_who_is_known(env, faults, tmp_path):
    worker = fcgi.Worker(tmp_path, env, programs=PLAIN,
                         environment={**faults.environment, "FAULT_CRYPT": "1"})
    replies = [worker.post("/login", {"username": name, "password": "password"})
               for name in ("admin", "nobody", "grace-hopper")]
    assert [reply.status for reply in replies] == [503] * 3
    assert len({(reply.text, *reply.lines) for reply in replies}) == 1
    worker.stop()


def test_the_user_file_changes_while_it_is_read(env, tmp_path):
    """Replaced as editors do, and rewritten in place as nobody should."""
    users = tmp_path / "users"
    whole = users.read_text() + "".join("x%d:%s\n" % (i, "*" * 50) for i in range(2000))
    worker = fcgi.Worker(tmp_path, env, programs=PLAIN)
    done = threading.Event()

    def change():
        for i in range(10 ** 6):
            if done.is_set():
                return
            if i % 2:
                users.write_text(whole[:i % 300] if i % 4 == 1 else whole)
            else:
                (new := tmp_path / "users.new").touch(0o600)
                new.write_text(whole)
                new.rename(users)

    changer = threading.Thread(target=change)
    changer.start()
    statuses = [fcgi.Reply(worker.sign_in()).status for _ in range(300)]
    done.set()
    changer.join()
    assert set(statuses) <= {200, 401, 429, 503}
    users.write_text(whole)
    wait_until(lambda: worker.sign_in(REMOTE_ADDR="192.0.2.1").startswith("Status: 200"))
    worker.stop()


def test_a_hundred_thousand_users_and_one_bad_line(env, tmp_path):
    one = hashed("password")
    (tmp_path / "users").write_text("".join("user%d:%s\n" % (i, one) for i in range(50000)) +
                                    "bad:line\n" +
                                    "".join("user%d:%s\n" % (i, one) for i in range(50000, 100000)))
    worker = fcgi.Worker(tmp_path, env, programs=PLAIN)
    for name in ("user0", "user49999", "user50000", "user99999"):
        reply = worker.post("/login", {"username": name, "password": "password"})
        assert reply.status == 200
    assert worker.post("/login", {"username": "bad", "password": "line"}).status == 401
    worker.stop()


# -- the state --------------------------------------------------------------------------------

@pytest.fixture
def mount(tmp_path):
    """Mount something, and unmount it at the end."""
    mounted = []

    def mount(*arguments):
        subprocess.run(["mount", *arguments], check=True)
        mounted.append(arguments[-1])

    yield mount
    for place in reversed(mounted):
        subprocess.run(["umount", "-l", place], check=True)


@pytest.mark.root
def test_a_state_that_cannot_be_written(env, faults, tmp_path, mount):
    token = sign_in(env=env, faults=faults).cookie()
    state = tmp_path / "state"
    mount("--bind", state, state)
    subprocess.run(["mount", "-o", "remount,bind,ro", state], check=True)
    for program, path in (("login.fcgi", "/login"), ("welcome.fcgi", "/welcome")):
        worker = fcgi.Worker(tmp_path, env, program)
        assert worker.ask(path=path, HTTP_COOKIE="token=" + token).startswith("Status: 503")
        assert "POSTERN_STATE: %s: Read-only file system" % state in worker.stderr.read_text()
        subprocess.run(["mount", "-o", "remount,bind,rw", state], check=True)
        wait_until(lambda: worker.ask(path=path, HTTP_COOKIE="token=" + token)[:11] == "Status: 200")
        subprocess.run(["mount", "-o", "remount,bind,ro", state])
        worker.stop()


@pytest.mark.root
def test_a_full_disk(env, faults, tmp_path, mount):
    """Whoever is answered 200 for signing out is out; whoever is not, is told so."""
    state = tmp_path / "state"
    mount("-t", "tmpfs", "-o", "size=1m,mode=700", "tmpfs", state)
    filler = state / "filler"

    def fill():
        with open(filler, "wb", buffering=0) as file:
            try:
                while True:
                    file.write(b"x" * 512)
            except OSError:
                pass

    fill()
    worker = fcgi.Worker(tmp_path, env, programs=PLAIN)
    reply = fcgi.Reply(worker.sign_in())
    assert reply.status == 503 and reply.cookie() is None
    filler.unlink()
    tokens = [fcgi.Reply(worker.sign_in()).cookie() for _ in range(40)]
    fill()
    answers = [worker.post("/logout", {}, "token=" + token).status for token in tokens]
    assert set(answers) <= {200, 503} and answers.count(503) > 0
    filler.unlink()
    (tmp_path / "w").mkdir()
    welcome = fcgi.Worker(tmp_path / "w", env, "welcome.fcgi")
    for token, answer in zip(tokens, answers):
        status = welcome.fetch(HTTP_COOKIE="token=" + token).status
        assert status == (400 if answer == 200 else 200)
        assert worker.post("/logout", {}, "token=" + token).status == 200
        assert welcome.fetch(HTTP_COOKIE="token=" + token).status == 400
    worker.stop()
    welcome.stop()


# -- kill -9, and the clock -------------------------------------------------------------------

@pytest.mark.slow
def test_two_hundred_workers_are_killed_and_nothing_is_lost(env, faults, tmp_path):
    """While people guess, sign in and sign out: every try counted stays counted, every session
    ended stays ended."""
    worker = fcgi.Worker(tmp_path, env, programs=PLAIN, siblings=3,
                         environment=faults.environment)
    running, done = [worker.process, *worker.siblings], threading.Event()
    guesses, ended = [], []

    def guess(i):
        while not done.is_set():
            address = "198.51.%d.%d" % (i, random.randrange(250))
            try:
                guesses.append(worker.post("/login", {"username": "admin", "password": "wrong"},
                                           REMOTE_ADDR=address).status)
            except (ConnectionError, AssertionError):
                pass

    def come_and_go():
        while not done.is_set():
            try:
                token = worker.post("/login", {"username": "grace-hopper",
                                               "password": "pass&word=1+1%20é"},
                                    REMOTE_ADDR="203.0.113.%d" % random.randrange(250)).cookie()
                if token and worker.post("/logout", {}, "token=" + token).status == 200:
                    ended.append(token)
            except (ConnectionError, AssertionError):
                pass

    with concurrent.futures.ThreadPoolExecutor(6) as people:
        for i in range(3):
            people.submit(guess, i)
            people.submit(come_and_go)
        for i in range(200):
            victim = running.pop(random.randrange(len(running)))
            seen = len(guesses) + len(ended)
            wait_until(lambda: len(guesses) + len(ended) > seen + 2)
            victim.kill()
            victim.wait()
            running.append(worker.another())
        done.set()
    assert set(guesses) <= {401, 429}
    # The name's bucket holds 100 tries, and loses one in ten minutes.
    counted = faults.hashed.read_text().count("\n") - len(ended)
    assert guesses.count(401) <= 101 and len(ended) > 50 and counted > 0
    assert worker.post("/login", {"username": "admin", "password": "wrong"},
                       REMOTE_ADDR="192.0.2.77").status == 429
    # No record was left half written: that would sign everybody out, and be said in the log.
    body = b"username=grace-hopper&password=pass%26word%3D1%2B1%2520%C3%A9"
    streams = worker.exchange("POST", "/login", body, CONTENT_TYPE=FORM, CONTENT_LENGTH=str(len(body)))
    last = fcgi.Reply(streams[fcgi.STDOUT].decode())
    assert last.status == 200 and b"event=state" not in streams[fcgi.STDERR]
    welcome = fcgi.Worker(tmp_path, env, "welcome.fcgi", programs=PLAIN)
    assert all(welcome.fetch(HTTP_COOKIE="token=" + token).status == 400 for token in ended)
    assert welcome.fetch(HTTP_COOKIE="token=" + last.cookie()).status == 200
    welcome.stop()
    for process in running:
        process.kill()
        process.wait()


def test_the_clock_of_sessions_goes_back_and_forth(env, faults):
    there = {"env": env, "faults": faults}
    sign_in(**there)
    faults.at(5)
    token, gone = (sign_in(**there).cookie() for _ in range(2))
    assert sign_out(gone, **there).status == 200
    for seconds, status in ((5, 200), (-50, 200), (-3600, 400), (200, 200), (7200, 400), (6, 200)):
        faults.at(seconds)
        assert visit(token, **there).status == status, seconds
        assert visit(gone, **there).status == 400, seconds
        assert sign_in(**there).status == 200, seconds
