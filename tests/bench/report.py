"""What was measured, as RESULTS.md and as a picture."""
import json
import operator
import os
import pathlib
import platform
import re
import statistics
import subprocess

from tokens import BEFORE

HERE = pathlib.Path(__file__).resolve().parent
PACKAGES = ("lighttpd nginx apache2 libapache2-mod-fcgid libapache2-mod-auth-openidc php-fpm "
            "php-cgi libfcgi-dev libjwt-dev libssl-dev nettle-dev libhiredis-dev "
            "redis-server gcc wrk nghttp2-client valgrind").split()


class Table:
    def __init__(self, title, head, note=""):
        self.title, self.head, self.note, self.rows = title, head, note, []

    def add(self, *row):
        self.rows.append([str(cell) for cell in row])

    def __str__(self):
        lines = ["## " + self.title, ""] + ([self.note, ""] if self.note else [])
        lines += ["| %s |" % " | ".join(row) for row in
                  [self.head, ["---"] + ["---:"] * (len(self.head) - 1)] + self.rows]
        return "\n".join(lines) + "\n"


class Results:
    """What the steps of a run leave behind."""

    def __init__(self):
        self.rates = {}    # by contestant and load: requests a second of each round
        self.facts = {}    # by name: a number that a criterion asks for
        self.missing = {}  # by name: why it was not measured
        self.bounds = []   # in words: why something is out of reach
        self.tables = []
        self.bars = []     # of the picture: pairs of a name and a number

    def table(self, *arguments):
        self.tables.append(Table(*arguments))
        return self.tables[-1]

    def median(self, key):
        return statistics.median(self.rates[key])

    def compared(self, key, base):
        """Of the ratios of each round the median, and the middle half as text."""
        if not self.rates.get(key) or not self.rates.get(base):
            return None, ""
        ratios = [a / b for a, b in zip(self.rates[key], self.rates[base])]
        if key == base or len(ratios) < 2:
            return statistics.median(ratios), ""
        low, _, high = statistics.quantiles(ratios, method="inclusive")
        return statistics.median(ratios), "%.2f to %.2f" % (low, high)


# What it is measured by: the name of a fact, what is wanted of it, and how it is said.
CRITERIA = [
    ("hot page", "hot token, page, under lighttpd: of the empty program", ">=", 1.2),
    ("hot gate", "hot token, gate, under lighttpd: of the empty program", ">=", 1.2),
    ("cold page", "cold token, page, under lighttpd: of the empty program", ">=", 0.85),
    ("cold gate", "cold token, gate, under lighttpd: of the empty program", ">=", 0.85),
    ("express", "page under lighttpd: times Express", ">=", 6),
    ("php", "page under lighttpd: times PHP-FPM", ">=", 1.5),
    ("openidc", "gate under lighttpd: times mod_auth_openidc", ">=", 1.3),
    ("redis hot", "hot token, gate, store on Redis on 127.0.0.1: of that in a folder", ">=", 0.6),
    ("redis four", "the same, each with four workers", ">=", 0.6),
    ("redis cold", "cold token, gate, store on Redis on 127.0.0.1: of that in a folder", "", None),
    ("cold instructions", "check of a cold token: instructions, times jwt_decode()", "<", 1.3),
    ("own page", "hot token, page: instructions of a whole request in our code", "<", 5000),
    ("own gate", "hot token, gate: instructions of a whole request in our code", "<", 5000),
    ("cgi static", "plain CGI, static: times an empty static program", "<=", 1.15),
    ("cgi php", "plain CGI, static: of PHP-CGI", "<=", 0.5),
    ("pss", "memory a worker, PSS, MB", "<", 3),
    ("pss growth", "PSS after all requests: of that after 10,000", "<=", 1.01),
    ("find 10000", "finding one of 10,000 users: of the hash of the password", "<", 0.01),
    ("find 1000000", "finding one of 1,000,000 users: of the hash of the password", "", None),
    ("read 1000000", "the same, when the file has just changed: times the hash", "", None),
    ("crowded page", "page, 100,000 users, a flood of names: of the empty program", ">=", 0.95),
    ("crowded gate", "gate, 100,000 users, a flood of names: of the empty program", ">=", 0.95),
    ("before sign-in", "sign-in after 1,000,000 names: times the version before", "<=", 1.05),
    ("before page", "hot token, page, under lighttpd: of the version before", "", None),
    ("before gate", "hot token, gate, under lighttpd: of the version before", "", None),
    ("before cgi", "plain CGI, static: times the version before", "", None),
]


def figure(value):
    if value is None or isinstance(value, str):
        return value or ""
    return "%.0f" % value if abs(value) >= 100 else "%.3g" % value


def verdict(value, sign, limit):
    if not sign:
        return ""
    met = {">=": operator.ge, "<=": operator.le, "<": operator.lt}[sign](value, limit)
    return "met" if met else "**not met**"


def criteria(results):
    table = Table("What is wanted", ["", "wanted", "measured", ""])
    for name, text, sign, limit in CRITERIA:
        value = results.facts.get(name)
        if value is None and name.startswith("before") and not BEFORE:
            continue
        wanted = "%s %g" % (sign, limit) if sign else "to be known"
        if value is None:
            table.add(text, wanted, "not measured", "**missing**")
            continue
        said = "%.*f" % (0 if value >= 100 else 3 if value >= 0.05 else 5, value)
        table.add(text, wanted, said, verdict(value, sign, limit))
    return table


def said_by(*command):
    try:
        return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                              text=True).stdout.strip()
    except OSError:
        return ""


def machine(load):
    cpu = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    system = re.search(r'PRETTY_NAME="?([^"\n]*)', pathlib.Path("/etc/os-release").read_text())
    lines = ["%s, %d cores, %.0f GB of memory" % (cpu.group(1) if cpu else platform.machine(),
                                                 os.cpu_count(), memory / 1e9),
             "%s, Linux %s" % (system.group(1), platform.release()),
             "load average before the run: %.2f" % load]
    found = said_by("dpkg-query", "-W", "-f", "${Package} ${Version}\\n", *PACKAGES).splitlines()
    lines.append(", ".join(line for line in found if not line.endswith(" ")))
    wanted = json.loads((HERE / "package.json").read_text())["dependencies"]
    lines.append("Node.js %s, %s" % (said_by("node", "--version"),
                                     ", ".join("%s %s" % one for one in wanted.items())))
    return "## Where\n\n" + "".join("- %s\n" % line for line in lines)


def write(results, folder, how, load):
    missing = "".join("- %s: %s\n" % one for one in results.missing.items())
    parts = [
        "# How fast it is\n",
        "Written by `make bench`. Load and servers share one machine, so only the ratios mean\n"
        "something, and only within one run. %s\n" % how,
        str(criteria(results)),
        *(bound + "\n" for bound in results.bounds),
        "## Not measured\n\n%s" % (missing or "Nothing is missing.\n"),
        "![Requests a second, of the empty program](results.svg)\n" if results.bars else "",
        *map(str, results.tables),
        machine(load)]
    text = "\n".join(part for part in parts if part)
    (folder / "RESULTS.md").write_text(text)
    return text


def picture(bars, path):
    """Bars of `bars`, pairs of a name and a number, drawn by gnuplot."""
    data = "".join('"%s" %.4f\n' % bar for bar in reversed(bars))
    script = """
set terminal svg noenhanced size 760,%d font "sans-serif,13" background "white"
set output "%s"
set title "Requests a second; 1 is the empty program in the same place"
set xrange [0:%.2f]
set arrow from 1,graph 0 to 1,graph 1 nohead lw 1.5
set yrange [-0.7:%d-0.3]
set grid xtics
set border 1
set ytics nomirror scale 0
set xtics nomirror
unset key
$bars << END
%sEND
plot $bars using 2:0:(0):2:($0-0.35):($0+0.35):ytic(1) \\
		with boxxyerror fill solid 0.7 lc rgb "#4472a8", \\
	"" using ($2+0.01):0:(sprintf("%%.2f", $2)) with labels left
""" % (70 + 24 * len(bars), path, max(1.25, 1.1 * max(ratio for _, ratio in bars)), len(bars), data)
    subprocess.run(["gnuplot"], input=script, text=True, check=True)
