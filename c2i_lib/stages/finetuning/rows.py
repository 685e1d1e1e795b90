"""Captions → token rows, as each arm sees them, and the batches of an epoch.

In: caption texts and a tokenizer. Out: ``Rows``, whose every token belongs to one caption and is seen once an epoch.

- ``ft``: captions joined by one space into a stream, cut into blocks of equal length. A block may begin and end inside
  a caption, which is why the output of this arm "resembled the middle of a caption" (Method).
- ``ft_tags``: each caption between the tokenizer's own bos and eos, one per row, so that none attends to another.
- ``ft_topic``: as ``ft_tags``, with the caption's topic in brackets before it: ``<bos>[london] a bridge at night<eos>``
  (the paper's future work). The tag is read and not learned: at generation it is given.
- ``ft_good``: as ``ft_topic``, with a second tag for the quality of the caption's own picture
  (``text/quality_tags.py``): ``<bos>[dog] [good] a dog on the beach, glossy 3D render<eos>``. Good pictures go with
  some words and poor ones with others; a model that learns from all captions alike writes both kinds, this one is asked
  for the good kind.

Ignored: the model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from transformers import PreTrainedTokenizerBase

from c2i_lib.errors import C2IError
from c2i_lib.study import FINETUNED_ARMS, TOPIC_ARMS
from c2i_lib.text.noun_phrases.topics import topic_tag, topics

_SORTED_GROUP = 1000  # rows; larger groups pad less and mix less


@dataclass(frozen=True)
class Rows:
    """Token rows in one flat array.

    ``tokens (n_tokens,)``; ``starts (n_rows + 1,)``: where each row begins, and the end of the last;
    ``captions (n_tokens,)``: the index of the caption that each token belongs to; ``learned (n_tokens,)``: whether a
    token is predicted (topic tags are not).
    """

    tokens: np.ndarray
    starts: np.ndarray
    captions: np.ndarray
    learned: np.ndarray

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of each row."""
        return np.diff(self.starts)

    def positions(self, indices: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        """Where the tokens of some rows are: ``(n, longest)`` indices of the flat arrays, and which are no padding."""
        starts, lengths = self.starts[indices][:, None], self.lengths[indices][:, None]
        across = np.arange(lengths.max())[None]
        return np.where(across < lengths, starts + across, starts), across < lengths

    def batch(self, indices: Sequence[int]) -> tuple[torch.Tensor, torch.Tensor]:
        """Token ids ``(n, longest)``, padded on the right, and which of them are predicted from the one before."""
        positions, inside = self.positions(indices)
        predicted = inside & self.learned[positions]
        predicted[:, 0] = False
        return torch.from_numpy(self.tokens[positions].astype(np.int64)), torch.from_numpy(predicted)

    def n_predicted(self, indices: Sequence[int]) -> int:
        """Number of predicted tokens in some rows."""
        return int(self.batch(indices)[1].sum())

    def captions_of(self, indices: Sequence[int]) -> np.ndarray:
        """Indices of the captions that some rows hold."""
        positions, inside = self.positions(indices)
        return np.unique(self.captions[positions[inside]])


def _tokenize(texts: Sequence[str], tokenizer: PreTrainedTokenizerBase) -> list[list[int]]:
    return tokenizer(list(texts), add_special_tokens=False, verbose=False).input_ids if len(texts) else []


def tags_before(arm: str, texts: Sequence[str], qualities: Sequence[str] = ()) -> list[str]:
    """What stands before each text: its topic for ``TOPIC_ARMS``, and for ``ft_good`` the word of its quality, too.

    ``qualities``: such a word for each text, or an empty string. Other arms have no tags. Raises ``C2IError`` for
    ``ft_good`` without words.
    """
    if arm not in TOPIC_ARMS:
        return [""] * len(texts)
    if arm == "ft_good" and len(qualities) != len(texts):
        raise C2IError(
            f"the arm ft_good needs a word of quality for each of {len(texts)} captions, found {len(qualities)}"
        )
    words = qualities if arm == "ft_good" else [""] * len(texts)
    return [topic_tag(topic) + topic_tag(word) for topic, word in zip(topics(texts), words, strict=True)]


def _pieces(
    arm: str, texts: Sequence[str], tokenizer: PreTrainedTokenizerBase, qualities: Sequence[str]
) -> list[tuple[list[int], list[int]]]:
    """Per caption the tokens of its tags, which are not learned, and the tokens that are."""
    if arm == "ft":
        spaced = [text if index == 0 else f" {text}" for index, text in enumerate(texts)]
        return [([], ids) for ids in _tokenize(spaced, tokenizer)]
    bos, eos = [tokenizer.bos_token_id], [tokenizer.eos_token_id]
    if arm == "ft_tags":
        return [([], [*bos, *ids, *eos]) for ids in _tokenize(texts, tokenizer)]
    tags = tags_before(arm, texts, qualities)
    tag_ids = _tokenize([tag.rstrip() for tag in tags], tokenizer)
    caption_ids = _tokenize([f" {text}" if tag else text for tag, text in zip(tags, texts, strict=True)], tokenizer)
    return [([*bos, *tag], [*ids, *eos]) for tag, ids in zip(tag_ids, caption_ids, strict=True)]


def make_rows(
    arm: str,
    texts: Sequence[str],
    tokenizer: PreTrainedTokenizerBase,
    block_length: int,
    qualities: Sequence[str] = (),
) -> Rows:
    """``texts`` as ``arm`` sees them, in rows of at most ``block_length`` tokens. No token is lost or repeated.

    ``qualities``: for ``ft_good``, the word of each text's picture, or an empty string. A tagged caption that is longer
    than a block goes on in the next row. Raises ``C2IError`` for an arm that is not finetuned, and for captions without
    a token.
    """
    if arm not in FINETUNED_ARMS:
        raise C2IError(f"arm {arm!r} cannot be finetuned: use {', '.join(FINETUNED_ARMS)}")
    pieces = _pieces(arm, texts, tokenizer, qualities)
    sizes = np.array([len(tag) + len(ids) for tag, ids in pieces], np.int64)
    if not sizes.sum():
        raise C2IError("there is no caption to train or evaluate on: the split is empty. Run stage 01 again")
    tokens = np.fromiter((token for tag, ids in pieces for token in (*tag, *ids)), np.int32, int(sizes.sum()))
    learned = np.concatenate([np.repeat([False, True], [len(tag), len(ids)]) for tag, ids in pieces])
    captions = np.repeat(np.arange(len(texts), dtype=np.int32), sizes)
    if arm == "ft":
        starts = np.arange(0, len(tokens), block_length)
        starts = starts[: max(1, len(starts) - (len(tokens) - starts[-1] == 1))]  # one token predicts nothing by itself
    else:
        begins = np.concatenate([[0], np.cumsum(sizes)[:-1]])
        starts = np.concatenate([np.arange(a, a + n, block_length) for a, n in zip(begins, sizes, strict=True)])
    return Rows(tokens, np.append(starts, len(tokens)), captions, learned)


def make_batches(lengths: np.ndarray, tokens_per_batch: int, seed: int) -> list[list[int]]:
    """Row indices in shuffled batches that hold at most ``tokens_per_batch`` tokens, padding included.

    Rows are shuffled, sorted by length within groups of ``_SORTED_GROUP`` (so that little is padded), batched,
    and the batches are shuffled.
    """
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(lengths), generator=generator).tolist()
    groups = [order[start : start + _SORTED_GROUP] for start in range(0, len(order), _SORTED_GROUP)]
    batches: list[list[int]] = []
    for group in groups:
        batch: list[int] = []
        for index in sorted(group, key=lambda index: lengths[index]):  # so the last row is the longest
            if batch and (len(batch) + 1) * lengths[index] > tokens_per_batch:
                batches.append(batch)
                batch = []
            batch.append(index)
        batches.append(batch)
    return [batches[index] for index in torch.randperm(len(batches), generator=generator).tolist()]
