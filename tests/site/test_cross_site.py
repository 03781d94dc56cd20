"""What pages of other origins can do to somebody who is signed in here: nothing.

They are opened in a real browser, from an origin of the same site (a browser sends our cookie
along) and from another site.
"""
import html
import http.server
import json
import re
import subprocess
import threading
import urllib.parse

import pytest
from selenium.webdriver.common.by import By

import fcgi
from conftest import (BROWSER, PROGRAM, USERS, Page, cookie, fastcgi_site, wait_until,
                      write_settings)
from test_http import check_headers

OTHER = "grace-hopper"
LOGIN = {"username": OTHER, "password": USERS[OTHER]}
AS_TEXT = json.dumps({**LOGIN, "x": "?"}, ensure_ascii=False).partition("?")

# A form: where to, its fields, how they are sent, and what happens when our own page has it.
FORMS = {
    "sign-out": ("/logout", {}, "", "logout"),
    "sign-out-everywhere": ("/logout", {"everywhere": "1"}, "", "logout_everywhere"),
    "another-user": ("/login", LOGIN, "", "login_ok"),
    "json-as-text": ("/login", {AS_TEXT[0]: AS_TEXT[2]}, "text/plain", "input_bad"),
    "multipart": ("/login", LOGIN, "multipart/form-data", "input_bad"),
}


@pytest.fixture(scope="module")
def lasting(tmp_path_factory):
    """Its tokens live longer than this module runs: so no cookie is renewed."""
    running = fastcgi_site(tmp_path_factory.mktemp("cross"), POSTERN_TOKEN_TTL=3600)
    yield running
    running.stop()


class Elsewhere(http.server.ThreadingHTTPServer):
    """Serves one page, whatever is asked for; a form that it gets it sends on to us."""

    def __init__(self, host, site):
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = "http://%s:%d" % (host, self.server_port)
        self.ours = "http://127.0.0.1:%d" % site.port
        self.relation = "same-site" if host == "127.0.0.1" else "cross-site"
        self.page, self.heard = "", []


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.heard.append(self.path)
        page = ("<!DOCTYPE html><meta charset=utf-8><title>x</title>" + self.server.page).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def do_POST(self):
        self.server.heard.append(self.path)
        self.send_response(307)
        self.send_header("Location", self.server.ours + "/logout")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module", params=["127.0.0.1", "localhost"], ids=["same-site", "cross-site"])
def elsewhere(request, lasting):
    server = Elsewhere(request.param, lasting)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


class Victim(Page):
    """Somebody who is signed in."""

    def __init__(self, browser, site):
        super().__init__(browser, site)
        self.open("/login")
        if not self.says_who("admin"):
            browser.delete_all_cookies()
            self.open("/login")
            self.sign_in()
        browser.get_log("browser")
        self.token = self.cookie
        self.log_length = len(site.log.read_bytes())

    @property
    def cookie(self):
        found = self.command("Network.getCookies", urls=["http://127.0.0.1/"])["cookies"]
        return {one["name"]: one["value"] for one in found}.get("token")

    def says_who(self, name):
        return "You are signed in as %s." % name in self.text

    @property
    def said(self):
        """What the site has logged since."""
        return self.site.log.read_bytes()[self.log_length:].decode()

    @property
    def events(self):
        return re.findall(r" event=(\w+)", self.said)

    def visit(self, elsewhere, page):
        elsewhere.page = page
        self.browser.get(elsewhere.url)

    def is_here(self):
        """Has the browser come to our site?"""
        return self.browser.current_url.startswith("http://127.0.0.1:%d/" % self.site.port)

    def check_unharmed(self):
        assert self.cookie == self.token
        self.open("/welcome")
        assert self.says_who("admin")
        assert self.cookie == self.token


@pytest.fixture
def victim(browser, lasting):
    return Victim(browser, lasting)


def form(action, fields, enctype=""):
    inputs = "".join('<input type=hidden name="%s" value="%s">' % (html.escape(n), html.escape(v))
                     for n, v in fields.items())
    return '<form method=post action="%s" enctype="%s">%s</form>' % (action, enctype, inputs)


SUBMIT = "<script>onload = () => document.forms[0].submit()</script>"


# -- forms ------------------------------------------------------------------------------------

@pytest.mark.parametrize("name", FORMS)
def test_a_form_of_another_origin(victim, elsewhere, name):
    path, fields, enctype, _ = FORMS[name]
    victim.visit(elsewhere, form(elsewhere.ours + path, fields, enctype) + SUBMIT)
    wait_until(victim.is_here)
    assert "The request came from another site" in victim.text
    assert victim.events == ["cross_site"]
    assert 'origin="%s" host="127.0.0.1:%d" sec_fetch_site="%s" POSTERN_ORIGIN=""' % (
        elsewhere.url, victim.site.port, elsewhere.relation) in victim.said
    victim.check_unharmed()


@pytest.mark.parametrize("name", FORMS)
def test_the_same_form_of_our_own(victim, name):
    path, fields, enctype, event = FORMS[name]
    victim.open("/welcome")
    place = "document.body.insertAdjacentHTML('beforeend', arguments[0]);"
    victim.leave(lambda: victim.browser.execute_script(
        place + "document.forms[document.forms.length - 1].submit()", form(path, fields, enctype)))
    # Whoever signs in leaves the session before.
    assert victim.events == (["logout", event] if event == "login_ok" else [event])
    if event == "input_bad":
        assert "The request was in a format not understood here." in victim.text
        victim.check_unharmed()
    else:
        assert victim.cookie != victim.token
        assert victim.site.get("/welcome", cookie(victim.token)).status == 400
    if event == "login_ok":
        assert victim.path == "/welcome" and victim.says_who(OTHER)


def test_a_form_that_hides_where_it_comes_from(victim, elsewhere):
    victim.visit(elsewhere, "<meta name=referrer content=no-referrer>" +
                 form(elsewhere.ours + "/logout", {}) + SUBMIT)
    wait_until(victim.is_here)
    assert victim.events == ["cross_site"]
    victim.check_unharmed()


def test_a_form_that_comes_by_way_of_a_redirect(victim, elsewhere):
    victim.visit(elsewhere, form("/", {"everywhere": "1"}) + SUBMIT)
    wait_until(victim.is_here)
    assert victim.events == ["cross_site"]
    victim.check_unharmed()


def test_a_form_in_a_sandbox(victim, elsewhere):
    inner = form(elsewhere.ours + "/logout", {}) + SUBMIT
    victim.visit(elsewhere, '<iframe sandbox="allow-forms allow-scripts" srcdoc="%s"></iframe>' %
                 html.escape(inner))
    wait_until(lambda: victim.events)
    assert victim.events == ["cross_site"]
    victim.check_unharmed()


@pytest.mark.parametrize("path", [
    "/logout", "/logout?everywhere=1", "/login?" + urllib.parse.urlencode(LOGIN)])
def test_a_link_changes_nothing(victim, elsewhere, path):
    victim.visit(elsewhere, '<a href="%s">x</a>' % html.escape(elsewhere.ours + path))
    victim.leave(victim.browser.find_element(By.TAG_NAME, "a").click)
    assert victim.is_here() and victim.events == []
    victim.check_unharmed()


# -- scripts ----------------------------------------------------------------------------------

FETCH = """
const [url, options, done] = arguments;
fetch(url, {credentials: "include", ...options}).then(
    async reply => done("could read: " + reply.type + await reply.text()),
    error => done(error.name));
"""
ENCODED = urllib.parse.urlencode(LOGIN)
AS_JSON = {"Content-Type": "application/json"}
AS_FORM = {"Content-Type": "application/x-www-form-urlencoded"}
SENT, NOT_SENT = ["cross_site"], []


@pytest.mark.parametrize("mode", ["no-cors", "cors"])
@pytest.mark.parametrize("path, body, headers", [
    ("/logout", "", AS_FORM),
    ("/logout", "everywhere=1", AS_FORM),
    ("/login", ENCODED, AS_FORM),
    ("/login", json.dumps(LOGIN), {}),
    ("/login", json.dumps(LOGIN), AS_JSON),
], ids=["sign-out", "everywhere", "form", "json-as-text", "json"])
def test_a_script_that_posts(victim, elsewhere, mode, path, body, headers):
    victim.visit(elsewhere, "")
    said = victim.browser.execute_async_script(
        FETCH, elsewhere.ours + path,
        {"method": "POST", "mode": mode, "body": body, "headers": headers})
    assert said == "TypeError"  # all that a script learns
    # Of JSON that is called so a browser asks first, and is not told that it may send it.
    assert victim.events == (NOT_SENT if (mode, headers) == ("cors", AS_JSON) else SENT)
    victim.check_unharmed()


@pytest.mark.parametrize("mode", ["no-cors", "cors"])
def test_a_script_that_reads(victim, elsewhere, mode):
    victim.visit(elsewhere, "")
    assert victim.browser.execute_async_script(FETCH, elsewhere.url, {}).startswith("could read")
    for path in ("/welcome", "/login", "/logout", "/login/x"):
        assert victim.browser.execute_async_script(
            FETCH, elsewhere.ours + path, {"mode": mode}) == "TypeError", path
    assert victim.events == []
    victim.check_unharmed()


def test_a_beacon(victim, elsewhere):
    victim.visit(elsewhere, "")
    assert victim.browser.execute_script(
        "return navigator.sendBeacon(arguments[0], new URLSearchParams('everywhere=1'))",
        elsewhere.ours + "/logout")
    wait_until(lambda: victim.events)
    assert victim.events == ["cross_site"]
    victim.check_unharmed()


def test_a_websocket(victim, elsewhere):
    victim.visit(elsewhere, "")
    for path in ("/welcome", "/login", "/logout"):
        assert victim.browser.execute_async_script(
            "const socket = new WebSocket(arguments[0]);"
            "socket.onopen = socket.onerror = event => arguments[1](event.type)",
            elsewhere.ours.replace("http", "ws") + path) == "error"
    assert victim.events == ["cross_site"] * 3
    victim.check_unharmed()


def test_what_got_into_a_page_of_ours_tells_nobody(victim, elsewhere):
    victim.open("/welcome")
    elsewhere.heard.clear()
    for url in (elsewhere.url, elsewhere.ours + "/welcome"):
        assert victim.browser.execute_async_script(FETCH, url, {"mode": "no-cors"}) == "TypeError"
    victim.browser.execute_script(
        "document.body.insertAdjacentHTML('beforeend', arguments[0]);"
        "document.forms[document.forms.length - 1].submit()",
        '<img src="%s">' % elsewhere.url + form(elsewhere.url, {"secret": "x"}))
    refused = []
    wait_until(lambda: refused.extend(victim.browser.get_log("browser")) or
               "form-action" in str(refused))
    assert victim.path == "/welcome" and elsewhere.heard == []
    victim.check_unharmed()


# -- frames and windows -----------------------------------------------------------------------

@pytest.mark.parametrize("path", ["/welcome", "/login", "/logout"])
@pytest.mark.parametrize("tag", ["iframe src", "object data", "embed src"])
def test_no_page_is_shown_in_a_frame(victim, elsewhere, tag, path):
    name, source = tag.split()
    victim.visit(elsewhere, '<%s %s="%s%s"></%s>' % (name, source, elsewhere.ours, path, name))
    refused = []
    wait_until(lambda: refused.extend(victim.browser.get_log("browser")) or
               "frame-ancestors" in str(refused))
    if name == "iframe":
        victim.browser.switch_to.frame(0)
        shown = victim.browser.execute_script("return location.href")
        assert shown == "chrome-error://chromewebdata/"
        assert victim.browser.find_elements(By.TAG_NAME, "form") == []
        victim.browser.switch_to.default_content()
    victim.check_unharmed()


@pytest.mark.parametrize("path", ["/welcome", "/login", "/logout", "/login/x"])
def test_who_opens_a_window_loses_hold_of_it(victim, elsewhere, path):
    browser = victim.browser
    victim.visit(elsewhere, "")
    here = browser.current_window_handle
    browser.execute_script("opened = open(arguments[0])", elsewhere.ours + path)
    [there] = set(browser.window_handles) - {here}
    try:
        wait_until(lambda: browser.execute_script("return opened.closed"))
        browser.switch_to.window(there)
        wait_until(lambda: victim.path == path)
        assert browser.execute_script("return opener") is None
    finally:
        browser.switch_to.window(there)
        browser.close()
        browser.switch_to.window(here)
    victim.check_unharmed()


def test_every_reply_forbids_frames_and_shares_nothing(site):
    token = site.sign_in().token
    signed_in = {**BROWSER, "Cookie": "token=" + token}
    for headers in (BROWSER, signed_in, PROGRAM, cookie(token), cookie("junk")):
        for path in (site.login, site.logout, site.welcome, site.login + "/x"):
            for method in ("GET", "HEAD", "POST", "PUT", "OPTIONS"):
                reply = site.request(method, path, headers={**headers, "Origin": "http://x"})
                assert reply.status != 200 or method in ("GET", "HEAD")
                check_headers(reply)
                assert not [n for n in reply.headers if n.lower().startswith("access-control-")]


# -- a WebSocket, asked for without a browser -------------------------------------------------

HANDSHAKE = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
             "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA=="}
FOREIGN = [
    None, "", "null", "http://evil.example", "http://127.0.0.1", "http://127.0.0.1:1",
    "http://localhost:PORT", "127.0.0.1:PORT", "http://127.0.0.1:PORT.evil.example",
    "http://evil.example/http://127.0.0.1:PORT", "http://x@127.0.0.1:PORT"]


def shake_hands(site, path, origin=None, **more):
    headers = {**cookie(site.sign_in().token), **HANDSHAKE, **more}
    if origin is not None:
        headers["Origin"] = origin.replace("PORT", str(site.port))
    return site.get(path, headers).status


@pytest.mark.parametrize("origin", FOREIGN)
def test_a_websocket_must_say_that_it_is_ours(fastcgi, origin):
    for path in ("/login", "/logout", "/welcome"):
        assert shake_hands(fastcgi, path, origin) == 403
        assert shake_hands(fastcgi, path, origin, Upgrade="WebSocket") == 403
        assert shake_hands(fastcgi, path, origin, **{"Sec-Fetch-Site": "same-origin"}) == 403


def test_a_websocket_of_ours_is_answered_as_anything_else(fastcgi):
    for path in ("/login", "/logout", "/welcome"):
        assert shake_hands(fastcgi, path, "http://127.0.0.1:PORT") == 200
        assert shake_hands(fastcgi, path, "http://evil.example", Upgrade="x") == 200


def test_a_websocket_of_the_configured_origin(make_site):
    site = make_site(POSTERN_ORIGIN="http://site.example")
    assert shake_hands(site, "/welcome", "http://site.example") == 200
    assert shake_hands(site, "/welcome", "http://Site.example:80") == 200
    for origin in ("http://127.0.0.1:PORT", "https://site.example", "http://site.example:81",
                   None):
        assert shake_hands(site, "/welcome", origin) == 403


@pytest.mark.parametrize("origin, status", [
    (None, b"403"), ("http://evil.example", b"403"), ("http://localhost", b"401")])
def test_a_websocket_in_plain_cgi(tmp_path, origin, status):
    """By hand: lighttpd's mod_cgi does not hand the header on."""
    said = fcgi.parameters(HTTP_UPGRADE="websocket", HTTP_ORIGIN=origin)
    program = fcgi.run_cgi(write_settings(tmp_path), said, subprocess.DEVNULL, "welcome.fcgi")
    assert program.communicate()[0].startswith(b"Status: " + status)
