"""What the Makefile promises: no warning, hardening that stays, an installation in a folder."""
import re
import subprocess

import pytest

from conftest import ROOT


def make(*arguments):
    return subprocess.run(["make", "-C", ROOT, "--no-print-directory", *arguments], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


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


def test_install(tmp_path):
    assert make("install", "DESTDIR=%s" % tmp_path, "PREFIX=/opt/x").returncode == 0
    folder = tmp_path / "opt/x/lib/cgi-bin/postern"
    assert sorted(f.name for f in folder.iterdir()) == ["login.fcgi", "welcome.fcgi"]
    assert all(f.stat().st_mode & 0o777 == 0o755 for f in folder.iterdir())


def test_the_code_is_formatted_as_it_says():
    sources = [*ROOT.glob("lib/*.[ch]"), *ROOT.glob("src/*.c"), *ROOT.glob("tests/unit/*.[ch]"),
               *ROOT.glob("tests/fuzz/*.[ch]"), *ROOT.glob("tests/bench/*.c"), ROOT / "tests/site/fault.c"]
    checked = subprocess.run(["clang-format", "--dry-run", "--Werror", *sources], text=True,
                             stderr=subprocess.PIPE)
    assert checked.returncode == 0, checked.stderr


def test_help_names_every_target():
    said = make("help").stdout
    phony = re.search(r"\.PHONY: (.*)", (ROOT / "Makefile").read_text()).group(1).split()
    inner = {"all", "demo", "run-packages", "test-packages", "unit", "FORCE"}
    for target in set(phony) - inner:
        assert "make " + target in said


def test_the_lines_of_the_readme(fastcgi, tmp_path):
    """What it says to type works, one line after the other."""
    lines = re.findall(r"^    (curl .*)$", (ROOT / "README.md").read_text(), re.M)
    heads = [subprocess.run(line.replace("localhost:8080", "127.0.0.1:%d" % fastcgi.port) + " -s",
                            shell=True, cwd=tmp_path, stdout=subprocess.PIPE, text=True).stdout
             for line in lines + lines[1:2]]
    assert [head.split()[1] for head in heads] == ["200", "200", "200", "200", "401"]
