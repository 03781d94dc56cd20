"""A small network of hosts, each a network namespace: web servers, one of Redis, a client.

Nothing of it has a name: when the test ends, however it ends, the namespaces are gone with the
threads and processes that lived in them. No route leads out, and no address of theirs may be used
from outside.
"""
import collections
import concurrent.futures
import contextlib
import ctypes
import hashlib
import http.client
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import threading
import time

from conftest import PROGRAM, PROGRAMS, ROOT, Reply, Site, cookie, wait_until, write_settings
from secrets_seen import SEEN

CLONE_NEWNET = 0x40000000
C = ctypes.CDLL(None, use_errno=True)
PASSWORD = SEEN.keep("a-password-of-redis")
PORT, MASTER_PORT, REPLICA_PORT, SENTINEL_PORT = 6379, 6380, 6381, 26379
SECOND = 1.0  # no answer may take longer, whatever happens


class Host:
    """A network namespace of its own, and a thread that lives in it."""

    def __init__(self, address=None):
        self.address = address
        self._thread = concurrent.futures.ThreadPoolExecutor(1)
        self.thread = self.do(self._leave)
        self.run("ip link set lo up")

    @staticmethod
    def _leave():
        assert C.unshare(CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
        return threading.get_native_id()

    def do(self, function, *arguments, **more):
        """Call it here. A socket that is made here may be used everywhere."""
        return self._thread.submit(function, *arguments, **more).result()

    def run(self, commands):
        """Run commands of a shell; what they print."""
        done = self.do(subprocess.run, ["sh", "-ec", commands], text=True,
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        assert done.returncode == 0, (commands, done.stdout)
        return done.stdout

    def start(self, command, **more):
        """Start a process that does not outlive this host."""
        return self.do(subprocess.Popen, ["setpriv", "--pdeathsig", "TERM", *map(str, command)],
                       stdin=subprocess.DEVNULL, start_new_session=True, **more)

    def close(self):
        self._thread.shutdown()


class Network(contextlib.ExitStack):
    """A switch, and the hosts at it."""

    def __init__(self, count):
        super().__init__()
        self._switch = self._host(None)
        self._switch.run("ip link add br0 type bridge; ip link set br0 up")
        self.hosts = [self._host("10.77.0.%d" % (i + 1)) for i in range(count)]
        for i, host in enumerate(self.hosts):
            self._switch.run("ip link add port%d type veth peer name eth0 netns %d;"
                             "ip link set port%d master br0 up" % (i, host.thread, i))
            host.run("ip addr add %s/24 dev eth0; ip link set eth0 up" % host.address)

    def _host(self, address):
        host = Host(address)
        self.callback(host.close)
        return host

    @contextlib.contextmanager
    def unplugged(self, host):
        """The cable of this host is out."""
        port = "ip link set port%d " % self.hosts.index(host)
        self._switch.run(port + "down")
        try:
            yield
        finally:
            self._switch.run(port + "up")


# -- Redis ------------------------------------------------------------------------------------

RECIPE = ROOT / "deploy/redis"

REDIS = """
port %(port)d
bind %(address)s
aclfile %(folder)s/users.acl
masteruser replica
masterauth %(password)s
dir %(folder)s
logfile %(folder)s/redis.log
save ""
appendonly yes
replica-serve-stale-data no
repl-diskless-sync-delay 0
"""

SENTINEL = """
port %(port)d
bind %(address)s
dir %(folder)s
logfile %(folder)s/sentinel.log
sentinel monitor main %(address)s %(master)d 1
sentinel auth-user main sentinel
sentinel auth-pass main %(password)s
sentinel down-after-milliseconds main 2500
sentinel failover-timeout main 4000
"""


def users():
    """The users of the recipe, all with one password, and one for the tests."""
    text = (RECIPE / "users.acl").read_text() + "".join(
        re.findall(r"(?m)^    (user (?:replica|sentinel) .*\n)", (RECIPE / "README.md").read_text()))
    assert text.count("#HASH") == 4
    return text.replace("HASH", hashlib.sha256(PASSWORD.encode()).hexdigest()) + \
        "user tests on >%s ~* &* +@all\n" % PASSWORD


class Redis:
    """A redis-server; it keeps its data in `folder`."""
    program, template, options = "redis-server", REDIS, []

    def __init__(self, host, folder, port, **more):
        self.host, self.port, self.folder, self.process = host, port, folder, None
        folder.mkdir()
        (folder / "users.acl").write_text(users())
        self.config = folder / "config"  # which the program itself may rewrite
        self.config.write_text(self.configure({"port": port, "address": host.address,
                                               "folder": folder, "password": PASSWORD, **more}))

    def configure(self, words):
        return self.template % words

    def launch(self):
        with open(self.folder / "stdout.log", "ab") as log:
            self.process = self.host.start([self.program, *self.options, self.config],
                                           stdout=log, stderr=log)

    def start(self):
        """Start it, and wait until it answers."""
        self.launch()
        wait_until(lambda: self.process.poll() is not None or self.says("PONG", "PING"))
        assert self.process.poll() is None, (self.folder / "stdout.log").read_text()

    def ask(self, *words):
        """A command; what redis-cli prints of the reply, or of the fault."""
        return self.host.do(subprocess.run, [
            "redis-cli", "-h", self.host.address, "-p", str(self.port), "--user", "tests",
            *map(str, words)], env={**os.environ, "REDISCLI_AUTH": PASSWORD}, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT).stdout.strip()

    def says(self, text, *words):
        return text in self.ask(*words).split("\n")

    def kill(self):
        self.process.kill()
        self.process.wait()

    @contextlib.contextmanager
    def stopped(self):
        self.kill()
        try:
            yield
        finally:
            self.start()

    @contextlib.contextmanager
    def hung(self):
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def empty(self):
        """Take its data away, while it is stopped."""
        shutil.rmtree(self.folder / "appendonlydir")

    def stop(self):
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.kill()


class Sentinel(Redis):
    program, template = "redis-sentinel", SENTINEL

    def start(self):
        super().start()
        # How often it looks at them: by itself, only every ten seconds.
        assert self.says("OK", "SENTINEL", "DEBUG", "info-period", 100, "publish-period", 500)


class HAProxy(Redis):
    """HAProxy, as in deploy/, but that it listens to other hosts, and that there is no TLS."""
    program, options = "haproxy", ["-db", "-f"]

    def configure(self, words):
        text = (RECIPE / "haproxy.cfg").read_text()
        for old, new in (("bind 127.0.0.1:6380", "bind %s:%d" % (words["address"], words["port"])),
                         (" PASSWORD\\r", " %s\\r" % words["password"]),
                         ("default-server ssl verify required ca-file /etc/haproxy/postern.pem\n", "\n"),
                         ("192.0.2.1:6380", "%s:%d" % (words["address"], MASTER_PORT)),
                         ("192.0.2.2:6380", "%s:%d" % (words["address"], REPLICA_PORT))):
            assert old in text, old
            text = text.replace(old, new)
        return text


class Delay:
    """A proxy before Redis that holds back whatever it says."""

    def __init__(self, host, port, redis_port, seconds):
        self.host, self.redis_port, self.seconds = host, redis_port, seconds
        self._listener = host.do(socket.create_server, ("", port))
        self._over, self._threads = threading.Event(), []
        self._run(self._accept)

    def _run(self, function, *arguments):
        self._threads.append(threading.Thread(target=function, args=arguments))
        self._threads[-1].start()

    def _accept(self):
        while not self._over.is_set():
            if select.select([self._listener], [], [], 0.05)[0]:
                self._run(self._pass, self._listener.accept()[0])

    def _pass(self, client):
        server = self.host.do(socket.socket)
        with client, server:
            server.connect((self.host.address, self.redis_port))
            held = []  # when it may go, and what
            while not self._over.is_set():
                until = held[0][0] - time.monotonic() if held else 0.05
                ready = select.select([client, server], [], [], min(max(until, 0), 0.05))[0]
                try:
                    if client in ready:
                        if not (data := client.recv(65536)):
                            return
                        server.sendall(data)
                    if server in ready:
                        if not (data := server.recv(65536)):
                            return
                        held.append((time.monotonic() + self.seconds, data))
                    while held and held[0][0] <= time.monotonic():
                        client.sendall(held.pop(0)[1])
                except OSError:
                    return

    def close(self):
        self._over.set()
        while self._threads:
            self._threads.pop().join()
        self._listener.close()


# -- the web servers --------------------------------------------------------------------------

class Web(Site):
    """The lighttpd of one host, and requests to it from the client's."""
    login, logout, welcome, gate = "/login", "/logout", "/welcome", "/private/"

    def __init__(self, host, port, client, folder, users, programs, workers, settings, environment):
        self.host, self.port, self.client, self.folder = host, port, client, folder
        self.log = self.events = folder / "lighttpd.log"
        demo = folder / "build/demo"
        (demo / "www/private").mkdir(parents=True)
        (demo / "www/private/index.html").write_text("guarded\n")
        (folder / "cgi-bin").symlink_to(programs)
        write_settings(demo, **settings)
        shutil.copy(users, demo / "users")
        with open(self.log, "ab") as log:
            self.process = host.start(
                ["/usr/sbin/lighttpd", "-D", "-f", self._configure(workers, environment)],
                cwd=folder, stdout=log, stderr=log, env={
                    **os.environ, "PORT": str(self.port),
                    "ASAN_OPTIONS": "log_path=%s" % (folder / "sanitizer")})
        wait_until(lambda: self.process.poll() is not None or self._is_up())
        assert self.process.poll() is None, self.log.read_text()

    def _configure(self, workers, environment):
        """lighttpd.conf, at the address of this host, and with the store of the settings."""
        text = (ROOT / "lighttpd.conf").read_text()
        more = "".join(',\n\t"%s" => "%s"' % one for one in environment.items())
        for old, new in (('server.bind = "127.0.0.1"', 'server.bind = "%s"' % self.host.address),
                         (',\n\t"POSTERN_STATE" => var.demo + "/state"', more),
                         ('"max-procs" => 2', '"max-procs" => %d' % workers)):
            assert old in text, old
            text = text.replace(old, new)
        config = self.folder / "lighttpd.conf"
        config.write_text(text)
        return config

    def _is_up(self):
        try:
            self._connect().close()
            return True
        except OSError:
            return False

    def _connect(self):
        connection = self.client.do(socket.socket)
        connection.settimeout(10)
        try:
            connection.connect((self.host.address, self.port))
        except OSError:
            connection.close()
            raise
        return connection

    def request(self, method, path, body=None, headers=PROGRAM, address=None):
        connection = http.client.HTTPConnection(self.host.address, self.port)
        SEEN.remember(headers.items(), body)
        began = time.monotonic()
        connection.sock = self._connect()
        connection.request(method, path, body, dict(headers))
        reply = Reply(connection.getresponse())
        reply.seconds = time.monotonic() - began
        connection.close()
        SEEN.remember(reply.headers.items(), reply.body)
        return reply

    def check(self, token):
        """Ask the gate; its status."""
        return self.get(self.gate, cookie(token)).status

    def sign_out(self, token, **fields):
        return self.post(self.logout, fields, cookie(token))


class Watch:
    """Asks every host again and again, with a good token and an ended one, and remembers."""

    def __init__(self, sites, good, ended):
        self.seen = []  # when, which host, is it the good one, status, seconds
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(i, site, good, ended))
                         for i, site in enumerate(sites)]

    def _ask(self, i, site, good, ended):
        while not self._over.is_set():
            for is_good, token in ((True, good), (False, ended)):
                began = time.monotonic()
                try:
                    status = site.check(token)
                except OSError as error:
                    status = repr(error)
                self.seen.append((began, i, is_good, status, time.monotonic() - began))
            self._over.wait(0.01)  # it is a visitor, not a load

    def statuses(self, is_good, since=0.0, until=float("inf")):
        """What was answered to what was asked and answered between these times."""
        return {status for began, _, good, status, seconds in self.seen
                if good == is_good and since <= began and began + seconds <= until}

    def ask_again(self):
        """Until every host has been asked at least five times more."""
        before = self._rounds()
        wait_until(lambda: min(a - b for a, b in zip(self._rounds(), before)) > 5)

    def _rounds(self):
        asked = collections.Counter(i for _, i, is_good, *_ in list(self.seen) if not is_good)
        return [asked[i] for i in range(len(self._threads))]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *failed):
        self._over.set()
        for thread in self._threads:
            thread.join()
        if failed[0] is None:
            slowest = max(self.seen, key=lambda one: one[-1])
            assert slowest[-1] < SECOND, slowest


# -- all of it --------------------------------------------------------------------------------

class Cluster(Network):
    """Three web servers; a master, its replica and HAProxy on a fourth host; and a client."""

    def __init__(self, folder):
        super().__init__(5)
        self.folder, self._count = folder, 0
        *self._web_hosts, self.redis_host, self.client = self.hosts
        self.users = write_settings(folder / "settings").parent / "users"
        self.master = Redis(self.redis_host, folder / "master", MASTER_PORT)
        self.replica = Redis(self.redis_host, folder / "replica", REPLICA_PORT)
        self.address = HAProxy(self.redis_host, folder / "haproxy", PORT)
        for redis in (self.master, self.replica):
            self.callback(redis.stop)
            redis.start()
        self.replica.ask("REPLICAOF", self.redis_host.address, MASTER_PORT)
        self.wait_for_replica()
        self.callback(self.address.stop)
        self.address.start()

    def wait_for_replica(self):
        """Until the replica has all that the master has."""
        wait_until(lambda: self.offset(self.master) == self.offset(self.replica) is not None)

    @staticmethod
    def offset(redis):
        """How far it is, if the link between the two is up."""
        said = dict(line.partition(":")[::2] for line in
                    redis.ask("INFO", "replication").replace("\r", "").split("\n"))
        if said.get("role") == "master":
            return said["master_repl_offset"]
        return said["slave_repl_offset"] if said.get("master_link_status") == "up" else None

    def url(self, port=PORT):
        return "redis://postern:%s@%s:%d" % (PASSWORD, self.redis_host.address, port)

    @contextlib.contextmanager
    def serving(self, programs=PROGRAMS, workers=2, environments=({}, {}, {}), **settings):
        """A web server on each host, with the same settings."""
        self._count += 1
        sites = []
        try:
            for i, host in enumerate(self._web_hosts):
                folder = self.folder / ("sites-%d/%d" % (self._count, i))
                folder.mkdir(parents=True)
                sites.append(Web(host, 8080 + self._count, self.client, folder, self.users, programs,
                                 workers, {"POSTERN_STATE": self.url(), **settings}, environments[i]))
            yield sites
        finally:
            for site in sites:
                site.stop()

    def restart_empty(self):
        """The master is stopped, loses its data and comes back, and so does the address."""
        with self.master.stopped():
            self.master.empty()
        wait_until(lambda: self.address.says("PONG", "PING"))

    def forget_connections(self):
        """Redis closes all connections of the workers."""
        self.master.ask("CLIENT", "KILL", "TYPE", "normal")

    @contextlib.contextmanager
    def filtered(self, *rules, kind="filter"):
        """Rules of nft about what comes to the host of Redis from others."""
        self.redis_host.run("nft add table ip t; nft add chain ip t c '{ type %s hook prerouting"
                             " priority -100; }'" % kind)
        for rule in rules:
            self.redis_host.run("nft add rule ip t c iifname eth0 " + rule)
        try:
            yield
        finally:
            self.redis_host.run("nft delete table ip t")

    def dropped(self):
        """What is sent to Redis is lost."""
        return self.filtered("drop")

    @contextlib.contextmanager
    def slow(self, seconds):
        """The address takes so long for each answer."""
        with contextlib.ExitStack() as stack:
            stack.callback(Delay(self.redis_host, 7000, PORT, seconds).close)
            stack.enter_context(self.filtered("tcp dport %d redirect to :7000" % PORT, kind="nat"))
            self.forget_connections()
            yield
