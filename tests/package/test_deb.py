"""The Debian package: built, installed, used, upgraded and purged in small Debian systems."""
import collections
import configparser
import contextlib
import http.client
import os
import pathlib
import re
import shlex
import shutil
import socket
import subprocess
import time
import urllib.parse

import pytest

from conftest import ROOT

SUITES = "bookworm", "trixie"
PROGRAMS = "/usr/lib/cgi-bin/postern"
ENV, USERS, STATE = "/etc/postern/postern.env", "/etc/postern/users", "/var/lib/postern"
BROWSER = {"Accept": "text/html", "Sec-Fetch-Mode": "navigate"}


# -- the package -----------------------------------------------------------------------------

def build(chroot, version, options=""):
    """Build the package from a copy of these sources; where it is, inside and seen from here."""
    sources = chroot.path("/src/postern")
    shutil.rmtree(sources.parent, ignore_errors=True)
    shutil.copytree(ROOT, sources, symlinks=True, ignore=lambda folder, names: [
        name for name in names if name in ("node_modules", "__pycache__", ".pytest_cache")
        or folder == str(ROOT) and name in (".git", "build", "cgi-bin")])
    changes = sources / "debian/changelog"
    changes.write_text(re.sub(r"\(.*\)", "(%s)" % version, changes.read_text(), count=1))
    said = chroot.check("cd /src/postern && apt-get build-dep -q -y --no-install-recommends . && "
                        "dpkg-buildpackage -us -uc -b", timeout=900, DEB_BUILD_OPTIONS=options)
    assert "warning: substitution" not in said
    return next(sources.parent.glob("postern_*.deb"))


Package = collections.namedtuple("Package", "suite first second lintian")


@pytest.fixture(scope="module", params=SUITES)
def package(request, new_chroot, tmp_path_factory):
    """Two versions of it, and what lintian says of the first."""
    chroot = new_chroot(request.param)
    try:
        chroot.install("build-essential", "lintian")
        kept = tmp_path_factory.mktemp(request.param)
        first = shutil.copy(build(chroot, "1.0"), kept)
        lintian = chroot.run("lintian --allow-root --no-tag-display-limit --info "
                             "--fail-on error,warning /src/postern_*.changes")
        second = shutil.copy(build(chroot, "1.1", "nocheck"), kept)
    finally:
        chroot.close()
    return Package(request.param, pathlib.Path(first), pathlib.Path(second), lintian)


def test_lintian_has_nothing_against_it(package):
    assert package.lintian.returncode == 0, package.lintian.stdout


# -- machines that it is installed on --------------------------------------------------------

def prepare(new_chroot, package, *servers):
    """A machine with all that the package needs, and without it."""
    machine = new_chroot(package.suite)
    machine.path("/debs").mkdir()
    for deb in (package.first, package.second):
        shutil.copy(deb, machine.path("/debs"))
    needed = subprocess.run(["dpkg-deb", "-f", package.first, "Depends"], check=True, text=True,
                            stdout=subprocess.PIPE).stdout.strip()
    machine.install("systemd", *servers)
    machine.check(["apt-get", "satisfy", "-q", "-y", "--no-install-recommends", needed])
    return machine


def install(machine, deb):
    """As somebody does who keeps the files he has changed."""
    machine.check("dpkg --force-confold -i /debs/" + deb.name)


def read(machine, path):
    return machine.path(path).read_text()


def told(machine, pattern):
    """The lines of README.Debian that begin so: what an administrator types."""
    text = read(machine, "/usr/share/doc/postern/README.Debian")
    lines = re.findall(r"^\t(%s.*)$" % pattern, text, re.M)
    assert lines
    return "\n".join(lines)


def add_ada(machine):
    machine.check(told(machine, r"\S*login.fcgi --hash ada"), input="password\n")


def secret(machine):
    return re.search(r"^POSTERN_SECRET=(.*)$", read(machine, ENV), re.M).group(1)


@pytest.fixture
def machine(new_chroot, package):
    made = prepare(new_chroot, package)
    yield made
    made.close()


@pytest.fixture(scope="module")
def site(new_chroot, package):
    """A machine with both web servers and the package, one user, and its programs running."""
    made = prepare(new_chroot, package, "lighttpd", "apache2")
    with contextlib.ExitStack() as at_the_end:
        at_the_end.callback(made.close)
        install(made, package.first)
        add_ada(made)
        for name in ("login", "welcome"):
            at_the_end.callback(start_unit(made, "postern-" + name))
        yield made


def unit(machine, *names):
    """Read the files of a unit, those that are there."""
    read_ = configparser.ConfigParser(strict=False, interpolation=None, delimiters="=")
    read_.optionxform = str
    read_.read(machine.path("/usr/lib/systemd/system/" + name) for name in names)
    return read_


def start_unit(machine, name):
    """Do what systemd does for a connection to this socket; returns what stops it again."""
    wanted = unit(machine, name + ".socket")["Socket"]
    people = {line.split(":")[0]: [int(n) for n in line.split(":")[2:4]]
              for line in read(machine, "/etc/passwd").splitlines()}
    place = machine.path(wanted["ListenStream"])
    place.parent.mkdir(exist_ok=True)
    listening = socket.socket(socket.AF_UNIX)
    # The whole path may be too long for a socket.
    folder = os.open(place.parent, os.O_PATH)
    listening.bind("/proc/self/fd/%d/%s" % (folder, place.name))
    os.close(folder)
    os.chown(place, people[wanted["SocketUser"]][0], people[wanted["SocketGroup"]][1])
    place.chmod(int(wanted["SocketMode"], 8))
    listening.listen()
    processes = []
    waiting = [wanted["Service"]]
    while waiting:
        instance = waiting.pop()
        service = unit(machine, name + "@.service", instance + ".d/two.conf")
        waiting += service["Unit"].get("Wants", "").split()
        ours = service["Service"]
        processes.append(subprocess.Popen(
            ["chroot", "--userspec=%s:%s" % (ours["User"], ours["Group"]), machine.root,
             *shlex.split(ours["ExecStart"])], stdin=listening, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, umask=int(ours["UMask"], 8),
            env={"PATH": "/usr/sbin:/usr/bin"}))
    assert len(processes) == 2

    def stop():
        for process in processes:
            process.terminate()
        assert [process.wait(30) for process in processes] == [0, 0]
        listening.close()

    return stop


# -- what is there ---------------------------------------------------------------------------

def owner(machine, path):
    return machine.check(["stat", "-c", "%U:%G %a", path]).strip()


def test_what_is_installed(site):
    assert {path: owner(site, path) for path in
            (ENV, USERS, "/etc/postern", STATE, PROGRAMS + "/login.fcgi")} == {
        ENV: "root:_postern 640", USERS: "root:_postern 640", "/etc/postern": "root:_postern 750",
        STATE: "_postern:_postern 700", PROGRAMS + "/login.fcgi": "root:root 755"}
    assert re.fullmatch("[0-9a-f]{64}", secret(site))
    for path in ("/etc/fail2ban/filter.d/postern.conf", "/usr/share/doc/postern/deploy/nginx.conf",
                 "/usr/share/doc/postern/README.Debian"):
        assert site.path(path).is_file()
    for page in ROOT.glob("man/*.[1-9]"):
        assert site.path("/usr/share/man/man%s/%s.gz" % (page.name[-1], page.name)).is_file()


def test_the_settings_are_right(site):
    site.check(told(site, "runuser -u _postern"))


def test_the_web_server_cannot_read_the_secret(site):
    for path in (ENV, USERS, STATE):
        assert site.run(["runuser", "-u", "www-data", "--", "head", "-c", "1", path]).returncode


def test_a_program_that_the_web_server_runs_itself_has_no_settings(site):
    """/usr/lib/cgi-bin may be open to the world: nobody is told how to set Postern up."""
    said = site.check(["runuser", "-u", "www-data", "--", PROGRAMS + "/login.fcgi"],
                      GATEWAY_INTERFACE="CGI/1.1", REQUEST_METHOD="GET", HTTP_ACCEPT="text/html",
                      SCRIPT_NAME="/cgi-bin/postern/login.fcgi", REMOTE_ADDR="127.0.0.1",
                      SERVER_PROTOCOL="HTTP/1.1", HTTP_HOST="localhost")
    assert "Status: 503" in said and "POSTERN_SECRET=" not in said


def test_the_units(site):
    """systemd has nothing against them; both sockets are there at the next start."""
    names = [f"postern-{program}{kind}" for program in ("login", "welcome")
             for kind in (".socket", "@1.service", "@2.service")]
    said = site.run(["systemd-analyze", "verify", "--man=no", *names])
    assert (said.returncode, said.stdout) == (0, "")
    for name in ("postern-login.socket", "postern-welcome.socket"):
        assert site.path("/etc/systemd/system/sockets.target.wants/" + name).is_symlink()


# -- web servers -----------------------------------------------------------------------------

def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_until(what, seconds=30):
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "nothing happened for %d s" % seconds
        time.sleep(0.01)


def connects(port):
    with contextlib.suppress(OSError):
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    return False


Reply = collections.namedtuple("Reply", "status headers text")


def ask(port, path, fields=None, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    if fields is not None:
        headers["Content-Type"] = "application/x-www-form-urlencoded"
        fields = urllib.parse.urlencode(fields)
    connection.request("GET" if fields is None else "POST", path, fields, headers)
    response = connection.getresponse()
    reply = Reply(response.status, response.headers, response.read().decode())
    connection.close()
    return reply


def sign_in(port):
    """Through the page, as a browser; the cookie."""
    page = ask(port, "/login", **BROWSER)
    assert page.status == 200 and 'name="password"' in page.text
    assert ask(port, "/login", {"username": "ada", "password": "wrong"}, **BROWSER).status == 401
    done = ask(port, "/login", {"username": "ada", "password": "password"}, **BROWSER)
    assert (done.status, done.headers["Location"]) == (303, "/welcome")
    return done.headers["Set-Cookie"].partition(";")[0]


def signs_in_and_out(port):
    cookie = sign_in(port)
    assert "ada" in ask(port, "/welcome", Cookie=cookie, **BROWSER).text
    bearer = {"Authorization": "Bearer " + cookie.partition("=")[2]}
    assert ask(port, "/welcome", **bearer).status == 200
    assert ask(port, "/logout", {}, Cookie=cookie, **BROWSER).status == 303
    assert ask(port, "/welcome", Cookie=cookie).status == 400
    # What is not ours stays the site's.
    assert ask(port, "/loginx", **BROWSER).status == 404


def replace(machine, path, pattern, text):
    file = machine.path(path)
    new, found = re.subn(pattern, text, file.read_text(), flags=re.M)
    assert found, (path, pattern)
    file.write_text(new)


@pytest.fixture
def serve(site, tmp_path):
    running = []

    def start(command, port):
        server = site.start(command, tmp_path / "server.log")
        running.append(server)
        wait_until(lambda: server.poll() is not None or connects(port))
        assert server.poll() is None, (tmp_path / "server.log").read_text()

    yield start
    for server in running:
        server.terminate()
        server.wait(30)


def use_lighttpd(site, port):
    replace(site, "/etc/lighttpd/lighttpd.conf", r"^(server.port\s*=).*",
            r'\1 %d\nserver.bind = "127.0.0.1"' % port)
    replace(site, "/etc/lighttpd/lighttpd.conf", r"^include_shell .*use-ipv6.*", "")


def test_lighttpd_with_one_command(site, serve):
    port = free_port()
    use_lighttpd(site, port)
    site.check("lighty-enable-mod postern")
    # The guard that the file shows: as it is, less the marks that it is a comment.
    shown = read(site, "/etc/lighttpd/conf-available/50-postern.conf")
    guard = re.search(r"^#\$HTTP.*?^#}$", shown, re.M | re.S).group()
    site.path("/etc/lighttpd/conf-available/60-private.conf").write_text(
        re.sub("^#", "", guard, flags=re.M))
    site.check("lighty-enable-mod private")
    site.path("/var/www/html/private").mkdir()
    site.path("/var/www/html/private/index.html").write_text("guarded\n")

    serve(["lighttpd", "-D", "-f", "/etc/lighttpd/lighttpd.conf"], port)
    signs_in_and_out(port)
    away = ask(port, "/private/", **BROWSER)
    assert (away.status, away.headers["Location"]) == (302, "/login?next=/private/")
    assert ask(port, "/private/").status == 401
    assert ask(port, "/private/", Cookie=sign_in(port)).text == "guarded\n"
    assert ask(port, "/.htsecret").status == 403


def test_apache_with_one_command(site, serve):
    port = free_port()
    replace(site, "/etc/apache2/ports.conf", "^Listen .*", "Listen 127.0.0.1:%d" % port)
    replace(site, "/etc/apache2/sites-available/000-default.conf", r"\*:80", "*:%d" % port)
    site.check("a2enconf postern")
    serve(["apache2ctl", "-D", "FOREGROUND"], port)
    signs_in_and_out(port)


def test_apache_that_has_the_modules_already(site):
    site.check("a2enconf -q postern && a2enmod -q proxy_fcgi")
    said = site.check("apache2ctl -t")
    assert "Syntax OK" in said and "already loaded" not in said


# -- systemd ---------------------------------------------------------------------------------

# As a container of its own, with the network of this machine. What the kernel has one of for all
# is there to read only.
BOOT = """
set -e
cd "$1"
mount --make-rprivate /
mount --bind . .
cd "$1"
mount -t proc proc proc
mount --bind -o ro proc/sys proc/sys
mount -o remount,bind,ro proc/sys
[ ! -w proc/sys/kernel/pid_max ]
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs tmpfs run
mount -t tmpfs tmpfs tmp
pivot_root . mnt
umount -l mnt
exec env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin \\
	/lib/systemd/systemd --system --unit=basic.target --log-target=null
"""


@contextlib.contextmanager
def booted(machine):
    """A machine with systemd as its first process; gives what runs a line of shell in there."""
    mounts = pathlib.Path("/proc/mounts").read_text()
    groups = re.search(r"^\S+ (\S+) cgroup2 ", mounts, re.M).group(1)
    group = pathlib.Path(groups, "postern-%d" % os.getpid())
    group.mkdir()
    first = subprocess.Popen(
        ["sh", "-c", 'echo $$ >"$1/cgroup.procs" && exec unshare --mount --pid --uts --ipc '
         '--cgroup --fork --kill-child sh -c "$2" sh "$3"', "sh", group, BOOT, machine.root])

    def inside(line):
        pid = pathlib.Path("/proc/%d/task/%d/children" % (first.pid, first.pid)).read_text().split()
        return subprocess.run(["nsenter", "-t", pid[0], "-m", "-p", "-u", "-i", "-C", "-r", "-w",
                               "env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "sh", "-c", line],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              timeout=120).stdout.strip() if pid else ""

    try:
        wait_until(lambda: inside("systemctl is-active basic.target") == "active")
        yield inside
    finally:
        first.kill()
        first.wait()
        for folder, _, _ in os.walk(group, topdown=False):
            wait_until(lambda: removed(folder))


def removed(folder):
    """Has this group, whose processes are being killed, none left?"""
    with contextlib.suppress(OSError):
        os.rmdir(folder)
    return not os.path.exists(folder)


def test_systemd_runs_the_programs(new_chroot, package):
    machine = prepare(new_chroot, package, "lighttpd")
    port = free_port()
    try:
        install(machine, package.first)
        add_ada(machine)
        use_lighttpd(machine, port)
        machine.check("lighty-enable-mod postern")
        machine.path("/usr/sbin/policy-rc.d").unlink()
        with booted(machine) as inside:
            lives_with_systemd(inside, port)
    finally:
        machine.close()


def lives_with_systemd(inside, port):
    def processes(program="login"):
        """The numbers of its processes, by those that are meant to be there."""
        said = inside("systemctl show --value -p MainPID postern-%s@1 postern-%s@2"
                      % (program, program))
        return said.split()

    assert inside("systemctl show --value -p ConditionResult systemd-sysctl") == "no"
    assert processes() == ["0", "0"]
    inside("systemctl start lighttpd")
    wait_until(lambda: connects(port))
    cookie = sign_in(port)
    assert ask(port, "/welcome", Cookie=cookie).status == 200
    assert "0" not in processes("welcome") + processes()
    for process in processes():
        assert inside("stat -c %U:%G /proc/" + process) == "_postern:_postern"

    killed = processes()
    inside("kill -9 " + " ".join(killed))
    assert sign_in(port)
    wait_until(lambda: not {"0", *killed} & {*processes()})

    old = processes()
    inside("dpkg -i /debs/*_1.1_*.deb")
    wait_until(lambda: not {"0", *old} & {*processes()})
    assert ask(port, "/welcome", Cookie=cookie).status == 200 and sign_in(port)

    inside("systemctl enable --now postern-login@3 && dpkg -r postern")
    assert inside("systemctl list-units --no-legend --state=active 'postern*'") == ""
    assert ask(port, "/login").status == 503
    inside("dpkg -P postern")
    assert "postern" not in inside("ls /etc/systemd/system /etc/systemd/system/*.wants")


# -- its life --------------------------------------------------------------------------------

def everything(machine):
    """Each file that is there, with what it is; but logs, caches, and what dpkg itself knows."""
    skipped = " -o ".join("-path " + path for path in (
        "/proc", "/dev", "/sys", "/tmp", "/debs", "/var/log", "/var/cache", "/var/lib/dpkg",
        "/var/lib/apt"))
    found = machine.check(r"find / \( %s \) -prune -o -type d -printf '%%p %%M %%u:%%g\n'"
                          r" -o -printf '%%p %%M %%u:%%g %%s %%l\n'" % skipped)
    # The user stays. Accounts are in these, and in what is left of them.
    accounts = r"/etc/(passwd|group|shadow|gshadow|subuid|subgid)-? |/etc/\.pwd\.lock "
    return {line for line in found.splitlines() if not re.match(accounts, line)}


def test_remove_and_purge(machine, package, site):
    before = everything(machine)
    install(machine, package.first)
    first = secret(machine)
    assert first != secret(site)
    machine.path(STATE + "/ended").mkdir()

    machine.check("dpkg -r postern")
    assert not machine.path(PROGRAMS).exists()
    assert secret(machine) == first and owner(machine, ENV) == "root:_postern 640"
    install(machine, package.first)
    assert secret(machine) == first
    assert owner(machine, STATE) == "_postern:_postern 700"

    machine.check("dpkg -r postern && dpkg -P postern")
    assert everything(machine) - before == set() and before - everything(machine) == set()
    install(machine, package.first)
    assert len(secret(machine)) == 64 and secret(machine) != first


def test_purge_takes_it_out_of_the_web_servers(new_chroot, package):
    machine = prepare(new_chroot, package, "lighttpd", "apache2")
    try:
        install(machine, package.first)
        machine.check("lighty-enable-mod postern && a2enconf -q postern")
        machine.check("dpkg -r postern")
        # What it guards stays guarded for as long as there may be a guard.
        assert machine.path("/etc/lighttpd/conf-enabled/50-postern.conf").exists()
        assert not machine.path("/etc/apache2/conf-enabled/postern.conf").is_symlink()
        machine.check("dpkg -P postern")
        assert not machine.path("/etc/lighttpd/conf-enabled/50-postern.conf").is_symlink()
        machine.check("lighttpd -tt -f /etc/lighttpd/lighttpd.conf && apache2ctl -t")
    finally:
        machine.close()


def test_upgrade(machine, package):
    """What somebody has changed stays, and so do owners."""
    install(machine, package.first)
    kept = secret(machine)
    with machine.path(ENV).open("a") as file:
        file.write("POSTERN_TITLE=Ours\n")
    add_ada(machine)
    users = read(machine, USERS)
    apache = "/etc/apache2/conf-available/postern.conf"
    with machine.path(apache).open("a") as file:
        file.write("# ours\n")
    # As the gate in Apache wants it.
    machine.check("set -e\n" + told(machine, "(?:chgrp|chown|runuser -u www-data) "))

    install(machine, package.second)
    assert machine.check("dpkg-query -W -f '${Version}' postern") == "1.1"
    assert secret(machine) == kept and read(machine, ENV).endswith("\nPOSTERN_TITLE=Ours\n")
    assert users.startswith("ada:$y$") and read(machine, USERS) == users
    assert read(machine, apache).endswith("# ours\n")
    assert owner(machine, STATE) == "www-data:www-data 700"
    assert owner(machine, "/etc/postern") == "root:www-data 750"
    assert owner(machine, ENV) == "root:www-data 640"


def test_a_file_that_was_taken_away(machine, package):
    """An upgrade leaves it at that; to configure the package anew makes it again."""
    install(machine, package.first)
    kept = secret(machine)
    machine.path(USERS).unlink()
    install(machine, package.second)
    assert not machine.path(USERS).exists()
    machine.check("dpkg-reconfigure -f noninteractive postern")
    assert read(machine, USERS) == "" and owner(machine, USERS) == "root:_postern 640"
    assert secret(machine) == kept
    # Nor is a link followed, or replaced, that an administrator has put there.
    machine.path(USERS).unlink()
    machine.path(USERS).symlink_to("/srv/users")
    machine.check("dpkg-reconfigure -f noninteractive postern")
    assert machine.path(USERS).is_symlink() and not machine.path("/srv/users").exists()
