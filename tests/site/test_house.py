"""The house: which room may include which, where each library is used, no variable that is written."""
import re
import subprocess

import pytest

from conftest import ROOT

ROOMS = ["base", "store", "auth", "web", "src"]  # each may include itself and those before it
LIBRARIES = {"fcgiapp.h": "lib/web/http.c", "jwt.h": "lib/auth/token.c", "json-c/": "lib/web/form.c",
             "crypt.h": "lib/auth/password.c", "hiredis/": "lib/store/store_redis.c"}


def sources():
    """Each file of lib/ and src/: its name, its room, and its text."""
    for path in sorted([*ROOT.glob("lib/*/*.[ch]"), *ROOT.glob("src/*.[ch]")]):
        yield str(path.relative_to(ROOT)), path.parent.name, path.read_text()


def included():
    for name, room, text in sources():
        for file in re.findall(r'^\s*#\s*include "(.*)"', text, re.M):
            if not re.fullmatch(r"pages/.*\.inc", file):
                yield name, room, file


def names_no_room():
    for name, _, file in included():
        if file.partition("/")[0] not in ROOMS or not (ROOT / "lib" / file).is_file():
            yield "%s includes %s" % (name, file)


def against_the_arrows():
    for name, room, file in included():
        if file.partition("/")[0] in ROOMS[ROOMS.index(room) + 1:]:
            yield "%s includes %s" % (name, file)


def a_library_elsewhere():
    for name, _, text in sources():
        for file in re.findall(r"^\s*#\s*include <(.*)>", text, re.M):
            for library, only in LIBRARIES.items():
                if (file + "/").startswith(library.rstrip("/") + "/") and name != only:
                    yield "%s includes %s" % (name, file)


def a_header_that_does_not_say_its_job():
    for name, _, text in sources():
        noun = re.fullmatch(r"lib/\w+/(\w+)\.h", name)
        if noun and not re.match(r"/\*\n \* %s: \w" % noun.group(1), text):
            yield name


def a_variable_that_can_be_written():
    for name, _, text in sources():
        unit = ROOT / "build/plain" / name.replace(".c", ".o")
        # One that needs hiredis may have been left out.
        if not name.endswith(".c") or "#include <hiredis" in text and not unit.exists():
            continue
        table = subprocess.run(["objdump", "-t", unit], check=True, text=True, stdout=subprocess.PIPE)
        # What the linker only moves, as a table of addresses, is read-only once a program runs.
        for flags, section, symbol in re.findall(
                r"(?m)^[0-9a-f]+ (.{7}) (\.t?(?:data|bss)\S*|\*COM\*)\t[0-9a-f]+ +(?:\.hidden )?(\S+)$",
                table.stdout):
            if "d" not in flags and not section.startswith(".data.rel.ro"):
                yield "%s: %s" % (name, symbol)


def a_file_that_stands_twice():
    seen = {}
    for folder in ("deploy", "debian", "lib", "src", "man"):
        for path in sorted((ROOT / folder).rglob("*")):
            if path.is_file() and not path.is_symlink() and path.read_bytes():
                name = str(path.relative_to(ROOT))
                first = seen.setdefault(path.read_bytes(), name)
                if first != name:
                    yield "%s is %s" % (name, first)


RULES = [names_no_room, against_the_arrows, a_library_elsewhere, a_header_that_does_not_say_its_job,
         a_variable_that_can_be_written, a_file_that_stands_twice]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_there_is_nothing(rule):
    assert set(rule()) == set()
