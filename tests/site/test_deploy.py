"""What is ready in deploy/ and debian/ besides the gates: the units of systemd, as far as systemd judges
them without running them, and where the public keys are."""
import os
import pathlib
import shutil
import subprocess
import tempfile

import jwt
import pytest

import guarded
from conftest import BROWSER, PLAIN, ROOT
from guarded import OWNER

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
