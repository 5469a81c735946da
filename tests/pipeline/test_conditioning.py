"""Conditioning: mixed in embedding space, on the line or on the sphere; empty texts absent; encoded once."""

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.conditioning import CACHED, EncodedText, TextConditioner, mixed
from pipeline.models import load_model
from presets.errors import StreamError
from presets.frame_parameters import PromptMixture, TextWeight, without_morph
from presets.parameters import Parameters, PromptMix
from presets.parameters import WeightedPrompt as Prompt

EMPTY = (TextWeight(""),)


@pytest.fixture
def conditioner(tiny_folder: Path) -> TextConditioner:
    model = load_model(tiny_folder)
    return TextConditioner(model.tokenizer, model.text_encoder, torch.device("cpu"), torch.float32)


def saying(*prompts: Prompt, negative: str = "", mix: PromptMix = "linear") -> PromptMixture:
    return without_morph(Parameters(prompt=prompts, negative_prompt=negative, prompt_mix=mix)).wording


def positive(conditioner: TextConditioner, *prompts: Prompt, mix: PromptMix = "linear") -> torch.Tensor:
    return conditioner.encode(saying(*prompts, mix=mix)).positive.embeds


def test_it_is_the_text_encoder_s_last_hidden_state(conditioner: TextConditioner, tiny_folder: Path) -> None:
    model = load_model(tiny_folder)
    ids = model.tokenizer("neon", padding="max_length", max_length=12, return_tensors="pt").input_ids
    with torch.no_grad():
        expected = model.text_encoder(ids).last_hidden_state[0]
    embeds = positive(conditioner, Prompt(text="neon"))
    assert embeds.shape == conditioner.shape.embeds == (12, 16)
    torch.testing.assert_close(embeds, expected)


def test_weights_are_shares_of_the_mix(conditioner: TextConditioner) -> None:
    one, other = (positive(conditioner, Prompt(text=text)) for text in ("neon tunnel", "blue rings"))
    assert (one - other).abs().max() > 0.1
    mix = positive(conditioner, Prompt(text="neon tunnel", weight=1.5), Prompt(text="blue rings", weight=0.5))
    torch.testing.assert_close(mix, 0.75 * one + 0.25 * other)


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 0.9])
def test_two_prompts_on_the_sphere_are_diffusers_slerp_of_each_token(
    conditioner: TextConditioner, share: float
) -> None:
    from diffusers.pipelines.deprecated.audio_diffusion.pipeline_audio_diffusion import AudioDiffusionPipeline

    one, other = (positive(conditioner, Prompt(text=text)) for text in ("neon tunnel", "blue rings"))
    prompts = Prompt(text="neon tunnel", weight=1 - share), Prompt(text="blue rings", weight=share)
    mix = positive(conditioner, *prompts, mix="spherical")
    apart = [place for place in range(12) if not torch.allclose(one[place], other[place])]
    assert 8 < len(apart) < 12
    for place in range(12):
        if place in apart:
            torch.testing.assert_close(mix[place], AudioDiffusionPipeline.slerp(one[place], other[place], share))
        else:  # the first token is the same of all texts: there is no angle between them
            torch.testing.assert_close(mix[place], one[place])
    if share == 0.5:
        assert (mix - positive(conditioner, *prompts)).abs().max() > 0.01, "another mix than the straight one"


def some_texts(count: int, pooled: bool = True) -> list[EncodedText]:
    generator = torch.Generator().manual_seed(3)
    return [
        EncodedText(
            torch.randn(5, 8, generator=generator, dtype=torch.float64),
            (torch.arange(5) <= number).double(),
            torch.randn(8, generator=generator, dtype=torch.float64) if pooled else None,
        )
        for number in range(count)
    ]


def close(one: EncodedText, other: EncodedText) -> None:
    torch.testing.assert_close(one.embeds, other.embeds)
    torch.testing.assert_close(one.pooled, other.pooled)


weights = st.lists(st.floats(0.05, 2.0), min_size=2, max_size=6)


@settings(deadline=None, max_examples=40)
@given(weights, st.floats(0.01, 0.99), st.sampled_from(["linear", "spherical"]))
def test_a_cross_fade_of_a_mix_is_exactly_between_that_mix_and_the_new_text(
    old: list[float], share: float, mix: PromptMix
) -> None:
    *texts, new = some_texts(len(old) + 1)
    before = mixed(texts, old, mix)
    scaled = [weight / sum(old) * (1 - share) for weight in old]
    flat = mixed([*texts, new], [*scaled, share], mix)
    close(flat, mixed([before, new], [1 - share, share], mix))
    again = mixed([*texts, new, texts[0]], [*(0.5 * weight for weight in (*scaled, share)), 0.5], mix)
    close(again, mixed([flat, texts[0]], [0.5, 0.5], mix))


@settings(deadline=None, max_examples=40)
@given(weights, st.sampled_from(["linear", "spherical"]))
def test_a_cross_fade_begins_and_ends_where_the_mixes_stand(both: list[float], mix: PromptMix) -> None:
    texts = some_texts(len(both))
    for split in range(1, len(both)):
        for tiny, stays in ((slice(split, None), slice(split)), (slice(split), slice(split, None))):
            faded = list(both)
            faded[tiny] = [weight * 1e-12 for weight in both[tiny]]
            close(mixed(texts, faded, mix), mixed(texts[stays], both[stays], mix))


def test_on_the_sphere_vectors_keep_their_length() -> None:
    texts = [EncodedText(text.embeds / text.embeds.norm(dim=-1, keepdim=True)) for text in some_texts(4)]
    on_sphere, straight = (
        mixed(texts, [0.3, 1.0, 0.5, 0.8], mix).embeds.norm(dim=-1) for mix in ("spherical", "linear")
    )
    torch.testing.assert_close(on_sphere, torch.ones(5, dtype=torch.float64))
    assert straight.max() < 0.9


@pytest.mark.parametrize("factor", [1.0, 2.0, -1.0, -3.0, 0.0])
def test_between_parallel_vectors_it_goes_straight(factor: float) -> None:
    (one,) = some_texts(1)
    other = EncodedText(one.embeds * factor, one.mask, None if one.pooled is None else one.pooled * factor)
    mix = mixed([one, other], [0.75, 0.25], "spherical")
    torch.testing.assert_close(mix.embeds, one.embeds * (0.75 + 0.25 * factor))


def test_half_precision_is_mixed_in_full_and_a_token_counts_that_counts_in_any() -> None:
    full = some_texts(4)
    half = [EncodedText(text.embeds.half(), text.mask, text.pooled.half()) for text in full if text.pooled is not None]
    for mix in ("linear", "spherical"):
        expected = mixed(
            [EncodedText(text.embeds.double(), None, text.pooled.double()) for text in half], [1, 2, 3, 4], mix
        )  # type: ignore[union-attr]
        found = mixed(half, [1, 2, 3, 4], mix)
        assert found.embeds.dtype == torch.float16
        assert expected.pooled is not None
        assert found.pooled is not None
        torch.testing.assert_close(found.embeds, expected.embeds.half(), rtol=1e-3, atol=0)
        torch.testing.assert_close(found.pooled, expected.pooled.half(), rtol=1e-3, atol=0)
        assert found.mask is not None
        assert found.mask.tolist() == [1, 1, 1, 1, 0]
        assert found.shape == half[0].shape


def test_what_is_empty_or_without_weight_is_absent(conditioner: TextConditioner) -> None:
    alone = positive(conditioner, Prompt(text="neon", weight=0.3))
    beside = positive(conditioner, Prompt(text=" "), Prompt(text="neon"), Prompt(text="rings", weight=0))
    torch.testing.assert_close(beside, alone)
    empty = conditioner.text("").embeds
    for prompts in ([], [Prompt(text="")], [Prompt(text="neon", weight=0)]):
        torch.testing.assert_close(positive(conditioner, *prompts), empty)


def test_the_negative_is_the_empty_prompt_or_its_own_and_is_mixed_likewise(conditioner: TextConditioner) -> None:
    neon = Prompt(text="neon")
    empty, grey = conditioner.text("").embeds, conditioner.text("grey").embeds
    assert (empty - grey).abs().max() > 0.1
    torch.testing.assert_close(conditioner.encode(saying(neon)).negative.embeds, empty)
    torch.testing.assert_close(conditioner.encode(saying(neon, negative="grey")).negative.embeds, grey)
    between = PromptMixture((TextWeight("neon"),), (TextWeight("", 0.5), TextWeight("grey", 0.5)), "linear")
    torch.testing.assert_close(conditioner.encode(between).negative.embeds, (empty + grey) / 2)


def test_texts_are_encoded_once_and_only_so_many_are_kept(conditioner: TextConditioner, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    encoded: list[str] = []
    encode = conditioner._encode
    monkeypatch.setattr(conditioner, "_encode", lambda text: encoded.append(text) or encode(text))
    neon = saying(Prompt(text="neon"))
    assert conditioner.encode(neon).positive is conditioner.encode(neon).positive
    assert encoded == ["neon", ""]
    for number in range(CACHED - 2):
        conditioner.text(f"neon {number}")
        conditioner.text("neon")
    assert encoded.count("neon") == 1
    conditioner.text("one more")
    assert conditioner.recall(neon) is None, "the empty text was not asked for since"
    conditioner.encode(neon)
    assert encoded.count("") == 2
    assert encoded.count("neon") == 1


def test_known_words_are_recalled_and_others_are_not_encoded_for_it(conditioner: TextConditioner) -> None:
    one, other = saying(Prompt(text="neon")), saying(Prompt(text="rings"), negative="grey")
    assert conditioner.recall(one) is None
    conditioner.encode(one)
    conditioner.encode(other)
    for mix in ("linear", "spherical"):
        shares = (TextWeight("neon", 0.6), TextWeight("rings", 0.3), TextWeight("grey", 0.1))
        wording = PromptMixture(shares, (TextWeight("", 0.5), TextWeight("grey", 0.5)), mix)
        recalled, encoded = conditioner.recall(wording), conditioner.encode(wording)
        assert recalled is not None
        assert torch.equal(recalled.positive.embeds, encoded.positive.embeds)
        assert torch.equal(recalled.negative.embeds, encoded.negative.embeds)
    assert conditioner.recall(PromptMixture((TextWeight("moss"),), EMPTY, "linear")) is None


def test_a_text_longer_than_the_model_hears_is_cut(conditioner: TextConditioner) -> None:
    assert positive(conditioner, Prompt(text="neon tunnel " * 80)).shape == conditioner.shape.embeds


@pytest.mark.parametrize(
    ("parts", "says"),
    [
        ({"embeds": torch.zeros(1, 4, 3)}, r"embeds \(1, 4, 3\)"),
        ({"mask": torch.ones(5)}, r"embeds \(4, 3\), mask \(5,\); it must be embeds \[L, D\], mask \[L\]"),
        ({"pooled": torch.zeros(1, 2)}, r"pooled \(1, 2\); it must be .* pooled \[P\]"),
    ],
)
def test_parts_that_are_not_of_one_text_are_refused(parts: dict[str, torch.Tensor], says: str) -> None:
    EncodedText(torch.zeros(4, 3), torch.ones(4), torch.zeros(2))
    with pytest.raises(StreamError, match=says):
        EncodedText(**({"embeds": torch.zeros(4, 3)} | parts))
