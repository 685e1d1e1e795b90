"""What the training scripts of the embedded world share: pictures, caption states and bf16 support.

Run from the repository's root, so that ``c2i_lib`` is importable: ``python tools/<script>.py``.
"""

from __future__ import annotations

import sys
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from c2i_lib.embedded.captions import Pair
from c2i_lib.embedded.packages import minilm_folder
from c2i_lib.embedded.rendering import SIZE, render
from c2i_lib.models.device import has_bf16

MAX_TOKENS = 32  # caption tokens that the TTI model and the judge see


def autocast():
    """bf16 autocast where the processor computes bf16 in hardware; elsewhere it is slower than fp32."""
    return torch.autocast("cpu", torch.bfloat16) if has_bf16() else nullcontext()


def render_all(pairs: list[Pair]) -> np.ndarray:
    """``(n, 64, 64, 3)`` uint8 pictures of ``pairs``."""
    pictures = np.empty((len(pairs), SIZE, SIZE, 3), np.uint8)
    for index, pair in enumerate(tqdm(pairs, desc="render pictures", mininterval=5)):
        pictures[index] = render(pair)
    return pictures


def to_tensor(pictures: np.ndarray) -> torch.Tensor:
    """``(n, 3, 64, 64)`` fp32 in [-1, 1] from uint8 pictures."""
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).float().div(127.5).sub(1.0)


@torch.inference_mode()
def encode_captions(captions: list[str], batch_size: int = 256) -> torch.Tensor:
    """``(n, MAX_TOKENS, 384)`` bf16: MiniLM's last hidden states, as ``StableDiffusionPipeline`` computes them."""
    from transformers import AutoModel, AutoTokenizer

    tokenizer, model = (kind.from_pretrained(minilm_folder()) for kind in (AutoTokenizer, AutoModel))
    model.eval()
    states = torch.empty(len(captions), MAX_TOKENS, 384, dtype=torch.bfloat16)
    for start in tqdm(range(0, len(captions), batch_size), desc="encode captions", mininterval=5):
        batch = tokenizer(
            captions[start : start + batch_size],
            padding="max_length",
            truncation=True,
            max_length=MAX_TOKENS,
            return_tensors="pt",
        )
        states[start : start + batch_size] = model(batch.input_ids, attention_mask=batch.attention_mask)[0]
    return states
