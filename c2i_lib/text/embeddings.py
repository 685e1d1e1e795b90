"""Sentence embeddings: what texts mean, as vectors.

In: texts. Out: unit vectors of MiniLM. Ignored: wording.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import nn
from transformers import AutoModel, AutoTokenizer

from c2i_lib.embedded.packages import minilm_folder


@lru_cache(maxsize=1)
def _sentence_encoder():
    return AutoTokenizer.from_pretrained(minilm_folder()), AutoModel.from_pretrained(minilm_folder()).eval()


@torch.inference_mode()
def embed_texts(texts: Sequence[str], batch_size: int = 64) -> torch.Tensor:
    """``(n, 384)`` unit sentence embeddings: the masked mean of MiniLM's last hidden states."""
    tokenizer, encoder = _sentence_encoder()
    embedding_of = {}
    distinct = sorted(set(texts), key=lambda text: (len(text), text))
    for start in range(0, len(distinct), batch_size):
        batch = distinct[start : start + batch_size]
        tokens = tokenizer(batch, padding=True, truncation=True, max_length=64, return_tensors="pt")
        hidden, mask = encoder(**tokens)[0], tokens.attention_mask.unsqueeze(-1)
        means = nn.functional.normalize((hidden * mask).sum(1) / mask.sum(1), dim=-1)
        embedding_of.update(zip(batch, means, strict=True))
    return torch.stack([embedding_of[text] for text in texts])
