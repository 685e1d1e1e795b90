"""Make the ready writer: ``ft_good``, finetuned on captions of the embedded world, small enough to lie in git.

    python tools/make_ready_writer.py [--run-dir FOLDER]

Runs notebooks 01 and 02 of a profile of its own in FOLDER, then keeps the layers that trained (fp16), the captions, and
a caption's length in ``c2i_lib/embedded/weights/writer``. Two layers train, and not four as in the study: they are
14 MB. About 12 minutes on 2 cores with bf16. Run again, it goes on where it was.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import yaml
from safetensors import safe_open
from safetensors.torch import save_file

from c2i_lib.config import load_profile
from c2i_lib.embedded.models import resolve
from c2i_lib.records.files import atomic_dir
from c2i_lib.run.pipeline import run_notebooks
from c2i_lib.run.places import Run, plan_run
from c2i_lib.run.ready import ARM, FILES, LAYERS, SOURCE

SETTINGS = {
    "captions": {"n_finetune": 8_000, "n_mining": 1_000, "n_length": 4_000},
    "language_model": {"frozen_layers": 28},
    "finetuning": {"arms": [ARM], "held_out_model": False, "epochs": 3, "checkpoint_every": 100},
    "prompts": {"arms": ["concept_only", ARM]},
    "survey": {"arms": ["concept_only", ARM]},
}


def write_profile(path: Path) -> None:
    """The ``cpu`` profile with ``SETTINGS``."""
    settings = load_profile("cpu").model_dump(mode="json") | {"name": path.stem, "label": "the ready writer"}
    for section, own in SETTINGS.items():
        settings[section] |= own
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")


def pack(run: Run) -> None:
    """Write what the library keeps of a run."""
    checkpoint, base = run.folder(2) / ARM / "model.safetensors", Path(resolve(run.profile.language_model.model))
    with (
        safe_open(checkpoint, "pt") as trained,
        safe_open(base / "model.safetensors", "pt") as before,
        atomic_dir(SOURCE) as folder,
    ):
        tensors = {name: trained.get_tensor(name) for name in trained.keys()}  # noqa: SIM118
        changed = {name: own for name, own in tensors.items() if not own.equal(before.get_tensor(name))}
        save_file(changed, folder / LAYERS)
        for source, target in FILES.items():
            shutil.copy(run.directory / target, folder / source)
        size = sum(path.stat().st_size for path in folder.iterdir()) / 1e6
        print(f"{len(changed)} tensors changed; {SOURCE} is {size:.1f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run-dir", type=Path, default=Path("runs/ready_writer"))
    args = parser.parse_args()
    profile = args.run_dir.parent / "ready_writer.yaml"
    write_profile(profile)
    run = plan_run(profile, args.run_dir)
    run_notebooks(run, str(profile), {}, 1, 2)
    pack(run)


if __name__ == "__main__":
    main()
