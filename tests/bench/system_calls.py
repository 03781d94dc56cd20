"""How many system calls something takes, as strace sees them."""
import collections
import re
import subprocess

import fcgi
from conftest import wait_until
from direct import Process, bytes_of
from instructions import difference


def by_name(out):
    """How often each was made, once strace has written all."""
    wait_until(lambda: re.search(r"^\+\+\+ (exited|killed)", out.read_text(), re.M))
    return collections.Counter(re.findall(r"^(\w+)\(", out.read_text(), re.M))


def of_run(folder, command, environment):
    """Of a program, from its start to its end."""
    out = folder / "calls"
    subprocess.run(["strace", "-o", out, *command], env=environment, stdin=subprocess.DEVNULL,
                   stdout=subprocess.DEVNULL, check=True)
    return sum(by_name(out).values())


def of_request(folder, env, program, cookies, gate):
    """Of a request to a worker that has a queue of them: by its name, how often it is made."""
    requests = [bytes_of(cookie, gate) for cookie in cookies]

    def measure(count):
        out = folder / ("calls.%s.%s.%d.%d" % (program.name, gate, len(requests), count))
        worker = Process(folder / ("run-" + out.name), env, "strace", "-D", "-o", out, program)
        waiting = [worker.connect() for _ in range(count)]
        for i, connection in enumerate(waiting):
            connection.sendall(requests[i % len(requests)])
        for connection in waiting:
            connection.settimeout(60)
            reply = fcgi.read_reply(connection)[fcgi.STDOUT]
            assert reply.startswith(b"Status: 200"), reply
            connection.close()
        worker.stop()
        return by_name(out)

    return difference(measure)
