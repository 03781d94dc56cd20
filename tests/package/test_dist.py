"""The tarball that `make dist` packs: unpacked where people would, and on what they have there."""
import base64
import ctypes
import hashlib
import hmac
import html
import http.client
import io
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tarfile
import tempfile
import time
import urllib.parse

import pytest

from conftest import ROOT, run

SECRET = "5b0f7bd1a64c2e9d83f0a7c1e6b29d4458c3a1f07e6d92b4c0a8f3517d6e2b90"
LOGIN, WELCOME = "/cgi-bin/login.fcgi", "/cgi-bin/welcome.fcgi"
LOGOUT = LOGIN + "/logout"
PROGRAMS = ("login.fcgi", "welcome.fcgi")
WWW_DATA = 33  # in every Debian
BROWSER = {"Accept": "text/html", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Site": "same-origin"}
PASSWORD = "correct horse"
# Many a name for one file.
SPELLINGS = ("/.htpostern/%s", "//.htpostern//%s", "/%%2ehtpostern/%s", "/.htpostern/./%s",
             "/cgi-bin/../.htpostern/%s", "/.htpostern/examples/../%s", "/.htpostern%%2f%s")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(port, process, log):
    end = time.monotonic() + 15
    while True:
        assert process.poll() is None and time.monotonic() < end, log.read_text()
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.01)


# -- the tarball ------------------------------------------------------------------------------

def assert_no_warning(said):
    assert "warning" not in said.lower().replace("-wl,--fatal-warnings", ""), said


def copy_sources(folder):
    listed = run("git", "-C", ROOT, "ls-files", "-co", "--exclude-standard", "-z")
    for name in filter(None, listed.split("\0")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)


@pytest.fixture(scope="session")
def tarball():
    assert_no_warning(run("make", "-C", ROOT, "dist"))
    found = list((ROOT / "build/dist").glob("postern-*-x86_64.tar.gz"))
    assert len(found) == 1
    return found[0]


@pytest.fixture(scope="session")
def programs(tarball, tmp_path_factory):
    folder = tmp_path_factory.mktemp("programs")
    run("tar", "-xf", tarball, "-C", folder)
    return folder / "cgi-bin"


def hashed(method="sha512crypt"):
    return subprocess.run(["mkpasswd", "-s", "-m", method], input=PASSWORD.encode(), check=True,
                          stdout=subprocess.PIPE).stdout.decode().strip()


def set_up(folder, place, hash):
    """What a person does in .htpostern: a user, and settings. `place` is its name to a program."""
    text = (folder / "postern.env.example").read_text()
    text = text.replace("/home/you/.htpostern", place).replace("SECRET=", "SECRET=" + SECRET, 1)
    (folder / "postern.env").touch(0o600)
    (folder / "postern.env").write_text(re.sub("(?m)^POSTERN_ORIGIN.*$", "", text))
    (folder / "users").write_text("ada:%s\n" % hash)


def give_to(uid, *folders):
    for folder in folders:
        for path in (folder, *folder.rglob("*")):
            os.chown(path, uid, uid)


def unpack(tarball, folder, place, hash=None):
    """Unpack into a folder that a program sees as `place`, and set up."""
    folder.mkdir(parents=True, exist_ok=True)
    run("tar", "-xf", tarball, "-C", folder)
    set_up(folder / ".htpostern", "%s/.htpostern" % place, hash or hashed())
    give_to(WWW_DATA, folder)
    return folder


def test_what_is_in_it(tarball):
    with tarfile.open(tarball) as tar:
        modes = {m.name + "/" * m.isdir(): m.mode for m in tar}
        assert all((m.uid, m.gid, m.uname, m.gname) == (0, 0, "", "") for m in tar)
        assert len({m.mtime for m in tar}) == 1
        assert tar.extractfile(".htpostern/users").read() == b""
    examples = {".htpostern/examples/" + f.name: 0o600
                for f in (ROOT / "deploy/shared-hosting/examples").glob("*.htaccess")}
    assert modes == {
        "cgi-bin/": 0o755, "cgi-bin/.htaccess": 0o644, "cgi-bin/login.fcgi": 0o755,
        "cgi-bin/welcome.fcgi": 0o755, ".htpostern/": 0o700, ".htpostern/.htaccess": 0o600,
        ".htpostern/INSTALL.txt": 0o600, ".htpostern/LICENSES.txt": 0o600,
        ".htpostern/postern.env.example": 0o600, ".htpostern/users": 0o600,
        ".htpostern/state/": 0o700, ".htpostern/examples/": 0o700, **examples}
    assert examples and list(modes) == sorted(modes)
    install = (tarball.parent / "INSTALL.txt").read_text()
    assert max(map(len, install.splitlines())) <= 78


def test_the_licences_of_all_that_is_inside(tarball):
    with tarfile.open(tarball) as tar:
        text = tar.extractfile(".htpostern/LICENSES.txt").read().decode()
    for word in ("Mozilla Public License Version 2.0", "Niels M",
                 "Petri Lehtinen", "FastCGI", "json-c", "glibc", "libxcrypt",
                 "GNU LESSER GENERAL PUBLIC LICENSE", (ROOT / "LICENSE").read_text()):
        assert word in text, word


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_is_all_in_one_file(programs, name):
    said = run("readelf", "-hldnW", programs / name)
    assert "INTERP" not in said and "NEEDED" not in said
    assert re.search(r"OS: Linux, ABI: 3\.2\.0", said)
    assert re.search(r"Type:\s+DYN ", said) and "GNU_RELRO" in said
    assert re.search(r"GNU_STACK.*RW ", said)
    assert (programs / name).stat().st_size < 8_000_000


@pytest.mark.parametrize("name", PROGRAMS)
def test_nothing_of_the_machine_that_built_it(programs, name):
    """Nor anything that looks like a secret: where .htaccess is not read, anybody gets the file."""
    content = (programs / name).read_bytes()
    for word in (str(ROOT), "/tmp/", "/root", "/home/", "/build", "/usr/src"):
        assert word.encode() not in content, word
    assert not re.search(rb"(?!0{32})[0-9a-f]{32}", content)  # zeros are the word of an empty list


def test_json_c_and_jansson_do_not_mix(tarball):
    """No library has a function that another one would find by mistake."""
    def functions(archive):
        return {line.split()[2] for line in run("nm", "-g", "--defined-only", archive).splitlines()
                if len(line.split()) == 3}

    folder = ROOT / "build/static"
    ours = functions(folder / "libjwt.a") | functions(folder / "libjansson.a")
    assert {"jwt_decode", "jansson_object_get", "json_loads"} <= ours
    for name in ("fcgi", "json-c", "nettle", "crypt", "c"):
        other = run("cc", "-print-file-name=lib%s.a" % name).strip()
        assert not ours & functions(other), name


def test_the_header_is_that_of_the_library(tarball):
    needed = (ROOT / "build/static/lib/auth/token.d").read_text()
    assert "build/static/libjwt-1.17.2/include/jwt.h" in needed
    assert "/usr/include/jwt.h" not in needed


def test_another_libjwt_is_refused(tarball, tmp_path):
    """Its source is looked at only if it is what it should be, to the byte."""
    other = tmp_path / "libjwt_1.17.2.orig.tar.xz"
    shutil.copy(ROOT / "build/static" / other.name, other)
    with open(other, "ab") as f:
        f.write(b"\0")
    made = subprocess.run(["make", "-C", ROOT, "STATIC=1", "BUILD=%s" % tmp_path,
                           "%s/libjwt-1.17.2/include/jwt.h" % tmp_path], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)
    assert made.returncode != 0 and "FAILED" in made.stdout
    assert not (tmp_path / "libjwt-1.17.2").exists()


@pytest.fixture(scope="module")
def base64_c(tmp_path_factory):
    library = tmp_path_factory.mktemp("base64") / "base64.so"
    run("cc", "-shared", "-fPIC", "-o", library, ROOT / "deploy/static/base64.c", "-lnettle")
    return ctypes.CDLL(library)


def test_base64_there_and_back(base64_c):
    for length in range(1, 100):
        content = os.urandom(length)
        text = ctypes.create_string_buffer(4 * length + 4)
        back = ctypes.create_string_buffer(4 * length + 4)
        assert base64_c.jwt_Base64encode(text, content, length) == len(text.value)
        assert text.value == base64.b64encode(content)
        assert base64_c.jwt_Base64decode(back, text.value) == length
        assert back.raw[:length] == content


@pytest.mark.parametrize("text", [
    "", "a", "ab", "abc", "abcde", "ab=", "a===", "====", "ab==ab==", "a=bc", " abc", "abc ",
    "abcd\n", " abcdabc", "abcdabc\n", "ab\0d", "abc-", "ab_d"])
def test_what_is_not_base64_is_refused(base64_c, text):
    assert base64_c.jwt_Base64decode(ctypes.create_string_buffer(64), text.encode()) == 0


def signed(header, claims, digest):
    """A token, signed with the secret by Python."""
    def encoded(content):
        return base64.urlsafe_b64encode(content).decode().rstrip("=")

    text = ".".join(encoded(json.dumps(part).encode()) for part in (header, claims))
    return text + "." + encoded(hmac.digest(SECRET.encode(), text.encode(), digest))


def parts(token):
    return [json.loads(base64.urlsafe_b64decode(part + "===")) for part in token.split(".")[:2]]


def test_a_token_is_signed_as_it_should_be_and_in_no_other_way(tarball, home):
    """Its signature is made by code of our own: hmac.c."""
    folder = unpack(tarball, home / "site", home / "site")
    server = Cgi(as_www_data(), folder)
    token = server.ask("POST", LOGIN, {"username": "ada", "password": PASSWORD}).token
    header, claims = parts(token)
    assert header["alg"] == "HS256" and signed(header, claims, "sha256").split(".")[2] != ""
    text, _, signature = token.rpartition(".")
    digest = hmac.digest(SECRET.encode(), text.encode(), "sha256")
    assert signature == base64.urlsafe_b64encode(digest).decode().rstrip("=")
    kid = {"kid": header["kid"]} if "kid" in header else {}
    for alg, digest, status in (("HS256", "sha256", 200), ("HS384", "sha384", 303),
                                ("HS512", "sha512", 303), ("HS384", "sha256", 303),
                                ("none", "sha256", 303), ("RS256", "sha256", 303),
                                ("ES256", "sha256", 303), ("hs256", "sha256", 303)):
        other = signed({"alg": alg, "typ": "JWT", **kid}, claims, digest)
        assert server.ask("GET", WELCOME, token=other).status == status, (alg, digest)
    for at in range(len(text) + 1, len(token)):
        for c in {"A", "_", "x"} - {token[at]}:
            other = token[:at] + c + token[at + 1:]
            assert server.ask("GET", WELCOME, token=other).status == 303, other


def test_the_same_tarball_a_second_time(tarball, tmp_path):
    """In another folder, and by somebody with another umask."""
    copy_sources(tmp_path)
    (tmp_path / "build/static").mkdir(parents=True)
    for source in (ROOT / "build/static").glob("*.orig.tar.xz"):
        shutil.copy(source, tmp_path / "build/static")
    with tarfile.open(tarball) as tar:
        epoch = tar.next().mtime
    run("sh", "-c", 'umask 077 && make -C "$0" dist SOURCE_DATE_EPOCH=%d' % epoch, tmp_path)
    again = tmp_path / "build/dist" / tarball.name
    assert hashlib.sha256(again.read_bytes()).hexdigest() == \
        hashlib.sha256(tarball.read_bytes()).hexdigest()


# -- a visit ----------------------------------------------------------------------------------

class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body
        self.text = body.decode("latin-1")

    @property
    def token(self):
        """Of the cookie that it sets."""
        cookies = "; ".join(self.headers.get_all("Set-Cookie") or ())
        return (re.findall(r"\btoken=([^;]+)", cookies) or [""])[0]


class Server:
    """Something to ask over HTTP."""

    def __init__(self, port):
        self.port = port

    def ask(self, method, path, fields=None, token=None, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        headers = {**BROWSER, **headers}
        if token is not None:
            headers["Cookie"] = "token=" + token
        body = None
        if fields is not None:
            body = urllib.parse.urlencode(fields)
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        connection.request(method, path, body, headers)
        reply = connection.getresponse()
        answer = Answer(reply.status, reply.headers, reply.read())
        connection.close()
        return answer


class Cgi:
    """The programs started as a web server would, with nothing in between."""

    def __init__(self, prefix, folder, **environment):
        self.prefix, self.folder, self.environment = prefix, folder, environment

    def start(self, name, arguments=(), body=b"", **environment):
        program = "%s/cgi-bin/%s" % (self.folder, name)
        return subprocess.run([*map(str, self.prefix), program, *arguments], input=body, timeout=60,
                              env={**self.environment, **environment}, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE)

    def ask(self, method, path, fields=None, token=None):
        name = path.split("/")[2]
        script = "/cgi-bin/" + name
        body = b"" if fields is None else urllib.parse.urlencode(fields).encode()
        environment = {
            "GATEWAY_INTERFACE": "CGI/1.1", "SERVER_PROTOCOL": "HTTP/1.1", "HTTP_HOST": "x",
            "REQUEST_METHOD": method, "REQUEST_URI": path, "SCRIPT_NAME": script,
            "PATH_INFO": path[len(script):], "REMOTE_ADDR": "192.0.2.1",
            "CONTENT_LENGTH": str(len(body)),
            **{"HTTP_" + n.upper().replace("-", "_"): v for n, v in BROWSER.items()}}
        if fields is not None:
            environment["CONTENT_TYPE"] = "application/x-www-form-urlencoded"
        if token is not None:
            environment["HTTP_COOKIE"] = "token=" + token
        done = self.start(name, body=body, **environment)
        assert done.returncode == 0, (done.returncode, done.stderr)
        head = http.client.parse_headers(io.BytesIO(done.stdout))
        status = int(head["Status"].split()[0]) if "Status" in head else 200
        answer = Answer(status, head, done.stdout.partition(b"\r\n\r\n")[2])
        answer.text += done.stderr.decode("latin-1")  # for whoever wonders
        return answer


def visit(server):
    """Sign in, be welcome, sign out. The token, which is worth nothing any more."""
    form = server.ask("GET", LOGIN)
    assert form.status == 200 and 'type="password"' in form.text, form.text
    asked = server.ask("GET", WELCOME)
    assert asked.status == 303, asked.text
    assert asked.headers["Location"].startswith(LOGIN + "?next=")
    wrong = server.ask("POST", LOGIN, {"username": "ada", "password": PASSWORD + "x"})
    assert wrong.status == 401 and not wrong.token, wrong.text
    right = server.ask("POST", LOGIN, {"username": "ada", "password": PASSWORD, "next": WELCOME})
    assert (right.status, right.headers["Location"]) == (303, WELCOME), right.text
    welcome = server.ask("GET", WELCOME, token=right.token)
    assert welcome.status == 200 and "ada" in welcome.text, welcome.text
    assert server.ask("POST", LOGOUT, {}, token=right.token).status == 303
    # Only the state tells that it has ended.
    assert server.ask("GET", WELCOME, token=right.token).status == 303
    return right.token


# -- a root with nothing else in it, an old kernel ---------------------------------------------

@pytest.fixture
def home():
    """A folder that other users may enter."""
    with tempfile.TemporaryDirectory(prefix="postern-") as folder:
        os.chmod(folder, 0o755)
        yield pathlib.Path(folder)


def as_www_data(root="/"):
    return ["/usr/sbin/chroot", "--userspec=+%d:+%d" % (WWW_DATA, WWW_DATA), root]


@pytest.mark.parametrize("method", ["yescrypt", "bcrypt", "sha512crypt", "sha256crypt", "scrypt"])
def test_every_hash_in_an_empty_root(tarball, home, method):
    """No libraries, no /dev, no /proc, no /etc: the tarball, and that is all."""
    unpack(tarball, home, "", hashed(method))
    visit(Cgi(as_www_data(home), "", POSTERN_ENV="/.htpostern/postern.env"))


def test_an_empty_root_knows_its_settings_from_the_variable_alone(tarball, home):
    """Without /proc a program cannot tell where it lies: it says no, and why."""
    unpack(tarball, home, "")
    bare = Cgi(as_www_data(home), "")
    assert bare.ask("GET", WELCOME).status == 503
    check = bare.start("login.fcgi", ["--check"])
    assert check.returncode == 78 and b"POSTERN_SECRET is missing" in check.stderr + check.stdout
    assert Cgi(as_www_data(home), "", POSTERN_ENV="/.htpostern/postern.env").start(
        "login.fcgi", ["--check"]).returncode == 0


@pytest.fixture(scope="session")
def old_kernel(tmp_path_factory):
    program = tmp_path_factory.mktemp("old") / "old_kernel"
    run("cc", "-O1", "-Wall", "-Wextra", "-Werror", "-static", "-o", program,
        ROOT / "tests/package/old_kernel.c")
    return program


def test_the_old_kernel_is_old(old_kernel):
    said = subprocess.run([old_kernel, "/usr/bin/python3", "-c",
                           "import os; print(os.uname().release, flush=True); os.getrandom(1)"],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout
    assert said.startswith("2.6.") and "Function not implemented" in said


@pytest.mark.parametrize("method", ["yescrypt", "bcrypt", "sha512crypt"])
def test_on_an_old_kernel(tarball, home, old_kernel, method):
    """Without any system call that Linux got after 3.10. The settings are found by themselves."""
    unpack(tarball, home, home, hashed(method))
    shutil.copy(old_kernel, home)
    # There libcrypto makes a segment of shared memory, once for the whole machine.
    old = Cgi(["/usr/bin/unshare", "--ipc", *as_www_data(), home / "old_kernel"], home)
    for name in PROGRAMS:
        check = old.start(name, ["--check"])
        assert check.returncode == 0, check.stderr
    visit(old)
    for _ in range(5):
        old.ask("POST", LOGIN, {"username": "ada", "password": "wrong"})
    assert old.ask("POST", LOGIN, {"username": "ada", "password": PASSWORD}).status == 429


def test_made_on_debian_13(chroot, home, old_kernel):
    """Another compiler, another glibc, newer libraries."""
    debian = chroot("trixie")
    debian.install("make")
    copy_sources(debian.path("/src"))
    debian.check("make -C /src dist")  # installs packages: dpkg warns of what is no matter here
    assert_no_warning(debian.check("rm -r /src/build && make -C /src dist"))
    tarball = next(debian.path("/src/build/dist").glob("*.tar.gz"))
    unpack(tarball, home, home, hashed("yescrypt"))
    shutil.copy(old_kernel, home)
    for name in PROGRAMS:
        assert (home / "cgi-bin" / name).stat().st_size < 8_000_000
    visit(Cgi(["/usr/bin/unshare", "--ipc", *as_www_data(), home / "old_kernel"], home))
    with open(home / ".htpostern/postern.env") as settings:
        moved = settings.read().replace(str(home), "")
    (home / ".htpostern/postern.env").write_text(moved)
    visit(Cgi(as_www_data(home), "", POSTERN_ENV="/.htpostern/postern.env"))


def test_among_musl(tarball, home, tmp_path):
    """
    A root whose only C library is musl's, as on Alpine: Debian's musl, and its busybox, which
    has every library inside too, as the web server. .htpostern lies above the web root.
    """
    subprocess.run(["apt-get", "-q", "download", "musl", "busybox-static"], cwd=tmp_path,
                   check=True)
    for package in tmp_path.glob("*.deb"):
        run("dpkg-deb", "-x", package, home)
    assert list(home.glob("lib/ld-musl-*")) and not list(home.rglob("libc.so.6"))
    you = unpack(tarball, home / "home/you", "/home/you")
    (you / "www").mkdir()
    (you / "cgi-bin").rename(you / "www/cgi-bin")
    port, log = free_port(), tmp_path / "httpd.log"
    with open(log, "wb") as out:
        process = subprocess.Popen(
            [*as_www_data(home), "/bin/busybox", "httpd", "-f", "-p", "127.0.0.1:%d" % port,
             "-h", "/home/you/www"], stdout=out, stderr=out,
            env={"POSTERN_ENV": "/home/you/.htpostern/postern.env"})
    try:
        wait_for(port, process, log)
        visit(Server(port))
        for spelling in (*SPELLINGS, "/cgi-bin/../../.htpostern/%s"):
            assert SECRET not in Server(port).ask("GET", spelling % "postern.env").text
    finally:
        process.terminate()
        process.wait(30)


# -- nothing can be downloaded ------------------------------------------------------------------

def files_of(folder):
    """Of .htpostern, as they are called below it; and the folders."""
    return ["", "state", "state/", *(str(f.relative_to(folder)) for f in folder.rglob("*"))]


def assert_hidden(server, folder):
    for name in files_of(folder):
        for spelling in SPELLINGS:
            answer = server.ask("GET", spelling % name)
            assert answer.status in (400, 403, 404, 500), (spelling % name, answer.status)
            if folder.joinpath(name).is_file() and folder.joinpath(name).stat().st_size > 0:
                assert folder.joinpath(name).read_bytes() not in answer.body


def assert_programs_run(server):
    for path in (LOGIN, WELCOME):
        answer = server.ask("GET", path)
        assert answer.status in (200, 303) and b"\x7fELF" not in answer.body, answer.text


APACHE = """
Listen 127.0.0.1:%(port)d
<VirtualHost 127.0.0.1:%(port)d>
	DocumentRoot /home/%(name)s/www
	ErrorLog /var/log/apache2/%(name)s.log
	%(more)s
	<Directory /home/%(name)s>
		AllowOverride FileInfo Options AuthConfig
		Require all granted
	</Directory>
</VirtualHost>
"""

# Where cgi-bin and .htpostern lie below the folder of one's own.
PLACES = {"inside": ("www", "www"), "above": ("", ""), "between": ("www", ""),
          "fcgid": ("www", "www"), "suexec": ("www", "www")}
CUSTOMER = 1000


def shown(text):
    """What the page of a new site tells to write."""
    return [html.unescape(t) for t in re.findall("<pre>(.*?)</pre>", text, re.S)]


class Hosting:
    """A Debian with Apache, as it comes, on which people have folders of their own."""

    def __init__(self, chroot, tarball, log):
        self.chroot, self.ports = chroot, {}
        chroot.install("apache2", "libapache2-mod-fcgid", "apache2-suexec-custom")
        chroot.check("useradd -u %d customer" % CUSTOMER)
        chroot.path("/etc/apache2/suexec/www-data").write_text("/home\npublic_html\n")
        chroot.check("a2enmod -q cgid fcgid rewrite headers suexec && a2dissite -q 000-default && "
                     "a2disconf -q serve-cgi-bin")
        sites = "ServerName example.org\n"
        for name, (cgi_bin, hidden) in PLACES.items():
            self.ports[name] = free_port()
            self.upload(tarball, name, cgi_bin, hidden)
            # Beside the web root it is the host that leads to it.
            more = {"above": 'ScriptAlias "/cgi-bin/" "/home/above/cgi-bin/"',
                    "suexec": "SuexecUserGroup customer customer"}.get(name, "")
            sites += APACHE % {"name": name, "port": self.ports[name], "more": more}
        chroot.path("/etc/apache2/ports.conf").write_text("")
        chroot.path("/etc/apache2/sites-enabled/hosting.conf").write_text(sites)
        process = chroot.start(". /etc/apache2/envvars && "
                               "install -d -o www-data $APACHE_RUN_DIR/socks && "
                               "exec apache2 -DFOREGROUND", log)
        wait_for(self.ports["above"], process, log)

    def upload(self, tarball, name, cgi_bin, hidden):
        you = self.chroot.path("/home/" + name)
        (you / "www").mkdir(parents=True)
        unpacked = unpack(tarball, you / "new", "/home/%s/%s" % (name, hidden) if hidden else
                          "/home/" + name)
        for part, where in (("cgi-bin", cgi_bin), (".htpostern", hidden)):
            (unpacked / part).rename(you / where / part)
        unpacked.rmdir()
        if name == "suexec":
            give_to(CUSTOMER, you)
        if name == "fcgid":
            self.guard(you / "www")

    @staticmethod
    def guard(www):
        """mod_fcgid, and a folder for those who are signed in: what the examples say."""
        examples = www / ".htpostern/examples"
        shutil.copy(examples / "cgi-bin-fcgid.htaccess", www / "cgi-bin/.htaccess")
        (www / "private").mkdir()
        text = (examples / "guarded-folder.htaccess").read_text()
        text, lines = re.subn('(?m)^FcgidAccessChecker ".*/cgi-bin/welcome.fcgi"$',
                              'FcgidAccessChecker "/home/fcgid/www/cgi-bin/welcome.fcgi"', text)
        assert lines == 1
        (www / "private/.htaccess").write_text(text)
        (www / "private/.htaccess").chmod(0o644)
        (www / "private/notes.txt").write_text("for those who are signed in\n")

    def server(self, name):
        return Server(self.ports[name])

    def events(self, name):
        log = name if name == "fcgid" else "error"
        return self.chroot.path("/var/log/apache2/%s.log" % log).read_text()


@pytest.fixture(scope="module")
def hosting(new_chroot, tarball, tmp_path_factory):
    chroot = new_chroot("bookworm")
    try:
        yield Hosting(chroot, tarball, tmp_path_factory.mktemp("apache") / "apache.log")
    finally:
        chroot.close()


def test_none_of_our_libraries_is_there(hosting):
    found = hosting.chroot.check(["find", "/", "-xdev", "-name", "lib*.so*"])
    assert "libapr" in found
    assert not re.search(r"libjwt|libjson-c|libfcgi|libb64", found)


@pytest.mark.parametrize("place", PLACES)
def test_apache_signs_in_by_htaccess_alone(hosting, place):
    said = "event=login_ok user=\"ada\""
    # What a program says as plain CGI is not in the log of the site, but in the server's own.
    before = hosting.events(place).count(said)
    visit(hosting.server(place))
    assert hosting.events(place).count(said) == before + 1


@pytest.mark.parametrize("place", PLACES)
def test_the_page_of_a_new_site_says_all_there_is_to_do(hosting, place):
    """Its settings and its line for the user file, as they are, are enough."""
    server = hosting.server(place)
    folder = hosting.chroot.path("/home/%s/%s/.htpostern" % (place, PLACES[place][1]))
    users, env = folder / "users", folder / "postern.env"
    before = {path: path.read_text() for path in (users, env)}
    try:
        env.unlink()
        for number, program in hosting.chroot.running().items():
            if program.endswith(".fcgi"):  # one that has its settings never asks for them again
                os.kill(number, signal.SIGTERM)
        page = server.ask("POST", LOGIN, {"username": "ada", "password": PASSWORD})
        assert page.status == 503 and page.text.count("<pre>") == 2, page.text
        users.write_text("".join(shown(page.text)[:1]) + "\n")
        settings = shown(page.text)[1]
        assert "<code>%s</code>" % ("/" + str(env.relative_to(hosting.chroot.root))) in page.text
        env.touch(0o600)
        os.chown(env, users.stat().st_uid, users.stat().st_gid)
        env.write_text(settings)
        end = time.monotonic() + 5  # they are looked for once a second
        while server.ask("GET", LOGIN).status == 503 and time.monotonic() < end:
            time.sleep(0.01)
        visit(server)
    finally:
        for path, text in before.items():
            path.write_text(text)


@pytest.mark.parametrize("place", PLACES)
def test_apache_hands_out_nothing(hosting, place):
    hidden = hosting.chroot.path("/home/%s/%s/.htpostern" % (place, PLACES[place][1]))
    assert_hidden(hosting.server(place), hidden)
    assert_programs_run(hosting.server(place))


def test_the_canary_sings(hosting):
    """Open to all, and without its .htaccess, the folder can be read: that is what hides it."""
    folder = hosting.chroot.path("/home/inside/www/.htpostern")
    canary = "/.htpostern/INSTALL.txt"
    for path in (folder, folder / "INSTALL.txt", folder / ".htaccess"):
        path.chmod(0o755)
    os.chown(folder / "INSTALL.txt", 0, 0)
    try:
        assert hosting.server("inside").ask("GET", canary).status == 403
        (folder / ".htaccess").rename(folder / "away")
        # Debian's own Apache refuses files that begin with .ht, not what lies in such a folder.
        assert "POSTERN ON SHARED HOSTING" in hosting.server("inside").ask("GET", canary).text
    finally:
        (folder / "away").rename(folder / ".htaccess")
        folder.chmod(0o700)


def test_suexec_wants_a_folder_that_only_its_owner_may_change(hosting):
    server, log = hosting.server("suexec"), hosting.chroot.path("/var/log/apache2/suexec.log")
    assert server.ask("GET", LOGIN).status == 200
    assert "uid: (1000/customer)" in log.read_text().splitlines()[-1]
    folder = hosting.chroot.path("/home/suexec/www/cgi-bin")
    folder.chmod(0o777)
    try:
        assert server.ask("GET", LOGIN).status == 500
    finally:
        folder.chmod(0o755)
    assert "writable by others" in log.read_text()


def test_mod_fcgid_keeps_a_program_running(hosting):
    for place, stays in (("inside", False), ("fcgid", True)):
        hosting.server(place).ask("GET", LOGIN)
        program = "/home/%s/www/cgi-bin/login.fcgi" % place
        assert (program in hosting.chroot.running().values()) == stays


def test_a_new_program_takes_over_at_once(hosting):
    """Uploaded beside the old one, and renamed: the running one is left behind."""
    server, folder = hosting.server("fcgid"), hosting.chroot.path("/home/fcgid/www/cgi-bin")
    before = (folder / "login.fcgi").stat()
    assert server.ask("GET", LOGIN).status == 200
    shutil.copy(folder / "login.fcgi", folder / "new")
    os.chown(folder / "new", WWW_DATA, WWW_DATA)
    (folder / "new").rename(folder / "login.fcgi")
    assert (folder / "login.fcgi").stat().st_ino != before.st_ino
    assert server.ask("GET", LOGIN).status == 200
    assert "/home/fcgid/www/cgi-bin/login.fcgi" in hosting.chroot.running().values()


def test_mod_fcgid_guards_a_folder(hosting):
    server = hosting.server("fcgid")
    asked = server.ask("GET", "/private/notes.txt")
    assert asked.status in (302, 303) and LOGIN in asked.headers["Location"], asked.text
    program = {"Accept": "*/*", "Sec-Fetch-Mode": "cors"}
    assert server.ask("GET", "/private/notes.txt", **program).status == 401
    target = urllib.parse.urlsplit(asked.headers["Location"])
    right = server.ask("POST", LOGIN, {"username": "ada", "password": PASSWORD,
                                       "next": urllib.parse.parse_qs(target.query)["next"][0]})
    assert (right.status, right.headers["Location"]) == (303, "/private/notes.txt"), right.text
    notes = server.ask("GET", right.headers["Location"], token=right.token)
    assert notes.text == "for those who are signed in\n"
    server.ask("POST", LOGOUT, {}, token=right.token)
    assert server.ask("GET", "/private/notes.txt", token=right.token).status in (302, 303)


# -- lighttpd, which reads no .htaccess ----------------------------------------------------------

LIGHTTPD = """
server.modules = ( "mod_access", "mod_cgi", "mod_fastcgi" )
server.bind = "127.0.0.1"
server.port = %(port)d
server.username = "www-data"
server.groupname = "www-data"
server.document-root = "%(www)s"
server.breakagelog = "%(log)s"
cgi.assign = ( ".fcgi" => "" )
%(rule)s
"""


@pytest.fixture
def lighttpd(home):
    running = []

    def start(rule=""):
        port = free_port()
        config, log = home / ("%d.conf" % port), home / ("%d.log" % port)
        config.write_text(LIGHTTPD % {"port": port, "www": home / "www", "log": log,
                                      "rule": rule})
        log.touch()
        os.chown(log, WWW_DATA, WWW_DATA)
        with open(log, "ab") as out:
            running.append(subprocess.Popen(
                ["/usr/bin/unshare", "--ipc", "/usr/sbin/lighttpd", "-D", "-f", config],
                stdout=out, stderr=out))
        wait_for(port, running[-1], log)
        return Server(port)

    yield start
    for process in running:
        process.terminate()
        process.wait(30)


def deny_rule():
    """What deploy/lighttpd.conf says about names that begin with .ht."""
    return re.search(r'(?m)^\$HTTP\["url"\] =~ "/\\\.ht" \{\n.*\n\}$',
                     (ROOT / "deploy/lighttpd.conf").read_text()).group(0)


def test_lighttpd_refuses_by_the_rule_of_its_recipe(tarball, home, lighttpd):
    """Here lighttpd starts the programs as its own user, so it could read their files."""
    folder = unpack(tarball, home / "www", home / "www") / ".htpostern"
    without = lighttpd()
    assert SECRET in without.ask("GET", "/.htpostern/postern.env").text
    server = lighttpd(deny_rule())
    assert_hidden(server, folder)
    assert_programs_run(server)
    visit(server)


def test_lighttpd_may_not_read_what_belongs_to_another_user(tarball, home, lighttpd):
    """Where each customer's programs run as that customer, lighttpd has no way in."""
    folder = unpack(tarball, home / "www", home / "www") / ".htpostern"
    give_to(WWW_DATA + 1, folder)
    assert_hidden(lighttpd(), folder)


def test_lighttpd_with_the_folder_above(tarball, home, lighttpd):
    folder = unpack(tarball, home, home) / ".htpostern"
    (home / "www").mkdir()
    (home / "cgi-bin").rename(home / "www/cgi-bin")
    server = lighttpd()
    assert_hidden(server, folder)
    assert_programs_run(server)
    visit(server)


FASTCGI = """
fastcgi.server += ( "/cgi-bin/%(name)s" => ((
	"socket" => "%(home)s/%(name)s.socket", "max-procs" => 1, "check-local" => "disable",
	"bin-path" => "%(home)s/old_kernel %(home)s/cgi-bin/%(name)s"
)) )
"""


def test_as_fastcgi_on_an_old_kernel(tarball, home, lighttpd, old_kernel):
    unpack(tarball, home, home)
    give_to(WWW_DATA, home)  # for the sockets
    shutil.copy(old_kernel, home)
    (home / "www").mkdir()
    server = lighttpd("".join(FASTCGI % {"name": name, "home": home} for name in PROGRAMS))
    for _ in range(3):
        visit(server)
