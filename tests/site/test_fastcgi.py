"""The programs without a web server: raw FastCGI, plain CGI, signals, slowness and memory."""
import concurrent.futures
import contextlib
import signal
import socket
import subprocess
import time

import pytest

import fcgi
from conftest import PLAIN, write_settings
from fcgi import FORM, STDIN, STDOUT, opening, parameters, read_reply, record

BODY = b"username=admin&password=password"
READ, WRITE, POLL = 0, 1, 7  # system calls of x86-64
POST = {"CONTENT_TYPE": FORM, "CONTENT_LENGTH": "32"}


@pytest.fixture
def env(tmp_path):
    return write_settings(tmp_path)


@pytest.fixture
def start(tmp_path, env):
    """Start workers; all are stopped at the end of the test, and must exit 0."""
    running = []

    def start(program="login.fcgi", **more):
        running.append(fcgi.Worker(tmp_path, more.pop("env", env), program, **more))
        return running[-1]

    yield start
    for worker in running:
        if worker.process.poll() is None:
            worker.stop()


def whole(reply):
    """Is the body as long as the headers say?"""
    head, _, body = reply.partition("\r\n\r\n")
    return "Content-Length: %d" % len(body.encode()) in head.split("\r\n")


# -- requests of every shape ------------------------------------------------------------------

def test_the_status_is_the_first_header(start):
    assert start().sign_in().startswith("Status: 200 OK\r\n")


@pytest.mark.parametrize("length", [None, "", "0", "-1", "5", "x"])
def test_a_body_is_read_to_its_end_whatever_its_length_says(start, length):
    assert start().sign_in(CONTENT_LENGTH=length).startswith("Status: 200")


def test_a_body_shorter_than_its_length_is_cut_short(start):
    assert start().sign_in(CONTENT_LENGTH="33").startswith("Status: 400")


@pytest.mark.parametrize("rest", [b"", record(fcgi.PARAMS)[:5]])
def test_parameters_that_break_off_are_no_request(start, rest):
    """What is missing may be a header that makes the difference."""
    worker = start()
    with worker.connect() as connection:
        connection.sendall(opening(parameters(path="/login"))[:-8] + rest)
        connection.shutdown(socket.SHUT_WR)
        assert read_reply(connection)[STDOUT] == b""
    assert worker.sign_in().startswith("Status: 200")


@pytest.mark.parametrize("script, rest, status", [
    ("/login", "", 200), ("", "/login", 200), ("/log", "in", 200), ("/a/b", "/login", 200),
    ("/cgi-bin/login.fcgi", "", 200), ("/cgi-bin/login.fcgi", "/logout", 200),
    ("/login", "x", 404), ("/login", "/", 404), ("", "", 404), ("/welcome", "", 404),
    ("/" + "x" * 2000, "/login", 404)])
def test_only_script_name_and_path_info_together_count(start, script, rest, status):
    reply = start().ask(path=script, PATH_INFO=rest)
    assert reply.startswith("Status: %d" % status)


def test_the_path_where_it_is_mounted(start, tmp_path):
    env = write_settings(tmp_path / "own", POSTERN_LOGIN="/hello/in", POSTERN_LOGOUT="/bye")
    worker = start(env=env)
    assert 'action="/hello/in"' in worker.ask(path="/hello/in")
    assert 'action="/bye"' in worker.ask(path="/bye")
    assert worker.ask(path="/hello").startswith("Status: 404")


def test_cookies_may_come_as_several_parameters(start):
    token = start().sign_in().partition("token=")[2].partition(";")[0]
    welcome = start("welcome.fcgi")
    for cookies, status in ((["a=b", "token=" + token], 200), (["token=" + token, "a=b"], 200),
                            (["token=junk", "token=" + token], 200), (["a=b", "c=d"], 401)):
        assert welcome.ask(HTTP_COOKIE=cookies).startswith("Status: %d" % status)


@pytest.mark.parametrize("name", ["HTTP_ORIGIN", "HTTP_SEC_FETCH_SITE", "HTTP_HOST",
                                  "HTTP_AUTHORIZATION", "REQUEST_METHOD"])
def test_two_that_contradict_each_other(start, name):
    assert start().ask(path="/login", **{name: ["GET", "b"]}).startswith("Status: 400")
    assert start("welcome.fcgi").ask(**{name: ["GET", "b"]}).startswith("Status: 400")


def test_the_connection_is_closed_even_if_the_server_would_keep_it(start):
    worker = start()
    with worker.connect() as connection:
        connection.sendall(opening(parameters(path="/login"), keep=True) + record(STDIN))
        assert b"Status: 200" in read_reply(connection)[STDOUT]
    assert worker.sign_in().startswith("Status: 200")


@pytest.mark.parametrize("junk", [
    b"", b"GET / HTTP/1.0\r\n\r\n", b"\0" * 64, b"\xff" * 64, record(fcgi.BEGIN, b"\0" * 8)[:5],
    record(STDIN, b"x"), record(fcgi.ABORT), opening(parameters())[:-8],
    opening(parameters()) + record(fcgi.ABORT), opening(parameters("POST")) + record(STDIN, b"x")])
def test_a_peer_that_says_something_else_and_goes(start, junk):
    worker = start()
    with worker.connect() as connection:
        connection.sendall(junk)
    assert worker.sign_in().startswith("Status: 200")


# -- slowness ---------------------------------------------------------------------------------

def large_page(folder):
    """Settings with a sign-in page that is larger than a small socket holds."""
    folder.mkdir()
    (folder / "login.html").write_text("{{title}}" * 200)
    return {"POSTERN_PAGES": folder, "POSTERN_TITLE": "&" * 127}


def test_nobody_holds_a_worker_longer_than_ten_seconds(start, tmp_path):
    """Half a body and silence, a byte a second, half a header and silence, a reply that nobody
    reads: all at once, and behind each of them somebody who wants to sign in."""
    workers = []
    for i in range(4):
        (tmp_path / str(i)).mkdir()
        large = large_page(tmp_path / "pages") if i == 3 else {}
        workers.append(fcgi.Worker(tmp_path / str(i), write_settings(tmp_path / str(i), **large),
                                   small=i == 3))
    connections = [worker.connect() for worker in workers]
    started = time.monotonic()
    post = opening(parameters("POST", "/login", **POST))
    connections[0].sendall(post + record(STDIN, BODY[:5]))
    connections[1].sendall(post)
    connections[2].sendall(post[:5])
    connections[3].sendall(opening(parameters(path="/login")) + record(STDIN))
    with concurrent.futures.ThreadPoolExecutor(4) as people:
        waiting = [people.submit(worker.sign_in) for worker in workers]
        try:
            for i in range(20):
                connections[1].sendall(record(STDIN, b"x"))
                if fcgi.readable(connections[1], 1):
                    break
        except BrokenPipeError:
            pass
        for connection in connections[:2]:
            assert read_reply(connection)[STDOUT].startswith(b"Status: 408 Request Timeout\r\n")
        assert 9 < time.monotonic() - started < 12
        assert read_reply(connections[2])[STDOUT] == b""
        assert all(one.result().startswith("Status: 200") for one in waiting)
    assert time.monotonic() - started < 13
    for worker in workers:
        worker.stop()


def test_a_body_in_many_pieces(start):
    worker = start()
    with worker.connect() as connection:
        data = opening(parameters("POST", "/login", **POST)) + b"".join(
            record(STDIN, bytes([byte])) for byte in BODY) + record(STDIN)
        for at in range(0, len(data), 7):
            connection.sendall(data[at:at + 7])
        assert read_reply(connection)[STDOUT].startswith(b"Status: 200")


# -- the end of a connection ------------------------------------------------------------------

UNREAD = record(STDIN, b"x" * 60000)


# As gates they do not read what they are asked about.
GATE, AUTHORIZER_GATE = (opening(parameters(path="/private/x", POSTERN_GATE="401"), role=role)
                         for role in (fcgi.RESPONDER, fcgi.AUTHORIZER))
BAD_BODY = opening(parameters("POST", **POST)) + b"\xff" * 64
BAD_PARAMETERS = opening(parameters())[:-8] + b"\xff" * 64


@pytest.mark.parametrize("said", [GATE, AUTHORIZER_GATE, BAD_BODY],
                         ids=["gate", "authorizer", "bad body"])
def test_a_reply_is_whole_though_more_was_said_than_is_read(start, said):
    """Closed with something unread, the connection would be reset."""
    worker = start("welcome.fcgi")
    for _ in range(20):
        with worker.connect() as connection:
            connection.sendall(said + UNREAD)
            assert read_reply(connection)[STDOUT].startswith(b"Status: 4")


def test_so_is_the_last_one_before_the_end(start):
    worker = start("welcome.fcgi")
    with worker.connect() as connection:
        fcgi.wait_until(lambda: worker.waits_in(READ))
        worker.terminate()
        connection.sendall(GATE + UNREAD)
        assert worker.process.wait(5) == 0
        assert read_reply(connection)[STDOUT].startswith(b"Status: 401")


def test_what_a_server_says_after_the_reply_is_taken(start):
    """For a while."""
    worker, taken = start("welcome.fcgi"), 0
    for _ in range(20):
        with worker.connect() as connection:
            connection.sendall(GATE)
            assert read_reply(connection)[STDOUT].startswith(b"Status: 401")
            with contextlib.suppress(BrokenPipeError):
                connection.sendall(record(STDIN))
                taken += 1
    assert taken > 0


def test_a_peer_that_does_not_close_is_not_waited_for(start):
    """Whether somebody else comes or not."""
    worker = start("welcome.fcgi")
    fcgi.wait_until(lambda: worker.waits_in(POLL))
    before = worker.descriptors
    open_ones = [worker.connect() for _ in range(3)]
    for connection in open_ones:
        connection.sendall(GATE)
        assert read_reply(connection)[STDOUT].startswith(b"Status: 401")
    fcgi.wait_until(lambda: worker.descriptors == before)
    for connection in open_ones:
        connection.close()


@pytest.mark.parametrize("said", [GATE, BAD_BODY, BAD_PARAMETERS],
                         ids=["gate", "bad body", "bad parameters"])
def test_a_peer_that_never_stops_talking_is_cut_off(start, said):
    worker = start("welcome.fcgi")
    with worker.connect() as connection, concurrent.futures.ThreadPoolExecutor(1) as another:
        connection.sendall(said + UNREAD)
        next_one = another.submit(worker.ask)
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            end = time.monotonic() + 30
            while time.monotonic() < end:
                connection.sendall(UNREAD)
        assert next_one.result().startswith("Status: 401")


# -- signals ----------------------------------------------------------------------------------

def test_sigterm_while_idle(start):
    worker = start()
    fcgi.wait_until(lambda: worker.waits_in(POLL))
    worker.terminate()
    assert worker.process.wait(5) == 0


def test_sigterm_while_a_peer_is_connected_and_silent(start):
    worker = start()
    with worker.connect():
        fcgi.wait_until(lambda: worker.waits_in(READ))
        worker.terminate()
    assert worker.process.wait(5) == 0


def test_sigterm_in_the_middle_of_a_body(start):
    worker = start()
    with worker.connect() as connection:
        connection.sendall(opening(parameters("POST", "/login", **POST)) +
                           record(STDIN, BODY[:9]))
        fcgi.wait_until(lambda: worker.waits_in(READ))
        worker.terminate()
        connection.sendall(record(STDIN, BODY[9:]) + record(STDIN))
        reply = read_reply(connection)[STDOUT].decode()
    assert reply.startswith("Status: 200") and whole(reply)
    assert worker.process.wait(5) == 0


def test_sigterm_in_the_middle_of_a_reply(start, tmp_path):
    """A page larger than the socket holds: the worker is stuck writing when the signal comes."""
    env = write_settings(tmp_path / "own", **large_page(tmp_path / "pages"))
    worker = start(env=env, small=True)
    with worker.connect() as connection:
        connection.sendall(opening(parameters(path="/login")) + record(STDIN))
        fcgi.wait_until(lambda: worker.waits_in(WRITE))
        worker.terminate()
        reply = read_reply(connection)[STDOUT].decode()
    assert whole(reply) and reply.count("&amp;") == 127 * 200
    assert worker.process.wait(5) == 0


def test_sigterm_while_others_wait(start):
    """Whoever comes next is for another worker, however many there are."""
    worker = start("welcome.fcgi")
    request = opening(parameters()) + record(STDIN)
    waiting = [worker.connect() for _ in range(100)]
    waiting[0].sendall(request[:5])
    fcgi.wait_until(lambda: worker.waits_in(READ))
    for connection in waiting[1:]:
        connection.sendall(request)
    worker.process.send_signal(signal.SIGTERM)
    waiting[0].sendall(request[5:])
    assert worker.process.wait(5) == 0
    assert 1 <= sum(fcgi.readable(connection, 0) for connection in waiting) <= 8
    for connection in waiting:
        connection.close()


def test_workers_that_are_told_to_stop_lose_no_request(start):
    """Four share a socket; three are stopped while clients come; every reply is there, whole."""
    worker = start("welcome.fcgi", siblings=3)
    with concurrent.futures.ThreadPoolExecutor(16) as clients:
        replies = [clients.submit(worker.ask) for _ in range(2000)]
        for i, sibling in enumerate(worker.siblings, 1):
            fcgi.wait_until(lambda: sum(reply.done() for reply in replies) > 300 * i)
            sibling.terminate()
            assert sibling.wait(5) == 0
        for reply in replies:
            assert reply.result().startswith("Status: 401") and whole(reply.result())


# -- plain CGI --------------------------------------------------------------------------------

def cgi_parameters(**more):
    return parameters("POST", "/cgi-bin/login.fcgi", **{**POST, **more})


def test_cgi_with_a_pipe(env):
    process = fcgi.run_cgi(env, cgi_parameters(), subprocess.PIPE)
    out, err = process.communicate(BODY, 30)
    assert out.decode().startswith("Status: 200") and whole(out.decode())
    assert process.returncode == 0
    assert err == b'postern: event=state reason="the store is new: sessions that began before are over"\n' \
        b'postern: event=login_ok user="admin" ip=127.0.0.1\n'


def test_cgi_with_a_socket_that_stays_open(env):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(BODY)
        process = fcgi.run_cgi(env, cgi_parameters(), theirs)
        assert process.communicate(timeout=5)[0].startswith(b"Status: 200")
        process = fcgi.run_cgi(env, parameters(path="/login", CONTENT_LENGTH=None), theirs)
        assert process.communicate(timeout=5)[0].startswith(b"Status: 200")


@pytest.mark.parametrize("length", [None, "", "-1"])
def test_cgi_without_a_length_reads_to_the_end(env, length):
    process = fcgi.run_cgi(env, cgi_parameters(CONTENT_LENGTH=length), subprocess.PIPE)
    assert process.communicate(BODY, 30)[0].startswith(b"Status: 200")


def test_cgi_whose_body_ends_early(env):
    process = fcgi.run_cgi(env, cgi_parameters(CONTENT_LENGTH="33"), subprocess.PIPE)
    assert process.communicate(BODY, 30)[0].startswith(b"Status: 400")


def test_cgi_whose_body_does_not_come(env):
    process = fcgi.run_cgi(env, cgi_parameters(), subprocess.PIPE)
    assert process.stdout.read().startswith(b"Status: 408")
    process.communicate(timeout=30)


def test_cgi_stopped_by_a_signal_answers_nothing(env):
    """Half a body must not look like a whole one."""
    process = fcgi.run_cgi(env, cgi_parameters(), subprocess.PIPE)
    process.stdin.write(BODY[:20])
    process.stdin.flush()
    process.terminate()
    assert process.communicate(timeout=30)[0] == b""
    assert process.returncode == -15


def test_an_argument_is_no_option_in_cgi(env):
    process = fcgi.run_cgi(env, parameters(path="/cgi-bin/login.fcgi"), subprocess.DEVNULL,
                           arguments=["--check"])
    out, _ = process.communicate(timeout=30)
    assert out.startswith(b"Status: 200") and b"<form" in out


# -- memory -----------------------------------------------------------------------------------

def test_ten_thousand_requests_leave_the_memory_where_it_was(start):
    """In KiB, after the first thousand and after ten."""
    login = start(programs=PLAIN)
    welcome = start("welcome.fcgi", programs=PLAIN)
    token = login.sign_in().partition("token=")[2].partition(";")[0]

    def mixed(i):
        html = "text/html" if i % 2 else "*/*"
        welcome.ask(HTTP_COOKIE="token=" + token[:len(token) - i % 3], HTTP_ACCEPT=html)
        welcome.ask(REQUEST_URI="/welcome?%d" % i, HTTP_ACCEPT=html,
                    HTTP_AUTHORIZATION="Bearer " + "x" * (i % 2000))
        login.ask(path="/login", QUERY_STRING="next=/%d" % i, HTTP_ACCEPT=html)
        login.ask("POST", "/login", b'{"username": "%d", "password": ' % i,
                  CONTENT_TYPE="application/json")
        login.ask("POST", "/logout", b"x" * (i * 10 % 9000), CONTENT_TYPE=FORM, HTTP_ACCEPT=html)
        if i % 10 == 0:
            login.sign_in(HTTP_ACCEPT=html)

    for i in range(200):
        mixed(i)
    before = login.resident, welcome.resident
    for i in range(1800):
        mixed(i)
    after = login.resident, welcome.resident
    assert after[0] - before[0] <= 64 and after[1] - before[1] <= 64, (before, after)
