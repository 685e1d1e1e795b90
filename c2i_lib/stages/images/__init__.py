"""Stage 05: prompts → images, with a TTI model that is never modified.

In: ``prompts.parquet``. Out, in ``05_images/``: ``<image_id>.png``, each with all that it was made from in its metadata
(``pictures.py``), and ``images.parquet`` (``image_id, prompt_id, arm, replicate, concept, sample, prompt, seed, path,
sha256, flagged``: nan, blank, unsafe by the model's checker, or explicit by its prompt). Images that exist and are
whole are not rendered again. ``pipelines.py`` loads and runs the model.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
from tqdm import tqdm

from c2i_lib.config import Profile
from c2i_lib.models.distributed import Processes, stage_of_all
from c2i_lib.records.files import seed_of, sha256_of, write_table
from c2i_lib.records.stage import read_table
from c2i_lib.stages.images.pictures import describe, picture_metadata, read_images, read_metadata, save_png, to_pixels
from c2i_lib.stages.images.pipelines import flag, load_pipeline, precision_of, render, render_and_flag

__all__ = [
    "describe",
    "flag",
    "generate_images",
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
_REMAKE = ("run", "--from", "5", "--to", "5")


def image_seed(row: NamedTuple, profile: Profile) -> int:
    """The seed of an image's first noise: the same in all arms, so that arms are compared under equal noise."""
    return seed_of(profile.seed, "image", row.concept, row.sample)


def _metadata(row: NamedTuple, profile: Profile) -> dict[str, Any]:
    own = {"prompt": row.text, "concept": row.concept, "arm": row.arm, "sample": int(row.sample)}
    own |= {"replicate": int(row.replicate)}
    own |= {"prompt_seed": int(row.seed), "seed": image_seed(row, profile)}
    return picture_metadata(profile.images, profile.name, _REMAKE, **own)


def _is_rendered(path: Path, expected: dict[str, Any]) -> bool:
    """Whether the picture is there, whole, and made of the very same prompt, seed, model and settings."""
    found = read_metadata(path)
    return found is not None and {**expected, "flagged": found.get("flagged")} == found


def generate_images(prompts_file: Path, out_dir: Path, profile: Profile) -> pd.DataFrame:
    """Render every prompt with its seed and return ``images.parquet``.

    Called in every process of ``accelerate launch``, it shares the images out. Raises ``ModelError`` when the TTI model
    cannot be loaded, ``C2IError`` when the device lacks the precision or the memory.
    """
    folder, processes = Path(out_dir), Processes()
    settings = profile.images.model_dump(exclude={"batch_size"}) | {"precision": precision_of(profile.images)}
    key = {"seed": profile.seed, **settings}
    with stage_of_all(processes, folder, key, [prompts_file], __name__, need_mb=200) as done:
        if not done:
            wanted = list(read_table(prompts_file).itertuples(index=False))
            # The main process looks, so that all share out the same list.
            missing = processes.same(_missing(wanted, folder, profile) if processes.is_main else None)
            _render([wanted[place] for place in missing], folder, profile, processes)
            processes.wait()
            if processes.is_main:
                write_table(folder / "images.parquet", _table(wanted, folder, profile))
            processes.wait()
    return pd.read_parquet(folder / "images.parquet")


def _missing(wanted: list[NamedTuple], folder: Path, profile: Profile) -> list[int]:
    """Places of the prompts whose pictures are not there yet, or not whole."""
    return [
        place
        for place, row in enumerate(wanted)
        if not _is_rendered(folder / f"{row.prompt_id}.png", _metadata(row, profile))
    ]


def _render(missing: list[NamedTuple], folder: Path, profile: Profile, processes: Processes) -> None:
    """Render this process's share; each picture is on the disk as soon as its batch is done."""
    if not missing:
        return
    with processes.main_first():  # one alone fetches or puts together the model
        pipeline = load_pipeline(profile.images)
    own = processes.share(missing)
    seeds = [image_seed(row, profile) for row in own]
    rendered = render_and_flag(pipeline, [row.text for row in own], seeds, profile.images)
    for row, (image, flagged) in zip(
        tqdm(own, desc="images", mininterval=2, disable=not processes.is_main), rendered, strict=True
    ):
        flagged = flagged or "explicit" * row.explicit
        save_png(image, folder / f"{row.prompt_id}.png", {**_metadata(row, profile), "flagged": flagged})


def _table(wanted: list[NamedTuple], folder: Path, profile: Profile) -> pd.DataFrame:
    rows = []
    for row in wanted:
        path = folder / f"{row.prompt_id}.png"
        kept = (row.prompt_id, row.prompt_id, row.arm, row.replicate, row.concept, row.sample, row.text)
        rows.append((*kept, image_seed(row, profile), path.name, sha256_of(path), read_metadata(path)["flagged"]))
    columns = "image_id prompt_id arm replicate concept sample prompt seed path sha256 flagged".split()
    return pd.DataFrame(rows, columns=columns)
