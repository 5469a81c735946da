"""The key of an entry in the engine cache: everything that the contents of a compiled engine depend on."""

import hashlib
import json
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version


@dataclass(frozen=True)
class EngineKey:
    """Everything that the contents of an engine depend on. Two engines with equal keys are interchangeable."""

    accelerator: str
    version: str
    """Versions of the packages that build the engine, from `package_versions`."""
    part: str
    """Network in the engine: denoiser, encoder or decoder. Files that are cached beside engines have names of their
    own, such as ``graphs`` or ``timings``."""
    weights: str
    """`Model.fingerprint`."""
    revision: int
    """`pipeline.graphs.REVISION`."""
    shapes: str
    """Input sizes, batch sizes and optimization profiles, in words."""
    precision: str
    device: str = "any"
    """Compute capability that the engine runs on, or a full `card_name` if it runs on no other card."""
    driver: str = "any"
    adapters: tuple[str, ...] = ()
    """Digests of the adapters whose branches the network has. Their weights are inputs, and no part of the key."""

    @property
    def digest(self) -> str:
        """SHA-256 of all fields, as hexadecimal digits."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()

    @property
    def folder(self) -> str:
        """Folder name of the entry: accelerator and part for people, then 32 digits of the digest."""
        return f"{self.accelerator}-{self.part}-{self.digest[:32]}"


def card_name(capability: str, name: str) -> str:
    """Return the name of a make of card for `EngineKey.device`, for example ``8.9 NVIDIA GeForce RTX 4090``."""
    return f"{capability} {name}".strip()


def package_versions(*packages: str) -> str:
    """Return the installed versions for `EngineKey.version`, for example ``openvino 2026.4.1, torch 2.13.0``.

    The local part of a version, such as ``+cpu`` or ``+cu130``, is left out: both builds of torch convert a network to
    the same graph.
    """
    return ", ".join(f"{name} {installed_version(name).partition('+')[0] or 'absent'}" for name in packages)


def installed_version(package: str) -> str:
    """Return the version of an installed package, or an empty text if it is not installed."""
    try:
        return version(package)
    except (PackageNotFoundError, ValueError):  # ValueError: the name is empty
        return ""
