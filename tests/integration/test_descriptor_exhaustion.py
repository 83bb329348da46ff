"""More connections than ferryd has file descriptors: it turns some away and lives.

libzmq 4.3.4 alone ends the process then (an assertion in its ipc listener); ipc/accept_guard.c must
be linked into ferryd in a way that libzmq calls it.
"""

import resource
import socket
import time

from daemon_process import Daemon

DESCRIPTORS = 48
ATTACKERS = 300


def test_daemon_survives_without_descriptors(fake_model):
    with Daemon([fake_model]) as daemon:
        hard = resource.prlimit(daemon.process.pid, resource.RLIMIT_NOFILE)[1]
        resource.prlimit(daemon.process.pid, resource.RLIMIT_NOFILE, (DESCRIPTORS, hard))
        attackers = []
        for _ in range(ATTACKERS):
            attacker = socket.socket(socket.AF_UNIX)
            attacker.connect(daemon.endpoint.removeprefix("ipc://"))
            attackers.append(attacker)
        end = time.monotonic() + 10
        while time.monotonic() < end and daemon.process.poll() is None:
            time.sleep(0.1)
            if closed_by_daemon(attackers) > ATTACKERS - DESCRIPTORS:
                break
        assert daemon.process.poll() is None
        for attacker in attackers:
            attacker.close()
        with daemon.client() as client:
            turned_away = client.ok({"op": "status"})["server"]["endpoint"]["turned_away"]
        assert turned_away > ATTACKERS - DESCRIPTORS


def closed_by_daemon(attackers):
    """How many connections read an end of file; the others get libzmq's greeting or nothing."""
    count = 0
    for attacker in attackers:
        attacker.setblocking(False)
        try:
            count += attacker.recv(1, socket.MSG_PEEK) == b""
        except (BlockingIOError, ConnectionResetError):
            pass
    return count
