"""Lines that send one OSC message, to copy into other programs."""

import re
import shlex

from presets.parameter_table import Value

_PLAIN_WORD = re.compile(r"[A-Za-z_./:][\w./:-]*")
"""Texts that a message box of Max reads as one word."""


def snippets(address: str, value: Value | None, host: str, port: int) -> dict[str, str]:
    """Return lines by the name of their program.

    Args:
        address: Address of the message.
        value: Its argument; None for a message without one.
        host: Host of the show, as the program reaches it.
        port: Its UDP port.
    """
    tags, arguments = ("", []) if value is None else (_type(value), [value])
    words = [*([tags] if tags else []), *(_shell(argument) for argument in arguments)]
    sent: Value | list[Value] = [] if value is None else value
    client = f'SimpleUDPClient("{host}", {port})'
    return {
        "oscsend": " ".join(["oscsend", host, str(port), shlex.quote(address), *words]),
        "Python": f"from pythonosc.udp_client import SimpleUDPClient\n{client}.send_message({address!r}, {sent!r})",
        "TouchDesigner": f"op('oscout1').sendOSC({address!r}, {arguments!r})",
        "Max": " ".join([address, *(_max(argument) for argument in arguments)]),
    }


def _type(value: Value) -> str:
    if isinstance(value, str):
        return "s"
    return "f" if isinstance(value, float) else "i"


def _shell(value: Value) -> str:
    return shlex.quote(value) if isinstance(value, str) else str(value)


def _max(value: Value) -> str:
    """Return a value for a message box of Max: a text with spaces or signs is one word in quotes."""
    if not isinstance(value, str):
        return str(value)
    if _PLAIN_WORD.fullmatch(value):
        return value
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
