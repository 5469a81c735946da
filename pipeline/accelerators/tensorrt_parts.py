"""The engines of a model, one a network: each from the cache if it is whole there, else built and kept.

They are kept one by one, so that a build that was cut short goes on where it was.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.accelerators import cache, onnx_export, onnx_parts, tensorrt_library
from pipeline.accelerators.cache import EngineKey
from pipeline.accelerators.engines import Progress, Shapes
from pipeline.accelerators.tensorrt_build import Rows, build_plan
from pipeline.accelerators.tensorrt_library import Flavour
from pipeline.graphs import PRECISIONS, REVISION
from pipeline.models import Model
from presets.errors import AcceleratorUnavailable, CacheError

PLAN = "engine.plan"
TIMINGS = "timings.cache"
DEFAULT_PRECISION = "float16"
SHARES = {"denoiser": 0.8, "encoder": 0.1, "decoder": 0.1}
"""Of the time that all parts take, in the order in which they are made."""


@dataclass(frozen=True)
class Part:
    """One network that an engine is built of."""

    name: str
    onnx: Callable[[Progress], AbstractContextManager[Path]]
    """Its ONNX file, made where there is none; it can be read for as long as the context lasts."""
    shapes: str
    """Of its inputs, in words, for the key."""
    rows: Rows | None
    """Of the batch; None where the file has it fixed."""
    share: float
    """Of the time that all take, 0 to 1."""


@dataclass(frozen=True)
class Maker:
    """With what, of what and for what engines are built."""

    flavour: Flavour
    capability: str
    """What `tensorrt_build.target` answered."""
    precision: str
    weights: str
    """`Model.fingerprint`."""
    made_for: str
    """A model's name and a size, for people."""
    root: Path

    def key(self, part: Part) -> EngineKey:
        """Everything that makes this part's engine another one.

        TensorRT-RTX leaves what the card and the driver matter for to the card it loads on; classic TensorRT's engines
        are of the card and the driver they were measured with: another card of the same capability has other fastest
        kernels, and may lack the memory for these.
        """
        return EngineKey(
            accelerator=self.flavour.name,
            version=cache.versions(self.flavour.distribution, "torch", "onnxscript", "diffusers"),
            part=part.name,
            weights=self.weights,
            revision=REVISION,
            shapes=part.shapes,
            precision=self.precision,
            device=self.capability if self.flavour.ahead else tensorrt_library.card(),
            driver="any" if self.flavour.ahead else tensorrt_library.driver(),
        )


def maker(flavour: Flavour, capability: str, precision: str, model: Model, shapes: Shapes, root: Path | None) -> Maker:
    """The maker of a model's engines. Raises `AcceleratorUnavailable` for a precision that it can't build in."""
    precision = precision or DEFAULT_PRECISION
    if precision not in PRECISIONS:
        raise AcceleratorUnavailable(f"{flavour.title} can't build in {precision}; it can in {', '.join(PRECISIONS)}.")
    made_for = f"{model.name} {shapes.width}x{shapes.height}"
    return Maker(flavour, capability, precision, model.fingerprint, made_for, cache.root_folder(root))


def parts(maker: Maker, model: Model, shapes: Shapes, names: Sequence[str] = tuple(SHARES)) -> list[Part]:
    """Denoiser, encoder and decoder of a model, or those of them that are named."""
    rows = (1, max(1, shapes.rows // 2), shapes.rows)
    latent, embeds = ("x".join(map(str, shape)) for shape in (shapes.latent, shapes.embeds))
    batch = f"latent {latent}, embeds {embeds}, rows {rows[0]} to {rows[2]}, best {rows[1]}"

    def source(name: str) -> Callable[[Progress], AbstractContextManager[Path]]:
        @contextmanager
        def opened(progress: Progress) -> Iterator[Path]:
            with onnx_parts.exported(model, shapes, progress, maker.root, maker.precision, (name,)) as files:
                yield files[name]

        return opened

    total = sum(SHARES[name] for name in names)
    return [
        Part(
            name,
            source(name),
            batch if name == "denoiser" else f"latent {latent}, picture {shapes.width}x{shapes.height}",
            rows if name == "denoiser" else None,
            SHARES[name] / total,
        )
        for name in names
    ]


def plans(maker: Maker, wanted: Sequence[Part], progress: Progress) -> Iterator[Any]:
    """A serialized engine for each part, a buffer of bytes; each is kept before the next is begun.

    Raises:
        AcceleratorUnavailable: one can't be built, for a reason that is said.
        ModelError: a network can't be loaded or written as ONNX.
    """
    behind = 0.0
    for part in wanted:

        def told(text: str, fraction: float, part: Part = part, behind: float = behind) -> None:
            progress(f"{part.name}: {text}", behind + part.share * fraction)

        yield _plan(maker, part, told)
        behind += part.share


def kept(maker: Maker, wanted: Sequence[Part]) -> bool:
    """Whether all of them are in the cache, by a quick look."""
    places = [maker.root / maker.key(part).folder for part in wanted]
    return all(not cache.whole(place, thorough=False) for place in places)


def _plan(maker: Maker, part: Part, progress: Progress) -> Any:
    key = maker.key(part)
    entry, reason = cache.lookup(maker.root, key)
    if entry is not None:
        try:
            plan = (entry / PLAN).read_bytes()
        except OSError as error:  # removed since it was looked at
            reason = error.strerror or str(error)
        else:
            progress(f"is kept already, in {entry}", 1.0)
            return plan
    if reason:
        progress(f"{maker.root / key.folder} is damaged; building it again: {reason}", 0.0)
    if missing := onnx_export.missing():
        raise AcceleratorUnavailable(f"Engines can't be built: {missing}. {maker.flavour.remedy}")
    try:
        with part.onnx(lambda text, fraction: progress(text, 0.1 * fraction)) as onnx:
            plan, timings = build_plan(
                maker.flavour,
                part.name,
                onnx,
                part.rows,
                maker.capability,
                lambda text, fraction: progress(f"building ({text.lower()})", 0.1 + 0.9 * fraction),
                _timings(maker),
            )
    except OSError as error:
        raise AcceleratorUnavailable(
            f"{maker.flavour.title} can't build the {part.name}: its ONNX file can't be written:"
            f" {error.strerror or error}."
        ) from error
    try:
        cache.keep(maker.root, key, lambda folder: _write(folder / PLAN, plan), maker.made_for)
        _keep_timings(maker, timings)
    except CacheError as error:
        progress(f"{error} The next start builds it again.", 1.0)
    return plan


def _timings_key(maker: Maker) -> EngineKey:
    """Of what classic TensorRT measured on this card; engines of any model and size begin with it."""
    return EngineKey(
        accelerator=maker.flavour.name,
        version=cache.versions(maker.flavour.distribution),
        part="timings",
        weights="",
        revision=0,
        shapes="",
        precision="",
        device=tensorrt_library.card(),
        driver=tensorrt_library.driver(),
    )


def _timings(maker: Maker) -> bytes:
    entry = None if maker.flavour.ahead else cache.lookup(maker.root, _timings_key(maker))[0]
    try:
        return (entry / TIMINGS).read_bytes() if entry else b""
    except OSError:  # removed since it was looked at; then it is measured again
        return b""


def _keep_timings(maker: Maker, timings: bytes) -> None:
    if timings:
        key = _timings_key(maker)
        cache.forget(maker.root, key)
        cache.keep(maker.root, key, lambda folder: _write(folder / TIMINGS, timings), "any model on this card")


def _write(path: Path, data: Any) -> None:
    with path.open("wb") as file:
        file.write(data)
