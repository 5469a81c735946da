"""Conditioning: linear and spherical mixes of embeddings, empty texts, and the cache of encoded texts."""

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.conditioning import CACHE_SIZE, EncodedText, TextConditioner, mix_texts
from pipeline.models import load_model
from presets.errors import StreamError
from presets.frame_parameters import PromptMixture, TextWeight, without_morph
from presets.parameters import Parameters, PromptMix
from presets.parameters import WeightedPrompt as Prompt
from presets.vocabulary import Vocabulary

EMPTY = (TextWeight(""),)
WORDS = Vocabulary(
    {"styles": ("halftone", "neon"), "palettes": ("fire", "blue")},
    ("in",),
    synonyms={"comic": "halftone", "flame": "fire"},
)


@pytest.fixture
def conditioner(tiny_folder: Path) -> TextConditioner:
    model = load_model(tiny_folder)
    return TextConditioner(model.text())


def mixture_of(*prompts: Prompt, negative: str = "", mix: PromptMix = "linear") -> PromptMixture:
    return without_morph(Parameters(prompt=prompts, negative_prompt=negative, prompt_mix=mix)).wording


def positive(conditioner: TextConditioner, *prompts: Prompt, mix: PromptMix = "linear") -> torch.Tensor:
    return conditioner.encode(mixture_of(*prompts, mix=mix)).positive.embeds


def test_embeds_are_last_hidden_state(conditioner: TextConditioner, tiny_folder: Path) -> None:
    model = load_model(tiny_folder)
    ids = model.tokenizer("neon", padding="max_length", max_length=12, return_tensors="pt").input_ids
    with torch.no_grad():
        expected = model.text_encoder(ids).last_hidden_state[0]
    embeds = positive(conditioner, Prompt(text="neon"))
    assert embeds.shape == conditioner.shape.embeds == (12, 16)
    torch.testing.assert_close(embeds, expected)


def test_linear_mix_is_weighted_mean(conditioner: TextConditioner) -> None:
    one, other = (positive(conditioner, Prompt(text=text)) for text in ("neon tunnel", "blue rings"))
    assert (one - other).abs().max() > 0.1
    mix = positive(conditioner, Prompt(text="neon tunnel", weight=1.5), Prompt(text="blue rings", weight=0.5))
    torch.testing.assert_close(mix, 0.75 * one + 0.25 * other)


def test_travel_encodes_each_text_once(conditioner: TextConditioner) -> None:
    look = Parameters(prompt=tuple(Prompt(text=text) for text in ("neon tunnel", "blue rings", "ice")), travel=1.0)
    conditioner.encode(without_morph(look).wording)
    encoded = conditioner.text_encoder.encoded
    alone = [positive(conditioner, prompt) for prompt in look.prompt]
    for number in range(30):
        place, step = divmod(number, 10)
        wording = without_morph(look.model_copy(update={"travel": 1 + number / 10})).wording
        found = conditioner.recall(wording)
        assert found is not None, "it is known ahead"
        expected = torch.lerp(alone[place], alone[(place + 1) % 3], step / 10)
        torch.testing.assert_close(found.positive.embeds, expected)
        assert conditioner.recall(wording) is found
    assert conditioner.text_encoder.encoded == encoded == 4, "three texts, and the empty negative one"


def test_unknown_text_ahead_is_encoded(conditioner: TextConditioner) -> None:
    neon, blue, ice = (Prompt(text=text) for text in ("neon", "blue", "ice"))
    conditioner.encode(mixture_of(neon, blue))
    before = without_morph(Parameters(prompt=(neon, blue), travel=1.0)).wording
    after = without_morph(Parameters(prompt=(neon, blue, ice), travel=1.0)).wording
    assert conditioner.recall(before) is not None
    assert conditioner.recall(after) is None, "a travel that goes on would wait for it later"
    assert conditioner.encode(after) is conditioner.recall(before), "it is the same mix"


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 0.9])
def test_spherical_mix_is_diffusers_slerp(conditioner: TextConditioner, share: float) -> None:
    from diffusers.pipelines.deprecated.audio_diffusion.pipeline_audio_diffusion import AudioDiffusionPipeline

    one, other = (positive(conditioner, Prompt(text=text)) for text in ("neon tunnel", "blue rings"))
    prompts = Prompt(text="neon tunnel", weight=1 - share), Prompt(text="blue rings", weight=share)
    mix = positive(conditioner, *prompts, mix="spherical")
    different = [token for token in range(12) if not torch.allclose(one[token], other[token])]
    assert 8 < len(different) < 12
    for token in range(12):
        if token in different:
            torch.testing.assert_close(mix[token], AudioDiffusionPipeline.slerp(one[token], other[token], share))
        else:  # tokens that are equal in both texts, such as the first
            torch.testing.assert_close(mix[token], one[token])
    if share == 0.5:
        assert (mix - positive(conditioner, *prompts)).abs().max() > 0.01, "differs from the linear mix"


def random_texts(count: int, pooled: bool = True) -> list[EncodedText]:
    generator = torch.Generator().manual_seed(3)
    return [
        EncodedText(
            torch.randn(5, 8, generator=generator, dtype=torch.float64),
            (torch.arange(5) <= number).double(),
            torch.randn(8, generator=generator, dtype=torch.float64) if pooled else None,
        )
        for number in range(count)
    ]


def assert_close(one: EncodedText, other: EncodedText) -> None:
    torch.testing.assert_close(one.embeds, other.embeds)
    torch.testing.assert_close(one.pooled, other.pooled)


weights = st.lists(st.floats(0.05, 2.0), min_size=2, max_size=6)


@settings(deadline=None, max_examples=40)
@given(weights, st.floats(0.01, 0.99), st.sampled_from(["linear", "spherical"]))
def test_cross_fade_starts_from_a_mix(old: list[float], share: float, mix: PromptMix) -> None:
    *texts, new = random_texts(len(old) + 1)
    before = mix_texts(texts, old, mix)
    scaled = [weight / sum(old) * (1 - share) for weight in old]
    flat = mix_texts([*texts, new], [*scaled, share], mix)
    assert_close(flat, mix_texts([before, new], [1 - share, share], mix))
    again = mix_texts([*texts, new, texts[0]], [*(0.5 * weight for weight in (*scaled, share)), 0.5], mix)
    assert_close(again, mix_texts([flat, texts[0]], [0.5, 0.5], mix))


@settings(deadline=None, max_examples=40)
@given(weights, st.sampled_from(["linear", "spherical"]))
def test_cross_fade_ends_at_each_mix(both: list[float], mix: PromptMix) -> None:
    texts = random_texts(len(both))
    for split in range(1, len(both)):
        for faded_out, kept in ((slice(split, None), slice(split)), (slice(split), slice(split, None))):
            faded = list(both)
            faded[faded_out] = [weight * 1e-12 for weight in both[faded_out]]
            assert_close(mix_texts(texts, faded, mix), mix_texts(texts[kept], both[kept], mix))


def test_spherical_mix_keeps_length() -> None:
    texts = [EncodedText(text.embeds / text.embeds.norm(dim=-1, keepdim=True)) for text in random_texts(4)]
    spherical, linear = (
        mix_texts(texts, [0.3, 1.0, 0.5, 0.8], mix).embeds.norm(dim=-1) for mix in ("spherical", "linear")
    )
    torch.testing.assert_close(spherical, torch.ones(5, dtype=torch.float64))
    assert linear.max() < 0.9


@pytest.mark.parametrize("factor", [1.0, 2.0, -1.0, -3.0, 0.0])
def test_parallel_vectors_mix_linearly(factor: float) -> None:
    (one,) = random_texts(1)
    other = EncodedText(one.embeds * factor, one.mask, None if one.pooled is None else one.pooled * factor)
    mix = mix_texts([one, other], [0.75, 0.25], "spherical")
    torch.testing.assert_close(mix.embeds, one.embeds * (0.75 + 0.25 * factor))


def test_half_precision_and_masks() -> None:
    full = random_texts(4)
    half = [EncodedText(text.embeds.half(), text.mask, text.pooled.half()) for text in full if text.pooled is not None]
    for mix in ("linear", "spherical"):
        expected = mix_texts(
            [EncodedText(text.embeds.double(), None, text.pooled.double()) for text in half], [1, 2, 3, 4], mix
        )
        found = mix_texts(half, [1, 2, 3, 4], mix)
        assert found.embeds.dtype == torch.float16
        assert expected.pooled is not None
        assert found.pooled is not None
        torch.testing.assert_close(found.embeds, expected.embeds.half(), rtol=1e-3, atol=0)
        torch.testing.assert_close(found.pooled, expected.pooled.half(), rtol=1e-3, atol=0)
        assert found.mask is not None
        assert found.mask.tolist() == [1, 1, 1, 1, 0]
        assert found.shape == half[0].shape


def test_empty_and_zero_weight_texts(conditioner: TextConditioner) -> None:
    single = positive(conditioner, Prompt(text="neon", weight=0.3))
    with_empty = positive(conditioner, Prompt(text=" "), Prompt(text="neon"), Prompt(text="rings", weight=0))
    torch.testing.assert_close(with_empty, single)
    empty = conditioner.encode_text("").embeds
    for prompts in ([], [Prompt(text="")], [Prompt(text="neon", weight=0)]):
        torch.testing.assert_close(positive(conditioner, *prompts), empty)


def test_negative_prompt(conditioner: TextConditioner) -> None:
    neon = Prompt(text="neon")
    empty, grey = conditioner.encode_text("").embeds, conditioner.encode_text("grey").embeds
    assert (empty - grey).abs().max() > 0.1
    torch.testing.assert_close(conditioner.encode(mixture_of(neon)).negative.embeds, empty)
    torch.testing.assert_close(conditioner.encode(mixture_of(neon, negative="grey")).negative.embeds, grey)
    between = PromptMixture((TextWeight("neon"),), (TextWeight("", 0.5), TextWeight("grey", 0.5)), "linear")
    torch.testing.assert_close(conditioner.encode(between).negative.embeds, (empty + grey) / 2)


def test_cache_of_encoded_texts(conditioner: TextConditioner, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    encoded: list[str] = []
    encode = conditioner._encode
    monkeypatch.setattr(conditioner, "_encode", lambda text, loras: encoded.append(text) or encode(text, loras))
    neon = mixture_of(Prompt(text="neon"))
    assert conditioner.encode(neon).positive is conditioner.encode(neon).positive
    assert encoded == ["neon", ""]
    for number in range(CACHE_SIZE - 2):
        conditioner.encode_text(f"neon {number}")
        conditioner.encode_text("neon")
    assert encoded.count("neon") == 1
    conditioner.encode_text("one more")
    assert conditioner.recall(neon) is None, "the empty text was dropped"
    conditioner.encode(neon)
    assert encoded.count("") == 2
    assert encoded.count("neon") == 1


def test_recall_encodes_nothing(conditioner: TextConditioner) -> None:
    one, other = mixture_of(Prompt(text="neon")), mixture_of(Prompt(text="rings"), negative="grey")
    assert conditioner.recall(one) is None
    conditioner.encode(one)
    conditioner.encode(other)
    for mix in ("linear", "spherical"):
        shares = (TextWeight("neon", 0.6), TextWeight("rings", 0.3), TextWeight("grey", 0.1))
        prompts = PromptMixture(shares, (TextWeight("", 0.5), TextWeight("grey", 0.5)), mix)
        recalled, encoded = conditioner.recall(prompts), conditioner.encode(prompts)
        assert recalled is not None
        assert torch.equal(recalled.positive.embeds, encoded.positive.embeds)
        assert torch.equal(recalled.negative.embeds, encoded.negative.embeds)
    assert conditioner.recall(PromptMixture((TextWeight("moss"),), EMPTY, "linear")) is None


def test_texts_in_known_words(conditioner: TextConditioner, tiny_folder: Path) -> None:
    model = load_model(tiny_folder)
    knowing = TextConditioner(model.text(), WORDS)
    plain = mixture_of(Prompt(text="halftone, fire", weight=1.5), Prompt(text="neon", weight=0.5), negative="blue")
    typed = mixture_of(
        Prompt(text="comic, flame", weight=1.5), Prompt(text="neon zoo", weight=0.5), negative="bleu sky"
    )
    expected, drawn = conditioner.encode(plain), knowing.encode(typed)
    assert torch.equal(drawn.positive.embeds, expected.positive.embeds)
    assert torch.equal(drawn.negative.embeds, expected.negative.embeds)
    unknown = conditioner.encode(typed)
    assert (unknown.positive.embeds - expected.positive.embeds).abs().max() > 0.1
    assert (unknown.negative.embeds - expected.negative.embeds).abs().max() > 0.1
    # Both spellings are one entry of the cache, so a morph between them encodes nothing.
    recalled = knowing.recall(plain)
    assert recalled is not None
    assert torch.equal(recalled.positive.embeds, expected.positive.embeds)
    assert knowing.recall(typed) is not None
    assert torch.equal(knowing.encode_text("").embeds, conditioner.encode_text("").embeds)


def test_long_text_is_truncated(conditioner: TextConditioner) -> None:
    assert positive(conditioner, Prompt(text="neon tunnel " * 80)).shape == conditioner.shape.embeds


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"embeds": torch.zeros(1, 4, 3)}, r"embeds \(1, 4, 3\)"),
        ({"mask": torch.ones(5)}, r"embeds \(4, 3\), mask \(5,\); it must have embeds \[L, D\], mask \[L\]"),
        ({"pooled": torch.zeros(1, 2)}, r"pooled \(1, 2\); it must have .* pooled \[P\]"),
    ],
)
def test_mismatched_parts_are_refused(parts: dict[str, torch.Tensor], message: str) -> None:
    EncodedText(torch.zeros(4, 3), torch.ones(4), torch.zeros(2))
    with pytest.raises(StreamError, match=message):
        EncodedText(**({"embeds": torch.zeros(4, 3)} | parts))
