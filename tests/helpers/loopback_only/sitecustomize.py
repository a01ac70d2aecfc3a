"""Keeps a process of the tests from the network, and notes that it tried.

Python imports this by itself as it starts, in each process that finds this
folder in PYTHONPATH.  What Python's own sockets do is seen; a connection that
TensorFlow's C++ opens is not.
"""

import os
import sys

_LOOPBACK = {"", "localhost", "127.0.0.1", "::1", "0.0.0.0", "::"}


def _look(event, arguments):
    if event == "socket.getaddrinfo":
        host = arguments[0]
    elif event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        address = arguments[1]
        # A path or a bytes name of a Unix socket stays on this machine.
        if not isinstance(address, tuple):
            return
        host = address[0]
    else:
        return
    if isinstance(host, bytes):
        host = host.decode("ascii", "replace")
    if host is None or host in _LOOPBACK or host.startswith("127."):
        return
    if attempts := os.environ.get("TFNOISY_NETWORK_ATTEMPTS"):
        with open(attempts, "a") as file:
            file.write(f"{event} {host}\n")
    raise ConnectionRefusedError(f"tests do not use the network: {host}")


sys.addaudithook(_look)
