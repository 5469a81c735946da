"""The fork server, ``python -m daemon.renderer.fork_server``: imports large libraries once, and forks renderers.

The imports are most of the time that a renderer on eager torch takes to start. A forked one has them from its first
moment, and shares their memory with the others. The stage asks over the Unix socket that is this process's standard
input:

* ``{"arguments": […], "environment": {…}}`` with two file descriptors, the renderer's standard input and standard
  error, is answered by ``{"pid": …}`` with a pidfd of the new process;
* ``{"pid": …, "status": …}`` tells that a renderer has ended, with the status that `subprocess.Popen` would give.

It ends when the stage closes the socket. Linux only: elsewhere a process with loaded libraries may not be forked.
"""

import contextlib
import gc
import json
import os
import selectors
import signal
import socket
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from daemon.renderer import __main__ as renderer
from daemon.shared.offline_environment import stay_offline
from daemon.shared.process import keep_compiled_code, normal_priority
from presets.build import Build

WITH_MODEL_CLASSES = ("eager", "compile", "cuda_graphs")
"""Accelerators that compute with the classes of diffusers."""
USUAL_CLASSES = (
    ("diffusers", "UNet2DConditionModel"),
    ("diffusers", "AutoencoderDC"),
    ("transformers", "CLIPTextModel"),
    ("transformers", "CLIPTokenizer"),
)
"""Classes of the shipped model and of Stable Diffusion, by library."""
LONGEST_REQUEST = 65_536
"""Bytes of a request. A build has a few thousand."""
DESCRIPTORS = 2
"""File descriptors that come with a request."""
STDIN, STDERR = 0, 2
ENDS_WITH_THREADS = 3
"""Exit status if a library has started a thread."""


def main() -> int:
    """Fork a renderer for each request until the stage is gone."""
    stay_offline()
    keep_compiled_code()
    normal_priority()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the stage
    os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] = (
        "1"  # a library that looks for a GPU must not start CUDA's driver here
    )
    renderer.import_stream()
    with socket.socket(fileno=os.dup(sys.stdin.fileno())) as stage:
        return serve(stage)


def import_for(build: Build) -> None:
    """Import what a build needs besides. A start on OpenVINO from the cache imports neither library."""
    from pipeline.library_imports import load_class

    if build.accelerator in WITH_MODEL_CLASSES:
        for library, name in USUAL_CLASSES:
            load_class(library, name)


def serve(stage: socket.socket) -> int:
    """Answer requests and report ended renderers until the other end closes. Return an exit status."""
    selector = selectors.DefaultSelector()
    selector.register(stage, selectors.EVENT_READ)
    while True:
        for key, _ in selector.select():
            if key.data is not None:
                selector.unregister(key.fd)
                os.close(key.fd)
                status = os.waitstatus_to_exitcode(os.waitpid(key.data, 0)[1])
                _tell(stage, {"pid": key.data, "status": status})
                continue
            message, descriptors, _, _ = socket.recv_fds(stage, LONGEST_REQUEST, DESCRIPTORS)
            if not message:
                return 0
            request = json.loads(message)
            import_for(renderer.parse(request["arguments"]).build)
            if len(list(Path("/proc/self/task").iterdir())) > 1:
                print("a library has started a thread, which a fork would lose", file=sys.stderr)
                return ENDS_WITH_THREADS
            gc.freeze()  # a collection would write to each object, and so copy the memory that is shared
            pid = os.fork()
            if pid == 0:
                for inherited in list(selector.get_map().values()):
                    os.close(inherited.fd)
                selector.close()
                os._exit(play(request, descriptors))
            for descriptor in descriptors:
                os.close(descriptor)
            pidfd = os.pidfd_open(pid)
            _tell(stage, {"pid": pid}, pidfd)
            selector.register(pidfd, selectors.EVENT_READ, data=pid)


def play(request: dict[str, Any], descriptors: Sequence[int]) -> int:
    """Run the renderer in the forked process, and return its exit status."""
    try:
        os.setpgid(0, 0)
        for number, descriptor in zip((STDIN, STDERR), descriptors, strict=True):
            os.dup2(descriptor, number)
            os.close(descriptor)
        os.environ.update(request["environment"])
        return renderer.main(request["arguments"])
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else 1
    except Exception:  # noqa: BLE001 - the status is all that the parent hears
        traceback.print_exc()
        return 1
    finally:
        sys.stderr.flush()


def _tell(stage: socket.socket, message: dict[str, Any], *descriptors: int) -> None:
    with contextlib.suppress(BrokenPipeError):  # the stage is gone; the next read says so
        socket.send_fds(stage, [json.dumps(message).encode()], descriptors)


if __name__ == "__main__":
    sys.exit(main())
