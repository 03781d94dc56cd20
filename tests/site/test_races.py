"""Two processes at the sessions of one user, of which one stops at the worst place, wherever that is."""
import itertools
import shutil
import signal
import tempfile

import pytest

import fcgi
from conftest import PLAIN, wait_until, write_settings
from fcgi import FORM
from redis import Redis

@pytest.fixture(params=["folder", "redis"])
def people(request, tmp_path, faults):
    if request.param == "folder":
        yield People(write_settings(tmp_path), faults, ("flock", "rename"),
                     lambda: shutil.rmtree(tmp_path / "state/sessions"))
        return
    (folder := tmp_path / "redis").mkdir()
    server = Redis(folder)
    yield People(write_settings(tmp_path, POSTERN_STATE=server.unix), faults, ("send",),
                 lambda: server.ask("flushall"))
    server.stop()


class People:
    """Each request is answered by a process of its own, as plain CGI."""

    def __init__(self, env, faults, changes, forget=None):
        self.env, self.faults, self.forget = env, faults, forget
        self.changes = changes  # the calls that change a record
        self.addresses = map("192.0.2.%d".__mod__, itertools.cycle(range(250)))

    def begin(self, method, path, body=b"", program="login.fcgi", environment=None, **more):
        said = dict(fcgi.parameters(method, path, CONTENT_TYPE=FORM, CONTENT_LENGTH=str(len(body)),
                                    REMOTE_ADDR=next(self.addresses), **more))
        with tempfile.TemporaryFile() as stdin:
            stdin.write(body)
            stdin.seek(0)
            return fcgi.run_cgi(self.env, said | self.faults.environment | (environment or {}), stdin,
                                program, programs=PLAIN)

    def begin_sign_in(self, **environment):
        return self.begin("POST", "/login", b"username=admin&password=password", environment=environment)

    def begin_sign_out(self, token, body=b"", **environment):
        return self.begin("POST", "/logout", body, environment=environment, HTTP_COOKIE="token=" + token)

    def begin_visit(self, token, **environment):
        return self.begin("GET", "/welcome", program="welcome.fcgi", environment=environment,
                          HTTP_COOKIE="token=" + token)

    def sign_in(self):
        reply = finish(self.begin_sign_in())
        assert reply.status == 200
        return reply.cookie()

    def sign_in_till_due(self):
        """A token that is due to be renewed."""
        self.faults.at(0)
        token = self.sign_in()
        self.faults.at(200)
        return token

    def sign_out(self, token, body=b""):
        """Has it been recorded?"""
        status = finish(self.begin_sign_out(token, body)).status
        assert status in (200, 503)
        return status == 200

    def is_in(self, token):
        """Anything but a clear yes or no is neither."""
        status = finish(self.begin_visit(token)).status
        assert status in (200, 400)
        return status == 200


def finish(process):
    """Let it go on; the reply."""
    process.send_signal(signal.SIGCONT)
    out, _ = process.communicate(timeout=30)
    return fcgi.Reply(out.decode())


def is_stopped(process):
    with open("/proc/%d/stat" % process.pid) as stat:
        return stat.read().rpartition(")")[2].split()[0] == "T"


def at_every_place(begin, *calls):
    """What `begin` starts, stopped before each of these calls in turn, and the name of the call."""
    for call in calls:
        for nth in itertools.count(1):
            process = begin(FAULT_STOP="%s:%d" % (call, nth))
            wait_until(lambda: process.poll() is not None or is_stopped(process))
            if process.poll() is not None:
                finish(process)
                assert nth > 1, "it makes no such call: " + call
                break
            yield process, call


def is_locked_by(call):
    """Does a process hold the lock of a record when it stops here?"""
    return call in ("link", "rename")


def test_who_began_to_sign_in_before_everywhere_is_not_in_afterwards(people):
    """Begins with the hash: before it nothing has been said of the password."""
    def begin(**environment):
        nonlocal other, hashes
        other = people.sign_in()
        hashes = people.faults.hashes
        return people.begin_sign_in(**environment)

    other, hashes, refused = people.sign_in(), 0, 0
    for process, call in at_every_place(begin, "crypt_r", *people.changes):
        began = call == "crypt_r" or people.faults.hashes > hashes
        done = people.sign_out(other, b"everywhere=1")
        reply = finish(process)
        assert done or is_locked_by(call)
        assert reply.status == 200 or began and (reply.status, reply.cookie()) == (503, None)
        refused += reply.status == 503
        assert done or people.sign_out(other, b"everywhere=1")
        assert not people.is_in(other)
        assert reply.status == 503 or people.is_in(reply.cookie()) == (not began)
    assert refused > 1


@pytest.mark.parametrize("fresh", [False, True], ids=["listed", "first"])
def test_of_two_who_sign_in_at_once_both_are_in(people, fresh):
    def begin(**environment):
        if fresh:
            people.forget()
        return people.begin_sign_in(**environment)

    people.sign_in()
    calls = [call if not fresh else call.replace("rename", "link") for call in people.changes]
    for process, call in at_every_place(begin, "crypt_r", *calls):
        other = finish(people.begin_sign_in())
        reply = finish(process)
        assert reply.status == 200 and people.is_in(reply.cookie())
        assert other.status == 200 or is_locked_by(call)
        assert other.status != 200 or people.is_in(other.cookie())


def test_a_first_record_is_made_once_where_locks_hold_for_nobody(tmp_path, faults):
    """As on a network file system whose locks are those of one machine."""
    people = People(write_settings(tmp_path), faults, ())

    def begin(**environment):
        shutil.rmtree(tmp_path / "state/sessions", ignore_errors=True)
        return people.begin_sign_in(**environment)

    faults.environment["FAULT_FLOCK"] = "1"
    for process, _ in at_every_place(begin, "crypt_r", "flock", "link"):
        other, reply = people.sign_in(), finish(process)
        assert reply.status == 200 and people.is_in(reply.cookie()) and people.is_in(other)


def test_a_session_that_ends_while_it_is_renewed_is_over(people):
    def begin(**environment):
        nonlocal token
        token = people.sign_in_till_due()
        return people.begin_visit(token, **environment)

    token = None
    for process, call in at_every_place(begin, *people.changes):
        done = people.sign_out(token)
        reply = finish(process)
        assert done or is_locked_by(call)
        assert reply.status in (200, 400)
        assert done or people.sign_out(token)
        assert not people.is_in(token) and not (reply.cookie() and people.is_in(reply.cookie()))
    assert finish(people.begin_visit(people.sign_in_till_due())).cookie(), "nothing was due"


def test_a_session_that_is_renewed_while_it_ends_is_over(people):
    def begin(**environment):
        nonlocal token
        token = people.sign_in_till_due()
        return people.begin_sign_out(token, **environment)

    token, renewed = None, 0
    for process, _ in at_every_place(begin, *people.changes):
        visit = finish(people.begin_visit(token))
        assert finish(process).status == 200
        renewed += bool(visit.cookie())
        assert not people.is_in(token) and not (visit.cookie() and people.is_in(visit.cookie()))
    assert renewed > 0
