"""What the tests stand on: the real programs, behind a real lighttpd, on free ports of loopback."""
import http.client
import itertools
import os
import pathlib
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.parse

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from secrets_seen import SEEN

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAMS = ROOT / "build/san/cgi-bin"  # under sanitizers
PLAIN = ROOT / "cgi-bin"  # as they are installed
AXE = ROOT / "tests/site/node_modules/axe-core/axe.min.js"
SECRET = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
USERS = {"admin": "password", "grace hopper".replace(" ", "-"): "pass&word=1+1%20é"}

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8", "Sec-Fetch-Mode": "navigate"}
PROGRAM = {"Accept": "*/*"}


# Of clients: all are this machine. No generator, as threads share it.
ADDRESSES = map(lambda i: "127.%d.%d.%d" % (1 + i // 62500 % 250, 1 + i // 250 % 250, 1 + i % 250),
                itertools.count())


# Below those that the system gives to clients, and for each process of the tests others: so nobody
# takes one between here and the server that it is for.
PORTS = itertools.count(11000 + 5000 * (int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % 4))


def free_port():
    for port in PORTS:
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                pass  # somebody else's


def wait_until(what, seconds=15):
    """Poll `what` until it is true; its last value."""
    end = time.monotonic() + seconds
    while not (value := what()):
        assert time.monotonic() < end, "nothing happened for %d s" % seconds
        time.sleep(0.01)
    return value


def connects(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


def hashed(password, method="sha512crypt"):
    made = subprocess.run(["mkpasswd", "-s", "-m", method], input=password.encode(),
                          stdout=subprocess.PIPE, check=True)
    SEEN.keep(password)
    return SEEN.keep(made.stdout.decode().strip())


def write_private(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(0o600)
    path.write_text(text)


def write_settings(folder, **settings):
    """An environment file and a user file in `folder`; the path of the first."""
    users = folder / "users"
    write_private(users, "".join("%s:%s\n" % (n, hashed(p)) for n, p in USERS.items()))
    state = folder / "state"
    state.mkdir(0o700, exist_ok=True)
    settings = {"POSTERN_SECRET": SECRET, "POSTERN_USERS": users, "POSTERN_STATE": state,
                **settings}
    for name, value in settings.items():
        if name.startswith("POSTERN_SECRET"):
            SEEN.keep(value)
    env = folder / "postern.env"
    write_private(env, "".join("%s=%s\n" % s for s in settings.items()))
    return env


def log_files(folder):
    """Of the servers and programs that lived in this folder or below."""
    return [f for f in folder.rglob("*")
            if f.is_file() and (f.name.startswith("sanitizer") or f.suffix == ".log")]


class Reply:
    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    @property
    def text(self):
        return self.body.decode()

    @property
    def token(self):
        cookie = self.headers.get("Set-Cookie", "")
        return cookie.partition("=")[2].partition(";")[0]


def cgid_listens(folder):
    """Has mod_cgid's process a socket here, which root has given to Apache's user? Else: 503."""
    return any(os.geteuid() != 0 or s.stat().st_uid != 0 for s in folder.glob("cgid.socket*"))


class Site:
    """A lighttpd in the foreground, stopped at the end; `login`, `logout`, `welcome` are paths."""

    command = ["/usr/sbin/lighttpd", "-D", "-f"]
    patience = 30  # seconds that a reply may take

    def __init__(self, folder, config, port, login="/login", logout="/logout", welcome="/welcome",
                 log="lighttpd.log", events="lighttpd.log", cgid=None):
        self.folder, self.port = folder, port
        self.login, self.logout, self.welcome = login, logout, welcome
        self.log = folder / log
        self.events = folder / events  # where the lines of our programs are
        env = {**os.environ, "PORT": str(port),
               "ASAN_OPTIONS": "log_path=%s" % (folder / "sanitizer")}
        with open(self.log, "ab") as log:
            # In a process group of its own: an Apache that stops tells all of its group to.
            self.process = subprocess.Popen([*self.command, config], cwd=folder, env=env,
                                            stdout=log, stderr=log, start_new_session=True)
        wait_until(lambda: self.process.poll() is not None or
                   connects(port) and (cgid is None or cgid_listens(cgid)))
        assert self.process.poll() is None, self.log.read_text()

    def stop(self):
        self.process.terminate()
        self.process.wait(30)
        said = "".join(f.read_text(errors="replace") for f in log_files(self.folder))
        assert "Sanitizer" not in said and "runtime error" not in said, said

    def request(self, method, path, body=None, headers=PROGRAM, address=None):
        """One request, from an address that nobody had before unless it is named."""
        source = address or next(ADDRESSES), 0
        connection = http.client.HTTPConnection("127.0.0.1", self.port, self.patience, source)
        SEEN.remember(headers.items(), body)
        connection.request(method, path, body, dict(headers))
        reply = Reply(connection.getresponse())
        SEEN.remember(reply.headers.items(), reply.body)
        connection.close()
        return reply

    def get(self, path, headers=PROGRAM):
        return self.request("GET", path, headers=headers)

    def post(self, path, fields=None, headers=PROGRAM, address=None):
        """POST a form; `fields` may also be the body as it is."""
        if isinstance(fields, dict):
            fields = urllib.parse.urlencode(fields)
        headers = {"Content-Type": "application/x-www-form-urlencoded", **headers}
        return self.request("POST", path, fields, headers, address)

    def sign_in(self, name="admin", password="password", **more):
        return self.post(self.login, {"username": name, "password": password}, **more)


def cookie(token, name="token"):
    return {**PROGRAM, "Cookie": "%s=%s" % (name, token)}


def fastcgi_site(folder, programs=PROGRAMS, **settings):
    """The site of lighttpd.conf itself, with another folder to live in."""
    (folder / "build/demo/www/private").mkdir(parents=True)
    (folder / "build/demo/www/private/index.html").write_text("guarded\n")
    (folder / "cgi-bin").symlink_to(programs)
    write_settings(folder / "build/demo", **settings)
    return Site(folder, ROOT / "lighttpd.conf", free_port())


CGI_CONFIG = """
server.modules = ( "mod_cgi" )
server.bind = "127.0.0.1"
server.port = env.PORT
server.document-root = var.CWD + "/www"
server.breakagelog = var.CWD + "/breakage.log"
cgi.assign = ( ".fcgi" => "" )
"""


CGI_PATHS = ("/cgi-bin/login.fcgi", "/cgi-bin/login.fcgi/logout", "/cgi-bin/welcome.fcgi")


def fill_cgi_bin(www, programs, settings):
    """Put the programs into a cgi-bin, their settings into the folder above it."""
    (www / "cgi-bin").mkdir(parents=True)
    for name in ("login.fcgi", "welcome.fcgi"):
        shutil.copy(programs / name, www / "cgi-bin")
    paths = zip(("POSTERN_LOGIN", "POSTERN_LOGOUT", "POSTERN_HOME"), CGI_PATHS)
    write_settings(www / ".htpostern", **dict(paths), **settings)


def cgi_site(folder, programs=PROGRAMS, **settings):
    """The same programs as plain CGI."""
    fill_cgi_bin(folder / "www", programs, settings)
    (folder / "lighttpd.conf").write_text(CGI_CONFIG)
    return Site(folder, folder / "lighttpd.conf", free_port(), *CGI_PATHS, events="breakage.log")


APACHE_CONFIG = """
LoadModule mpm_%(mpm)s_module /usr/lib/apache2/modules/mod_mpm_%(mpm)s.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule %(module)s_module /usr/lib/apache2/modules/mod_%(module)s.so
ServerName localhost
Listen 127.0.0.1:%(port)d
User www-data
Group www-data
DefaultRuntimeDir "%(home)s"
PidFile "%(folder)s/apache.pid"
Mutex "file:%(home)s"
ErrorLog "%(folder)s/apache.log"
DocumentRoot "%(home)s/www"
<IfModule fcgid_module>
	FcgidIPCDir "%(home)s/fcgid"
	FcgidProcessTableFile "%(home)s/fcgid.shm"
</IfModule>
<IfModule cgid_module>
	ScriptSock "%(home)s/cgid.socket"
</IfModule>
<Directory "%(home)s/www/cgi-bin">
	SetHandler %(handler)s
	Options +ExecCGI
	CGIPassAuth On
</Directory>
"""


class ApacheSite(Site):
    """An Apache likewise, with mod_fcgid, mod_cgid or mod_cgi; its programs run as www-data."""

    command = ["/usr/sbin/apache2", "-DFOREGROUND", "-f"]

    def __init__(self, folder, module, programs, settings):
        # Not in pytest's own folder, which www-data cannot enter.
        self._home = tempfile.TemporaryDirectory(prefix="postern-")
        self.home = pathlib.Path(self._home.name)
        fill_cgi_bin(self.home / "www", programs, settings)
        if os.geteuid() == 0:
            user = pwd.getpwnam("www-data")
            for path in (self.home, *self.home.rglob("*")):
                os.chown(path, user.pw_uid, user.pw_gid)
        port = free_port()
        (folder / "apache.conf").write_text(APACHE_CONFIG % {
            "module": module, "mpm": "prefork" if module == "cgi" else "event",
            "handler": "fcgid-script" if module == "fcgid" else "cgi-script",
            "home": self.home, "folder": folder, "port": port})
        super().__init__(folder, folder / "apache.conf", port, *CGI_PATHS, log="apache.log",
                         events="apache.log", cgid=self.home if module == "cgid" else None)

    def stop(self):
        super().stop()
        self._home.cleanup()


def apache_site(folder, module="fcgid", programs=PROGRAMS, **settings):
    return ApacheSite(folder, module, programs, settings)


class Faults:
    """What fault.c does to programs that are started with `environment`."""

    def __init__(self, library, folder):
        self.clock, self.hashed = folder / "clock", folder / "hashed"
        self.environment = {"LD_PRELOAD": str(library), "FAULT_CLOCK": str(self.clock),
                            "FAULT_HASHES": str(self.hashed)}
        self.at(0)

    def at(self, seconds):
        """Let the clock be so many seconds ahead of the true time."""
        new = self.clock.with_suffix(".new")
        new.write_text("%d" % seconds)
        new.rename(self.clock)

    @property
    def hashes(self):
        """How many passwords were hashed."""
        return self.hashed.read_text().count("\n") if self.hashed.exists() else 0


@pytest.fixture(scope="session")
def fault_library(tmp_path_factory):
    library = tmp_path_factory.mktemp("fault") / "fault.so"
    subprocess.run(["cc", "-O1", "-shared", "-fPIC", "-o", library, ROOT / "tests/site/fault.c"],
                   check=True)
    return library


@pytest.fixture
def faults(fault_library, tmp_path):
    return Faults(fault_library, tmp_path)


def pytest_configure(config):
    config.addinivalue_line("markers", "root: wants root, so `make check` leaves it out")
    config.addinivalue_line("markers", "slow: takes long, so `make check` leaves it out")


@pytest.fixture(scope="session", autouse=True)
def nothing_secret_is_logged(tmp_path_factory):
    """At the end of all tests their logs are searched for every secret that was used."""
    yield
    folder = tmp_path_factory.getbasetemp()
    logs = {f.relative_to(folder): f.read_text("latin-1") for f in log_files(folder)
            # An engine's own log has numbers of its making, some of nothing but zeros.
            if not f.relative_to(folder).parts[0].startswith("chromium") and f.name != "redis.log"}
    logs["error streams"] = b"".join(SEEN.overheard).decode("latin-1")
    spilled = {str(name): lines for name, text in logs.items() if (lines := SEEN.spilled(text))}
    assert not spilled


@pytest.fixture(scope="session", params=[fastcgi_site, cgi_site], ids=["fastcgi", "cgi"])
def site(request, tmp_path_factory):
    """Either way of running the programs: every test that asks for it runs twice."""
    running = request.param(tmp_path_factory.mktemp("site"))
    yield running
    running.stop()


@pytest.fixture(scope="session")
def fastcgi(tmp_path_factory):
    running = fastcgi_site(tmp_path_factory.mktemp("fastcgi"))
    yield running
    running.stop()


@pytest.fixture
def make_site(tmp_path_factory):
    """Start sites of one's own; all are stopped at the end of the test."""
    running = []

    def start(kind=fastcgi_site, **settings):
        running.append(kind(tmp_path_factory.mktemp("own"), **settings))
        return running[-1]

    yield start
    for one in running:
        one.stop()


# -- a real browser ---------------------------------------------------------------------------

@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for flag in ("--headless=new", "--disable-gpu", "--disable-quic", "--no-first-run",
                 "--disable-background-networking", "--disable-component-update",
                 "--disable-sync", "--disable-dev-shm-usage",
                 "--user-data-dir=%s" % tmp_path_factory.mktemp("chromium")):
        options.add_argument(flag)
    if os.geteuid() == 0:
        options.add_argument("--no-sandbox")
    driver = webdriver.Chrome(service=Service("/usr/bin/chromedriver"), options=options)
    yield driver
    driver.quit()


@pytest.fixture
def page(browser, fastcgi):
    """The browser without a cookie, as wide as a desk's, and what it can do here."""
    window = Page(browser, fastcgi)
    window.open("/login")
    browser.delete_all_cookies()
    window.command("Emulation.clearDeviceMetricsOverride")
    window.command("Emulation.setScriptExecutionDisabled", value=False)
    window.open("/login")
    return window


class Page:
    def __init__(self, browser, site):
        self.browser, self.site = browser, site

    def open(self, path):
        self.browser.get("http://127.0.0.1:%d%s" % (self.site.port, path))

    def command(self, name, **arguments):
        return self.browser.execute_cdp_cmd(name, arguments)

    @property
    def path(self):
        return self.browser.current_url.partition(str(self.site.port))[2]

    @property
    def text(self):
        return self.browser.find_element(By.TAG_NAME, "main").text

    def find(self, name):
        return self.browser.find_element(By.NAME, name)

    def leave(self, act):
        """Do something that leads to another page, and wait for that."""
        old = self.browser.find_element(By.TAG_NAME, "html")
        act()
        WebDriverWait(self.browser, 10).until(lambda _: self._is_gone(old))
        WebDriverWait(self.browser, 10).until(
            lambda b: b.find_elements(By.TAG_NAME, "main"))

    @staticmethod
    def _is_gone(element):
        try:
            element.is_enabled()
            return False
        except Exception:  # it belongs to a page that is no longer there
            return True

    def sign_in(self, name="admin", password="password"):
        self.find("username").clear()
        self.find("username").send_keys(name)
        self.find("password").send_keys(password)
        self.press("Sign in")

    def press(self, text):
        for button in self.browser.find_elements(By.TAG_NAME, "button"):
            if button.text == text:
                self.leave(button.click)
                return
        raise AssertionError("no button %r in %r" % (text, self.text))

    def complaints(self):
        """What axe finds."""
        self.command("Emulation.setScriptExecutionDisabled", value=False)
        self.browser.execute_script(AXE.read_text())
        found = self.browser.execute_async_script(
            "const done = arguments[0]; axe.run().then(done, e => done(String(e)))")
        return [(rule["id"], rule["nodes"]) for rule in found["violations"]]
