"""Sessions: how they go on while they are used, and how they end."""
import subprocess
import time

import pytest

import fcgi
from conftest import BROWSER, PLAIN, PROGRAM, cgi_site, cookie, hashed, wait_until, write_settings
from redis import Redis

HTML = {"HTTP_ACCEPT": "text/html"}


@pytest.fixture
def start(tmp_path, faults):
    """Start workers whose clock can be set; each has a socket of its own."""
    running = []

    def start(env, program="login.fcgi", **more):
        folder = tmp_path / ("worker%d" % len(running))
        folder.mkdir()
        running.append(fcgi.Worker(folder, env, program, programs=PLAIN,
                                   environment=faults.environment, **more))
        return running[-1]

    yield start
    for worker in running:
        if worker.process.poll() is None:
            worker.stop()


def good(welcome, token):
    """Is the token good there? Anything but a clear yes or no is neither."""
    status = welcome.fetch(HTTP_COOKIE="token=" + token).status
    assert status in (200, 400)
    return status == 200


# -- ending ------------------------------------------------------------------------------------

def test_after_signing_out_the_cookie_is_worth_nothing(site):
    for headers in (cookie, lambda token: {**BROWSER, "Cookie": "token=" + token},
                    lambda token: {**PROGRAM, "Authorization": "Bearer " + token}):
        token, other = site.sign_in().token, site.sign_in().token
        assert site.get(site.welcome, cookie(token)).status == 200
        assert site.post(site.logout, headers=headers(token)).status in (200, 303)
        assert site.get(site.welcome, cookie(token)).status == 400
        bearer = site.get(site.welcome, {**PROGRAM, "Authorization": "Bearer " + token})
        assert bearer.status == 401 and 'error="invalid_token"' in bearer.headers["WWW-Authenticate"]
        assert site.get(site.welcome, cookie(other)).status == 200
        assert site.get(site.login, {**BROWSER, "Cookie": "token=" + token}).text.count("<form")


def test_signing_out_everywhere_ends_the_sessions_of_other_browsers_too(site):
    one, two, grace = site.sign_in().token, site.sign_in().token, site.sign_in(
        "grace-hopper", "pass&word=1+1%20é").token
    reply = site.post(site.logout, {"everywhere": "1"}, cookie(one))
    assert reply.status == 200
    later = site.sign_in().token  # within the same second
    assert [site.get(site.welcome, cookie(token)).status for token in (one, two, grace, later)] \
        == [400, 400, 200, 200]


def test_no_cookie_beside_it_keeps_a_session_from_being_ended(site):
    """Another site below the same domain may have planted it."""
    def cookies(*tokens):
        return {**PROGRAM, "Cookie": "; ".join("token=" + token for token in tokens)}

    for everywhere in ("", "1"):
        mine, planted, bearer = (site.sign_in().token for _ in range(3))
        grace = site.sign_in("grace-hopper", "pass&word=1+1%20é").token
        for headers in (cookies(planted, mine), cookies(grace, mine),
                        cookies(*"junk of a sibling " * 3, mine),
                        {**cookies(mine), "Authorization": "Bearer " + bearer}):
            mine = site.sign_in().token
            headers = {**headers, "Cookie": headers["Cookie"].rpartition("=")[0] + "=" + mine}
            assert site.post(site.logout, {"everywhere": everywhere}, headers).status == 200
            assert site.get(site.welcome, cookie(mine)).status == 400
        assert site.get(site.welcome, cookie(bearer)).status == 400
    # Nor from being replaced by a new one.
    one, two = site.sign_in().token, site.sign_in().token
    new = site.sign_in(headers=cookies(one, two)).token
    assert [site.get(site.welcome, cookie(token)).status for token in (one, two, new)] \
        == [400, 400, 200]


@pytest.mark.parametrize("headers", [PROGRAM, {**PROGRAM, "Cookie": "token=x"}])
def test_signing_out_everywhere_says_so_if_nobody_is_signed_in(site, headers):
    reply = site.post(site.logout, {"everywhere": "1"}, headers)
    assert (reply.status, reply.text) == (401, '{"message":"Please login"}')
    page = site.post(site.logout, {"everywhere": "1"}, {**headers, **BROWSER})
    assert page.status == 401 and "You are not signed in" in page.text


@pytest.mark.parametrize("value", ["", "0", "yes", "true"])
def test_everywhere_is_nothing_but_1(site, value):
    one, two = site.sign_in().token, site.sign_in().token
    assert site.post(site.logout, {"everywhere": value}, cookie(one)).status == 200
    assert site.get(site.welcome, cookie(two)).status == 200


def test_every_worker_knows_at_once_and_after_a_restart(start, tmp_path):
    env = write_settings(tmp_path)
    login, logout = start(env), start(env)
    welcome = [start(env, "welcome.fcgi") for _ in range(3)]
    one, two = (login.sign_in() for _ in range(2))
    one, two = fcgi.Reply(one).cookie(), fcgi.Reply(two).cookie()
    assert all(good(worker, token) for worker in welcome for token in (one, two))
    assert logout.post("/logout", {}, "token=" + one).status == 200
    assert [good(worker, one) for worker in welcome] == [False] * 3
    assert [good(worker, two) for worker in welcome] == [True] * 3
    for worker in [login, logout, *welcome]:
        worker.stop()
    again = start(env, "welcome.fcgi")
    assert not good(again, one) and good(again, two)


def test_signing_in_ends_the_session_that_came_with_it(site):
    old, other = site.sign_in().token, site.sign_in().token
    new = site.sign_in(headers=cookie(old)).token
    assert [site.get(site.welcome, cookie(token)).status for token in (old, new, other)] \
        == [400, 200, 200]
    # Somebody who does not know the password ends nothing.
    assert site.sign_in(password="wrong", headers=cookie(new)).status == 401
    assert site.get(site.welcome, cookie(new)).status == 200


def test_removing_the_record_of_a_user_signs_that_user_out(make_site):
    site = make_site()
    ended, other = site.sign_in().token, site.sign_in().token
    grace = site.sign_in("grace-hopper", "pass&word=1+1%20é").token
    site.post(site.logout, headers=cookie(ended))
    (site.folder / "build/demo/state/sessions/admin").unlink()
    assert [site.get(site.welcome, cookie(token)).status for token in (ended, other, grace)] \
        == [400, 400, 200]
    assert site.get(site.welcome, cookie(site.sign_in().token)).status == 200


def test_a_user_has_so_many_sessions_of_each_kind(start, tmp_path):
    """The oldest one is over when there is no room for another: but not one that is in use."""
    env = write_settings(tmp_path, POSTERN_SESSIONS=3)
    login, welcome = start(env), start(env, "welcome.fcgi")

    def sign_in(**more):
        reply = login.post("/login", {"username": "admin", "password": "password"}, **more)
        assert reply.status == 200
        return reply.cookie() or reply.text

    cookies = [sign_in() for _ in range(3)]
    bearers = [sign_in(HTTP_ACCEPT="application/jwt") for _ in range(3)]
    assert all(good(welcome, token) for token in cookies + bearers)
    cookies.append(sign_in())
    assert [good(welcome, token) for token in cookies] == [False, True, True, True]
    bearers += [sign_in(HTTP_ACCEPT="application/jwt") for _ in range(2)]
    assert [good(welcome, token) for token in bearers] == [False, False, True, True, True]
    assert [good(welcome, token) for token in cookies] == [False, True, True, True]


def test_a_session_that_was_renewed_outlasts_those_that_were_not(start, faults, tmp_path):
    env = write_settings(tmp_path, POSTERN_SESSIONS=3)
    login, welcome = start(env), start(env, "welcome.fcgi")

    def sign_in():
        return login.post("/login", {"username": "admin", "password": "password"}).cookie()

    renewed = sign_in()
    faults.at(200)
    renewed = welcome.fetch(HTTP_COOKIE="token=" + renewed).cookie()
    assert renewed is not None
    others = [sign_in() for _ in range(6)]
    assert good(welcome, renewed)
    assert [good(welcome, token) for token in others] == [False] * 4 + [True] * 2


@pytest.fixture(params=["folder", "redis"])
def kept(request, tmp_path):
    """Settings, and what tells what a store keeps of sessions, by name."""
    if request.param == "folder":
        env = write_settings(tmp_path)
        yield env, lambda: sorted(str(f.relative_to(tmp_path / "state"))
                                  for f in (tmp_path / "state").rglob("*") if "locks" not in f.parts)
        return
    (folder := tmp_path / "redis").mkdir()
    server = Redis(folder)
    yield write_settings(tmp_path, POSTERN_STATE=server.unix), lambda: sorted(server.ask("keys", "*").split())
    server.stop()


def test_who_comes_and_goes_without_end_leaves_one_record(start, kept, tmp_path):
    env, names = kept
    cheap = subprocess.run(["mkpasswd", "-s", "-m", "bcrypt", "-R", "4"], input=b"right", check=True,
                           stdout=subprocess.PIPE).stdout.decode()
    (tmp_path / "users").write_text("".join(name + ":" + cheap for name in ("admin", "grace")))
    login, welcome = start(env), start(env, "welcome.fcgi")

    def sign_in(name, i):
        reply = login.post("/login", {"username": name, "password": "right"},
                           REMOTE_ADDR="198.51.100.%d" % (i % 250))
        assert reply.status == 200
        return reply.cookie()

    grace = sign_in("grace", 0)
    for i in range(2000):
        token = sign_in("admin", i)
        assert login.post("/logout", {}, "token=" + token).status == 200
        if i == 250:
            before = names()
    assert names() == before and sum("sessions" in name and "admin" in name for name in before) == 1
    assert not good(welcome, token) and good(welcome, grace)
    assert good(welcome, sign_in("grace", 1)) and good(welcome, sign_in("admin", 1))
    assert login.post("/logout", {}, "token=" + grace).status == 200 and not good(welcome, grace)


def test_the_store_of_a_site_with_another_secret(start, tmp_path):
    """Whoever has the wrong folder is told, and changes nothing in it."""
    ours = write_settings(tmp_path / "ours")
    token = start(ours).post("/login", {"username": "admin", "password": "password"}).cookie()
    theirs = write_settings(tmp_path / "theirs", POSTERN_SECRET="e3b0c44298fc1c149afbf4c8996fb924",
                            POSTERN_STATE=tmp_path / "ours/state")
    said = dict(fcgi.parameters("POST", "/login", CONTENT_TYPE=fcgi.FORM, CONTENT_LENGTH="32"))
    out, log = fcgi.run_cgi(theirs, said, subprocess.PIPE).communicate(
        b"username=admin&password=password")
    assert out.startswith(b"Status: 503") and b"Set-Cookie" not in out
    assert b"the store is another site's, or the secret has changed: set POSTERN_SECRET_PREVIOUS, or remove the record site/site" in log
    assert good(start(ours, "welcome.fcgi"), token)


def test_without_a_state_the_pages_say_what_signing_out_does(make_site):
    site = make_site(cgi_site, POSTERN_STATE="none")
    token = site.sign_in().token
    browser = {**BROWSER, "Cookie": "token=" + token}
    for path in (site.welcome, site.logout, site.login):
        page = site.get(path, browser)
        assert page.status == 200 and "Signing out clears this browser only." in page.text
        assert page.text.count('value="1" hidden>') == (path != site.login)
    reply = site.post(site.logout, headers=browser)
    assert reply.status == 303 and "Max-Age=0" in str(reply.headers)
    assert site.get(site.welcome, cookie(token)).status == 200
    # It does not claim to have done what it cannot do.
    reply = site.post(site.logout, {"everywhere": "1"}, browser)
    assert reply.status == 503 and "could not be recorded" in reply.text
    assert "Max-Age=0" in str(reply.headers)


def test_with_a_state_the_pages_have_both_buttons(site):
    browser = {**BROWSER, "Cookie": "token=" + site.sign_in().token}
    for path in (site.welcome, site.logout):
        page = site.get(path, browser).text
        assert "this browser only" not in page and 'name="everywhere" value="1" >' in page


def test_while_the_state_is_not_to_be_had_nobody_is_in_or_out(make_site):
    site = make_site()
    token = site.sign_in().token
    # Both programs have read their settings by now.
    assert site.get(site.welcome, cookie(token)).status == 200
    state = site.folder / "build/demo/state"
    state.rename(state.with_name("moved"))
    browser = {**BROWSER, "Cookie": "token=" + token}
    for reply in (site.get(site.welcome, cookie(token)), site.sign_in(),
                  site.get(site.welcome, browser)):
        assert reply.status == 503 and "Set-Cookie" not in reply.headers
        assert reply.headers["Cache-Control"] == "no-store"
    # Who signs out is out in this browser at least, and is told that it is no more than that.
    for fields in ({}, {"everywhere": "1"}):
        reply = site.post(site.logout, fields, cookie(token))
        assert (reply.status, reply.text) == (503, '{"message":"Logout could not be recorded"}')
        assert "Max-Age=0" in str(reply.headers)
        page = site.post(site.logout, fields, browser)
        assert page.status == 503 and "Signed out in this browser only" in page.text
    assert "event=state file=sessions/admin reason=\"No such file or directory\"" \
        in site.log.read_text()
    state.with_name("moved").rename(state)
    # A process that starts in such a moment takes its settings for wrong, for a second.
    wait_until(lambda: site.get(site.welcome, cookie(token)).status == 200)
    wait_until(lambda: site.sign_in().status == 200)


# -- going on ----------------------------------------------------------------------------------

def test_who_stays_active_stays_for_eight_hours_and_no_longer(start, faults, tmp_path):
    env = write_settings(tmp_path)
    token = start(env).post("/login", {"username": "admin", "password": "password"}).cookie()
    welcome, renewed = start(env, "welcome.fcgi"), 0
    for now in range(0, 28800, 100):
        faults.at(now)
        reply = welcome.fetch(HTTP_COOKIE="token=" + token)
        assert reply.status == 200, now
        new = reply.cookie()
        if new is not None:
            renewed += 1
            token = new
            left = 28800 - now
            assert "Max-Age=%d;" % min(300, left) in reply.header("Set-Cookie") or left < 300
    assert 100 < renewed < 200
    faults.at(28802)
    assert welcome.fetch(HTTP_COOKIE="token=" + token).status == 400


def test_who_goes_away_for_the_life_of_a_token_is_out(start, faults, tmp_path):
    env = write_settings(tmp_path)
    token = start(env).post("/login", {"username": "admin", "password": "password"}).cookie()
    welcome = start(env, "welcome.fcgi")
    faults.at(140)
    assert welcome.fetch(HTTP_COOKIE="token=" + token).cookie() is None
    faults.at(301)
    assert not good(welcome, token)


@pytest.mark.slow
def test_a_session_in_real_time(make_site):
    """Short settings and no trick: nothing interrupts it, then it ends."""
    site = make_site(POSTERN_TOKEN_TTL=4, POSTERN_SESSION_TTL=8)
    token, started = site.sign_in().token, time.time()
    while time.time() < started + 6.5:
        reply = site.get(site.welcome, {**BROWSER, "Cookie": "token=" + token})
        assert reply.status == 200, time.time() - started
        token = reply.token or token
        time.sleep(0.05)
    while site.get(site.welcome, cookie(token)).status == 200:
        assert time.time() < started + 10
        time.sleep(0.05)
    assert time.time() > started + 7


def test_a_bearer_token_is_never_renewed(start, faults, tmp_path):
    env = write_settings(tmp_path)
    token = start(env).post("/login", {"username": "admin", "password": "password"}).cookie()
    welcome = start(env, "welcome.fcgi")
    faults.at(200)
    reply = welcome.fetch(HTTP_AUTHORIZATION="Bearer " + token)
    assert reply.status == 200 and reply.cookie() is None
    reply = welcome.fetch(HTTP_COOKIE="token=" + token)
    assert reply.status == 200 and reply.cookie() not in (None, token)


@pytest.mark.parametrize("state", [True, False], ids=["state", "no-state"])
@pytest.mark.parametrize("change", ["removed", "password", "file-gone", "damaged-line"])
def test_a_user_who_is_no_more_is_out_within_the_life_of_a_token(start, faults, tmp_path, change,
                                                                 state):
    env = write_settings(tmp_path, **({} if state else {"POSTERN_STATE": "none"}))
    users = tmp_path / "users"
    token = start(env).post("/login", {"username": "admin", "password": "password"}).cookie()
    welcome = start(env, "welcome.fcgi")
    before = users.read_text()
    if change == "file-gone":
        users.unlink()
    else:
        users.write_text({"removed": "grace:%s\n" % hashed("x"), "damaged-line": "admin:*\n",
                          "password": "admin:%s\n" % hashed("new")}[change])
    faults.at(250)
    # The old token is as good as it was: no cookie is set or cleared, nobody is sent away.
    for more in ({}, HTML):
        reply = welcome.fetch(HTTP_COOKIE="token=" + token, **more)
        assert reply.status == 200 and reply.header("Set-Cookie") == ""
    if change == "file-gone":
        users.touch(0o600)
        users.write_text(before)
        assert welcome.fetch(HTTP_COOKIE="token=" + token).cookie() is not None
    faults.at(301)
    assert not good(welcome, token)


def test_an_ended_session_is_not_renewed(start, faults, tmp_path):
    env = write_settings(tmp_path)
    login, welcome = start(env), start(env, "welcome.fcgi")
    token = login.post("/login", {"username": "admin", "password": "password"}).cookie()
    faults.at(200)
    newer = welcome.fetch(HTTP_COOKIE="token=" + token).cookie()
    assert login.post("/logout", {}, "token=" + token).status == 200
    # Both are of the session that was ended, and stay so until they are over.
    for now in (200, 299, 400, 499):
        faults.at(now)
        assert not good(welcome, token) and not good(welcome, newer)


def test_a_new_secret_signs_nobody_out(start, faults, tmp_path):
    old, new = "0f" * 4 + "8d969eef6ecad3c29a3a629280e686cf", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4"
    before = write_settings(tmp_path / "old", POSTERN_SECRET=old)
    token = start(before).post("/login", {"username": "admin", "password": "password"}).cookie()
    after = write_settings(tmp_path / "new", POSTERN_SECRET=new, POSTERN_SECRET_PREVIOUS=old,
                           POSTERN_USERS=tmp_path / "old/users",
                           POSTERN_STATE=tmp_path / "old/state")
    welcome = start(after, "welcome.fcgi")
    faults.at(200)
    renewed = welcome.fetch(HTTP_COOKIE="token=" + token).cookie()
    assert renewed is not None
    only_new = write_settings(tmp_path / "only", POSTERN_SECRET=new,
                              POSTERN_USERS=tmp_path / "old/users",
                              POSTERN_STATE=tmp_path / "old/state")
    welcome = start(only_new, "welcome.fcgi")
    assert good(welcome, renewed) and not good(welcome, token)
