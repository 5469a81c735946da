"""Similarity of two pictures and of two sets of pictures: PSNR, SSIM, CLIP score, Fréchet distance."""

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.paper.contender import Pixels
from presets.errors import ModelError

NO_DIFFERENCE = 100.0
"""PSNR in dB of two equal pictures, in place of infinity."""
Features = NDArray[np.float64]


def psnr(one: Pixels, other: Pixels) -> float:
    """Return the peak signal-to-noise ratio of two 8-bit pictures in dB."""
    error = float(np.mean((one.astype(np.float64) - other) ** 2))
    return min(10 * np.log10(255**2 / error), NO_DIFFERENCE) if error else NO_DIFFERENCE


def ssim(one: Pixels, other: Pixels) -> float:
    """Return the structural similarity (Wang et al. 2004): Gaussian windows of σ 1.5, mean of the three colours."""
    a, b = one.astype(np.float64), other.astype(np.float64)

    def blurred(picture: NDArray[np.float64]) -> NDArray[np.float64]:
        # Even reflection and 11 taps, as in scikit-image.
        smooth: NDArray[np.float64] = cv2.GaussianBlur(picture, (11, 11), 1.5, borderType=cv2.BORDER_REFLECT)
        return smooth

    mean_a, mean_b = blurred(a), blurred(b)
    var_a, var_b = blurred(a * a) - mean_a**2, blurred(b * b) - mean_b**2
    both = blurred(a * b) - mean_a * mean_b
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    found = ((2 * mean_a * mean_b + c1) * (2 * both + c2)) / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2))
    return float(found[5:-5, 5:-5].mean())


def frechet(one: Features, other: Features) -> float:
    """Return the Fréchet distance of two sets of features ``[N, D]``, as in FID. Few pictures make it too large."""
    mean = one.mean(0) - other.mean(0)
    a, b = (np.atleast_2d(np.cov(each, rowvar=False)) for each in (one, other))
    # Trace of √(a·b). Its eigenvalues are real and not negative, except for rounding.
    shared = np.sqrt(np.maximum(np.linalg.eigvals(a @ b).real, 0)).sum()
    return float(mean @ mean + np.trace(a) + np.trace(b) - 2 * shared)


Extract = Callable[[Sequence[Pixels]], Features]
"""Returns the features ``[N, D]`` of N pictures."""
Score = Callable[[Sequence[Pixels], Sequence[str]], float]
"""Returns the score of N pictures for N texts."""


def inception_features(path: Path) -> Extract:
    """Return the features of a TorchScript network from pictures ``[N, 3, H, W]``, 0 to 255, to ``[N, D]``.

    NVIDIA's ``inception-2015-12-05.pt`` is such a network.

    Raises:
        ModelError: the file cannot be read.
    """
    try:
        network = torch.jit.load(path, map_location="cpu").eval()  # type: ignore[no-untyped-call]
    except (RuntimeError, ValueError, OSError) as error:
        raise ModelError(f"{path} can't be read as a TorchScript file: {error}") from error

    @torch.inference_mode()
    def extract(pictures: Sequence[Pixels]) -> Features:
        rows = [network(torch.from_numpy(picture.copy()).permute(2, 0, 1)[None].float()) for picture in pictures]
        found: Features = torch.cat(rows).flatten(1).double().numpy()
        return found

    return extract


def clip_score(folder: Path) -> Score:
    """Return the mean cosine of picture and text × 100, by a CLIP model's folder in transformers format.

    Raises:
        ModelError: the folder cannot be read.
    """
    from transformers import AutoTokenizer, CLIPModel

    try:
        model = CLIPModel.from_pretrained(folder, local_files_only=True).eval()
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError) as error:
        raise ModelError(f"{folder} can't be read as a CLIP model: {error}") from error
    side = model.config.vision_config.image_size
    mean, std = (
        torch.tensor(each).view(3, 1, 1)
        for each in ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
    )

    @torch.inference_mode()
    def score(pictures: Sequence[Pixels], texts: Sequence[str]) -> float:
        cosines = []
        for picture, text in zip(pictures, texts, strict=True):
            small = cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA)
            pixels = (torch.from_numpy(small).permute(2, 0, 1) / 255 - mean) / std
            words = tokenizer(text, return_tensors="pt", truncation=True)
            answer = model(pixel_values=pixels[None], input_ids=words["input_ids"])
            cosines.append(torch.cosine_similarity(answer.image_embeds, answer.text_embeds).item())
        return 100 * float(np.mean(cosines))

    return score
