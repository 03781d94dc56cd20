"""Tokens as login.fcgi makes them, good ones and bad ones, as many as are wanted."""
import base64
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import time

import jwt

import fcgi
from conftest import PLAIN, ROOT, SECRET, write_settings

BUILT = ROOT / "build/plain/tests/bench"
BEFORE = os.environ.get("BEFORE") and pathlib.Path(os.environ["BEFORE"])  # of the version before

SECONDS = 14400  # that a token lives: longer than half of a run, so that none is renewed
NAME, PASSWORD = "admin", "password"
MANY = 20000  # users with a session each; a worker keeps 512 tokens


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


def copy_store(store, to):
    """Copy a folder that no process uses; the mtime of a record says when it is over."""
    shutil.copytree(store, to, dirs_exist_ok=True,
                    ignore=shutil.ignore_patterns("*-lock", "locks"))
    to.chmod(0o700)


def fill(store, to, users):
    """Copy a store to a folder, and begin a session of so many users there."""
    # In memory, as each record is on the disk before the next one is written.
    memory = "/dev/shm" if os.path.isdir("/dev/shm") else None
    with tempfile.TemporaryDirectory(dir=memory, prefix="postern-bench-") as name:
        work = pathlib.Path(name)
        copy_store(store, work)
        subprocess.run([BUILT / "fill", work, str(users)], check=True)
        copy_store(work, to)


def flood(store, names, built=BUILT):
    """Count an attempt with each of so many names, by the program of a version."""
    subprocess.run([built / "flood", store, str(names)], stdout=subprocess.DEVNULL, check=True)


def decoded(part):
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def encoded(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Mint:
    """Signs in, and makes tokens that differ from that one in what is told."""

    def __init__(self, folder, programs=PLAIN, **more):
        self.folder, self.settings = folder, more
        self.many = folder / "cookies"  # a file, as cookies() makes it
        login = fcgi.Worker(folder, settings(folder, **more), "login.fcgi", programs=programs)
        self.good = login.post("/login", {"username": NAME, "password": PASSWORD}).cookie()
        login.stop()
        # What is copied from this one lists the session.
        self.store = folder / "state"
        self.header, claims, _ = self.good.split(".")
        self.claims = decoded(claims)
        self.kid = decoded(self.header)["kid"]
        self.algorithm = jwt.algorithms.get_default_algorithms()[decoded(self.header)["alg"]]
        key = more.get("POSTERN_KEY_FILE")
        self.key = self.algorithm.prepare_key(key.read_bytes() if key else SECRET)

    def token(self, **claims):
        claims = {**self.claims, **claims}
        body = json.dumps(claims, separators=(",", ":"))
        text = "%s.%s" % (self.header, encoded(body.encode()))
        return "%s.%s" % (text, encoded(self.algorithm.sign(text.encode(), self.key)))

    def token_of(self, i):
        """Of one of the users whose sessions fill() begins."""
        return self.token(sub="user%d" % i, sid="%032x" % i)

    def cookies(self, count):
        """Begin so many sessions; a file with a token of each."""
        if "POSTERN_STATE" in self.settings:
            subprocess.run([BUILT / "fill", self.settings["POSTERN_STATE"], str(count)], check=True)
        else:
            filled = self.folder / "filled"
            fill(self.store, filled, count)
            self.store = filled
        self.many.write_text("".join("token=%s\n" % self.token_of(i) for i in range(count)))

    def expired(self):
        then = int(time.time()) - 600
        return self.token(iat=then, auth_time=then, exp=then + 300)

    def tampered(self):
        """The claims of one token with the signature of another."""
        one, other = self.good, self.token(iat=self.claims["iat"] - 1)
        return one.rpartition(".")[0] + "." + other.rpartition(".")[2]
