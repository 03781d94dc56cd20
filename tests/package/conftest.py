"""What the package tests stand on: small Debian systems of their own, to be thrown away."""
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
CACHE = ROOT / "build/package"  # one untouched system of each suite
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "HOME": "/root",
               "DEBIAN_FRONTEND": "noninteractive"}


def run(*command, **more):
    """Run a command that must succeed; what it said, as text."""
    done = subprocess.run([*map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          errors="replace", **more)
    assert done.returncode == 0, "%s: %s" % (command, done.stdout)
    return done.stdout


def mirror():
    """Where apt gets the packages of this machine from."""
    known = run("apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE)",
                "Created-By: Packages")
    # bookworm, and neither bookworm-updates nor bookworm-security
    return next(line.split()[0] for line in known.splitlines() if "-" not in line.split()[1])


def base(suite):
    """An untouched Debian, as small as it comes; made when it is first asked for."""
    folder = CACHE / suite
    if not folder.exists():
        new = CACHE / (suite + ".new")
        remove(new)
        new.parent.mkdir(parents=True, exist_ok=True)
        run("debootstrap", "--variant=minbase", suite, new, mirror())
        new.rename(folder)
    return folder


def remove(folder):
    """Remove a folder that holds no mounted file system any more."""
    if folder.exists():
        run("rm", "-rf", "--one-file-system", folder)


class Chroot:
    """A copy of a small Debian to do anything with."""

    def __init__(self, suite, root):
        self.root = root
        self._mounted, self._started = [], []
        run("cp", "-a", "--reflink=auto", "%s/." % base(suite), root)
        for name in ("resolv.conf", "hosts"):
            (root / "etc" / name).unlink(missing_ok=True)
            shutil.copy(pathlib.Path("/etc", name), root / "etc")
        # Servers are started by the tests alone.
        policy = root / "usr/sbin/policy-rc.d"
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
        # The devices are debootstrap's own: the real /dev is nowhere near.
        self._mount("proc", "proc", "nosuid,nodev,noexec")
        self._mount("devpts", "dev/pts", "newinstance,ptmxmode=0666,mode=0620,gid=5")
        self._mount("tmpfs", "dev/shm", "nosuid,nodev,mode=1777")

    def _mount(self, kind, place, options):
        (self.root / place).mkdir(exist_ok=True)
        run("mount", "-t", kind, "-o", options, kind, self.root / place)
        self._mounted.append(self.root / place)

    def path(self, inside):
        """Where the file is, seen from here."""
        return self.root / str(inside).lstrip("/")

    def _arguments(self, command, environment):
        if isinstance(command, str):
            command = ["sh", "-c", command]
        return {"args": ["chroot", str(self.root), *map(str, command)],
                "env": {**ENVIRONMENT, **environment}, "stdin": subprocess.DEVNULL,
                "stderr": subprocess.STDOUT}

    def run(self, command, timeout=600, input=None, **environment):
        """Run a line of shell, or a list of words, as root. A CompletedProcess, with text."""
        arguments = self._arguments(command, environment)
        if input is not None:
            del arguments["stdin"]
        return subprocess.run(stdout=subprocess.PIPE, errors="replace", timeout=timeout,
                              input=input, **arguments)

    def check(self, command, **more):
        """The same, and it must succeed; what it said."""
        done = self.run(command, **more)
        assert done.returncode == 0, done.stdout
        return done.stdout

    def install(self, *packages):
        """Install packages of Debian, or .deb files by their paths inside."""
        self.check("apt-get update -q && apt-get install -q -y --no-install-recommends "
                   + " ".join(packages))

    def start(self, command, log, **environment):
        """Start what stays in the foreground, as a server does; it is stopped at the end."""
        with open(log, "ab") as out:
            # In a process group of its own: an Apache that stops tells all of its group to.
            process = subprocess.Popen(stdout=out, start_new_session=True,
                                       **self._arguments(command, environment))
        self._started.append(process)
        return process

    def running(self):
        """What runs in it: the number of each process, and the program, as a path inside."""
        found = {}
        for process in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                if os.readlink(process / "root") == str(self.root):
                    found[int(process.name)] = os.readlink(process / "exe")[len(str(self.root)):]
            except OSError:  # it has ended
                pass
        return found

    def _end(self, number):
        """Let what still runs in it end."""
        for process in self.running():
            try:
                os.kill(process, number)
            except ProcessLookupError:
                pass
        end = time.monotonic() + 10
        while self.running() and time.monotonic() < end:
            time.sleep(0.01)

    def close(self):
        for process in self._started:
            if process.poll() is None:
                process.terminate()
                process.wait(30)
        self._end(signal.SIGTERM)
        self._end(signal.SIGKILL)
        while self._mounted:
            run("umount", self._mounted[-1])
            self._mounted.pop()
        remove(self.root)


@pytest.fixture(scope="session")
def new_chroot():
    """Makes systems that last as long as whoever asked for them wants: close() them."""
    assert os.geteuid() == 0, "only root can make a chroot"
    CACHE.mkdir(parents=True, exist_ok=True)
    return lambda suite: Chroot(suite, pathlib.Path(tempfile.mkdtemp(".run", suite + ".", CACHE)))


@pytest.fixture
def chroot(new_chroot):
    """chroot("bookworm"): a fresh system for this test alone."""
    made = []

    def make(suite):
        made.append(new_chroot(suite))
        return made[-1]

    yield make
    for one in made:
        one.close()
