"""A worker that has seen a token before says of it what one that has not would say."""
import random
import time

import pytest

import fcgi
from conftest import PLAIN, hashed, write_private, write_settings
from test_sessions import start  # noqa: F401  (a fixture)

LIFE = {"POSTERN_TOKEN_TTL": 300, "POSTERN_SESSION_TTL": 900}


@pytest.fixture
def place(tmp_path):
    groups = tmp_path / "groups"
    write_private(groups, "staff: admin\n")
    return write_settings(tmp_path, POSTERN_GROUPS=groups, **LIFE)


def gate(worker, token):
    return worker.authorize(HTTP_COOKIE="token=" + token)


def cold(env, faults, token):
    """What a process says that has just begun."""
    said = dict(fcgi.parameters(HTTP_COOKIE="token=" + token), POSTERN_GATE="401",
                **faults.environment)
    process = fcgi.run_cgi(env, said, None, "welcome.fcgi", programs=PLAIN)
    out, _ = process.communicate()
    return fcgi.Reply(out.decode()).status


def test_whatever_happens_the_answer_is_that_of_a_new_process(place, faults, start):  # noqa: F811
    """Tokens of several users; the clock, sign-outs, groups, users and bytes change."""
    (place.parent / "users").write_text("".join("user%d:%s\n" % (i, hashed("right"))
                                                for i in range(4)))
    login, welcome = start(place), start(place, "welcome.fcgi")
    chance, now, tokens, seen = random.Random(5), 0, [], set()

    def sign_in():
        reply = login.post("/login", {"username": "user%d" % chance.randrange(4),
                                      "password": "right"}, HTTP_ACCEPT="application/jwt",
                           REMOTE_ADDR="10.0.%d.%d" % (chance.randrange(250), len(tokens)))
        if reply.status == 200:
            tokens.append(reply.text)

    def visit():
        token = chance.choice(tokens[-12:])
        if chance.random() < 0.2:
            at = chance.randrange(len(token))
            token = token[:at] + chance.choice("aZ0-_.") + token[at + 1:]
        second, said = 0, None
        while second != int(time.time()):  # which a token may be over in
            second = int(time.time())
            said = gate(welcome, token).status, cold(place, faults, token)
        assert said[0] == said[1]
        seen.add(said[0])

    def move_clock():
        nonlocal now
        now += chance.choice([1, 30, 100, 300, -30, -100])
        faults.at(now)

    def sign_out():
        login.post("/logout", chance.choice([{}, {"everywhere": "1"}]),
                   "token=" + chance.choice(tokens[-6:]))

    sign_in()
    for _ in range(900):
        chance.choices([visit, sign_in, move_clock, sign_out], [14, 3, 1, 1])[0]()
    assert seen == {200, 401}


def test_a_token_that_is_known_is_still_over_in_time(place, faults, start):  # noqa: F811
    login, welcome = start(place), start(place, "welcome.fcgi")
    token = fcgi.Reply(login.sign_in()).cookie()
    for clock, status in ((0, 200), (280, 200), (301, 401), (280, 200), (-50, 200), (-90, 401)):
        faults.at(clock)
        for _ in range(2):
            assert gate(welcome, token).status in ((status, 302) if status == 401 else (status,))


def test_groups_are_asked_each_time(place, start):  # noqa: F811
    login, welcome = start(place), start(place, "welcome.fcgi")
    token = fcgi.Reply(login.sign_in()).cookie()

    def staff():
        return welcome.authorize(HTTP_COOKIE="token=" + token, POSTERN_REQUIRE="group staff").status

    assert [staff(), staff()] == [200, 200]
    (place.parent / "groups").write_text("staff: nobody\n")
    assert [staff(), staff()] == [403, 403]
    (place.parent / "groups").write_text("staff: nobody admin\n")
    assert staff() == 200


def test_no_byte_of_it_can_differ(place, start):  # noqa: F811
    login, welcome = start(place), start(place, "welcome.fcgi")
    token = fcgi.Reply(login.sign_in()).cookie()
    assert gate(welcome, token).status == 200
    for at in range(len(token)):
        other = token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1:]
        assert gate(welcome, other).status == 401
    assert gate(welcome, token + "A").status == gate(welcome, token[:-1]).status == 401
    assert gate(welcome, token).status == 200


def test_new_settings_forget_what_was_known(place, faults, start):  # noqa: F811
    """Right ones are read again only where a document root shows one of our files."""
    login, welcome = start(place), start(place, "welcome.fcgi")
    token = fcgi.Reply(login.sign_in()).cookie()
    assert gate(welcome, token).status == 200
    place.write_text(place.read_text().replace("POSTERN_SECRET=", "POSTERN_SECRET=another"))
    faults.at(2)
    assert gate(welcome, token).status == 200
    shown = welcome.authorize(DOCUMENT_ROOT=str(place.parent), HTTP_COOKIE="token=" + token)
    assert shown.status == 503
    assert gate(welcome, token).status == 401
