"""The mailbox keeps the newest value and wakes its readers."""

import threading

from daemon.shared.mailbox import Mailbox


def test_newest_value_replaces_the_last() -> None:
    box: Mailbox[int] = Mailbox()
    assert box.peek() == (None, 0)
    box.put(1)
    box.put(2)
    assert box.peek() == (2, 2)


def test_put_ends_the_wait() -> None:
    box: Mailbox[str] = Mailbox()
    box.put("old")
    waiting = threading.Event()
    seen: list[tuple[str | None, int]] = []

    def reader() -> None:
        waiting.set()
        seen.append(box.wait_newer(1, timeout=30))

    thread = threading.Thread(target=reader)
    thread.start()
    waiting.wait(10)
    box.put("new")
    thread.join(30)
    assert seen == [("new", 2)]


def test_wait_times_out_with_the_old_value() -> None:
    box: Mailbox[str] = Mailbox()
    box.put("only")
    assert box.wait_newer(1, timeout=0.01) == ("only", 1)


def test_every_put_wakes() -> None:
    woken: list[None] = []
    box: Mailbox[int] = Mailbox(wake=lambda: woken.append(None))
    box.put(1)
    box.put(2)
    assert len(woken) == 2
