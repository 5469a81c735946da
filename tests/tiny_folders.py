"""Tiny model folders of every family: the real classes with random weights, and tokenizers trained on the spot."""

import json
import string
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

SIDE = 64
"""Width and height of a picture in pixels."""
CORPUS = ("a red ring on the sea", "neon fire at night", "blue winter stars", "ink, paper and smoke")
WORDS = 20
"""Tokens of a text of CLIP."""


def scale_weights(network: torch.nn.Module, names: Sequence[str], factor: float) -> None:
    """Multiply the weights whose names contain one of `names`. In a random network conditioning has little effect."""
    scaled = 0
    with torch.no_grad():
        for name, weight in network.named_parameters():
            if name.endswith("weight") and any(part in name for part in names):
                weight.mul_(factor)
                scaled += 1
    assert scaled >= len(names)


def write_family_folder(family: str, folder: Path) -> Path:
    """Write the folder of a family in diffusers' format, one of `FAMILIES`, and return it."""
    with torch.random.fork_rng():
        torch.manual_seed(21)
        parts, pipeline = FAMILIES[family]()
    index: dict[str, Any] = {"_class_name": pipeline}
    for name, part in parts.items():
        part.save_pretrained(folder / name)
        library = "transformers" if name.startswith(("text_encoder", "tokenizer")) else "diffusers"
        index[name] = [library, type(part).__name__]
    (folder / "model_index.json").write_text(json.dumps(index))
    return folder


def _stable_diffusion() -> tuple[dict[str, Any], str]:
    from pipeline.diffusers_schedulers import PeRFlowScheduler

    parts = {"unet": _unet(cross_attention_dim=16), "vae": _kl_autoencoder(4), "scheduler": PeRFlowScheduler()}
    parts |= {"text_encoder": _clip(16), "tokenizer": _clip_tokenizer()}
    return parts, "StableDiffusionPipeline"


def _lcm() -> tuple[dict[str, Any], str]:
    from diffusers import LCMScheduler

    parts, _ = _stable_diffusion()
    unet = _unet(cross_attention_dim=16, time_cond_proj_dim=32)
    scale_weights(unet, ["time_embedding.cond_proj"], 20.0)
    return parts | {"unet": unet, "scheduler": LCMScheduler()}, "LatentConsistencyModelPipeline"


def _turbo() -> tuple[dict[str, Any], str]:
    from diffusers import EulerAncestralDiscreteScheduler

    parts, pipeline = _stable_diffusion()
    betas = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
    return parts | {"scheduler": EulerAncestralDiscreteScheduler(timestep_spacing="trailing", **betas)}, pipeline


def _sdxl() -> tuple[dict[str, Any], str]:
    from pipeline.diffusers_schedulers import PeRFlowScheduler

    unet = _unet(
        cross_attention_dim=28,
        addition_embed_type="text_time",
        addition_time_embed_dim=4,
        projection_class_embeddings_input_dim=6 * 4 + 8,
    )
    scale_weights(unet, ["add_embedding"], 4.0)
    parts = {"unet": unet, "vae": _kl_autoencoder(4), "scheduler": PeRFlowScheduler(prediction_type="ddim_eps")}
    parts |= {"text_encoder": _clip(16), "tokenizer": _clip_tokenizer()}
    parts |= {"text_encoder_2": _clip(12, projection=8), "tokenizer_2": _clip_tokenizer()}
    return parts, "StableDiffusionXLPipeline"


def _sd3() -> tuple[dict[str, Any], str]:
    from diffusers import FlowMatchEulerDiscreteScheduler, SD3Transformer2DModel

    transformer = SD3Transformer2DModel(
        sample_size=8,
        in_channels=16,
        num_layers=2,
        attention_head_dim=8,
        num_attention_heads=2,
        joint_attention_dim=32,
        caption_projection_dim=16,
        pooled_projection_dim=20,
        out_channels=16,
        pos_embed_max_size=8,
        dual_attention_layers=(0,),
        qk_norm="rms_norm",
    )
    scale_weights(transformer, ["add_v_proj", "context_embedder", "text_embedder", "proj_out"], 2.0)
    parts = {
        "transformer": transformer,
        "vae": _kl_autoencoder(16, use_quant_conv=False, use_post_quant_conv=False, shift_factor=0.06),
        "scheduler": FlowMatchEulerDiscreteScheduler(shift=3.0),
        "text_encoder": _clip(12, projection=12),
        "text_encoder_2": _clip(16, projection=8),
        "text_encoder_3": _t5(32),
        "tokenizer": _clip_tokenizer(),
        "tokenizer_2": _clip_tokenizer(),
        "tokenizer_3": _t5_tokenizer(),
    }
    return parts, "StableDiffusion3Pipeline"


DEV_SHIFT = {"shift": 3.0, "use_dynamic_shifting": True}
"""Scheduler settings of FLUX.1-dev and FLUX.2: the static shift is ignored."""


def _flux(guided: bool = False) -> tuple[dict[str, Any], str]:
    from diffusers import FlowMatchEulerDiscreteScheduler, FluxTransformer2DModel

    transformer = FluxTransformer2DModel(
        in_channels=16,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=32,
        pooled_projection_dim=16,
        guidance_embeds=guided,
        axes_dims_rope=(4, 4, 8),
    )
    scale_weights(transformer, ["add_v_proj", "context_embedder", "text_embedder", "time_text_embed", "proj_out"], 3.0)
    parts = {
        "transformer": transformer,
        "vae": _kl_autoencoder(4, use_quant_conv=False, use_post_quant_conv=False, shift_factor=0.1),
        "scheduler": FlowMatchEulerDiscreteScheduler(**DEV_SHIFT if guided else {"shift": 1.0}),
        "text_encoder": _clip(16),
        "text_encoder_2": _t5(32),
        "tokenizer": _clip_tokenizer(),
        "tokenizer_2": _t5_tokenizer(),
    }
    return parts, "FluxPipeline"


def _sana() -> tuple[dict[str, Any], str]:
    from diffusers import AutoencoderDC, SanaTransformer2DModel, SCMScheduler
    from transformers import Gemma2Config, Gemma2Model

    tokenizer = _gemma_tokenizer()
    transformer = SanaTransformer2DModel(
        in_channels=4,
        out_channels=4,
        num_attention_heads=2,
        attention_head_dim=8,
        num_layers=2,
        num_cross_attention_heads=2,
        cross_attention_head_dim=8,
        cross_attention_dim=16,
        caption_channels=16,
        sample_size=4,
        guidance_embeds=True,
        guidance_embeds_scale=0.1,
        qk_norm="rms_norm_across_heads",
    )
    scale_weights(transformer, ["attn2.to_v", "attn2.to_q", "attn2.to_out.0", "guidance_embedder", "proj_out"], 4.0)
    gemma = Gemma2Config(
        vocab_size=len(tokenizer),
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=8,
        sliding_window=16,
    )
    blocks = (8, 8, 8, 8, 8)
    vae = AutoencoderDC(
        latent_channels=4,
        attention_head_dim=4,
        encoder_block_types="ResBlock",
        decoder_block_types="ResBlock",
        encoder_block_out_channels=blocks,
        decoder_block_out_channels=blocks,
        encoder_layers_per_block=(1,) * 5,
        decoder_layers_per_block=(1,) * 5,
        encoder_qkv_multiscales=((),) * 5,
        decoder_qkv_multiscales=((),) * 5,
        downsample_block_type="Conv",
        upsample_block_type="interpolate",
        scaling_factor=0.4,
    )
    parts = {
        "transformer": transformer,
        "vae": vae,
        "scheduler": SCMScheduler(),
        "text_encoder": Gemma2Model(gemma),
        "tokenizer": tokenizer,
    }
    return parts, "SanaSprintPipeline"


def z_image_transformer(channels: int, text: int, layers: int = 2) -> Any:
    """Return a network of Z-Image for latents of `channels` and texts of width `text`."""
    from diffusers import ZImageTransformer2DModel

    transformer = ZImageTransformer2DModel(
        in_channels=channels,
        dim=32,
        n_layers=layers,
        n_refiner_layers=1,
        n_heads=2,
        n_kv_heads=2,
        cap_feat_dim=text,
        axes_dims=(4, 6, 6),
        axes_lens=(1024, 64, 64),
    )
    with torch.no_grad():  # zeros in an untrained network
        transformer.x_pad_token.normal_()
        transformer.cap_pad_token.normal_()
    scale_weights(transformer, ["to_v", "to_out", "cap_embedder.1"], 3.0)
    return transformer


def _z_image() -> tuple[dict[str, Any], str]:
    from diffusers import FlowMatchEulerDiscreteScheduler
    from transformers import Qwen3Model

    tokenizer = _qwen_tokenizer()
    parts = {
        "transformer": z_image_transformer(16, text=16),
        "vae": _kl_autoencoder(16, use_quant_conv=False, use_post_quant_conv=False, shift_factor=0.12),
        "scheduler": FlowMatchEulerDiscreteScheduler(shift=3.0),
        "text_encoder": Qwen3Model(_qwen(len(tokenizer), layers=2)),
        "tokenizer": tokenizer,
    }
    return parts, "ZImagePipeline"


def flux2_transformer(channels: int, text: int) -> Any:
    """Return a network of FLUX.2-klein for latents of `channels` and texts of width `text`."""
    from diffusers import Flux2Transformer2DModel

    transformer = Flux2Transformer2DModel(
        in_channels=channels,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=text,
        timestep_guidance_channels=32,
        axes_dims_rope=(4, 4, 4, 4),
        guidance_embeds=False,
    )
    scale_weights(transformer, ["modulation", "add_v_proj", "context_embedder", "x_embedder", "to_v", "proj_out"], 3.0)
    # A text has 512 tokens, whose mean says little: attention picks a few of them.
    scale_weights(transformer, ["norm_q", "norm_k", "norm_added"], 3.0)
    return transformer


def _flux2() -> tuple[dict[str, Any], str]:
    from diffusers import FlowMatchEulerDiscreteScheduler
    from transformers import Qwen3ForCausalLM

    tokenizer = _qwen_tokenizer()
    parts = {
        "transformer": flux2_transformer(16, text=3 * 16),
        "vae": flux2_autoencoder(),
        "scheduler": FlowMatchEulerDiscreteScheduler(**DEV_SHIFT),
        "text_encoder": Qwen3ForCausalLM(_qwen(len(tokenizer), layers=28)),
        "tokenizer": tokenizer,
    }
    return parts, "Flux2KleinPipeline"


FAMILIES: dict[str, Callable[[], tuple[dict[str, Any], str]]] = {
    "stable-diffusion": _stable_diffusion,
    "lcm": _lcm,
    "turbo": _turbo,
    "sdxl": _sdxl,
    "sd3": _sd3,
    "flux": _flux,
    "flux-dev": lambda: _flux(True),
    "flux2": _flux2,
    "sana": _sana,
    "z-image": _z_image,
}
"""Parts of each folder by component, and the class of its pipeline in diffusers."""


def _unet(**settings: Any) -> Any:
    from diffusers import UNet2DConditionModel

    unet = UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(16, 32),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        # Every further attention adds seconds to each export. `test_onnx` has attention on the way up.
        up_block_types=("UpBlock2D", "UpBlock2D"),
        norm_num_groups=8,
        attention_head_dim=4,
        **settings,
    )
    scale_weights(unet, ["attn2.to_v", "attn2.to_out.0"], 8.0)
    # PeRFlow multiplies the output by up to 3.3, and large latents lose precision in float32.
    scale_weights(unet, ["conv_out"], 0.15)
    return unet


def flux2_autoencoder() -> Any:
    """Return an autoencoder of FLUX.2 with 4 channels, 16 in a patch, that have statistics of their own."""
    from diffusers import AutoencoderKLFlux2

    autoencoder = AutoencoderKLFlux2(
        block_out_channels=(8,) * 4, layers_per_block=1, norm_num_groups=4, latent_channels=4
    )  # fmt: skip
    scale_weights(autoencoder, ["coder.conv_in", "coder.conv_out"], 3.0)
    with torch.no_grad():  # zeros and ones in an untrained network
        autoencoder.bn.running_mean.normal_(std=0.3)
        autoencoder.bn.running_var.uniform_(0.5, 2.0)
    return autoencoder


def _kl_autoencoder(channels: int, **settings: Any) -> Any:
    from diffusers import AutoencoderKL

    autoencoder = AutoencoderKL(
        block_out_channels=(8,) * 4,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        norm_num_groups=4,
        latent_channels=channels,
        scaling_factor=0.3,
        **settings,
    )
    scale_weights(autoencoder, ["decoder.conv_in", "decoder.conv_out"], 3.0)
    return autoencoder


def _clip(width: int, projection: int = 0) -> Any:
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    config = CLIPTextConfig(
        vocab_size=len(_clip_tokenizer()),
        hidden_size=width,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=WORDS,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=1,
        projection_dim=projection or width,
    )
    text: Any = CLIPTextModelWithProjection(config) if projection else CLIPTextModel(config)
    scale_weights(text, ["embed"], 30.0)
    return text


def _clip_tokenizer() -> Any:
    from transformers import CLIPTokenizer

    letters = [*string.ascii_lowercase, *string.digits, ","]
    tokens = ["<|startoftext|>", "<|endoftext|>", *letters, *(f"{letter}</w>" for letter in letters)]
    return CLIPTokenizer(vocab={token: place for place, token in enumerate(tokens)}, merges=[], model_max_length=WORDS)


def _t5(width: int) -> Any:
    from transformers import T5Config, T5EncoderModel

    config = T5Config(
        vocab_size=len(_t5_tokenizer()), d_model=width, d_kv=8, d_ff=32, num_layers=1, num_heads=2,
        feed_forward_proj="gated-gelu",
    )  # fmt: skip
    return T5EncoderModel(config)


def _t5_tokenizer() -> Any:
    from tokenizers import SentencePieceUnigramTokenizer
    from transformers import T5TokenizerFast

    trained = SentencePieceUnigramTokenizer()
    trained.train_from_iterator(
        CORPUS, vocab_size=60, special_tokens=["<pad>", "</s>", "<unk>"], unk_token="<unk>", show_progress=False
    )
    pieces = [tuple(piece) for piece in json.loads(trained.to_str())["model"]["vocab"]]
    return T5TokenizerFast(vocab=pieces, extra_ids=0)


def _gemma_tokenizer() -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    trained = Tokenizer(models.BPE(unk_token="<unk>"))
    trained.pre_tokenizer = pre_tokenizers.Metaspace()
    trained.decoder = decoders.Metaspace()
    trainer = trainers.BpeTrainer(
        vocab_size=120,
        special_tokens=["<pad>", "<eos>", "<bos>", "<unk>"],
        initial_alphabet=list(string.printable),
        show_progress=False,
    )
    trained.train_from_iterator(CORPUS, trainer)
    trained.post_processor = processors.TemplateProcessing(single="<bos> $A", special_tokens=[("<bos>", 2)])
    return PreTrainedTokenizerFast(
        tokenizer_object=trained, pad_token="<pad>", eos_token="<eos>", bos_token="<bos>", unk_token="<unk>",
        padding_side="right",
    )  # fmt: skip


def _qwen(vocabulary: int, layers: int) -> Any:
    from transformers import Qwen3Config

    return Qwen3Config(
        vocab_size=vocabulary,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=layers,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=8,
        max_position_embeddings=1024,
        initializer_range=0.5,
        tie_word_embeddings=True,  # as in Qwen3-4B: its file has no weights for the head of a language model
    )


CHAT = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n"
    "{% if enable_thinking is defined and enable_thinking is false %}<think>\n\n</think>\n\n{% endif %}{% endif %}"
)
"""Chat template with what the pipelines of diffusers use of Qwen 3's."""


def _qwen_tokenizer() -> Any:
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from transformers import Qwen2Tokenizer

    trained = Tokenizer(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=300, initial_alphabet=alphabet, show_progress=False)
    trained.train_from_iterator(CORPUS, trainer)
    model = json.loads(trained.to_str())["model"]
    tokenizer = Qwen2Tokenizer(
        vocab=model["vocab"],
        merges=[tuple(pair) for pair in model["merges"]],
        chat_template=CHAT,
        model_max_length=1024,
    )
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|im_start|>", "<|im_end|>"]})
    return tokenizer
