"""Clients that vanish without a word: `python -m tests.stall.vanisher ADDRESS PORT COUNT TARGET`.

Run in a network of its own. Connects, asks, reads the head and the first records of each answer, says "there"; then
lives on until its input ends, for a process that dies would close its sockets.
"""

from __future__ import annotations

import socket
import sys


def main(address: str, port: int, count: int, target: str) -> None:
    connections = []
    for _ in range(count):
        connection = socket.create_connection((address, port))
        connection.sendall(f"GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        connections.append(connection)
    for connection in connections:
        seen = b""
        while b"id: 1\n" not in seen:
            seen += connection.recv(4096)
    print("there", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
