"""The store on a real redis-server: shared, emptied, stopped, behind a password, TLS and HAProxy."""
import hashlib
import os
import re
import signal
import socket
import subprocess
import time

import pytest

import fcgi
from conftest import (BROWSER, PLAIN, PROGRAMS, ROOT, SECRET, free_port, hashed, wait_until,
                      write_settings)
from guarded import Lighttpd
from redis import Redis
from secrets_seen import SEEN
from test_make import make
from test_settings import check, edit
# The counting is the same as in a folder: these find another `env` here.
from test_throttle import (  # noqa: F401
    login, test_a_browser_that_signed_in_before_is_counted_by_itself,
    test_a_neighbour_of_the_same_64_bits_is_the_same_client,
    test_a_success_forgives_the_tries_before_it, test_after_a_quiet_time_all_is_as_new,
    test_an_account_of_ones_own_does_not_wipe_the_slate, test_of_fifty_at_once_five_are_hashed,
    test_the_clock_goes_back_and_forth, test_the_owners_sign_in_reopens_nothing_for_others,
    test_thirty_names_from_one_address)

PASSWORD = "w/rd@of:the%engine"  # in a URL it has to be encoded
ENCODED = "w%2Frd%40of%3Athe%25engine"
FIELDS = {"username": "admin", "password": "password"}
WITH_TLS = ROOT / "build/tls/cgi-bin"  # what `make tls` builds
COMMANDS = ["eval", "mget", "role", "select", "get", "set", "del"]  # scripts call the last three
IS_NEW = "the store is new: sessions that began before are over"


@pytest.fixture
def start_redis(tmp_path_factory):
    """Start servers; all are stopped at the end."""
    running = []

    def start(*options):
        running.append(Redis(tmp_path_factory.mktemp("redis"), *options))
        return running[-1]

    yield start
    for one in running:
        one.process.send_signal(signal.SIGCONT)
        one.stop()


@pytest.fixture
def redis(start_redis):
    return start_redis()


@pytest.fixture
def env(tmp_path, redis):
    """What the tests of test_throttle stand on."""
    env = write_settings(tmp_path, POSTERN_STATE=redis.url)
    with open(tmp_path / "users", "a") as users:
        users.write("mallory:%s\n" % hashed("password"))
    return env


class Pair:
    """login.fcgi and welcome.fcgi, one process each, with one store."""

    def __init__(self, folder, url, environment=None, programs=PROGRAMS, **settings):
        env = write_settings(folder, POSTERN_STATE=url, **settings)
        self.login = fcgi.Worker(folder, env, environment=environment, programs=programs)
        self.welcome = fcgi.Worker(folder, env, "welcome.fcgi", environment=environment,
                                   programs=programs)
        self.heard = len(SEEN.overheard)

    def sign_in(self):
        return self.login.post("/login", FIELDS)

    def sign_out(self, token, **fields):
        return self.login.post("/logout", fields, "token=" + token).status

    def look(self, token):
        return self.welcome.fetch(HTTP_COOKIE="token=" + token).status

    def gate(self, token):
        return self.welcome.authorize(HTTP_COOKIE="token=" + token).status

    def events(self):
        """Lines about the store since the last time, but that it is new."""
        said = b"".join(SEEN.overheard[self.heard:]).decode()
        self.heard = len(SEEN.overheard)
        return [line for line in said.splitlines() if "event=state" in line and IS_NEW not in line]

    def stop(self):
        self.login.stop()
        self.welcome.stop()


@pytest.fixture
def start_pair(tmp_path_factory):
    running = []

    def start(*arguments, **settings):
        running.append(Pair(tmp_path_factory.mktemp("pair"), *arguments, **settings))
        return running[-1]

    yield start
    for one in running:
        one.stop()


# -- the same meaning as in a folder ----------------------------------------------------------

def test_a_site_with_lighttpd(redis):
    """Signed in on all workers, signed out on all, and at the gate."""
    site = Lighttpd(programs=PROGRAMS, POSTERN_STATE=redis.url)
    try:
        first, second = site.sign_in(), site.sign_in()
        other = site.sign_in("grace-hopper", "pass%26word%3D1%2B1%2520%C3%A9")
        for cookie in (first, second, other):
            for _ in range(4):
                assert site.get("/private/file.txt", {"Cookie": cookie}).text == "the file\n"
        assert site.post("/logout", {}, {"Cookie": first}).status == 200
        for _ in range(4):
            assert site.get("/private/file.txt", {"Cookie": first}).status == 401
            assert site.get("/welcome", {"Cookie": first}).status == 400
            assert site.get("/welcome", {"Cookie": second}).status == 200
        assert site.post("/logout", {"everywhere": "1"}, {"Cookie": second}).status == 200
        for _ in range(4):
            assert site.get("/private/file.txt", {"Cookie": second}).status == 401
            assert site.get("/welcome", {"Cookie": other}).status == 200
        assert site.get("/welcome", {"Cookie": site.sign_in()}).status == 200
        keys = redis.ask("KEYS", "*").split()
        assert keys and all(key.startswith("postern:") for key in keys)
        assert not list((site.folder / "settings/state").iterdir())
    finally:
        site.stop()


def test_a_browser_may_sign_out_everywhere(redis, start_pair):
    page = start_pair(redis.url).login.fetch(path="/logout", HTTP_ACCEPT=BROWSER["Accept"])
    assert 'name="everywhere" value="1" >' in page.text


@pytest.mark.parametrize("where", ["unix", "127.0.0.1", "[::1]", "a database", "a name"])
def test_where_it_may_be(redis, start_pair, where):
    url = {"unix": redis.unix, "127.0.0.1": redis.url, "[::1]": "redis://[::1]:%d" % redis.port,
           "a database": redis.url + "/7", "a name": "redis://localhost:%d" % redis.port}[where]
    pair = start_pair(url)
    token = pair.sign_in().cookie()
    assert pair.look(token) == 200 and pair.sign_out(token) == 200
    assert pair.look(token) == 400 and pair.gate(token) == 401
    assert redis.ask("-n", 7 if where == "a database" else 0, "DBSIZE") != "0"
    assert pair.events() == []


@pytest.mark.parametrize("apart", ["databases", "issuers"])
def test_two_sites_do_not_see_each_other(redis, start_pair, apart):
    if apart == "databases":
        one, two = start_pair(redis.url + "/1"), start_pair(redis.url + "/2")
    else:
        one = start_pair(redis.url, POSTERN_ISSUER="https://one.example")
        two = start_pair(redis.url, POSTERN_ISSUER="https://two.example")
    token = two.sign_in().cookie()
    wrong = [one.login.post("/login", {**FIELDS, "password": "x"}, REMOTE_ADDR="192.0.2.1").status
             for _ in range(6)]
    assert wrong == [401] * 5 + [429]
    assert two.login.post("/login", FIELDS, REMOTE_ADDR="192.0.2.1").status == 200
    mine = one.sign_in().cookie()
    assert one.sign_out(mine, everywhere="1") == 200
    assert two.look(token) == 200 and one.look(mine) == 400


def test_another_host_with_the_same_redis_shares_all(redis, start_pair):
    one, two = start_pair(redis.url), start_pair(redis.unix)
    token = one.sign_in().cookie()
    assert two.look(token) == 200 and two.sign_out(token) == 200
    assert one.look(token) == 400


def test_signing_in_and_out_without_end_takes_no_room(redis, start_pair):
    pair = start_pair(redis.url, programs=PLAIN)
    open_all_the_time = pair.sign_in().cookie()
    for i in range(2000):
        assert pair.sign_out(pair.sign_in().cookie()) == 200
        if i == 0:
            size = redis.ask("STRLEN", "postern:sessions:admin")
    assert redis.ask("KEYS", "postern:sessions:*") == "postern:sessions:admin"
    assert redis.ask("STRLEN", "postern:sessions:admin") == size
    assert int(redis.ask("DBSIZE")) < 10
    other = pair.login.post("/login", {"username": "grace-hopper", "password": "pass&word=1+1%20é"})
    assert pair.look(other.cookie()) == 200 and pair.look(open_all_the_time) == 200


# -- whose store it is ------------------------------------------------------------------------

OTHER_SECRET = SECRET[::-1]


def is_refused(pair, token):
    """As the store is another site's; the log says so."""
    assert pair.sign_in().status == pair.look(token) == pair.gate(token) == 503
    events = pair.events()
    return len(events) == 3 and all("the store is another site's" in line for line in events)


def test_a_new_store_is_said_to_be_new(redis, start_pair):
    pair = start_pair(redis.url)
    heard = len(SEEN.overheard)
    for _ in range(3):
        assert pair.look(pair.sign_in().cookie()) == 200
    assert b"".join(SEEN.overheard[heard:]).decode().count(IS_NEW) == 1


def test_the_store_of_another_site_is_refused(redis, start_pair):
    mine, other = start_pair(redis.url), start_pair(redis.url, POSTERN_SECRET=OTHER_SECRET)
    token = mine.sign_in().cookie()
    names = ["postern:site:site", "postern:sessions:admin"]
    records = redis.ask("MGET", *names)
    elsewhere = start_pair(redis.url + "/1", POSTERN_SECRET=OTHER_SECRET).sign_in().cookie()
    assert is_refused(other, elsewhere)
    assert redis.ask("MGET", *names) == records
    assert mine.look(token) == 200


def test_a_store_made_with_the_previous_secret_is_ours(redis, start_pair):
    before = start_pair(redis.url)
    token = before.sign_in().cookie()
    both = start_pair(redis.url, POSTERN_SECRET=OTHER_SECRET, POSTERN_SECRET_PREVIOUS=SECRET)
    assert both.look(token) == 200
    later = start_pair(redis.url, POSTERN_SECRET=OTHER_SECRET)
    assert later.look(later.sign_in().cookie()) == 200
    assert both.events() == later.events() == []
    # One that has just begun, and does not know the new secret, does not take its store back.
    assert is_refused(start_pair(redis.url), token)


# -- when things break ---------------------------------------------------------------------------

def test_restarted_empty_it_signs_everybody_out(redis, start_pair):
    pair = start_pair(redis.url)
    token, ended = pair.sign_in().cookie(), pair.sign_in().cookie()
    assert pair.sign_out(ended) == 200
    redis.stop()
    redis.start()
    assert pair.look(ended) == 400 and pair.look(token) == 400 and pair.gate(token) == 401
    assert pair.look(pair.sign_in().cookie()) == 200
    assert pair.events() == []


@pytest.mark.parametrize("how", ["stopped", "hanging"])
def test_while_it_is_away_nobody_passes(redis, start_pair, how):
    pair = start_pair(redis.url)
    token = pair.sign_in().cookie()
    assert pair.look(token) == 200
    if how == "stopped":
        redis.stop()
        reason = "Connection refused"
    else:
        redis.process.send_signal(signal.SIGSTOP)
        reason = "no answer in time"
    begun = time.monotonic()
    for _ in range(5):
        for ask in (lambda: pair.sign_in().status, lambda: pair.sign_out(token),
                    lambda: pair.look(token), lambda: pair.gate(token)):
            last = time.monotonic()
            assert ask() == 503
            assert time.monotonic() - last < 1
    assert time.monotonic() - begun < 5
    line = 'postern: event=state address=127.0.0.1:%d reason="%s"' % (redis.port, reason)
    assert pair.events() == [line] * 2  # one a process
    if how == "stopped":
        redis.start()
    else:
        redis.process.send_signal(signal.SIGCONT)
    wait_until(lambda: pair.look(token) != 503)
    assert pair.look(token) == (400 if how == "stopped" else 200)
    wait_until(lambda: pair.sign_in().status == 200)
    assert pair.events() == [line.replace(reason, "it answers again")] * 2


def test_a_connection_that_was_cut_is_made_again(redis, start_pair):
    pair = start_pair(redis.url)
    token = pair.sign_in().cookie()
    for _ in range(3):
        redis.ask("CLIENT", "KILL", "TYPE", "normal")
        assert pair.look(token) == 200 and pair.sign_in().status == 200
    assert pair.events() == []


def test_a_redis_that_hangs_up_kills_no_cgi(tmp_path):
    """Between two commands: the next one is written to a socket that nobody reads any more."""
    env = write_settings(tmp_path, POSTERN_STATE="unix:%s" % (tmp_path / "redis"))
    said = fcgi.parameters("POST", "/login", CONTENT_TYPE=fcgi.FORM, CONTENT_LENGTH="32")
    with socket.socket(socket.AF_UNIX) as redis:
        redis.bind(str(tmp_path / "redis"))
        redis.listen()
        for _ in range(5):
            process = fcgi.run_cgi(env, said, subprocess.PIPE, programs=PLAIN)
            process.stdin.write(b"username=admin&password=password")
            process.stdin.close()
            connection, _ = redis.accept()
            with connection:
                for reply in (b"*1\r\n$6\r\nmaster\r\n", b"*2\r\n$-1\r\n$-1\r\n"):
                    connection.recv(65536)
                    connection.sendall(reply)
            while process.poll() is None:
                if fcgi.readable(redis, 0.01):
                    redis.accept()[0].close()
            assert process.wait(30) == 0
            assert process.stdout.read().startswith(b"Status: 503 ")


def test_without_a_standard_error_the_log_is_not_sent_to_redis(redis, tmp_path):
    env = write_settings(tmp_path, POSTERN_STATE=redis.url)
    said = fcgi.parameters("POST", "/login", CONTENT_TYPE=fcgi.FORM, CONTENT_LENGTH="29")
    done = subprocess.run(["sh", "-c", 'exec "$0" 2>&-', PLAIN / "login.fcgi"],
                          env={"POSTERN_ENV": str(env), **dict(said)}, stdout=subprocess.PIPE,
                          input=b"username=admin&password=wrong")
    assert done.stdout.startswith(b"Status: 401 ") and redis.ask("DBSIZE") != "0"
    assert "ERR" not in redis.ask("INFO", "errorstats")


@pytest.fixture
def moving(start_redis, tmp_path):
    """A master, its replica, and an address that leads to the first until it is moved."""
    master, replica = (start_redis("--repl-diskless-sync-delay", "0") for _ in range(2))
    address = tmp_path / "address"
    address.symlink_to(master.socket)

    def replicate(replica, master):
        replica.ask("REPLICAOF", "127.0.0.1", master.port)
        wait_until(lambda: "master_link_status:up" in replica.ask("INFO", "replication"))

    def move():
        """Fail over, without a word to who is connected."""
        wait_until(lambda: replica.ask("GET", "postern:sessions:admin") ==
                   master.ask("GET", "postern:sessions:admin"))
        replica.ask("REPLICAOF", "NO", "ONE")
        replicate(master, replica)
        (tmp_path / "new").symlink_to(replica.socket)
        (tmp_path / "new").rename(address)

    replicate(replica, master)
    return "unix:%s" % address, master, replica, move


def test_a_master_that_became_a_replica_is_left_at_once(moving, start_pair):
    """The connection to it is there, and it answers: READONLY."""
    url, master, replica, move = moving
    pair = start_pair(url)
    token, ended = pair.sign_in().cookie(), pair.sign_in().cookie()
    assert pair.look(token) == 200
    move()
    assert "slave" in master.ask("ROLE") and "master" in replica.ask("ROLE")
    assert pair.sign_out(ended) == 200 and pair.sign_in().status == 200
    assert pair.events() == []
    other = start_pair(url)
    assert other.look(ended) == 400 and other.look(token) == 200


def test_what_is_not_the_master_is_not_asked(moving, start_pair):
    url, _, replica, _ = moving
    token = start_pair(url).sign_in().cookie()
    pair = start_pair(replica.url)
    assert pair.sign_in().status == pair.look(token) == pair.gate(token) == 503
    assert pair.sign_out(token) == 503
    assert pair.events() == [
        'postern: event=state address=127.0.0.1:%d reason="it is not the master"' % replica.port] * 2


def test_grace(redis, start_pair):
    pair = start_pair(redis.url, POSTERN_STATE_GRACE="3")
    seen, unseen, ended = (pair.sign_in().cookie() for _ in range(3))
    assert pair.look(seen) == 200 and pair.look(ended) == 200
    assert pair.sign_out(ended) == 200 and pair.look(ended) == 400
    assert pair.look(seen) == 200
    begun = time.monotonic()
    redis.stop()
    assert pair.look(seen) == 200 and pair.gate(seen) == 200
    assert pair.look(unseen) == 503 and pair.look(ended) == 503
    assert pair.sign_in().status == 503 and pair.sign_out(seen) == 503
    wait_until(lambda: pair.look(seen) == 503)
    assert 2.5 < time.monotonic() - begun < 4
    redis.start()
    assert pair.look(seen) == 400


# -- passwords, rights, TLS ------------------------------------------------------------------------

@pytest.mark.parametrize("given, status", [(":%s@" % ENCODED, 200), ("default:%s@" % ENCODED, 200),
                                           ("", 503), (":a-wrong-password@", 503),
                                           ("ada:%s@" % ENCODED, 503)])
def test_a_password(start_redis, start_pair, given, status):
    redis = start_redis("--requirepass", PASSWORD)
    SEEN.keep(PASSWORD), SEEN.keep(ENCODED), SEEN.keep("a-wrong-password")
    for url in ("redis://%s127.0.0.1:%d" % (given, redis.port),
                "unix:%s%s" % ("//" + given if given else "", redis.socket)):
        pair = start_pair(url)
        assert pair.sign_in().status == status
        events = pair.events()
        assert len(events) == (status == 503)
        assert all("NOAUTH" in line or 'reason="AUTH: WRONGPASS"' in line for line in events)


def with_rights(redis, start_pair, commands=COMMANDS, keys="~postern:*", **settings):
    redis.ask("ACL", "SETUSER", "postern", "reset", "on", ">" + PASSWORD, keys,
              *("+" + command for command in commands))
    return start_pair("redis://postern:%s@127.0.0.1:%d/1" % (ENCODED, redis.port), **settings)


def everything(pair):
    """The statuses of signing in, checking, signing out and signing out everywhere."""
    token, other = pair.sign_in().cookie(), pair.sign_in().cookie()
    if token is None:
        return None
    return (pair.look(token), pair.sign_out(token), pair.look(token), pair.look(other),
            pair.sign_out(other, everywhere="1"), pair.look(other))


def test_seven_commands_and_one_pattern_are_enough(redis, start_pair):
    pair = with_rights(redis, start_pair)
    assert everything(pair) == (200, 200, 400, 200, 200, 400)
    wrong = [pair.login.post("/login", {**FIELDS, "password": "x"}).status for _ in range(6)]
    assert wrong[0] == 401 and wrong[5] == 429
    assert pair.events() == []


@pytest.mark.parametrize("missing", COMMANDS)
def test_each_of_the_seven_is_needed(redis, start_pair, missing):
    pair = with_rights(redis, start_pair, [c for c in COMMANDS if c != missing])
    # What a sign-in gives back it gives back with DEL, and does without.
    assert (everything(pair) == (200, 200, 400, 200, 200, 400)) == (missing == "del")
    # Of what a script does Redis says which script, but not what.
    said = "executing the script" if missing in ("get", "set", "del") else "'%s' command" % missing
    assert said in pair.events()[0]


def test_keys_of_another_pattern_are_not_ours(redis, start_pair):
    pair = with_rights(redis, start_pair, keys="~other:*")
    assert everything(pair) is None and "NOPERM" in pair.events()[0]
    pair = with_rights(redis, start_pair, keys="~other:*", POSTERN_ISSUER="other")
    assert everything(pair) == (200, 200, 400, 200, 200, 400)


@pytest.fixture
def certificates(tmp_path):
    """An authority, and certificates that it gave to two addresses and a name; the folder."""
    def openssl(*words):
        subprocess.run(["openssl", *words], cwd=tmp_path, check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)

    for name in ("ca", "stranger"):
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", name + ".key", "-out",
                name + ".pem", "-subj", "/CN=" + name)
    for host, kind in (("127.0.0.1", "IP"), ("127.0.0.2", "IP"), ("localhost", "DNS")):
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", host + ".key", "-out", "request",
                "-subj", "/CN=redis", "-addext", "subjectAltName=%s:%s" % (kind, host))
        openssl("x509", "-req", "-in", "request", "-CA", "ca.pem", "-CAkey", "ca.key",
                "-CAcreateserial", "-out", host + ".pem", "-copy_extensions", "copy")
    return tmp_path


def tls_options(folder, port, certified="127.0.0.1"):
    return ("--tls-port", str(port), "--tls-cert-file", folder / (certified + ".pem"),
            "--tls-key-file", folder / (certified + ".key"), "--tls-ca-cert-file", folder / "ca.pem",
            "--tls-auth-clients", "no")


@pytest.mark.parametrize("authority, status", [("ca.pem", 200), ("stranger.pem", 503)])
def test_tls_through_stunnel(start_redis, start_pair, certificates, authority, status):
    tls_port, port = free_port(), free_port()
    redis = start_redis(*tls_options(certificates, tls_port), "--requirepass", PASSWORD)
    (certificates / "stunnel.conf").write_text(
        "foreground = yes\npid =\nsyslog = no\n[redis]\nclient = yes\naccept = 127.0.0.1:%d\n"
        "connect = 127.0.0.1:%d\nverifyChain = yes\ncheckIP = 127.0.0.1\nCAfile = %s\n"
        % (port, tls_port, certificates / authority))
    with open(certificates / "stunnel.log", "ab") as log:
        stunnel = subprocess.Popen(["stunnel4", certificates / "stunnel.conf"], stdout=log, stderr=log)
    try:
        said = certificates / "stunnel.log"
        wait_until(lambda: stunnel.poll() is None and "Configuration successful" in said.read_text())
        pair = start_pair("redis://:%s@127.0.0.1:%d" % (ENCODED, port))
        assert pair.sign_in().status == status
        assert len(pair.events()) == (status == 503)
        assert (redis.ask("DBSIZE", password=PASSWORD) == "0") == (status == 503)
    finally:
        stunnel.terminate()
        stunnel.wait(30)


@pytest.mark.parametrize("authority, certified, host, reason", [
    ("ca.pem", "127.0.0.1", "127.0.0.1", None), ("ca.pem", "localhost", "localhost", None),
    ("stranger.pem", "127.0.0.1", "127.0.0.1", "certificate"),
    ("ca.pem", "127.0.0.2", "127.0.0.1", "IP address mismatch"),
    ("ca.pem", "127.0.0.1", "localhost", "hostname mismatch")])
def test_tls_of_its_own(start_redis, start_pair, certificates, authority, certified, host, reason):
    """With programs whose hiredis has it."""
    port = free_port()
    redis = start_redis(*tls_options(certificates, port, certified), "--requirepass", PASSWORD)
    url = "rediss://:%s@%s:%d" % (ENCODED, host, port)
    pair = start_pair(url, {"SSL_CERT_FILE": str(certificates / authority)}, programs=WITH_TLS)
    assert pair.sign_in().status == (200 if reason is None else 503)
    assert reason is None or reason in "".join(pair.events())
    if reason is None:
        assert everything(pair) == (200, 200, 400, 200, 200, 400)
        redis.stop()
        assert pair.sign_in().status == 503
        redis.start()
        assert everything(pair) == (200, 200, 400, 200, 200, 400)
        redis.process.send_signal(signal.SIGSTOP)
        begun = time.monotonic()
        assert pair.sign_in().status == 503 and time.monotonic() - begun < 1


RECIPE = ROOT / "deploy/redis"


def fill(text, *replacements):
    for old, new in replacements:
        assert old in text, old
        text = text.replace(old, str(new))
    return text


@pytest.fixture
def two(tmp_path, certificates):
    """A master, its replica and HAProxy, all by TLS, as deploy/redis says; URL, ports and a way to ask."""
    SEEN.keep("a-password-of-redis")
    readme, ports, running = (RECIPE / "README.md").read_text(), [free_port(), free_port()], []
    users = (RECIPE / "users.acl").read_text() + "".join(
        re.findall(r"(?m)^    (user (?:replica|sentinel) .*\n)", readme))
    users = users.replace("HASH", hashlib.sha256(b"a-password-of-redis").hexdigest())
    lines = re.search(r"(?m)(?:^    (?!replicaof).*\n)+(?=\nand one more on the second)", readme).group()
    more = re.search(r"(?m)^    replicaof .*\n", readme).group()

    def start(*command):
        with open(tmp_path / "redis.log", "ab") as log:
            running.append(subprocess.Popen(command, stdout=log, stderr=log))

    for port, replicates in zip(ports, ("", fill(more, ("192.0.2.1 6380", "127.0.0.1 %d" % ports[0])))):
        (folder := tmp_path / str(port)).mkdir()
        (folder / "users.acl").write_text(users + "user tests on nopass ~* &* +@all\n")
        (folder / "redis.conf").write_text(fill(
            (RECIPE / "redis.conf").read_text(), ("bind 127.0.0.1 -::1\nport 6379\n", fill(
                lines, ("192.0.2.1", "127.0.0.1"), ("6380", port), ("PASSWORD", "a-password-of-redis"),
                ("/etc/redis/both.pem", certificates / "ca.pem"),
                ("/etc/redis/postern", certificates / "127.0.0.1"))),
            ("/etc/redis/users.acl", folder / "users.acl")) +
            replicates + "dir %s\nrepl-diskless-sync-delay 0\n" % folder)
        start("redis-server", folder / "redis.conf")
    (tmp_path / "haproxy.cfg").write_text(fill(
        (RECIPE / "haproxy.cfg").read_text(), ("127.0.0.1:6380", "127.0.0.1:%d" % (port := free_port())),
        ("haproxy PASSWORD", "haproxy a-password-of-redis"), ("192.0.2.1:6380", "127.0.0.1:%d" % ports[0]),
        ("192.0.2.2:6380", "127.0.0.1:%d" % ports[1]),
        ("/etc/haproxy/postern.pem", certificates / "ca.pem")))
    start("haproxy", "-db", "-f", tmp_path / "haproxy.cfg")

    def ask(port, *words):
        return subprocess.run(["redis-cli", "-p", str(port), "--tls", "--cacert", certificates / "ca.pem",
                               "--user", "tests", *words], env={**os.environ, "REDISCLI_AUTH": "any"},
                              text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT).stdout

    try:
        wait_until(lambda: "master_link_status:up" in ask(ports[1], "INFO", "replication"))
        yield "redis://postern:a-password-of-redis@127.0.0.1:%d/0" % port, ports, ask
    finally:
        for process in running:
            process.kill()
            process.wait(30)


def test_haproxy_leads_to_the_master_by_tls(two, start_pair):
    url, (one, other), ask = two
    pair = start_pair(url)
    wait_until(lambda: (token := pair.sign_in().cookie()) and pair.look(token) == 200)
    token, ended = pair.sign_in().cookie(), pair.sign_in().cookie()
    assert pair.sign_out(ended) == 200 and pair.look(ended) == 400
    wait_until(lambda: ask(other, "-n", "0", "GET", "postern:sessions:admin") ==
               ask(one, "-n", "0", "GET", "postern:sessions:admin"))
    # Two say that they are the master: neither is asked by a new connection.
    assert "OK" in ask(other, "REPLICAOF", "NO", "ONE")
    wait_until(lambda: ask(one, "CLIENT", "KILL", "USER", "postern") and pair.look(token) == 503)
    new = start_pair(url)
    assert pair.look(token) == new.look(token) == new.sign_in().status == 503
    assert "OK" in ask(one, "REPLICAOF", "127.0.0.1", str(other))
    wait_until(lambda: new.look(token) == 200)
    wait_until(lambda: pair.look(token) == 200)
    assert pair.look(ended) == new.look(ended) == 400
    assert everything(new) == (200, 200, 400, 200, 200, 400)


# -- settings ----------------------------------------------------------------------------------------

@pytest.mark.parametrize("url, words", [
    ("redis://192.0.2.1,192.0.2.2", "several addresses are no longer taken"),
    ("redis://postern:hidden-word@192.0.2.1:6379,redis.example/1", "has a comma"),
    ("redis://redis!example:6379", "neither a name such as"),
    ("redis://postern:hidden-word@127.1", "nor an address such as"),
    ("redis://hidden-word@127.0.0.1", "has no password"),
    ("redis://postern:hidden@word-hidden@127.0.0.1", "write %40"),
    ("redis://postern:hidden/word-hidden@127.0.0.1", "write %2F"),
    ("redis://:hidden-word@127.0.0.1:x", "has a port"),
    ("redis://127.0.0.1/x", "number of a database"),
    ("redis:127.0.0.1", "is not like redis://"),
    ("unix:redis.sock", "not absolute"),
    ("valkey://127.0.0.1", "is not an absolute path"),
])
def test_a_wrong_url_is_named(tmp_path, url, words):
    env = write_settings(tmp_path, POSTERN_STATE=url)
    for program in ("login.fcgi", "welcome.fcgi"):
        status, said = check(env, program)
        assert status == 78 and said.count("\n") == 1, said
        assert "POSTERN_STATE " in said and words in said and "hidden" not in said, said


@pytest.mark.parametrize("seconds, right", [("0", True), ("1", True), ("99999999", True), ("-1", False),
                                            ("1m", False), ("100000000", False), ("1.5", False)])
def test_seconds_of_grace(tmp_path, seconds, right):
    env = write_settings(tmp_path, POSTERN_STATE_GRACE=seconds)
    status, said = check(env)
    assert status == (0 if right else 78)
    assert right or "POSTERN_STATE_GRACE is not a number of seconds from 0 to 99999999" in said


def test_a_right_url_needs_no_redis(tmp_path):
    """Whether one answers is not a setting: it may come later."""
    env = write_settings(tmp_path, POSTERN_STATE="redis://127.0.0.1:%d" % free_port())
    assert check(env) == (0, "")
    edit(env, "POSTERN_STATE", "unix:%s" % (tmp_path / "later"))
    assert check(env) == (0, "")


def test_built_without_hiredis(tmp_path):
    built = make("BUILD=%s" % tmp_path, "BIN=%s/bin" % tmp_path, "WITHOUT_REDIS=1", "CFLAGS=-O1 -Werror",
                 "-j2")
    assert built.returncode == 0, built.stdout
    env = write_settings(tmp_path / "settings", POSTERN_STATE="redis://127.0.0.1")
    for program in ("login.fcgi", "welcome.fcgi"):
        status, said = check(env, program)
        assert (status, said) == (0, "")
        done = subprocess.run([tmp_path / "bin" / program, "--check"], stdin=subprocess.DEVNULL,
                              env={"POSTERN_ENV": str(env)}, capture_output=True, text=True)
        assert done.returncode == 78 and "built without" in done.stderr
        needs = subprocess.run(["ldd", tmp_path / "bin" / program], stdout=subprocess.PIPE, text=True)
        assert "libjwt" in needs.stdout and "hiredis" not in needs.stdout
    needs = subprocess.run(["ldd", PLAIN / "login.fcgi"], stdout=subprocess.PIPE, text=True)
    assert "libhiredis" in needs.stdout


def test_built_with_a_hiredis_without_tls(tmp_path):
    """As in Debian 12: stunnel is named."""
    built = make("BUILD=%s" % tmp_path, "BIN=%s/bin" % tmp_path, "TLS=0", "CFLAGS=-O1 -Werror", "-j2")
    assert built.returncode == 0, built.stdout
    env = write_settings(tmp_path / "settings", POSTERN_STATE="rediss://127.0.0.1")
    for program in ("login.fcgi", "welcome.fcgi"):
        done = subprocess.run([tmp_path / "bin" / program, "--check"], stdin=subprocess.DEVNULL,
                              env={"POSTERN_ENV": str(env)}, capture_output=True, text=True)
        assert done.returncode == 78
        assert "POSTERN_STATE is for TLS" in done.stderr and "run stunnel" in done.stderr


def test_a_folder_is_as_good_as_before(tmp_path):
    env = write_settings(tmp_path, POSTERN_STATE_GRACE="10")
    assert check(env) == (0, "") and SECRET not in check(env)[1]
