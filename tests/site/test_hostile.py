"""Requests that mean harm: whatever they bring, nobody is let in and the next one is answered."""
import itertools
import string

import pytest

import fcgi
from conftest import BROWSER, PLAIN, PROGRAM, cookie, write_settings


@pytest.fixture(params=["login.fcgi", "welcome.fcgi"])
def worker(request, tmp_path):
    one = fcgi.Worker(tmp_path, write_settings(tmp_path), request.param)
    yield one
    one.stop()


COOKIES = {
    "semicolons": ";" * 60000,
    "equals": "=" * 60000,
    "names": "token" * 12000,
    "empty": "token=; " * 5000,
    "pairs": "; ".join("token%d=x" % i for i in range(5000)),
    "tokens": "; ".join("token=%d" % i for i in range(5000)),
    "long": "token=" + "x" * 64000,
    "commas": "token=,token=,; ," * 3000,
    "bytes": "".join(chr(c) for c in range(1, 256)) * 20,
    "devices": "; ".join("token-device=%032x.1.%064x" % (i, i) for i in range(500)),
    "a-megabyte": "x" * 2 ** 20,
}


@pytest.mark.parametrize("name", COOKIES)
def test_a_cookie_header_that_is_too_much(worker, name):
    sent = {"HTTP_COOKIE": COOKIES[name].encode("latin-1")}
    assert fcgi.Reply(worker.ask(path="/welcome", **sent)).status in (400, 401, 404)
    reply = fcgi.Reply(worker.sign_in(**sent))
    assert reply.status == (200 if "login" in worker.stderr.name else 405)
    assert fcgi.Reply(worker.ask(path="/login")).status in (200, 401)


def test_parameters_that_are_too_many(worker):
    many = {"HTTP_X_%d" % i: "y" * 100 for i in range(3000)}
    assert fcgi.Reply(worker.ask(path="/login", **many)).status in (200, 401)
    many = {"HTTP_COOKIE": ["token=%d" % i for i in range(3000)]}
    assert fcgi.Reply(worker.ask(path="/welcome", **many)).status in (400, 404)


def test_no_header_is_a_way_in(site):
    """Health checks, proxies and applications have their own; none of them means anything here."""
    names = ["User-Agent", "X-Forwarded-User", "X-Remote-User", "Remote-User", "Remote-Addr",
             "X-Forwarded-For", "X-Real-IP", "X-Original-URI", "X-Original-URL", "X-Rewrite-URL",
             "X-Original-Method", "X-HTTP-Method-Override", "X-Forwarded-Uri", "Forwarded", "Via",
             "X-Auth-Request-User", "Session", "Proxy", "From", "Referer", "Upgrade-Insecure-Requests",
             "Postern-Gate", "Postern-Require", "Postern-Users", "Https", "Document-Root",
             "Script-Name", "Path-Info", "Redirect-Status", "FCGI-Role", "Gateway-Interface"]
    values = ["admin", "127.0.0.1", "/login", "1", "on", "kube-probe/1.0", "GoogleHC/1.0",
              "AUTHORIZER", "none"]
    for name, value in itertools.product(names, values):
        assert site.get(site.welcome, {**PROGRAM, name: value}).status == 401, (name, value)
    everything = {name: "admin" for name in names}
    assert site.get(site.welcome, {**BROWSER, **everything}).status == 303
    # And none stands in the way of who is signed in.
    token = site.sign_in(headers={**PROGRAM, **everything}).token
    assert site.get(site.welcome, {**cookie(token), **everything}).status == 200


@pytest.mark.parametrize("method", ["get", "Get", "TRACE", "CONNECT", "PROPFIND", "G ET", "", "HEAD "])
def test_no_method_is_a_way_in(worker, method):
    reply = fcgi.Reply(worker.ask(method, path="/welcome"))
    assert reply.status in (404, 405)
    assert reply.cookie() is None


def test_every_byte_in_a_name_and_a_password(tmp_path):
    worker = fcgi.Worker(tmp_path, write_settings(tmp_path), programs=PLAIN)
    for i, c in enumerate(list(string.printable) + ["\u202e", "é", "\U0001f511", "\x1b[31m"]):
        reply = worker.post("/login", {"username": "admin" + c, "password": "password" + c},
                            REMOTE_ADDR="192.0.2.%d" % i)
        assert reply.status == 401
    worker.stop()


def test_two_people_on_one_worker_never_meet(tmp_path):
    """Nothing of a request is left for the next one."""
    env = write_settings(tmp_path)
    login = fcgi.Worker(tmp_path, env, programs=PLAIN)
    welcome = fcgi.Worker(tmp_path, env, "welcome.fcgi", programs=PLAIN)
    admin = login.post("/login", {"username": "admin", "password": "password"}).cookie()
    grace = login.post("/login", {"username": "grace-hopper",
                                  "password": "pass&word=1+1%20é"}).cookie()
    html = {"HTTP_ACCEPT": "text/html"}
    for i in range(2000):
        mine, name, other = ((admin, "admin", "grace-hopper"), (grace, "grace-hopper", "admin"))[i % 2]
        page = welcome.fetch(HTTP_COOKIE="token=" + mine, **html)
        assert page.status == 200
        assert "<strong>%s</strong>" % name in page.text and other not in page.text
        if i % 5 == 0:
            assert welcome.fetch(**html).status == 303
            assert welcome.fetch(HTTP_COOKIE="token=x", **html).status == 303
    login.stop()
    welcome.stop()


def test_the_token_is_never_in_an_address(site):
    token = site.sign_in().token
    for path in (site.login, site.welcome, site.logout):
        for tail in ("", "?next=/a", "?token=" + token):
            for headers in (BROWSER, {**BROWSER, "Cookie": "token=" + token}):
                reply = site.get(path + tail, headers)
                assert token not in reply.headers.get("Location", "") or token in tail
    assert token not in site.post(site.logout, headers={**BROWSER, "Cookie": "token=" + token}) \
        .headers["Location"]
