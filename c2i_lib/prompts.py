"""Stage 04: checkpoints and concepts → prompts.

In: the arms' checkpoints, the concepts, a caption's mean length and the ``finetune_train`` captions. Out, in
``04_prompts/``: ``prompts.parquet`` (``prompt_id, arm, concept, sample, seed, text, n_tokens, ended,
perplexity, nearest_caption, similarity, copied``). A prompt depends on its arm, concept and seed, not on the batch
that it is written in. Ignored: the TTI model and its token window.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from tqdm import tqdm
from transformers import LogitsProcessor, PreTrainedModel, PreTrainedTokenizerBase
from transformers.generation import TemperatureLogitsWarper, TopPLogitsWarper

from c2i_lib.config import FINETUNED_ARMS, Profile, Prompts
from c2i_lib.errors import C2IError
from c2i_lib.files import hash_of, seed_of, write_json, write_table
from c2i_lib.language_model import load_language_model, load_tokenizer, perplexity
from c2i_lib.noun_phrases.topics import topic_tag
from c2i_lib.stage import Stage, read_table


@dataclass(frozen=True)
class Written:
    """A prompt: its text (the concept in front), its tokens, and whether the model ended it by itself."""

    text: str
    n_tokens: int
    ended: bool


class _SeededSampling(LogitsProcessor):
    """Gumbel-max sampling with a random generator per row, so that rows do not depend on each other.

    argmax(log p + Gumbel noise) is a draw from p (Gumbel 1954); the greedy search that follows takes it.
    """

    def __init__(self, seeds: Sequence[int]):
        self.generators = [torch.Generator().manual_seed(seed) for seed in seeds]

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        uniform = torch.stack(
            [torch.rand(scores.shape[1], generator=generator, dtype=torch.float64) for generator in self.generators]
        )
        gumbel = -(-uniform.clamp_min(1e-300).log()).log()
        return scores + gumbel.to(scores.device, scores.dtype)


@torch.inference_mode()
def write_batch(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    concept: str,
    seeds: Sequence[int],
    n_tokens: int,
    settings: Prompts,
    arm: str,
) -> list[Written]:
    """One prompt per seed, each ``concept`` and its continuation, ``n_tokens`` tokens in all.

    At least two tokens follow the concept. The concept stands as the arm saw the beginning of a caption in training:
    after bos for ``ft_tags``, after a space for ``ft``, whose captions follow each other in a stream. For ``ft_topic``
    it stands in the topic tag, which is no part of the prompt, so that it may be anywhere in it.
    """
    front = topic_tag(concept).rstrip() if arm == "ft_topic" else " " * (arm == "ft") + concept
    front_ids = tokenizer(front, add_special_tokens=False).input_ids
    start = [tokenizer.bos_token_id] * (arm in ("ft_tags", "ft_topic")) + front_ids
    concept_ids = [] if arm == "ft_topic" else front_ids
    ids = torch.tensor([start] * len(seeds), device=model.device)
    sampling = [TemperatureLogitsWarper(settings.temperature), TopPLogitsWarper(settings.top_p), _SeededSampling(seeds)]
    output = model.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        max_new_tokens=max(2, n_tokens - len(concept_ids)),
        min_new_tokens=2 if arm == "ft_topic" else None,  # an empty prompt would be no prompt
        do_sample=False,
        temperature=None,
        top_p=None,
        top_k=None,
        logits_processor=sampling,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.eos_token_id,
    )
    written = []
    for row in output[:, len(start) :].tolist():
        ended = tokenizer.eos_token_id in row
        new = row[: row.index(tokenizer.eos_token_id)] if ended else row
        text = tokenizer.decode(concept_ids + new, skip_special_tokens=True)
        written.append(Written(" ".join(text.split()), len(concept_ids) + len(new), ended))
    return written


def nearest_captions(texts: Sequence[str], captions: Sequence[str]) -> pd.DataFrame:
    """For each text the training caption most like it: ``nearest_caption, similarity, copied``.

    ``similarity`` is the cosine of TF-IDF vectors of character 3- to 5-grams; ``copied`` says that the text is
    one of ``captions``, case and spaces aside.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), sublinear_tf=True, dtype=np.float32)
    matrix = vectorizer.fit_transform(captions)
    known = {" ".join(caption.lower().split()) for caption in captions}
    rows = []
    for text in texts:
        similarities = (matrix @ vectorizer.transform([text]).T).toarray().ravel()
        best = int(similarities.argmax())
        copied = " ".join(text.lower().split()) in known
        rows.append((captions[best], round(float(similarities[best]), 4), copied))
    return pd.DataFrame(rows, columns=["nearest_caption", "similarity", "copied"])


def _write_arm(arm: str, model_id: tuple, concepts: Sequence[str], n_tokens: int, profile: Profile) -> list[dict]:
    """All prompts of one arm, as rows of the table."""
    settings, rows = profile.prompts, []
    tokenizer = load_tokenizer(*model_id)
    model = None if arm == "concept_only" else load_language_model(*model_id)
    for concept in tqdm(concepts, desc=f"prompts of {arm}", mininterval=2):
        seeds = [seed_of(profile.seed, arm, concept, sample) for sample in range(settings.n_per_concept)]
        written: list[Written] = []
        for start in range(0, len(seeds), settings.batch_size):
            batch = seeds[start : start + settings.batch_size]
            if model is None:
                n_concept = len(tokenizer(concept, add_special_tokens=False).input_ids)
                written += [Written(concept, n_concept, True)] * len(batch)
            else:
                written += write_batch(model, tokenizer, concept, batch, n_tokens, settings, arm)
        for sample, (seed, prompt) in enumerate(zip(seeds, written, strict=True)):
            prompt_id = f"{arm}-{hash_of(concept)[:6]}-{sample}"
            rows.append(dict(prompt_id=prompt_id, arm=arm, concept=concept, sample=sample, seed=seed, **vars(prompt)))
    return rows


def write_samples(
    checkpoints: Mapping[str, Path], concepts: Sequence[str], n_tokens: int, profile: Profile
) -> pd.DataFrame:
    """One prompt of ``base`` and of each finetuned arm for each concept, to look at: ``arm, concept, text, ended``."""
    base = (profile.language_model.model, profile.language_model.revision)
    one = profile.model_copy(update={"prompts": profile.prompts.model_copy(update={"n_per_concept": 1})})
    models = {"base": base, **{arm: (str(folder), None) for arm, folder in checkpoints.items()}}
    rows = [_write_arm(arm, model_id, concepts, n_tokens, one) for arm, model_id in models.items()]
    return pd.DataFrame([row for part in rows for row in part])


def diversity(texts: Sequence[str]) -> dict[str, float]:
    """How little texts repeat themselves: distinct n-grams of words / all n-grams, over all texts together.

    ``type_token_ratio`` is n = 1; ``distinct_2`` and ``distinct_3`` as in Li et al. 2016 (arXiv:1510.03055).
    """
    words = [text.lower().split() for text in texts]
    result = {}
    for n, name in ((1, "type_token_ratio"), (2, "distinct_2"), (3, "distinct_3")):
        grams = [tuple(row[start : start + n]) for row in words for start in range(len(row) - n + 1)]
        result[name] = len(set(grams)) / max(1, len(grams))
    return result


def generate_prompts(
    checkpoints: Mapping[str, Path],
    concepts: Sequence[str],
    length_file: Path,
    train_file: Path,
    out_dir: Path,
    profile: Profile,
) -> pd.DataFrame:
    """Write every arm's prompts for every concept. ``checkpoints``: finetuned arm → its folder.

    ``length_file``: ``length.json`` of stage 01; its ``tokens`` is a prompt's length (Experiments).

    Each arm is kept as soon as it is written, so an interrupted run goes on with the next one.
    """
    folder, base = Path(out_dir), (profile.language_model.model, profile.language_model.revision)
    inputs = [length_file, train_file, *(Path(path) / "model.safetensors" for path in checkpoints.values())]
    key = {"seed": profile.seed, "concepts": list(concepts), **profile.prompts.model_dump(), "base": base}
    missing = set(profile.prompts.arms) & set(FINETUNED_ARMS) - set(checkpoints)
    if missing:
        raise C2IError(f"prompts.arms has {sorted(missing)}, but no checkpoint of it is given: run stage 02 for it")
    with Stage(folder, key, inputs) as stage:
        if not stage.done:
            n_tokens = json.loads(Path(length_file).read_text(encoding="utf-8"))["tokens"]
            parts = []
            for arm in profile.prompts.arms:
                part = folder / f"part_{arm}.json"
                if not part.is_file():
                    model_id = (str(checkpoints[arm]), None) if arm in checkpoints else base
                    write_json(part, _write_arm(arm, model_id, concepts, n_tokens, profile))
                parts += json.loads(part.read_text(encoding="utf-8"))
            table = pd.DataFrame(parts)
            table["perplexity"] = perplexity(load_language_model(*base), load_tokenizer(*base), table["text"]).round(3)
            captions = read_table(train_file)["text"].tolist()
            table = pd.concat([table, nearest_captions(table["text"], captions)], axis=1)
            write_table(folder / "prompts.parquet", table)
            for part in folder.glob("part_*.json"):
                part.unlink()
    return pd.read_parquet(folder / "prompts.parquet")
