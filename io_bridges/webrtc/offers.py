"""Offers of browsers: checked before they reach the process of WebRTC.

An offer names addresses at which the browser can be reached. They are left out: nothing is sent to an address that a
page names, and no name is looked up. The browser reaches the show first, and so its address is known.
"""

from presets.errors import BridgeError

MOST_BYTES = 16 * 1024
"""Longest offer. Those of browsers for one video have 3 to 8 KiB."""

_NEEDED = ("a=ice-ufrag:", "a=ice-pwd:", "a=fingerprint:")
_ADDRESSES = ("a=candidate:", "a=end-of-candidates", "a=remote-candidates:")


class OfferRefused(BridgeError):
    """An offer that gets no answer."""


def checked_offer(sdp: object) -> str:
    """Return an offer of one video to receive, without its addresses. Raises `OfferRefused`."""
    if not isinstance(sdp, str):
        raise OfferRefused('An offer is expected: {"offer": "v=0…"}, the text of an SDP.')
    if len(sdp.encode(errors="replace")) > MOST_BYTES:
        raise OfferRefused(f"The offer may have at most {MOST_BYTES} bytes.")
    lines = [line for line in sdp.splitlines() if line]
    if not lines or lines[0] != "v=0":
        raise OfferRefused("The offer is not SDP: it must begin with v=0.")
    for number, line in enumerate(lines, 1):
        if line[1:2] != "=" or not line.isprintable():
            raise OfferRefused(f"The offer is not SDP: its line {number} is not a letter, '=' and a value.")
    media = [line for line in lines if line.startswith("m=")]
    if len(media) != 1 or not media[0].startswith("m=video "):
        raise OfferRefused("The offer must have one video and nothing else.")
    missing = [key.strip(":") for key in _NEEDED if not any(line.startswith(key) for line in lines)]
    if missing:
        raise OfferRefused(f"The offer lacks {', '.join(missing)}.")
    if "a=sendonly" in lines or "a=inactive" in lines:
        raise OfferRefused("The offer must ask to receive: a=recvonly.")
    return "\r\n".join(line for line in lines if not line.startswith(_ADDRESSES)) + "\r\n"
