"""Start a program by hand, as FastCGI or as plain CGI, and speak to it without a web server."""
import os
import select
import signal
import socket
import struct
import subprocess
import urllib.parse

from conftest import PROGRAMS, wait_until
from secrets_seen import SEEN

RESPONDER, AUTHORIZER, FILTER = 1, 2, 3
BEGIN, ABORT, END, PARAMS, STDIN, STDOUT, STDERR = 1, 2, 3, 4, 5, 6, 7
FORM = "application/x-www-form-urlencoded"


def record(kind, content=b""):
    return struct.pack("!BBHHBB", 1, kind, 1, len(content), 0, 0) + content


def pair(name, value):
    name, value = name.encode(), value if isinstance(value, bytes) else value.encode()
    return b"".join(struct.pack("!I", len(x) | 1 << 31) for x in (name, value)) + name + value


def parameters(method="GET", path="/welcome", **more):
    """What a web server says of a request; a value of None is left out, a list comes often."""
    said = {"GATEWAY_INTERFACE": "CGI/1.1", "REQUEST_METHOD": method, "SCRIPT_NAME": path,
            "PATH_INFO": "", "QUERY_STRING": "", "REQUEST_URI": path, "REMOTE_ADDR": "127.0.0.1",
            "HTTP_HOST": "localhost", "CONTENT_LENGTH": "0", "HTTP_ACCEPT": "*/*", **more}
    return [(n, v) for n, value in said.items() if value is not None
            for v in (value if isinstance(value, list) else [value])]


def opening(said, keep=False, role=RESPONDER):
    """Everything up to the body."""
    text = b"".join(pair(*one) for one in said)
    SEEN.remember(said)
    return (record(BEGIN, struct.pack("!HB5x", role, keep)) +
            b"".join(record(PARAMS, text[at:at + 65535]) for at in range(0, len(text), 65535)) +
            record(PARAMS))


def read_reply(connection):
    """Everything until the program closes the connection, by the type of record."""
    data, streams = b"", {STDOUT: b"", STDERR: b"", END: b""}
    while chunk := connection.recv(65536):
        data += chunk
    while data:
        _, kind, _, length, padding, _ = struct.unpack("!BBHHBB", data[:8])
        streams[kind] += data[8:8 + length]
        data = data[8 + length + padding:]
    head, _, body = streams[STDOUT].partition(b"\r\n\r\n")
    SEEN.remember((line.split(": ", 1) for line in head.decode("latin-1").split("\r\n")
                   if ": " in line), body)
    SEEN.overheard.append(streams[STDERR])
    return streams


class Reply:
    def __init__(self, text):
        head, _, self.text = text.partition("\r\n\r\n")
        self.lines = head.split("\r\n")
        first, _, status = self.lines[0].partition(": ")
        assert first == "Status", text
        self.status = int(status[:3])

    def header(self, name):
        """Its values, joined."""
        return ", ".join(v for n, _, v in (line.partition(": ") for line in self.lines)
                         if n == name)

    def cookie(self, name="token"):
        """The value that is set, or None."""
        for line in self.lines:
            if line.startswith("Set-Cookie: %s=" % name):
                return line.partition("=")[2].partition(";")[0]
        return None


class Worker:
    """A process of a program, its socket and its standard error; siblings share the socket."""

    def __init__(self, folder, env, program="login.fcgi", programs=PROGRAMS, siblings=0,
                 small=False, environment=None, user=None):
        self.stderr = folder / (program + ".log")
        # Only over TCP can a socket be made so small that a page does not fit into it.
        listener = socket.socket(socket.AF_INET if small else socket.AF_UNIX)
        if small:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        listener.bind(("127.0.0.1", 0) if small else str(folder / (program + ".socket")))
        listener.listen(1024)
        self.user = user  # who the process runs as, if not we
        self.family, self.address = listener.family, listener.getsockname()
        self.listener = listener
        self.command = [programs / program]
        self.environment = {**os.environ, "POSTERN_ENV": str(env), **(environment or {})}
        self.process, *self.siblings = [self.another() for _ in range(siblings + 1)]
        # It has blocked its signals: before that one would end it as it ends any program.
        wait_until(lambda: self._status("SigBlk") != 0)

    def another(self):
        """One more process on the same socket."""
        with open(self.stderr, "ab") as log:
            return subprocess.Popen(self.command, stdin=self.listener, stderr=log,
                                    env=self.environment, user=self.user)

    def _status(self, name):
        """A number of /proc/PID/status."""
        with open("/proc/%d/status" % self.process.pid) as status:
            fields = dict(line.split(":", 1) for line in status)
        return int(fields[name].split()[0], 16 if name.startswith("Sig") else 10)

    @property
    def resident(self):
        """Memory in KiB."""
        return self._status("VmRSS")

    @property
    def descriptors(self):
        """How many files it has open."""
        return len(os.listdir("/proc/%d/fd" % self.process.pid))

    def connect(self):
        connection = socket.socket(self.family)
        connection.settimeout(30)
        if self.family == socket.AF_INET:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(self.address)
        return connection

    def exchange(self, method="GET", path="/welcome", body=b"", **more):
        """One request, whole; what came back, by the type of record."""
        SEEN.remember([], body)
        with self.connect() as connection:
            connection.sendall(opening(parameters(method, path, **more)) +
                               (record(STDIN, body) if body else b"") + record(STDIN))
            return read_reply(connection)

    def ask(self, *arguments, **more):
        """One request, whole; the text of the reply."""
        return self.exchange(*arguments, **more)[STDOUT].decode()

    def sign_in(self, **more):
        return self.ask("POST", "/login", b"username=admin&password=password",
                        **{"CONTENT_TYPE": FORM, "CONTENT_LENGTH": "32", **more})

    def authorize(self, path="/private/x", role=AUTHORIZER, **more):
        """Ask as a gate does, with no body and no end of one; the reply, taken apart."""
        said = [(n, v) for n, v in parameters(**{"path": path, **more})
                if n not in ("SCRIPT_NAME", "PATH_INFO", "CONTENT_LENGTH")]
        with self.connect() as connection:
            connection.sendall(opening(said, role=role))
            return Reply(read_reply(connection)[STDOUT].decode())

    def fetch(self, *arguments, **more):
        """One request; its reply, taken apart."""
        return Reply(self.ask(*arguments, **more))

    def post(self, path, fields, cookie="", **more):
        """Post a form; the reply, taken apart."""
        body = urllib.parse.urlencode(fields).encode()
        return self.fetch("POST", path, body, CONTENT_TYPE=FORM, CONTENT_LENGTH=str(len(body)),
                          HTTP_COOKIE=cookie, **more)

    def terminate(self):
        self.listener.close()
        self.process.send_signal(signal.SIGTERM)

    def waits_in(self, call):
        """Is it blocked in this system call?"""
        with open("/proc/%d/syscall" % self.process.pid) as f:
            return f.read().split()[0] == str(call)

    def stop(self):
        self.terminate()
        assert self.process.wait(30) == 0, self.stderr.read_text()
        said = self.stderr.read_text()
        assert "Sanitizer" not in said and "runtime error" not in said, said


def run_cgi(env, said, stdin, program="login.fcgi", arguments=(), programs=PROGRAMS, user=None):
    """Run a program as plain CGI; the process."""
    return subprocess.Popen([programs / program, *arguments], stdin=stdin, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, user=user,
                            env={"POSTERN_ENV": str(env), **dict(said)})


def readable(descriptor, seconds):
    return bool(select.select([descriptor], [], [], seconds)[0])
