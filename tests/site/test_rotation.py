"""Keys are changed on two hosts, one after the other, while people work; nobody is signed out."""
import http.client
import itertools
import signal
import threading
import time

import jwt
import pytest

from conftest import (BROWSER, PROGRAM, PROGRAMS, ROOT, Site, cookie, free_port, wait_until, write_private,
                      write_settings)
from test_interop import Key
from test_token import claims

TTL = 5  # renewed when two seconds are left
GATE = "/private/"


class Host:
    """A lighttpd that shares users and state with others, and can start again with other settings."""

    def __init__(self, folder, shared):
        self.folder, self.shared, self.port = folder, shared, free_port()
        demo = folder / "build/demo"
        (demo / "www/private").mkdir(parents=True)
        (demo / "www/private/index.html").write_text("guarded\n")
        (folder / "cgi-bin").symlink_to(PROGRAMS)
        text = (ROOT / "lighttpd.conf").read_text()
        for name in ("users", "state"):
            own = 'var.demo + "/%s"' % name
            assert text.count(own) == 1
            text = text.replace(own, '"%s"' % (shared / name))
        (folder / "lighttpd.conf").write_text(text)
        self.site = None

    def start(self, settings):
        """Start, or start again when what is in hand is done, with these settings."""
        if self.site:
            self.site.process.send_signal(signal.SIGINT)
            self.site.process.wait(30)
            self.site.stop()
        shared = dict(line.split("=", 1) for line in (self.shared / "postern.env").read_text().splitlines())
        write_private(self.folder / "build/demo/postern.env",
                      "".join("%s=%s\n" % one for one in {**shared, **settings}.items()))
        self.site = Site(self.folder, self.folder / "lighttpd.conf", self.port)


@pytest.fixture
def hosts(tmp_path):
    shared = tmp_path / "shared"
    write_settings(shared, POSTERN_TOKEN_TTL=TTL)
    both = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        both.append(Host(tmp_path / name, shared))
    yield both
    for host in both:
        host.site.stop()


# -- who works meanwhile ----------------------------------------------------------------------

class Load:
    """People at work: each is a thread. What was not as it should be is in `wrong`."""

    def __init__(self, hosts):
        self.hosts, self.wrong, self.done, self.kids = hosts, [], {}, set()
        self._over, self._lock = threading.Event(), threading.Lock()
        works = (self.browser, self.browser, self.program, self.program, self.newcomer, self.newcomer,
                 self.bearer)
        self._threads = [threading.Thread(target=self._work, args=one) for one in enumerate(works)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _work(self, number, work):
        try:
            steps = work(itertools.cycle(self.hosts[number % 2:] + self.hosts[:number % 2]))
            while not self._over.is_set():
                self._count(work.__name__, next(steps))
        except Exception as error:  # it would end unnoticed
            self.wrong.append((work.__name__, repr(error)))

    def _count(self, name, reply):
        with self._lock:
            self.done[name] = self.done.get(name, 0) + 1
            if token := reply.token:
                self.kids.add(jwt.get_unverified_header(token)["kid"])

    def _ask(self, hosts, method, path, fields=None, headers=PROGRAM):
        """Of the next host, or of the one behind it when that one is just being started again."""
        for _ in range(200):
            host = next(hosts).site
            try:
                reply = host.post(path, fields, headers) if method == "POST" else host.get(path, headers)
            except (OSError, http.client.HTTPException):
                continue
            if not self._is_right(path, reply):
                self.wrong.append((method, path, reply.status, dict(reply.headers), reply.body[:200]))
            return reply
        raise AssertionError("no host is there")

    @staticmethod
    def _is_right(path, reply):
        """200, or what renews a cookie at a gate: a redirect to the page itself."""
        return reply.status == 200 or reply.status == 302 and reply.headers["Location"] == path

    def browser(self, hosts):
        """Goes on all the time, by pages and by the gate."""
        token = self._sign_in(hosts).token
        for path in itertools.cycle(("/welcome", GATE, GATE)):  # on either host, each
            yield (reply := self._ask(hosts, "GET", path, headers={**BROWSER, "Cookie": "token=" + token}))
            token = reply.token or token

    def program(self, hosts):
        """The same; the gate renews nothing for it."""
        token = self._sign_in(hosts).token
        for path in itertools.cycle(("/welcome", GATE, GATE)):
            yield (reply := self._ask(hosts, "GET", path, headers=cookie(token)))
            token = reply.token or token

    def newcomer(self, hosts):
        """Signs in, is in on the other host, and signs out."""
        while True:
            yield (reply := self._sign_in(hosts))
            for path in ("/welcome", GATE):
                yield self._ask(hosts, "GET", path, headers=cookie(reply.token))
            yield self._ask(hosts, "POST", "/logout", {}, cookie(reply.token))
            next(hosts)  # each host is in turn where one signs in

    def bearer(self, hosts):
        """Uses a token as long as it is good, and then gets another."""
        while True:
            yield (reply := self._sign_in(hosts, {"Accept": "application/jwt"}))
            headers = {**PROGRAM, "Authorization": "Bearer " + reply.text}
            end = jwt.decode(reply.text, options={"verify_signature": False})["exp"] - 1
            while time.time() < end:
                yield self._ask(hosts, "GET", "/welcome", headers=headers)

    def _sign_in(self, hosts, headers=PROGRAM):
        return self._ask(hosts, "POST", "/login", {"username": "admin", "password": "password"}, headers)


# -- the changes ------------------------------------------------------------------------------

def previous(key):
    if key.alg == "HS256":
        return {"POSTERN_SECRET_PREVIOUS": key.secret}
    return {"POSTERN_KEY_FILE_PREVIOUS": key.file}


def signed(host, key):
    """A token of a session that is open there, as if this key had signed it."""
    payload = claims(host.site)
    return jwt.encode(payload, key.secret if key.alg == "HS256" else key.pem, algorithm=key.alg)


def work_on(load):
    """Let everybody do some more."""
    before = dict(load.done)
    wait_until(lambda: load.wrong or len(load.done) == 4 and all(
        load.done[name] >= before.get(name, 0) + 20 for name in load.done))


def knows(host, key):
    return host.site.get("/welcome", cookie(signed(host, key))).status == 200


@pytest.mark.parametrize("before, after", [("HS256", "HS256"), ("ES256", "ES256"), ("RS256", "ES256")])
def test_nobody_is_signed_out_by_a_new_key(hosts, tmp_path, before, after):
    old, new = Key(before, tmp_path / "old"), Key(after, tmp_path / "new")
    steps = [{**old.settings()}, {**old.settings(), **previous(new)}, {**new.settings(), **previous(old)},
             {**new.settings()}]
    for host in hosts:
        host.start(steps[0])
    with Load(hosts) as load:
        work_on(load)
        for step in steps[1:]:
            for host in hosts:
                host.start(step)
                work_on(load)
            if step is steps[2]:
                assert all(knows(host, old) and knows(host, new) for host in hosts)
                # Until the last token is over that the old key has signed.
                until = time.monotonic() + TTL + 1
                wait_until(lambda: load.wrong or time.monotonic() > until)
        work_on(load)
    assert not load.wrong, load.wrong[:3]
    assert len(load.kids) == 2
    assert not any(knows(host, old) for host in hosts) and all(knows(host, new) for host in hosts)


def test_a_key_that_signs_before_all_hosts_know_it_would_be_seen(hosts, tmp_path):
    old, new = Key("HS256", tmp_path / "old"), Key("HS256", tmp_path / "new")
    for host in hosts:
        host.start(old.settings())
    with Load(hosts) as load:
        work_on(load)
        hosts[0].start({**new.settings(), **previous(old)})
        wait_until(lambda: load.wrong)
