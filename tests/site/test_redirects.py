"""Where a browser is sent: never away from this site, whatever it is asked.

The tricks are made by combining parts. What comes back is read as a browser reads it, by the URL
parser of node, as it stands and decoded once more.
"""
import html.parser
import itertools
import json
import re
import socket
import struct
import subprocess
import time
import urllib.parse

import jwt
import pytest

import fcgi
from conftest import BROWSER, SECRET, write_settings

EVIL = "evil.example"
SLASHES = ["/", "\\", "%2f", "%5C", "%252F", "%255c",
           "\uff0f", "\u2215", "\u2044", b"\xc0\xaf", "%c0%af", "%e0%80%af"]
CONTROLS = ["\t", "\n", "\r", "\r\n", "\0", "\x1f", "\x7f", "\x85", "\u2028",
            "%09", "%0a", "%0D", "%00", "%1f", "%7f", "%2509"]
GAPS = CONTROLS + [" ", "%20", "\u3000", "/", ".", "..", "../", "/../", "%2e%2e/",
                   "\uff0e\uff0e/", "@", "a:b@", ";", "?", "#", ":", "&", "%"]
HOSTS = [EVIL + "/..%2fwelcome", EVIL + ":443/;a?b#c", "a:b@" + EVIL, "127.0.0.1@" + EVIL,
         "127.0.0.1." + EVIL, "evil\uff0eexample", "evil\u3002example", "\u00e9vil.example",
         "xn--vil-9la.example", "[::ffff:1.2.3.4]", "16909060", "0x1.2.3.4", "%0d" + EVIL]
SCHEMES = ["https:", "http:", "javascript:", "data:", "file:", "blob:http:", "x:"]


def octets(*parts):
    return b"".join(p if isinstance(p, bytes) else p.encode() for p in parts)


def mixed(text):
    return "".join(c.upper() if i % 2 else c for i, c in enumerate(text))


def plain_tricks():
    for one, two in itertools.product(SLASHES, repeat=2):
        yield octets(one, two, EVIL)
        yield octets(one, two, one, EVIL)
    for one, two, host in itertools.product(SLASHES[:6], SLASHES[:6], HOSTS):
        yield octets(one, two, host)
    for one, two, gap in itertools.product(SLASHES[:4], SLASHES[:4], GAPS):
        yield octets(gap, one, two, EVIL)
        yield octets(one, gap, two, EVIL)
        yield octets(one, two, gap, EVIL)
    for gap in itertools.product(GAPS, repeat=2):
        yield octets("/", *gap, "/", EVIL)
    for scheme, slashes in itertools.product(SCHEMES, ["", "/", "//", "\\\\", "/\\", "///"]):
        for form in (scheme, mixed(scheme), "\t" + scheme, scheme[0] + "\n" + scheme[1:]):
            yield octets(form, slashes, EVIL)
            yield octets("/", form, slashes, EVIL)
    # Harmless places, were it not for what breaks out of a header or an attribute.
    for before, bad in itertools.product(["/", "/a", "/a/", "/?", "/a?b=", "/#", "/?a#"],
                                         CONTROLS + [" ", "\\", "\"", "'", "<", ">"]):
        yield octets(before, bad, "Set-Cookie:%20evil=1")
    for length in (1021, 1022, 1023, 1024, 1025, 2047, 2048):
        yield octets("/", "a" * length, "//", EVIL)
        yield octets("//", EVIL, "/", "a" * length)
        yield octets("/", "\u00e9" * (length // 6), "/" * (length % 6))
    yield from (b"", b".", b"..", b"#", b"%2f", octets(EVIL), octets("?", EVIL))


def quote(value):
    return urllib.parse.quote(value, safe="")


PLAIN_TRICKS = sorted(set(plain_tricks()))
ENCODED = {quote(t).encode() for t in PLAIN_TRICKS}
# As they are, percent-encoded, and that twice; and also behind a slash that was left alone.
TRICKS = sorted({*PLAIN_TRICKS, *ENCODED, *(quote(t).encode() for t in ENCODED),
                 *(b"/" + quote(t[1:]).encode() for t in PLAIN_TRICKS)})

GOOD = [
    "/", "/-", "/a", "/a/", "/a//b", "/a/../b", "/./a", "/.well-known/x", "/@a:b",
    "/~a;b=c,d!$'()*",
    "/my%20file.pdf?q=a%20b&c=%2F#x", "/a?b=c&d=e&f", "/a?b=c+d", "/a?u=https://b.example//c",
    "/a?b=%0d%0a%09%00", "/a#%0a?b", "/a?b?c#d#e", "/Zo%C3%AB", "/%ff", "/a%2f%2Fb", "/a%5cb",
    "/%25", "/%252f", "/\"<>'`{|}^[]", "/?next=/a%3Fnext%3D%2Fb", "/" + "a" * 1023,
]


# -- what a browser makes of it ---------------------------------------------------------------

BASES = ["http://site.example/login", "https://site.example:8443/a/b?c"]
PARSER = """
for (const line of require("fs").readFileSync(0, "utf8").split("\\n").filter(Boolean)) {
    const [value, base] = JSON.parse(line);
    let there = "none";
    try { there = new URL(value, base).origin; } catch (e) {}
    console.log(there === new URL(base).origin);
}
"""
PLACE = re.compile(r"/(?![/\\])[!-\[\]-~]*|/")  # a path; printable, no space, no backslash


def readings(place):
    """A place as it stands and decoded once more."""
    decoded = urllib.parse.unquote_to_bytes(place)
    return {place, decoded.decode("latin-1"), decoded.decode("utf-8", "replace")}


def leading_away(places):
    """Those of the places that are not on this site."""
    asked = [(p, r, b) for p in sorted(places) for r in readings(p) for b in BASES]
    lines = "".join(json.dumps([r, b]) + "\n" for _, r, b in asked)
    done = subprocess.run(["node", "-e", PARSER], input=lines.encode(), stdout=subprocess.PIPE,
                          check=True)
    answers = done.stdout.decode().split()
    assert len(answers) == len(asked)
    return {p for (p, _, _), same in zip(asked, answers) if same != "true"}


class Links(html.parser.HTMLParser):
    """Everything in a page that leads somewhere."""

    def __init__(self, page):
        super().__init__()
        self.wanted, self.found = "", set()
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        assert tag not in ("base", "script", "iframe") and "http-equiv" not in given
        self.found |= {given[n] for n in ("href", "action", "formaction", "src") if n in given}
        if tag == "a":
            self.wanted = given["href"]
        if given.get("name") == "next" and given["value"] != "":
            self.wanted = given["value"]
            self.found.add(self.wanted)


HEADERS = {"Location", "Set-Cookie", "Cache-Control", "Vary", "X-Content-Type-Options",
           "Referrer-Policy", "Cross-Origin-Opener-Policy", "Cross-Origin-Resource-Policy",
           "Content-Security-Policy", "WWW-Authenticate", "Content-Type", "Content-Length",
           "Clear-Site-Data", "Variable-REMOTE_USER", "Accept-Ranges", "Date", "Server",
           "Connection"}


class Judge:
    """Collects the places that replies lead to; the same page is read once only."""

    def __init__(self, login="/login"):
        self.login, self.pages, self.places = login, {}, set()

    def hear(self, reply):
        """Look at a reply; its status, and the place in it that was asked for, or ""."""
        head, _, body = reply.partition("\r\n\r\n")
        first, *lines = head.split("\r\n")
        status = int(re.match(r"(?:Status:|HTTP/1.1) (\d+) [^\r\n]+$", first).group(1))
        headers = dict(line.split(": ", 1) for line in lines)
        # Nothing broke a header into two.
        assert headers.keys() <= HEADERS and not re.search("[\r\n]", "".join(lines)), reply
        assert "Location" in headers or status not in (302, 303), reply
        if "Location" in headers:
            return status, self.follow(headers["Location"])
        if not headers.get("Content-Type", "").startswith("text/html"):
            return status, ""
        if body not in self.pages:
            self.pages[body] = Links(body)
            self.places |= self.pages[body].found
        return status, self.pages[body].wanted

    def follow(self, location):
        """The place asked for, which on the way to the login page is in the query."""
        self.places.add(location)
        path, _, query = location.partition("?")
        if path != self.login:
            return location
        if query == "":
            return ""
        [[name, place]] = urllib.parse.parse_qsl(query, strict_parsing=True)
        assert name == "next", location
        self.places.add(place)
        return place

    def conclude(self):
        """Now that all is heard: every place is a path, and on this site."""
        assert [p for p in self.places if not PLACE.fullmatch(p)] == []
        assert leading_away(self.places) == set()


# -- the programs without a web server, which would mend much ---------------------------------

CHEAP = "grace"  # whose password is hashed in no time


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("redirects")
    env = write_settings(folder)
    with open(folder / "users", "a") as users:
        users.write("%s:%s\n" % (CHEAP, subprocess.run(
            ["mkpasswd", "-m", "sha256crypt", "-R", "1000", "password"],
            stdout=subprocess.PIPE, check=True).stdout.decode().strip()))
    return env


@pytest.fixture(scope="module")
def login(settings):
    worker = fcgi.Worker(settings.parent, settings)
    yield worker
    worker.stop()


@pytest.fixture(scope="module")
def welcome(settings):
    worker = fcgi.Worker(settings.parent, settings, "welcome.fcgi")
    yield worker
    worker.stop()


AS_BROWSER = {"HTTP_ACCEPT": "text/html"}


def post(worker, path, body, kind=fcgi.FORM):
    return worker.ask("POST", path, body, CONTENT_TYPE=kind, CONTENT_LENGTH=str(len(body)),
                      **AS_BROWSER)


def form(value, password=""):
    return octets("username=", CHEAP, "&password=", password, "&next=", quote(value))


def as_json(value, password=""):
    text = json.dumps({"username": CHEAP, "password": password,
                       "next": value.decode("utf-8", "surrogateescape")}, ensure_ascii=False)
    return text.encode("utf-8", "surrogateescape")


def get_form(login, value):
    return login.ask(path="/login", QUERY_STRING="next=" + quote(value), **AS_BROWSER)


def signed_in_link(login, value):
    return login.ask(path="/login", QUERY_STRING="next=" + quote(value), **AS_BROWSER,
                     HTTP_COOKIE="token=" + login.token)


def form_again(login, value):
    return post(login, "/login", form(value))


def form_again_after_json(login, value):
    return post(login, "/login", as_json(value), "application/json")


def sign_in(login, value):
    return post(login, "/login", form(value, "password"))


def sign_in_with_json(login, value):
    return post(login, "/login", as_json(value, "password"), "application/json")


CHANNELS = {get_form: 200, signed_in_link: 200, form_again: 401, form_again_after_json: 401,
            sign_in: 303, sign_in_with_json: 303}
STEPS = {get_form: 1, sign_in: 16, sign_in_with_json: 16}  # a sign-in takes time


@pytest.fixture(scope="module")
def token(login):
    """The login program, asked by somebody who is signed in."""
    reply = post(login, "/login", form(b"/", "password"))
    login.token = re.search("token=([^;]+)", reply).group(1)


@pytest.mark.parametrize("channel", CHANNELS, ids=lambda c: c.__name__)
def test_no_trick_leads_away(login, token, channel):
    judge, kept = Judge(), 0
    step = STEPS.get(channel, 4)
    tricks = TRICKS[list(CHANNELS).index(channel) % step::step]
    for trick in tricks:
        status, wanted = judge.hear(channel(login, trick))
        # A NUL, or what is not UTF-8, makes a body malformed.
        assert status in (CHANNELS[channel], 400), trick
        kept += wanted not in ("", "/welcome")
    judge.conclude()
    assert kept > len(tricks) // 10  # many are harmless, and no reason to refuse


def test_a_good_place_comes_back_as_it_was(login, token):
    judge = Judge()
    for good in GOOD:
        for channel, status in CHANNELS.items():
            assert judge.hear(channel(login, good.encode())) == (status, good), channel
    judge.conclude()


def test_signing_out_leads_to_the_form_whatever_is_asked(login):
    judge = Judge()
    for trick in TRICKS[::10] + [good.encode() for good in GOOD]:
        for body, kind in ((form(trick), fcgi.FORM), (as_json(trick), "application/json")):
            assert judge.hear(post(login, "/logout", body, kind)) in ((303, ""), (400, "")), trick
    judge.conclude()


ASKED = [({}, 303), ({"POSTERN_GATE": "302"}, 302), ({"POSTERN_GATE": "401"}, 401)]


@pytest.mark.parametrize("gate, status", ASKED, ids=["page", "gate-302", "gate-401"])
def test_the_page_that_was_asked_for_leads_nowhere_else(welcome, gate, status):
    judge, kept = Judge(), 0
    tricks = TRICKS[::3] if gate else TRICKS
    for trick in tricks:
        got, wanted = judge.hear(welcome.ask(REQUEST_URI=trick, **AS_BROWSER, **gate))
        assert got == status, trick
        kept += wanted != ""
    judge.conclude()
    assert kept > len(tricks) // 10


@pytest.mark.parametrize("gate, status", ASKED, ids=["page", "gate-302", "gate-401"])
def test_the_page_that_was_asked_for_is_kept_as_it_was(welcome, login, gate, status):
    judge = Judge()
    for good in GOOD:
        reply = welcome.ask(REQUEST_URI=good, **AS_BROWSER, **gate)
        assert judge.hear(reply) == (status, good)
        # The form has it from the query of that redirect.
        query = re.search(r"^Location: /login\?(.*)\r$", reply, re.M).group(1)
        form = login.ask(path="/login", QUERY_STRING=query, **AS_BROWSER)
        assert judge.hear(form) == (200, good)


def ask_authorizer(worker, **more):
    """As lighttpd asks; the reply as text."""
    with worker.connect() as connection:
        begin = fcgi.record(fcgi.BEGIN, struct.pack("!HB5x", 2, 0))
        rest = fcgi.opening(fcgi.parameters(**AS_BROWSER, **more))[len(begin):]
        connection.sendall(begin + rest + fcgi.record(fcgi.STDIN))
        return fcgi.read_reply(connection)[fcgi.STDOUT].decode()


def test_who_is_renewed_by_a_redirect_stays_on_this_site(login, token, welcome):
    # One of its own: others sign in so often that older sessions fall off the list.
    mine = fcgi.Reply(login.sign_in()).cookie()
    claims = jwt.decode(mine, options={"verify_signature": False})
    judge, kept = Judge(), 0
    tricks = TRICKS[::6] + [good.encode() for good in GOOD]
    for trick in tricks:
        # Each token is sent round once: none is over in the same second as another.
        due = jwt.encode({**claims, "exp": int(time.time()) + 20 + kept % 120}, SECRET)
        status, place = judge.hear(ask_authorizer(welcome, REQUEST_URI=trick,
                                                  HTTP_COOKIE="token=" + due))
        assert status == (302 if place else 200), trick
        assert place or trick.decode("latin-1") not in GOOD
        kept += place != ""
    judge.conclude()
    assert len(tricks) // 10 < kept < len(tricks)


# -- behind a web server ----------------------------------------------------------------------

def ask(site, target):
    """A request with a target that no client would send; the reply as text."""
    with socket.create_connection(("127.0.0.1", site.port), 30) as connection:
        connection.sendall(b"GET " + target + b" HTTP/1.1\r\nHost: site.example\r\n"
                           b"Accept: text/html\r\nConnection: close\r\n\r\n")
        with connection.makefile("rb") as reply:
            return reply.read().decode()


def test_no_request_line_leads_away(site, request):
    # Plain CGI starts a process for each.
    step = 20 if "fastcgi" in request.node.name else 400
    judge, redirected = Judge(site.login), 0
    back = site.welcome.replace("/", "..%2f", 1).encode()
    tricks = [t for t in TRICKS if not re.search(rb"[\r\n]", t)][::step]
    targets = [b"//evil.example/" + back, b"/\\evil.example/" + back]
    for trick in tricks:
        targets += [trick + b"/" + back, trick + b"/../../../" + back,
                    site.welcome.encode() + b"/" + trick, site.welcome.encode() + b"?" + trick,
                    site.login.encode() + b"?next=" + trick]
    for target in targets:
        status, _ = judge.hear(ask(site, target))
        assert status in (200, 302, 303, 400, 403, 404), target
        redirected += status == 303
    judge.conclude()
    assert redirected > len(targets) // 4


CLAIMS = ["Host", "X-Forwarded-Host", "X-Forwarded-Server", "X-Forwarded-Proto",
          "X-Forwarded-Port", "X-Forwarded-Prefix", "X-Forwarded-Path", "X-Forwarded-Uri",
          "X-Forwarded-For", "Forwarded", "X-Original-Host", "X-Original-URI", "X-Original-URL",
          "X-Rewrite-URL", "X-Host", "X-Real-IP", "X_Forwarded_Host", "X-Script-Name", "Via",
          "Referer", "Origin", "User-Agent", "Location", "Content-Location", "Base-Url"]


RIGHT = {"username": "admin", "password": "password"}


def every_reply(site, claims):
    """Replies of all kinds to a browser that makes these claims."""
    browser = {**BROWSER, **claims}
    signed_in = {**browser, "Cookie": "token=" + site.sign_in().token}
    for path in (site.login, site.login + "?next=//a", site.login + "/x", site.logout,
                 site.welcome):
        yield site.get(path, browser)
        yield site.get(path, signed_in)
    yield site.post(site.login, RIGHT, browser)
    yield site.post(site.login, {"username": "admin"}, browser)
    yield site.post(site.logout, headers=signed_in)
    yield site.request("PUT", site.login, headers=browser)


@pytest.mark.parametrize("value", [EVIL, EVIL + ":444", "//%s/a" % EVIL, "https://%s" % EVIL,
                                   "host=%s;proto=evil" % EVIL])
def test_no_claim_of_a_header_is_repeated(site, value):
    claims = {name: value for name in CLAIMS}
    if re.search("[/;=]", value):
        del claims["Host"]  # lighttpd itself refuses it
    for reply in every_reply(site, claims):
        assert reply.status in (200, 303, 401, 403, 404, 405)
        assert "evil" not in (str(reply.headers) + reply.text).lower()


@pytest.mark.parametrize("name", CLAIMS)
def test_no_single_claim_is_repeated(fastcgi, name):
    """Another header may hide this one when all come at once."""
    for reply in every_reply(fastcgi, {name: EVIL}):
        assert "evil" not in (str(reply.headers) + reply.text).lower()
    assert "evil" not in str(fastcgi.get("/", {name: EVIL}).headers)


def test_no_claim_of_a_web_server_is_repeated(login, welcome):
    """Some put what a header says into these."""
    claims = dict.fromkeys(["SERVER_NAME", "SERVER_ADDR", "REQUEST_SCHEME", "REDIRECT_URL",
                            "REDIRECT_HTTP_HOST", "SCRIPT_URI", "SCRIPT_URL", "DOCUMENT_URI",
                            "CONTEXT_PREFIX", "HTTP_HOST"], "https://%s/" % EVIL)
    for reply in (welcome.ask(**AS_BROWSER, **claims), welcome.ask(**claims),
                  login.ask(path="/login", **AS_BROWSER, **claims),
                  login.sign_in(**AS_BROWSER, **claims), login.sign_in(**claims)):
        assert reply.startswith("Status: ") and "evil" not in reply.lower()
