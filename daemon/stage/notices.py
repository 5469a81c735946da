"""Notices: warnings to the performer, such as a source without frames or a blackout restored from the last show.

The page shows them through the status. A new one is logged once.
"""

import logging
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Literal, NamedTuple

from daemon.stage.metrics import LEAST_SILENCE
from daemon.stage.sink_list import FailedSink
from daemon.stage.source_switch import RefusedSource
from presets.parameter_table import Value
from presets.parameters import Parameters
from presets.preset_keys import LORA_KEYS

log = logging.getLogger("stage")

Level = Literal["info", "warning", "error"]

_LOG_LEVELS: Mapping[Level, int] = {"info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


CONTROLNET_FADERS = ("/controlnet_scale", "/canny_low", "/canny_high")
"""Controls that act on a ControlNet alone."""

IP_ADAPTER_CONTROLS = ("/ip_adapter_image", "/ip_adapter_scale")
"""Controls that act on an IP-Adapter alone."""

ADAPTER_CONTROLS = frozenset((*(f"/{key}_weight" for key in LORA_KEYS), *CONTROLNET_FADERS, *IP_ADAPTER_CONTROLS))
"""Controls that act on what is put on a model."""


class Notice(NamedTuple):
    """One sentence for the performer."""

    key: str
    """Names the cause. The text of one cause may change, for example with the seconds it lasts."""
    level: Level
    text: str
    cleared: str = ""
    """Log line when frames of `source` come again; empty for none."""
    in_log: bool = True
    """False if the cause is logged elsewhere."""
    while_value: tuple[str, Value] | None = None
    """Key and value of the parameter that is the cause; None if it is another."""
    act: tuple[str, str] = ("", "")
    """Address of an action that helps, and the label of its button on the page; empty for none."""
    source: str = ""
    """URI of the source that is lost. `cleared` is logged only if its frames come again."""


def size_notice(drawn: tuple[int, int], output: tuple[int, int], at_start: tuple[int, int]) -> Notice | None:
    """Return a notice if the model draws another size than at the start and the output does not follow.

    Each size is width, height in pixels.
    """
    if drawn in (output, at_start):
        return None
    return Notice(
        f"size {drawn[0]}x{drawn[1]}",
        "info",
        f"Drawing at {drawn[0]}x{drawn[1]}; {output_stays(output)}.",
    )


def output_stays(output: tuple[int, int]) -> str:
    """Say that the output keeps its size, and which option sets it."""
    return f"output stays {output[0]}x{output[1]} (set with --output-size at start)"


def unused_fader(parameters: Parameters, address: str) -> str:
    """Return that the control at `address` has no adapter to act on; empty if it has, or needs none."""
    if address not in ADAPTER_CONTROLS:
        return ""
    key = address.strip("/").removesuffix("_weight")
    if key in LORA_KEYS:
        return "" if getattr(parameters, key) else f"no LoRA is loaded in this place; /{key} names a file"
    if address in IP_ADAPTER_CONTROLS:
        if not parameters.ip_adapter:
            return "no IP-Adapter is loaded; /ip_adapter names a file"
        return "" if parameters.ip_adapter_image else "there is no image; /ip_adapter_image names a file"
    if not parameters.controlnet:
        return "no ControlNet is loaded; /controlnet names a folder"
    if address != "/controlnet_scale" and parameters.controlnet_preprocessor != "canny":
        return f"/controlnet_preprocessor is {parameters.controlnet_preprocessor}; canny alone has thresholds"
    return ""


def still_notice(parameters: Parameters, has_source: bool, moving: bool) -> Notice | None:
    """Return a notice if one picture is drawn from text again and again.

    `moving` is True during a morph and while the noise drifts.
    """
    text_mode = parameters.mode == "text"
    if (has_source and not text_mode) or moving or parameters.feedback > 0:
        return None
    cause = "Text mode" if text_mode else "A show without a source"
    return Notice(
        "still",
        "info",
        f"{cause} draws the same picture: turn up drift or feedback, or change the prompt.",
    )


def shared_notice(parameters: Parameters, renderers: Mapping[str, Any]) -> Notice | None:
    """Return a notice if one of several renderers draws alone. `renderers` is their status."""
    wanted = renderers.get("wanted", 1)
    if wanted < 2 or parameters.feedback <= 0:
        return None
    return Notice("feedback", "info", f"Feedback needs the last picture, so one of {wanted} renderers draws.")


def source_notice(uri: str, status: Mapping[str, Any], show_age: float) -> Notice | None:
    """Return a notice if a source gives no frames.

    `status` is that of the source's thread, `show_age` the seconds since the start of the show.
    """
    if status["failure"]:
        return Notice("source failed", "error", f"{uri}: {status['failure']}", in_log=False)
    if status.get("source") == "none":
        return None
    if status.get("ended"):
        return Notice("source ended", "info", f"{uri}: the clip has ended; {status['meanwhile']}.")
    if status["silent_s"]:
        return _lost_notice("source lost", uri, status)
    if status["pictures"] == 0 and show_age > LEAST_SILENCE:
        text = f"No frames from {uri} yet; drawing from the prompt alone{_because(status)}."
        return Notice(f"no source yet {uri}", "info", text)
    return None


def second_source_notice(uri: str, status: Mapping[str, Any]) -> Notice | None:
    """Return a notice if the second source failed or is silent. `status` is that of its thread."""
    if status["failure"]:
        return Notice("second source failed", "error", f"{uri}: {status['failure']}", in_log=False)
    if status.get("ended"):
        return Notice("second source ended", "info", f"{uri}: the clip has ended; {status['meanwhile']}.")
    if status["silent_s"]:
        return _lost_notice("second source lost", uri, status)
    return None


def gives_frames(status: Mapping[str, Any]) -> bool:
    """Return True if frames of a source come now. `status` is that of its thread."""
    return bool(status["pictures"] and not (status["failure"] or status.get("ended") or status["silent_s"]))


def _lost_notice(key: str, uri: str, status: Mapping[str, Any]) -> Notice:
    text = f"No frames from {uri} for {status['silent_s']} s; {status['meanwhile']}{_because(status)}."
    return Notice(f"{key} {uri}", "warning", text, cleared=f"Frames from {uri} again.", source=uri)


def _because(status: Mapping[str, Any]) -> str:
    """Return the note of a source about its missing frames, to follow another clause; empty for none."""
    return f"; {status['note']}" if status.get("note") else ""


def refused_source_notice(failed: RefusedSource | None) -> Notice | None:
    """Return a notice if the last source that was asked for could not be put on air."""
    if failed is None:
        return None
    return Notice(f"source refused {failed.at}", "warning", f"Source refused: {failed.reason}", in_log=False)


def refused_image_notice(reason: str) -> Notice | None:
    """Return a notice if the renderer can't read the image beside the prompt. An empty reason is none."""
    return Notice(f"image refused {reason}", "warning", f"Image refused: {reason}") if reason else None


def words_notice(refused: str, loading: str) -> Notice | None:
    """Return a notice if the renderer can't encode the words that are wanted, or loads its text encoder for them.

    Args:
        refused: Why the words can't be encoded; empty for none.
        loading: Work in words; empty for none.
    """
    if refused:
        return Notice(f"words refused {refused}", "warning", f"The words before stay: {refused}")
    return Notice("text encoder", "info", f"The words before stay: {loading}.") if loading else None


def failed_sink_notice(failed: FailedSink) -> Notice:
    """Return a notice about a sink that was asked for and could not be opened."""
    return Notice(f"sink refused {failed.at}", "warning", f"Sink refused: {failed.reason}", in_log=False)


def log_notices(notices: Iterable[Notice]) -> None:
    """Write a log line for each notice."""
    for notice in notices:
        log.log(_LOG_LEVELS[notice.level], notice.text)


class NoticeLog:
    """Writes each notice to the log once, when it appears."""

    def __init__(self) -> None:
        self._logged: dict[str, Notice] = {}

    def update(self, notices: Iterable[Notice], playing: Collection[str] = ()) -> None:
        """Log the notices whose cause is new since the last call, and the sources whose frames come again.

        `playing` are the URIs of the sources that give frames now.
        """
        current = {notice.key: notice for notice in notices}
        for key, gone in self._logged.items():
            if key not in current and gone.cleared and gone.source in playing:
                log.info(gone.cleared)
        log_notices(each for key, each in current.items() if key not in self._logged and each.in_log)
        self._logged = current


class StartNotices:
    """Notices about the values that a show begins with. Each ends for good once its parameter has another value."""

    def __init__(self, notices: Iterable[Notice]) -> None:
        self._notices = tuple(notices)

    def current(self, parameters: Parameters) -> tuple[Notice, ...]:
        """Return the notices whose parameter never changed."""
        self._notices = tuple(
            notice
            for notice in self._notices
            if notice.while_value is None or getattr(parameters, notice.while_value[0]) == notice.while_value[1]
        )
        return self._notices


def as_json(notices: Iterable[Notice]) -> list[dict[str, Any]]:
    """Return the notices as the status carries them: level and text of each, and the action that helps."""
    return [
        {"level": notice.level, "text": notice.text}
        | ({"act": dict(zip(("address", "label"), notice.act, strict=True))} if notice.act[0] else {})
        for notice in notices
    ]
