"""The test card: no symmetry, motion, the same card for the same index, and timing."""

import numpy as np
import pytest

from io_bridges.builtin_sources import CardSource
from io_bridges.card import BOTTOM_LEFT, BOTTOM_RIGHT, TOP_LEFT, TOP_RIGHT, draw_card


@pytest.mark.parametrize(("width", "height"), [(256, 256), (640, 480), (300, 700)])
def test_card_has_no_symmetry(width, height):
    card = draw_card(5, width, height).astype(int)
    assert card.shape == (height, width, 3)
    variants = [card[::-1], card[:, ::-1], card[::-1, ::-1], card[:, :, ::-1]]
    if width == height:
        variants += [np.rot90(card), np.rot90(card, 3), card.transpose(1, 0, 2)]
    for variant in variants:
        assert np.abs(card - variant).mean() > 10


def test_corner_colours():
    card = draw_card(0, 640, 480).astype(int)
    corners = {(2, 2): TOP_LEFT, (2, -3): TOP_RIGHT, (-3, 2): BOTTOM_LEFT, (-3, -3): BOTTOM_RIGHT}
    for (y, x), colour in corners.items():
        assert np.abs(card[y, x] - colour).max() < 16


def test_card_depends_on_index_only():
    cards = [draw_card(index, 160, 120) for index in range(200)]
    assert np.array_equal(cards[7], draw_card(7, 160, 120))
    assert len({card.tobytes() for card in cards}) == 200


def test_background_stays_still():
    first, second = draw_card(10, 640, 480), draw_card(11, 640, 480)
    changed = (first != second).any(axis=2).mean()
    assert 0.0005 < changed < 0.2


def test_source_reads_cards_in_order():
    source = CardSource(size=(96, 64), fps=200)
    for _ in range(2):  # It can be opened again after close.
        source.open()
        frames = [source.read(5.0) for _ in range(5)]
        source.close()
        for index, frame in enumerate(frames):
            assert frame is not None
            assert frame.index == index
            assert np.array_equal(frame.pixels, draw_card(index, 96, 64))
            assert not frame.pixels.flags.writeable
        stamps = [frame.captured_at for frame in frames]
        assert stamps == sorted(stamps)
    assert source.status()["pictures"] == 5
    assert source.read(0.0) is None


def test_card_waits_until_due():
    source = CardSource(size=(64, 64), fps=0.1)
    source.open()
    assert source.read(0.0) is not None
    assert source.read(0.01) is None
    source.close()
