"""Engines of a model, one for each network: from the cache if it is whole there, else built and kept.

They are kept one by one, so that an interrupted build continues.
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
"""Share of each part in the time that all take, in the order of their builds."""


@dataclass(frozen=True)
class Part:
    """One network that an engine is built from."""

    name: str
    onnx: Callable[[Progress], AbstractContextManager[Path]]
    """Its ONNX file, exported if there is none. It can be read while the context lasts."""
    shapes: str
    """Shapes of its inputs in words, for the key."""
    rows: Rows | None
    """Rows of the batch; None if the file has them fixed."""
    share: float
    """Share of the time that all parts take, 0 to 1."""


@dataclass(frozen=True)
class Maker:
    """Settings of a build of engines: the compiler, the model and the card."""

    flavour: Flavour
    capability: str
    """Result of `tensorrt_build.target`."""
    precision: str
    weights: str
    """`Model.fingerprint`."""
    made_for: str
    """Name of a model and a size, for people."""
    root: Path

    def key(self, part: Part) -> EngineKey:
        """Return the key of a part's engine.

        TensorRT-RTX leaves what depends on card and driver to the card that loads it. Classic TensorRT's engines belong
        to the card and the driver they were measured with: another card of the same capability has other fastest
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
    """Return the maker of a model's engines. Raises `AcceleratorUnavailable` for a precision that it can't build in."""
    precision = precision or DEFAULT_PRECISION
    if precision not in PRECISIONS:
        raise AcceleratorUnavailable(f"{flavour.title} can't build in {precision}; it can in {', '.join(PRECISIONS)}.")
    made_for = f"{model.name} {shapes.width}x{shapes.height}"
    return Maker(flavour, capability, precision, model.fingerprint, made_for, cache.root_folder(root))


def parts(maker: Maker, model: Model, shapes: Shapes, names: Sequence[str] = tuple(SHARES)) -> list[Part]:
    """Return denoiser, encoder and decoder of a model, or those of them that are named."""
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
    """Yield a serialized engine for each part, a buffer of bytes. Each is kept before the next is begun.

    Raises:
        AcceleratorUnavailable: one can't be built, with the reason.
        ModelError: a network can't be loaded or written as ONNX.
    """
    behind = 0.0
    for part in wanted:

        def told(text: str, fraction: float, part: Part = part, behind: float = behind) -> None:
            progress(f"{part.name}: {text}", behind + part.share * fraction)

        yield _plan(maker, part, told)
        behind += part.share


def kept(maker: Maker, wanted: Sequence[Part]) -> bool:
    """Return True if all of them are in the cache, by the sizes of their files."""
    places = [maker.root / maker.key(part).folder for part in wanted]
    return all(not cache.whole(place, thorough=False) for place in places)


def _plan(maker: Maker, part: Part, progress: Progress) -> Any:
    key = maker.key(part)
    entry, reason = cache.lookup(maker.root, key)
    if entry is not None:
        try:
            plan = (entry / PLAN).read_bytes()
        except OSError as error:  # removed meanwhile
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
    """Return the key of classic TensorRT's timings on this card, which builds of every model and size start with."""
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
    except OSError:  # removed meanwhile; then it is measured again
        return b""


def _keep_timings(maker: Maker, timings: bytes) -> None:
    if timings:
        key = _timings_key(maker)
        cache.forget(maker.root, key)
        cache.keep(maker.root, key, lambda folder: _write(folder / TIMINGS, timings), "any model on this card")


def _write(path: Path, data: Any) -> None:
    with path.open("wb") as file:
        file.write(data)
