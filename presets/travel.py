"""Travel along the prompts: a position among their places, as the share of its weight that each one keeps.

At 1 prompt 1 is alone, at 2.5 there are half of prompt 2 and half of prompt 3. The places form a ring from the first
text to the last one and on to the first, so that a position that grows steadily goes round without a jump. Prompts
without a text or a weight are passed over.
"""

from collections.abc import Sequence

from presets.parameters import WeightedPrompt


def travel_shares(prompts: Sequence[WeightedPrompt], travel: float) -> tuple[float, ...]:
    """Return the share of its weight that each prompt keeps, from 0 to 1.

    Args:
        prompts: Weighted prompts by place.
        travel: Position. 0 keeps all weights. From 1 on the shares sum to 1, and at most two are above 0. Between 0
            and 1 all others fade out.
    """
    first, length = _ring(prompts)
    drawn = [place for place, prompt in enumerate(prompts) if prompt.text.strip() and prompt.weight > 0]
    if travel <= 0 or not drawn:
        return (1.0,) * len(prompts)
    place = first + (max(travel, 1.0) - 1.0 - first) % length
    before = max((each for each in drawn if each <= place), default=drawn[-1] - length)
    after = min((each for each in drawn if each > place), default=drawn[0] + length)
    arrived = (place - before) / (after - before)
    shares = [0.0] * len(prompts)
    shares[before if before >= first else before + length] += 1.0 - arrived
    shares[after if after < first + length else after - length] += arrived
    fading = min(travel, 1.0)
    return tuple(1.0 - fading * (1.0 - share) for share in shares)


def swung_travel(prompts: Sequence[WeightedPrompt], travel: float, swing: float) -> float:
    """Return a position moved by `swing` times half of the ring, which it goes round.

    A saw with a swing of 1 takes one round a period, whatever the number of texts. A position below 1 is not moved,
    so that an LFO does not switch the travel on.
    """
    _, length = _ring(prompts)
    return 1.0 + (travel - 1.0 + swing * length / 2) % length if travel >= 1.0 and length else travel


def _ring(prompts: Sequence[WeightedPrompt]) -> tuple[int, int]:
    """Return the index of the first text and the number of places from it to the last one; 0 if there is none.

    Weights don't count, so that a weight that is moved to 0 moves no other prompt.
    """
    texts = [place for place, prompt in enumerate(prompts) if prompt.text.strip()]
    return (texts[0], texts[-1] - texts[0] + 1) if texts else (0, 0)
