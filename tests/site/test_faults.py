"""When things break: never a pass, never a hang, nothing lost, and the next request works."""
import concurrent.futures
import os
import random
import subprocess
import threading

import jwt
import pytest

import fcgi
from conftest import PLAIN, SECRET, hashed, wait_until, write_settings
from fcgi import FORM

BODY = b"username=admin&password=password"
HTML = "text/html"


@pytest.fixture
def env(tmp_path):
    return write_settings(tmp_path)


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
                           HTTP_ACCEPT=accept, REMOTE_ADDR="192.0.2.%d" % random.randrange(250))
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


def is_session(reply):
    """Whoever gets a token gets one that verifies."""
    if reply.cookie():
        read = jwt.decode(reply.cookie(), SECRET, algorithms=["HS256"], audience="session")
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


@pytest.mark.parametrize("name", REQUESTS)
def test_every_allocation_fails_in_turn(env, faults, tmp_path, name):
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
        check(reply)
        return reply.status

    start = allocations(lambda **more: run(said=fcgi.parameters(path="/x"), program="login.fcgi", **more))
    end = allocations(lambda **more: ask(good, ended, **more))
    assert end > start > 500
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        statuses = list(pool.map(fail, range(1 if name == "good" else start - 50, end + 1)))
    # Where jansson has no memory for a text in the header it leaves it out and says nothing.
    assert name != "good" or statuses.count(400) <= 2
    assert visit(good, **there).status == 200 and visit(ended, **there).status == 400
    assert sign_in(**there).status == 200


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
