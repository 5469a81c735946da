"""The buttons of looks, in the layouts that have one for each preset."""

from typing import Any
from xml.etree import ElementTree

from layout_messages import messages_of, send, sending, sent_by

from daemon.stage.show_wrapper import ShowWrapper
from io_bridges.layouts.outline import look_address
from presets.library import Library


def test_looks_are_loaded(session: Any, tosc: ElementTree.Element, store: ShowWrapper, library: Library) -> None:
    assert "my big look" in library.names()
    from_tosc = {message[0]: message for message in sent_by(tosc) if message[0].startswith("/preset/")}
    for name in library.names():
        for message in (messages_of(sending(session)[look_address(name)])[0], from_tosc[look_address(name)]):
            store.apply("/preset", ["neon" if name != "neon" else "fire"], "test")
            assert send(store, message).accepted
            assert store.values()["/preset"] == name
