"""Load from wrk and from h2load, and what they say of it."""
import pathlib
import re
import statistics
import subprocess

HERE = pathlib.Path(__file__).resolve().parent
CONNECTIONS = 16


def run(command):
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout
    return done.stdout


def number(pattern, text):
    found = re.search(pattern, text)
    assert found, text
    return float(found.group(1))


def rate(url, cookies, seconds, connections=CONNECTIONS):
    """As fast as it can: requests a second, and how many there were. `cookies` is a file."""
    said = run(["wrk", "-t", "1", "-c", connections, "-d", "%ds" % seconds, "--timeout", "10s",
                "-s", HERE / "load.lua", url, "--", cookies])
    assert "Non-2xx" not in said and "Socket errors" not in said, said
    return number(r"Requests/sec:\s+([\d.]+)", said), number(r"(\d+) requests in", said)


def latency(url, cookie, wanted, seconds, log, connections=CONNECTIONS):
    """So many requests a second, evenly: milliseconds, the median and the 99th of a hundred."""
    log.unlink(missing_ok=True)
    # h2load wants a whole number for each connection.
    each = max(1, round(wanted / connections))
    said = run(["h2load", "--h1", "-t", "1", "-c", connections, "--rps", each, "-D", seconds,
                "--warm-up-time", "1", "--log-file", log, "-H", "cookie: " + cookie, url])
    times = []
    for line in log.read_text().splitlines():
        _, status, microseconds = line.split("\t")[:3]
        assert status == "200", said
        times.append(int(microseconds) / 1000)
    assert len(times) > 0.9 * each * connections * seconds, "it fell behind"
    cuts = statistics.quantiles(times, n=100)
    return cuts[49], cuts[98]
