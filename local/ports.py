"""Takes loopback ports, and says who holds one that is taken."""

from __future__ import annotations

import errno
import socket
from pathlib import Path

_LISTEN = "0A"


class PortTakenError(Exception):
    """Raised when another process listens on the wanted port; the message names it."""


def listen_on(port: int, address: str = "127.0.0.1") -> socket.socket:
    """Return a socket that listens on a port of an address, loopback unless told otherwise; 0 takes a free one.

    Raises:
        PortTakenError: another process holds the port.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((address, port))
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise PortTakenError(f"port {port} is held by {holder_of(port)}; choose another with --port") from error
        if error.errno in {errno.EACCES, errno.EPERM}:
            raise PortTakenError(f"port {port} may not be used by this user; choose one above 1023") from error
        raise
    listener.listen(128)
    return listener


def holder_of(port: int) -> str:
    """Return ``process PID (command)`` of whoever listens on a TCP port, as far as /proc tells."""
    inodes = {
        f"socket:[{fields[9]}]"
        for table in ("/proc/net/tcp", "/proc/net/tcp6")
        if Path(table).exists()
        for fields in (line.split() for line in Path(table).read_text().splitlines()[1:])
        if fields[3] == _LISTEN and int(fields[1].rsplit(":", 1)[1], 16) == port
    }
    for process in Path("/proc").glob("[0-9]*"):
        try:
            held = any(str(entry.readlink()) in inodes for entry in (process / "fd").iterdir())
            if held:
                command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
                return f"process {process.name} ({command[:120]})"
        except OSError:
            # Ended meanwhile, or another user's.
            continue
    return "another process"
