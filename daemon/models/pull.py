"""Pull of a model: files of the hub, or of its cache, composed with the catalogue's parts into one folder."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from daemon.models.assembly import (
    check_space,
    copy_installed,
    name_components,
    partial_folder,
    publish,
    put_scheduler,
    read_index,
    recorded_files,
    remove_others,
)
from daemon.models.download import disk_error, fetch_file
from daemon.models.file_plan import (
    ModelRepository,
    PlannedFile,
    Progress,
    missing_bytes,
    plan_autoencoder,
    plan_depth_model,
    plan_model,
    publishes_autoencoder,
)
from daemon.models.hub import HubRepository, open_hub
from daemon.models.hub_cache import CachedRepository
from daemon.models.inspection import damaged_files, settings_reason
from presets.errors import ModelError
from presets.model_autoencoders import TINY_CLASS, TINY_COMPONENT
from presets.model_catalogue import (
    CATALOGUE,
    DEPTH_MODELS,
    SCHEDULERS,
    TINY_AUTOENCODERS,
    CatalogueModel,
    DepthModel,
)
from presets.model_record import ModelRecord, ModelSource, read_record
from presets.model_store import HUB_ID, INDEX, catalogue_model, depth_model, folder_name, nearest_names

NO_TINY = "none"
"""Name in place of a tiny autoencoder's, for a model without one."""


@dataclass(frozen=True, slots=True)
class PullRequest:
    """Options of one pull."""

    name: str
    hub_id: str
    row: CatalogueModel | None
    """Row of the catalogue, None for another repository."""
    revision: str = ""
    """Commit, branch or tag; empty takes the catalogue's commit, or the newest."""
    offline: bool = False
    """Take the files from the hub's cache on this disk."""
    anyway: bool = False
    """Pull a model that this version can't play too."""
    tiny: str = ""
    """Tiny autoencoder that is put beside the repository's; empty takes the catalogue's, `NO_TINY` none."""
    depth: DepthModel | None = None
    """Row of the depth models, None for a model that draws."""

    @property
    def listed(self) -> CatalogueModel | DepthModel | None:
        """Row of either catalogue, None for another repository."""
        return self.row or self.depth

    @property
    def autoencoder(self) -> str:
        """Tiny autoencoder that is put beside the repository's; empty for none. Raises `ModelError` for no name."""
        if self.tiny and self.depth:
            raise ModelError(f"{self.name} is a depth model, which has no autoencoder.")
        name = self.tiny or (self.row.autoencoder if self.row else "")
        if name not in ("", NO_TINY, *TINY_AUTOENCODERS):
            raise ModelError(f"There is no tiny autoencoder {name!r}; there are {', '.join(TINY_AUTOENCODERS)}.")
        return "" if name == NO_TINY else name


class TinyPart(NamedTuple):
    """Tiny autoencoder of a model that is pulled."""

    repository: ModelRepository
    component: str
    """Its place: beside the full one, or ``vae`` where the full one is published as pickled weights alone."""


def pull_request(name: str) -> PullRequest:
    """Return the request for a name of the catalogue or a hub id. Raises `ModelError` for anything else."""
    row = catalogue_model(name)
    if row is not None:
        return PullRequest(row.name, row.hub_id, row)
    if (depth := depth_model(name)) is not None:
        return PullRequest(depth.name, depth.hub_id, None, depth=depth)
    if not HUB_ID.fullmatch(name):
        raise ModelError(
            f"{name[:80]!r} is no name of the catalogue and no hub id (OWNER/NAME);"
            f" {nearest_names(name, (*CATALOGUE, *DEPTH_MODELS))}"
        )
    return PullRequest(name, name, None)


def pull(
    request: PullRequest,
    root: Path,
    announce: Callable[[str], None],
    on_total: Progress,
    on_bytes: Progress,
) -> Path:
    """Pull a model into the store and return its folder.

    Args:
        request: What to pull.
        root: The store.
        announce: Called with a sentence for each thing worth knowing.
        on_total: Called once with the bytes of all files.
        on_bytes: Called with the bytes that came, and with those that were there already.

    Raises:
        ModelError: it can't be pulled. Nothing in the store has changed, and what came is kept for the next time.
    """
    tiny_name = request.autoencoder  # refused before the hub is asked
    if not request.offline:
        open_hub()
    repository = _open(request, request.hub_id, request.revision or (request.listed.revision if request.listed else ""))
    tiny = _tiny(request, tiny_name, repository, announce)
    sources = _sources(request, repository, tiny)
    if (whole := _whole(root, request, sources)) is not None:
        announce(f"{request.name} is here already, at commit {repository.revision[:12]}.")
        return whole
    with partial_folder(root, request.name) as folder:
        plan = _plan(request, repository, tiny, folder)
        announce(f"{request.hub_id} at commit {repository.revision[:12]}, {len(plan)} files")
        on_total(sum(each.remote.size for each in plan))
        check_space(root, missing_bytes(plan, folder))
        copy_installed(plan, root / folder_name(request.name), folder)
        # Configurations first: what they say is known before the large files come.
        plan.sort(key=lambda each: each.local.endswith(".safetensors"))
        small = [each for each in plan if not each.local.endswith(".safetensors")]
        try:
            known = {each.local: fetch_file(each, folder, on_bytes) for each in small}
            changed = _compose(request, tiny, folder)
            if not request.anyway and not request.depth and (reason := settings_reason(folder)):
                raise ModelError(f"{reason} Nothing large was downloaded; --anyway pulls it all the same.")
            known |= {each.local: fetch_file(each, folder, on_bytes) for each in plan[len(small) :]}
            remove_others(folder, set(known) | changed)
            files = recorded_files(folder, {path: digest for path, digest in known.items() if path not in changed})
        except OSError as error:
            raise disk_error(str(folder), error) from error
        if problems := damaged_files(folder):
            raise ModelError(f"{request.hub_id} is damaged where it is published: {problems[0]}")
        return publish(folder, root, ModelRecord(request.name, *_licence(request, repository), sources, files))


def _open(request: PullRequest, hub_id: str, revision: str) -> ModelRepository:
    return CachedRepository(hub_id, revision) if request.offline else HubRepository(hub_id, revision)


def _tiny(
    request: PullRequest, name: str, repository: ModelRepository, announce: Callable[[str], None]
) -> TinyPart | None:
    """Return the tiny autoencoder that is put in, None for an empty name."""
    if not name:
        return None
    row = TINY_AUTOENCODERS[name]
    if publishes_autoencoder(repository):
        return TinyPart(_open(request, row.hub_id, row.revision), TINY_COMPONENT)
    announce(
        f"{repository.hub_id} has no full autoencoder in .safetensors, and pickled weights are never taken: the model"
        f" plays with {name} alone."
    )
    return TinyPart(_open(request, row.hub_id, row.revision), "vae")


def _plan(request: PullRequest, repository: ModelRepository, tiny: TinyPart | None, folder: Path) -> list[PlannedFile]:
    """Return all files of a model. Its index is fetched first, because it names the components."""
    if request.depth:
        return plan_depth_model(repository)
    listed = repository.files.get(INDEX)
    if listed is None:
        raise ModelError(
            f"{repository.hub_id} has no {INDEX}: it is no model in diffusers format. Single files are made into one by"
            " streamflow-live models adopt."
        )
    fetch_file(PlannedFile(repository, listed, INDEX), folder, lambda count: None)
    row = request.row
    replaced = ({"scheduler"} if row and row.scheduler else set()) | ({tiny.component} if tiny else set())
    plan = plan_model(repository, read_index(folder), row.variant if row else "", replaced)
    return plan + (plan_autoencoder(*tiny) if tiny else [])


def _compose(request: PullRequest, tiny: TinyPart | None, folder: Path) -> set[str]:
    """Put in what the catalogue has for a model. Return the files that are not the hub's any more. Raises `OSError`."""
    if request.depth:
        return set()
    if request.row and request.row.scheduler:
        put_scheduler(folder, SCHEDULERS[request.row.scheduler])
    name_components(folder, {tiny.component: ["diffusers", TINY_CLASS]} if tiny else {})
    return {INDEX, "scheduler/scheduler_config.json"}


def _sources(request: PullRequest, model: ModelRepository, tiny: TinyPart | None) -> tuple[ModelSource, ...]:
    sources = [ModelSource("model", model.hub_id, model.revision)]
    if tiny is not None:
        sources.append(ModelSource(tiny.component, tiny.repository.hub_id, tiny.repository.revision))
    if request.row and request.row.scheduler:
        sources.append(ModelSource("scheduler", request.row.scheduler))
    return tuple(sources)


def _licence(request: PullRequest, repository: ModelRepository) -> tuple[str, str]:
    if request.listed:
        return request.listed.licence.text, request.listed.licence.paid_show
    return repository.licence or "not named: read its card", "ask"


def _whole(root: Path, request: PullRequest, sources: tuple[ModelSource, ...]) -> Path | None:
    """Return the folder of a model that is in the store as it would be pulled, None otherwise. Sizes are compared."""
    folder = root / folder_name(request.name)
    try:
        record = read_record(folder)
    except ModelError:
        return None
    if record is None or record.sources != sources or not record.files:
        return None
    sizes = {folder / path: file.size for path, file in record.files.items()}
    return folder if all(path.is_file() and path.stat().st_size == size for path, size in sizes.items()) else None
