"""Messages of TouchOSC controls: the XML that says when a control sends, to which address, and what it receives."""

from typing import NamedTuple

from io_bridges.layouts.tosc_nodes import CONNECTIONS, cdata, node_id, plain

PRESSED, RELEASED, CHANGED = "RISE", "FALL", "ANY"
"""Changes of a value that send a message."""


class Argument(NamedTuple):
    """One argument of an OSC message, or one part of an address."""

    type: str
    """``VALUE`` of the control, or ``CONSTANT``."""
    conversion: str
    """``FLOAT``, ``INTEGER`` or ``STRING``."""
    value: str
    """Key of the control's value, or the constant itself."""
    low: float = 0.0
    high: float = 1.0
    """Range that a value of 0 to 1 is scaled to, and from when it is received."""


def osc_message(address: str, *arguments: Argument, on: str = "", of: str = "x", receives: bool = False) -> str:
    """Return the XML of an OSC message.

    Args:
        address: Its address.
        arguments: What is sent, and what is taken from a message that is received.
        on: Change that sends the message; without one it is never sent.
        of: Key of the value whose change sends it.
        receives: True if messages of this address set the control.
    """
    triggers = f"<triggers>{_trigger(of, on)}</triggers>" if on else ""
    return (
        f"<osc><enabled>1</enabled><send>{int(bool(on))}</send><receive>{int(receives)}</receive><feedback>0</feedback>"
        f"<connections>{CONNECTIONS}</connections>{triggers}"
        f"<path>{_partial(Argument('CONSTANT', 'STRING', address))}</path>"
        f"<arguments>{''.join(map(_partial, arguments))}</arguments></osc>"
    )


def shown_in(label: str, low: float, high: float) -> str:
    """Return the XML of a message inside the layout: the value of a fader, scaled, becomes the text of a label.

    `label` is the key of the label's node.
    """
    return (
        f"<local><enabled>1</enabled><triggers>{_trigger('x', CHANGED)}</triggers><type>VALUE</type>"
        f"<conversion>STRING</conversion><value>{cdata('x')}</value><scaleMin>{plain(low)}</scaleMin>"
        f"<scaleMax>{plain(high)}</scaleMax><dstType>VALUE</dstType><dstVar>{cdata('text')}</dstVar>"
        f"<dstID>{cdata(node_id(label))}</dstID></local>"
    )


def _trigger(key: str, condition: str) -> str:
    return f"<trigger><var>{cdata(key)}</var><condition>{condition}</condition></trigger>"


def _partial(part: Argument) -> str:
    return (
        f"<partial><type>{part.type}</type><conversion>{part.conversion}</conversion><value>{cdata(part.value)}</value>"
        f"<scaleMin>{plain(part.low)}</scaleMin><scaleMax>{plain(part.high)}</scaleMax></partial>"
    )
