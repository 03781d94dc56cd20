"""A site that has no settings yet: the page that says how to set it up, and `--hash`."""
import html
import os
import pty
import re
import shutil
import signal
import socket
import subprocess
import termios

import pytest

import fcgi
from conftest import (BROWSER, CGI_CONFIG, CGI_PATHS, PLAIN, PROGRAMS, SECRET, Page, Site,
                      free_port, wait_until, write_private)
from secrets_seen import SEEN
from test_pages import assert_valid

NAME, PASSWORD = "ada", "a password of one's own"


def unpack(folder, hidden=True, built=PROGRAMS):
    """The programs in a cgi-bin, and the folder for their settings beside it; the first."""
    programs = folder / "www/cgi-bin"
    programs.mkdir(parents=True)
    for name in ("login.fcgi", "welcome.fcgi"):
        shutil.copy(built / name, programs)
    if hidden:
        (folder / "www/.htpostern").mkdir(0o700)
    return programs


@pytest.fixture
def fresh(tmp_path):
    """A lighttpd that runs the programs as plain CGI, and nothing else."""
    unpack(tmp_path)
    (tmp_path / "lighttpd.conf").write_text(CGI_CONFIG)
    site = Site(tmp_path, tmp_path / "lighttpd.conf", free_port(), *CGI_PATHS,
                events="breakage.log")
    yield site
    site.stop()


def ask(program, method="GET", body=b"", environment=None, **more):
    """One request as plain CGI, of a program with no settings at all."""
    said = {**dict(fcgi.parameters(method, "/cgi-bin/login.fcgi", **more)), **(environment or {}),
            "CONTENT_TYPE": fcgi.FORM, "CONTENT_LENGTH": str(len(body))}
    SEEN.remember(said.items(), body)
    done = subprocess.run([program], input=body, env=said, capture_output=True, check=True)
    SEEN.overheard.append(done.stderr)
    return fcgi.Reply(done.stdout.decode())


def shown(text):
    """What the page tells to write: the lines of the two <pre>."""
    return [html.unescape(t) for t in re.findall("<pre>(.*?)</pre>", text, re.S)]


def files(folder):
    return sorted((str(f), f.stat().st_mtime_ns) for f in folder.rglob("*"))


FORM = b"username=ada&password=secret-enough"


@pytest.fixture
def login(tmp_path):
    return unpack(tmp_path) / "login.fcgi"


@pytest.fixture
def counted(tmp_path):
    """One whose hashes are counted, by what does not go with sanitizers."""
    return unpack(tmp_path, built=PLAIN) / "login.fcgi"


def test_from_an_upload_to_signing_in_with_a_browser(fresh, browser):
    """Only with what the page says."""
    page = Page(browser, fresh)
    hidden = fresh.folder / "www/.htpostern"
    before = files(fresh.folder / "www")
    page.open(fresh.login)
    assert str(hidden / "postern.env") in page.text and not page.complaints()
    page.find("username").send_keys(NAME)
    page.find("password").send_keys(SEEN.keep(PASSWORD))
    page.press("Make a line")
    line, settings = (t.text for t in page.browser.find_elements("tag name", "pre"))
    assert not page.complaints() and page.find("password").get_attribute("value") == ""
    assert files(fresh.folder / "www") == before
    write_private(hidden / "users", SEEN.keep(line) + "\n")
    (hidden / "state").mkdir(0o700)
    write_private(hidden / "postern.env", settings + "\n")
    SEEN.keep(re.search("POSTERN_SECRET=(.*)", settings).group(1))
    page.open(fresh.welcome)
    assert page.path == fresh.login + "?next=" + fresh.welcome
    page.sign_in(NAME, PASSWORD)
    assert page.path == fresh.welcome and "signed in as ada" in page.text
    page.press("Sign out")
    assert page.path == fresh.login


def test_the_page_is_valid_and_says_it_is_no_page_yet(fresh, tmp_path):
    body = {"username": "a<b>", "password": "x" * 600}
    replies = {"empty": fresh.get(fresh.login, BROWSER), "made": fresh.sign_in(headers=BROWSER),
               "wrong": fresh.post(fresh.login, body, BROWSER)}
    assert_valid(tmp_path, replies)
    for reply in replies.values():
        assert reply.status == 503 and reply.headers["Cache-Control"] == "no-store"
        assert "frame-ancestors 'none'" in reply.headers["Content-Security-Policy"]
        assert "{{" not in reply.text and "a<b>" not in reply.text


def test_a_new_secret_each_time(login):
    secrets = {re.match("POSTERN_SECRET=([0-9a-f]{64})\n", shown(ask(login).text)[1]).group(1)
               for _ in range(5)}
    assert len(secrets) == 5


def test_the_settings_fit_the_address(login):
    assert shown(ask(login).text)[1].split("\n")[1:] == [
        "POSTERN_USERS=%s/www/.htpostern/users" % login.parents[2],
        "POSTERN_STATE=%s/www/.htpostern/state" % login.parents[2],
        "POSTERN_LOGIN=/cgi-bin/login.fcgi", "POSTERN_LOGOUT=/cgi-bin/login.fcgi/logout",
        "POSTERN_HOME=/cgi-bin/welcome.fcgi", ""]
    lines = shown(ask(login, SCRIPT_NAME="/login", HTTPS="on", HTTP_HOST="a.example").text)[1]
    assert "POSTERN_ORIGIN=https://a.example\n" in lines and "POSTERN_LOGIN" not in lines


@pytest.mark.parametrize("more", [
    {"SCRIPT_NAME": "/x\nPOSTERN_SECRET=%s\n#/login.fcgi" % SECRET}, {"HTTP_HOST": "a\nb.example"},
    {"SCRIPT_NAME": "//evil.example/login.fcgi"}, {"SCRIPT_NAME": "/%s/login.fcgi" % ("x" * 200)},
    {"HTTP_HOST": "a b"}, {"HTTP_HOST": "x" * 200}, {"SCRIPT_NAME": "login.fcgi"}], ids=str)
def test_nothing_gets_into_the_settings_that_is_not_one(login, more):
    lines = shown(ask(login, HTTPS="on", **{"HTTP_HOST": "a.example", **more}).text)[1].split("\n")
    names = [line.partition("=")[0] for line in lines if line]
    paths = ["POSTERN_LOGIN", "POSTERN_LOGOUT", "POSTERN_HOME"]
    assert names == ["POSTERN_SECRET", "POSTERN_USERS", "POSTERN_STATE",
                     *(paths if "HTTP_HOST" in more else ["POSTERN_ORIGIN"])]


def test_a_folder_in_the_web_root_is_to_be_tried(login):
    root = login.parents[1]
    for where, named in ((root, True), (str(root) + "/", True), (root.parent, True),
                         (root / "cgi-bin", False), ("/elsewhere", False), ("", False)):
        page = ask(login, DOCUMENT_ROOT=str(where)).text
        assert ("It must be refused" in page) == named, where


@pytest.mark.parametrize("folders, chosen", [
    ([], "www/.htpostern"), (["www/.htpostern"], "www/.htpostern"), ([".htpostern"], ".htpostern"),
    (["www/.htpostern", ".htpostern"], "www/.htpostern")], ids=str)
def test_which_file_to_make(tmp_path, folders, chosen):
    login = unpack(tmp_path, hidden=False) / "login.fcgi"
    for folder in folders:
        (tmp_path / folder).mkdir()
    assert "<code>%s/postern.env</code>" % (tmp_path / chosen) in ask(login).text
    if not folders:
        reply = ask(login, DOCUMENT_ROOT=str(tmp_path / "www"))
        assert "<code>%s/.htpostern/postern.env</code>" % tmp_path in reply.text
    named = tmp_path / "elsewhere.env"
    assert "<code>%s</code>" % named in ask(login, environment={"POSTERN_ENV": str(named)}).text


def test_it_is_gone_once_there_is_a_file(tmp_path, login):
    """Be it wrong, or not ours to read; and a running process sees it at once."""
    env = tmp_path / "postern.env"
    worker = fcgi.Worker(tmp_path, env)
    assert "POSTERN_SECRET=" in worker.ask(path="/login")
    env.touch(0o600)
    for path in ("/login", "/logout", "/x"):
        reply = worker.fetch(path=path, HTTP_ACCEPT="text/html")
        assert reply.status == 503 and "POSTERN" not in reply.text and "<form" not in reply.text
    assert worker.sign_in().startswith("Status: 503")
    worker.stop()
    for folder in tmp_path.parents:
        if str(folder).startswith("/tmp/"):
            folder.chmod(folder.stat().st_mode | 0o011)
    hidden = login.parents[1] / ".htpostern"
    hidden.chmod(0)
    login.parent.chmod(0o755)
    tmp_path.chmod(0o755)
    assert os.geteuid() == 0, "this test is another user for a while: run it as root"
    done = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", login],
                          env=dict(fcgi.parameters(path="/login")), stdin=subprocess.DEVNULL,
                          capture_output=True)
    assert b"Status: 503" in done.stdout and b"POSTERN" not in done.stdout, done
    hidden.chmod(0o700)


def test_a_link_that_leads_nowhere_is_a_file_that_cannot_be_read(tmp_path, login):
    (login.parents[1] / ".htpostern/postern.env").symlink_to(tmp_path / "not there yet")
    assert "POSTERN" not in ask(login, HTTP_ACCEPT="text/html").text
    (tmp_path / "link").symlink_to("/nowhere")
    environment = {"POSTERN_ENV": str(tmp_path / "link")}
    assert "POSTERN" not in ask(login, HTTP_ACCEPT="text/html", environment=environment).text


def test_settings_in_the_environment_are_settings_too(login):
    for setting in ({"POSTERN_SECRET": SECRET}, {"POSTERN_PUBLIC_KEY_FILE": "/etc/postern/public.pem"}):
        reply = ask(login, environment=setting)
        assert reply.status == 503 and "POSTERN" not in reply.text


def test_a_gate_and_the_other_program_say_nothing(tmp_path, login):
    worker = fcgi.Worker(tmp_path, tmp_path / "postern.env")
    assert worker.authorize().status == 503
    assert "POSTERN" not in worker.ask(path="/login", POSTERN_GATE="401")
    worker.stop()
    reply = ask(login.parent / "welcome.fcgi", HTTP_ACCEPT="text/html")
    assert reply.status == 503 and "POSTERN" not in reply.text


# -- a line of the user file ------------------------------------------------------------------

@pytest.mark.parametrize("more, private", [
    ({}, True), ({"REMOTE_ADDR": "::1"}, True), ({"REMOTE_ADDR": "192.0.2.1"}, False),
    ({"REMOTE_ADDR": "192.0.2.1", "HTTPS": "on"}, True),
    ({"REMOTE_ADDR": "192.0.2.1", "HTTPS": "off"}, False),
    ({"HTTP_X_FORWARDED_FOR": "192.0.2.1"}, False), ({"HTTP_FORWARDED": "for=x"}, False),
    ({"HTTP_X_REAL_IP": "192.0.2.1"}, False),
    ({"REMOTE_ADDR": "192.0.2.1", "HTTP_X_FORWARDED_PROTO": "https"}, False),
    ({"REMOTE_ADDR": ""}, False), ({"HTTP_HOST": "site.example"}, False),
    ({"HTTP_HOST": "127.0.0.1:8080"}, True), ({"HTTP_HOST": "[::1]"}, True)], ids=str)
def test_a_secret_goes_only_where_nobody_else_reads_it(counted, faults, more, private):
    """The settings that are shown, the password that is sent."""
    said = {**more, "environment": faults.environment}
    page = ask(counted, **said).text
    assert ('<form method="post" >' in page, "POSTERN_SECRET" in page) == (private, private)
    assert bool(shown(ask(counted, "POST", FORM, **said).text)[0]) == private
    assert faults.hashes == private


def test_one_line_at_a_time(counted, faults):
    with socket.socket(socket.AF_UNIX) as turn:
        turn.bind("\0postern-setup")
        reply = ask(counted, "POST", FORM, environment=faults.environment)
        assert "Try again in a moment" in reply.text and faults.hashes == 0
    assert shown(ask(counted, "POST", FORM).text)[0].startswith("ada:$y$")


@pytest.mark.parametrize("body, status, words", [
    (b"username=ada", 503, "a password are needed"),
    (b"password=x", 503, "a password are needed"),
    (b"username=a%3Ab&password=x", 503, "A name has"),
    (b"username=%23ada&password=x", 503, "A name has"),
    (b"username=%ef%bb%bfada&password=x", 503, "A name has"),
    (b"username=&password=x", 503, "A name has"),
    (b"username=ada&password=", 503, "A password has"),
    (b"username=ada&password=" + b"x" * 512, 503, "A password has"),
    (b"username=ada&password=a%09b", 503, "A password has"),
    (b"username=ada&password=%ff", 400, "Bad Request"),
    (b"x" * 9000, 413, "Content Too Large")], ids=lambda v: str(v)[:40])
def test_what_cannot_be_a_line(counted, faults, body, status, words):
    reply = ask(counted, "POST", body, environment=faults.environment)
    assert reply.status == status and words in reply.text and faults.hashes == 0


def test_another_site_cannot_ask_for_it(counted, faults):
    reply = ask(counted, "POST", FORM, environment=faults.environment,
                HTTP_SEC_FETCH_SITE="cross-site", HTTP_ORIGIN="https://evil.example")
    assert reply.status == 403 and faults.hashes == 0


@pytest.mark.parametrize("fault", ["FAULT_CRYPT", "FAULT_RANDOM"])
def test_a_fault_is_said(counted, faults, fault):
    reply = ask(counted, "POST", FORM, environment={**faults.environment, fault: "1"})
    assert reply.status == 503 and "$y$" not in reply.text and "SECRET=0000" not in reply.text


# -- the command ------------------------------------------------------------------------------

def hash_of(said, *arguments):
    done = subprocess.run([PROGRAMS / "login.fcgi", "--hash", *arguments], input=said, env={},
                          capture_output=True)
    return done.returncode, done.stdout.decode()


def test_a_line_from_a_pipe(make_site):
    site = make_site()
    status, line = hash_of(b"right enough\n", "ada")
    assert status == 0 and re.fullmatch(r"ada:\$y\$j9T\$[./A-Za-z0-9]{22}\$[./A-Za-z0-9]{43}\n", line)
    assert hash_of(b"right enough\n", "ada")[1] != line
    status, bare = hash_of("\u00fcber".encode())
    (site.folder / "build/demo/users").write_text(SEEN.keep(line) + "grace:" + SEEN.keep(bare))
    assert site.sign_in("ada", "right enough").status == 200
    assert site.sign_in("ada", "right").status == 401
    assert site.sign_in("grace", "\u00fcber").status == 200


@pytest.mark.parametrize("said, name", [
    (b"", "ada"), (b"\n", "ada"), (b"a\0b\n", "ada"), (b"a\r\n", "ada"), (b"\xe9\n", "ada"),
    (b"x" * 512 + b"\n", "ada"), (b"x" * 5000, "ada"), (b"x\n", "a b"), (b"x\n", "#a"),
    (b"x\n", "\ufeffada"),
    (b"x\n", ""), (b"x\n", "x" * 64)], ids=lambda v: repr(v)[:20])
def test_what_cannot_be_hashed(said, name):
    assert hash_of(said, name) == (65, "")


def test_the_longest_password_and_name():
    assert hash_of(b"x" * 511, "x" * 63)[0] == 0


def test_one_name_at_a_time():
    assert hash_of(b"x\n", "ada", "grace") == (64, "")


def test_a_line_that_cannot_be_written():
    with open("/dev/full", "w") as full:
        done = subprocess.run([PROGRAMS / "login.fcgi", "--hash", "ada"], input=b"x\n", env={},
                              stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 70 and b"cannot be written" in done.stderr


@pytest.mark.parametrize("typed, status", [
    ([b"right", b"right"], 0), ([b"right", b"wrong"], 65), ([b"\3"], -signal.SIGINT), ([b"", b""], 65),
    ([b"a\0b"], 65),
    ([b"x" * 511, b"x" * 511], 0), ([b"x" * 513], 65)], ids=lambda v: str(v)[:20])
def test_typed_at_a_terminal(typed, status):
    """Twice, and nothing of it is seen."""
    process, terminal = pty.fork()
    if process == 0:
        os.execve(PROGRAMS / "login.fcgi", ["login.fcgi", "--hash", "ada"], {})
    seen = b""
    for n, text in enumerate(typed, 1):
        while seen.count(b": ") < n:
            seen += os.read(terminal, 1000)
        # The prompt comes first.
        wait_until(lambda: not termios.tcgetattr(terminal)[3] & termios.ECHO)
        os.write(terminal, text + b"\n")
    try:
        while more := os.read(terminal, 1000):
            seen += more
    except OSError:  # the other end is closed
        pass
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == status
    assert (b"ada:$y$" in seen) == (status == 0)
    assert not typed[0] or typed[0] == b"\3" or typed[0] not in seen
