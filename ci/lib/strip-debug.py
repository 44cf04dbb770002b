"""Removes the DWARF sections of a WebAssembly module in place; keeps everything else, the name section included."""

import sys


def leb(data, at):
    """The unsigned LEB128 number at `at`, and where it ends."""
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at


def main(path):
    with open(path, "rb") as file:
        data = file.read()
    kept, at = bytearray(data[:8]), 8
    while at < len(data):
        size, body = leb(data, at + 1)
        end = body + size
        if data[at] == 0:
            length, start = leb(data, body)
            custom = data[start : start + length]
        else:
            custom = b""
        if not custom.startswith(b".debug_"):
            kept += data[at:end]
        at = end
    with open(path, "wb") as file:
        file.write(kept)


main(sys.argv[1])
