"""The secrets that a run of the tests uses, and how one would be found in a log."""
import contextlib
import re
import urllib.parse

LENGTH = 12  # characters that tell a secret; a shorter one may occur by accident


class Secrets:
    def __init__(self):
        self._pieces = set()
        self._paused = False
        self.overheard = []  # what programs said on FastCGI's error stream: no file has it

    @contextlib.contextmanager
    def paused(self):
        """What is sent meanwhile is no secret, wherever it stands."""
        self._paused = True
        try:
            yield
        finally:
            self._paused = False

    def keep(self, text):
        """No log may have this in it, not even a part that is twice as long as LENGTH."""
        for form in (text, urllib.parse.quote_plus(text)):
            # A log escapes everything else.
            for run in re.findall(r"[ !#-\[\]-~]{%d,}" % LENGTH, form):
                self._pieces.update(run[at:at + LENGTH]
                                    for at in range(0, len(run) - LENGTH + 1, LENGTH))
                self._pieces.add(run[-LENGTH:])
        return text

    def remember(self, headers, body=None):
        """Keep the cookies, the token and the password of a request or a reply."""
        if self._paused:
            return
        for name, value in headers:
            value = value.decode("latin-1") if isinstance(value, bytes) else str(value)
            if name.upper().endswith("COOKIE"):
                for one in re.findall(r"=([^;,\s]+)", value):
                    self.keep(one)
            elif name.upper().endswith("AUTHORIZATION"):
                self.keep(value.rpartition(" ")[2])
        if isinstance(body, bytes):
            body = body.decode("latin-1")
        if not isinstance(body, str):
            return
        for password in re.findall(r"(?:^|&)password=([^&]*)", body):
            self.keep(urllib.parse.unquote_plus(password))
        for one in re.findall(r'"password"\s*:\s*"([^"]*)"|^([\w-]+\.[\w-]+\.[\w-]+)$', body):
            self.keep("".join(one))

    def spilled(self, text):
        """The lines that have a secret in them."""
        return [line for line in text.splitlines()
                if any(line[at:at + LENGTH] in self._pieces
                       for at in range(len(line) - LENGTH + 1))]


SEEN = Secrets()
