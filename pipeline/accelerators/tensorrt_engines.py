"""The TensorRT engines of a model, one for each network: read from the engine cache, or built and stored there.

Each engine is stored before the next one is built, so that an interrupted build continues where it stopped.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.accelerators import cache, eight_bits, onnx_export, onnx_files, tensorrt_library
from pipeline.accelerators.engine_key import EngineKey, package_versions
from pipeline.accelerators.engines import Progress, Shapes
from pipeline.accelerators.precision import autoencoder_overflows
from pipeline.accelerators.tensorrt_build import Rows, build_plan
from pipeline.accelerators.tensorrt_library import Flavour
from pipeline.graphs import PRECISIONS, REVISION
from pipeline.models import Model
from presets.build import EIGHT_BITS
from presets.errors import AcceleratorUnavailable, CacheError

PLAN = "engine.plan"
TIMINGS = "timings.cache"
DEFAULT_PRECISION = "float16"
HOT_ROWS = (1, 2, 4)
"""Batch sizes with a profile of their own: those of 1, 2 and 4 steps without guidance. Each makes a build longer."""
BUILD_SHARES = {"denoiser": 0.8, "encoder": 0.1, "decoder": 0.1}
"""Share of the build time of each network, in the order in which they are built."""


@dataclass(frozen=True)
class EngineSource:
    """A network to build an engine from."""

    name: str
    """denoiser, encoder or decoder."""
    onnx: Callable[[Progress], AbstractContextManager[Path]]
    """Returns a context with the network's ONNX file, which is exported if it is not in the cache. The file exists as
    long as the context is open."""
    shapes: str
    """Input shapes in words, for the key."""
    rows: tuple[Rows, ...]
    """Batch sizes of each optimization profile; empty if the ONNX file has a fixed batch."""
    share: float
    """Share of the build time of all engines, 0 to 1."""
    overflows: bool = False
    """True if the network is an autoencoder that overflows in float16."""


@dataclass(frozen=True)
class EngineBuilder:
    """Settings for building the engines of a model."""

    flavour: Flavour
    capability: str
    """Result of `tensorrt_build.target_capability`."""
    precision: str
    weights: str
    """`Model.fingerprint`."""
    made_for: str
    """Name of the model and frame size, for people."""
    root: Path
    """Folder of the engine cache."""
    adapters: tuple[str, ...] = ()
    """Digests of `Model.adapters`."""

    def key(self, source: EngineSource) -> EngineKey:
        """Return the key of the engine of a network.

        TensorRT-RTX adapts an engine to the card and the driver when it is loaded. A classic engine is bound to both:
        another card of the same capability has other fastest kernels, and may lack the memory for these.
        """
        precision = onnx_files.precision_of(self.precision, source.name, source.overflows)
        return EngineKey(
            accelerator=self.flavour.name,
            version=package_versions(self.flavour.distribution, *onnx_files.packages_of(precision)),
            part=source.name,
            weights=self.weights,
            revision=REVISION,
            shapes=source.shapes,
            precision=precision,
            device=self.capability if self.flavour.builds_ahead else tensorrt_library.current_card(),
            driver="any" if self.flavour.builds_ahead else tensorrt_library.driver_version(),
            adapters=self.adapters if source.name == "denoiser" else (),
        )


def engine_builder(
    flavour: Flavour, capability: str, precision: str, model: Model, shapes: Shapes, root: Path | None
) -> EngineBuilder:
    """Return the settings for a model. Raises `AcceleratorUnavailable` for a precision that the card can't have."""
    precision = precision or DEFAULT_PRECISION
    if precision not in (known := (*PRECISIONS, *sorted(EIGHT_BITS))):
        raise AcceleratorUnavailable(f"{flavour.title} can't build in {precision}. Choose one of {', '.join(known)}.")
    if problem := eight_bits.card_problem(precision, capability):
        raise AcceleratorUnavailable(f"{flavour.title} can't build in {precision}: {problem}.")
    made_for = f"{model.name}{model.adapters.words} {shapes.width}x{shapes.height}"
    folder = cache.root_folder(root)
    return EngineBuilder(flavour, capability, precision, model.fingerprint, made_for, folder, model.adapters.digests)


def profiles(flavour: Flavour, shapes: Shapes) -> list[Rows]:
    """Return the optimization profiles of a network: for every batch size, then one for each hot size alone.

    TensorRT-RTX compiles kernels for each size when it loads an engine, and needs the first one only.
    """
    hot = () if flavour.builds_ahead else tuple(size for size in HOT_ROWS if size <= shapes.most_rows)
    return [(1, max(1, shapes.rows // 2), shapes.most_rows), *((size, size, size) for size in hot)]


def engine_sources(
    builder: EngineBuilder, model: Model, shapes: Shapes, names: Sequence[str] = tuple(BUILD_SHARES)
) -> list[EngineSource]:
    """Return the networks of a model that have these names."""
    every, *hot = rows = profiles(builder.flavour, shapes)
    latent, inputs = ("x".join(map(str, shape)) for shape in (shapes.latent, shapes.inputs))
    batch = f"latent {inputs}, {onnx_files.texts_in_words(shapes)}, rows {every[0]} to {every[2]}, best {every[1]}"
    batch += "".join(f", {most} alone" for _, _, most in hot)

    def exporter(name: str) -> Callable[[Progress], AbstractContextManager[Path]]:
        @contextmanager
        def export(progress: Progress) -> Iterator[Path]:
            files = onnx_files.exported_files(model, shapes, progress, builder.root, builder.precision, (name,))
            with files as paths:
                yield paths[name]

        return export

    total = sum(BUILD_SHARES[name] for name in names)
    return [
        EngineSource(
            name,
            exporter(name),
            batch if name == "denoiser" else f"latent {latent}, picture {shapes.width}x{shapes.height}",
            tuple(rows) if name == "denoiser" else (),
            BUILD_SHARES[name] / total,
            autoencoder_overflows(model),
        )
        for name in names
    ]


def engine_plans(builder: EngineBuilder, sources: Sequence[EngineSource], progress: Progress) -> Iterator[Any]:
    """Yield the serialized engine of each network, a buffer of bytes, read from the cache or built.

    Raises:
        AcceleratorUnavailable: an engine can't be built. The message has the reason.
        ModelError: a network can't be loaded or exported.
    """
    done = 0.0
    for source in sources:

        def report(text: str, fraction: float, source: EngineSource = source, done: float = done) -> None:
            progress(f"{source.name}: {text}", done + source.share * fraction)

        yield _plan(builder, source, report)
        done += source.share


def all_cached(builder: EngineBuilder, sources: Sequence[EngineSource]) -> bool:
    """Return True if the cache holds the engine of every network. Only file sizes are verified."""
    entries = [builder.root / builder.key(source).folder for source in sources]
    return all(not cache.damage(entry, thorough=False) for entry in entries)


def _plan(builder: EngineBuilder, source: EngineSource, progress: Progress) -> Any:
    key = builder.key(source)
    entry, reason = cache.lookup(builder.root, key)
    if entry is not None:
        try:
            plan = (entry / PLAN).read_bytes()
        except OSError as error:  # removed after the lookup
            reason = error.strerror or str(error)
        else:
            progress(f"already built, in {entry}", 1.0)
            return plan
    if reason:
        progress(f"{builder.root / key.folder} is damaged; building it again: {reason}", 0.0)
    plan, timings = _build(builder, source, progress)
    try:
        cache.store(builder.root, key, lambda folder: _write(folder / PLAN, plan), builder.made_for)
        _store_timings(builder, timings)
    except CacheError as error:
        progress(f"{error} The next start builds it again.", 1.0)
    return plan


def _build(builder: EngineBuilder, source: EngineSource, progress: Progress) -> tuple[Any, bytes]:
    """Return the serialized engine and the timing cache of the build."""
    if reason := onnx_export.unavailable_reason():
        raise AcceleratorUnavailable(f"Engines can't be built: {reason}. {builder.flavour.remedy}")
    try:
        with source.onnx(lambda text, fraction: progress(text, 0.1 * fraction)) as onnx:
            return build_plan(
                builder.flavour,
                source.name,
                onnx,
                source.rows,
                builder.capability,
                lambda text, fraction: progress(f"building ({text.lower()})", 0.1 + 0.9 * fraction),
                _read_timings(builder),
            )
    except OSError as error:
        raise AcceleratorUnavailable(
            f"{builder.flavour.title} can't build the {source.name}: its ONNX file can't be written:"
            f" {error.strerror or error}."
        ) from error


def _timings_key(builder: EngineBuilder) -> EngineKey:
    """Return the key of classic TensorRT's timing cache for this card. Models and sizes share it."""
    return EngineKey(
        accelerator=builder.flavour.name,
        version=package_versions(builder.flavour.distribution),
        part="timings",
        weights="",
        revision=0,
        shapes="",
        precision="",
        device=tensorrt_library.current_card(),
        driver=tensorrt_library.driver_version(),
    )


def _read_timings(builder: EngineBuilder) -> bytes:
    entry = None if builder.flavour.builds_ahead else cache.lookup(builder.root, _timings_key(builder))[0]
    try:
        return (entry / TIMINGS).read_bytes() if entry else b""
    except OSError:  # removed after the lookup; TensorRT measures again
        return b""


def _store_timings(builder: EngineBuilder, timings: bytes) -> None:
    if timings:
        key = _timings_key(builder)
        cache.delete(builder.root, key)
        cache.store(builder.root, key, lambda folder: _write(folder / TIMINGS, timings), "any model on this card")


def _write(path: Path, data: Any) -> None:
    with path.open("wb") as file:
        file.write(data)
