"""What the Makefile promises: no warning, hardening that stays, an installation in a folder."""
import re
import subprocess

import pytest

from conftest import PLAIN, ROOT, SECRET, write_private


def make(*arguments, **more):
    return subprocess.run(["make", "-C", ROOT, "--no-print-directory", *arguments], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **more)


@pytest.mark.parametrize("compiler, flags", [("gcc", "-O2 -Werror"), ("clang", "-O1 -Werror"),
                                             ("gcc", "-O0 -Werror")])
def test_no_warning_and_all_the_hardening(tmp_path, compiler, flags):
    """Also when somebody passes flags of his own."""
    built = make("BUILD=%s" % tmp_path, "BIN=%s/bin" % tmp_path, "CC=" + compiler,
                 "CFLAGS=" + flags, "-j2")
    assert built.returncode == 0, built.stdout
    for program in ("login.fcgi", "welcome.fcgi"):
        said = subprocess.run(["readelf", "-hldsW", tmp_path / "bin" / program], text=True,
                              stdout=subprocess.PIPE).stdout
        assert re.search(r"Type:\s+DYN \(Position-Independent Executable", said)
        assert "GNU_RELRO" in said and re.search(r"FLAGS_1\).*NOW", said)
        assert re.search(r"GNU_STACK.*RW ", said)
        assert "__stack_chk_fail" in said
        assert ("__vsnprintf_chk" in said) == ("-O0" not in flags)


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """By somebody whose files are nobody else's."""
    folder = tmp_path_factory.mktemp("installed")
    done = make("install", "DESTDIR=%s" % folder, "PREFIX=/opt/x", umask=0o077)
    assert done.returncode == 0, done.stdout
    return folder / "opt/x"


def test_install(installed):
    programs = installed / "lib/cgi-bin/postern"
    assert sorted(f.name for f in programs.iterdir()) == ["login.fcgi", "welcome.fcgi"]
    for path in (installed, *installed.rglob("*")):
        runs = path.is_dir() or path.parent == programs
        assert path.stat().st_mode & 0o777 == (0o755 if runs else 0o644), path


def test_install_brings_what_there_is_to_read(installed):
    docs = installed / "share/doc/postern"
    assert (docs / "README.md").read_bytes() == (ROOT / "README.md").read_bytes()
    assert "\nPOSTERN_SECRET=\n" in (docs / "examples/postern.env").read_text()
    brought = {str(f.relative_to(docs)) for f in docs.rglob("*") if f.is_file()}
    assert {"deploy/lighttpd.conf", "deploy/systemd/postern-login@.service",
            "deploy/fail2ban/jail.d/postern.conf", "deploy/redis/users.acl"} <= brought
    # What is for a shared host has names that nobody sees.
    assert not [f for f in installed.rglob("*")
                if f.name.startswith(".") or f.name in ("shared-hosting", "static")]
    pages = {f.name for f in ROOT.glob("man/*.[1-9]")}
    assert pages == {f.name for f in installed.glob("share/man/man[1-9]/*")}


def test_one_version():
    """make dist and the Debian package say the same."""
    version = re.search(r"^VERSION := (\S+)$", (ROOT / "Makefile").read_text(), re.M).group(1)
    assert (ROOT / "debian/changelog").read_text().startswith("postern (%s) " % version)


def test_the_example_of_an_environment_file(tmp_path):
    """It names every setting that there is, and says itself what is missing: the secret."""
    known = set(re.findall(r'\{ "(POSTERN_\w+)"', (ROOT / "lib/base/config.c").read_text()))
    text = (ROOT / "deploy/postern.env").read_text()
    lines = re.findall(r"^#?(POSTERN_\w+)=(.*)$", text, re.M)
    assert len(lines) == len(known) and {name for name, _ in lines} == known
    text = re.sub(r"^#(POSTERN_(?!SECRET|ORIGIN|PAGES|GROUPS|KEY|PUBLIC))", r"\1", text, flags=re.M)
    for name in ("users", "state"):
        text = text.replace(dict(lines)["POSTERN_" + name.upper()], str(tmp_path / name))
    write_private(tmp_path / "users", "")
    (tmp_path / "state").mkdir(0o700)

    def check():
        write_private(tmp_path / "postern.env", text)
        return subprocess.run([PLAIN / "login.fcgi", "--check"], stderr=subprocess.PIPE, text=True,
                              env={"POSTERN_ENV": str(tmp_path / "postern.env")})

    refused = check()
    assert refused.returncode == 78 and "POSTERN_SECRET is missing" in refused.stderr
    text = text.replace("POSTERN_SECRET=", "POSTERN_SECRET=" + SECRET)
    accepted = check()
    assert accepted.returncode == 0, accepted.stderr


def test_the_code_is_formatted_as_it_says():
    sources = [*ROOT.glob("lib/*/*.[ch]"), *ROOT.glob("src/*.c"), *ROOT.glob("tests/unit/*.[ch]"),
               *ROOT.glob("tests/fuzz/*.[ch]"), *ROOT.glob("tests/bench/*.c"),
               *ROOT.glob("tests/site/*.c")]
    checked = subprocess.run(["clang-format", "--dry-run", "--Werror", *sources], text=True,
                             stderr=subprocess.PIPE)
    assert checked.returncode == 0, checked.stderr


def test_help_names_every_target():
    said = make("help").stdout
    rules = (ROOT / "Makefile").read_text() + (ROOT / "tests/tests.mk").read_text()
    phony = " ".join(re.findall(r"^\.PHONY: (.*)", rules, re.M)).split()
    inner = {"all", "build", "demo", "test-programs", "unit", "tls", "FORCE"}
    assert len(phony) == len(set(phony)) > 10
    for target in set(phony) - inner:
        assert "make " + target in said


def install_packages(folder, had, *arguments):
    """tests/packages on a machine that has `had`, and systemd; what was said and what was run."""
    stubs = {"dpkg-query": 'sed "s/^/installed /" %s/had' % folder,
             "apt-get": 'echo "apt-get $*" >>{0}/run; [ "$1" != install ] || '
                        '{{ shift 4; printf "%s\\n" "$@" dbus >>{0}/had; }}'.format(folder),
             "systemctl": 'echo "systemctl $*" >>%s/run' % folder}
    for name, body in stubs.items():
        (folder / name).write_text("#!/bin/sh\n%s\n" % body)
        (folder / name).chmod(0o755)
    (folder / "had").write_text("".join(p + "\n" for p in had))
    (folder / "run").touch()
    script = "mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/system && exec tests/packages \"$@\""
    done = subprocess.run(["unshare", "-m", "sh", "-c", script, "sh", *arguments], cwd=ROOT,
                          env={"PATH": "%s:/usr/sbin:/usr/bin:/sbin:/bin" % folder}, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return done, (folder / "run").read_text().splitlines()


def test_a_server_is_stopped_only_if_it_was_installed_just_now(tmp_path):
    done, run = install_packages(tmp_path, ["nginx", "apache2", "php8.2-fpm", "gcc"], "test")
    assert done.returncode == 0, done.stdout
    assert run[0] == "apt-get update -q" and " lighttpd " in run[1] and " nginx" not in run[1]
    stopped = {line.removeprefix("systemctl disable --now ") for line in run[2:]}
    assert stopped == {name + ".service" for name in ("lighttpd", "caddy", "fail2ban", "redis-server",
                                                      "redis-sentinel", "haproxy")}


def test_what_is_missing_is_said_and_not_installed(tmp_path):
    done, run = install_packages(tmp_path, ["gcc"], "-n", "check")
    assert done.returncode == 1 and run == []
    assert "libcmocka-dev" in done.stdout and " gcc" not in done.stdout
    had = done.stdout.partition("recommends ")[2].split() + ["gcc"]
    assert [install_packages(tmp_path, had, *mode, "check")[0].returncode
            for mode in (["-n"], [])] == [0, 0]


def test_the_lines_of_the_readme(fastcgi, tmp_path):
    """What it says to type works, one line after the other."""
    lines = re.findall(r"^    (curl .*)$", (ROOT / "README.md").read_text(), re.M)
    heads = [subprocess.run(line.replace("localhost:8080", "127.0.0.1:%d" % fastcgi.port) + " -s",
                            shell=True, cwd=tmp_path, stdout=subprocess.PIPE, text=True).stdout
             for line in lines + lines[1:2]]
    assert [head.split()[1] for head in heads] == ["200", "200", "200", "200", "401"]
