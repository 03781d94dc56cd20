"""The folder of the state is damaged, at random: it lets nobody in, and mends itself."""
import itertools
import os
import pathlib
import pwd
import random
import shutil
import tempfile
import threading

import pytest

import fcgi
from conftest import PROGRAMS, hashed, write_settings
from fcgi import FORM, STDERR, STDOUT

ROUNDS = 1000
NAMES = ("ada", "bob", "Eve")


class Folder:
    """The state, and what can happen to it; its owner need not be root, who can read anything."""

    def __init__(self, state, chance, owner):
        self.state, self.chance, self.owner = state, chance, owner

    def files(self):
        return sorted(f for f in (*self.state.glob("*"), *self.state.glob("*/*"))
                      if not f.name.startswith(".") and not (f.is_dir() and f.parent == self.state))

    def own(self, path):
        if self.owner:
            os.chown(path, self.owner.pw_uid, self.owner.pw_gid)

    def damage(self):
        """Damage a file. One that is made unreadable, which nothing but chmod mends, is returned."""
        file = self.chance.choice(self.files())
        how = self.chance.choice((self.cut, self.fill, self.fill_in_part, self.empty, self.remove,
                                  self.replace, self.replace_by_more, None))
        if how is None:
            file.chmod(0)
            return file
        if file.is_dir() and how != self.remove:
            self.remove(file)
            file.touch(0o600)
            self.own(file)
        how(file)
        if self.chance.random() < 0.02:
            shutil.rmtree(self.chance.choice([f for f in self.state.iterdir() if f.is_dir()]))
        return None

    def cut(self, file):
        os.truncate(file, self.chance.randrange(file.stat().st_size + 1))

    def fill(self, file):
        file.write_bytes(self.chance.randbytes(self.chance.choice([1, 100, 10 ** 4, 10 ** 6])))

    def fill_in_part(self, file):
        data = bytearray(file.read_bytes() or b"x")
        at = self.chance.randrange(len(data))
        data[at:at + 16] = self.chance.randbytes(len(data[at:at + 16]))
        times = file.stat().st_mtime
        file.write_bytes(data)
        os.utime(file, (times, times))

    def empty(self, file):
        os.truncate(file, 0)

    def remove(self, file):
        shutil.rmtree(file) if file.is_dir() else file.unlink()

    def replace(self, file):
        self.remove(file)
        file.mkdir(0o700)
        self.own(file)

    def replace_by_more(self, file):
        self.replace(file)
        (file / "more").touch()
        self.own(file / "more")


class Site:
    """Both programs under sanitizers, as workers and as plain CGI, run by somebody who is not root."""

    def __init__(self, home, owner):
        self.owner, self.state = owner, home / "state"
        shutil.copytree(PROGRAMS, home / "programs")
        self.env = write_settings(home)
        (home / "users").write_text("".join("%s:%s\n" % (name, hashed("right", "sha256crypt")) for name in NAMES))
        self.more = {"programs": home / "programs", "user": owner.pw_uid if owner else None}
        if owner:
            for path in (home, *home.rglob("*")):
                os.chown(path, owner.pw_uid, owner.pw_gid)
        self.workers = [fcgi.Worker(home, self.env, program, siblings=1, **self.more)
                        for program in ("login.fcgi", "welcome.fcgi")]
        self.addresses = map("192.0.2.%d".__mod__, itertools.cycle(range(250)))

    def ask(self, cgi, method, path, fields="", token=""):
        """The reply, and what the log says."""
        said = {"REMOTE_ADDR": next(self.addresses), "HTTP_COOKIE": "token=" + token, "CONTENT_TYPE": FORM,
                "CONTENT_LENGTH": str(len(fields))}
        program = path == "/welcome"
        if not cgi:
            streams = self.workers[program].exchange(method, path, fields.encode(), **said)
            return fcgi.Reply(streams[STDOUT].decode()), streams[STDERR].decode()
        with tempfile.TemporaryFile() as body:
            body.write(fields.encode())
            body.seek(0)
            process = fcgi.run_cgi(self.env, fcgi.parameters(method, path, **said), body,
                                   ("login.fcgi", "welcome.fcgi")[program], **self.more)
            out, log = process.communicate(timeout=30)
        assert process.returncode == 0, log
        return fcgi.Reply(out.decode()), log.decode()

    def sign_in(self, name, cgi=False):
        return self.ask(cgi, "POST", "/login", "username=%s&password=right" % name)

    def sign_out(self, token, cgi=False):
        return self.ask(cgi, "POST", "/logout", token=token)

    def visit(self, token, cgi=False):
        return self.ask(cgi, "GET", "/welcome", token=token)

    def stop(self):
        for worker in self.workers:
            assert all(process.poll() is None for process in (worker.process, *worker.siblings))
            for process in worker.siblings:
                process.terminate()
            worker.stop()
            assert [process.wait(30) for process in worker.siblings] == [0]


@pytest.fixture
def site():
    owner = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
    # Not in pytest's own folder, which nobody else can enter.
    with tempfile.TemporaryDirectory(prefix="postern-") as home:
        running = Site(pathlib.Path(home), owner)
        yield running
        running.stop()


def test_a_thousand_damages_let_nobody_in_and_are_mended(site):
    seed = int.from_bytes(os.urandom(4), "big")
    print("the seed is", seed)
    chance = random.Random(seed)
    folder = Folder(site.state, chance, site.owner)
    signed_in = {name: site.sign_in(name)[0].cookie() for name in NAMES}
    ended, wrong, refused, done = [], [], 0, threading.Event()

    def come_back():
        """Who has signed out tries all the time."""
        while not done.is_set():
            token = chance_of_another.choice(ended or ["x"])
            if site.visit(token)[0].status not in (400, 503):
                wrong.append(token)

    def come_and_go(name, cgi):
        """Sign in, and out again the session that was before."""
        reply, log = site.sign_in(name, cgi)
        assert reply.status == 200, log
        before, signed_in[name] = signed_in[name], reply.cookie()
        assert site.visit(signed_in[name], cgi)[0].status == 200
        assert site.sign_out(before, cgi)[0].status == 200
        assert site.visit(before)[0].status == 400
        ended.append(before)

    chance_of_another = random.Random(seed + 1)
    visitor = threading.Thread(target=come_back)
    visitor.start()
    try:
        for _ in range(ROUNDS):
            forbidden, name, cgi = folder.damage(), chance.choice(NAMES), chance.random() < 0.1
            for token in chance.choices(ended or ["x"], k=3):
                assert site.visit(token, cgi)[0].status in (400, 503)
            reply, _ = site.visit(signed_in[name], cgi)
            assert reply.status in ((200, 400, 503) if forbidden else (200, 400))
            if forbidden:
                reply, log = site.sign_in(name, cgi)
                refused += reply.status == 503
                assert reply.status == 200 or reply.status == 503 and (
                    "file=%s reason=\"Permission denied\"" % forbidden.relative_to(site.state)) in log
                forbidden.chmod(0o700 if forbidden.is_dir() else 0o600)
            come_and_go(name, cgi)
            assert not wrong
    finally:
        done.set()
        visitor.join()
    assert len(ended) == ROUNDS and refused > 10 and not wrong


@pytest.mark.parametrize("cgi", [False, True], ids=["fastcgi", "cgi"])
def test_what_cannot_be_read_is_named_and_is_a_no_until_it_can(site, cgi):
    token = site.sign_in("ada")[0].cookie()
    record = site.state / "sessions/ada"
    record.chmod(0)
    for reply, log in (site.visit(token, cgi), site.sign_in("ada", cgi), site.sign_out(token, cgi)):
        assert reply.status == 503
        assert 'event=state file=sessions/ada reason="Permission denied"' in log
    assert site.sign_in("bob", cgi)[0].status == 200
    record.chmod(0o600)
    assert site.visit(token, cgi)[0].status == 200 and site.sign_in("ada", cgi)[0].status == 200
    assert site.sign_out(token, cgi)[0].status == 200 and site.visit(token, cgi)[0].status == 400


def test_files_of_the_version_before_do_no_harm(site):
    old = [site.state / name for name in ("lock", "tries", "tries-lock", "ended", "ended-lock", "owner",
                                          "tries.damaged", "ended.damaged")]
    for file in old:
        file.write_bytes(os.urandom(32768))
    before = [file.read_bytes() for file in old]
    for cgi in (False, True):
        reply, _ = site.sign_in("ada", cgi)
        assert reply.status == 200 and site.visit(reply.cookie(), cgi)[0].status == 200
        assert site.sign_out(reply.cookie(), cgi)[0].status == 200
        assert site.visit(reply.cookie(), cgi)[0].status == 400
        assert site.ask(cgi, "POST", "/login", "username=ada&password=wrong")[0].status == 401
    assert [file.read_bytes() for file in old] == before
