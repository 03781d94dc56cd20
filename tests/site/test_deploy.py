"""What is ready in deploy/ and debian/ besides the gates: the units of systemd, as far as systemd judges
them without running them, where the public keys are, and the state on an engine behind stunnel."""
import os
import pathlib
import pwd
import re
import shutil
import socket
import subprocess
import tempfile

import jwt
import pytest

import guarded
from conftest import BROWSER, PLAIN, ROOT, free_port, wait_until
from guarded import OWNER
from secrets_seen import SEEN
from test_redis import FIELDS, everything, start_pair  # noqa: F401

UNITS = sorted((ROOT / "deploy/systemd").glob("postern-*"))
SERVICES = [unit.name for unit in UNITS if unit.suffix == ".service"]
EXPOSED = 10  # tenths: 0 is shut in as far as can be, 100 not at all


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The units, with programs that are there."""
    folder = tmp_path_factory.mktemp("units")
    for name in ("login.fcgi", "welcome.fcgi"):
        shutil.copy(PLAIN / name, folder)
    for unit in UNITS:
        text = unit.read_text()
        assert unit.suffix == ".socket" or "ExecStart=/usr/lib/cgi-bin/postern/" in text
        (folder / unit.name).write_text(text.replace("/usr/lib/cgi-bin/postern", str(folder)))
    return folder


def analyze(folder, *arguments):
    return subprocess.run(["systemd-analyze", *arguments], cwd=folder, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)


def verify(folder):
    # Of a word that it does not know it only says so.
    done = analyze(folder, "verify", *("./" + unit.name for unit in UNITS))
    return done.stdout or done.returncode


def test_systemd_understands_the_units(folder):
    assert len(UNITS) == 4 and verify(folder) == 0


@pytest.mark.parametrize("old, new", [("NoNewPrivileges", "NoNewPrivilege"), ("=@system-service", "=@system"),
                                      ("/login.fcgi", "/nothing.fcgi")])
def test_a_mistake_would_be_seen(folder, tmp_path, old, new):
    for unit in UNITS:
        text = (folder / unit.name).read_text()
        (tmp_path / unit.name).write_text(text.replace(old, new))
    assert verify(tmp_path) != 0


@pytest.mark.parametrize("service", SERVICES)
def test_the_programs_are_shut_in(folder, service):
    done = analyze(folder, "security", "--offline=true", "--threshold=%d" % EXPOSED, "./" + service)
    assert done.returncode == 0, done.stdout


def test_the_two_services_are_alike():
    login, welcome = (
        [line.replace("welcome", "login") for line in unit.read_text().splitlines()
         if "=" in line and not line.startswith(("#", "Description="))]
        for unit in UNITS if unit.suffix == ".service")
    assert login == welcome


def test_the_user_can_be_made():
    done = subprocess.run(["systemd-sysusers", "--dry-run", ROOT / "deploy/systemd/sysusers.conf"],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0 and "_postern" in done.stdout, done.stdout


# -- the public keys ---------------------------------------------------------------------------

class DebianLighttpd(guarded.Guarded):
    """debian/lighttpd/50-postern.conf, as Debian's lighttpd.conf includes it."""
    login, request, sign_in = "/login", guarded.Site.request, guarded.Site.sign_in

    def __init__(self, **more):
        super().__init__(**more)
        self.start_units()
        included = self.configure("../debian/lighttpd/50-postern.conf", {"/run/postern": self.folder / "sockets"})
        config = self.folder / "lighttpd.conf"
        config.write_text("""
server.modules = ( "mod_access", "mod_fastcgi", "mod_setenv" )
server.bind = "127.0.0.1"
server.port = %d
server.username = "www-data"
server.groupname = "www-data"
server.document-root = "%s/www"
include "%s"
""" % (self.port, self.folder, included))
        self.wait(self.start(["/usr/sbin/lighttpd", "-D", "-f", config]))


class DebianApache(guarded.ApacheProxy):
    """debian/apache2/postern.conf, without a site of one's own."""
    request, sign_in = guarded.Site.request, guarded.Site.sign_in

    def configure(self, name, replacements):
        site = super().configure("../debian/apache2/postern.conf", {
            "/run/postern": self.folder / "sockets", "systemctl reload apache2": "a2enmod proxy_fcgi"})
        site.write_text(site.read_text() + "ErrorLog \"%s/apache.log\"\n" % self.folder)
        return site


@pytest.fixture(scope="module")
def key():
    """A key file that www-data may read."""
    with tempfile.TemporaryDirectory(prefix="postern-key-") as folder:
        os.chmod(folder, 0o755)
        path = pathlib.Path(folder) / "key.pem"
        subprocess.run(["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", path],
                       check=True)
        os.chown(path, OWNER.pw_uid, OWNER.pw_gid)
        yield path


@pytest.mark.parametrize("server", [*guarded.SERVERS, guarded.ApacheProxy, DebianLighttpd, DebianApache])
def test_the_public_keys_are_where_services_look(server, key):
    site = server(POSTERN_KEY_FILE=key)
    try:
        reply = site.get("/.well-known/jwks.json")
        assert reply.status == 200, reply.text
        assert reply.headers["Content-Type"].startswith("application/jwk-set+json")
        assert reply.headers.get_all("Cache-Control") == ["public, max-age=300"]
        token = site.post("/login", "username=admin&password=password").token
        kid = jwt.get_unverified_header(token)["kid"]
        jwk, = [jwk for jwk in jwt.PyJWKSet.from_json(reply.text).keys if jwk.key_id == kid]
        assert jwt.decode(token, jwk.key, ["ES256"], audience="session", issuer="postern")["sub"] == "admin"
        # There is nothing else to be had.
        assert site.get("/.well-known/other.json", BROWSER).status == 404
        assert site.request("DELETE", "/.well-known/jwks.json").status == 405
    finally:
        site.stop()


# -- the state on an engine --------------------------------------------------------------------

RECIPE = ROOT / "deploy/redis"
LOOPBACK, SOCKET = "redis://", "unix://"  # where stunnel may listen on a web server


def told(name, pattern):
    """What a file of the recipe says to write or to type."""
    return re.search(pattern, (RECIPE / name).read_text(), re.M | re.S).group(1)


def certificate(folder, address="127.0.0.1"):
    """Make one in this folder, as the README says."""
    command = told("README.md", r"^    (openssl req .*?)\n\n")
    for old, new in (("192.0.2.1", address), ("/etc/stunnel", str(folder))):
        assert old in command
        command = command.replace(old, new)
    subprocess.run(["sh", "-ec", command], check=True, stderr=subprocess.DEVNULL)


class Recipe:
    """The engine and the stunnels of its host and of a web server, with the files of deploy/redis."""

    def __init__(self, folder, way=LOOPBACK, certified="127.0.0.1"):
        self.engine, self.web, self.way = folder / "engine", folder / "web", way
        self.port, self.tls_port, self.web_port = free_port(), free_port(), free_port()
        self.processes = []
        # A disk that others keep busy takes longer than an answer may.
        self.data = tempfile.TemporaryDirectory(dir="/dev/shm")
        for host in (self.engine, self.web):
            host.mkdir()
        certificate(self.engine, certified)
        shutil.copy(self.engine / "postern.pem", self.web)
        self.password, self.hash = subprocess.run(
            ["sh", "-ec", told("README.md", r"^    (p=.*?)$")], check=True, text=True,
            stdout=subprocess.PIPE).stdout.split()[:2]
        self.url = told("stunnel-web.conf", r"POSTERN_STATE=(%s\S+)" % way)
        for old, new in (("PASSWORD", SEEN.keep(self.password)), *self._listens()):
            self.url = self.url.replace(old, new)

    def _listens(self):
        """What stands for where the stunnel of the web server listens, and where it does here."""
        if self.way == LOOPBACK:
            return [("127.0.0.1:6380", "127.0.0.1:%d" % self.web_port)]
        return [("/run/postern-engine", str(self.web))]

    def fill(self, name, path, *replacements):
        """A file of the recipe, with other paths and ports."""
        text = (RECIPE / name).read_text()
        for old, new in replacements:
            assert old in text, (name, old)
            text = text.replace(old, str(new))
        path.write_text(text)
        return path

    def start(self, address, host, *command):
        """Start a program, and wait until it listens at this address."""
        said = host / (command[0] + ".log")
        with open(said, "ab") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log)
        self.processes.append(process)
        wait_until(lambda: process.poll() is not None or connects(address))
        assert process.poll() is None, said.read_text()
        return process

    def start_redis(self):
        acl = self.fill("users.acl", self.engine / "users.acl", ("HASH", self.hash))
        more = self.fill("redis.conf", self.engine / "postern.conf", ("/etc/redis/users.acl", acl),
                         ("port 6379", "port %d" % self.port))
        config = self.engine / "redis.conf"
        config.write_text("bind * -::*\nsave 1 1\ndir %s\ninclude %s\n" % (self.data.name, more))
        self.redis = self.start(("127.0.0.1", self.port), self.engine, "redis-server", config)

    def start_all(self):
        self.start_redis()
        self.start(("127.0.0.1", self.tls_port), self.engine, "stunnel4", self.fill(
            "stunnel-engine.conf", self.engine / "stunnel.conf", ("/etc/stunnel", self.engine),
            ("192.0.2.1:6380", "127.0.0.1:%d" % self.tls_port),
            ("127.0.0.1:6379", "127.0.0.1:%d" % self.port)))
        other = [] if self.way == LOOPBACK else [
            ("\naccept = 127", "\n;accept = 127"), ("\n;accept = /", "\naccept = /"),
            ("\n;setuid = _postern", "\nsetuid = www-data")]
        config = self.fill("stunnel-web.conf", self.web / "stunnel.conf", ("/etc/stunnel", self.web),
                           *other, *self._listens(),
                           ("192.0.2.1:6380", "127.0.0.1:%d" % self.tls_port), ("192.0.2.1", "127.0.0.1"))
        self.start(("127.0.0.1", self.web_port) if self.way == LOOPBACK else str(self.web / "socket"),
                   self.web, "stunnel4", config)

    def ask(self, *words, password=True):
        """What redis-cli prints on the web server, be it an error."""
        where = ["-p", self.web_port] if self.way == LOOPBACK else ["-s", self.web / "socket"]
        who = ["--user", "postern"] if password else []
        return subprocess.run(
            ["redis-cli", *map(str, where), *who, *words], text=True, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, **({"REDISCLI_AUTH": self.password} if password else {})}).stdout

    def stop(self):
        for process in self.processes:
            process.kill()
            process.wait(30)
        self.data.cleanup()


def connects(address):
    with socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET) as s:
        return s.connect_ex(address) == 0


@pytest.fixture
def recipe(tmp_path):
    running = []

    def start(*arguments, before=lambda recipe: None):
        running.append(Recipe(tmp_path, *arguments))
        before(running[-1])
        running[-1].start_all()
        return running[-1]

    yield start
    for one in running:
        one.stop()


@pytest.fixture
def connected(start_pair):  # noqa: F811
    """Start a pair whose connections are there: with TLS, the first request may come too early."""
    def start(engine):
        pair = start_pair(engine.url)
        wait_until(lambda: (token := pair.sign_in().cookie()) and pair.look(token) == 200)
        pair.events()
        return pair

    return start


@pytest.mark.parametrize("way", [LOOPBACK, SOCKET])
def test_the_state_on_an_engine_behind_stunnel(recipe, connected, way):
    engine = recipe(way)
    pair = connected(engine)
    ended, token = pair.sign_in().cookie(), pair.sign_in().cookie()
    assert pair.gate(ended) == 200 and pair.look(ended) == 200
    assert pair.sign_out(ended) == 200
    assert pair.gate(ended) == 401 and pair.look(ended) == 400 and pair.gate(token) == 200
    assert pair.events() == []
    for process in engine.processes[-2:]:
        with open("/proc/%d/status" % process.pid) as status:
            owner = re.search(r"^Uid:\s+(\d+)", status.read(), re.M).group(1)
        assert pwd.getpwuid(int(owner)).pw_name == "stunnel4"
    if way == SOCKET:
        listens = (engine.web / "socket").stat()
        assert listens.st_uid == OWNER.pw_uid and listens.st_mode & 0o022 == 0
    # Only its stunnel reaches the engine.
    assert connects(("127.0.0.1", engine.port)) and not connects(("127.0.0.2", engine.port))


def wrong_tries(pair, address, count):
    return [pair.login.post("/login", {**FIELDS, "password": "x"}, REMOTE_ADDR=address).status
            for _ in range(count)]


def test_what_the_engine_was_told_it_knows_after_it_was_killed(recipe, connected):
    engine = recipe()
    pair = connected(engine)
    ended, token = pair.sign_in().cookie(), pair.sign_in().cookie()
    assert pair.sign_out(ended) == 200 and pair.gate(token) == 200
    assert wrong_tries(pair, "192.0.2.1", 6) == [401] * 5 + [429]
    engine.redis.kill()
    engine.redis.wait(30)
    assert pair.gate(token) == 503
    engine.start_redis()
    wait_until(lambda: pair.gate(token) != 503 and pair.sign_in().status == 200)
    assert pair.gate(token) == 200 and pair.gate(ended) == 401
    assert wrong_tries(pair, "192.0.2.1", 1) == [429]
    assert "NOPERM" not in (engine.engine / "redis-server.log").read_text()


def test_the_rights_on_the_engine(recipe, connected):
    engine = recipe()
    pair = connected(engine)
    assert everything(pair) == (200, 200, 400, 200, 200, 400)
    assert wrong_tries(pair, "192.0.2.1", 6) == [401] * 5 + [429]
    assert pair.events() == []
    assert engine.ask("ROLE").startswith("master")
    token = pair.sign_in().cookie()
    for words in (["KEYS", "*"], ["FLUSHALL"], ["FLUSHDB"], ["CONFIG", "GET", "*"], ["ACL", "LIST"], ["INFO"],
                  ["SCAN", "0"], ["DEL", "other:x"], ["PUBLISH", "postern:x", "x"],
                  ["GET", "other:x"], ["EVAL", "return redis.call('GET', 'other:x')", "0"],
                  ["EVAL", "return redis.call('FLUSHALL')", "0"]):
        said = engine.ask(*words)
        assert re.match("NOPERM|ERR (ACL failure|The user executing the script can't)", said), (words, said)
    assert pair.look(token) == 200
    assert "NOAUTH" in engine.ask("ROLE", password=False)
    assert "WRONGPASS" in engine.ask("AUTH", "default", "", password=False)
    engine.password = "another"
    assert "WRONGPASS" in engine.ask("ROLE")


def test_the_settings_of_the_engine_are_those_of_the_manual():
    written = (ROOT / "man/postern.env.5").read_text()
    lines = (RECIPE / "redis.conf").read_text().splitlines()
    for setting in ("maxmemory-policy noeviction", "appendonly yes", "appendfsync always"):
        assert ".Ql %s" % setting in written and setting in lines
    in_manual = re.search(r"^user ada on >password (.*\n.*)$", written, re.M).group(1)
    assert told("users.acl", r"^user postern on #HASH ([^\n]*)").split() == in_manual.split()


def another_engine(recipe):
    """There is one at the address, with a certificate for it, but it is not ours."""
    certificate(recipe.web)


@pytest.mark.parametrize("certified, before", [
    ("127.0.0.1", another_engine), ("127.0.0.2", lambda _: None)], ids=["a stranger's", "for another address"])
def test_another_engine_is_not_believed(recipe, start_pair, certified, before):  # noqa: F811
    engine = recipe(LOOPBACK, certified, before=before)
    pair = start_pair(engine.url)
    assert pair.sign_in().status == 503
    assert len(pair.events()) == 1
    assert "certificate verify failed" in (engine.web / "stunnel4.log").read_text()
    # Not even the password goes there.
    assert "connected" not in (engine.engine / "stunnel4.log").read_text()


def test_an_engine_without_a_password_of_its_own_does_not_start(tmp_path):
    """The file as it is, with the place for the hash still in it."""
    (tmp_path / "redis.conf").write_text(
        "bind 127.0.0.1\nport %d\ndir %s\naclfile %s\n" % (free_port(), tmp_path, RECIPE / "users.acl"))
    done = subprocess.run(["redis-server", tmp_path / "redis.conf"], stdout=subprocess.PIPE, text=True,
                          timeout=30)
    assert done.returncode != 0 and "users.acl:2" in done.stdout


def test_systemd_understands_what_stunnel_gets(tmp_path):
    shutil.copy("/lib/systemd/system/stunnel@.service", tmp_path)
    (tmp_path / "stunnel@postern.service.d").mkdir()
    shutil.copy(RECIPE / "stunnel-service.conf", tmp_path / "stunnel@postern.service.d/postern.conf")
    done = analyze(tmp_path, "verify", "./stunnel@postern.service")
    assert (done.returncode, done.stdout) == (0, "")
