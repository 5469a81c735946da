"""`RenderPlan`: everything that ``render`` knows from its arguments, checked before a model loads."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from daemon.commands.played_controls import PlayedControls
from daemon.commands.render_output import check_output
from daemon.stage.initial_values import FILE_ADDRESSES, frames_of, initial_values, scheduled_values
from daemon.stage.recording_names import controls_path
from daemon.stage.settings import parse_size
from io_bridges.audio.listener import AudioSource
from io_bridges.clip import clip_info
from io_bridges.image_files import is_still
from presets.control_file import read_controls
from presets.errors import ModelError, SettingsError
from presets.library import Library
from presets.model_catalogue import DEPTH_MODEL
from presets.model_store import SHIPPED, find_depth_model, find_model
from presets.parameter_table import PARAMETERS, Value, snapshot
from presets.parameters import Parameters
from presets.paths import home_path, is_there


@dataclass(frozen=True, slots=True)
class RenderPlan:
    """One clip or still to redraw."""

    source: Path
    output: Path
    presets: Mapping[int, Parameters]
    """Parameters by the number of the frame from which they hold; 0 is among them."""
    seconds: Sequence[float]
    """Times of the later presets, in seconds of the clip."""
    fps: Fraction
    limit: int | None
    """Most frames to redraw; None is all of them."""
    total: int | None
    """Number of frames, for the progress bar; None where the clip does not say."""
    controls: PlayedControls | None = None
    """Recorded controls that decide about each frame, in place of `presets`."""
    processors: Path | None = None
    """Folder of the user's processors; None takes the one in the configuration."""
    audio: Path | None = None
    """File whose sound moves numbers; None is silence."""

    @property
    def parameters(self) -> Parameters:
        """Parameters of the first frame. Size, model and accelerator are theirs throughout."""
        return self.presets[0]

    def missed_note(self, drawn: int) -> str:
        """Return a sentence about the presets or controls that a clip of `drawn` frames did not reach, or nothing."""
        end = drawn / float(self.fps)
        missed = [seconds for seconds in self.seconds if round(seconds * self.fps) >= drawn]
        if missed:
            times = ", ".join(f"{seconds:g}" for seconds in missed)
            return f"The clip ends at {end:.2f} s, before the preset at {times} s."
        length = 0.0 if self.controls is None else self.controls.seconds
        return f"The clip ends at {end:.2f} s, before the recorded controls at {length:.2f} s." if length > end else ""


def make_plan(
    source: Path,
    output: Path,
    overwrite: bool,
    library: Library,
    preset: str | None,
    size: str | None,
    changes: Mapping[str, Value],
    prompt: str | None,
    then: Sequence[str],
    frames: int | None,
    controls: Path | None = None,
    processors: Path | None = None,
    audio: Path | None = None,
) -> RenderPlan:
    """Check the arguments of ``render`` and return what is to be done.

    Args:
        source: The clip or still to read.
        output: The file to write.
        overwrite: True if `output` may exist.
        library: The presets that names refer to.
        preset: Name or path of the first preset.
        size: ``WIDTHxHEIGHT`` in place of the preset's.
        changes: Values by address in place of the preset's.
        prompt: One prompt in place of the preset's.
        then: Later presets, ``SECONDS=PRESET`` each.
        frames: Most frames to redraw.
        controls: Recorded controls, which decide about the look. A preset beside them gives the model and the size.
        processors: Folder of the user's processors.
        audio: File whose sound moves numbers.

    Raises:
        SettingsError: an argument that can't be used.
        PresetError: a preset that does not exist or is refused.
        ControlsError: recorded controls that are refused.
        ModelError: the folder of the preset's model, or the file of its engine, does not exist.
        BridgeError: an input that can't be read.
    """
    check_output(source, output, overwrite)
    recorded = None if controls is None else read_controls(controls_path(str(controls)))
    if recorded is not None and (changes or prompt is not None or then):
        raise SettingsError(
            f"{recorded.path} decides about the look: leave out --then, --prompt, --strength, --steps and --seed"
        )
    first = {} if recorded is None else recorded.first_values()
    values = initial_values(library, first, preset, parse_size(size) if size else None)
    if preset is None:  # a file that is gone is refused below, and not replaced
        values |= {address: first[address] for address in FILE_ADDRESSES if address in first}
    values |= {address: PARAMETERS[address].coerce(value) for address, value in changes.items()}
    if prompt is not None:
        values |= _single_prompt(prompt)
    parameters = snapshot(values)
    _check_files(parameters)
    if audio is not None:
        AudioSource.read(f"file:{audio}")
    info = clip_info(source)
    total = min(info.frames, frames) if info.frames and frames else (info.frames or frames)
    if is_still(output) and total is not None and total > 1:
        count = f"--frames asks for {frames}" if frames == total else f"{source} has {total}"
        raise SettingsError(
            f"{output} can hold one picture, and {count}: give --frames 1, or name a clip, such as {output.stem}.mp4"
        )
    later = scheduled_values(library, values, then)
    by_frame = {frame: snapshot(later[at]) for frame, at in frames_of(later, info.fps).items()}
    played = None if recorded is None else PlayedControls(recorded, library, values)
    return RenderPlan(
        source, output, {0: parameters} | by_frame, tuple(later), info.fps, frames, total, played, processors, audio
    )


def _single_prompt(text: str) -> dict[str, Value]:
    """Return the values of all prompt parameters, with `text` as the only prompt."""
    prompts = {address: parameter for address, parameter in PARAMETERS.items() if parameter.key == "prompt"}
    values: dict[str, Value] = {
        address: "" if parameter.kind == "text" else parameter.default for address, parameter in prompts.items()
    }
    first = PARAMETERS["/prompt/1/text"]
    return values | {first.address: first.coerce(text)}


def _check_files(parameters: Parameters) -> None:
    """Raise `ModelError` if the model, the engine or an adapter that a preset names is not on this disk.

    The model itself is checked when it loads, in which torch takes part.
    """
    if parameters.model != SHIPPED:
        find_model(parameters.model)
    if parameters.engine and not Path(parameters.engine).expanduser().is_file():
        raise ModelError(f"There is no engine file {parameters.engine}. Name an ONNX or TensorRT file, or none.")
    for lora in parameters.loras:
        if lora and not home_path(lora).is_file():
            raise ModelError(f"There is no LoRA file {lora}. Name a .safetensors file, or none.")
    if parameters.controlnet and not is_there(home_path(parameters.controlnet)):
        raise ModelError(
            f"There is no ControlNet folder {parameters.controlnet}. Name a folder in diffusers format, or none."
        )
    if parameters.controlnet and parameters.controlnet_preprocessor == "depth":
        find_depth_model(parameters.controlnet_depth_model or DEPTH_MODEL)
    if parameters.ip_adapter and not home_path(parameters.ip_adapter).is_file():
        raise ModelError(f"There is no IP-Adapter file {parameters.ip_adapter}. Name a .safetensors file, or none.")
    if parameters.ip_adapter and parameters.ip_adapter_image and not home_path(parameters.ip_adapter_image).is_file():
        raise ModelError(f"There is no image {parameters.ip_adapter_image}. Name the file of one, or none.")
