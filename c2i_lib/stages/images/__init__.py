"""Stage 05: prompts → images, with a TTI model that is never modified.

In: ``prompts.parquet``. Out, in ``05_images/``: ``<image_id>.png``, each with all that it was made from in its metadata
(``pictures.py``), and ``images.parquet`` (``IMAGE_COLUMNS``; ``flagged``: nan, blank, unsafe by the model's checker, or
explicit by its prompt). Images that exist and are whole are not rendered again. A run that was killed and goes on, or
that two processes share, forms other batches than one that ran through: its pictures are the same to within one level
of 255, their hashes are not (``pipelines.py``, which loads and runs the model, says what is promised). Where nothing of
this changes, the files are the same bytes. Ignored: the concepts.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
from tqdm import tqdm

from c2i_lib.config import Images
from c2i_lib.models.distributed import Processes, stage_of_all
from c2i_lib.records.files import seed_of, sha256_of, write_table
from c2i_lib.records.stage import read_table
from c2i_lib.stages.images.pictures import (
    describe,
    generation_parameters,
    picture_metadata,
    read_images,
    read_metadata,
    save_png,
    to_pixels,
)
from c2i_lib.stages.images.pipelines import flag, load_pipeline, precision_of, render, render_and_flag

__all__ = [
    "describe",
    "flag",
    "generate_images",
    "generation_parameters",
    "image_seed",
    "load_pipeline",
    "picture_metadata",
    "read_images",
    "read_metadata",
    "render",
    "render_and_flag",
    "save_png",
    "to_pixels",
]
IMAGE_COLUMNS = {
    "image_id": "str",
    "prompt_id": "str",
    "arm": "str",
    "replicate": "int64",
    "concept": "str",
    "sample": "int64",
    "prompt": "str",
    "seed": "int64",
    "path": "str",
    "sha256": "str",
    "flagged": "str",
}
_REMAKE = ("run", "--from", "5", "--to", "5")


@dataclass(frozen=True)
class _Job:
    """A picture to be made: its prompt's ``row``, its ``path``, and all that it is made from (``metadata``)."""

    row: NamedTuple
    path: Path
    metadata: dict[str, Any]


def image_seed(seed: int, concept: str, sample: int) -> int:
    """The seed of an image's first noise: the same in all arms, so that arms are compared under equal noise.

    ``seed``: the profile's; ``sample``: the number of the prompt among those of its concept.
    """
    return seed_of(seed, "image", concept, sample)


def _job(row: NamedTuple, folder: Path, settings: Images, seed: int, profile: str) -> _Job:
    own = {"prompt": row.text, "concept": row.concept, "arm": row.arm, "sample": int(row.sample)}
    own |= {"replicate": int(row.replicate)}
    own |= {"prompt_seed": int(row.seed), "seed": image_seed(seed, row.concept, row.sample)}
    return _Job(row, folder / f"{row.prompt_id}.png", picture_metadata(settings, profile, _REMAKE, **own))


def _is_rendered(job: _Job) -> bool:
    """Whether the picture is there, whole, and made of the very same prompt, seed, model and settings."""
    metadata = read_metadata(job.path)
    return metadata is not None and {**job.metadata, "flagged": metadata.get("flagged")} == metadata


def generate_images(prompts_file: Path, out_dir: Path, settings: Images, seed: int, profile: str) -> pd.DataFrame:
    """Render every prompt with its seed and return ``images.parquet``.

    ``seed``: the profile's; ``profile``: its name, which each picture keeps. Called in every process of ``accelerate
    launch``, it shares the images out. Raises ``ModelError`` when the TTI model cannot be loaded, ``C2IError`` when the
    device lacks the precision or the memory.
    """
    folder, processes = Path(out_dir), Processes()
    key = {"seed": seed, **settings.model_dump(exclude={"batch_size"}), "precision": precision_of(settings)}
    with stage_of_all(processes, folder, key, [prompts_file], __name__, need_mb=200) as done:
        if not done:
            prompts = read_table(prompts_file).itertuples(index=False)
            jobs = [_job(row, folder, settings, seed, profile) for row in prompts]
            # The main process looks, so that all share out the same list.
            missing = [index for index, job in enumerate(jobs) if not _is_rendered(job)] if processes.is_main else None
            _render([jobs[index] for index in processes.same(missing)], settings, processes)
            processes.wait()
            if processes.is_main:
                write_table(folder / "images.parquet", _table(jobs), IMAGE_COLUMNS)
            processes.wait()
    return pd.read_parquet(folder / "images.parquet")


def _render(missing: list[_Job], settings: Images, processes: Processes) -> None:
    """Render this process's share; each picture is on the disk as soon as its batch is done."""
    if not missing:
        return
    with processes.main_first():  # one alone fetches or puts together the model
        pipeline = load_pipeline(settings)
    own = processes.share(missing)
    seeds = [job.metadata["seed"] for job in own]
    rendered = render_and_flag(pipeline, [job.row.text for job in own], seeds, settings)
    for job, (image, flagged) in zip(
        tqdm(own, desc="images", mininterval=2, disable=not processes.is_main), rendered, strict=True
    ):
        flagged = flagged or "explicit" * job.row.explicit
        save_png(image, job.path, {**job.metadata, "flagged": flagged})


def _table(jobs: list[_Job]) -> pd.DataFrame:
    rows = []
    for job in jobs:
        row, flagged = job.row, read_metadata(job.path)["flagged"]
        prompt = (row.prompt_id, row.prompt_id, row.arm, row.replicate, row.concept, row.sample, row.text)
        rows.append((*prompt, job.metadata["seed"], job.path.name, sha256_of(job.path), flagged))
    return pd.DataFrame(rows, columns=list(IMAGE_COLUMNS))
