"""Damaged messages of the bench: reproducible, damaged, and sent to a real page without one that hangs."""

import threading
from pathlib import Path

from pythonosc.osc_message import OscMessage, ParseError

from benchmarks.show.hostile_messages import HostileMessages
from benchmarks.show.hostile_sender import web
from daemon.stage.parameter_store import ParameterStore
from io_bridges.web.server import WebControl
from presets.build import REBUILD_KEYS
from presets.library import Library


def readable(datagram: bytes) -> str:
    """Return the address that python-osc reads, or an empty string."""
    try:
        return str(OscMessage(datagram).address)
    except (ParseError, ValueError, IndexError, UnicodeDecodeError):
        return ""


def test_datagrams_are_damaged_and_reproducible() -> None:
    messages, same = HostileMessages(7), HostileMessages(7)
    sent = [messages.datagram() for _ in range(2000)]
    assert sent == [same.datagram() for _ in range(2000)]
    assert len(set(sent)) > 1000
    read = [readable(each) for each in sent]
    assert 200 < read.count("") < 1800, "some are whole, some are not"
    assert not {address[1:] for address in read} & REBUILD_KEYS
    assert len(set(read)) > 100


def test_other_messages_have_parts() -> None:
    messages = HostileMessages(7)
    requests = [messages.control_request() for _ in range(300)]
    assert {len(parts) for parts in requests} >= {1, 2, 3, 10}
    assert {len(messages.picture()) for _ in range(300)} >= {1, 2, 31}


def test_page_answers_damaged_requests(tmp_path: Path) -> None:
    control = WebControl(port=0)
    control.open(ParameterStore(Library(tmp_path)))
    server = threading.Thread(target=control.serve)
    server.start()
    try:
        answers = web(int(control.url.rstrip("/").rpartition(":")[2]), 120, 1000.0, 3)["answers"]
    finally:
        control.stop()
        server.join()
        control.close()
    assert sum(answers.values()) == 120
    assert "hangs" not in answers
    assert answers["200"]
    assert answers["400"]
