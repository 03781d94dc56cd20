"""Programs on a socket of their own, spoken to without a web server."""
import contextlib
import os
import signal
import socket
import struct
import subprocess

import fcgi
from conftest import PLAIN, SECRET
from contestants import pss
from tokens import BEFORE, BUILT

EMPTY, AT_ONCE = BUILT / "apps/empty", BUILT / "apps/empty_at_once"
DECODE = BUILT / "apps/decode"
WELCOME, LOGIN = PLAIN / "welcome.fcgi", PLAIN / "login.fcgi"
WELCOME_BEFORE, LOGIN_BEFORE = (BEFORE and BEFORE / "cgi-bin" / p.name for p in (WELCOME, LOGIN))


def said(cookie, gate):
    """What lighttpd says of a request."""
    path = "/private/file.txt" if gate else "/welcome"
    names = fcgi.parameters(
        path=path, SERVER_SOFTWARE="lighttpd", SERVER_NAME="localhost", SERVER_PORT="8080",
        SERVER_ADDR="127.0.0.1", REMOTE_PORT="44444", SERVER_PROTOCOL="HTTP/1.1",
        SCRIPT_FILENAME="/var/www" + path, DOCUMENT_ROOT="/var/www", REDIRECT_STATUS="200",
        REQUEST_SCHEME="http", HTTP_USER_AGENT="curl/7.88.1", HTTP_COOKIE=cookie)
    if gate:
        left_out = "SCRIPT_NAME", "PATH_INFO", "CONTENT_LENGTH"
        names = [(n, v) for n, v in names if n not in left_out]
    return names


def bytes_of(cookie, gate=False):
    """A request as lighttpd sends it."""
    role = fcgi.AUTHORIZER if gate else fcgi.RESPONDER
    return (fcgi.opening(said(cookie, gate), role=role) +
            (b"" if gate else fcgi.record(fcgi.STDIN)))


class Process(fcgi.Worker):
    """One process, started by a command."""

    running = []

    def __init__(self, folder, env, *command):
        folder.mkdir(exist_ok=True)
        self.stderr = folder / "stderr.log"
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(folder / "socket"))
        self.listener.listen(1024)
        self.family, self.address = self.listener.family, self.listener.getsockname()
        self.requests = folder / "requests"
        with open(self.stderr, "wb") as log:
            self.process = subprocess.Popen(command, stdin=self.listener, stdout=log, stderr=log,
                                            env={**os.environ, "POSTERN_ENV": str(env),
                                                 "SECRET": SECRET})
        self.running.append(self)

    def drive(self, requests, count):
        """A process that asks these in turn; figures() waits for it."""
        self.requests.write_bytes(b"".join(struct.pack("=I", len(r)) + r for r in requests))
        return subprocess.Popen([BUILT / "drive", self.address, self.requests, str(count)],
                                stdout=subprocess.PIPE, text=True)

    def stop(self):
        """libfcgi's own loop looks for a signal only when something comes."""
        self.listener.close()
        self.process.send_signal(signal.SIGTERM)
        for _ in range(100):
            try:
                self.process.wait(0.3)
                break
            except subprocess.TimeoutExpired:
                with contextlib.suppress(OSError):
                    self.connect().close()
        else:
            self.process.kill()
            self.process.wait()
        self.running.remove(self)

    @classmethod
    def stop_all(cls):
        """What a step that failed has left behind."""
        for one in list(cls.running):
            one.stop()


def figures(driver):
    """Microseconds of a request: the median, and the mean."""
    text = driver.communicate()[0]
    assert driver.returncode == 0, "drive failed"
    return [int(n) / 1000 for n in text.split()]


def memory(folder, env, mint, count):
    """PSS of two workers in KiB, after 10,000 requests and after `count` more."""
    cookies = ["token=" + mint.token_of(i) for i in range(3000)] + ["token=" + mint.good] * 3000
    requests = [bytes_of(c, gate=i % 2 == 1) for i, c in enumerate(cookies)]
    workers = [Process(folder / name, env, WELCOME) for name in ("one", "two")]
    seen = []
    for more in (10000, count):
        for driver in [w.drive(requests, more) for w in workers]:
            figures(driver)
        seen.append([pss(w.process.pid) for w in workers])
    for worker in workers:
        worker.stop()
    return seen
