"""Shared hosting: the .htaccess files of deploy/, on an Apache that allows what they need."""
import contextlib
import os
import pathlib
import pwd
import re
import shutil
import socket
import tempfile
import urllib.parse

import jwt
import pytest

from conftest import (BROWSER, CGI_PATHS, PROGRAM, PROGRAMS, ROOT, SECRET, Site, cookie,
                      free_port, wait_until, write_settings)

RECIPES = ROOT / "deploy/shared-hosting"
PRETTY_PATHS = ("/login", "/logout", "/welcome")
MODULES = ("mpm_event authn_core authz_core authz_host authz_user access_compat alias autoindex "
           "deflate dir env filter headers include mime negotiation rewrite setenvif").split()

# What the host sets up, and its customers cannot change.
CONFIG = """
ServerName localhost
Listen 127.0.0.1:%(port)d
User www-data
Group www-data
DefaultRuntimeDir "%(home)s"
PidFile "%(folder)s/apache.pid"
Mutex "file:%(home)s"
ErrorLog "%(folder)s/apache.log"
DocumentRoot "%(home)s/www"
TypesConfig /etc/mime.types
<IfModule mod_cgid.c>
	ScriptSock "%(home)s/cgid.socket"
</IfModule>
<IfModule mod_fcgid.c>
	FcgidIPCDir "%(home)s/fcgid"
	FcgidProcessTableFile "%(home)s/fcgid.shm"
</IfModule>
<Directory "/">
	AllowOverride None
	Require all denied
</Directory>
<Directory "%(home)s">
	Require all granted
	Options Indexes FollowSymLinks
	DirectoryIndex index.html
	AllowOverride %(override)s
</Directory>
<Files ".ht*">
	Require all denied
</Files>
"""
# Programs run as the customer then, with nothing in the environment but what suexec lets through.
SUEXEC = """
SuexecUserGroup nobody nogroup
SetEnv POSTERN_TITLE "From outside"
SetEnv POSTERN_HOME "/from-outside"
"""
# A cgi-bin that is not in the web root.
ALIAS = """
ScriptAlias "/cgi-bin/" "%(home)s/cgi-bin/"
"""
# What makes a guard harder: a folder that is open to whoever meets Require, whatever another module
# says; names that are found without their ending; an index that lies in the guarded folder.
HARD = """
<Directory "%(home)s/www/any">
	Satisfy Any
	Options +MultiViews
</Directory>
<Directory "%(home)s/www/private">
	Options +MultiViews
</Directory>
<Directory "%(home)s/www/open/folder">
	DirectoryIndex /private/file.txt
</Directory>
"""


def recipe(name):
    return (RECIPES / name).read_text()


class Host(Site):
    """A customer's files, and the Apache that serves them."""

    command = ["/usr/sbin/apache2", "-DFOREGROUND", "-f"]

    def __init__(self, folder, override, modules=("cgid",), files=None, more="", paths=CGI_PATHS,
                 cgi_bin="www/cgi-bin", owner="www-data", lacks=()):
        # suexec runs nothing that lies elsewhere.
        base = "/var/www" if "suexec" in modules else None
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="postern-host-", dir=base))
        self.www, self.cgi_bin, self.owner = self.home / "www", self.home / cgi_bin, owner
        self.settings = self.cgi_bin.parent / ".htpostern"
        self.cgi_bin.mkdir(parents=True)
        self.www.mkdir(exist_ok=True)
        for name in ("login.fcgi", "welcome.fcgi"):
            shutil.copy(PROGRAMS / name, self.cgi_bin)
        groups = self.settings / "groups"
        write_settings(self.settings, POSTERN_GROUPS=groups, **dict(
            zip(("POSTERN_LOGIN", "POSTERN_LOGOUT", "POSTERN_HOME"), paths)))
        groups.touch(0o600)
        groups.write_text("staff: grace-hopper\n")
        shutil.copy(RECIPES / ".htpostern/.htaccess", self.settings)
        for path in (self.cgi_bin, self.www):
            (path / "notes.txt").write_text("notes\n")
        (self.www / "index.html").write_text("the index\n")
        self.write("www/private/file.txt", "guarded\n")
        self.write("www/private/index.html", "guarded\n")
        for path, text in {cgi_bin + "/.htaccess": recipe("cgi-bin/.htaccess"),
                           **(files or {})}.items():
            self.write(path, text)
        # As they come out of the archive.
        self.settings.chmod(0o700)
        (self.settings / ".htaccess").chmod(0o600)
        user = pwd.getpwnam(owner)
        for path in (self.home, *self.home.rglob("*")):
            os.chown(path, user.pw_uid, user.pw_gid)
        self.home.chmod(0o755)
        port = free_port()
        text = "".join("LoadModule %s_module /usr/lib/apache2/modules/mod_%s.so\n" % (m, m)
                       for m in (*MODULES, *modules) if m not in lacks) + CONFIG + more
        (folder / "apache.conf").write_text(text % {
            "home": self.home, "folder": folder, "port": port, "override": override})
        super().__init__(folder, folder / "apache.conf", port, *paths, log="apache.log",
                         events="apache.log", cgid=self.home if "cgid" in modules else None)

    def write(self, path, text):
        """Write a file of the customer's; recipes get the path of the programs."""
        file = self.home / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text.replace("/home/you/public_html/cgi-bin", str(self.cgi_bin)))

    def stop(self):
        super().stop()
        shutil.rmtree(self.home)

    def signed_in(self, headers=PROGRAM, **who):
        """The headers of somebody who has signed in."""
        return {**headers, **{"Cookie": cookie(self.sign_in(**who).token)["Cookie"]}}

    def bearer(self):
        reply = self.post(self.login, {"username": "admin", "password": "password"},
                          {"Accept": "application/jwt"})
        assert reply.status == 200 and "Set-Cookie" not in reply.headers
        return {**PROGRAM, "Authorization": "Bearer " + reply.text}


FCGID = {"www/cgi-bin/.htaccess": recipe("examples/cgi-bin-fcgid.htaccess")}
PRETTY = {"www/.htaccess": recipe("examples/web-root-pretty.htaccess")}
GUARD = {"www/private/.htaccess": recipe("examples/guarded-folder.htaccess")}

# Each way to have the pages: what the host allows, and which recipe.
HOSTS = {
    "cgi": dict(override="FileInfo Options"),
    "cgi-ExecCGI": dict(override="FileInfo Options=ExecCGI"),
    "cgi-All": dict(override="All"),
    # The host runs programs there anyway, and allows no word about it.
    "cgi-FileInfo": dict(
        override="FileInfo", files={"www/cgi-bin/.htaccess": recipe("cgi-bin/.htaccess").replace(
            "Options +ExecCGI\n", "")},
        more='<Directory "%(home)s/www/cgi-bin">\nOptions +ExecCGI\n</Directory>\n'),
    "cgi-AuthConfig": dict(override="FileInfo Options AuthConfig", files={
        "www/cgi-bin/.htaccess": recipe("examples/cgi-bin-authconfig.htaccess")}),
    "fcgid": dict(override="FileInfo Options", modules=["fcgid"], files=FCGID),
    "fcgid-ExecCGI": dict(override="FileInfo Options=ExecCGI", modules=["fcgid"], files=FCGID),
    "pretty-cgi": dict(override="FileInfo Options", files=PRETTY, paths=PRETTY_PATHS),
    "pretty-fcgid": dict(override="FileInfo Options", modules=["fcgid"],
                         files={**FCGID, **PRETTY}, paths=PRETTY_PATHS),
    "pretty-alias": dict(override="FileInfo Options", more=ALIAS, cgi_bin="cgi-bin", files=PRETTY,
                         paths=PRETTY_PATHS),
    "suexec-cgi": dict(override="FileInfo Options", modules=["cgid", "suexec"], more=SUEXEC,
                       owner="nobody"),
    "suexec-fcgid": dict(override="FileInfo Options", modules=["fcgid", "suexec"], more=SUEXEC,
                         owner="nobody", files=FCGID),
    "suexec-pretty": dict(override="FileInfo Options", modules=["cgid", "suexec"], more=SUEXEC,
                          owner="nobody", files=PRETTY, paths=PRETTY_PATHS),
}

# Each way to guard a folder.
GUARDS = {
    "fcgid": dict(override="FileInfo Options", modules=["fcgid"], files={**FCGID, **GUARD},
                  more=HARD),
    # Signing in is plain CGI here, and only the gate is FastCGI.
    "cgi": dict(override="FileInfo Options AuthConfig", modules=["cgid", "fcgid"], files=GUARD,
                more=HARD),
    "pretty": dict(override="FileInfo Options", modules=["fcgid"], paths=PRETTY_PATHS,
                   files={**FCGID, **GUARD, **PRETTY}, more=HARD),
    "suexec": dict(override="FileInfo Options", modules=["fcgid", "suexec"], more=SUEXEC + HARD,
                   owner="nobody", files={**FCGID, **GUARD}),
}


@contextlib.contextmanager
def start(tmp_path_factory, **options):
    running = Host(tmp_path_factory.mktemp("host"), **options)
    try:
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="module", params=HOSTS)
def host(request, tmp_path_factory):
    with start(tmp_path_factory, **HOSTS[request.param]) as running:
        yield running


@pytest.fixture(scope="module", params=GUARDS)
def guard(request, tmp_path_factory):
    with start(tmp_path_factory, **GUARDS[request.param]) as running:
        yield running


# -- the pages --------------------------------------------------------------------------------

def test_a_browser_signs_in_and_comes_back(host):
    wanted = host.welcome + "?q=a%20b&c=d"
    sent = host.get(wanted, BROWSER)
    assert sent.status == 303
    assert sent.headers["Location"] == "%s?next=%s" % (
        host.login, urllib.parse.quote(wanted, "/~!$'()*,:@"))
    form = host.get(sent.headers["Location"], BROWSER)
    assert form.status == 200 and 'action="%s"' % host.login in form.text
    assert 'value="%s"' % wanted.replace("&", "&amp;") in form.text
    assert "<title>Sign in" in form.text
    back = host.post(host.login, {"username": "admin", "password": "password", "next": wanted},
                     BROWSER)
    assert (back.status, back.headers["Location"]) == (303, wanted)
    page = host.get(wanted, {**BROWSER, "Cookie": cookie(back.token)["Cookie"]})
    assert page.status == 200 and "admin" in page.text


def test_without_a_wanted_page_home_is_next(host):
    reply = host.sign_in(headers=BROWSER)
    assert (reply.status, reply.headers["Location"]) == (303, host.welcome)


def test_a_program_signs_in(host):
    reply = host.sign_in()
    assert (reply.status, reply.text) == (200, '{"message":"Login is successful"}')
    page = host.get(host.welcome, cookie(reply.token))
    assert (page.status, page.text) == (200, '{"message":"Have a good day"}')
    assert host.get(host.welcome).status == 401


def test_a_wrong_password_is_refused(host):
    for headers in (BROWSER, PROGRAM):
        reply = host.sign_in(password="wrong", headers=headers)
        assert reply.status == 401 and "Set-Cookie" not in reply.headers


def test_signing_out_ends_the_session(host):
    headers = host.signed_in(BROWSER)
    page = host.get(host.logout, headers)
    assert page.status == 200 and 'action="%s"' % host.logout in page.text
    out = host.post(host.logout, {}, headers)
    assert (out.status, out.headers["Location"]) == (303, host.login)
    assert host.get(host.welcome, {**PROGRAM, "Cookie": headers["Cookie"]}).status == 400
    first, second = host.signed_in(), host.signed_in()
    assert host.post(host.logout, {"everywhere": "1"}, first).status == 200
    assert host.get(host.welcome, second).status == 400


def test_a_bearer_token_is_seen(host):
    reply = host.get(host.welcome, host.bearer())
    assert (reply.status, reply.text) == (200, '{"message":"Have a good day"}')
    bad = host.get(host.welcome, {**PROGRAM, "Authorization": "Bearer x"})
    assert bad.status == 401 and 'error="invalid_token"' in bad.headers["WWW-Authenticate"]


def test_the_programs_are_run_and_not_sent(host):
    for path in (*CGI_PATHS, "/cgi-bin/welcome.fcgi/x", "/cgi-bin//login.fcgi",
                 "/cgi-bin/login%2efcgi", "/cgi-bin/../cgi-bin/login.fcgi"):
        for method in ("GET", "HEAD", "POST", "PUT", "OPTIONS"):
            assert not host.request(method, path).body.startswith(b"\x7fELF"), (method, path)
        assert host.request("PUT", path).status in (404, 405, 415), path


def test_nothing_else_changes(host):
    assert host.get("/").text == "the index\n"
    assert host.get("/notes.txt").text == "notes\n"
    assert host.get("/private/file.txt").text == "guarded\n"
    for path in ("/login/", "/login/x", "/loginx", "/logout/x", "/welcome/x", "/x/login",
                 "/nothing", "/cgi-bin/nothing.fcgi"):
        assert host.get(path).status == 404, path
    # A file that is no program is not run.
    if host.cgi_bin.is_relative_to(host.www):
        assert host.get("/cgi-bin/notes.txt").text == "notes\n"


FILES = ("postern.env", "users", "groups", "state/", "state/postern.mdb", "", ".htaccess",
         "nothing", "./users", "%75sers", "/users", "users/x")


@pytest.mark.parametrize("file", FILES)
def test_no_settings_are_sent(host, file):
    for method in ("GET", "HEAD", "POST", "OPTIONS", "PROPFIND"):
        reply = host.request(method, "/.htpostern/" + file)
        assert reply.status == 403, method


def test_where_the_host_runs_programs_nothing_is_needed_but_for_bearer_tokens(tmp_path_factory):
    with start(tmp_path_factory, override="None", more=ALIAS, cgi_bin="cgi-bin") as host:
        headers = host.signed_in(BROWSER)
        assert "admin" in host.get(host.welcome, headers).text
        assert host.post(host.logout, {}, headers).status == 303
        assert host.sign_in(password="wrong").status == 401
        assert host.get(host.welcome, host.bearer()).text == '{"message":"Please login"}'


# -- pretty addresses --------------------------------------------------------------------------

def test_pretty_addresses_leave_other_rules_alone(tmp_path_factory):
    # As applications bring them: whatever is not there is theirs.
    rules = ('RewriteEngine On\nRewriteCond "%{REQUEST_FILENAME}" "!-f"\n'
             'RewriteCond "%{REQUEST_FILENAME}" "!-d"\nRewriteRule "." "/index.html" [L]\n')
    for more, cgi_bin in (("", "www/cgi-bin"), (ALIAS, "cgi-bin")):
        with start(tmp_path_factory, override="FileInfo Options", paths=PRETTY_PATHS,
                   files={"www/.htaccess": PRETTY["www/.htaccess"] + rules}, more=more,
                   cgi_bin=cgi_bin) as host:
            assert [host.get(path).status for path in (*PRETTY_PATHS, *CGI_PATHS)] == [
                200, 200, 401] * 2
            assert "Sign out" in host.get("/logout", BROWSER).text
            for path in ("/login/x", "/loginx", "/nothing", "/"):
                assert host.get(path).text == "the index\n", path


@pytest.mark.parametrize("override, option, status", [
    ("FileInfo Options", "", 403), ("FileInfo Options", "FollowSymLinks", 200),
    ("FileInfo Options=ExecCGI,SymLinksIfOwnerMatch", "SymLinksIfOwnerMatch", 200)])
def test_rewriting_needs_an_option(tmp_path_factory, override, option, status):
    line = "Options +%s\n" % option if option else ""
    files = {path: line + text for path, text in {**PRETTY, **GUARD}.items()}
    more = '<Directory "%(home)s/www">\nOptions None\n</Directory>\n'
    with start(tmp_path_factory, override=override, files=files, paths=PRETTY_PATHS,
               more=more, modules=["cgid", "fcgid"]) as host:
        assert [host.get(path).status for path in ("/login", "/notes.txt")] == [status] * 2
        assert host.get("/private/file.txt").status == 401


def test_without_mod_rewrite_the_site_is_there(tmp_path_factory):
    with start(tmp_path_factory, override="FileInfo Options", files=PRETTY,
               lacks=("rewrite", "setenvif", "headers")) as host:
        assert host.get("/notes.txt").text == "notes\n" and host.get("/login").status == 404
        assert host.get(host.welcome, host.signed_in()).status == 200


# -- a guarded folder --------------------------------------------------------------------------

FILE = "/private/file.txt"
# Ways to the guarded file.
WAYS = (FILE, "/private/", "/private", "//private/file.txt", "/private//file.txt",
        "/private/./file.txt", "/x/../private/file.txt", "/%70rivate/file.txt",
        "/private/file%2etxt", "/private/file.txt/", "/private/file.txt/x", "/private/file.txt?x",
        "/private/file.txt;x", "/private/file", "/private/index", "/private/deep/",
        "/private/nothing", "/private/deep/file.txt", "/private/.htaccess",
        "/open/..%2fprivate/file.txt", "/open/page.shtml", "/open/rewritten", "/open/nothing",
        "/open/folder/", "/open/negotiated.var")


@pytest.fixture(scope="module")
def ways(guard):
    """Besides the folder itself, others that lead into it."""
    guard.write("www/private/deep/file.txt", "guarded\n")
    guard.write("www/open/.htaccess", 'Options +Includes\nAddOutputFilter INCLUDES .shtml\n'
                'RewriteEngine On\nRewriteRule "^rewritten$" "/private/file.txt" [L]\n'
                'ErrorDocument 404 /private/file.txt\nAddHandler type-map .var\n')
    guard.write("www/open/page.shtml", '<!--#include virtual="/private/file.txt" -->'
                '<!--#include file="../private/file.txt" -->')
    guard.write("www/open/folder/notes.txt", "notes\n")
    guard.write("www/open/negotiated.var", "URI: ../private/file.txt\nContent-Type: text/plain\n\n")
    return guard


def test_a_browser_signs_in_for_a_guarded_file(guard):
    wanted = FILE + "?q=a%20b&c=d"
    sent = guard.get(wanted, BROWSER)
    assert sent.status in (302, 303)
    assert sent.headers["Location"] == "%s?next=%s" % (
        guard.login, urllib.parse.quote(wanted, "/~!$'()*,:@"))
    assert 'value="%s"' % wanted.replace("&", "&amp;") in guard.get(sent.headers["Location"],
                                                                     BROWSER).text
    back = guard.post(guard.login, {"username": "admin", "password": "password", "next": wanted},
                      BROWSER)
    assert (back.status, back.headers["Location"]) == (303, wanted)
    page = guard.get(wanted, {**BROWSER, "Cookie": cookie(back.token)["Cookie"]})
    assert (page.status, page.text) == (200, "guarded\n")


def test_a_program_is_told_to_sign_in(guard):
    reply = guard.get(FILE)
    assert (reply.status, reply.text) == (401, '{"message":"Please login"}')
    assert reply.headers["WWW-Authenticate"].startswith("Bearer")
    assert "no-store" in reply.headers["Cache-Control"]


def test_who_is_signed_in_sees_the_folder(guard):
    headers = guard.signed_in()
    assert guard.get("/private/", headers).text == "guarded\n"
    reply = guard.get(FILE, headers)
    assert (reply.status, reply.text) == (200, "guarded\n")
    assert reply.headers["Cache-Control"] == "private, no-cache"
    assert "Cookie" in reply.headers["Vary"]
    assert "variable" not in str(reply.headers).lower()
    assert guard.get("/private/nothing", headers).status == 404
    assert guard.get(FILE, guard.bearer()).text == "guarded\n"
    assert guard.post(guard.logout, {}, headers).status == 200
    assert guard.get(FILE, headers).status == 401


@pytest.mark.parametrize("way", WAYS)
def test_no_way_leads_round_the_gate(ways, way):
    for headers in (PROGRAM, BROWSER, cookie("x"), {**BROWSER, "Cookie": "token=x"},
                    {**PROGRAM, "Authorization": "Basic YWRtaW46cGFzc3dvcmQ="}):
        reply = ways.get(way, headers)
        assert b"guarded" not in reply.body
        assert reply.status != 200 or way == "/open/page.shtml", reply.status


def test_the_ways_lead_there(ways):
    headers = ways.signed_in()
    shown = [way for way in WAYS if b"guarded" in ways.get(way, headers).body]
    assert not {FILE, "/private/", "/private/file", "/private/deep/file.txt", "/open/page.shtml",
                "/open/rewritten", "/open/nothing", "/open/folder/",
                "/open/negotiated.var"}.difference(shown)


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PROPFIND",
                                    "PATCH", "TRACE", "get"])
def test_no_method_passes(guard, method):
    for path in (FILE, "/private/", "/private"):
        reply = guard.request(method, path)
        # Apache answers a TRACE itself, with what was asked.
        assert reply.status not in range(200, 300) or method == "TRACE"
        assert b"guarded" not in reply.body


def test_a_part_or_what_has_not_changed_is_no_way_in(guard):
    whole = guard.get(FILE, guard.signed_in())
    for name, value in (("Range", "bytes=0-3"), ("If-None-Match", whole.headers["ETag"]),
                        ("If-Modified-Since", whole.headers["Last-Modified"])):
        assert guard.get(FILE, {**PROGRAM, name: value}).status == 401, name


def test_a_token_that_is_over_or_not_ours_opens_nothing(guard):
    token = guard.sign_in().token
    claims = jwt.decode(token, SECRET, audience="session", algorithms=["HS256"])

    def status(secret=SECRET, **changed):
        return guard.get(FILE, cookie(jwt.encode({**claims, **changed}, secret))).status

    assert status() == 200
    assert status(exp=claims["iat"] - 1) == 401
    assert status(aud="another") == 401
    assert status(secret="x" * 64) == 401
    assert guard.get(FILE, cookie(token.rpartition(".")[0] + ".")).status == 401


def raw(host, path, body):
    """Send a form; what comes back. (Of a plain CGI error document Apache cuts off the end.)"""
    with socket.create_connection(("127.0.0.1", host.port), 30) as connection:
        data = b""
        try:
            connection.sendall((
                "POST %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: %d\r\n"
                "Content-Type: application/x-www-form-urlencoded\r\n\r\n%s"
                % (path, len(body), body)).encode())
            while chunk := connection.recv(65536):
                data += chunk
        except ConnectionError:
            pass
    return data


@pytest.mark.parametrize("path", [FILE, "/private/login"])
def test_a_form_that_may_not_pass_signs_nobody_in(guard, path):
    # A server that leaves a form unread may take its answer back with it: then once more.
    data = wait_until(lambda: raw(guard, path, "username=admin&password=password"))
    assert data.startswith(b"HTTP/1.1 401 ") and b"Set-Cookie" not in data


def test_a_long_body_opens_nothing(guard):
    data = raw(guard, FILE, "x" * 200000)
    assert not data.startswith(b"HTTP/1.1 200") and b"guarded" not in data


def folder_with(guard, text, name="other"):
    """A file in a folder that is guarded by another text; its address."""
    guard.write("www/%s/file.txt" % name, "guarded\n")
    guard.write("www/%s/.htaccess" % name, text)
    return "/%s/file.txt" % name


def test_some_only(guard):
    text = GUARD["www/private/.htaccess"]
    line = '#SetEnvIf Request_URI "^" "POSTERN_REQUIRE=group staff"\n'
    assert line in text
    path = folder_with(guard, text.replace(line, line[1:]))
    grace = {"name": "grace-hopper", "password": "pass&word=1+1%20é"}
    assert guard.get(path, guard.signed_in(**grace)).text == "guarded\n"
    assert guard.get(path, guard.signed_in()).status == 403
    assert guard.get(path).status == 401
    path = folder_with(guard, text.replace(line, line[1:].replace("group staff", "user ada admin")))
    assert guard.get(path, guard.signed_in(**grace)).status == 403
    assert guard.get(path, guard.signed_in()).text == "guarded\n"


@pytest.mark.parametrize("old, new", [
    ("welcome.fcgi", "nothing.fcgi"), ("welcome.fcgi", "login.fcgi"),
    ("/home/you/public_html/", ""), ("FcgidAccessChecker", "FcgidAcessChecker")])
def test_what_is_misspelt_opens_nothing(guard, old, new):
    text = GUARD["www/private/.htaccess"]
    assert old in text
    path = folder_with(guard, text.replace(old, new))
    assert guard.get(path).status in (401, 500)
    assert guard.get(path, guard.signed_in()).status in (403, 500)


def test_a_program_that_cannot_be_run_opens_nothing(guard, monkeypatch):
    # Where it ends before it is connected to, mod_fcgid starts it again, for 43 s by one core.
    monkeypatch.setattr(guard, "patience", 90)
    shutil.copy(guard.cgi_bin / "welcome.fcgi", guard.cgi_bin / "dead.fcgi")
    (guard.cgi_bin / "dead.fcgi").chmod(0o644)
    path = folder_with(guard, GUARD["www/private/.htaccess"].replace("welcome.fcgi", "dead.fcgi"))
    reply = guard.get(path, guard.signed_in())
    assert reply.status in (500, 503) and b"guarded" not in reply.body


def test_a_wrong_error_document_opens_nothing(guard):
    text = GUARD["www/private/.htaccess"]
    for old, new in (("401 /cgi-bin/login.fcgi", "401 /cgi-bin/nothing.fcgi"),
                     ("ErrorDocument 401 /cgi-bin/login.fcgi", "#")):
        assert old in text
        reply = guard.get(folder_with(guard, text.replace(old, new)), BROWSER)
        assert reply.status == 401 and b"guarded" not in reply.body


def test_satisfy_any_opens_nothing(guard):
    path = folder_with(guard, GUARD["www/private/.htaccess"], "any/private")
    guard.write("www/any/private/index.html", "guarded\n")
    guard.write("www/link/.htaccess", 'RewriteEngine On\nRewriteRule "^$" "%s"\n' % path)
    headers = guard.signed_in()
    for way in (path, "/any/private/", "/any/private/file", "/link/"):
        for asked in (PROGRAM, BROWSER, cookie("x")):
            reply = guard.get(way, asked)
            assert reply.status in (403, 404) and b"guarded" not in reply.body, way
        assert guard.get(way, headers).text == "guarded\n", way


def test_with_the_programs_in_the_guarded_folder_nobody_can_sign_in(tmp_path_factory):
    files = {**FCGID, "www/.htaccess": GUARD["www/private/.htaccess"]}
    with start(tmp_path_factory, override="FileInfo Options", modules=["fcgid"],
               files=files) as host:
        assert [host.get(path, BROWSER).status for path in (FILE, host.welcome)] == [401] * 2
        # Apache does not ask again for the error document of what it has asked for.
        assert host.get(host.login, BROWSER).status == 403
        assert host.sign_in().status == 403


def test_a_server_that_passes_over_the_gate_sends_nothing(tmp_path_factory):
    with start(tmp_path_factory, override="All Nonfatal=Unknown", files=GUARD) as host:
        for headers in (PROGRAM, BROWSER, host.signed_in()):
            for path in (FILE, "/private/"):
                assert host.get(path, headers).status == 403


def test_satisfy_all_mends_it(tmp_path_factory):
    text = GUARD["www/private/.htaccess"]
    assert "#Satisfy All\n" in text
    with start(tmp_path_factory, **GUARDS["cgi"]) as host:
        path = folder_with(host, text.replace("#Satisfy All\n", "Satisfy All\n"), "any/private")
        assert host.get(path).status == 401
        assert host.get(path, BROWSER).headers["Location"] == host.login + "?next=" + path
        assert host.get(path, host.signed_in()).text == "guarded\n"


# -- what the host allows ----------------------------------------------------------------------

KINDS = ("None", "FileInfo", "Options", "AuthConfig", "Limit", "Indexes", "FileInfo Options",
         "FileInfo Options AuthConfig", "All")


@pytest.fixture(scope="module")
def kinds(tmp_path_factory):
    """A folder for each."""
    more = "".join('<Directory "%%(home)s/www/%s">\nAllowOverride %s\n</Directory>\n' % (
        kind.replace(" ", "+"), kind) for kind in KINDS)
    with start(tmp_path_factory, override="None", modules=["cgid", "fcgid"], more=more) as host:
        for kind in KINDS:
            base = "www/%s/" % kind.replace(" ", "+")
            host.write(base + ".htpostern/.htaccess", recipe(".htpostern/.htaccess"))
            host.write(base + ".htpostern/postern.env", "secret\n")
            host.write(base + "private/.htaccess", GUARD["www/private/.htaccess"])
            host.write(base + "private/file.txt", "guarded\n")
        yield host


@pytest.mark.parametrize("kind", KINDS[1:])
def test_the_settings_are_for_nobody(kinds, kind):
    for file in ("postern.env", "", "nothing"):
        reply = kinds.get("/%s/.htpostern/%s" % (kind.replace(" ", "+"), file))
        allowed = "FileInfo" in kind or kind == "All"
        assert reply.status == (403 if allowed else 500), file
        assert b"secret" not in reply.body


@pytest.mark.parametrize("kind", KINDS[1:])
def test_the_gate_needs_fileinfo_and_no_more(kinds, kind):
    reply = kinds.get("/%s/private/file.txt" % kind.replace(" ", "+"))
    allowed = "FileInfo" in kind or kind == "All"
    assert reply.status == (401 if allowed else 500)
    assert b"guarded" not in reply.body


def test_where_nothing_is_allowed_the_program_is_sent_with_nothing_secret_in_it(kinds):
    reply = kinds.get(kinds.login)
    assert reply.body == (PROGRAMS / "login.fcgi").read_bytes()
    hashes = (kinds.settings / "users").read_text().split()
    for secret in (SECRET, str(kinds.home), *hashes):
        assert secret.encode() not in reply.body


def test_where_nothing_is_allowed_settings_of_another_user_are_not_sent(tmp_path_factory):
    with start(tmp_path_factory, override="None", owner="nobody") as host:
        for file in FILES:
            assert host.get("/.htpostern/" + file).status == 403, file


def test_suexec_lets_no_setting_through(tmp_path_factory):
    # The same host without it, to see that they would count.
    seen = {}
    for name in ("with", "without"):
        options = dict(HOSTS["suexec-cgi"])
        if name == "without":
            options.update(more=SUEXEC.replace("SuexecUserGroup nobody nogroup\n", ""),
                           modules=["cgid"], owner="www-data")
        with start(tmp_path_factory, **options) as host:
            title = re.search("<title>(.*?)</title>", host.get(host.login, BROWSER).text).group(1)
            seen[name] = title, host.sign_in(headers=BROWSER).headers["Location"]
    assert seen["without"] == ("From outside", "/from-outside")
    assert seen["with"] == ("Sign in", CGI_PATHS[2])
