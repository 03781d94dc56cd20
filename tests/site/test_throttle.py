"""Who may try, and how often: nobody guesses, and nobody is shut out."""
import concurrent.futures
import itertools
import re

import pytest

import fcgi
from conftest import BROWSER, PLAIN, PROGRAM, cgi_site, cookie, hashed, write_settings

HTML = {"HTTP_ACCEPT": "text/html"}


@pytest.fixture
def env(tmp_path):
    env = write_settings(tmp_path)
    with open(tmp_path / "users", "a") as users:
        users.write("mallory:%s\n" % hashed("password"))
    return env


@pytest.fixture
def login(tmp_path, env, faults):
    """Four processes that share a socket and a state."""
    worker = fcgi.Worker(tmp_path, env, programs=PLAIN, siblings=3,
                         environment=faults.environment)
    yield worker
    for sibling in worker.siblings:
        sibling.terminate()
    worker.stop()


def attempt(login, name="admin", password="wrong", address="203.0.113.7", **more):
    return login.post("/login", {"username": name, "password": password}, REMOTE_ADDR=address,
                      **more)


def statuses(login, times, **more):
    return [attempt(login, **more).status for _ in range(times)]


@pytest.mark.parametrize("name", ["admin", "nobody"])
def test_of_fifty_at_once_five_are_hashed(login, faults, name):
    with concurrent.futures.ThreadPoolExecutor(50) as clients:
        replies = list(clients.map(lambda _: attempt(login, name), range(50)))
    assert sorted(reply.status for reply in replies) == [401] * 5 + [429] * 45
    assert faults.hashes == 5
    late = [reply for reply in replies if reply.status == 429]
    assert all(reply.text == '{"message":"Too many attempts"}' for reply in late)
    assert all(0 < int(reply.header("Retry-After")) <= 120 for reply in late)
    # The right password waits too, and costs nothing.
    assert attempt(login, name, "password").status == 429 and faults.hashes == 5
    log = login.stderr.read_text()
    assert "password" not in log.replace("reason=password", "")


def test_known_and_unknown_names_cost_the_same(login, faults):
    """Hashes, not seconds: for each reply as many are computed, whatever the name."""
    seen = {}
    for name in ("admin", "nobody", "grace-hopper", "n" * 70, "a b"):
        seen[name] = []
        for i in range(8):
            before = faults.hashes
            reply = attempt(login, name, address="198.51.100.%d" % len(seen))
            seen[name].append((reply.status, reply.header("Retry-After") != "", reply.text,
                               faults.hashes - before))
    assert len({str(replies) for replies in seen.values()}) == 1, seen


def test_thirty_names_from_one_address(login):
    names = ["name%d" % i for i in range(31)]
    assert [attempt(login, name).status for name in names] == [401] * 30 + [429]
    assert attempt(login, password="password").status == 429
    assert attempt(login, password="password", address="203.0.113.8").status == 200


def test_a_neighbour_of_the_same_64_bits_is_the_same_client(login):
    addresses = ["2001:db8::%x" % i for i in range(1, 32)]
    replies = [attempt(login, "name%d" % i, address=a) for i, a in enumerate(addresses)]
    assert [reply.status for reply in replies] == [401] * 30 + [429]
    assert attempt(login, address="2001:db8:0:1::1").status == 401


def test_an_account_of_ones_own_does_not_wipe_the_slate(login):
    assert [attempt(login, "name%d" % i).status for i in range(29)] == [401] * 29
    for _ in range(5):
        assert attempt(login, "mallory", "password").status == 200
    assert statuses(login, 2) == [401, 429]


def test_the_owners_sign_in_reopens_nothing_for_others(login):
    assert statuses(login, 6) == [401] * 5 + [429]
    assert attempt(login, password="password", address="198.51.100.1").status == 200
    assert statuses(login, 1) == [429]


def test_a_success_forgives_the_tries_before_it(login):
    for _ in range(3):
        assert statuses(login, 4) == [401] * 4
        assert attempt(login, password="password").status == 200


def test_after_a_quiet_time_all_is_as_new(login, faults):
    assert statuses(login, 6) == [401] * 5 + [429]
    assert int(attempt(login).header("Retry-After")) <= 120
    faults.at(125)
    assert statuses(login, 2) == [401, 429]
    faults.at(125 + 605)
    assert statuses(login, 6) == [401] * 5 + [429]


def test_the_clock_goes_back_and_forth(login, faults):
    assert statuses(login, 3) == [401] * 3
    faults.at(-86400)
    # Full, not more: the name from everywhere, and one try of it drains in ten minutes.
    reply = attempt(login)
    assert reply.status == 429 and int(reply.header("Retry-After")) == 600
    faults.at(-86400 + 605)
    assert statuses(login, 2) == [401, 429]
    faults.at(86400)
    assert statuses(login, 6) == [401] * 5 + [429]


@pytest.mark.slow
def test_ten_thousand_guesses_do_not_hold_up_the_owner(login, faults):
    """From 1,000 addresses, the owner's among them; a browser that signed in before is let in."""
    here = "127.1.0.1"
    first = attempt(login, password="password", address=here, **HTML)
    device = "token-device=" + first.cookie("token-device")
    addresses = itertools.cycle(["127.1.%d.%d" % (i // 250, 1 + i % 250) for i in range(1000)])
    assert next(addresses) == here
    before = faults.hashes

    def guess(address):
        return attempt(login, address=address).status, attempt(login, "nobody", address=address).status

    with concurrent.futures.ThreadPoolExecutor(8) as clients:
        seen = list(clients.map(guess, itertools.islice(addresses, 10000)))
    assert faults.hashes - before == 200
    for one in zip(*seen):
        assert one.count(401) == 100 and one.count(429) == 9900
    assert attempt(login, password="password", address=here).status == 429
    for _ in range(12):
        good = attempt(login, password="password", address=here, cookie=device, **HTML)
        assert good.status == 303
    assert attempt(login, password="wrong", address=here, cookie=device).status == 401


def test_a_browser_that_signed_in_before_is_counted_by_itself(login):
    first = attempt(login, password="password", **HTML)
    device = "token-device=" + first.cookie("token-device")
    # Ten tries, and what it tries is nobody else's burden.
    assert statuses(login, 11, cookie=device) == [401] * 10 + [429]
    assert attempt(login, password="password", cookie=device).status == 429
    assert statuses(login, 6) == [401] * 5 + [429]
    # With another name it is a browser as any other.
    assert statuses(login, 6, name="mallory", cookie=device, address="198.51.100.2") \
        == [401] * 5 + [429]


def test_planted_device_cookies_do_not_hide_the_good_one(login):
    first = attempt(login, password="password", **HTML)
    device = "token-device=" + first.cookie("token-device")
    assert statuses(login, 6) == [401] * 5 + [429]
    planted = "token-device=x; " * 179
    assert attempt(login, password="password", cookie=planted + device).status == 200
    assert attempt(login, password="password", cookie=planted).status == 429


def test_the_device_cookie_is_that_of_a_browser(site):
    reply = site.sign_in(headers=BROWSER)
    token, device = reply.headers.get_all("Set-Cookie")
    assert token.startswith("token=")
    assert re.fullmatch(r"token-device=[0-9a-f]{32}\.\d{10}\.[0-9a-f]{64}; Path=/; "
                        r"Max-Age=15552000; HttpOnly; SameSite=Lax", device)
    value = device.partition("=")[2].partition(";")[0]
    again = site.sign_in(headers={**BROWSER, "Cookie": "token-device=" + value})
    next_device = again.headers.get_all("Set-Cookie")[1]
    assert next_device[:46] == device[:46]  # the same browser
    assert site.sign_in(headers=BROWSER).headers.get_all("Set-Cookie")[1][:46] != device[:46]
    # Signing out leaves it: the browser is still the owner's.
    out = site.post(site.logout, headers={**BROWSER, "Cookie": "token=" + reply.token})
    assert "device" not in str(out.headers)


def test_a_device_cookie_is_no_session_and_a_session_no_device(login, tmp_path, env):
    first = attempt(login, password="password", **HTML)
    token, device = first.cookie(), first.cookie("token-device")
    (tmp_path / "w").mkdir()
    welcome = fcgi.Worker(tmp_path / "w", env, "welcome.fcgi")
    assert welcome.fetch(HTTP_COOKIE="token=" + token).status == 200
    assert welcome.fetch(HTTP_COOKIE="token=" + device).status == 400
    assert welcome.fetch(HTTP_COOKIE="token-device=" + device).status == 401
    assert welcome.fetch(HTTP_AUTHORIZATION="Bearer " + device).status == 401
    welcome.stop()
    assert statuses(login, 6, cookie="token-device=" + token) == [401] * 5 + [429]


def test_a_new_password_makes_a_device_cookie_worthless(login, tmp_path):
    first = attempt(login, password="password", **HTML)
    device = "token-device=" + first.cookie("token-device")
    (tmp_path / "users").write_text("admin:%s\n" % hashed("new"))
    assert statuses(login, 6, cookie=device) == [401] * 5 + [429]


@pytest.mark.parametrize("change", [lambda v: v[:-1] + "0" if v[-1] != "0" else v[:-1] + "1",
                                    lambda v: "0" * 32 + v[32:], lambda v: v + "x",
                                    lambda v: v.replace(".1", ".9", 1), lambda v: "", lambda v: "."])
def test_a_device_cookie_that_is_not_ours(login, change):
    device = attempt(login, password="password", **HTML).cookie("token-device")
    assert statuses(login, 6, cookie="token-device=" + change(device)) == [401] * 5 + [429]


def test_a_device_cookie_is_over_after_180_days(login, faults):
    device = "token-device=" + attempt(login, password="password", **HTML).cookie("token-device")
    faults.at(180 * 86400 - 60)
    assert statuses(login, 6, cookie=device) == [401] * 6
    faults.at(180 * 86400 + 86400)
    assert statuses(login, 6, cookie=device) == [401] * 5 + [429]


@pytest.mark.parametrize("header", ["HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED", "HTTP_X_REAL_IP"])
def test_behind_a_proxy_of_this_machine_addresses_tell_nothing(login, header):
    """What it says of its client is not believed either: anybody can say that."""
    proxied = {"address": "127.0.0.1", header: "203.0.113.9"}
    assert statuses(login, 40, **proxied) == [401] * 40
    with login.connect() as connection:
        body = b"username=nobody&password=x"
        connection.sendall(fcgi.opening(fcgi.parameters(
            "POST", "/login", CONTENT_TYPE=fcgi.FORM, CONTENT_LENGTH=str(len(body)),
            REMOTE_ADDR="::1", **{header: "x"})) + fcgi.record(fcgi.STDIN, body) +
            fcgi.record(fcgi.STDIN))
        said = fcgi.read_reply(connection)[fcgi.STDERR]
    assert b'event=config reason="tries are not counted by address: REMOTE_ADDR' in said
    assert statuses(login, 61, **proxied) == [401] * 60 + [429]
    # From elsewhere such a header means nothing.
    assert statuses(login, 6, name="mallory", **{header: "127.0.0.1"}) == [401] * 5 + [429]


def test_a_forwarding_header_does_not_change_who_one_is(login):
    seen = [attempt(login, HTTP_X_FORWARDED_FOR="198.51.100.%d" % i,
                    HTTP_FORWARDED="for=198.51.100.%d" % i).status for i in range(20)]
    assert seen == [401] * 5 + [429] * 15


def test_a_browser_is_told_how_long_to_wait(site):
    address = "127.200.0.1" if site.login == "/login" else "127.200.0.2"
    fields = {"username": "zoe", "password": "x", "next": "/there"}
    for _ in range(5):
        assert site.post(site.login, fields, BROWSER, address).status == 401
    reply = site.post(site.login, fields, BROWSER, address)
    assert reply.status == 429 and 0 < int(reply.headers["Retry-After"]) <= 120
    assert re.search(r'role="alert">Too many attempts. Try again in [12] minutes?\.<', reply.text)
    assert 'value="zoe"' in reply.text and 'value="/there"' in reply.text
    assert reply.headers["Cache-Control"] == "no-store"
    program = site.post(site.login, fields, PROGRAM, address)
    assert (program.status, program.text) == (429, '{"message":"Too many attempts"}')
    assert 'event=throttled user=? ip=%s wait=' % address in site.log.read_text() \
        or site.login != "/login"


def test_a_missing_password_is_no_try(login, faults):
    for fields in ({"username": "admin"}, {"password": "x"}, {"username": "admin", "password": ""}):
        for _ in range(10):
            assert login.post("/login", fields, REMOTE_ADDR="203.0.113.7").status == 401
    assert faults.hashes == 0
    assert attempt(login, password="password").status == 200


def test_plain_cgi_shares_the_count(make_site):
    """Every request is a process of its own."""
    site = make_site(cgi_site)
    seen = [site.sign_in(password="wrong", address="127.9.9.9").status for _ in range(7)]
    assert seen == [401] * 5 + [429] * 2
    assert site.sign_in(address="127.9.9.9").status == 429
    assert site.get(site.welcome, cookie(site.sign_in().token)).status == 200


@pytest.mark.slow
def test_many_names_that_do_not_exist(login, faults, tmp_path):
    """They fill the state no further than its bound, and keep nobody out."""
    def guess(i):
        address = "127.%d.%d.1" % (i // 20 // 250, i // 20 % 250)
        return attempt(login, "bogus%d" % i, address=address).status

    (tmp_path / "users").write_text("admin:%s\n" % hashed("password", "bcrypt-a").replace(
        "$05$", "$05$"))
    with concurrent.futures.ThreadPoolExecutor(8) as clients:
        assert set(clients.map(guess, range(5000))) == {401}
    held = sum(f.stat().st_size for f in (tmp_path / "state").iterdir())
    assert held < 16 << 20
    assert attempt(login, password="password", address="192.0.2.1").status == 200
