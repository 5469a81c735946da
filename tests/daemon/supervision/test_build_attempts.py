"""Failed attempts at a build, and what may play in its place."""

import pytest

from daemon.link.messages import FailureKind
from daemon.supervision.build_attempts import BuildAttempts
from presets.build import Build

WANTED = Build(width=64, height=64, accelerator="tensorrt")
ALLOWING = WANTED.model_copy(update={"fallback": True})


def target_of(attempts: BuildAttempts) -> str:
    assert attempts.target is not None
    return attempts.target.accelerator


def test_second_failure_gives_up() -> None:
    attempts = BuildAttempts()
    assert attempts.want(WANTED)
    assert not attempts.want(WANTED)
    assert not attempts.failed(WANTED, "killed", "other")
    assert not attempts.hopeless
    assert attempts.failed(WANTED, "killed again", "other")
    assert attempts.hopeless
    assert attempts.reason == "killed again"
    assert attempts.target == WANTED, "without fallback nothing else plays"


def test_disturbing_build_is_tried_once() -> None:
    attempts = BuildAttempts()
    attempts.want(WANTED)
    assert attempts.failed(WANTED, "no memory", "memory", disturbs=True)
    assert attempts.hopeless


def test_picture_resets_failures() -> None:
    attempts = BuildAttempts()
    attempts.want(WANTED)
    attempts.failed(WANTED, "killed", "memory")
    attempts.succeeded(WANTED)
    assert attempts.reason == ""
    assert not attempts.failed(WANTED, "killed", "other")


def test_fallback_plays_until_other_build() -> None:
    attempts = BuildAttempts()
    attempts.want(ALLOWING)
    assert target_of(attempts) == "tensorrt"
    assert attempts.failed(ALLOWING, "no GPU here", "accelerator"), "one report is enough"
    assert target_of(attempts) == "auto"
    instead = attempts.target
    assert instead is not None
    assert attempts.in_place_of(instead) == "in place of tensorrt, as the look allows: no GPU here"
    attempts.succeeded(instead)
    assert not attempts.want(ALLOWING)
    assert target_of(attempts) == "auto", "the fallback stays"
    assert attempts.failed(instead, "nor this", "accelerator")
    assert target_of(attempts) == "eager"
    assert not attempts.hopeless
    assert attempts.want(ALLOWING.model_copy(update={"width": 128}))
    assert target_of(attempts) == "tensorrt"
    assert attempts.in_place_of(instead) == ""


def test_fallback_may_change_later() -> None:
    attempts = BuildAttempts()
    attempts.want(WANTED)
    attempts.failed(WANTED, "no GPU here", "accelerator")
    assert not attempts.want(ALLOWING), "fallback makes no other build"
    assert target_of(attempts) == "auto"
    attempts.want(WANTED)
    assert target_of(attempts) == "tensorrt"


@pytest.mark.parametrize("kind", ["look", "accelerator"])
def test_missing_model_has_no_fallback(kind: FailureKind) -> None:
    attempts = BuildAttempts()
    attempts.want(ALLOWING)
    assert attempts.failed(ALLOWING, "there is no such folder", kind)
    assert (target_of(attempts) == "tensorrt") == (kind == "look")
    assert attempts.hopeless == (kind == "look")


def test_all_given_up_is_hopeless() -> None:
    attempts = BuildAttempts()
    attempts.want(ALLOWING)
    for name in ("tensorrt", "auto", "eager"):
        assert not attempts.hopeless
        assert attempts.failed(ALLOWING.with_accelerator(name), f"no {name}", "accelerator")
    assert attempts.hopeless
    assert attempts.target == ALLOWING
