"""Several hosts that share their store on Redis, and what becomes of that when it breaks.

The answers are those of the table in postern.env(5): a test measures the rows that it is about.
"""
import collections
import concurrent.futures
import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time

import pytest

import fcgi
from cluster import (MASTER_PORT, PASSWORD, REPLICA_PORT, SECOND, SENTINEL_PORT, Cluster, Host, Redis,
                     Sentinel, Watch)
from conftest import PLAIN, ROOT, Faults, cookie, wait_until, write_settings

PAGE = (ROOT / "man/postern.env.5").read_text()
ROWS = dict(re.findall(r"(?m)^([^\t\n]+)((?:\t\d{3}){4})$", PAGE))
RESTARTS = int(os.environ.get("RESTARTS", 20))


@pytest.fixture(scope="module", autouse=True)
def root():
    """Only root can make hosts. Any other user is root in a namespace for users of his own."""
    if os.geteuid() == 0:
        return
    subprocess.run(["unshare", "-Ur", sys.executable, "-m", "pytest", "-q", __file__], check=True)
    pytest.skip("they have passed, as root of another namespace")


def row(name):
    """What the man page says: for an open session, a revoked one, sign-in and sign-out."""
    return tuple(map(int, ROWS[name].split()))


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with Cluster(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def three(cluster):
    """Three web servers, as they come: no grace."""
    with cluster.serving() as sites:
        yield sites


@pytest.fixture
def sites(three, cluster):
    """The same, while all is well: a test may leave Redis only just back."""
    wait_until(lambda: all(site.sign_in().status == 200 for site in three))
    wait_for_all(three, *good_and_ended(three))
    return three


def sign_in(site, **more):
    reply = site.sign_in(**more)
    assert reply.status == 200, reply.text
    return reply.token


def good_and_ended(sites):
    good, ended = sign_in(sites[0]), sign_in(sites[1])
    wait_until(lambda: sites[2].sign_out(ended).status == 200)
    return good, ended


def answers(site, good, ended, spare, limit):
    """The row of the table that a host gives."""
    replies = [site.get(site.gate, cookie(good)), site.get(site.gate, cookie(ended)),
               site.sign_in(), site.sign_out(spare)]
    assert max(reply.seconds for reply in replies) < limit
    return tuple(reply.status for reply in replies)


def assert_row(name, sites, good, ended, spares, limit=SECOND):
    """All hosts give this row of the table."""
    with concurrent.futures.ThreadPoolExecutor(len(sites)) as askers:
        found = list(askers.map(answers, sites, *zip(*((good, ended, spare, limit) for spare in spares))))
    assert found == [row(name)] * len(sites)


def wait_for_all(sites, good, ended):
    """Until no process of any host says 503 any more; how long it took."""
    began = last = time.monotonic()

    def is_well(site):
        return site.check(good) == 200

    def begins_and_ends(site):
        """A session, where it can be ended: a hundred that stay open put `good` off the list."""
        if site.sign_out(ended).status != 200:
            return False
        begun = site.sign_in()
        return begun.status == 200 == site.sign_out(begun.token).status

    def have_been_well():
        """For longer than a process leaves Redis alone. Two at a time ask both of a host."""
        nonlocal last
        well = [*askers.map(is_well, sites * 2), *map(begins_and_ends, sites)]
        if not all(well):
            last = time.monotonic()
        return time.monotonic() > last + SECOND

    with concurrent.futures.ThreadPoolExecutor(2 * len(sites)) as askers:
        wait_until(have_been_well)
    return last - began


# -- all is well ------------------------------------------------------------------------------

def test_the_man_page_has_a_table():
    assert len(ROWS) == 11


def test_a_token_of_one_host_is_good_on_the_others(sites):
    tokens = [sign_in(site) for site in sites]
    for token in tokens:
        assert [site.check(token) for site in sites] == [200] * 3
        assert [site.get(site.welcome, cookie(token)).status for site in sites] == [200] * 3


def test_who_signs_out_on_one_host_is_out_on_all_at_the_next_request(sites):
    for leaving in range(3):
        tokens = [sign_in(site) for site in sites]
        for token in tokens:
            assert [site.check(token) for site in sites] == [200] * 3
            assert sites[leaving].sign_out(token).status == 200
            assert [site.check(token) for site in sites] == [401] * 3
            assert [site.get(site.welcome, cookie(token)).status for site in sites] == [400] * 3


def test_signing_out_everywhere_means_all_hosts(sites):
    tokens = [sign_in(site) for site in sites]
    other = sign_in(sites[0], name="grace-hopper", password="pass&word=1+1%20é")
    assert sites[1].sign_out(tokens[0], everywhere="1").status == 200
    assert [site.check(token) for site in sites for token in tokens] == [401] * 9
    # At once somebody may begin anew, on any host.
    for token in [sign_in(site) for site in sites]:
        assert [site.check(token) for site in sites] == [200] * 3
    assert sites[2].check(other) == 200


def test_attempts_are_counted_over_all_hosts(sites):
    def guess(i):
        return sites[i % 3].sign_in("nobody", "wrong").status

    with concurrent.futures.ThreadPoolExecutor(6) as clients:
        assert sorted(clients.map(guess, range(15))) == [401] * 5 + [429] * 10
    assert [site.sign_in("nobody", "wrong").status for site in sites] == [429] * 3


# -- the hosts disagree on the time -----------------------------------------------------------

@pytest.fixture
def apart(cluster, fault_library, tmp_path):
    """Hosts whose clocks are up to half a minute apart."""
    environments = []
    for seconds in (0, 30, 15):
        (folder := tmp_path / str(seconds)).mkdir()
        clock = Faults(fault_library, folder)
        clock.at(seconds)
        environments.append(clock.environment)
    with cluster.serving(PLAIN, environments=environments) as sites:
        yield sites


def test_a_token_of_a_host_with_another_time(apart):
    for token in [sign_in(site) for site in apart]:
        assert [site.check(token) for site in apart] == [200] * 3


@pytest.mark.parametrize("everywhere", [{}, {"everywhere": "1"}], ids=["one", "everywhere"])
def test_signing_out_on_a_host_with_another_time(apart, everywhere):
    for leaving in apart:
        for begun in apart:
            token = sign_in(begun)
            assert [site.check(token) for site in apart] == [200] * 3
            assert leaving.sign_out(token, **everywhere).status == 200
            assert [site.check(token) for site in apart] == [401] * 3


def test_others_are_ended_from_a_host_with_another_time(apart):
    for leaving in apart:
        tokens = [sign_in(site) for site in apart]
        assert [site.check(token) for site in apart for token in tokens] == [200] * 9
        for token in tokens:
            if leaving.check(token) == 200:
                assert leaving.sign_out(token, everywhere="1").status == 200
                break
        assert [site.check(token) for site in apart for token in tokens] == [401] * 9


def test_attempts_are_counted_over_hosts_with_another_time(apart):
    """Never more than five; one that drains for half a minute longer may make it four."""
    statuses = [apart[i % 3].sign_in("somebody", "wrong").status for i in range(15)]
    allowed = statuses.count(401)
    assert allowed in (4, 5) and statuses.count(429) == 15 - allowed


def test_no_revoked_session_comes_back_with_another_time(cluster, apart):
    good, ended = sign_in(apart[0]), sign_in(apart[1])
    assert apart[2].sign_out(ended).status == 200
    cluster.restart_empty()
    assert [site.check(token) for site in apart for token in (ended, good)] == [401] * 6
    for token in [sign_in(site) for site in apart]:
        assert [site.check(token) for site in apart] == [200] * 3


# -- Redis breaks -------------------------------------------------------------------------------

def spares(sites):
    """Tokens to sign out with."""
    return [sign_in(site) for site in sites]


def test_it_answers(sites):
    assert_row("answers", sites, *good_and_ended(sites), spares(sites))


def test_it_is_stopped_and_comes_back_with_its_data(cluster, sites):
    good, ended = good_and_ended(sites)
    leaving = spares(sites)
    with Watch(sites, good, ended) as watch:
        with cluster.master.stopped():
            down = time.monotonic()
            # The replica is there, and is not asked: it may be behind.
            assert_row("is stopped", sites, good, ended, leaving)
            watch.ask_again()
            assert watch.statuses(True, down) == watch.statuses(False, down) == {503}
        assert wait_for_all(sites, good, ended) < 2
        assert_row("is back, with its data", sites, good, ended, leaving)
    assert watch.statuses(True) == {200, 503} and watch.statuses(False) == {401, 503}


FAULTS = {
    "the cable": lambda cluster: cluster.unplugged(cluster.redis_host),
    "every packet": lambda cluster: cluster.dropped(),
    "it hangs": lambda cluster: cluster.master.hung(),
}


@pytest.mark.parametrize("how", FAULTS)
def test_it_is_cut_off(cluster, sites, how):
    good, ended = good_and_ended(sites)
    leaving = spares(sites)
    with Watch(sites, good, ended) as watch:
        with FAULTS[how](cluster):
            down = time.monotonic()
            while time.monotonic() < down + 3:
                assert_row("is cut off", sites, good, ended, leaving)
                watch.ask_again()
            up = time.monotonic()
        assert wait_for_all(sites, good, ended) < 3
        assert_row("is back, with its data", sites, good, ended, leaving)
    assert watch.statuses(True) == {200, 503} and watch.statuses(False) == {401, 503}
    assert watch.statuses(True, down, up) == watch.statuses(False, down, up) == {503}


def test_it_is_slow(cluster, sites):
    good, ended = good_and_ended(sites)
    with cluster.slow(0.1), Watch(sites, good, ended) as watch:
        # A sign-in asks some seven times, and twice more whenever another of that user was faster.
        assert_row("is slow, up to 200 ms", sites, good, ended, spares(sites), 2 * SECOND)
        watch.ask_again()
    assert watch.statuses(True) == {200} and watch.statuses(False) == {401}


def test_it_is_too_slow(cluster, sites):
    good, ended = good_and_ended(sites)
    leaving = spares(sites)
    with Watch(sites, good, ended) as watch:
        with cluster.slow(0.4):
            down = time.monotonic()
            while time.monotonic() < down + 3:
                assert_row("is slower", sites, good, ended, leaving)
                watch.ask_again()
            up = time.monotonic()
        assert wait_for_all(sites, good, ended) < 3
    assert watch.statuses(False) == {401, 503}
    assert watch.statuses(True, down, up) == watch.statuses(False, down, up) == {503}


def test_the_address_leads_to_a_replica(cluster, sites):
    """Which has all that the master has, but may be behind it."""
    good, ended = good_and_ended(sites)
    cluster.wait_for_replica()
    with cluster.serving(POSTERN_STATE=cluster.url(REPLICA_PORT)) as new:
        assert_row("is a replica", new, good, ended, spares(sites))


def test_it_comes_back_without_its_data(cluster, sites):
    good, ended = good_and_ended(sites)
    leaving = spares(sites)
    with Watch(sites, good, ended) as watch:
        cluster.restart_empty()
        back = time.monotonic()
        assert_row("is back, without its data", sites, good, ended, leaving)
        watch.ask_again()
        assert sites[0].sign_in().status == 200
    assert 200 not in watch.statuses(False)
    assert watch.statuses(True, back) == {401}
    # All have to sign in again, and can.
    for token in spares(sites):
        assert [site.check(token) for site in sites] == [200] * 3


@pytest.fixture
def watched(tmp_path_factory):
    """A cluster of its own, with a sentinel."""
    folder = tmp_path_factory.mktemp("watched")  # a short name, as sockets lie below
    with Cluster(folder) as cluster:
        sentinel = Sentinel(cluster.redis_host, folder / "sentinel", SENTINEL_PORT, master=MASTER_PORT)
        cluster.callback(sentinel.stop)
        sentinel.start()
        wait_until(lambda: str(REPLICA_PORT) in sentinel.ask("SENTINEL", "REPLICAS", "main"))
        yield cluster


def test_a_replica_becomes_the_master(watched):
    cluster = watched
    with cluster.serving() as sites:
        good, ended = good_and_ended(sites)
        leaving = spares(sites)
        cluster.wait_for_replica()
        with Watch(sites, good, ended) as watch:
            cluster.master.kill()
            assert_row("is stopped", sites, good, ended, leaving)
            assert wait_for_all(sites, good, ended) < 10
            after = "after a fail-over, with its data"
            assert_row(after, sites, good, ended, leaving)
            # What is revoked now, only the new master knows.
            late = sign_in(sites[0])
            assert sites[1].sign_out(late).status == 200
            with Watch(sites, good, late) as second:
                cluster.master.start()
                assert cluster.master.says("master", "ROLE")
                # All connections are made anew while both say that they are the master, and some
                # by processes that have just begun and never had one.
                cluster.replica.ask("CLIENT", "KILL", "TYPE", "normal")
                with cluster.serving() as new:
                    asked = [site.check(token) for site in sites + new for token in (late, ended)]
                    assert set(asked) <= {401, 503}
                    wait_until(lambda: cluster.master.says("slave", "ROLE"))
                    wait_for_all(new, good, late)
                wait_for_all(sites, good, ended)
                assert_row(after, sites, good, late, spares(sites))
        for seen in (watch, second):
            assert seen.statuses(False) <= {401, 503} and seen.statuses(True) <= {200, 503}


def test_a_master_that_hung_is_not_asked_again(watched):
    """Not even by a process that asked nothing meanwhile, and still has its connection."""
    cluster = watched

    def ask_all_processes(token):
        with concurrent.futures.ThreadPoolExecutor(12) as askers:
            return {status for status in askers.map(lambda i: sites[i % 3].check(token), range(48))}

    with cluster.serving() as sites:
        good = sign_in(sites[0])
        assert ask_all_processes(good) == {200}
        cluster.wait_for_replica()
        with cluster.master.hung():
            wait_until(lambda: cluster.replica.says("master", "ROLE"))
            wait_until(lambda: sites[0].sign_in().status == 200)
            late = sign_in(sites[0])
            wait_until(lambda: sites[0].sign_out(late).status == 200)
        assert ask_all_processes(late) <= {401, 503}
        wait_until(lambda: cluster.master.says("slave", "ROLE"))
        wait_for_all(sites, good, late)
        assert ask_all_processes(late) == {401} and ask_all_processes(good) == {200}


# -- the grace --------------------------------------------------------------------------------

@pytest.fixture
def gracious(cluster):
    """One worker each: what another one was told does not count."""
    with cluster.serving(workers=1, POSTERN_STATE_GRACE=30) as sites:
        yield sites


@pytest.mark.parametrize("name, how", [
    ("is stopped, with grace", lambda cluster: cluster.master.stopped()),
    ("is cut off, with grace", FAULTS["every packet"])], ids=["stopped", "cut-off"])
def test_who_was_let_in_stays_in_for_the_grace(cluster, gracious, name, how):
    good, ended = good_and_ended(gracious)
    unknown = sign_in(gracious[0])
    leaving = spares(gracious)
    # The last one to be told of this session ends it: it does not pass there any more.
    left = sign_in(gracious[0])
    for site in gracious:
        assert [site.check(token) for token in (good, ended, left)] == [200, 401, 200]
    assert gracious[0].sign_out(left).status == 200
    assert [site.check(left) for site in gracious] == [401] * 3
    with Watch(gracious, good, ended) as watch:
        with how(cluster):
            down = time.monotonic()
            while time.monotonic() < down + 3:
                assert_row(name, gracious, good, ended, leaving)
                assert [site.check(token) for site in gracious for token in (left, unknown)] \
                    == [503] * 6
                watch.ask_again()
        wait_for_all(gracious, unknown, ended)
    assert watch.statuses(True) == {200} and watch.statuses(False) == {401, 503}


# -- a thousand times -------------------------------------------------------------------------

def test_a_worker_survives_restarts(tmp_path):
    """RESTARTS of them, under load: no wrong pass, no wait, no leak."""
    env = write_settings(tmp_path / "settings", POSTERN_TOKEN_TTL=86400, POSTERN_SESSION_TTL=86400,
                         POSTERN_STATE="redis://postern:%s@127.0.0.1:%d" % (PASSWORD, MASTER_PORT))
    with contextlib.ExitStack() as stack:
        host = Host("127.0.0.1")
        stack.callback(host.close)
        redis = Redis(host, tmp_path / "redis", MASTER_PORT)
        stack.callback(redis.stop)
        redis.start()
        login = host.do(fcgi.Worker, tmp_path, env, programs=PLAIN)
        stack.callback(login.stop)
        worker = host.do(fcgi.Worker, tmp_path, env, "welcome.fcgi", programs=PLAIN)
        stack.callback(worker.stop)
        good, ended = (fcgi.Reply(login.sign_in()).cookie() for _ in range(2))
        assert login.post("/logout", {}, "token=" + ended).status == 200
        survive(worker, redis, good, ended)


def survive(worker, redis, good, ended):
    def check(token):
        return worker.authorize(HTTP_COOKIE="token=" + token).status

    def restart(times):
        with goods, endeds:
            for _ in range(times):
                redis.kill()
                redis.launch()
                wait_until(lambda: check(good) == 200)
        return worker.resident, worker.descriptors

    goods, endeds = Load(check, good), Load(check, ended)
    before, after = restart(RESTARTS // 10), restart(RESTARTS - RESTARTS // 10)
    slowest = max(goods.slowest, endeds.slowest)
    print("%d restarts: %s, %s; the slowest answer took %.3f s; %d KiB, then %d" % (
        RESTARTS, dict(goods.statuses), dict(endeds.statuses), slowest, before[0], after[0]))
    assert set(goods.statuses) == {200, 503} and set(endeds.statuses) == {401, 503}
    assert slowest < SECOND
    assert after[0] <= before[0] + 128
    # The last connection of a client may not be closed yet.
    wait_until(lambda: worker.descriptors <= before[1])
    assert worker.process.poll() is None


class Load:
    """Two clients that ask the same again and again."""

    def __init__(self, check, token):
        self.statuses, self.slowest = collections.Counter(), 0
        self._check, self._token = check, token

    def _ask(self):
        while not self._over.is_set():
            began = time.monotonic()
            status = self._check(self._token)
            self.slowest = max(self.slowest, time.monotonic() - began)
            self.statuses[status] += 1

    def __enter__(self):
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(2)]
        for thread in self._threads:
            thread.start()

    def __exit__(self, *_):
        self._over.set()
        for thread in self._threads:
            thread.join()
