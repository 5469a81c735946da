"""Sources of one universe: priorities, the latest level, and sources that are lost."""

from io_bridges.dmx.packets import DmxPacket
from io_bridges.dmx.universe import MOST_SOURCES, DmxUniverse


def packet(
    source: str, levels: list[int], priority: int = 100, sequence: int | None = None, ends: bool = False
) -> DmxPacket:
    return DmxPacket("sacn", source, source, 1, priority, sequence, bytes(levels), ends)


def test_only_changes_act() -> None:
    universe = DmxUniverse({1, 2, 4})
    assert universe.take(packet("a", [10, 20, 30, 0]), 0) == [1, 2, 4], "the first packet sets all"
    assert universe.take(packet("a", [10, 20, 99, 0]), 0.1) == []
    assert universe.take(packet("a", [10, 21, 99, 0]), 0.2) == [2]
    assert universe.take(packet("a", [11]), 0.3) == [1], "channels that are missing hold"
    assert universe.levels == {1: 11, 2: 21, 4: 0}


def test_highest_priority_holds() -> None:
    universe = DmxUniverse({1})
    assert universe.take(packet("low", [10], 50), 0) == [1]
    assert universe.take(packet("high", [20], 150), 0.1) == [1]
    assert universe.take(packet("low", [30], 50), 0.2) == []
    assert universe.take(packet("high", [20], 20), 0.3) == [], "its priority was lowered"
    assert universe.take(packet("low", [30], 50), 0.4) == [1]
    assert [source.leads for source in universe.sources(0.4)] == [True, False]


def test_lost_source_gives_way() -> None:
    universe = DmxUniverse({1})
    universe.take(packet("low", [10], 50), 0)
    universe.take(packet("high", [20], 150), 0)
    universe.take(packet("low", [10], 50), 2.4)
    assert universe.levels == {1: 20}
    assert universe.take(packet("low", [10], 50), 2.6) == [1], "2.5 s of silence"
    assert universe.sources(9) == []
    assert universe.levels == {1: 10}, "the last levels hold"
    assert universe.take(packet("low", [10], 50), 10) == []
    universe.take(packet("high", [20], 150), 10)
    assert universe.take(packet("high", [0], 150, ends=True), 10.1) == []
    assert universe.take(packet("low", [10], 50), 10.2) == [1], "it said that it ends"


def test_latest_of_equal_sources_holds() -> None:
    universe = DmxUniverse({1, 2})
    universe.take(packet("a", [10, 10]), 0)
    universe.take(packet("b", [20, 10]), 0)
    assert universe.levels == {1: 20, 2: 10}
    for _ in range(3):
        assert universe.take(packet("a", [10, 10]), 0.1) == [], "it repeats what it said"
        assert universe.take(packet("b", [20, 10]), 0.1) == []
    assert universe.take(packet("a", [10, 99]), 0.2) == [2]
    assert universe.take(packet("b", [20, 10]), 0.2) == []
    assert universe.levels == {1: 20, 2: 99}


def test_late_packets_are_left_out() -> None:
    universe = DmxUniverse({1})
    assert universe.take(packet("a", [1], sequence=254), 0) == [1]
    assert universe.take(packet("a", [2], sequence=253), 0) == [], "late"
    assert universe.take(packet("a", [2], sequence=254), 0) == [], "twice"
    assert universe.take(packet("a", [3], sequence=1), 0) == [1], "it counts round"
    assert universe.take(packet("a", [4], sequence=100), 0) == [1], "it was started anew"


def test_sources_are_bounded() -> None:
    universe = DmxUniverse({1})
    for number in range(200):
        universe.take(packet(f"source {number}", [number]), 0)
    assert [source.name for source in universe.sources(0)] == [f"source {199 - each}" for each in range(MOST_SOURCES)]
