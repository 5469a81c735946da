import pytest

from daemon.link.messages import FailureKind
from daemon.supervision.build_attempts import BuildAttempts
from presets.build import Build

WANTED = Build(width=64, height=64, accelerator="tensorrt")
ALLOWING = WANTED.model_copy(update={"fallback": True})


def played(tries: BuildAttempts) -> str:
    assert tries.target is not None
    return tries.target.accelerator


def test_a_build_that_fails_for_no_reason_of_its_own_is_given_up_at_the_second_time() -> None:
    tries = BuildAttempts()
    assert tries.want(WANTED)
    assert not tries.want(WANTED)
    assert not tries.failed(WANTED, "killed", "other")
    assert not tries.hopeless
    assert tries.failed(WANTED, "killed again", "other")
    assert tries.hopeless
    assert tries.reason == "killed again"
    assert tries.target == WANTED, "without leave nothing else plays"


def test_what_would_disturb_is_not_tried_again() -> None:
    tries = BuildAttempts()
    tries.want(WANTED)
    assert tries.failed(WANTED, "no memory", "memory", disturbs=True)
    assert tries.hopeless


def test_a_picture_between_two_failures_forgives_the_first() -> None:
    tries = BuildAttempts()
    tries.want(WANTED)
    tries.failed(WANTED, "killed", "memory")
    tries.succeeded(WANTED)
    assert tries.reason == ""
    assert not tries.failed(WANTED, "killed", "other")


def test_with_leave_others_play_in_its_place_until_another_build_is_wanted() -> None:
    tries = BuildAttempts()
    tries.want(ALLOWING)
    assert played(tries) == "tensorrt"
    assert tries.failed(ALLOWING, "no GPU here", "accelerator"), "its own word is enough"
    assert played(tries) == "auto"
    instead = tries.target
    assert instead is not None
    assert tries.in_place_of(instead) == "in place of tensorrt, as the look allows: no GPU here"
    tries.succeeded(instead)
    assert not tries.want(ALLOWING)
    assert played(tries) == "auto", "it stays while it plays"
    assert tries.failed(instead, "nor this", "accelerator")
    assert played(tries) == "eager"
    assert not tries.hopeless
    assert tries.want(ALLOWING.model_copy(update={"width": 128}))
    assert played(tries) == "tensorrt"
    assert tries.in_place_of(instead) == ""


def test_leave_given_or_taken_later_counts_at_once() -> None:
    tries = BuildAttempts()
    tries.want(WANTED)
    tries.failed(WANTED, "no GPU here", "accelerator")
    assert not tries.want(ALLOWING), "it is no other build"
    assert played(tries) == "auto"
    tries.want(WANTED)
    assert played(tries) == "tensorrt"


@pytest.mark.parametrize("kind", ["look", "accelerator"])
def test_of_a_model_that_is_not_there_no_other_accelerator_is_tried(kind: FailureKind) -> None:
    tries = BuildAttempts()
    tries.want(ALLOWING)
    assert tries.failed(ALLOWING, "there is no such folder", kind)
    assert (played(tries) == "tensorrt") == (kind == "look")
    assert tries.hopeless == (kind == "look")


def test_when_all_are_given_up_it_is_hopeless() -> None:
    tries = BuildAttempts()
    tries.want(ALLOWING)
    for name in ("tensorrt", "auto", "eager"):
        assert not tries.hopeless
        assert tries.failed(ALLOWING.with_accelerator(name), f"no {name}", "accelerator")
    assert tries.hopeless
    assert tries.target == ALLOWING
