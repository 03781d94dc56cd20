"""The units of deploy/systemd, as far as systemd judges them without running them."""
import shutil
import subprocess

import pytest

from conftest import PLAIN, ROOT

UNITS = sorted((ROOT / "deploy/systemd").glob("postern-*"))
SERVICES = [unit.name for unit in UNITS if unit.suffix == ".service"]
EXPOSED = 10  # tenths: 0 is shut in as far as can be, 100 not at all


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The units, with programs that are there."""
    folder = tmp_path_factory.mktemp("units")
    for name in ("login.fcgi", "welcome.fcgi"):
        shutil.copy(PLAIN / name, folder)
    for unit in UNITS:
        text = unit.read_text()
        assert unit.suffix == ".socket" or "ExecStart=/usr/lib/cgi-bin/postern/" in text
        (folder / unit.name).write_text(text.replace("/usr/lib/cgi-bin/postern", str(folder)))
    return folder


def analyze(folder, *arguments):
    return subprocess.run(["systemd-analyze", *arguments], cwd=folder, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)


def verify(folder):
    # Of a word that it does not know it only says so.
    done = analyze(folder, "verify", *("./" + unit.name for unit in UNITS))
    return done.stdout or done.returncode


def test_systemd_understands_the_units(folder):
    assert len(UNITS) == 4 and verify(folder) == 0


@pytest.mark.parametrize("old, new", [("NoNewPrivileges", "NoNewPrivilege"), ("=@system-service", "=@system"),
                                      ("/login.fcgi", "/nothing.fcgi")])
def test_a_mistake_would_be_seen(folder, tmp_path, old, new):
    for unit in UNITS:
        text = (folder / unit.name).read_text()
        (tmp_path / unit.name).write_text(text.replace(old, new))
    assert verify(tmp_path) != 0


@pytest.mark.parametrize("service", SERVICES)
def test_the_programs_are_shut_in(folder, service):
    done = analyze(folder, "security", "--offline=true", "--threshold=%d" % EXPOSED, "./" + service)
    assert done.returncode == 0, done.stdout


def test_the_two_services_are_alike():
    login, welcome = (
        [line.replace("welcome", "login") for line in unit.read_text().splitlines()
         if "=" in line and not line.startswith(("#", "Description="))]
        for unit in UNITS if unit.suffix == ".service")
    assert login == welcome


def test_the_user_can_be_made():
    done = subprocess.run(["systemd-sysusers", "--dry-run", ROOT / "deploy/systemd/sysusers.conf"],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0 and "_postern" in done.stdout, done.stdout
