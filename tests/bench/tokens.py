"""Tokens as login.fcgi makes them, good ones and bad ones, as many as are wanted."""
import base64
import hashlib
import hmac
import json
import secrets
import shutil
import time

import fcgi
from conftest import PLAIN, SECRET, write_settings

SECONDS = 14400  # that a token lives: longer than half of a run, so that none is renewed
NAME, PASSWORD = "admin", "password"


def settings(folder, **more):
    return write_settings(folder, POSTERN_TOKEN_TTL=SECONDS, **more)


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
        login = fcgi.Worker(folder, settings(folder, **more), "login.fcgi", programs=PLAIN)
        self.good = login.post("/login", {"username": NAME, "password": PASSWORD}).cookie()
        login.stop()
        # No session is older than the state: what is copied from this one knows of ours.
        self.state = folder / "state"
        self.header, claims, _ = self.good.split(".")
        self.claims = decoded(claims)
        self.kid = decoded(self.header)["kid"]

    def token(self, **claims):
        claims = {**self.claims, "sid": secrets.token_hex(16), **claims}
        body = json.dumps(claims, separators=(",", ":"))
        text = "%s.%s" % (self.header, encoded(body.encode()))
        return "%s.%s" % (text, encoded(self.sign(text.encode())))

    def sign(self, text):
        return hmac.digest(SECRET.encode(), text, hashlib.sha256)

    def cookies(self, count):
        """A file with so many, of a token each."""
        path = self.folder / "cookies"
        path.write_text("".join("token=%s\n" % self.token() for _ in range(count)))
        return path

    def expired(self):
        then = int(time.time()) - 600
        return self.token(iat=then, auth_time=then, exp=then + 300)

    def tampered(self):
        """The claims of one token with the signature of another."""
        one, other = self.token(), self.token()
        return one.rpartition(".")[0] + "." + other.rpartition(".")[2]
