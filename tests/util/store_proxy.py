#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Stands between a client and xenstored's socket: store_proxy.py LISTEN REAL KEY TIMES

Passes everything on, but the first TIMES writes of a key that ends in KEY are answered with EACCES.
"""
import socket
import struct
import sys
import threading

XS_READ, XS_WRITE, XS_ERROR = 2, 11, 16
HEADER = struct.Struct("<IIII")


def receive(sock, size):
    data = b""
    while len(data) < size:
        part = sock.recv(size - len(data))
        if not part:
            raise EOFError
        data += part
    return data


def answers(client, server, refused):
    try:
        while True:
            kind, req, tx, size = HEADER.unpack(receive(server, HEADER.size))
            body = receive(server, size)
            if req in refused and kind == XS_ERROR:
                refused.remove(req)
                body = b"EACCES\0"
            client.sendall(HEADER.pack(kind, req, tx, len(body)) + body)
    except (EOFError, OSError):
        client.close()


def requests(client, server, key, left, refused):
    try:
        while True:
            header = receive(client, HEADER.size)
            kind, req, tx, size = HEADER.unpack(header)
            body = receive(client, size)
            if kind == XS_WRITE and body.split(b"\0")[0].endswith(key) and left[0] > 0:
                left[0] -= 1
                print("refused", flush=True)
                # What the server refuses in its turn: answers come in the order of the requests.
                refused.add(req)
                body = b"/none/of/it\0"
                header = HEADER.pack(XS_READ, req, tx, len(body))
            server.sendall(header + body)
    except (EOFError, OSError):
        server.close()


def main():
    path, real, key, left = sys.argv[1], sys.argv[2], sys.argv[3].encode(), [int(sys.argv[4])]
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    while True:
        client = listener.accept()[0]
        server = socket.socket(socket.AF_UNIX)
        server.connect(real)
        refused = set()
        threading.Thread(target=answers, args=(client, server, refused), daemon=True).start()
        threading.Thread(target=requests, args=(client, server, key, left, refused), daemon=True).start()


main()
