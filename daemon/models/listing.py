"""Listing of models: those of the catalogue, and all others on this disk, with what is known of each."""

from dataclasses import asdict, dataclass
from pathlib import Path

from daemon.models.assembly import read_index
from daemon.models.inspection import catalogue_reason, depth_reason, folder_bytes, playing_family
from presets.errors import ModelError
from presets.model_autoencoders import index_classes, kept_autoencoders
from presets.model_catalogue import CATALOGUE, DEPTH_MODELS, DepthModel
from presets.model_record import read_record
from presets.model_store import PARTIAL, folder_name, stored_models, stored_name


@dataclass(frozen=True, slots=True)
class ListedModel:
    """One line of ``models list``."""

    name: str
    title: str
    """Name for people, or the hub id or path that it came from."""
    hub_id: str
    """Repository on the hub; empty for a model that was adopted."""
    folder: str
    """Folder on this disk; empty if it is not here."""
    bytes: int
    """Bytes on this disk."""
    download: float | None
    """Size of the download in GB, about; None if it is not known."""
    licence: str
    paid_show: str
    gated: bool
    """True if its publisher asks for an account and consent before the download."""
    steps: str
    guidance: str
    reason: str
    """Why this version can't play it; empty if it can."""
    autoencoders: str
    """Kinds of its autoencoders, or of those that a pull brings: ``full``, ``tiny`` or ``tiny, full``."""
    use: str = "model"
    """Key of a preset that takes the name: ``model`` or ``controlnet_depth_model``."""

    def as_json(self) -> dict[str, object]:
        """Return plain values for JSON."""
        return asdict(self)


def listed_models(root: Path) -> list[ListedModel]:
    """Return the models of the catalogue in its order, the depth models, then the others in the store."""
    here = {folder.name.casefold(): folder for folder in stored_models(root)}
    rows = []
    for row in CATALOGUE.values():
        folder = here.pop(folder_name(row.name).casefold(), None)
        rows.append(
            ListedModel(
                row.name,
                row.title,
                row.hub_id,
                str(folder or ""),
                folder_bytes(folder) if folder else 0,
                row.download,
                row.licence.text,
                row.licence.paid_show,
                row.gated,
                _range(row.steps),
                _range(row.guidance),
                playing_family(folder)[1] if folder else catalogue_reason(row.name),
                _autoencoders(folder) if folder else ("tiny, full" if row.autoencoder else "full"),
            )
        )
    depth_models = [_depth_model(root, row) for row in DEPTH_MODELS.values()]
    return rows + depth_models + [_other(folder) for folder in here.values()]


def interrupted_bytes(root: Path) -> int:
    """Return the bytes that pulls left which did not finish."""
    partial = root / PARTIAL
    return folder_bytes(partial) if partial.is_dir() else 0


def _depth_model(root: Path, row: DepthModel) -> ListedModel:
    """Return the line of a depth model."""
    folder = root / folder_name(row.name)
    here = folder.is_dir()
    return ListedModel(
        row.name,
        row.title,
        row.hub_id,
        str(folder) if here else "",
        folder_bytes(folder) if here else 0,
        row.download,
        row.licence.text,
        row.licence.paid_show,
        False,
        "",
        "",
        depth_reason(folder)[1] if here else "",
        "",
        "controlnet_depth_model",
    )


def _other(folder: Path) -> ListedModel:
    """Return the line of a model that is not in the catalogue."""
    reason = playing_family(folder)[1]
    licence, paid, origin, hub_id = "not known", "ask", "", ""
    try:
        record = read_record(folder)
    except ModelError as error:
        record, reason = None, str(error)
    if record is not None:
        licence, paid = record.licence, record.paid_show
        source = next((each for each in record.sources if each.part == "model"), None)
        origin = source.origin if source else ""
        hub_id = origin if source and source.revision else ""
    return ListedModel(
        stored_name(folder),
        origin,
        hub_id,
        str(folder),
        folder_bytes(folder),
        None,
        licence,
        paid,
        False,
        "",
        "",
        reason,
        _autoencoders(folder),
    )


def _autoencoders(folder: Path) -> str:
    """Return the kinds of a folder's autoencoders; empty if its index can't be read."""
    try:
        return ", ".join(kept_autoencoders(index_classes(read_index(folder))))
    except ModelError:
        return ""


def _range(ends: tuple[float, float]) -> str:
    low, high = (f"{end:g}" for end in ends)
    return low if low == high else f"{low}–{high}"
