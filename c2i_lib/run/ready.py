"""The ready writer: ``ft_good``, finetuned on captions of the embedded world, that comes with the library.

In: the layers that trained and their captions (``embedded/weights/writer``, made by ``tools/make_ready_writer.py``).
Out: a ``Run`` in the cache, whose stages 01 and 02 are done, so that the tool works before any study.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import yaml

from c2i_lib.config import Profile, cache_dir, load_profile
from c2i_lib.embedded.models import WEIGHTS, resolve
from c2i_lib.records.files import atomic_dir, hash_of, sha256_of
from c2i_lib.run.places import DEFAULT_PROFILE, Run, default_directory, find_run
from c2i_lib.stages import FOLDERS

READY = "embedded:writer"  # where a run's folder is asked for
SOURCE = WEIGHTS / "writer"
ARM = "ft_good"
FILES = {  # in SOURCE → in the run
    "length.json": f"{FOLDERS[1]}/length/length.json",
    "captions.parquet": f"{FOLDERS[1]}/finetune_train.parquet",
    "captions.json": f"{FOLDERS[1]}/stage.json",
    "stage.json": f"{FOLDERS[2]}/{ARM}/stage.json",
}
LAYERS = "layers.safetensors"  # in SOURCE: fp16, the layers that trained; all others are the base model's


def find_tool(profile: str | Path | None, run_dir: str | Path | None = None) -> Run:
    """The run that the tool works with: as ``find_run``, or the ready writer's where it is asked for by name
    (``READY``), or where nothing is asked for and the default run has not finetuned ``ARM`` yet."""
    if str(run_dir or "") == READY:
        return ready_run()
    finetuned = default_directory(DEFAULT_PROFILE) / FOLDERS[2] / ARM / "stage.json"
    if profile is None and run_dir is None and not finetuned.is_file():
        return ready_run()
    return find_run(profile, run_dir)


def ready_run() -> Run:
    """The ready writer as a run of the ``cpu`` profile, put together once."""
    profile = load_profile(DEFAULT_PROFILE)
    base = Path(resolve(profile.language_model.model))
    files = sorted(path for path in SOURCE.iterdir() if path.is_file())
    version = hash_of([base.name, profile.model_dump(mode="json"), *(sha256_of(path) for path in files)])
    directory = cache_dir() / f"writer-{version[:12]}"
    if not (directory / "profile.yaml").is_file():
        with atomic_dir(directory) as temporary:
            _unpack(temporary, base, profile)
    return Run(directory, profile, READY)


def _unpack(directory: Path, base: Path, profile: Profile) -> None:
    import torch
    from safetensors.torch import load_file
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float16)
    unknown = model.load_state_dict(load_file(SOURCE / LAYERS), strict=False).unexpected_keys
    if unknown:
        raise RuntimeError(f"{SOURCE / LAYERS} has {unknown[:3]}, which {base} has not: make it anew")
    model.save_pretrained(directory / FOLDERS[2] / ARM)
    AutoTokenizer.from_pretrained(base).save_pretrained(directory / FOLDERS[2] / ARM)
    for source, target in FILES.items():
        (directory / target).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(SOURCE / source, directory / target)
    settings = yaml.safe_dump(profile.model_dump(mode="json"), sort_keys=False)
    (directory / "profile.yaml").write_text(settings, encoding="utf-8")
