"""Stage 05: prompts → images, with a TTI model that is never modified.

In: ``prompts.parquet``. Out, in ``05_images/``: ``<image_id>.png``, each with prompt, seed, model and sampling
settings in its metadata, and ``images.parquet`` (``image_id, prompt_id, arm, concept, sample, prompt, seed,
path, sha256, flagged``). Images that exist and are whole are not rendered again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from tqdm import tqdm

from c2i_lib.config import Images, Profile
from c2i_lib.embedded.models import resolve
from c2i_lib.errors import ModelError
from c2i_lib.files import atomic_path, seed_of, sha256_of, write_table
from c2i_lib.runtime import device, quiet_libraries
from c2i_lib.stage import Stage, package_versions, read_table

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline

_DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
METADATA_KEY = "c2i"


def load_pipeline(settings: Images) -> DiffusionPipeline:
    """The ``DiffusionPipeline`` of ``settings.model`` on ``device()``, with DPM-Solver++ as its scheduler.

    The scheduler keeps the model's own betas and prediction type. Raises ``ModelError`` when the model is not
    there.
    """
    from diffusers import DiffusionPipeline, DPMSolverMultistepScheduler

    quiet_libraries()
    try:
        pipeline = DiffusionPipeline.from_pretrained(
            resolve(settings.model),
            revision=settings.revision,
            torch_dtype=_DTYPES[settings.precision],
            use_safetensors=True,
        )
    except (OSError, ValueError) as error:
        raise ModelError(
            f"TTI model {settings.model!r} (revision {settings.revision}) cannot be loaded: {error}"
        ) from error
    config = dict(pipeline.scheduler.config) | {"timestep_spacing": "trailing"}
    pipeline.scheduler = DPMSolverMultistepScheduler.from_config(config)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline.to(device())


def render(
    pipeline: DiffusionPipeline, prompts: Sequence[str], seeds: Sequence[int], settings: Images
) -> list[np.ndarray]:
    """One ``(size, size, 3)`` float image in [0, 1] per prompt; NaN pixels stay NaN.

    The noise of an image comes from its own seed, so that it does not depend on the batch.
    """
    result: list[np.ndarray] = []
    for start in range(0, len(prompts), settings.batch_size):
        stop = start + settings.batch_size
        output = pipeline(
            list(prompts[start:stop]),
            generator=[torch.Generator().manual_seed(int(seed)) for seed in seeds[start:stop]],
            height=settings.size,
            width=settings.size,
            num_inference_steps=settings.steps,
            guidance_scale=settings.guidance,
            output_type="np",
        )
        result.extend(output.images)
    return result


def flag(image: np.ndarray) -> str:
    """Why an image should not be shown: ``"nan"``, ``"blank"`` (no contrast) or ``""`` (nothing wrong)."""
    if not np.isfinite(image).all():
        return "nan"
    return "blank" if image.std() < 0.01 else ""


def save_png(image: np.ndarray, path: Path, metadata: dict) -> None:
    """Write an image in [0, 1] with ``metadata`` as JSON in its text chunk ``c2i``. NaN pixels become black."""
    info = PngInfo()
    info.add_text(METADATA_KEY, json.dumps(metadata, sort_keys=True))
    pixels = (np.nan_to_num(image).clip(0, 1) * 255).round().astype(np.uint8)
    with atomic_path(path) as temporary:
        Image.fromarray(pixels).save(temporary, pnginfo=info)


def read_metadata(path: Path) -> dict | None:
    """The metadata that ``save_png`` wrote, or None when the file is not a whole picture of ours."""
    try:
        with Image.open(path) as image:
            image.load()
            return json.loads(image.info[METADATA_KEY])
    except (OSError, KeyError, SyntaxError, ValueError):
        return None


def read_images(paths: Iterable[Path]) -> np.ndarray:
    """``(n, height, width, 3)`` uint8."""
    return np.stack([np.asarray(Image.open(path).convert("RGB")) for path in paths])


def image_seed(row: NamedTuple, profile: Profile) -> int:
    """The seed of an image's first noise: the same in all arms, so that arms are compared under equal noise."""
    return seed_of(profile.seed, "image", row.concept, row.sample)


def _metadata(row, profile: Profile) -> dict:
    kept = {"prompt": row.text, "concept": row.concept, "arm": row.arm, "seed": image_seed(row, profile)}
    versions = {name: package_versions()[name] for name in ("torch", "diffusers", "transformers")}
    settings = profile.images.model_dump(exclude={"batch_size"})
    return {**kept, **settings, "scheduler": "DPMSolverMultistepScheduler", "profile": profile.name, **versions}


def generate_images(prompts_file: Path, out_dir: Path, profile: Profile) -> pd.DataFrame:
    """Render every prompt with its seed. Raises ``ModelError`` when the TTI model cannot be loaded."""
    settings, folder = profile.images, Path(out_dir)
    key = {"seed": profile.seed, **settings.model_dump(exclude={"batch_size"})}
    with Stage(folder, key, [prompts_file], need_mb=200) as stage:
        if not stage.done:
            prompts = read_table(prompts_file)
            wanted = [(row, folder / f"{row.prompt_id}.png") for row in prompts.itertuples()]
            missing = [(row, path) for row, path in wanted if read_metadata(path) is None]
            if missing:
                _render_missing(missing, profile)
            rows = []
            for row, path in wanted:
                flagged = read_metadata(path)["flagged"]
                kept = (
                    row.prompt_id,
                    row.prompt_id,
                    row.arm,
                    row.concept,
                    row.sample,
                    row.text,
                    image_seed(row, profile),
                )
                rows.append((*kept, path.name, sha256_of(path), flagged))
            columns = "image_id prompt_id arm concept sample prompt seed path sha256 flagged".split()
            write_table(folder / "images.parquet", pd.DataFrame(rows, columns=columns))
    return pd.read_parquet(folder / "images.parquet")


def _render_missing(missing: list, profile: Profile) -> None:
    pipeline, batch_size = load_pipeline(profile.images), profile.images.batch_size
    with tqdm(total=len(missing), desc="images", mininterval=2) as progress:
        for start in range(0, len(missing), batch_size):
            batch = missing[start : start + batch_size]
            images = render(
                pipeline, [row.text for row, _ in batch], [image_seed(row, profile) for row, _ in batch], profile.images
            )
            for (row, path), image in zip(batch, images, strict=True):
                save_png(image, path, {**_metadata(row, profile), "flagged": flag(image)})
                progress.update()
