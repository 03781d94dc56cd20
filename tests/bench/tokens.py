"""Tokens as login.fcgi makes them, good ones and bad ones, as many as are wanted."""
import base64
import json
import secrets
import shutil
import subprocess
import time

import jwt

import fcgi
from conftest import PLAIN, SECRET, write_settings

SECONDS = 14400  # that a token lives: longer than half of a run, so that none is renewed
NAME, PASSWORD = "admin", "password"
MANY = 20000  # tokens, of which a worker keeps 512


def settings(folder, **more):
    """The environment file; of a key file the folder gets a copy."""
    if "POSTERN_KEY_FILE" in more:
        folder.mkdir(exist_ok=True)
        more["POSTERN_KEY_FILE"] = shutil.copy(more["POSTERN_KEY_FILE"], folder)
    return write_settings(folder, POSTERN_TOKEN_TTL=SECONDS, **more)


KEYS = {"ES256": ("EC", "ec_paramgen_curve:P-256"), "RS256": ("RSA", "rsa_keygen_bits:2048")}


def key_file(folder, algorithm):
    """A new one."""
    kind, option = KEYS[algorithm]
    subprocess.run(["openssl", "genpkey", "-algorithm", kind, "-pkeyopt", option, "-out",
                    folder / "key.pem"], check=True, stderr=subprocess.DEVNULL)
    return folder / "key.pem"


def copy_state(state, to):
    """Copy a state that no process has open."""
    to.mkdir(0o700, exist_ok=True)
    for name in ("ended", "tries"):
        if (state / name).exists():
            shutil.copy(state / name, to)
            (to / name).chmod(0o600)


def decoded(part):
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def encoded(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Mint:
    """Makes tokens that differ from a real one in what is told, and in the session."""

    def __init__(self, folder, **more):
        self.folder, self.settings = folder, more
        self.many = folder / "cookies"  # a file, as cookies() makes it
        login = fcgi.Worker(folder, settings(folder, **more), "login.fcgi", programs=PLAIN)
        self.good = login.post("/login", {"username": NAME, "password": PASSWORD}).cookie()
        login.stop()
        # No session is older than the state: what is copied from this one knows of ours.
        self.state = folder / "state"
        self.header, claims, _ = self.good.split(".")
        self.claims = decoded(claims)
        self.kid = decoded(self.header)["kid"]
        self.algorithm = jwt.algorithms.get_default_algorithms()[decoded(self.header)["alg"]]
        key = more.get("POSTERN_KEY_FILE")
        self.key = self.algorithm.prepare_key(key.read_bytes() if key else SECRET)

    def token(self, **claims):
        claims = {**self.claims, "sid": secrets.token_hex(16), **claims}
        body = json.dumps(claims, separators=(",", ":"))
        text = "%s.%s" % (self.header, encoded(body.encode()))
        return "%s.%s" % (text, encoded(self.algorithm.sign(text.encode(), self.key)))

    def cookies(self, count):
        """A file with so many, of a token each."""
        self.many.write_text("".join("token=%s\n" % self.token() for _ in range(count)))

    def expired(self):
        then = int(time.time()) - 600
        return self.token(iat=then, auth_time=then, exp=then + 300)

    def tampered(self):
        """The claims of one token with the signature of another."""
        one, other = self.token(), self.token()
        return one.rpartition(".")[0] + "." + other.rpartition(".")[2]
