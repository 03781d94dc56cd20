"""The verdicts of the gate byte for byte, over FastCGI as each web server asks."""
import time

import pytest

import fcgi
from conftest import PLAIN, write_private, write_settings
from fcgi import AUTHORIZER, FILTER, RESPONDER
from secrets_seen import SEEN

HTML = {"HTTP_ACCEPT": "text/html", "HTTP_SEC_FETCH_MODE": "navigate"}
ASKERS = {
    "lighttpd": {"role": AUTHORIZER},
    "apache": {"role": AUTHORIZER, "FCGI_APACHE_ROLE": "ACCESS_CHECKER"},
    "nginx": {"role": RESPONDER, "POSTERN_GATE": "401"},
    "caddy": {"role": RESPONDER, "POSTERN_GATE": "302"},
}
MISTAKES = {
    "a requirement and no gate": {"role": RESPONDER, "POSTERN_REQUIRE": "user admin"},
    "another gate": {"role": RESPONDER, "POSTERN_GATE": "200"},
    "a word for a gate": {"role": RESPONDER, "POSTERN_GATE": "on"},
    "Apache's authenticator": {"role": AUTHORIZER, "FCGI_APACHE_ROLE": "AUTHENTICATOR"},
    "Apache's authorizer": {"role": AUTHORIZER, "FCGI_APACHE_ROLE": "AUTHORIZER"},
    "a filter": {"role": FILTER},
}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("verdicts")
    groups = folder / "groups"
    write_private(groups, "staff: grace-hopper admin\nothers: admin\n# no: admin\nbad line\n")
    env = write_settings(folder, POSTERN_GROUPS=groups)
    return folder, env


@pytest.fixture(scope="module")
def welcome(place):
    worker = fcgi.Worker(*place, "welcome.fcgi")
    yield worker
    worker.stop()


@pytest.fixture(scope="module")
def login(place):
    worker = fcgi.Worker(*place)
    yield worker
    worker.stop()


@pytest.fixture(scope="module")
def good(login):
    return "token=" + fcgi.Reply(login.sign_in()).cookie()


@pytest.fixture(params=ASKERS)
def asked(request):
    return request.param, ASKERS[request.param]


def names(reply):
    return [line.partition(":")[0] for line in reply.lines]


def test_a_pass_says_who_and_nothing_else(welcome, good, asked):
    reply = welcome.authorize(HTTP_COOKIE=good, **asked[1])
    assert reply.lines == ["Status: 200 OK", "Variable-REMOTE_USER: admin",
                           "Variable-REMOTE_GROUPS: staff,others"]
    assert reply.text == ""


def test_apache_is_told_no_and_nothing_else(welcome, good):
    """It would add the headers to those of its error document."""
    ask = ASKERS["apache"]
    for more in ({}, HTML, {"HTTP_COOKIE": "token=x"}, {"REQUEST_METHOD": "POST", **HTML},
                 {"HTTP_AUTHORIZATION": "Bearer x.y.z"}):
        reply = welcome.authorize(**more, **ask)
        assert (reply.lines, reply.text) == (["Status: 401 Unauthorized"], "")
    for more in ({"POSTERN_REQUIRE": "user ada"}, {"POSTERN_REQUIRE": "user ada", **HTML},
                 {"REQUEST_METHOD": "POST", "HTTP_SEC_FETCH_SITE": "cross-site"}):
        reply = welcome.authorize(HTTP_COOKIE=good, **more, **ask)
        assert (reply.lines, reply.text) == (["Status: 403 Forbidden"], "")
    for role in ("AUTHENTICATOR", "AUTHORIZER"):
        reply = welcome.authorize(HTTP_COOKIE=good, **{**ask, "FCGI_APACHE_ROLE": role})
        assert (reply.lines, reply.text) == (["Status: 503 Service Unavailable"], "")


def test_who_is_not_signed_in(welcome, asked):
    name, ask = asked
    if name == "apache":
        return  # see above
    for cookie in ("", "token=x", "token="):
        program = welcome.authorize(HTTP_COOKIE=cookie, **ask)
        assert (program.status, program.text) == (401, '{"message":"Please login"}')
        assert program.header("WWW-Authenticate") == 'Bearer realm="postern"'
        browser = welcome.authorize("/a?b=c", HTTP_COOKIE=cookie, **HTML, **ask)
        location = browser.header("Location")
        assert (browser.status, location) == {
            "lighttpd": (302, "/login?next=/a%3Fb%3Dc"), "caddy": (302, "/login?next=/a%3Fb%3Dc"),
            "nginx": (401, "/login?next=/a%3Fb%3Dc")}[name]
        assert browser.header("Cache-Control") == "no-store"
        sent = welcome.authorize(HTTP_COOKIE=cookie, REQUEST_METHOD="POST", **HTML, **ask)
        assert sent.status == 401 and sent.header("Location") == ""
        assert "send it again" in sent.text


def test_the_status_comes_first_and_headers_are_few(welcome, good, asked):
    for more in ({}, {"HTTP_COOKIE": good}, {"HTTP_COOKIE": "token=x", **HTML},
                 {"REQUEST_URI": "/" + "%" * 1000, **HTML}, {"REQUEST_URI": "/" + "é" * 300, **HTML}):
        reply = welcome.authorize(**{**more, **asked[1]})
        assert reply.lines[0].startswith("Status: ")
        assert len("\r\n".join(reply.lines)) < 4000


@pytest.mark.parametrize("uri", ["//evil.example/x", "/\\evil.example", "/x\ty", "http://evil/",
                                 "", "/" + "a" * 2000])
def test_where_to_return_is_a_path_or_nothing(welcome, uri):
    for ask in (ASKERS["lighttpd"], ASKERS["nginx"], ASKERS["caddy"]):
        reply = welcome.authorize(REQUEST_URI=uri, **HTML, **ask)
        assert reply.header("Location") == "/login"


@pytest.mark.parametrize("require, status", [
    ("", 200), (" ; ", 200), ("user admin", 200), ("user ada admin", 200), ("user ada", 403),
    ("group staff", 200), ("group nobody", 403), ("group nobody others", 200),
    ("user ada;group staff", 200), ("user ada ; group nobody", 403), ("user  admin ", 200),
    ("user", 403), ("group", 403), ("staff", 403), ("valid-user", 403), ("user admin;what x", 403),
    ("what;user admin", 403), ("USER admin", 403), ("user Admin", 403), ("group Staff", 403),
    ("user admin" + ";" * 2000, 403), ("group no", 403), ("user ad*", 403), ("group bad", 403),
])
def test_what_is_required(welcome, good, asked, require, status):
    reply = welcome.authorize(HTTP_COOKIE=good, POSTERN_REQUIRE=require, **asked[1])
    assert reply.status == status
    if status == 403 and asked[0] != "apache":
        assert reply.text == '{"message":"Forbidden"}' and "Location" not in names(reply)
        page = welcome.authorize(HTTP_COOKIE=good, POSTERN_REQUIRE=require, **HTML, **asked[1])
        assert page.status == 403 and "<strong>admin</strong>" in page.text
    assert welcome.authorize(POSTERN_REQUIRE=require, **asked[1]).status == 401


def test_a_requirement_that_nobody_understands_is_named_in_the_log(welcome, good):
    with welcome.connect() as connection:
        connection.sendall(fcgi.opening(fcgi.parameters(HTTP_COOKIE=good, POSTERN_REQUIRE="who"),
                                        role=AUTHORIZER))
        said = fcgi.read_reply(connection)[fcgi.STDERR]
    assert b'postern: event=config reason="POSTERN_REQUIRE is not understood"\n' in said


@pytest.mark.parametrize("name", MISTAKES)
def test_a_gate_that_we_do_not_know_is_shut(welcome, good, name):
    assert welcome.authorize(HTTP_COOKIE=good, **MISTAKES[name]).status == 503


@pytest.mark.parametrize("name", [*ASKERS, *MISTAKES])
def test_login_is_no_gate(login, good, name):
    ask = {**ASKERS, **MISTAKES}[name]
    for more in ({}, {"HTTP_COOKIE": good}, HTML):
        for path in ("/login", "/private/x"):
            assert login.authorize(path, **more, **ask).status == 403


@pytest.mark.parametrize("doubled", [{"HTTP_ORIGIN": ["a", "b"]}, {"HTTP_HOST": ["a", "b"]},
                                     {"POSTERN_REQUIRE": ["user ada", "user admin"]},
                                     {"HTTP_AUTHORIZATION": ["Bearer a", "Bearer b"]}])
def test_a_request_that_contradicts_itself_does_not_pass(welcome, good, asked, doubled):
    assert welcome.authorize(HTTP_COOKIE=good, **doubled, **asked[1]).status == 403


def test_the_applications_authorization_is_not_ours(welcome, good, asked):
    bearer = "Bearer " + good.partition("=")[2]
    assert welcome.authorize(HTTP_AUTHORIZATION=bearer, **asked[1]).status == 200
    assert welcome.authorize(HTTP_COOKIE=good, HTTP_AUTHORIZATION="Bearer x", **asked[1]).status == 200
    assert welcome.authorize(HTTP_COOKIE="token=x", HTTP_AUTHORIZATION=bearer, **asked[1]).status == 401
    assert welcome.authorize(HTTP_AUTHORIZATION="Bearer x", **asked[1]).status == 401
    assert welcome.authorize(HTTP_AUTHORIZATION="Basic YTpi", **asked[1]).status == 401


def test_cross_site(welcome, good, asked):
    for method, more, status in (
            ("POST", {"HTTP_SEC_FETCH_SITE": "cross-site"}, 403), ("GET", {"HTTP_SEC_FETCH_SITE": "cross-site"}, 200),
            ("PROPFIND", {"HTTP_ORIGIN": "http://evil.example"}, 403),
            ("DELETE", {"HTTP_ORIGIN": "http://localhost"}, 200), ("POST", {}, 200),
            ("GET", {"HTTP_UPGRADE": "websocket"}, 403),
            ("GET", {"HTTP_UPGRADE": "WebSocket", "HTTP_ORIGIN": "http://localhost"}, 200)):
        reply = welcome.authorize(HTTP_COOKIE=good, REQUEST_METHOD=method, **more, **asked[1])
        assert reply.status == status, (method, more)


def test_the_body_is_never_read(welcome, good, asked):
    """The records of a body that does not come would hold the worker for ever."""
    started = time.monotonic()
    for method in ("POST", "PUT"):
        for cookie in (good, ""):
            for length in ("3000000", "-1", None):
                said = {"REQUEST_METHOD": method, "HTTP_COOKIE": cookie, "CONTENT_LENGTH": length}
                with welcome.connect() as connection:
                    ask = dict(asked[1])
                    role = ask.pop("role")
                    connection.sendall(fcgi.opening(fcgi.parameters(**said, **ask), role=role))
                    assert fcgi.read_reply(connection)[fcgi.STDOUT].startswith(b"Status: ")
    assert time.monotonic() - started < 5


def test_a_group_file_that_cannot_be_read_shuts_the_gate(place, good, asked):
    folder, env = place
    (own := folder / asked[0]).mkdir()
    groups = folder / "groups"
    before = groups.read_text()
    worker = fcgi.Worker(own, env, "welcome.fcgi")
    assert worker.authorize(HTTP_COOKIE=good, **asked[1]).status == 200
    try:
        groups.unlink()
        assert worker.authorize(HTTP_COOKIE=good, **asked[1]).status == 503
        # More groups than a header holds.
        write_private(groups, "".join("g%d: admin\n" % i for i in range(500)))
        assert worker.authorize(HTTP_COOKIE=good, **asked[1]).status == 503
        assert b'user="admin" reason="too many groups for a header"' in SEEN.overheard[-1]
    finally:
        write_private(groups, before)
    assert worker.authorize(HTTP_COOKIE=good, **asked[1]).status == 200
    worker.stop()


def test_without_a_state_to_ask_the_gate_is_shut(tmp_path, asked):
    env = write_settings(tmp_path)
    login = fcgi.Worker(tmp_path, env)
    cookie = "token=" + fcgi.Reply(login.sign_in()).cookie()
    login.stop()
    welcome = fcgi.Worker(tmp_path, env, "welcome.fcgi")
    assert welcome.authorize(HTTP_COOKIE=cookie, **asked[1]).status == 200
    (tmp_path / "state").rename(tmp_path / "elsewhere")
    for more in ({}, HTML):
        assert welcome.authorize(HTTP_COOKIE=cookie, **more, **asked[1]).status == 503
        assert welcome.authorize(**more, **asked[1]).status in (302, 401)
    welcome.stop()


# -- renewal -----------------------------------------------------------------------------------

@pytest.fixture
def due(tmp_path, faults):
    """A worker, and a cookie past half of its life."""
    env = write_settings(tmp_path)
    login = fcgi.Worker(tmp_path, env, programs=PLAIN)
    cookie = "token=" + fcgi.Reply(login.sign_in()).cookie()
    login.stop()
    faults.at(200)
    worker = fcgi.Worker(tmp_path, env, "welcome.fcgi", programs=PLAIN,
                         environment=faults.environment)
    yield worker, cookie
    worker.stop()


def test_a_cookie_that_is_due_is_renewed(due, asked):
    worker, cookie = due
    name, ask = asked
    for more in (HTML, {"HTTP_ACCEPT": "*/*", "HTTP_SEC_FETCH_MODE": "cors"}):
        reply = worker.authorize("/a?b", HTTP_COOKIE=cookie, **more, **ask)
        if name == "lighttpd":
            assert reply.status in (302, 200)  # the second time it passes
            if reply.status == 302:
                assert reply.header("Location") == "/a?b" and reply.cookie() is not None
        else:
            assert reply.status == 200 and names(reply).count("Set-Cookie") == 1
            assert names(reply) == ["Status", "Set-Cookie", "Variable-REMOTE_USER"]


@pytest.mark.parametrize("more, sent", [
    (HTML, True), ({"HTTP_ACCEPT": "text/html"}, True),
    ({"HTTP_ACCEPT": "*/*", "HTTP_SEC_FETCH_MODE": "cors"}, True),
    ({**HTML, "REQUEST_METHOD": "HEAD"}, True), ({"HTTP_ACCEPT": "*/*"}, False),
    ({**HTML, "REQUEST_METHOD": "POST"}, False), ({**HTML, "REQUEST_METHOD": "OPTIONS"}, False),
    ({**HTML, "HTTP_SEC_FETCH_DEST": "serviceworker"}, False),
    ({**HTML, "HTTP_UPGRADE": "h2c"}, False), ({**HTML, "REQUEST_URI": "//evil.example"}, False),
])
def test_who_is_sent_round_at_lighttpd(due, more, sent):
    worker, cookie = due
    first = worker.authorize(**{"HTTP_COOKIE": cookie, **more}, role=AUTHORIZER)
    assert first.status == (302 if sent else 200)
    for _ in range(3):
        assert worker.authorize(**{"HTTP_COOKIE": cookie, **more}, role=AUTHORIZER).status == 200
    if sent:
        renewed = "token=" + first.cookie()
        again = worker.authorize(**{"HTTP_COOKIE": renewed, **more}, role=AUTHORIZER)
        assert again.status == 200 and again.cookie() is None


# -- login.fcgi as an error document ------------------------------------------------------------

DENIED = {"REDIRECT_STATUS": "401", "REDIRECT_URL": "/private/x", "path": "/login"}


def test_an_error_document_sends_a_browser_to_sign_in(login):
    uri = {"REQUEST_URI": "/private/x?y=%20z"}
    reply = login.fetch(**DENIED, **uri, **HTML)
    assert reply.status == 302 and reply.header("Location") == "/login?next=/private/x%3Fy%3D%2520z"
    assert login.fetch(**DENIED, **uri, HTTP_COOKIE="token=x", **HTML).status == 302
    program = login.fetch(**DENIED, **uri)
    assert (program.status, program.text) == (401, '{"message":"Please login"}')
    sent = login.fetch(**DENIED, **uri, REDIRECT_REQUEST_METHOD="POST", **HTML)
    assert sent.status == 401 and sent.header("Location") == "" and "send it again" in sent.text


def test_an_error_document_tells_who_is_signed_in_that_it_is_not_for_him(login, good):
    reply = login.fetch(**DENIED, HTTP_COOKIE=good, **HTML)
    assert reply.status == 403 and "<strong>admin</strong>" in reply.text
    assert "Location" not in names(reply)
    assert login.fetch(**DENIED, HTTP_COOKIE=good).status == 403


def test_an_error_document_says_what_else_the_gate_did_not_like(login, place, good):
    sent = {**DENIED, "HTTP_COOKIE": good, "REDIRECT_REQUEST_METHOD": "POST"}
    other = login.fetch(**sent, HTTP_ORIGIN="https://evil.example", **HTML)
    assert other.status == 403 and "came from another site" in other.text
    ours = login.fetch(**sent, HTTP_ORIGIN="http://localhost", **HTML)
    assert ours.status == 403 and "<strong>admin</strong>" in ours.text
    groups = place[0] / "groups"
    groups.chmod(0o644)
    try:
        assert login.fetch(**sent).status == 503
    finally:
        groups.chmod(0o600)


def test_an_error_document_reads_no_body(login):
    with login.connect() as connection:
        connection.sendall(fcgi.opening(fcgi.parameters(
            "GET", CONTENT_LENGTH="5000", CONTENT_TYPE=fcgi.FORM, REDIRECT_REQUEST_METHOD="POST",
            **DENIED)) + fcgi.record(fcgi.STDIN, b"username=admin&password=password"))
        reply = fcgi.Reply(fcgi.read_reply(connection)[fcgi.STDOUT].decode())
    assert reply.status == 401 and reply.cookie() is None
