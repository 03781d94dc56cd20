"""The man pages: whether they say what the code does, and whether their examples work."""
import os
import re
import subprocess

import pytest

import conftest
from conftest import BROWSER, CGI_PATHS, PLAIN, PROGRAM, ROOT, Site, fill_cgi_bin
from guarded import OWNER, Guarded

PAGES = {path.name: path.read_text() for path in sorted((ROOT / "man").iterdir())}
ENV, LOGIN, WELCOME = PAGES["postern.env.5"], PAGES["login.fcgi.8"], PAGES["welcome.fcgi.8"]
CODE = {str(path.relative_to(ROOT)): path.read_text()
        for folder in ("lib", "src") for path in sorted((ROOT / folder).rglob("*.[ch]"))}


def section(page, name):
    """The source of one section."""
    return re.search(r"(?ms)^\.Sh %s\n(.*?)(?=^\.Sh |\Z)" % re.escape(name), page).group(1)


def items(source, macro):
    """What follows each `.It MACRO` of a source, up to the next one."""
    parts = re.split(r"(?m)^\.It %s (.*)\n" % macro, source)[1:]
    return list(zip(parts[::2], parts[1::2]))


def words(source):
    """A source without macros and line ends."""
    return " ".join(re.sub(r"(?m)^\.[A-Z][a-z] ", "", source).replace(r"\(dq", '"').split())


def rendered(source):
    done = subprocess.run(["mandoc", "-T", "ascii", "-O", "width=80"], input=source,
                          stdout=subprocess.PIPE, text=True, check=True)
    return re.sub(".\b", "", done.stdout)


@pytest.mark.parametrize("name", PAGES)
def test_mandoc_has_nothing_to_say(name):
    done = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", ROOT / "man" / name],
                          stdout=subprocess.PIPE, text=True)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("name", PAGES)
def test_a_page_fits_a_terminal(name):
    assert [line for line in rendered(PAGES[name]).splitlines() if len(line) > 80] == []


# -- settings and what the environment says ---------------------------------------------------

def test_every_setting_has_its_default():
    code = CODE["lib/base/config.c"]
    table = re.findall(r'\{ "(POSTERN_\w+)", FIELD\(\w+\), (?:\.fallback = )?(NULL|"[^"]*")', code)
    assert len(table) == code.count("FIELD(") - 1
    wanted = {name: {"NULL": "Required.", '""': "The default is none"}.get(
        default, "The default is %s" % default.strip('"')) for name, default in table}
    wanted["POSTERN_COOKIE"] = "The default is %s , or %s where" % re.search(
        r'https \? "(\S+)" : "(\S+)"', code).groups()[::-1]
    told = {name: words(text) for name, text in items(section(ENV, "SETTINGS"), "Ev")}
    assert told.keys() == wanted.keys()
    for name, default in wanted.items():
        assert default in told[name], name
        assert ("Required." in told[name]) + told[name].count("The default is") == 1, name


def test_what_is_no_setting_but_has_such_a_name():
    names = re.findall(r'text_begins\(\*entry, "(POSTERN_\w+)="\)', CODE["lib/base/config.c"])
    assert {name for name, _ in items(section(ENV, "ENVIRONMENT"), "Ev")} == set(names)


@pytest.mark.parametrize("name", PAGES)
def test_no_other_name_is_spoken_of(name):
    known = set(re.findall(r'"(POSTERN_[A-Z_]+)=?"', CODE["lib/base/config.c"]))
    assert set(re.findall(r"POSTERN_[A-Z_]+\b", PAGES[name])) <= known


def test_every_parameter_of_a_request():
    told = [name for names, _ in items(section(LOGIN, "ENVIRONMENT"), "Ev")
            for name in names.split(" , ")]
    table = re.findall(r'PARAMETER\("(\w+)"', CODE["lib/web/http.c"])
    assert sorted(told) == sorted(table + ["HTTP_COOKIE"])


def number(file, name):
    """The value of a constant in the code."""
    value = re.search(r"\b%s = ([\d *<]+)" % name, CODE[file]).group(1)
    return eval(value)  # of digits and operators


@pytest.mark.parametrize("page, file, name, form, less", [
    ("postern.env.5", "lib/base/config.h", "CONFIG_SECRET_MIN", "At least %s bytes", 0),
    ("postern.env.5", "lib/base/config.h", "CONFIG_LONG_SIZE", "paths have at most %s bytes", 1),
    ("postern.env.5", "lib/base/config.h", "CONFIG_TEXT_SIZE", "all other texts at most %s.", 1),
    ("postern.env.5", "lib/base/config.c", "ENV_FILE_MAX", "The file has at most %s bytes.", 0),
    ("postern.env.5", "lib/base/config.h", "CONFIG_SESSIONS_MAX", "may have: from 1 to %s that began", 0),
    ("postern.env.5", "lib/base/text.h", "TEXT_NAME_SIZE", "A name has 1 to %s bytes", 1),
    ("postern.env.5", "lib/auth/password.h", "PASSWORD_SIZE", "A password has 1 to %s bytes", 1),
    ("postern.env.5", "lib/auth/password.c", "BCRYPT_PASSWORD_MAX", "against bcrypt, at most %s.", 0),
    ("postern.env.5", "lib/auth/users.c", "COMPLAINTS_MAX", "only the first %s were named", 0),
    ("postern.env.5", "lib/auth/token.h", "TOKEN_HEAD_MAX", "What is signed has at most %s bytes", 0),
    ("postern.env.5", "lib/auth/token.h", "TOKEN_SID_SIZE", "the session: %s hexadecimal digits", 1),
    ("postern.env.5", "lib/auth/token.h", "TOKEN_PWV_SIZE", "user file: %s hexadecimal digits", 1),
    ("postern.env.5", "lib/auth/token.h", "TOKEN_CLOCK_SKEW", "may be %s seconds ahead", 0),
    ("postern.env.5", "lib/store/store_folder.c", "LOCKS", "one of these %s files", 0),
    ("postern.env.5", "lib/store/store_folder.c", "PLAIN_MAX", "one of more than %s bytes", 0),
    ("postern.env.5", "lib/store/store_redis.c", "STEP", "To connect may take %s ms", 0),
    ("postern.env.5", "lib/store/store_redis.c", "MINUTE", "A connection is at most %s seconds old", 0),
    ("login.fcgi.8", "lib/web/http.h", "HTTP_SECONDS", "not whole after %s seconds", 0),
    ("login.fcgi.8", "lib/web/form.h", "FORM_BODY_MAX", "more than %s bytes", 0),
    ("login.fcgi.8", "lib/web/redirect.h", "REDIRECT_SIZE", "and at most %s bytes", 1),
    ("login.fcgi.8", "lib/base/log.h", "LOG_TEXT_BYTES", "is cut after %s bytes", 0),
    ("login.fcgi.8", "lib/base/log.c", "LINE_SIZE", "A line has at most %s bytes", 2),
    ("welcome.fcgi.8", "lib/web/gate.h", "GATE_GROUPS_SIZE", "less than %s bytes", 0),
])
def test_a_size(page, file, name, form, less):
    assert form % format(number(file, name) - less, ",") in words(PAGES[page])


@pytest.mark.parametrize("file, name, unit, form", [
    ("lib/auth/users.c", "USERS_FILE_MAX", 1 << 20, "at most %s MiB"),
    ("lib/auth/groups.c", "GROUPS_FILE_MAX", 1 << 20, "at most %s MiB"),
    ("lib/web/page.h", "PAGE_FILE_MAX", 1 << 10, "A file has at most %s KiB"),
    ("lib/web/page.h", "PAGE_SIZE", 1 << 10, "a filled page %s KiB"),
    ("lib/auth/throttle.h", "THROTTLE_DEVICE_SECONDS", 86400, "for %s days"),
])
def test_a_size_in_other_units(file, name, unit, form):
    assert form % (number(file, name) // unit) in words(ENV)


def test_the_room_for_buckets():
    rows, slots = (number("lib/store/store_folder.c", name) for name in ("ROWS", "SLOTS"))
    kinds, key = (number("lib/store/store.h", "STORE_BUCKET_" + name) for name in ("KINDS", "KEY_BYTES"))
    assert "Counted attempts: %s buckets, %s for each of the LIMITS , in %s MiB." % (
        format(kinds * rows * slots, ","), format(rows * slots, ","),
        kinds * rows * slots * (key + 8) / 2**20) in words(ENV)


def test_the_limits_of_attempts():
    limits = re.findall(r"\.size = (\d+) \* (\d+), \.cost = (\d+), \.back = ([\d *]+) \}",
                        CODE["lib/auth/throttle.c"])
    rows = re.findall(r"(?m)^.*\t(\d+)\t(\d+) minutes?$", section(ENV, "LIMITS"))
    assert rows == [(attempts, str(int(seconds) // 60)) for attempts, seconds, *_ in limits] != []
    assert all(seconds == cost for _, seconds, cost, _ in limits)
    emptied = [eval(back) == int(attempts) * int(seconds) for attempts, seconds, _, back in limits]
    assert emptied == [True, False, False, True]


# -- requests ---------------------------------------------------------------------------------

def test_every_status_and_no_other():
    sent = re.findall(r'\{ (\d{3}), "', CODE["lib/web/reply.c"])
    tables = "".join(re.findall(r"(?ms)^\.TS\n.*?^\.TE|^Also: .*?^\.Sh", LOGIN + WELCOME))
    assert set(re.findall(r"(?<![\d,])\d{3}(?!,?\d)", tables)) == set(sent)


def test_every_message():
    sent = {message for code in CODE.values() for message in
            re.findall(r'\breply_(?:json|invalid_token)\([^;]*?"([^"]+)"\);', code)}
    phrases = set(re.findall(r'\{ \d{3}, "([^"]+)"', CODE["lib/web/reply.c"]))
    told = set(re.findall(r'\{"message":"([^"]+)"\}', words(LOGIN + WELCOME)))
    assert sent - phrases <= told <= sent | phrases


def test_every_header_of_a_reply():
    sent = {name for code in CODE.values() for name in re.findall(
        r'\bhttp_header\([\w>-]+, "([\w-]+)"', code)}
    sent |= set(re.findall(r'"([A-Z][\w-]+): [^"]+\\r\\n"', CODE["lib/web/reply.c"]))
    assert len(sent) > 10 and [name for name in sent if name not in LOGIN + WELCOME] == []


def exit_codes(page):
    return {int(code) for codes in re.findall(r"(?m)^\.It ([\d ,]+)$", section(page, "EXIT STATUS"))
            for code in codes.split(" , ")}


def test_every_exit_status():
    code = "".join(CODE.values())
    used = {getattr(os, name) for name in re.findall(r"\bEX_[A-Z]+\b", code) if hasattr(os, name)}
    assert "return EXIT_FAILURE" in code
    assert exit_codes(LOGIN) == used | {1}
    assert exit_codes(WELCOME) == {0, 1, os.EX_USAGE, os.EX_CONFIG}


# -- the log ----------------------------------------------------------------------------------

def literals(code):
    """String literals, with those beside each other joined."""
    one = r'"(?:[^"\\]|\\.)*"'
    return ["".join(part[1:-1] for part in re.findall(one, text)).replace('\\"', '"')
            for text in re.findall(r"%s(?:\s*%s)*" % (one, one), code)]


def calls():
    """Each event of the code: its names, its fields and the fixed texts of them."""
    for file, code in CODE.items():
        for call in re.findall(r"(?s)\blog_event\(([^;]*?)\);", code):
            if "const char *event" in call:
                continue
            *names, fields = [text for text in literals(call) if "=" in text or text.isidentifier()]
            assert names and "=" in fields, (file, call)
            unquoted = re.sub(r'"[^"]*"', "", fields)
            fixed = [text for text in re.findall(r'(?:reason=)"([^"]*)"', fields) if text != "%s"]
            for name in names:
                yield name, tuple(re.findall(r"(\w+)=", unquoted)), fixed


def documented():
    """Each `.It Cm EVENT Va FIELD FIELD ...`, by what it stands for, with its text."""
    found = {}
    for page in PAGES.values():
        parts = re.split(r"(?m)^\.It Cm (\w+) Va (.*)\n", page)[1:]
        for name, fields, text in zip(parts[::3], parts[1::3], parts[2::3]):
            assert (name, tuple(fields.split())) not in found
            found[name, tuple(fields.split())] = re.split(r"(?m)^\.Sh ", text)[0]
    return found


def values(event):
    """The `.It Cm VALUE , VALUE` below an event."""
    return [value for titles, _ in items(event, "Cm") for value in titles.split(" , ")]


def test_every_event_with_its_fields():
    assert set(documented()) == {(name, fields) for name, fields, _ in calls()}


def test_every_fixed_reason_of_an_event():
    for name, fields, fixed in calls():
        for text in fixed:
            text = text.removesuffix("%s") if ": %s" in text else text
            assert text.replace("%zu ", "").strip() in words(documented()[name, fields]), text


def test_every_reason_of_a_store_that_fails():
    folder = re.search(r'"file=%s reason=[^;]*;', CODE["lib/store/store_folder.c"]).group()
    redis = re.findall(r'\bfail\(redis, ("[^"]+")\)', CODE["lib/store/store_redis.c"])
    redis += re.findall(r'fails \? redis->why : ("[^"]+")', CODE["lib/store/store_redis.c"])
    for field, given in ("file", literals(folder)[1:]), ("address", literals(",".join(redis))):
        # Where hiredis has no TLS an address of it is a wrong setting.
        told, given = words(documented()["state", (field, "reason")]), {*given} - {"there is no TLS"}
        assert given and [reason for reason in given if reason not in told] == []


def test_every_file_and_key_of_a_store():
    kinds = dict(re.findall(r'\{ "(\w+)", (\w+|"\w+") \}', CODE["lib/auth/session.c"]))
    assert kinds == {"sessions": "user", "site": '"site"'}
    attempts = re.search(r'openat\(root, "(\w+)", flags', CODE["lib/store/store_folder.c"]).group(1)
    locks = re.search(r'mkdirat\(root, "(\w+)"', CODE["lib/store/store_folder.c"]).group(1)
    assert [name for name, _ in items(section(ENV, "STORE"), "Pa")] == [
        "sessions/ Ns Ar NAME", "site/site", attempts, locks + "/ Ns Ar NN",
        "postern:sessions: Ns Ar NAME", "postern:site:site", "postern:attempts: Ns Ar ..."]


def test_the_commands_of_redis():
    code = CODE["lib/store/store_redis.c"]
    used = re.findall(r'(?:\.words = \{|\[\] = \{|\[\]\)\{) "([A-Z]+)"', code)
    used += re.findall(r"redis\.call\('([A-Z]+)'", code)
    acl = "\n\t" + re.search(r"\n\t(\+eval .*)\n", section(ENV, "STORE")).group(1)
    assert {"+" + name.lower() for name in used} - {"+auth"} == {*re.findall(r"\+\w+", acl)}
    told = (ROOT / "deploy/redis/users.acl").read_text()
    assert {*re.findall(r"\+[a-z]+", re.search("(?m)^user postern .*", told).group())} == {*re.findall(r"\+\w+", acl)}


def test_every_reason_of_a_failed_sign_in():
    given = re.findall(r'\b(?:refuse|fail)\(login,[^;]*?"\)?[^;]*;', CODE["src/login.c"])
    reasons = {reason for call in given for reason in literals(call)}
    assert sorted(reasons) == sorted(values(documented()["login_failed", ("user", "ip", "reason")]))


def test_every_reason_of_a_bad_token():
    given = re.findall(r"(?:return|why =|refused\[\] =)[^;]*;", CODE["lib/auth/token.c"])
    given = [one for one in given if "jwt_add" not in one]
    given += re.findall(r"why = [^;]*;", CODE["lib/auth/session.c"] + CODE["lib/web/visitor.c"])
    given += re.findall(r'#define TOKEN_MEMORY "\w+"', CODE["lib/auth/token.h"])
    reasons = {reason for one in given for reason in literals(one)} - {""}
    assert sorted(reasons) == sorted(values(documented()["token_bad", ("ip", "reason")]))


def test_every_reason_of_a_bad_request():
    statuses = set(re.findall(r"(?:return|[?:]) (\d{3})\b", CODE["lib/web/form.c"] + re.search(
        r"(?s)\nhttp_body\(.*?\n}", CODE["lib/web/http.c"]).group()))
    told = documented()["input_bad", ("ip", "status")]
    assert set(re.findall(r"\b\d{3}\b", told)) == statuses
    fixed = re.findall(r'ip=%s reason=(\w+)"', CODE["lib/web/site.c"])
    assert fixed == re.findall(r"(?m)^\.Cm (\w+)", documented()["input_bad", ("ip", "reason")])


# -- files ------------------------------------------------------------------------------------

def test_every_page_with_its_slots():
    slot = r"\{\{([\w-]+)\}\}"
    # The set-up page is shown only where there is no POSTERN_PAGES either.
    built_in = {path.name: set(re.findall(slot, path.read_text())) - {"title", "style"}
                for path in (ROOT / "src/pages").iterdir() if path.name != "setup.html"}
    told = {name: set(re.findall(slot, text))
            for name, text in items(section(ENV, "PAGES OF YOUR OWN"), "Pa")}
    assert told == built_in


@pytest.mark.parametrize("name", PAGES)
def test_files_of_deploy_that_are_named(name):
    named = re.findall(r"\bdeploy/[\w.@/-]*", PAGES[name])
    assert named and [path for path in named if not (ROOT / path.rstrip(".")).exists()] == []


def test_the_way_of_a_request_through_the_rooms():
    """What README names is there; and it names all rooms."""
    text = (ROOT / "README.md").read_text()
    named = set(re.findall(r"`(\w+)\(\)`", text)) - {"main"}
    headers = "".join(code for file, code in CODE.items() if file.endswith(".h"))
    assert len(named) > 8 and [name for name in named if not re.search(r"\b%s\(" % name, headers)] == []
    rooms = {path.name for path in (ROOT / "lib").iterdir()}
    assert set(re.findall(r"(?m)^    lib/(\w+)/ ", text)) == rooms


# -- the worked examples ----------------------------------------------------------------------

def example(name):
    """The text that a reader finds below a heading of EXAMPLES."""
    source = re.search(r"(?ms)^\.Ss %s\n.*?^\.Bd -literal\n(.*?)^\.Ed$" % re.escape(name),
                       section(WELCOME, "EXAMPLES")).group(1)
    page = ".Dd January 1, 2026\n.Dt X 8\n.Os\n.Sh X\n.Bd -literal\n%s.Ed\n" % source
    return "".join(line[5:] + "\n" for line in rendered(page).splitlines()[3:-1])


class Example(Guarded):
    """A server with an example in place of a file of deploy/, without HTTPS."""
    request, sign_in = Site.request, Site.sign_in

    def __init__(self):
        super().__init__()
        # Programs that are told nothing find their settings here.
        (self.folder / ".htpostern").symlink_to("settings")
        self.serve({"/var/www/html": self.folder / "www",
                    "/usr/lib/cgi-bin/postern": self.folder / "bin"})

    def _make_files(self, programs, settings):
        super()._make_files(programs, {"POSTERN_ORIGIN": "http://127.0.0.1:%d" % self.port})

    def configure(self, name, replacements):
        text = example(name)
        for old, new in replacements.items():
            assert old in text, (name, old)
            text = text.replace(old, str(new))
        path = self.folder / "example"
        path.write_text(text)
        return path


class Lighttpd(Example):
    def serve(self, replacements):
        config = self.configure("lighttpd", {
            **replacements, "server.port = 8080": "server.port = %d" % self.port,
            "/run/lighttpd": self.folder / "sockets",
            "/var/log/lighttpd/error.log": self.folder / "error.log",
            "/var/log/lighttpd/breakage.log": self.folder / "breakage.log"})
        self.wait(self.start(["/usr/sbin/lighttpd", "-D", "-f", config]))


APACHE = """
%(modules)s
ServerName localhost
User www-data
Group www-data
DefaultRuntimeDir "%(folder)s/sockets"
PidFile "%(folder)s/pid"
Mutex "file:%(folder)s/sockets"
ErrorLog "%(folder)s/error.log"
FcgidIPCDir "%(folder)s/sockets"
FcgidProcessTableFile "%(folder)s/sockets/table"
Include "%(site)s"
"""


class ApacheFcgid(Example):
    def serve(self, replacements):
        site = self.configure("Apache with mod_fcgid", {
            **replacements, "127.0.0.1:8080": "127.0.0.1:%d" % self.port})
        more = re.search(r"(?m)^\.Ql a2enmod (.*) \.$", WELCOME).group(1).split()
        modules = ["mpm_event", "authz_core", "alias", "env", "setenvif", *more]
        config = self.folder / "apache.conf"
        config.write_text(APACHE % {"folder": self.folder, "site": site, "modules": "\n".join(
            "LoadModule %s_module /usr/lib/apache2/modules/mod_%s.so" % (m, m) for m in modules)})
        self.wait(self.start(["/usr/sbin/apache2", "-DFOREGROUND", "-f", config]))


class Nginx(Example):
    def serve(self, replacements):
        self.start_units()
        replacements.pop("/usr/lib/cgi-bin/postern")
        config = self.configure("nginx", {
            **replacements, "127.0.0.1:8080": "127.0.0.1:%d" % self.port,
            "/run/postern": self.folder / "sockets",
            "/var/log/nginx/error.log": self.folder / "error.log"})
        self.wait(self.start(["/usr/sbin/nginx", "-c", config, "-g",
                              "daemon off; pid %s/nginx.pid;" % self.folder]))


class Caddy(Example):
    def serve(self, replacements):
        self.start_units()
        replacements.pop("/usr/lib/cgi-bin/postern")
        config = self.configure("Caddy", {
            **replacements, "127.0.0.1:8080": "127.0.0.1:%d" % self.port,
            "/run/postern": self.folder / "sockets"})
        config.write_text("{\n\tadmin off\n}\n" + config.read_text())
        self.wait(self.start(["caddy", "run", "--config", config, "--adapter", "caddyfile"],
                             {"HOME": str(self.folder), "XDG_DATA_HOME": str(self.folder),
                              "XDG_CONFIG_HOME": str(self.folder)},
                             user=OWNER.pw_uid, group=OWNER.pw_gid, extra_groups=[]))


def sign_in_as_a_browser(site):
    """See the form, send it, and read the page; the cookie."""
    form = site.get(site.login, BROWSER)
    assert form.status == 200 and 'type="password"' in form.text
    reply = site.sign_in(headers={**BROWSER, "Origin": "http://127.0.0.1:%d" % site.port})
    assert reply.status == 303, reply.text
    good = {"Cookie": "token=" + reply.token}
    page = site.get(site.welcome, {**BROWSER, **good})
    assert page.status == 200 and "admin" in page.text
    bearer = site.get(site.welcome, {**PROGRAM, "Authorization": "Bearer " + reply.token})
    out = site.post(site.logout, {}, {**BROWSER, **good})
    assert out.status == 303 and site.get(site.welcome, {**PROGRAM, **good}).status == 400
    return bearer.status


@pytest.mark.parametrize("server", [Lighttpd, ApacheFcgid, Nginx, Caddy])
def test_an_example(server):
    site = server()
    try:
        assert sign_in_as_a_browser(site) == 200
        assert site.get("/private/file.txt").status == 401
        for path in ("//private/file.txt", "/private//file.txt", "/%70rivate/file.txt",
                     "/x/../private/file.txt", "/private/%2e/file.txt"):
            assert site.get(path).status in (400, 401, 404), path
        sent = site.get("/private/file.txt?a=b", BROWSER)
        assert sent.status == 302
        assert sent.headers["Location"] == "/login?next=/private/file.txt%3Fa%3Db"
        good = {**PROGRAM, "Cookie": "token=" + site.sign_in().token}
        shown = site.get("/private/file.txt", good)
        assert (shown.status, shown.text) == (200, "the file\n")
        assert "Variable-" not in str(shown.headers)
    finally:
        site.stop()


def test_the_example_for_plain_cgi(tmp_path, monkeypatch):
    """An Apache that says nothing but AllowOverride; the example says the rest."""
    def fill(www, programs, settings):
        fill_cgi_bin(www, programs, settings)
        (www / "cgi-bin/.htaccess").write_text(example("Apache with plain CGI"))

    override = re.search(r"AllowOverride [\w ]+", WELCOME).group()
    monkeypatch.setattr(conftest, "fill_cgi_bin", fill)
    monkeypatch.setattr(conftest, "APACHE_CONFIG", re.sub(
        r'(?s)(<Directory "%\(home\)s/www).*?(?=</Directory>)', r'\1">\n%s\n' % override,
        conftest.APACHE_CONFIG))
    site = conftest.ApacheSite(tmp_path, "cgid", PLAIN, {})
    try:
        # A token in Authorization needs CGIPassAuth, for which AuthConfig would have to be allowed.
        assert sign_in_as_a_browser(site) == 401
    finally:
        site.stop()
    assert all(path in words(WELCOME) for path in CGI_PATHS)
