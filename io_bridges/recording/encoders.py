"""Encoders of recordings: a software one for each codec, and hardware ones where they really open.

Hardware encoders are written against FFmpeg's documentation and untested on hardware.
"""

from fractions import Fraction

import av

from io_bridges.video_stream import VideoEncoder, prepare
from presets.errors import BridgeUnavailable

CONTAINERS = {
    "h264": (".mp4", ".mov", ".mkv"),
    "hevc": (".mp4", ".mov", ".mkv"),
    "prores": (".mov", ".mkv"),
    "ffv1": (".mkv",),
    "hap": (".mov",),
}
"""File types that hold each codec."""

_HARDWARE = ("videotoolbox", "nvenc", "qsv", "amf", "mf")
_EVEN = (2, 2)
_HEVC_TAG = "hvc1"  # Apple's players take no other.
_PRORES_PROFILES = (25, 50, 80)
"""Highest quality of the profiles Proxy, LT and 422. Above is 422 HQ."""


def choose_encoder(codec: str, quality: int, hardware: bool, size: tuple[int, int]) -> VideoEncoder:
    """Return the encoder for a codec, a quality from 1 to 100 and a size in pixels.

    Raises `BridgeUnavailable` if the size does not fit the codec, FFmpeg lacks it, or no hardware encoder opens.
    """
    encoders = hardware_encoders(codec, quality) if hardware else [_software_encoder(codec, quality)]
    step = encoders[0].step if encoders else (1, 1)
    if size[0] % step[0] or size[1] % step[1]:
        fitting = "x".join(str(max(side // each, 1) * each) for side, each in zip(size, step, strict=True))
        raise BridgeUnavailable(f"{codec} cannot have {size[0]}x{size[1]} pixels. Give the sink ?size={fitting}")
    refusals = []
    for encoder in encoders:
        reason = _refusal(encoder, size)
        if not reason:
            return encoder
        refusals.append(f"{encoder.name}: {reason}")
    if not hardware:
        raise BridgeUnavailable(f"FFmpeg cannot encode {codec} here ({refusals[0]}). Choose another codec")
    raise BridgeUnavailable(f"No hardware encoder of {codec} opens here ({'; '.join(refusals)}). Leave hardware out")


def hardware_encoders(codec: str, quality: int) -> list[VideoEncoder]:
    """Return the hardware encoders that this FFmpeg has for a codec. None of them may open on this machine."""
    options = {
        "videotoolbox": {"global_quality": str(round(quality * 118 / 100)), "flags": "+qscale"},
        "nvenc": {"rc": "vbr", "cq": _constant_quality(quality), "b": "0"},
        "qsv": {"global_quality": _constant_quality(quality)},
        "amf": {"rc": "cqp", "qp_i": _constant_quality(quality), "qp_p": _constant_quality(quality)},
        "mf": {"rate_control": "quality", "quality": str(quality)},
    }
    return [
        VideoEncoder(
            f"{codec}_{maker}",
            "p210le" if codec == "prores" else "nv12",
            options[maker],
            _EVEN,
            _HEVC_TAG if codec == "hevc" else "",
        )
        for maker in _HARDWARE
        if f"{codec}_{maker}" in av.codecs_available
    ]


def _software_encoder(codec: str, quality: int) -> VideoEncoder:
    crf = _constant_quality(quality)
    if codec == "h264":
        return VideoEncoder("libx264", "yuv420p", {"preset": "superfast", "crf": crf, "bf": "0"}, _EVEN)
    if codec == "hevc":
        options = {"preset": "ultrafast", "crf": crf, "x265-params": "log-level=error:bframes=0"}
        return VideoEncoder("libx265", "yuv420p", options, _EVEN, _HEVC_TAG)
    if codec == "prores":
        profile = sum(quality > each for each in _PRORES_PROFILES)
        return VideoEncoder("prores_ks", "yuv422p10le", {"profile": str(profile), "vendor": "apl0"}, (2, 1))
    if codec == "ffv1":
        return VideoEncoder("ffv1", "bgr0", {"level": "3", "slices": "4", "slicecrc": "1", "g": "1"})
    return VideoEncoder("hap", "rgba", {"format": "hap_q"}, (4, 4))


def _constant_quality(quality: int) -> str:
    """Return x264's constant rate factor: 45 for 1, 16 for 75, 6 for 100."""
    return str(round(46 - 0.4 * quality))


def _refusal(encoder: VideoEncoder, size: tuple[int, int]) -> str:
    """Return why an encoder does not open, or an empty string. A GPU's encoder may be there without its driver."""
    try:
        context = av.VideoCodecContext.create(encoder.name, "w")
        prepare(context, encoder, *size)
        context.time_base = Fraction(1, 30)
        context.framerate = Fraction(30)
        context.open()
    except (ValueError, av.error.FFmpegError) as error:
        return getattr(error, "strerror", None) or "not in this build"
    return ""
