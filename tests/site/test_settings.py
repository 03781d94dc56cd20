"""Settings that are missing, wrong or open to others: said, answered with 503, and mended."""
import os
import pwd
import re
import shutil
import subprocess
import time

import pytest

import fcgi
from conftest import (BROWSER, PROGRAM, PROGRAMS, ROOT, SECRET, USERS, hashed, wait_until,
                      write_private, write_settings)

BOTH = ["login.fcgi", "welcome.fcgi"]


def edit(env, name, value):
    """Set a name to a value, or take its line away with None."""
    lines = [line for line in env.read_text().splitlines() if not line.startswith(name + "=")]
    env.write_text("\n".join(lines + ([] if value is None else ["%s=%s" % (name, value)])) + "\n")


def check(env, program="login.fcgi", **environment):
    """Run --check; its exit status and what it says."""
    done = subprocess.run([PROGRAMS / program, "--check"], stdin=subprocess.DEVNULL,
                          env={"POSTERN_ENV": str(env), **environment}, capture_output=True)
    assert done.stdout == b""
    return done.returncode, done.stderr.decode()


@pytest.fixture
def env(tmp_path):
    return write_settings(tmp_path)


@pytest.mark.parametrize("program", BOTH)
def test_right_settings(env, program):
    assert check(env, program) == (0, "")


WRONG = [
    ("POSTERN_SECRET", None, "POSTERN_SECRET is missing"),
    ("POSTERN_SECRET", "", "POSTERN_SECRET is missing"),
    ("POSTERN_SECRET", SECRET[:31], "shorter than 32 bytes"),
    ("POSTERN_SECRET", "please-change-this-to-something-random", "placeholder"),
    ("POSTERN_SECRET", "0" * 64, "placeholder"),
    ("POSTERN_SECRET", "-----BEGIN PRIVATE KEY-----abcdefgh", "PEM"),
    ("POSTERN_SECRET", '"%s"' % SECRET, "quotes"),
    ("POSTERN_SECRET", SECRET + " ", "space"),
    ("POSTERN_SECRET", SECRET + "\\", "backslash"),
    ("POSTERN_SECRET", "x" + SECRET * 8, "too long"),
    ("POSTERN_SECRET_PREVIOUS", "short", "POSTERN_SECRET_PREVIOUS"),
    ("POSTERN_KEY_FILE", "key.pem", "absolute"),
    ("POSTERN_KEY_FILE", "/nowhere/key.pem", "POSTERN_KEY_FILE: /nowhere/key.pem: No such file"),
    ("POSTERN_KEY_FILE", "/etc/passwd", "no PEM key"),
    ("POSTERN_KEY_FILE_PREVIOUS", "/etc/passwd", "without POSTERN_KEY_FILE"),
    ("POSTERN_PUBLIC_KEY_FILE", "/etc/passwd", "no PEM key"),
    ("POSTERN_STATE_GRACE", "-1", "POSTERN_STATE_GRACE"),
    ("POSTERN_USERS", None, "POSTERN_USERS is missing"),
    ("POSTERN_USERS", "users", "absolute"),
    ("POSTERN_USERS", "/nowhere/users", "No such file"),
    ("POSTERN_USERS", "/tmp", "not a regular file"),
    ("POSTERN_STATE", None, "POSTERN_STATE is missing"),
    ("POSTERN_STATE", "state", "absolute"),
    ("POSTERN_STATE", "/nowhere", "POSTERN_STATE: /nowhere: No such file"),
    ("POSTERN_STATE", "/etc/passwd", "not a folder"),
    ("POSTERN_STATE", "/tmp", "open to others: chmod 700"),
    ("POSTERN_STATE", "None", "POSTERN_STATE is not an absolute path, nor like redis://192.0.2.1, nor none"),
    ("POSTERN_STATE", "127.0.0.1:6379", "POSTERN_STATE is not an absolute path"),
    ("POSTERN_STATE", "redis:127.0.0.1", "POSTERN_STATE"),
    ("POSTERN_SESSIONS", "0", "POSTERN_SESSIONS is not a number from 1 to 1000"),
    ("POSTERN_SESSIONS", "1001", "POSTERN_SESSIONS"),
    ("POSTERN_SESSIONS", "ten", "POSTERN_SESSIONS"),
    ("POSTERN_TOKEN_TTL", "5m", "POSTERN_TOKEN_TTL"),
    ("POSTERN_TOKEN_TTL", "0", "POSTERN_TOKEN_TTL"),
    ("POSTERN_TOKEN_TTL", "-5", "POSTERN_TOKEN_TTL"),
    ("POSTERN_SESSION_TTL", "999999999", "POSTERN_SESSION_TTL"),
    ("POSTERN_ORIGIN", "example.org", "POSTERN_ORIGIN"),
    ("POSTERN_ORIGIN", "https://example.org/", "POSTERN_ORIGIN"),
    ("POSTERN_ORIGIN", "https://", "POSTERN_ORIGIN"),
    ("POSTERN_COOKIE", "a b", "POSTERN_COOKIE"),
    ("POSTERN_COOKIE", "a;b", "POSTERN_COOKIE"),
    ("POSTERN_LOGIN", "login", "POSTERN_LOGIN"),
    ("POSTERN_LOGIN", "//evil.example", "POSTERN_LOGIN"),
    ("POSTERN_HOME", "/a?b", "POSTERN_HOME"),
    ("POSTERN_LOGIN", "/auth/", "slash"),
    ("POSTERN_LOGIN", "/a%zz", "POSTERN_LOGIN is not a path"),
    ("POSTERN_HOME", "/%2fevil.example", "POSTERN_HOME is not a path"),
    ("POSTERN_SECRET", SECRET + " # openssl rand -hex 32", "space in it"),
    ("POSTERN_ORIGIN", "https://:443", "POSTERN_ORIGIN"),
    ("POSTERN_ISSUER", "a b", "POSTERN_ISSUER"),
    ("POSTERN_TITLE", "x" * 128, "POSTERN_TITLE"),
    ("POSTERN_PAGES", "/nowhere", "POSTERN_PAGES: No such file or directory"),
    ("POSTERN_SECERT", SECRET, "POSTERN_SECERT is not a setting"),
    ("POSTERN_ENV", "/x", "POSTERN_ENV is not a setting"),
]


@pytest.mark.parametrize("name, value, words", WRONG)
def test_a_wrong_setting_is_named(env, name, value, words):
    edit(env, name, value)
    status, said = check(env)
    assert status == 78 and words in said and said.count("\n") == 1, said
    assert SECRET[:20] not in said
    assert check(env, "welcome.fcgi") == (status, said)


@pytest.mark.parametrize("line", [SECRET, "POSTERN_SECRET:" + SECRET, "POSTERN_SECRET\t" + SECRET,
                                  " POSTERN_TOKEN_TTL=300", "export POSTERN_TOKEN_TTL=300", "  "])
def test_a_line_that_is_none(env, line):
    """It is not shown either: it may be a secret in the wrong place."""
    env.write_text(line + "\n" + env.read_text())
    status, said = check(env)
    assert status == 78 and "line 1: " in said and SECRET[:20] not in said
    assert "is neither KEY=value nor a # comment" in said


def test_two_paths_that_end_alike(env):
    edit(env, "POSTERN_LOGOUT", "/out/login")
    assert check(env)[0] == 78 and "POSTERN_LOGIN" in check(env)[1]
    edit(env, "POSTERN_LOGOUT", "/out")
    edit(env, "POSTERN_LOGIN", "/logout")
    assert check(env)[0] == 78 and "POSTERN_LOGIN" in check(env)[1]


def test_a_path_of_an_environment_file_that_is_too_long(env):
    settings = {"POSTERN_SECRET": SECRET, "POSTERN_USERS": str(env.parent / "users")}
    assert check("/" + "x" * 600, **settings)[0] == 78


def test_a_name_that_stands_twice(env):
    env.write_text(env.read_text() * 2)
    assert check(env)[0] == 78 and "set twice" in check(env)[1]


def test_comments_other_names_and_the_lines_of_windows(env):
    env.write_bytes(b"\xef\xbb\xbf# a comment\r\n\r\nTZ=UTC\r\n" +
                    env.read_bytes().replace(b"\n", b"\r\n"))
    assert check(env) == (0, "")


def test_the_process_environment_comes_first(env):
    assert check(env, POSTERN_TOKEN_TTL="x")[0] == 78
    edit(env, "POSTERN_SECRET", None)
    assert check(env, POSTERN_SECRET=SECRET) == (0, "")
    assert check(env, POSTERN_SECRET=SECRET, POSTERN_SURPRISE="1")[0] == 78
    assert check(env, POSTERN_SECRET=SECRET, POSTERN_GATE="401", POSTERN_REQUIRE="x") == (0, "")


def test_no_file_but_the_environment_is_enough(env):
    assert check("", POSTERN_SECRET=SECRET, POSTERN_USERS=str(env.parent / "users"),
                 POSTERN_STATE="none") == (0, "")


@pytest.mark.parametrize("name", ["postern.env", "users"])
@pytest.mark.parametrize("mode", [0o604, 0o602, 0o620, 0o644, 0o666])
def test_a_file_that_others_can_open(env, name, mode):
    (env.parent / name).chmod(mode)
    status, said = check(env)
    assert status == 78 and "chmod 600" in said


def test_root_may_let_a_group_read(env):
    """Meant for a program that does not run as root."""
    assert os.geteuid() == 0, "this test changes owners: run it as root"
    nobody = pwd.getpwnam("nobody")
    env.chmod(0o640)
    assert check(env) == (0, "")
    os.chown(env, nobody.pw_uid, -1)
    assert check(env)[0] == 78 and "belongs to another user" in check(env)[1]


@pytest.mark.parametrize("up", [1, 2])
def test_the_folder_beside_cgi_bin(tmp_path, env, up):
    program = tmp_path / "web" / "cgi-bin" / "login.fcgi"
    program.parent.mkdir(parents=True)
    shutil.copy(PROGRAMS / "login.fcgi", program)
    shutil.move(env, tmp_path / "moved")
    hidden = program.parents[up] / ".htpostern"
    hidden.mkdir()
    shutil.move(tmp_path / "moved", hidden / "postern.env")
    done = subprocess.run([program, "--check"], stdin=subprocess.DEVNULL, env={})
    assert done.returncode == 0


def test_check_names_the_lines_that_nobody_can_sign_in_with(env):
    (env.parent / "users").write_text("".join("user%d:$apr1$x$y\n" % i for i in range(20)))
    status, said = check(env)
    assert status == 0
    assert [line for i in range(20) for line in said.splitlines() if 'user="user%d"' % i in line]
    assert said.count("\n") == 20


def test_a_quote_in_a_path_does_not_end_the_reason(env):
    status, said = check('/nowhere/a"b\\c')
    assert status == 78 and said.count('"') == 2 and "/nowhere/a?b?c" in said


def test_usage(env):
    for arguments in ([], ["--help"], ["--check", "x"]):
        done = subprocess.run([PROGRAMS / "login.fcgi", *arguments], stdin=subprocess.DEVNULL,
                              env={}, capture_output=True)
        assert done.returncode == 64 and b"usage:" in done.stderr


@pytest.mark.parametrize("program", BOTH)
def test_wrong_settings_are_503_until_they_are_mended(tmp_path, env, program):
    secret = env.read_text()
    edit(env, "POSTERN_SECRET", None)
    worker = fcgi.Worker(tmp_path, env, program)
    for accept in ("text/html", "*/*"):
        reply = worker.ask(HTTP_ACCEPT=accept)
        assert reply.startswith("Status: 503 Service Unavailable\r\n")
        assert "Cache-Control: no-store" in reply
        assert "POSTERN" not in reply and str(env) not in reply
    assert worker.stderr.read_text().count("POSTERN_SECRET is missing") == 1
    env.write_text(secret)
    started = time.monotonic()
    wait_until(lambda: not worker.ask(path="/login").startswith("Status: 503"))
    assert time.monotonic() - started < 2
    worker.stop()


def test_the_log_of_the_request_hears_of_it_once_a_minute(tmp_path, env):
    edit(env, "POSTERN_SECRET", None)
    worker = fcgi.Worker(tmp_path, env)
    said = []
    for _ in range(3):
        with worker.connect() as connection:
            connection.sendall(fcgi.opening(fcgi.parameters()) + fcgi.record(fcgi.STDIN))
            said.append(fcgi.read_reply(connection)[fcgi.STDERR])
    assert said[0].startswith(b'postern: event=config reason="POSTERN_SECRET is missing')
    assert said[1:] == [b"", b""]
    worker.stop()


def test_a_file_in_the_document_root_is_503(tmp_path, env):
    worker = fcgi.Worker(tmp_path, env)
    assert worker.sign_in(DOCUMENT_ROOT=str(tmp_path / "www")).startswith("Status: 200")
    assert worker.sign_in(DOCUMENT_ROOT=str(tmp_path)).startswith("Status: 503")
    assert worker.sign_in().startswith("Status: 200")
    assert worker.sign_in(DOCUMENT_ROOT=str(tmp_path)).startswith("Status: 503")
    worker.stop()
    hidden = tmp_path / ".htpostern"
    env = write_settings(hidden)
    hidden_too = tmp_path / "other"
    hidden_too.mkdir()
    worker = fcgi.Worker(hidden_too, env)
    assert worker.sign_in(DOCUMENT_ROOT=str(tmp_path)).startswith("Status: 200")
    worker.stop()


def test_a_quote_in_a_path_that_is_served_does_not_end_the_reason(tmp_path):
    env = write_settings(tmp_path / 'a"b')
    worker = fcgi.Worker(tmp_path, env)
    with worker.connect() as connection:
        connection.sendall(fcgi.opening(fcgi.parameters(DOCUMENT_ROOT=str(tmp_path))) +
                           fcgi.record(fcgi.STDIN))
        said = fcgi.read_reply(connection)[fcgi.STDERR]
    assert b"/a?b/postern.env lies in the document root" in said and said.count(b'"') == 2
    worker.stop()


def test_check_through_a_web_server_starts_no_option(site):
    for path in (site.login, site.welcome):
        plain, asked = site.get(path, BROWSER), site.get(path + "?--check", BROWSER)
        assert (asked.status, len(asked.body) > 0) == (plain.status, len(plain.body) > 0)


# -- the user file ----------------------------------------------------------------------------

@pytest.mark.parametrize("method", ["yescrypt", "sha512crypt", "sha256crypt", "bcrypt", "bcrypt-a",
                                    "scrypt"])
def test_a_hash_of_every_kind(make_site, method):
    site = make_site()
    users = site.folder / "build/demo/users"
    users.write_text("# people\n\nada:%s:a comment\r\nbad line\nbob:$1$x$y\n" %
                     hashed("right", method))
    assert site.sign_in("ada", "right").status == 200
    assert site.sign_in("ada", "wrong").status == 401
    assert site.sign_in("bob", "wrong").status == 401
    log = site.log.read_text()
    assert 'line=4 user="" reason="the line is not name:hash"' in log
    assert 'line=5 user="bob" reason="the method of the hash is not one that is safe' in log


def test_a_password_longer_than_bcrypt_takes(make_site):
    site = make_site()
    (site.folder / "build/demo/users").write_text("ada:%s\n" % hashed("x" * 72, "bcrypt"))
    assert site.sign_in("ada", "x" * 72).status == 200
    assert site.sign_in("ada", "x" * 73).status == 401


def test_a_user_file_that_changes_is_read_again(make_site):
    site = make_site()
    users = site.folder / "build/demo/users"
    assert site.sign_in().status == 200
    users.write_text("ada:%s\n" % hashed("new"))
    assert site.sign_in().status == 401
    assert site.sign_in("ada", "new").status == 200
    users.unlink()
    reply = site.sign_in("ada", "new")
    assert (reply.status, reply.text) == (503, '{"message":"Service Unavailable"}')
    assert site.sign_in("ada", "new", headers=BROWSER).status == 503
    write_private(users, "ada:%s\n" % hashed("again"))
    assert site.sign_in("ada", "again").status == 200
    users.chmod(0o644)
    assert site.sign_in("ada", "again").status == 503


def test_an_empty_user_file_lets_nobody_in(make_site):
    site = make_site()
    (site.folder / "build/demo/users").write_text("")
    assert site.sign_in().status == 401


def test_an_unknown_name_costs_a_hash_too(tmp_path, env):
    """Counted as calls of crypt_r(3), not in seconds."""
    trace = tmp_path / "trace.c"
    trace.write_text("""
        #define _GNU_SOURCE
        #include <dlfcn.h>
        #include <stdio.h>
        struct crypt_data;
        char *crypt_r(const char *p, const char *s, struct crypt_data *d) {
            char *(*real)(const char *, const char *, struct crypt_data *) =
                (char *(*)(const char *, const char *, struct crypt_data *))dlsym(RTLD_NEXT, "crypt_r");
            fprintf(stderr, "hash %.6s\\n", s);
            return real(p, s, d);
        }""")
    library = tmp_path / "trace.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, trace], check=True)
    for name in list(USERS) + ["nobody", "a b", "x" * 64]:
        said = fcgi.parameters("POST", "/login", CONTENT_TYPE="application/json",
                               CONTENT_LENGTH=None, LD_PRELOAD=str(library))
        process = fcgi.run_cgi(env, said, subprocess.PIPE, programs=ROOT / "cgi-bin")
        out, err = process.communicate(b'{"username":"%s","password":"x"}' % name.encode(), 30)
        assert out.startswith(b"Status: 401") and err.count(b"hash $6$") == 1


# -- logging ----------------------------------------------------------------------------------

def test_what_the_log_says(make_site):
    site = make_site()
    token = site.sign_in().token
    site.sign_in("admin", "geheim-eins")
    site.sign_in("geheim-zwei", "x")
    site.get("/welcome", {**PROGRAM, "Cookie": "token=" + token[:-1]})
    site.post("/logout", headers={**PROGRAM, "Cookie": "token=" + token})
    site.post("/login", {"a": "b"}, {**PROGRAM, "Origin": "http://evil.example\"x"})
    site.post("/login", "username=%ff")
    # Each request comes from an address of its own.
    lines = [re.sub(r" ip=127(\.\d+){3}( |$)", r" ip=127.0.0.1\2", line.partition("postern: ")[2])
             for line in site.log.read_text().splitlines() if "postern: " in line]
    assert lines == [
        'event=state reason="the store is new: sessions that began before are over"',
        'event=login_ok user="admin" ip=127.0.0.1',
        'event=login_failed user="admin" ip=127.0.0.1 reason=password',
        'event=login_failed user=? ip=127.0.0.1 reason=user',
        'event=token_bad ip=127.0.0.1 reason=form',
        'event=logout user="admin" ip=127.0.0.1',
        'event=cross_site ip=127.0.0.1 origin="http://evil.example\\x22x" '
        'host="127.0.0.1:%d" sec_fetch_site="" POSTERN_ORIGIN=""' % site.port,
        'event=input_bad ip=127.0.0.1 status=400',
    ]
    for secret in ("geheim", token, token.split(".")[2], SECRET):
        assert secret not in site.log.read_text()
