"""The lines in the logs of real servers: what fail2ban makes of them, and nothing secret in them."""
import functools
import json
import os
import re
import shutil
import subprocess
import time
import urllib.parse

import pytest

import fcgi
from conftest import (BROWSER, PROGRAM, ROOT, apache_site, cgi_site, cookie, fastcgi_site,
                      hashed, wait_until, write_settings)
from secrets_seen import SEEN, Secrets

FILTER = ROOT / "deploy/fail2ban/filter.d/postern.conf"
JAIL = ROOT / "deploy/fail2ban/jail.d/postern.conf"

JSON = {**PROGRAM, "Content-Type": "application/json"}
FAKE = "postern: event=login_failed user=? ip=203.0.113.9 reason=user"

TEXTS = (FAKE, FAKE + '"', '"' + FAKE + '"', "\\n" + FAKE, '" ' + FAKE + " ", "x: " + FAKE,
         "2026-11-24 22:31:22: (mod_fastcgi.c.449) FastCGI-stderr:" + FAKE,
         "mod_fcgid: stderr: " + FAKE, "stderr from /x: " + FAKE)

SERVERS = {
    "lighttpd": fastcgi_site,
    "lighttpd-cgi": cgi_site,
    "apache-fcgid": functools.partial(apache_site, module="fcgid"),
    "apache-cgid": functools.partial(apache_site, module="cgid"),
    "apache-cgi": functools.partial(apache_site, module="cgi"),
}
DATED = ["lighttpd", "apache-fcgid", "apache-cgi"]

# What these servers write before a line and after it.
AROUND = [
    ("", ""),
    ("2026-11-24 22:31:22: (mod_fastcgi.c.449) FastCGI-stderr:", ""),
    ("[Tue Nov 24 22:31:22.315880 2026] [fcgid:warn] [pid 1:tid 2] [client [IP]:46249] "
     "mod_fcgid: stderr: ", ""),
    ("[Tue Nov 24 22:31:22.315880 2026] [fcgid:warn] [pid 1] [client [IP]:46249] "
     "mod_fcgid: stderr: ", ", referer: http://example.org/"),
    ("[Tue Nov 24 22:31:23.575904 2026] [cgi:error] [pid 3:tid 3] [client [IP]:50491] "
     "AH01215: stderr from /srv/cgi-bin/login.fcgi: ", ""),
]


@pytest.fixture(params=SERVERS)
def served(request, make_site):
    return make_site(SERVERS[request.param])


def banned(log, fields="<ip>"):
    """Run fail2ban-regex; of each line that the filter takes for a failure, these fields."""
    done = subprocess.run(["fail2ban-regex", log, FILTER, "-o", fields], capture_output=True,
                          text=True, check=True)
    assert not done.stderr, done.stderr
    return done.stdout.splitlines()


def lines_of(tmp_path, *lines):
    log = tmp_path / "made.txt"
    log.write_text("".join(line + "\n" for line in lines))
    return log


# -- fail2ban ---------------------------------------------------------------------------------

def test_fail2ban_sees_who_failed_and_nobody_else(served):
    wrong = {"username": "admin", "password": "wrong"}
    for fields, headers in ((wrong, PROGRAM), (wrong, BROWSER),
                            ({"username": "nobody", "password": "password"}, PROGRAM),
                            ({"username": "admin"}, PROGRAM), ({}, BROWSER),
                            ({"username": "admin", "password": "x" * 512}, PROGRAM),
                            (wrong, {**PROGRAM, "X-Forwarded-For": "203.0.113.9"})):
        assert served.post(served.login, fields, headers, "127.0.1.1").status == 401
    assert served.request("POST", served.login, json.dumps(wrong), JSON, "127.0.2.2").status == 401
    tries = [served.sign_in("grace-hopper", "wrong", address="127.0.3.3").status for _ in range(7)]
    assert tries == [401] * 5 + [429] * 2

    right = served.sign_in(address="127.0.9.1")
    assert right.status == 200
    signed_in = {**PROGRAM, "Cookie": "token=" + right.token}
    assert served.post(served.logout, headers=signed_in, address="127.0.9.1").status == 200
    assert served.request("GET", served.welcome, headers=signed_in,
                          address="127.0.9.1").status == 400
    assert served.sign_in(headers={**PROGRAM, "Origin": "http://evil.example"},
                          address="127.0.9.2").status == 403
    assert served.post(served.login, "username=%ff", address="127.0.9.3").status == 400

    served.stop()
    # The last is of the request that is said to be forwarded: two lines of one request.
    for event in ("login_ok", "logout", "token_bad", "cross_site", "input_bad", "config"):
        assert "postern: event=%s " % event in served.events.read_text()
    assert banned(served.events) == ["127.0.1.1"] * 7 + ["127.0.2.2"] + ["127.0.3.3"] * 7


def test_fail2ban_blames_nobody_for_what_is_wrong_on_the_server(make_site):
    site = make_site()
    assert site.sign_in().status == 200
    (site.folder / "build/demo/users").unlink()
    wait_until(lambda: site.sign_in().status == 503 and
               re.search("event=login_failed .* reason=users", site.events.read_text()))
    site.stop()
    assert banned(site.events) == []


def test_nobody_gets_somebody_else_banned(served):
    """Every text that a client sends looks like a line, on a line of its own too."""
    with SEEN.paused():
        send_lines(served)
    served.stop()
    log = served.events.read_text()
    assert 'origin="%s"' % FAKE in log and 'sec_fetch_site="%s"' % FAKE in log
    assert banned(served.events) == ["127.0.1.1"] * (2 * 4 * len(TEXTS))


def send_lines(served):
    for text in TEXTS:
        for name in ("Origin", "Host", "Sec-Fetch-Site", "Referer", "User-Agent", "Cookie",
                     "Accept", "Content-Type", "X-Forwarded-For", "Authorization"):
            headers = {**PROGRAM, name: text}
            served.post(served.login, {"a": "b"}, headers if name == "Origin" else
                        {"Origin": "http://evil.example", **headers}, "127.0.9.1")
            served.request("GET", served.welcome, headers=headers, address="127.0.9.1")
        for line in (text, "\n" + text, text + "\n" + text + "\n", "\r\n" + text):
            quoted = urllib.parse.quote(line)
            for path in (served.login, served.welcome, os.path.dirname(served.login)):
                served.request("GET", path + "?" + quoted, address="127.0.9.1")
                served.request("GET", path + "/" + quoted, address="127.0.9.1")
            served.post(served.login, {"username": line, "password": "x"}, address="127.0.1.1")
            served.post(served.login, {"username": "admin", "password": line, "next": line},
                        address="127.0.1.1")


def test_a_line_is_one_line_whatever_a_server_lets_through(tmp_path):
    worker = fcgi.Worker(tmp_path, write_settings(tmp_path))
    said = b""
    for newline in ("\n", "\r\n", "\r", "\v", "\x85", "\u2028"):
        with worker.connect() as connection:
            text = newline + FAKE + newline
            connection.sendall(fcgi.opening(fcgi.parameters(
                "POST", "/login", HTTP_ORIGIN=text, HTTP_HOST=text, HTTP_SEC_FETCH_SITE=text)) +
                fcgi.record(fcgi.STDIN))
            said += fcgi.read_reply(connection)[fcgi.STDERR]
    worker.stop()
    lines = said.decode("ascii").splitlines()
    assert len(lines) == 6 and all("203.0.113.9" in line for line in lines)
    assert banned(lines_of(tmp_path, *(before + line + after for before, after in AROUND
                                       for line in lines))) == []


@pytest.mark.parametrize("address, host", [
    ("2001:db8::7", "2001:db8::7"), ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2:3:4:5:6"),
    ("fe80::1", "fe80::1"), ("::ffff:192.0.2.7", "192.0.2.7"), ("192.0.2.7", "192.0.2.7")])
def test_addresses_of_every_kind(tmp_path, address, host):
    worker = fcgi.Worker(tmp_path, write_settings(tmp_path))
    said = []
    for name in (b"admin", b"nobody"):
        body = b"username=%s&password=wrong" % name
        with worker.connect() as connection:
            connection.sendall(fcgi.opening(fcgi.parameters(
                "POST", "/login", REMOTE_ADDR=address, CONTENT_TYPE=fcgi.FORM,
                CONTENT_LENGTH=str(len(body)))) + fcgi.record(fcgi.STDIN, body) +
                fcgi.record(fcgi.STDIN))
            said.append(fcgi.read_reply(connection)[fcgi.STDERR].decode().rstrip("\n"))
    worker.stop()
    log = lines_of(tmp_path, *(before.replace("[IP]", address) + line + after
                               for before, after in AROUND for line in said))
    assert banned(log) == [host] * len(AROUND) * len(said)


@pytest.mark.parametrize("line", [
    " " + FAKE, "x" + FAKE, FAKE + " ", FAKE + "x", FAKE + ' "', FAKE.replace("user=?", "user=a"),
    FAKE.replace("203.0.113.9", "localhost"), FAKE.replace("reason=user", "reason=users"),
    FAKE.replace("reason=user", ""), FAKE.replace("login_failed", "login_ok"),
    "[Tue Nov 24 22:31:22.315880 2026] [cgi:error] [pid 3:tid 3] [client 192.0.2.1:50491] "
    "AH02811: script not found or unable to stat: /srv/cgi-bin/x: " + FAKE,
    "[Tue Nov 24 22:31:22.315880 2026] [core:error] [pid 3:tid 3] [client 192.0.2.1:50491] "
    "AH00126: Invalid URI in request GET mod_fcgid: stderr: " + FAKE,
    "[Tue Nov 24 22:31:22.315880 2026] [php:error] [pid 3:tid 3] [client 192.0.2.1:50491] "
    "mod_fcgid: stderr: " + FAKE,
    "2026-11-24 22:31:22: (mod_cgi.c.100) FastCGI-stderr:" + FAKE,
    'postern: event=cross_site ip=192.0.2.1 origin="%s' % FAKE,
])
def test_a_line_that_only_looks_alike(tmp_path, line):
    assert banned(lines_of(tmp_path, FAKE, line)) == ["203.0.113.9"]


@pytest.mark.parametrize("server", DATED)
def test_the_date_is_read(make_site, server):
    site = make_site(SERVERS[server])
    before = int(time.time())
    site.sign_in(password="wrong")
    after = time.time()
    site.stop()
    seen, = banned(site.events, "<time>")
    assert before <= float(seen) <= after
    assert seen.endswith(".0")  # it is in whole seconds, and so not that of fail2ban itself


@pytest.fixture
def fail2ban(tmp_path):
    """Start a fail2ban with our jail alone, whose bans do nothing; a way to talk to it."""
    running = []

    def start(log):
        conf = tmp_path / "fail2ban"
        shutil.copytree("/etc/fail2ban", conf, ignore=shutil.ignore_patterns("*.local", "jail.d"))
        (conf / "jail.d").mkdir()
        shutil.copy(JAIL, conf / "jail.d")
        shutil.copy(FILTER, conf / "filter.d")
        (conf / "action.d/none.conf").write_text("[Definition]\nactionban = true\n")
        (conf / "jail.local").write_text(
            "[sshd]\nenabled = false\n[postern]\nlogpath = %s\naction = none\nbackend = polling\n"
            "ignoreself = false\n" % log)
        (conf / "fail2ban.local").write_text(
            "[Definition]\nlogtarget = %s\nsocket = %s\npidfile = %s\ndbfile = None\n" %
            (tmp_path / "fail2ban.log", tmp_path / "socket", tmp_path / "pid"))
        client = ["fail2ban-client", "-c", conf, "-s", tmp_path / "socket"]
        subprocess.run([*client, "-t"], check=True, capture_output=True)
        running.append(subprocess.Popen(["fail2ban-server", "-c", conf, "-f"],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        ask = functools.partial(subprocess.run, capture_output=True, text=True)
        wait_until(lambda: ask([*client, "status", "postern"]).returncode == 0)
        return lambda *words: ask([*client, *words], check=True).stdout

    yield start
    for process in running:
        process.terminate()
        process.wait(30)


@pytest.mark.parametrize("server, before", [("lighttpd", ["127.0.4.4"]), ("lighttpd-cgi", [])])
def test_fail2ban_bans_who_goes_on(make_site, fail2ban, server, before):
    """And `before`, who failed before it ran: only the date tells that it was not long ago."""
    site = make_site(SERVERS[server])
    for _ in range(12):
        site.sign_in(password="wrong", address="127.0.4.4")
    ask = fail2ban(site.events)

    def status(name):
        said = ask("status", "postern")
        return re.search(name + r":\s*(.*)", said).group(1).split()

    wait_until(lambda: status("Banned IP list") == before)
    count = 12 * len(before)

    for _ in range(9):
        site.sign_in(password="wrong", address="127.0.1.1")
        site.sign_in(headers={**PROGRAM, "Origin": FAKE}, address="127.0.2.2")
        assert site.sign_in(address="127.0.3.3").status == 200
    wait_until(lambda: status("Total failed") == [str(count + 9)])
    assert status("Banned IP list") == before
    site.sign_in(password="wrong", address="127.0.1.1")
    wait_until(lambda: status("Banned IP list") != before)
    assert sorted(status("Banned IP list")) == ["127.0.1.1", *before]
    ask("set", "postern", "unbanip", "127.0.1.1")
    assert status("Banned IP list") == before


# -- secrets ----------------------------------------------------------------------------------

def test_no_password_and_no_token_is_logged(served):
    """Whatever is done with them. They are found at the end of the run, should one be."""
    home = getattr(served, "home", served.folder)
    users = next(home.rglob("users"))
    users.write_text("ada:%s\nbob:$1$%s\n" % (hashed("correct-horse-battery"),
                                              SEEN.keep("apr-of-a-long-name")))
    typed = SEEN.keep("a-password-typed-as-a-name")
    for headers in (PROGRAM, BROWSER, {"Accept": "application/jwt"}):
        for name, password in (("ada", "correct-horse-battery"), ("ada", "incorrect-horse-battery"),
                               ("bob", "the-password-of-somebody-else"), (typed, typed),
                               ("", "a-password-without-a-name"), ("ada", "too-long-" * 60)):
            served.sign_in(name, password, headers=headers)
            served.post(served.login, "username=%s&password=%s&%%ff" % (name, password), headers)
            served.request("POST", served.login, json.dumps(
                {"username": name, "password": password}), {**JSON, **headers})
            served.request("POST", served.login,
                           '{"username":"%s","password":"%s",}' % (name, password), JSON)
            served.sign_in(name, password, headers={**headers, "Origin": "http://evil.example"})
    first = served.sign_in("ada", "correct-horse-battery", headers=BROWSER)
    cookies = "; ".join(c.partition(";")[0] for c in first.headers.get_all("Set-Cookie"))
    assert cookies.count("=") == 2
    for sent in (cookies, cookies[:-1], cookies[:-1] + "\"", cookies.replace("=", "=x"),
                 cookies.replace(".", ".e30"), cookies + "; " + cookies.replace("=", "=y")):
        headers = {**BROWSER, "Cookie": sent}
        for path in (served.login, served.welcome, served.logout, served.login + "/x"):
            served.get(path, headers)
            served.post(path, {"username": "ada", "password": "correct-horse-battery"}, headers)
            served.get(path, {**PROGRAM, "Authorization": "Bearer " + sent[6:]})
            served.get(path, {**headers, "Authorization": "Bearer " + first.token})
    for _ in range(7):
        served.sign_in("ada", "incorrect-horse-battery", address="127.0.1.1")
    last = cookie(served.sign_in("ada", "correct-horse-battery").token)
    for header in ({"Origin": "http://evil.example"}, {}):
        served.post(served.logout, {"everywhere": "1"}, {**last, **header})
    users.unlink()
    served.sign_in("ada", "correct-horse-battery")
    served.stop()
    log = served.events.read_text()
    for event in ("login_ok", "login_failed", "throttled", "logout_everywhere", "token_bad",
                  "cross_site", "input_bad", "config"):
        assert "postern: event=%s " % event in log
    assert SEEN.spilled(log) == []


SECRET = 'a-secret-of-more-than-forty-bytes-and-a-half "&" then some-more-of-it'


@pytest.mark.parametrize("line", [
    SECRET, "x " + SECRET, SECRET[:20], SECRET[-20:], SECRET[17:41], "body=username=a&password=" +
    urllib.parse.quote_plus(SECRET), SECRET.replace('"', "\\x22"), SECRET.replace('"', '\\\\x22')])
def test_a_secret_in_a_log_is_found(line):
    secrets = Secrets()
    secrets.keep(SECRET)
    assert secrets.spilled("before\n%s\nafter" % line) == [line]


@pytest.mark.parametrize("headers, body", [
    ([("Set-Cookie", "token=%s; Path=/; HttpOnly")], None), ([("Cookie", "a=b; x=%s")], b""),
    ([("HTTP_COOKIE", b"token=%s")], None), ([("authorization", "Bearer %s")], None),
    ([], "username=a&password=%s"), ([], b"password=%s&next=/"), ([], b"%s"),
    ([], '{"username": "a", "password": "%s"}'), ([("Accept", "*/*")], "x=1&password=%s&y=2")])
def test_a_secret_is_noticed(headers, body):
    token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJl"

    def fill(text):
        return text.replace(b"%s", token.encode()) if isinstance(text, bytes) else \
            text and text.replace("%s", token)

    secrets = Secrets()
    secrets.remember([(name, fill(value)) for name, value in headers], fill(body))
    assert secrets.spilled(token) == [token]
    assert secrets.spilled("postern: event=login_ok user=\"ada\" ip=192.0.2.1 */*") == []
