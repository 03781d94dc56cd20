"""Who takes part: each is started, checked for right answers, and stopped."""
import collections
import http.client
import os
import pathlib
import pwd
import shutil
import socket
import subprocess
import time

from conftest import SECRET, connects, free_port, hashed, wait_until
from tokens import NAME, PASSWORD, copy_store, settings

HERE = pathlib.Path(__file__).resolve().parent
MODULES = "/usr/lib/apache2/modules"
ROOT_USER = os.geteuid() == 0
OWNER = pwd.getpwnam("www-data") if ROOT_USER else pwd.getpwuid(os.geteuid())
GREETING = b'{"message":"Have a good day"}'
FILE = b"A small file.\n"


def request(port, path, cookie=None, method="GET", body=None, **headers):
    """Status, body and the headers of the reply."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    if cookie:
        headers["Cookie"] = cookie
    connection.request(method, path, body, {"Accept": "*/*", **headers})
    reply = connection.getresponse()
    text = reply.read()
    connection.close()
    return reply.status, text, reply.headers


def pss(pid):
    """KiB. Only root can read it of our programs, which let nobody look into them."""
    assert ROOT_USER, "only root can see the memory of a worker"
    text = pathlib.Path("/proc/%d/smaps_rollup" % pid).read_text()
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))


class Server:
    """A folder of its own, and all processes that live in it."""

    user = ""  # the line of its configuration that says as whom it runs

    def __init__(self, place, name):
        self.folder = place / name
        self.port = free_port()
        self.processes = []
        for folder in ("www/private", "www/login", "run"):
            (self.folder / folder).mkdir(parents=True)
        (self.folder / "www/private/file.txt").write_bytes(FILE)

    def start(self):
        self.own()
        self.run()
        wait_until(lambda: any(p.poll() is not None for p in self.processes) or connects(self.port))
        dead = [p.args[0] for p in self.processes if p.poll() is not None]
        assert not dead, "%s ended: %s" % (dead, self.said())

    def own(self):
        """Servers start as root and go on as somebody else."""
        if ROOT_USER:
            for path in (self.folder, *self.folder.rglob("*")):
                os.chown(path, OWNER.pw_uid, OWNER.pw_gid)

    def said(self):
        return "".join(f.read_text(errors="replace")[-1000:] for f in self.folder.glob("*.log"))

    def configure(self, *names, **values):
        """The configurations of conf/ with these names, as one file."""
        values = {"FOLDER": self.folder, "PORT": self.port, "SECRET": SECRET, "MODULES": MODULES,
                  "USER": self.user if ROOT_USER else "", **values}
        text = "".join((HERE / "conf" / name).read_text() for name in names)
        for name, value in values.items():
            text = text.replace("@%s@" % name, str(value))
        path = self.folder / names[-1]
        path.write_text(text)
        return path

    def spawn(self, command, as_owner=False, stdin=subprocess.DEVNULL, **environment):
        """Start a process in a group of its own, which ends with the server."""
        more = {"user": OWNER.pw_uid, "group": OWNER.pw_gid, "extra_groups": []}
        with open(self.folder / "said.log", "ab") as log:
            self.processes.append(subprocess.Popen(
                command, cwd=self.folder, stdin=stdin, stdout=log, stderr=log,
                env={**os.environ, **environment}, start_new_session=True,
                **(more if as_owner and ROOT_USER else {})))

    def stop(self):
        for process in reversed(self.processes):
            process.terminate()
        for process in self.processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                pass
            try:
                os.killpg(process.pid, 9)  # what it has left behind
            except ProcessLookupError:
                pass
            process.wait()
        shutil.rmtree(self.folder)

    def alive(self):
        """The fields of /proc/PID/stat of every process: number, name, and the rest."""
        groups = {p.pid for p in self.processes}
        for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
            try:
                pid, name, rest = stat.read_text().replace(" (", ")").split(")")
            except (OSError, ValueError):
                continue  # it has ended, or has a strange name
            rest = rest.split()
            if int(rest[2]) in groups:
                yield int(pid), name, rest

    def spent(self):
        """Seconds of CPU that its processes have had, by their name: their own, and the system's."""
        spent = collections.defaultdict(lambda: [0, 0])
        for _, name, rest in self.alive():
            for i in (0, 1):
                spent[name][i] += int(rest[11 + i]) / os.sysconf("SC_CLK_TCK")
        return spent

    def pss(self):
        """KiB, of all its processes."""
        return sum(pss(pid) for pid, _, _ in self.alive())


class Program(Server):
    """A server that asks a FastCGI program: welcome.fcgi, or another in the same place."""

    def __init__(self, place, name, program, mint, store=None, workers=2):
        super().__init__(place, name)
        self.count = workers
        shutil.copy(program, self.folder / "welcome.fcgi")
        self.env = settings(self.folder / "settings", **mint.settings)
        copy_store(store or mint.store, self.folder / "settings/state")


class Lighttpd(Program):
    user = 'server.username = "%s"\nserver.groupname = "%s"' % (OWNER.pw_name, OWNER.pw_name)

    def run(self):
        config = self.configure("lighttpd.conf", WORKERS=self.count)
        self.spawn(["/usr/sbin/lighttpd", "-D", "-f", config], POSTERN_ENV=str(self.env),
                   SECRET=SECRET)


class Nginx(Program):
    user = "user %s;" % OWNER.pw_name

    def run(self):
        with socket.socket(socket.AF_UNIX) as listener:
            path = self.folder / "page"
            listener.bind(str(path))
            listener.listen(1024)
            path.chmod(0o666)
            for _ in range(self.count):
                self.spawn([self.folder / "welcome.fcgi"], True, listener,
                           POSTERN_ENV=str(self.env))
        self.spawn(["/usr/sbin/nginx", "-c", self.configure("nginx.conf")])


class ApacheFcgid(Program):
    user = "User %s\nGroup %s" % (OWNER.pw_name, OWNER.pw_name)

    def run(self):
        config = self.configure("apache.conf", "apache-fcgid.conf")
        self.spawn(["/usr/sbin/apache2", "-DFOREGROUND", "-f", config])


class Redis(Server):
    """Where a store may be."""

    def run(self):
        self.spawn(["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "",
                    "--unixsocket", self.folder / "socket", "--unixsocketperm", "777"], True)


class Php(Server):
    user = Lighttpd.user

    def run(self):
        shutil.copy(HERE / "apps/welcome.php", self.folder / "www/welcome.php")
        self.spawn(["/usr/sbin/lighttpd", "-D", "-f", self.configure("lighttpd-php.conf")])
        self.user = "user = %s\ngroup = %s" % (OWNER.pw_name, OWNER.pw_name)
        config = self.configure("php-fpm.conf", WORKERS=2)
        fpm = max(pathlib.Path("/usr/sbin").glob("php-fpm*"))
        self.spawn([fpm, "-F", "-y", config])
        wait_until((self.folder / "page").exists)


class Node(Server):
    """An application of apps/, in two processes."""

    def __init__(self, place, name):
        super().__init__(place, name)
        self.script = HERE / "apps" / (name + ".js")

    def run(self):
        self.spawn(["node", self.script], NODE_ENV="production", PORT=str(self.port), WORKERS="2",
                   SECRET=SECRET, USERNAME=NAME, PASSWORD=PASSWORD)


class Openidc(Server):
    user = ApacheFcgid.user

    def __init__(self, place, name, kid):
        super().__init__(place, name)
        self.kid = kid

    def run(self):
        config = self.configure("apache.conf", "apache-openidc.conf", KID=self.kid)
        self.spawn(["/usr/sbin/apache2", "-DFOREGROUND", "-f", config])


class Form(Server):
    user = ApacheFcgid.user

    def run(self):
        (self.folder / "settings").mkdir()
        (self.folder / "settings/users").write_text("%s:%s\n" % (NAME, hashed(PASSWORD)))
        config = self.configure("apache.conf", "apache-form.conf")
        self.own()
        self.spawn(["/usr/sbin/apache2", "-DFOREGROUND", "-f", config])

    def sign_in(self, path):
        status, text, headers = request(
            self.port, path, None, "POST", "httpd_username=%s&httpd_password=%s" % (NAME, PASSWORD),
            **{"Content-Type": "application/x-www-form-urlencoded"})
        assert status == 302, (status, text)
        return headers["Set-Cookie"].partition(";")[0]


class Contestant:
    """A path of a server, the cookies that it is asked with, and what it gives for them."""

    def __init__(self, group, name, server, path, mint):
        self.group, self.name, self.server, self.path, self.mint = group, name, server, path, mint
        self.wanted = FILE if "private" in path else GREETING
        self.file = server.folder / ("cookie" + path.replace("/", "-"))

    @property
    def url(self):
        return "http://127.0.0.1:%d%s" % (self.server.port, self.path)

    def answers(self, cookie):
        status, text, _ = request(self.server.port, self.path, cookie)
        return status == 200 and text == self.wanted

    def make_cookies(self):
        """A good one, and bad ones by their names."""
        self.cookie = "token=" + self.mint.good
        return {"expired": "token=" + self.mint.expired(),
                "tampered": "token=" + self.mint.tampered()}

    def check(self):
        """Fail if one of its answers is wrong; leave a good cookie in `file`."""
        bad = {"missing": None, **self.make_cookies()}
        wait_until(lambda: self.answers(self.cookie))
        taken = [kind for kind, cookie in bad.items() if self.answers(cookie)]
        assert not taken, "it took a token that was " + " and ".join(taken)
        self.file.write_text(self.cookie + "\n")


class Empty(Contestant):
    """It takes whatever comes."""

    def check(self):
        self.make_cookies()
        wait_until(lambda: self.answers(self.cookie))
        self.file.write_text(self.cookie + "\n")


class FormContestant(Contestant):
    """Its cookie is its own, of mod_session_crypto."""

    def make_cookies(self):
        self.cookie = self.server.sign_in("/login")
        over = self.server.sign_in("/soon")
        assert self.answers(over)
        time.sleep(2.1)  # it was good for a second
        name, _, value = self.cookie.partition("=")
        at = len(value) // 2
        return {"expired": over, "tampered": "%s=%s" % (
            name, value[:at] + ("A" if value[at] != "A" else "B") + value[at + 1:])}
