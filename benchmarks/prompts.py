"""Prompts: all concepts and samples in batches against a loop of single ``generate`` calls, on the same seeds.

The loop is what people write: one concept and one seed a call, the library's own warpers, and Gumbel-max noise from the
same generators in place of its sampling, so that the very same texts must come out; that is checked. Ours runs first on
one concept, so that neither pays for the first use. The last line printed is one JSON object.
"""

import argparse
import json
import multiprocessing
import platform
import time

import torch
from transformers import LogitsProcessor
from transformers.generation import (
    SuppressTokensAtBeginLogitsProcessor,
    TemperatureLogitsWarper,
    TopPLogitsWarper,
)

from c2i_lib.config import load_profile
from c2i_lib.records.files import seed_of
from c2i_lib.stages.prompts import Wanted, Writer

CONCEPTS = (
    "red bicycle,cat,old guitar,penguin,house,wooden boat,dog,birthday cake,mountain lake,tree,small garden,coffee cup,"
    "horse,rainbow,black umbrella,castle,airplane,summer dress,clock,bridge"
).split(",")
N_TOKENS = 16


class Noise(LogitsProcessor):
    def __init__(self, seed: int):
        self.generator = torch.Generator().manual_seed(seed)

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        uniform = torch.rand(scores.shape[1], generator=self.generator, dtype=torch.float64)
        return scores - (-torch.log1p(-uniform)).log()


@torch.inference_mode()
def one_call(writer: Writer, one: Wanted) -> str:
    """The text of one prompt, from a ``generate`` call of its own."""
    settings, tokenizer = writer.settings, writer.tokenizer
    ids = torch.tensor([writer.reads(one.concept)])
    output = writer.sampler.model.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        max_new_tokens=max(2, N_TOKENS - writer.count(one.concept)),
        do_sample=False,
        logits_processor=[
            SuppressTokensAtBeginLogitsProcessor(writer.word_parts, ids.shape[1]),
            TemperatureLogitsWarper(settings.temperature),
            TopPLogitsWarper(settings.top_p),
            Noise(one.seed),
        ],
    )
    return " ".join(tokenizer.decode(output[0], skip_special_tokens=True).split())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few concepts, within a minute")
    parser.add_argument("--concepts", type=int, default=20, help="at most 20 (default: 20)")
    parser.add_argument("--samples", type=int, default=5, help="prompts a concept (default: 5)")
    args = parser.parse_args()
    n_concepts, n_samples = (4, 4) if args.quick else (args.concepts, args.samples)
    # Redraws and cuts are no part of the comparison. One batch holds a whole group of equally long concepts.
    profile = load_profile("cpu", {"prompts.max_redraws": 0, "prompts.batch_size": 200})
    writer = Writer("base", profile)
    wanted = [Wanted(c, n, seed_of(0, c, n)) for c in CONCEPTS[:n_concepts] for n in range(n_samples)]
    writer.write(wanted[:1], N_TOKENS)

    start = time.perf_counter()
    ours = [prompt.text for prompt in writer.write(wanted, N_TOKENS)]
    ours_seconds = time.perf_counter() - start
    start = time.perf_counter()
    loop = [one_call(writer, one) for one in wanted]
    loop_seconds = time.perf_counter() - start
    same = sum(one == other for one, other in zip(ours, loop, strict=True))
    print(f"ours {ours_seconds:.1f} s, loop {loop_seconds:.1f} s, {same} of {len(wanted)} texts the same")
    for one in ours[::n_samples][:5]:
        print(f"  {one}")
    figures = {
        "machine": f"{platform.processor() or platform.machine()}, {multiprocessing.cpu_count()} cores",
        "torch_threads": torch.get_num_threads(),
        "prompts": len(wanted),
        "same_texts": same,
        "drawn_again_in_double_precision": writer.sampler.redone,
        "ours_prompts_per_second": round(len(wanted) / ours_seconds, 2),
        "loop_prompts_per_second": round(len(wanted) / loop_seconds, 2),
        "ratio": round(loop_seconds / ours_seconds, 2),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
