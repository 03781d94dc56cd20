"""A real redis-server, in a folder of its own, on a socket there and on a port of loopback."""
import os
import subprocess

from conftest import connects, free_port, wait_until


class Redis:
    def __init__(self, folder, *options):
        self.folder, self.options = folder, options
        self.socket, self.port = folder / "redis.socket", free_port()
        self.unix = "unix:%s" % self.socket
        self.url = "redis://127.0.0.1:%d" % self.port
        self.start()

    def start(self):
        """Start it; it knows nothing, as it never wrote anything to disk."""
        with open(self.folder / "redis.log", "ab") as log:
            self.process = subprocess.Popen(
                ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "-::1",
                 "--unixsocket", self.socket, "--dir", self.folder, "--save", "", *self.options],
                stdout=log, stderr=log)
        wait_until(lambda: self.process.poll() is not None or connects(self.port))
        assert self.process.poll() is None, (self.folder / "redis.log").read_text()

    def stop(self):
        self.process.kill()
        self.process.wait(30)

    def ask(self, *words, password=""):
        """What redis-cli prints; an error of the server's is one here."""
        environment = {**os.environ, **({"REDISCLI_AUTH": password} if password else {})}
        return subprocess.run(["redis-cli", "-e", "-s", self.socket, *map(str, words)], check=True,
                              env=environment, text=True, stdout=subprocess.PIPE).stdout.strip()
