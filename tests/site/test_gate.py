"""The gate: the same table of cases for every web server, each as deploy/ sets it up."""
import concurrent.futures
import hashlib
import json
import os
import random
import re
import socket
import ssl
import threading
import time
import urllib.parse

import jwt
import pytest

import guarded
from conftest import ADDRESSES, BROWSER, PROGRAM, SECRET, wait_until

FILE, PHP, PROXIED = "/private/file.txt", "/app/page.php", "/proxied/page"
KINDS = [FILE, PHP, PROXIED]


@pytest.fixture(scope="module", params=guarded.SERVERS, ids=lambda server: server.name)
def server(request):
    running = request.param()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def admin(server):
    return server.sign_in()


@pytest.fixture(scope="module")
def grace(server):
    return server.sign_in("grace-hopper", urllib.parse.quote("pass&word=1+1%20é"))


def with_cookie(cookie, headers=PROGRAM):
    return {**headers, "Cookie": cookie}


def token(server, **changed):
    """A token of a session of admin's that is open, with other claims."""
    claims = jwt.decode(server.sign_in().partition("=")[2], options={"verify_signature": False})
    return "__Host-token=" + jwt.encode({**claims, **changed}, SECRET)


def user_seen(path, reply):
    """The name that the application was told."""
    told = json.loads(reply.text)
    if path.startswith("/app"):
        return told["server"].get("REMOTE_USER")
    headers = [(name.lower(), value) for name, value in told["headers"]]
    named = [value for name, value in headers if name in ("x-remote-user", "remote-user")]
    named += re.findall(r'remote_user="([^"]*)"', ", ".join(v for n, v in headers if n == "forwarded"))
    assert len([name for name in named if name]) <= 1, headers
    return next((name for name in named if name), None)


def is_sent_to_login(reply, path):
    return (reply.status in (302, 303) and
            reply.headers["Location"] == "/login?next=" + urllib.parse.quote(path, "/~!$'()*,:@"))


# -- who is not signed in ---------------------------------------------------------------------

@pytest.mark.parametrize("path", KINDS)
def test_a_browser_is_sent_to_the_login_page_and_comes_back(server, path):
    wanted = path + "?q=a%20b&c=d"
    reply = server.get(wanted, BROWSER)
    assert is_sent_to_login(reply, wanted), (reply.status, reply.headers)
    form = server.get(reply.headers["Location"], BROWSER)
    assert form.status == 200 and 'value="%s"' % wanted.replace("&", "&amp;") in form.text
    back = server.post("/login", urllib.parse.urlencode(
        {"username": "admin", "password": "password", "next": wanted}), BROWSER)
    assert back.status == 303 and back.headers["Location"] == wanted
    assert server.get(wanted, with_cookie("__Host-token=" + back.token, BROWSER)).status == 200


@pytest.mark.parametrize("path", KINDS)
@pytest.mark.parametrize("headers", [PROGRAM, {"Accept": "text/html", "Sec-Fetch-Mode": "cors"},
                                     {"Accept": "application/json"}])
def test_a_program_is_told_with_401(server, path, headers):
    reply = server.get(path, headers)
    assert reply.status == 401 and "Location" not in reply.headers
    assert "Basic" not in str(reply.headers)
    assert json.loads(reply.text) == {"message": "Please login"}
    assert "no-store" in reply.headers.get_all("Cache-Control")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_what_a_browser_has_sent_is_not_lost_in_a_redirect(server, method):
    reply = server.request(method, PROXIED, "text=" + "x" * 1000, BROWSER)
    assert reply.status == 401 and "Location" not in reply.headers


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "POST", "PROPFIND",
                                    "PATCH", "TRACE", "get"])
@pytest.mark.parametrize("path", [*KINDS, "/private/", "/private", "/staff/file.txt"])
def test_no_method_passes(server, method, path):
    reply = server.request(method, path)
    assert reply.status not in range(200, 300) or (method == "TRACE" and reply.status == 200 and
                                                   "the file" not in reply.text), reply.status
    assert "the file" not in reply.text and "sha256" not in reply.text


BAD = {
    "junk": lambda server: "__Host-token=x",
    "empty": lambda server: "__Host-token=",
    "expired": lambda server: token(server, exp=int(time.time()) - 1),
    "another issuer": lambda server: token(server, iss="elsewhere"),
    "another audience": lambda server: token(server, aud="device"),
    "no name": lambda server: token(server, sub=""),
    "another name of the cookie": lambda server: token(server).replace("__Host-", ""),
    "another secret": lambda server: "__Host-token=" + jwt.encode(
        jwt.decode(token(server).partition("=")[2], options={"verify_signature": False}), "x" * 64),
    "no signature": lambda server: token(server).rpartition(".")[0] + ".",
    "two sessions": lambda server: token(server) + "; " + token(server),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_cookie_is_none(server, name):
    bad = BAD[name](server)
    for path in KINDS:
        assert server.get(path, with_cookie(bad)).status == 401
        assert is_sent_to_login(server.get(path, with_cookie(bad, BROWSER)), path)


def test_an_ended_session_is_out(server):
    for everywhere in ("", "everywhere=1"):
        cookie = server.sign_in()
        assert server.get(FILE, with_cookie(cookie)).status == 200
        assert server.post("/logout", everywhere, with_cookie(cookie)).status == 200
        assert [server.get(path, with_cookie(cookie)).status for path in KINDS] == [401] * 3


# -- who is ------------------------------------------------------------------------------------

def test_who_is_signed_in_sees_the_file(server, admin):
    reply = server.get(FILE, with_cookie(admin))
    assert (reply.status, reply.text) == (200, "the file\n")
    assert reply.headers["Cache-Control"] == "private, no-cache"
    assert "Cookie" in reply.headers["Vary"]
    assert "variable" not in str(reply.headers).lower()
    assert "Content-Security-Policy" not in reply.headers
    assert server.get("/private/", with_cookie(admin, BROWSER)).text == "the index\n"
    assert server.get("/public.txt").text == "the file\n"
    assert server.request("HEAD", FILE, headers=with_cookie(admin)).status == 200


@pytest.mark.parametrize("condition", [
    {"If-None-Match": "*"}, {"If-Modified-Since": "Fri, 01 Jan 2100 00:00:00 GMT"},
    {"If-Match": "x"}, {"Range": "bytes=0-3"}, {"Range": "bytes=0-3", "If-Range": "x"},
    {"Expect": "100-continue"}])
def test_a_condition_is_no_way_in(server, admin, condition):
    assert server.get(FILE, {**PROGRAM, **condition}).status == 401
    assert is_sent_to_login(server.get(FILE, {**BROWSER, **condition}), FILE)
    assert server.get(FILE, {**with_cookie(admin), **condition}).status in (200, 206, 304, 412)


def header_names(reply):
    """The names of the headers, sorted: one that comes twice is there twice."""
    return sorted(name.lower() for name in reply.headers)


def test_nothing_of_a_pass_reaches_the_client(server, admin):
    def added(guarded_path, public_path):
        names = header_names(server.get(guarded_path, with_cookie(admin)))
        for name in header_names(server.get(public_path)):
            names.remove(name)
        return names

    assert added(FILE, "/public.txt") == ["cache-control", "vary"]
    names = added("/private/none", "/none")
    if server.own_errors_name_the_user:
        names = [name for name in names if not name.startswith("variable-remote_")]
    assert names == ["cache-control", "vary"]


def test_a_refusal_says_everything_once(server, admin):
    for reply in (server.get(FILE), server.get(FILE, BROWSER), server.post(PROXIED, "x", BROWSER),
                  server.get("/staff/file.txt", with_cookie(admin)),
                  server.get("/staff/file.txt", with_cookie(admin, BROWSER))):
        if reply.status == 302 and server.redirects_itself:
            continue
        assert reply.headers.get_all("Cross-Origin-Opener-Policy") == ["same-origin"]
        assert reply.headers.get_all("X-Content-Type-Options") == ["nosniff"]
        assert reply.headers["Content-Security-Policy"].count("default-src") == 1
        assert reply.headers.get_all("WWW-Authenticate", []) == \
            ['Bearer realm="postern"'] * (reply.status == 401)


def test_everything_is_said_over_https(server, admin):
    for path in ("/public.txt", "/login?next=/a%20b", FILE + "?q=a%20b"):
        reply = server.plain("GET", path, {"Host": "evil.example", **with_cookie(admin, BROWSER)})
        assert reply.status in (301, 302, 308)
        assert reply.headers["Location"] == "https://example.org" + path
    for path in ("/public.txt", "/login", "/welcome", FILE, PHP, PROXIED, "/staff/file.txt", "/none"):
        for headers in (PROGRAM, BROWSER, with_cookie(admin), with_cookie(admin, BROWSER)):
            reply = server.get(path, headers)
            assert reply.headers.get_all("Strict-Transport-Security") == ["max-age=31536000"], \
                (path, reply.status)


@pytest.mark.parametrize("path", [PHP, PROXIED])
def test_the_application_is_told_who(server, admin, grace, path):
    for _ in range(5):
        for cookie, name in ((admin, "admin"), (grace, "grace-hopper")):
            reply = server.get(path, with_cookie(cookie))
            assert reply.status == 200 and user_seen(path, reply) == name


FORGED = {"Remote-User": "root", "Remote_User": "root", "X-Remote-User": "root",
          "X_Remote_User": "root", "X-Remote_User": "root", "X_Remote-User": "root",
          "Forwarded": 'for=1.2.3.4;remote_user="root"',
          "Variable-REMOTE_USER": "root", "Authorization": "Basic cm9vdDp4"}


@pytest.mark.parametrize("name", ["X.Remote.User", "X~Remote~User", "X'Remote*User", "Remote.User"])
def test_no_other_mark_makes_a_name_of_ours(server, admin, name):
    """To an application over HTTP these are other headers; FastCGI and PHP may mix them up."""
    headers = {**with_cookie(admin), name: "root"}
    assert user_seen(PROXIED, server.get(PROXIED, headers)) == "admin"
    reply = server.get(PHP, headers)
    told = json.loads(reply.text)["server"]
    assert user_seen(PHP, reply) == "admin"
    assert "root" not in [told.get("HTTP_X_REMOTE_USER"), told.get("HTTP_REMOTE_USER")]


@pytest.mark.parametrize("path", [PHP, PROXIED])
def test_nobody_is_somebody_else(server, admin, path):
    for forged in (FORGED, *({name: value} for name, value in FORGED.items())):
        reply = server.get(path, {**with_cookie(admin), **forged})
        assert reply.status == 200 and user_seen(path, reply) == "admin", forged
        assert "root" not in reply.text.replace('"Variable-REMOTE_USER", "root"', "") \
            .replace('"HTTP_VARIABLE_REMOTE_USER":"root"', "").replace("/root", "") or \
            "Authorization" in forged, (forged, reply.text)
        assert server.get(path, {**PROGRAM, **forged}).status == 401


def test_a_bearer_token_passes(server, admin):
    bearer = {**PROGRAM, "Authorization": "Bearer " + admin.partition("=")[2]}
    assert server.get(FILE, bearer).status == 200
    assert user_seen(PROXIED, server.get(PROXIED, bearer)) == "admin"
    bad = server.get(FILE, {**PROGRAM, "Authorization": "Bearer x.y.z"})
    assert bad.status == 401
    # With a cookie of ours that header is the application's own business.
    reply = server.get(PHP, {**with_cookie(admin), "Authorization": "Bearer of-the-application"})
    assert reply.status == 200 and user_seen(PHP, reply) == "admin"


def test_groups(server, admin, grace):
    assert server.get("/staff/file.txt", with_cookie(grace)).text == "the file\n"
    for headers in (PROGRAM, BROWSER):
        reply = server.get("/staff/file.txt", with_cookie(admin, headers))
        assert reply.status == 403 and "Location" not in reply.headers
    assert is_sent_to_login(server.get("/staff/file.txt", BROWSER), "/staff/file.txt")
    # The group file is read at each check.
    groups = server.folder / "settings/groups"
    before = groups.read_text()
    groups.write_text("staff: admin\n")
    try:
        assert server.get("/staff/file.txt", with_cookie(admin)).status == 200
        assert server.get("/staff/file.txt", with_cookie(grace)).status == 403
        groups.chmod(0o644)
        assert server.get("/staff/file.txt", with_cookie(admin)).status in (503, 500, 401)
    finally:
        groups.chmod(0o600)
        groups.write_text(before)
    assert server.get("/staff/file.txt", with_cookie(grace)).status == 200


def test_the_application_is_told_the_groups(server, grace, admin):
    told = json.loads(server.get(PHP, with_cookie(grace)).text)["server"]
    assert told.get("REMOTE_GROUPS") == "staff,others"
    told = json.loads(server.get(PHP, with_cookie(admin)).text)["server"]
    assert told.get("REMOTE_GROUPS") == "others"


def test_a_failed_sign_in_is_in_the_log(server):
    """In Caddy's it is not: it loses what FastCGI programs say."""
    name = "somebody-%d" % random.getrandbits(32)
    assert server.post("/login", "username=%s&password=x" % name).status == 401

    def said():
        return any("event=login_failed user=? ip=127." in file.read_text(errors="replace")
                   for file in server.folder.rglob("*") if file.is_file() and "log" in file.name)

    if server.logs_programs:
        wait_until(said)
    else:
        assert not said()


# -- what goes through -------------------------------------------------------------------------

@pytest.mark.parametrize("path", [PHP, PROXIED])
def test_a_large_body_goes_through_whole(server, admin, path):
    body = os.urandom(3 * 1024 * 1024)
    for sent in (body, [body[:1000000], body[1000000:]]):  # the second one is sent in chunks
        reply = server.request("POST", path, iter(sent) if isinstance(sent, list) else sent,
                               with_cookie(admin), encode_chunked=isinstance(sent, list))
        told = json.loads(reply.text)
        assert reply.status == 200
        assert (told["length"], told["sha256"]) == (len(body), hashlib.sha256(body).hexdigest())
        # Not signed in, it is refused all the same, and the next request is answered.
        try:
            assert server.request("POST", path, body, PROGRAM).status == 401
        except (ConnectionError, ssl.SSLError):
            pass  # it closes before all of it was sent
    assert server.get(FILE, with_cookie(admin)).status == 200


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "PUT", "DELETE", "PROPFIND", "PATCH"])
def test_every_method_goes_through(server, admin, method):
    reply = server.request(method, PROXIED, b"body" if method in ("PUT", "PATCH") else None,
                           with_cookie(admin))
    assert reply.status == 200
    if method != "HEAD":
        assert json.loads(reply.text)["method"] == method


@pytest.mark.parametrize("site, status", [("same-origin", 200), ("none", 200), ("same-site", 403),
                                          ("cross-site", 403)])
def test_what_another_site_sends_does_not_go_through(server, admin, site, status):
    for path in (PHP, PROXIED):
        headers = {**with_cookie(admin), "Sec-Fetch-Site": site}
        assert server.request("POST", path, "x", headers).status == status
        assert server.get(path, headers).status == 200  # a link from there may be followed
    for origin, expected in (("https://example.org", 200), ("https://evil.example", 403), ("null", 403)):
        headers = {**with_cookie(admin), "Origin": origin}
        assert server.request("DELETE", PROXIED, None, headers).status == expected
    if status == 403:
        headers = {**with_cookie(admin, BROWSER), "Sec-Fetch-Site": site}
        assert "came from another site" in server.request("POST", PROXIED, "x", headers).text
    # A token that no browser adds by itself is nothing to be protected.
    headers = {**PROGRAM, "Authorization": "Bearer " + admin.partition("=")[2],
               "Sec-Fetch-Site": site}
    assert server.request("POST", PROXIED, "x", headers).status == 200


def test_nothing_but_a_websocket_takes_over_a_connection(server, admin):
    """What the application would see after that would be out of the gate's sight."""
    for upgrade in ("h2c", "h2c, websocket", "TLS/1.0"):
        reply = server.get(PROXIED, {**with_cookie(admin), "Upgrade": upgrade,
                                     "Connection": "Upgrade, HTTP2-Settings",
                                     "Origin": "https://example.org"})
        assert reply.status in (200, 403)
        if reply.status == 200:
            names = [name.lower() for name, _ in json.loads(reply.text)["headers"]]
            assert "upgrade" not in names


def test_a_neighbour_cannot_hide_a_cookie_of_our_name_in_its_own(server, admin, grace):
    """A sibling host may set `a` to anything, but nothing that begins with __Host-."""
    for hidden in ("a=1, %s" % grace, ",%s" % grace, "a=, %s, b" % grace):
        assert server.get(PHP, with_cookie(hidden)).status == 401
        reply = server.get(PHP, with_cookie(hidden + "; " + admin))
        assert reply.status == 200 and user_seen(PHP, reply) == "admin"


def test_a_client_cannot_have_the_name_taken_away(server, admin):
    for connection in ("close, X-Remote-User", "X-Remote-User, Forwarded"):
        reply = server.get(PROXIED, {**with_cookie(admin), "Connection": connection})
        assert reply.status == 200 and user_seen(PROXIED, reply) == "admin"


def test_slow_bodies_hold_up_nobody(server, admin):
    """As many as there are processes, and more, at the pages; the gate answers as before."""
    sockets = []
    try:
        for path in (b"/welcome", b"/login", FILE.encode()) * 3:
            plain = socket.create_connection(("127.0.0.1", server.port), 30)
            sockets.append(ssl._create_unverified_context().wrap_socket(plain))
            sockets[-1].sendall(b"POST %s HTTP/1.1\r\nHost: example.org\r\nContent-Type: "
                                b"application/x-www-form-urlencoded\r\nContent-Length: 1000\r\n"
                                b"\r\nu" % path)
        begun = time.monotonic()
        assert server.get(FILE, with_cookie(admin)).status == 200
        assert server.post("/login", "username=admin&password=password").status == 200
        assert time.monotonic() - begun < 5
    finally:
        for one in sockets:
            one.close()


@pytest.mark.parametrize("origin, refused", [("https://example.org", False),
                                             ("https://evil.example", True), (None, True)])
def test_a_websocket_wants_our_origin(server, admin, origin, refused):
    headers = {**with_cookie(admin), "Upgrade": "websocket", "Connection": "Upgrade",
               "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
               **({"Origin": origin} if origin else {})}
    assert (server.get(PROXIED, headers).status == 403) == refused


# -- paths -------------------------------------------------------------------------------------

TRICKS = [
    "/private/../private/file.txt", "/x/../private/file.txt", "/./private/file.txt",
    "//private/file.txt", "///private//file.txt", "/private//file.txt", "/private/./file.txt",
    "/%70rivate/file.txt", "/private%2ffile.txt", "/private%2Ffile.txt", "/private/%2e/file.txt",
    "/x/%2e%2e/private/file.txt", "/x/..%2fprivate/file.txt", "/PRIVATE/file.txt", "/Private/file.txt",
    "/private;x/file.txt", "/private/file.txt;x", "/private/file.txt%3fx", "/private/file.txt?/public",
    "/private/file.txt%23", "/private/file.txt/", "/private/file.txt/x", "/private%00/file.txt",
    "/private/file.txt%00", "/private\\file.txt", "/private%5cfile.txt", "/login/../private/file.txt",
    "/login/..%2fprivate/file.txt", "/welcome/../private/file.txt", "/public.txt/../private/file.txt",
    "//evil.example/..%2fprivate/file.txt", "/app/../private/file.txt", "/private/?/../public.txt",
    "/staff/../private/file.txt", "/%2e%2e/private/file.txt", "/private/file%2etxt", "/.//private/file.txt",
    "https://example.org/private/file.txt", "/private/%66ile.txt", "/privat%65/file.txt",
]


@pytest.mark.parametrize("path", TRICKS)
def test_no_spelling_of_a_path_passes(server, path):
    for headers in ("Accept: text/html", "Accept: */*", "X-Original-URI: /public.txt\r\n"
                    "X-Rewrite-URL: /public.txt\r\nX-Forwarded-Uri: /public.txt"):
        reply = server.raw(b"GET %s HTTP/1.1\r\nHost: example.org\r\nConnection: close\r\n%s\r\n\r\n"
                           % (path.encode(), headers.encode()))
        assert b"the file" not in reply
        for location in re.findall(rb"(?im)^location: (.*?)\r$", reply):
            assert not location.startswith(b"//") and b"evil" not in location.partition(b"?")[0]


@pytest.mark.parametrize("path", ["/.htusers", "/.htpostern/postern.env", "/.htpostern/",
                                  "/%2ehtusers", "/x/../.htpostern/postern.env"])
def test_settings_are_for_nobody(server, admin, path):
    for headers in (PROGRAM, with_cookie(admin)):
        reply = server.get(path, headers)
        assert reply.status in (403, 404) and "the file" not in reply.text


# -- renewal -----------------------------------------------------------------------------------

@pytest.fixture(scope="module", params=guarded.SERVERS, ids=lambda server: server.name)
def short(request):
    """A token lives six seconds."""
    running = request.param(POSTERN_TOKEN_TTL=6)
    yield running
    running.stop()


def past_half(server):
    """A cookie that is due, and when it will be over."""
    cookie, begun = server.sign_in(), time.time()
    wait_until(lambda: time.time() > begun + 4)
    return cookie, begun + 6


def new_cookie(reply):
    return next((c.partition(";")[0] for c in reply.headers.get_all("Set-Cookie", [])
                 if c.startswith("__Host-token=")), None)


def test_a_browser_that_stays_active_is_renewed(short):
    cookie, over = past_half(short)
    reply = short.get(FILE + "?a=b", with_cookie(cookie, BROWSER))
    if not short.keeps_cookie:
        # Sent round once, with the new cookie, and never twice.
        assert (reply.status, reply.headers["Location"]) == (302, FILE + "?a=b")
    else:
        assert reply.status == 200 and reply.text == "the file\n"
    renewed = new_cookie(reply)
    assert renewed not in (None, cookie)
    assert "Secure" in reply.headers["Set-Cookie"] and "HttpOnly" in reply.headers["Set-Cookie"]
    again = short.get(FILE, with_cookie(renewed, BROWSER))
    assert again.status == 200 and new_cookie(again) is None
    assert "variable" not in str(reply.headers).lower() + str(again.headers).lower()
    wait_until(lambda: time.time() > over)
    assert short.get(FILE, with_cookie(renewed, BROWSER)).status in (200, 302)
    assert short.get(FILE, with_cookie(cookie)).status == 401


def test_the_new_cookie_comes_beside_those_of_an_application(short):
    due = with_cookie(past_half(short)[0])
    for method, path in (("GET", FILE), ("GET", PHP + "?cookie"), ("POST", PROXIED + "?cookie")):
        reply = short.request(method, path, None, due)
        cookies = reply.headers.get_all("Set-Cookie", [])
        assert reply.status == 200
        assert cookies.count("own=1") == path.endswith("?cookie")
        assert len(cookies) == path.endswith("?cookie") + short.keeps_cookie
        assert (new_cookie(reply) is not None) == short.keeps_cookie
        assert "variable" not in str(reply.headers).lower()


def test_what_is_never_sent_round(short):
    """A program, an unsafe method, a service worker: their requests pass as they are."""
    sent = (BROWSER, {"Accept": "*/*", "Sec-Fetch-Mode": "cors"}, {"Accept": "text/html"})
    others = [short.sign_in() for _ in sent]
    cookie, _ = past_half(short)
    for method, headers in (("GET", PROGRAM), ("POST", BROWSER), ("PUT", BROWSER),
                            ("GET", {**BROWSER, "Sec-Fetch-Dest": "serviceworker"})):
        reply = short.request(method, PROXIED, None, with_cookie(cookie, headers))
        assert reply.status == 200, (method, headers)
    for headers, other in zip(sent, others):
        reply = short.get(PROXIED, with_cookie(other, headers))
        # Where the cookie of a pass is kept, nobody is.
        assert reply.status == (200 if short.keeps_cookie else 302)


def test_a_browser_without_the_new_cookie_is_not_sent_round_for_ever(short):
    cookie, _ = past_half(short)
    statuses = [short.get(FILE, with_cookie(cookie, BROWSER)).status for _ in range(6)]
    assert statuses.count(200) >= 4 and set(statuses) <= {200, 302}


# -- when things break -------------------------------------------------------------------------

def test_a_slow_sign_in_holds_up_nobody(server, admin):
    """Every process that signs people in is stuck in the middle of that."""
    def stuck():
        # Not those of Apache that only answer for the gate: they have one more word.
        os.system("pkill -STOP -f '%s/bin/login.fcgi$'" % server.folder)

    results = []
    people = [threading.Thread(target=lambda address: results.append(server.request(
        "POST", "/login", "username=admin&password=password",
        {**PROGRAM, "Content-Type": "application/x-www-form-urlencoded"}, address).status),
        args=[next(ADDRESSES)]) for _ in range(8)]
    try:
        stuck()
        for one in people:
            one.start()
        end = time.monotonic() + 3
        while time.monotonic() < end:  # a server may start more of them
            stuck()
            time.sleep(0.02)
        assert any(one.is_alive() for one in people)
        begun = time.monotonic()
        for path in KINDS:
            assert server.get(path, with_cookie(admin)).status == 200
            assert server.get(path).status == 401
            assert is_sent_to_login(server.get(path, BROWSER), path)
        assert server.get("/staff/file.txt", with_cookie(admin)).status == 403
        assert server.get("/welcome", with_cookie(admin)).status == 200
        assert time.monotonic() - begun < 5
        assert any(one.is_alive() for one in people)
    finally:
        os.system("pkill -CONT -f %s/bin/login.fcgi" % server.folder)
        for one in people:
            one.join(30)
    assert results == [200] * 8


def test_a_killed_worker_is_no_pass(server, admin):
    os.system("pkill -9 -f %s/bin/welcome.fcgi" % server.folder)
    for _ in range(10):
        for path in KINDS:
            assert server.get(path).status not in range(200, 300)
    wait_until(lambda: server.get(FILE, with_cookie(admin)).status == 200)


def test_a_program_that_is_not_there_is_no_pass(server):
    other = type(server)()
    try:
        cookie = other.sign_in()
        (other.folder / "bin/welcome.fcgi").unlink()
        os.system("pkill -9 -f %s/bin/welcome.fcgi" % other.folder)
        # All at once: where somebody else holds the socket, each is answered when time is up.
        asked = [("GET", path, None, headers, next(ADDRESSES)) for path in KINDS
                 for headers in (PROGRAM, BROWSER, with_cookie(cookie))]
        with concurrent.futures.ThreadPoolExecutor(len(asked)) as pool:
            for reply in pool.map(lambda request: other.request(*request), asked):
                assert reply.status not in range(200, 300)
                assert "the file" not in reply.text and "sha256" not in reply.text
    finally:
        other.stop()


@pytest.mark.parametrize("name, value", [("POSTERN_SECRET", "short"), ("POSTERN_STATE", "/nowhere"),
                                         ("POSTERN_GROUPS", "/nowhere")])
def test_wrong_settings_are_no_pass(server, name, value):
    other = type(server)()
    try:
        cookie = other.sign_in()
        lines = [line for line in other.env.read_text().splitlines() if not line.startswith(name)]
        other.env.write_text("\n".join([*lines, "%s=%s" % (name, value)]) + "\n")
        os.system("pkill -9 -f %s/bin/" % other.folder)
        for path in KINDS:
            for headers in (PROGRAM, BROWSER, with_cookie(cookie), with_cookie(cookie, BROWSER)):
                assert other.get(path, headers).status not in range(200, 300)
    finally:
        other.stop()


# -- Apache alone ------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def apache():
    running = guarded.ApacheFcgid()
    yield running
    running.stop()


def test_no_file_htaccess_opens_the_gate_of_apache(apache):
    for text in ("Satisfy Any\nRequire all granted\n", "FcgidAccessCheckerAuthoritative Off\n",
                 "SetHandler server-status\n", "this is nonsense\n"):
        for folder in ("www", "www/private", "www/app"):
            path = apache.folder / folder / ".htaccess"
            path.write_text(text)
            assert [apache.get(kind).status for kind in KINDS] == [401] * 3
            path.unlink()


class Careless(guarded.ApacheFcgid):
    """Somebody has written into the folder above that one of several ways in is enough."""

    def configure(self, name, replacements):
        path = super().configure(name, replacements)
        folder = '<Directory "%s/www">\n' % self.folder
        assert folder in path.read_text()
        path.write_text(path.read_text().replace(folder, folder + "Satisfy Any\n"))
        return path


def test_satisfy_any_above_does_not_open_the_gate_of_apache():
    careless = Careless()
    try:
        for kind in KINDS:
            reply = careless.get(kind)
            assert (reply.status, reply.text) == (401, '{"message":"Please login"}')
    finally:
        careless.stop()


def test_what_answers_for_the_gate_of_apache_signs_nobody_in(apache):
    """Else a slow sign-in there would hold up who is to be sent to the login page."""
    for path in ("/denied", "/denied/", "/denied/login", "/denied/login.fcgi", "/denied/../denied/login",
                 "/denied?/login", "/denied%2flogin"):
        reply = apache.post(path, "username=admin&password=password")
        assert reply.status == 404 and "Set-Cookie" not in reply.headers


@pytest.fixture(scope="module")
def proxy():
    running = guarded.ApacheProxy()
    yield running
    running.stop()


def test_the_pages_through_mod_proxy_fcgi(proxy):
    assert is_sent_to_login(proxy.get("/welcome?a=b", BROWSER), "/welcome?a=b")
    reply = proxy.get("/welcome")
    assert (reply.status, reply.text) == (401, '{"message":"Please login"}')
    assert reply.headers.get_all("WWW-Authenticate") == ['Bearer realm="postern"']
    assert proxy.get("/login?next=/a", BROWSER).status == 200
    assert proxy.post("/login", "username=admin&password=wrong").status == 401
    back = proxy.post("/login", "username=admin&password=password&next=/a%3Fb", BROWSER)
    assert back.status == 303 and back.headers["Location"] == "/a?b"
    assert "Secure" in back.headers["Set-Cookie"]
    assert proxy.post("/login", "username=admin&password=password",
                      {**PROGRAM, "Sec-Fetch-Site": "cross-site"}).status == 403
    wait_until(lambda: "event=login_failed" in (proxy.folder / "run/error.log").read_text())
    cookie = proxy.sign_in()
    page = proxy.get("/welcome", with_cookie(cookie, BROWSER))
    assert page.status == 200 and "admin" in page.text
    assert proxy.request("HEAD", "/welcome", headers=with_cookie(cookie)).status == 200
    bearer = {**PROGRAM, "Authorization": "Bearer " + cookie.partition("=")[2]}
    assert proxy.get("/welcome", bearer).text == '{"message":"Have a good day"}'
    assert "invalid_token" in proxy.get("/welcome", {**PROGRAM, "Authorization": "Bearer x.y.z"}) \
        .headers["WWW-Authenticate"]
    assert proxy.get("/logout", with_cookie(cookie, BROWSER)).status == 200
    assert proxy.post("/logout", "", {**with_cookie(cookie), "Origin": "https://evil.example"}).status == 403
    assert proxy.post("/logout", "", with_cookie(cookie)).status == 200
    assert proxy.get("/welcome", with_cookie(cookie)).status == 400
    assert proxy.get("/loginx").status == 404
    assert proxy.get("/login/../welcome").status == 401


def test_bodies_through_mod_proxy_fcgi(proxy):
    fields = b"username=admin&password=password"
    form = {**PROGRAM, "Content-Type": "application/x-www-form-urlencoded"}
    assert proxy.request("POST", "/login", iter([fields[:9], fields[9:]]), form,
                         encode_chunked=True).status == 200
    for body in (b"x" * 3000000, iter([b"x" * 1000000] * 3)):
        try:
            assert proxy.request("POST", "/login", body, form,
                                 encode_chunked=not isinstance(body, bytes)).status == 413
        except (ConnectionError, ssl.SSLError):
            pass  # it closes before all of it was sent
    assert proxy.post("/login", fields).status == 200
