"""`OscReference`: every OSC address of a show with its range, value and lines to copy, for ``/api/osc`` and the page.

It is made from the declaration, so a new parameter or action comes by itself.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from io_bridges.local_network import ANY_HOST, is_loopback, osc_address, reachable_addresses
from io_bridges.osc.monitor import SeenMessages
from io_bridges.osc.snippets import snippets
from io_bridges.osc.surface_requests import PING, PONG
from io_bridges.oscquery.address_space import MEASURED
from io_bridges.show_control import ShowControl
from presets.declaration import ADD, NORM, Action
from presets.parameter_table import Parameter, Value

Entry = dict[str, object]
"""JSON object of one address."""

_TYPES = {"float": "f", "int": "i", "bool": "i", "text": "s", "choice": "s"}
"""Type of the argument that the show sends as feedback. It takes others too."""

_DEFAULT_PORT = 9000
_THIS_MACHINE = "127.0.0.1"


class SurfaceAddress(NamedTuple):
    """An address that the OSC control answers itself."""

    address: str
    type: str
    description: str
    example: Value | None


_OF_SURFACES = (
    SurfaceAddress(
        "/subscribe", "i", "send every value and every change to this port of the sender, for ten minutes", 9001
    ),
    SurfaceAddress(
        "/subscribe/norm",
        "i",
        "the same, with numbers, switches and choices from 0 to 1 at /strength/norm and the like",
        9001,
    ),
    SurfaceAddress("/unsubscribe", "i", "end the feedback to this port", 9001),
    SurfaceAddress("/sources", "", "search for sources that can be opened now", None),
    SurfaceAddress(PING, "", f"answer {PONG} with the same arguments, and count nothing", None),
)
_SENT = (
    *((address, "f", f"{description}, in {unit}") for address, (_, description, unit) in MEASURED.items()),
    ("/streamflow/refused", "s", "reason why your last message was refused"),
    ("/streamflow/note", "s", "how your last message was read, if not as it stands"),
    ("/streamflow/sources", "s…", "sources that were found"),
    (PONG, "", f"the answer to {PING}, with the same arguments"),
)
"""Addresses that the show sends besides those of the parameters."""


class OscReference:
    """The reference of one show. Values are read when it is asked for."""

    def __init__(self, show: ShowControl, seen: SeenMessages) -> None:
        self._show = show
        self._seen = seen

    def document(self) -> dict[str, object]:
        """Return where to send, all addresses, what the show sends, and the last messages."""
        address = osc_address(self._show.status())
        host, port = address or (_THIS_MACHINE, _DEFAULT_PORT)
        here = _THIS_MACHINE if host in ANY_HOST else host
        values = self._show.values()
        return {
            "send_to": _send_to(address),
            "addresses": [
                *(self._parameter(each, values[each.address], here, port) for each in self._show.parameters.values()),
                *(_action(each, here, port) for each in self._show.actions.values()),
                *(_of_surfaces(each, here, port) for each in _OF_SURFACES),
            ],
            "sends": [{"address": at, "type": kind, "description": text} for at, kind, text in _SENT],
            "messages": self.messages(),
        }

    def messages(self) -> Sequence[Mapping[str, object]]:
        """Return the last messages, oldest first."""
        return self._seen()

    def _parameter(self, parameter: Parameter, value: Value, host: str, port: int) -> Entry:
        choices: Sequence[str] = parameter.choices
        example = value
        if parameter.address == "/preset":
            choices = self._show.preset_names()
            example = value or (choices[0] if choices else "")
        elif parameter.key == "processor" and parameter.kind == "text":
            example = value or "mirror"  # a name, which has no spaces
        return {
            "address": parameter.address,
            "group": parameter.group.value,
            "kind": parameter.kind,
            "type": _TYPES[parameter.kind],
            "minimum": parameter.minimum,
            "maximum": parameter.maximum,
            "multiple_of": parameter.multiple_of,
            "choices": choices,
            "unit": parameter.unit,
            "default": parameter.default,
            "value": value,
            "effect": parameter.effect.value,
            "twins": [] if parameter.kind == "text" else [parameter.address + end for end in (NORM, ADD)],
            "description": parameter.description,
            "snippets": snippets(parameter.address, _sent(example), host, port),
        }


def _sent(value: Value) -> Value:
    """Return a value as it is sent: a switch is 1 or 0, and a text is never empty."""
    return int(value) if isinstance(value, bool) else (value if value != "" else "a text")


def _action(action: Action, host: str, port: int) -> Entry:
    return {
        "address": action.address,
        "group": "actions",
        "kind": "action",
        "type": "s" if action.argument else "",
        "description": action.description + (f"; takes {action.argument}" if action.argument else ""),
        "snippets": snippets(action.address, action.argument or None, host, port),
    }


def _of_surfaces(entry: SurfaceAddress, host: str, port: int) -> Entry:
    return {
        "address": entry.address,
        "group": "feedback",
        "kind": "action",
        "type": entry.type,
        "description": entry.description,
        "snippets": snippets(entry.address, entry.example, host, port),
    }


def _send_to(address: tuple[str, int] | None) -> dict[str, object]:
    """Return where phones and other machines send to, with a sentence for a person."""
    if address is None:
        return {"port": None, "addresses": [], "advice": f"OSC is off. Start the show with --osc {_DEFAULT_PORT}."}
    host, port = address
    reached = reachable_addresses(host)
    if is_loopback(host):
        advice = (
            f"Programs on this machine send to {host}, UDP port {port}."
            f" For phones and other machines start the show with --osc 0.0.0.0:{port}"
            " and --osc-allow with their addresses."
        )
    elif reached:
        advice = f"Phones and other machines send to {' or '.join(reached)}, UDP port {port}."
    else:
        advice = f"OSC is open on UDP port {port}, but this machine is on no network."
    return {"port": port, "addresses": reached, "advice": advice}
