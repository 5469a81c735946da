"""Repositories on the hub, through huggingface_hub: their files at one commit, and the bytes of each.

huggingface_hub reads its environment when it is imported, so `open_hub` is called before anything else imports it.
`HF_ENDPOINT` names another hub, and `HF_TOKEN` or ``hf auth login`` gives a token.
"""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from daemon.models.file_plan import RemoteFile, checked_listing
from daemon.shared.offline_environment import allow_the_hub
from presets.errors import ModelError

TIMEOUT = 30.0
"""Seconds to wait for an answer."""


class HubRepository:
    """A repository of the hub at one commit."""

    def __init__(self, hub_id: str, revision: str) -> None:
        """Ask the hub for the files. An empty `revision` takes the newest. Raises `ModelError`."""
        from huggingface_hub import HfApi

        self.hub_id = hub_id
        with _readable_errors(hub_id, revision):
            info = HfApi().model_info(hub_id, revision=revision or None, files_metadata=True, timeout=TIMEOUT)
            self.revision = str(info.sha)
            self.licence = _licence(info)
            self.files: Mapping[str, RemoteFile] = checked_listing(hub_id, map(_file, info.siblings or ()))
        if len(self.revision) != 40 or not all(digit in "0123456789abcdef" for digit in self.revision):
            raise ModelError(f"{_host()} names no commit of {hub_id}. Is it a hub?")

    def fetch(self, file: RemoteFile, sink: Any, have: int) -> None:
        """Write the bytes of a file from position `have` into a sink. Raises `ModelError`."""
        from huggingface_hub import get_hf_file_metadata, hf_hub_url
        from huggingface_hub.file_download import http_get
        from huggingface_hub.utils import build_hf_headers

        with _readable_errors(self.hub_id, self.revision):
            url = hf_hub_url(self.hub_id, file.path, revision=self.revision)
            place = get_hf_file_metadata(url, timeout=TIMEOUT).location
            # The token is for the hub alone. Large files are on other hosts, behind signed addresses.
            same = urlsplit(place).netloc == urlsplit(url).netloc
            headers = build_hf_headers() if same else build_hf_headers(token=False)
            http_get(place, sink, resume_size=have, headers=headers, expected_size=file.size)


def open_hub() -> None:
    """Allow this process to ask the hub. Raises `ModelError` if the user's environment forbids it."""
    if not allow_the_hub():
        raise ModelError(
            "HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE is set in the environment, so the hub can't be asked. Unset it, or"
            " pull with --offline from what its cache holds."
        )
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")  # the command has a bar of its own
    import huggingface_hub

    huggingface_hub.logging.set_verbosity_error()


def _host() -> str:
    from huggingface_hub import constants

    return str(constants.ENDPOINT)


def _file(sibling: Any) -> RemoteFile:
    """Return a file from an entry of the hub's answer. Raises `ValueError` for one without a size."""
    lfs = sibling.lfs
    sha256 = "" if lfs is None else str(lfs["sha256"] if isinstance(lfs, Mapping) else lfs.sha256)
    if not isinstance(sibling.size, int):
        raise ValueError(f"{sibling.rfilename} has no size")
    return RemoteFile(str(sibling.rfilename), sibling.size, sha256, str(sibling.blob_id or ""))


def _licence(info: Any) -> str:
    """Return the licence that a repository's card names, empty if it names none."""
    tags = [str(tag) for tag in info.tags or () if str(tag).startswith("license:")]
    name = str(getattr(info.card_data, "license_name", None) or "") if info.card_data else ""
    return name or (tags[0].removeprefix("license:") if tags else "")


@contextmanager
def _readable_errors(hub_id: str, revision: str) -> Iterator[None]:
    """Raise `ModelError` with a sentence for whatever huggingface_hub raises."""
    from huggingface_hub import errors

    try:
        yield
    except errors.GatedRepoError as error:
        raise ModelError(
            f"{hub_id} is gated: accept its licence at {_host()}/{hub_id} with an account, then give this machine its"
            " token (hf auth login, or HF_TOKEN) and pull again."
        ) from error
    except errors.RevisionNotFoundError as error:
        raise ModelError(f"{hub_id} has no commit {revision} any more.") from error
    except errors.RepositoryNotFoundError as error:
        raise ModelError(f"There is no repository {hub_id} on {_host()}, or it is private.") from error
    except errors.HfHubHTTPError as error:
        raise _status_error(hub_id, error) from error
    except transport_errors() as error:
        raise ModelError(
            f"{_host()} can't be reached, or the connection was lost ({_reason(error)}). Pull again: it continues where"
            " it stopped."
        ) from error
    except OSError as error:  # huggingface_hub's own, for a file that ended early
        raise ModelError(f"{hub_id}: {_reason(error)}. Pull again: it continues where it stopped.") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{_host()} does not answer as a hub does ({_reason(error)}).") from error


def _status_error(hub_id: str, error: Any) -> ModelError:
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status in (401, 403):
        return ModelError(
            f"{_host()} refuses {hub_id} ({status}): it is gated or private. Accept its licence at {_host()}/{hub_id}"
            " with an account, then give this machine its token (hf auth login, or HF_TOKEN) and pull again."
        )
    if status == 404:
        return ModelError(f"There is no repository {hub_id} on {_host()}, or a file of it is gone.")
    return ModelError(f"{_host()} answers {status or 'with an error'} for {hub_id}. Pull again later: it continues.")


def transport_errors() -> tuple[type[Exception], ...]:
    """Return the errors of the HTTP library that huggingface_hub came with, of whichever version."""
    found: list[type[Exception]] = []
    for library, names in (
        ("httpx2", ("HTTPError", "InvalidURL", "StreamError")),
        ("httpx", ("HTTPError", "InvalidURL", "StreamError")),
        ("requests", ("RequestException",)),
    ):
        module = sys.modules.get(library)
        found += [getattr(module, name) for name in names if module and hasattr(module, name)]
    return tuple(found)


def _reason(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200].rstrip(".")
