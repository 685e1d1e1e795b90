"""Pictures: ours against the loop of diffusers' quick tour, on the embedded model.

``ours``: the ``cpu`` profile's settings (DPM-Solver++, 20 steps, batches). ``peer``: one prompt a call, the scheduler
that the model's folder names, 50 steps, fp32. Prompts, seeds and guidance are the same, so that each prompt has a pair
of pictures; the embedded judges score both. They take turns, so that a busy machine slows both.

    python benchmarks/images.py [--quick]

The last line is one JSON object: images a second, their ratio, and the mean difference of scores (ours less the peer's)
with its 95 % interval over prompts.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import platform
import random
import time

import numpy as np
import torch
from diffusers import DiffusionPipeline

from c2i_lib.config import load_profile
from c2i_lib.embedded.models import resolve
from c2i_lib.embedded.pairs import make_pairs
from c2i_lib.models.device import quiet_libraries
from c2i_lib.models.judges import load_judge
from c2i_lib.stages.images import load_pipeline, render, to_pixels

REQUIRED_RATIO = 4
PEER_STEPS = 50  # diffusers' default


def choose_prompts(n: int, seed: int) -> tuple[list[str], list[str]]:
    """``n`` different embedded captions of one thing each, and the things' names, against which pictures are judged."""
    ordinary = [pair for pair in make_pairs() if pair.kind == "ordinary" and len(pair.scene.things) == 1]
    single = {pair.caption: pair.scene.things[0].name for pair in ordinary}
    prompts = random.Random(seed).sample(sorted(single), n)
    return prompts, [single[prompt] for prompt in prompts]


def difference(ours: np.ndarray, peer: np.ndarray) -> list[float]:
    """Mean of ours less the peer's, and its 95 % bootstrap interval over prompts."""
    differences, draws = ours - peer, np.random.default_rng(0)
    means = differences[draws.integers(0, len(differences), (10_000, len(differences)))].mean(1)
    return [round(float(value), 4) for value in (differences.mean(), *np.quantile(means, (0.025, 0.975)))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="20 prompts in place of 60, within a minute")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    quiet_libraries()
    profile = load_profile("cpu")
    settings = profile.images
    prompts, concepts = choose_prompts(20 if args.quick else 60, args.seed)
    seeds = range(args.seed, args.seed + len(prompts))
    pipeline = load_pipeline(settings)
    peer = DiffusionPipeline.from_pretrained(resolve(settings.model), use_safetensors=True)
    peer.set_progress_bar_config(disable=True)

    def render_ours(batch: slice) -> list[np.ndarray]:
        return render(pipeline, prompts[batch], seeds[batch], settings)

    def render_peer(batch: slice) -> list[np.ndarray]:
        images = []
        for prompt, seed in zip(prompts[batch], seeds[batch], strict=True):
            noise = torch.Generator().manual_seed(seed)
            images += list(peer(prompt, generator=noise, guidance_scale=settings.guidance, output_type="np").images)
        return images

    render_ours(slice(0, 2)), render_peer(slice(0, 1))  # warm up
    seconds, pictures = {"ours": 0.0, "peer": 0.0}, {"ours": [], "peer": []}
    for start in range(0, len(prompts), settings.batch_size):
        for name, work in (("ours", render_ours), ("peer", render_peer)):
            started = time.perf_counter()
            images = work(slice(start, start + settings.batch_size))
            seconds[name] += time.perf_counter() - started
            pictures[name] += [to_pixels(image) for image in images]
    figures = {"machine": f"{platform.processor() or platform.machine()}, {multiprocessing.cpu_count()} cores"}
    figures |= {"prompts": len(prompts), "ours_steps": settings.steps, "peer_steps": PEER_STEPS}
    figures["peer_scheduler"] = type(peer.scheduler).__name__
    figures |= {f"{name}_images_per_second": round(len(prompts) / spent, 3) for name, spent in seconds.items()}
    figures["times_peer"] = round(seconds["peer"] / seconds["ours"], 2)
    for question in ("quality", "faithfulness"):
        judge = load_judge(getattr(profile.judges, question))
        scores = {name: np.asarray(judge.score(images, concepts)) for name, images in pictures.items()}
        figures |= {f"{name}_{question}": round(float(values.mean()), 4) for name, values in scores.items()}
        figures[f"{question}_difference"] = difference(scores["ours"], scores["peer"])
    print(f"required: at least {REQUIRED_RATIO} times, and intervals of the differences that hold 0")
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
