"""Protobuf by hand, for bytes that no honest encoder makes."""

VARINT, FIXED64, BYTES = 0, 1, 2


def varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def tag(number: int, kind: int) -> bytes:
    return varint(number << 3 | kind)


def field(number: int, content: bytes | str) -> bytes:
    """A length-delimited field: a string, bytes or a message."""
    raw = content.encode() if isinstance(content, str) else content
    return tag(number, BYTES) + varint(len(raw)) + raw


def entry(key: bytes | str, value: bytes) -> bytes:
    """One entry of a Struct: a key and an encoded Value."""
    return field(1, field(1, key) + field(2, value))


def string_value(content: bytes | str) -> bytes:
    """A Value with a string."""
    return field(3, content)
