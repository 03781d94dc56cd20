"""Web servers that guard something, each with its ready configuration from deploy/.

A configuration is used as it is, but for its paths, ports and names: each of those must be in it.
"""
import hashlib
import http.client
import http.server
import json
import os
import pathlib
import pwd
import re
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading

from conftest import (ADDRESSES, PLAIN, PROGRAM, ROOT, Reply, Site, connects, free_port, wait_until,
                      write_settings)
from secrets_seen import SEEN

OWNER = pwd.getpwnam("www-data")
PAGE = b"<?php " + rb"""
$body = file_get_contents("php://input");
header("Content-Type: application/json");
if (isset($_GET["cookie"]))
    header("Set-Cookie: own=1");
echo json_encode(["server" => $_SERVER, "length" => strlen($body), "sha256" => hash("sha256", $body)]);
"""

# A unit with StandardInput=socket and Restart=always.
# A program that the shell has not quite started yet takes no signal.
RESTART = """
exec 3<&0
trap 'while kill $! 2>/dev/null; do sleep 0.1; done; exit' TERM
while :; do
    "$PROGRAM" <&3 3<&- &
    wait
    sleep 0.2
done
"""


class Application(http.server.BaseHTTPRequestHandler):
    """An application that says what it was asked."""
    protocol_version = "HTTP/1.1"

    def answer(self):
        length, digest = 0, hashlib.sha256()
        if self.headers.get("Transfer-Encoding") == "chunked":
            while size := int(self.rfile.readline(), 16):
                digest.update(self.rfile.read(size))
                self.rfile.readline()
                length += size
            self.rfile.readline()
        else:
            length = int(self.headers.get("Content-Length", 0))
            digest.update(self.rfile.read(length))
        text = json.dumps({"method": self.command, "path": self.path, "length": length,
                           "headers": self.headers.items(), "sha256": digest.hexdigest()}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        if self.path.endswith("?cookie"):
            self.send_header("Set-Cookie", "own=1")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_OPTIONS = do_PROPFIND = do_PATCH = answer

    def log_message(self, *_):
        pass


class Guarded(Site):
    """A folder in which a server lives, what it needs beside it, and requests to it."""
    login, logout, welcome = "/login", "/logout", "/welcome"
    timeout = 30
    own_errors_name_the_user = False
    logs_programs = True
    redirects_itself = False  # with headers of its own

    def __init__(self, programs=PLAIN, **settings):
        # Servers start as root and go on as www-data, who must be able to get there.
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="postern-guarded-"))
        self.folder.chmod(0o755)
        self.port, self.plain_port = free_port(), free_port()
        self.processes = []
        self.log = self.folder / "server.log"
        self._make_files(programs, settings)
        self._start_applications()

    def _make_files(self, programs, settings):
        for name in ("www/private", "www/staff", "www/app", "sockets", "bin"):
            (self.folder / name).mkdir(parents=True)
        (self.folder / "www/.htpostern").mkdir()
        for name in ("private/file.txt", "staff/file.txt", "public.txt", ".htusers",
                     ".htpostern/postern.env"):
            (self.folder / "www" / name).write_text("the file\n")
        (self.folder / "www/private/index.html").write_text("the index\n")
        (self.folder / "www/app/page.php").write_bytes(PAGE)
        for name in ("login.fcgi", "welcome.fcgi"):
            shutil.copy(programs / name, self.folder / "bin")
        groups = self.folder / "settings/groups"
        self.env = write_settings(self.folder / "settings", POSTERN_GROUPS=groups,
                                  **{"POSTERN_ORIGIN": "https://example.org", **settings})
        groups.touch(0o600)
        groups.write_text("staff: grace-hopper somebody\nothers: grace-hopper admin\n")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout",
                        self.folder / "key.pem", "-out", self.folder / "cert.pem", "-subj",
                        "/CN=example.org"], check=True, stderr=subprocess.DEVNULL)
        for path in (self.folder, *self.folder.rglob("*")):
            os.chown(path, OWNER.pw_uid, OWNER.pw_gid)

    def _start_applications(self):
        self.application = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Application)
        threading.Thread(target=self.application.serve_forever, daemon=True).start()
        self.php = self.folder / "sockets/php"
        self.start(["php-cgi", "-b", self.php], {"PHP_FCGI_CHILDREN": "2"})
        wait_until(self.php.exists)
        self.php.chmod(0o777)

    def start(self, command, environment=None, stdin=subprocess.DEVNULL, **more):
        """Start a process that ends with the server."""
        with open(self.log, "ab") as log:
            self.processes.append(subprocess.Popen(
                command, cwd=self.folder, stdin=stdin, stdout=log, stderr=log,
                env={**os.environ, "POSTERN_ENV": str(self.env), **(environment or {})},
                start_new_session=True, **more))
        return self.processes[-1]

    def start_units(self):
        """What deploy/systemd does for servers that start no programs."""
        for name in ("login", "welcome"):
            path = self.folder / "sockets" / (name + ".socket")
            with socket.socket(socket.AF_UNIX) as listener:
                listener.bind(str(path))
                listener.listen(1024)
                os.chown(path, OWNER.pw_uid, OWNER.pw_gid)
                path.chmod(0o660)
                for _ in range(2):
                    self.start(["sh", "-c", RESTART], {"PROGRAM": "%s/bin/%s.fcgi" % (self.folder, name)},
                               listener, user=OWNER.pw_uid, group=OWNER.pw_gid, extra_groups=[])

    def configure(self, name, replacements):
        """A configuration of deploy/, with other paths, ports and names."""
        text = (ROOT / "deploy" / name).read_text()
        for old, new in replacements.items():
            assert old in text, (name, old)
            text = text.replace(old, str(new))
        path = self.folder / pathlib.Path(name).name
        path.write_text(text)
        return path

    def wait(self, process):
        wait_until(lambda: process.poll() is not None or connects(self.port))
        assert process.poll() is None, self.log.read_text()

    def stop(self):
        for process in reversed(self.processes):
            process.terminate()
        for process in self.processes:
            process.wait(30)
        self.application.shutdown()
        SEEN.overheard += [file.read_bytes() for file in self.folder.rglob("*.log")]
        shutil.rmtree(self.folder)

    def request(self, method, path, body=None, headers=PROGRAM, address=None, **more):
        connection = http.client.HTTPSConnection(
            "127.0.0.1", self.port, timeout=self.timeout, source_address=(address or next(ADDRESSES), 0),
            context=ssl._create_unverified_context())
        headers = {"Host": "example.org", **headers}
        SEEN.remember(headers.items(), body)
        connection.request(method, path, body, headers, **more)
        reply = Reply(connection.getresponse())
        SEEN.remember(reply.headers.items(), reply.body)
        connection.close()
        return reply

    def sign_in(self, name="admin", password="password"):
        """The text of a good cookie."""
        body = "username=%s&password=%s" % (name, password)
        reply = self.post("/login", body)
        assert reply.status == 200, reply.text
        return "__Host-token=" + reply.token

    def plain(self, method, path, headers):
        """A request without TLS; its reply."""
        connection = http.client.HTTPConnection("127.0.0.1", self.plain_port, timeout=30)
        SEEN.remember(headers.items())
        connection.request(method, path, None, headers)
        reply = Reply(connection.getresponse())
        connection.close()
        return reply

    def raw(self, text):
        """Send bytes as they are; everything that comes back."""
        with socket.create_connection(("127.0.0.1", self.port), 30) as plain:
            with ssl._create_unverified_context().wrap_socket(plain) as secure:
                secure.sendall(text)
                data = b""
                while chunk := secure.recv(65536):
                    data += chunk
        return data


class Lighttpd(Guarded):
    name = "lighttpd"
    keeps_cookie = False  # of a pass

    def __init__(self, **more):
        super().__init__(**more)
        config = self.configure("lighttpd.conf", {
            "server.port = 80\n": 'server.port = %d\nserver.bind = "127.0.0.1"\n' % self.plain_port,
            '":443"': '"127.0.0.1:%d"' % self.port,
            "/etc/letsencrypt/live/example.org/fullchain.pem": self.folder / "cert.pem",
            "/etc/letsencrypt/live/example.org/privkey.pem": self.folder / "key.pem",
            "/var/www/html": self.folder / "www", "/usr/lib/cgi-bin/postern": self.folder / "bin",
            "/run/lighttpd": self.folder / "sockets", "/run/php/php-fpm.sock": self.php,
            "/var/log/lighttpd/error.log": self.folder / "error.log",
            "/var/log/lighttpd/breakage.log": self.folder / "breakage.log",
            '"port" => 3000': '"port" => %d' % self.application.server_port,
        })
        self.wait(self.start(["/usr/sbin/lighttpd", "-D", "-f", config]))


class Nginx(Guarded):
    name = "nginx"
    keeps_cookie = True
    redirects_itself = True

    def __init__(self, **more):
        super().__init__(**more)
        self.start_units()
        config = self.configure("nginx.conf", {
            "listen 80;": "listen 127.0.0.1:%d;" % self.plain_port,
            "listen 443 ": "listen 127.0.0.1:%d " % self.port,
            "/etc/letsencrypt/live/example.org/fullchain.pem": self.folder / "cert.pem",
            "/etc/letsencrypt/live/example.org/privkey.pem": self.folder / "key.pem",
            "/var/www/html": self.folder / "www", "/run/postern": self.folder / "sockets",
            "/run/php/php-fpm.sock": self.php, "/run/nginx.pid": self.folder / "nginx.pid",
            "/var/log/nginx/error.log": self.folder / "error.log",
            "/var/log/nginx/access.log": self.folder / "access.log",
            "127.0.0.1:3000": "127.0.0.1:%d" % self.application.server_port,
            "worker_processes auto": "worker_processes 2",
        })
        self.wait(self.start(["/usr/sbin/nginx", "-c", config, "-g", "daemon off;"]))


class Caddy(Guarded):
    name = "caddy"
    keeps_cookie = True
    logs_programs = False

    def __init__(self, **more):
        super().__init__(**more)
        self.start_units()
        config = self.configure("Caddyfile", {
            # It has nobody to ask for a certificate, and the tests name no host when they connect.
            "http_port 80": "admin off\n\tdefault_sni example.org\n\thttp_port %d" % self.plain_port,
            "https_port 443": "https_port %d" % self.port,
            "http:// {\n": "http:// {\n\tbind 127.0.0.1\n",
            "\nexample.org {\n": "\nexample.org {\n\tbind 127.0.0.1\n\ttls %s/cert.pem %s/key.pem\n"
                               % (self.folder, self.folder),
            "/var/www/html": self.folder / "www", "/run/postern": self.folder / "sockets",
            "/run/php/php-fpm.sock": self.php,
            "127.0.0.1:3000": "127.0.0.1:%d" % self.application.server_port,
        })
        self.wait(self.start(["caddy", "run", "--config", config, "--adapter", "caddyfile"],
                             {"HOME": str(self.folder), "XDG_DATA_HOME": str(self.folder),
                              "XDG_CONFIG_HOME": str(self.folder)},
                             user=OWNER.pw_uid, group=OWNER.pw_gid, extra_groups=[]))


class Apache(Guarded):
    """Debian's own Apache, with a site of deploy/ and the modules that it names."""
    MODULES = ("mpm_event access_compat alias auth_basic authn_core authn_file authz_core authz_host "
               "authz_user autoindex deflate dir env filter mime negotiation reqtimeout setenvif "
               "status").split()  # as they are enabled when it is installed

    def serve(self, name, replacements):
        site = self.configure(name, {
            "*:80": "127.0.0.1:%d" % self.plain_port, "*:443": "127.0.0.1:%d" % self.port,
            "/etc/letsencrypt/live/example.org/fullchain.pem": self.folder / "cert.pem",
            "/etc/letsencrypt/live/example.org/privkey.pem": self.folder / "key.pem",
            "/var/www/html": self.folder / "www", **replacements})
        root, run = self.folder / "apache2", self.folder / "run"
        for folder in ("mods-enabled", "conf-enabled", "sites-enabled"):
            (root / folder).mkdir(parents=True)
        run.mkdir()
        os.chown(run, OWNER.pw_uid, OWNER.pw_gid)
        for copied in ("apache2.conf", "mods-available"):
            (root / copied).symlink_to(pathlib.Path("/etc/apache2") / copied)
        (root / "ports.conf").write_text("Listen 127.0.0.1:%d\nListen 127.0.0.1:%d\n"
                                         % (self.port, self.plain_port))
        (root / "conf-enabled/paths.conf").write_text(
            'ServerName example.org\n<IfModule mod_fcgid.c>\nFcgidIPCDir "%s/fcgid"\n'
            'FcgidProcessTableFile "%s/fcgid-table"\n'
            # Else it waits longer and longer before it starts again what a test has killed.
            'FcgidSpawnScoreUpLimit 1000\nFcgidZombieScanInterval 1\n</IfModule>\n' % (run, run))
        (root / "sites-enabled/site.conf").symlink_to(site)
        more = re.search(r"(?m)^#\ta2enmod (.*)$", site.read_text()).group(1).split()
        environment = {
            "APACHE_CONFDIR": root, "APACHE_RUN_USER": OWNER.pw_name,
            "APACHE_RUN_GROUP": OWNER.pw_name, "APACHE_PID_FILE": run / "pid",
            "APACHE_RUN_DIR": run, "APACHE_LOCK_DIR": run, "APACHE_LOG_DIR": run}
        subprocess.run(["/usr/sbin/a2enmod", "-q", *self.MODULES, *more], check=True,
                       env={**os.environ, **environment}, stdout=subprocess.DEVNULL)
        self.wait(self.start(["/usr/sbin/apache2", "-DFOREGROUND", "-d", root], environment))


class ApacheFcgid(Apache):
    name = "apache"
    keeps_cookie = True
    # An error page of Apache's own carries all that the gate has said, to whom it is about.
    own_errors_name_the_user = True
    timeout = 90  # it tries for a minute to start a program that is not there

    def __init__(self, **more):
        super().__init__(**more)
        self.serve("apache-fcgid.conf", {
            "/usr/lib/cgi-bin/postern": self.folder / "bin",
            "/etc/postern/postern.env": self.env, "/run/php/php-fpm.sock": self.php,
            "http://127.0.0.1:3000/": "http://127.0.0.1:%d/" % self.application.server_port,
        })


class ApacheProxy(Apache):
    """The pages alone: the programs are started by somebody else, as systemd would, on sockets."""
    name = "apache-proxy"

    def __init__(self, **more):
        super().__init__(**more)
        for name in ("login", "welcome"):
            with socket.socket(socket.AF_UNIX) as listener:
                path = self.folder / "sockets" / (name + ".socket")
                listener.bind(str(path))
                os.chown(path, OWNER.pw_uid, OWNER.pw_gid)
                listener.listen(1024)
                self.start([self.folder / "bin" / (name + ".fcgi")], stdin=listener,
                           user=OWNER.pw_uid, group=OWNER.pw_gid, extra_groups=[])
        self.serve("apache-proxy.conf", {"/run/postern": self.folder / "sockets"})


SERVERS = [Lighttpd, ApacheFcgid, Nginx, Caddy]
