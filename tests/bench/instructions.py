"""How many instructions something takes, as valgrind's callgrind counts them.

Each figure is the difference between two runs, divided by what the longer one did more: so
neither start nor end of a process is in it.
"""
import collections
import re
import subprocess

import fcgi
from direct import Process, bytes_of

FEW, MANY = 20, 220


def callgrind(out):
    return ["valgrind", "-q", "--tool=callgrind", "--callgrind-out-file=%s" % out]


def self_by_object(out):
    """What was run in the code of each program and library, by its path."""
    names, here, costs, calls = {}, None, collections.Counter(), False
    for line in out.read_text().splitlines():
        if found := re.match(r"c?ob=\((\d+)\)(?: (.*))?$", line):
            if found.group(2):
                names[found.group(1)] = found.group(2)
            if line.startswith("ob="):
                here = names[found.group(1)]
        elif line.startswith("calls="):
            calls = True  # the line after it is of what was called
        elif re.match(r"[\d+*-]", line):
            if not calls:
                costs[here] += int(line.split()[1])
            calls = False
    return costs


def difference(measure):
    few, many = measure(FEW), measure(MANY)
    return {name: (many[name] - few.get(name, 0)) / (MANY - FEW) for name in many}


def of_part(folder, command, part):
    """A part of micro."""
    def measure(count):
        out = folder / ("%s.%d" % (part, count))
        subprocess.run([*callgrind(out), *command, part, str(count)], check=True)
        return self_by_object(out)
    return sum(difference(measure).values())


def of_request(folder, env, program, cookies, gate):
    """A whole request to a worker: all of it, and what is of the program's own code."""
    requests = [bytes_of(cookie, gate) for cookie in cookies]

    def measure(count):
        out = folder / ("%s.%s.%d.%d" % (program.name, gate, len(requests), count))
        worker = Process(folder / ("run-" + out.name), env, *callgrind(out), program)
        for i in range(count):
            with worker.connect() as connection:
                connection.settimeout(60)
                connection.sendall(requests[i % len(requests)])
                reply = fcgi.read_reply(connection)[fcgi.STDOUT]
                assert reply.startswith(b"Status: 200"), reply
        worker.stop()
        return self_by_object(out)

    costs = difference(measure)
    return sum(costs.values()), costs[str(program)]
