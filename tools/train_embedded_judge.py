"""Train the embedded judge: an image encoder that places glyph pictures beside MiniLM's caption embeddings.

Data: ``make_pairs()`` (the TTI model's own pairs) and their pictures. Loss: contrastive, image to text and back;
pictures of the same glyphs count as positives of each other; plus a small head that names the degradation, so
that the features, in which realism is measured, tell clean pictures from poor ones.
Out: ``<out>/model.safetensors`` (fp16) and ``judge.json`` (calibration and held-out figures).

    python tools/train_embedded_judge.py --epochs 12
"""

from __future__ import annotations

import argparse
import json
import math
import random
from pathlib import Path

import torch
from embedded_data import autocast, render_all, to_tensor
from safetensors.torch import save_file
from torch import nn
from tqdm import tqdm

from c2i_lib.embedded.captions import DEGRADATIONS, Pair, make_pairs
from c2i_lib.embedded.glyphs import load_glyphs
from c2i_lib.embedded.rendering import render
from c2i_lib.models.judges.glyph_encoder import GlyphEncoder, neighbour_radii, realism
from c2i_lib.text.embeddings import embed_texts

HELD_OUT_SEED = 99  # of make_pairs: other captions, backgrounds, sizes and noise than in training
N_HELD_OUT = 6000  # before those whose very picture was in training are dropped
N_REFERENCE = 4000


def usable(pairs: list[Pair]) -> list[Pair]:
    """Pairs whose caption names what the picture shows."""
    return [pair for pair in pairs if pair.kind not in ("junk", "empty")]


def subject(pair: Pair) -> str:
    names = {glyph.code: glyph.name for glyph in load_glyphs()}
    return " and ".join(names[code] for code in pair.codes)


def load(pairs: list[Pair]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Images uint8 ``(n, 64, 64, 3)``, caption and subject embeddings ``(n, 384)``, glyph ids, degradations."""
    images = torch.from_numpy(render_all(pairs))
    captions, subjects = (
        embed_texts(texts) for texts in ([pair.caption for pair in pairs], [subject(pair) for pair in pairs])
    )
    ids = {codes: number for number, codes in enumerate(sorted({pair.codes for pair in pairs}))}
    glyphs = torch.tensor([ids[pair.codes] for pair in pairs])
    kinds = (None, *DEGRADATIONS)
    return images, captions, subjects, glyphs, torch.tensor([kinds.index(pair.degradation) for pair in pairs])


def train(encoder: GlyphEncoder, data: tuple, epochs: int, batch_size: int = 256) -> None:
    images, captions, subjects, glyphs, degradations = data
    head = nn.Linear(256, 1 + len(DEGRADATIONS))
    log_scale = nn.Parameter(torch.tensor(math.log(15.0)))
    parameters = [*encoder.parameters(), *head.parameters(), log_scale]
    optimizer = torch.optim.AdamW(parameters, 2e-3, weight_decay=0.05)
    n_steps = epochs * (len(images) // batch_size)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=n_steps, pct_start=0.1)
    encoder.train()
    progress = tqdm(range(n_steps), desc="train judge", mininterval=10)
    for step in progress:
        if step % (len(images) // batch_size) == 0:
            order = torch.randperm(len(images))
        rows = order[(step * batch_size) % (len(images) - batch_size + 1) :][:batch_size]
        pixels = to_tensor(images[rows].numpy())
        texts = torch.where(torch.rand(len(rows), 1) < 0.5, captions[rows], subjects[rows])
        with autocast():
            features, embeddings = encoder(pixels)
        logits = log_scale.exp().clamp(max=60) * embeddings.float() @ texts.T
        same = (glyphs[rows][:, None] == glyphs[rows][None]).float()
        targets = same / same.sum(1, keepdim=True)
        contrast = nn.functional.cross_entropy(logits, targets) + nn.functional.cross_entropy(logits.T, targets)
        named = nn.functional.cross_entropy(head(features.float()), degradations[rows])
        loss = contrast / 2 + 0.5 * named
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 50 == 0:
            progress.set_postfix(contrast=f"{contrast.item() / 2:.3f}", degradation=f"{named.item():.3f}")


@torch.inference_mode()
def encode(encoder: GlyphEncoder, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    encoder.eval()
    features, embeddings = zip(*(encoder(to_tensor(batch.numpy())) for batch in images.split(256)), strict=True)
    return torch.cat(features), torch.cat(embeddings)


def reference(encoder: GlyphEncoder, clean: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Features and radii of clean pictures, each picture once: a duplicate would have a radius of 0.

    The half with the larger radii is left out, as in Kynkäänniemi et al. 2019, section 4.
    """
    distinct = list({picture.tobytes(): index for index, picture in enumerate(clean.numpy())}.values())
    chosen = sorted(random.Random(0).sample(distinct, min(N_REFERENCE, len(distinct))))
    real = encode(encoder, clean[chosen])[0]
    radii = neighbour_radii(real)
    dense = radii <= radii.median()
    assert (radii > 0).all()
    return real[dense], radii[dense]


def area_under_curve(positive: torch.Tensor, negative: torch.Tensor) -> float:
    """Share of (positive, negative) pairs in the right order, ties counted half."""
    difference = positive[:, None] - negative[None]
    return float(((difference > 0).float() + 0.5 * (difference == 0).float()).mean())


def calibrate(matched: torch.Tensor, mismatched: torch.Tensor) -> tuple[float, float]:
    """Slope and intercept of the logistic regression of "matched" on the cosine (both classes weigh alike)."""
    line = torch.tensor([10.0, -3.0], requires_grad=True)
    optimizer = torch.optim.LBFGS([line], max_iter=200)

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = nn.functional.softplus(-(line[0] * matched + line[1])).mean()
        loss = loss + nn.functional.softplus(line[0] * mismatched + line[1]).mean()
        loss.backward()
        return loss

    optimizer.step(closure)
    return line[0].item(), line[1].item()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("c2i_lib/embedded/weights/judge"))
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    data = load(usable(make_pairs()))
    encoder = GlyphEncoder()
    train(encoder, data, args.epochs)

    tensors = {name: tensor.half() for name, tensor in encoder.state_dict().items() if tensor.is_floating_point()}
    encoder.load_state_dict({name: tensor.float() for name, tensor in tensors.items()}, strict=False)  # as shipped
    images, _, _, _, degradations = data
    real, radii = reference(encoder, images[degradations == 0])

    held_out = usable(make_pairs(N_HELD_OUT, HELD_OUT_SEED))
    seen = {picture.tobytes() for picture in images.numpy()}
    held_out = load([pair for pair in held_out if render(pair).tobytes() not in seen])
    features, embeddings = encode(encoder, held_out[0])
    matched = (embeddings * held_out[2]).sum(1)
    shift = torch.randperm(len(embeddings))
    other = held_out[3] != held_out[3][shift]
    mismatched = (embeddings * held_out[2][shift]).sum(1)[other]
    slope, intercept = calibrate(matched, mismatched)
    scores = realism(features, real.half().float(), radii.half().float())
    report = {
        "slope": slope,
        "intercept": intercept,
        "n_reference": len(real),
        "n_held_out": len(embeddings),
        "n_held_out_clean": int((held_out[4] == 0).sum()),
        "auc_matched_against_mismatched": area_under_curve(matched, mismatched),
        "auc_clean_against_degraded": area_under_curve(scores[held_out[4] == 0], scores[held_out[4] > 0]),
    }
    args.out.mkdir(parents=True, exist_ok=True)
    tensors = {**tensors, "real_features": real.half(), "real_radii": radii.half()}
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, args.out / "model.safetensors")
    (args.out / "judge.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(report))


if __name__ == "__main__":
    main()
