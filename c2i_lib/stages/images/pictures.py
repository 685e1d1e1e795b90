"""PNG files that say how they were made, and notice when they were changed.

In: float images and metadata. Out: PNGs whose text chunk ``c2i`` is JSON: the metadata, and a hash of it and of the
pixels. The chunk ``parameters`` says what other tools read, in the words of Automatic1111's web UI. ``describe`` says
what a picture tells about itself and the command that makes it again.
"""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from c2i_lib.config import Images
from c2i_lib.errors import C2IError
from c2i_lib.records.files import atomic_path, hash_of
from c2i_lib.records.sources import versions_of
from c2i_lib.stages.images.pipelines import SCHEDULERS, precision_of

METADATA_KEY = "c2i"
PARAMETERS_KEY = "parameters"
# As Automatic1111's web UI calls them.
_SAMPLERS = {
    "dpm++": "DPM++ 2M",
    "ddim": "DDIM",
    "euler": "Euler",
    "euler_a": "Euler a",
    "unipc": "UniPC",
    "lcm": "LCM",
}
_PACKAGES = ("torch", "diffusers", "transformers", "numpy", "pillow")


def picture_metadata(settings: Images, profile: str, command: Sequence[str], **own: Any) -> dict:
    """What a picture keeps about itself: ``own`` (prompt, concept, arm, seeds …), the settings, versions, and the
    arguments of the ``command`` that makes it, without its run."""
    kept = settings.model_dump(exclude={"batch_size"})
    kept |= {
        "precision": precision_of(settings),
        "scheduler_class": SCHEDULERS.get(settings.scheduler, "the model's own"),
    }
    return {**own, **kept, "profile": profile, "command": list(command), "versions": versions_of(_PACKAGES)}


def to_pixels(image: np.ndarray) -> np.ndarray:
    """An image in [0, 1] as uint8. NaN pixels become black."""
    return (np.nan_to_num(image, posinf=0).clip(0, 1) * 255).round().astype(np.uint8)


def _digest(pixels: np.ndarray, metadata: Mapping[str, Any]) -> str:
    return hash_of([metadata, pixels.shape, hashlib.sha256(pixels.tobytes()).hexdigest()])


def generation_parameters(metadata: Mapping[str, Any]) -> str:
    """Prompt, negative prompt and settings as Automatic1111's web UI writes them; nothing where they are not all known.

    A value with a comma or a colon is quoted, as there.
    """
    needed = ("prompt", "steps", "scheduler", "guidance", "seed", "size", "model")
    if any(name not in metadata for name in needed):
        return ""
    values = {
        "Steps": metadata["steps"],
        "Sampler": _SAMPLERS.get(metadata["scheduler"], "the model's own"),
        "CFG scale": metadata["guidance"],
        "Seed": metadata["seed"],
        "Size": f"{metadata['size']}x{metadata['size']}",
        "Model": Path(metadata["model"]).name.replace(":", "-"),
    }
    texts = {name: str(value) for name, value in values.items()}
    texts = {name: json.dumps(text) if set(text) & set(",:\n") else text for name, text in texts.items()}
    negative = metadata.get("negative_prompt")
    lines = [metadata["prompt"], *([f"Negative prompt: {negative}"] if negative else [])]
    return "\n".join([*lines, ", ".join(f"{name}: {text}" for name, text in texts.items())])


def save_png(image: np.ndarray, path: Path, metadata: dict) -> None:
    """Write an image in [0, 1] with ``metadata`` as JSON in its text chunk ``c2i``, and what other tools read of it in
    ``parameters``. NaN pixels become black."""
    pixels, info = to_pixels(image), PngInfo()
    info.add_text(METADATA_KEY, json.dumps({**metadata, "sha256": _digest(pixels, metadata)}, sort_keys=True))
    if parameters := generation_parameters(metadata):
        info.add_text(PARAMETERS_KEY, parameters)
    with atomic_path(path) as temporary:
        Image.fromarray(pixels).save(temporary, pnginfo=info)


def read_metadata(path: Path) -> dict | None:
    """The metadata that ``save_png`` wrote, or None when the file is not a whole picture of ours, pixel by pixel."""
    try:
        with Image.open(path) as image:
            image.load()
            metadata = json.loads(image.info[METADATA_KEY])
            digest = metadata.pop("sha256")
            return metadata if digest == _digest(np.asarray(image), metadata) else None
    except (OSError, KeyError, AttributeError, SyntaxError, ValueError):
        return None


def read_images(paths: Iterable[Path]) -> np.ndarray:
    """``(n, height, width, 3)`` uint8."""
    return np.stack([np.asarray(Image.open(path).convert("RGB")) for path in paths])


def describe(path: Path, run_dir: Path | None = None) -> str:
    """What a picture knows about itself, and the command that makes it again, for people to read.

    ``run_dir``: the run that it came from, where it was moved; else a picture in a run's folder finds its run itself,
    and one of ``imagine`` names it, unless it is the profile's own.
    Raises ``C2IError`` when the file is not a whole picture of c2i's.
    """
    path = Path(path)
    metadata = read_metadata(path)
    if metadata is None:
        raise C2IError(f"{path} is not a picture that c2i made, or was changed since: expected a PNG as c2i wrote it")
    versions = ", ".join(f"{name} {version}" for name, version in metadata.pop("versions").items())
    arguments, profile = metadata.pop("command"), metadata.pop("profile")
    lines = [
        f"{name.replace('_', ' '):<16} {_readable(value)}"
        for name, value in metadata.items()
        if value not in (None, "")
    ]
    run_dir = run_dir or metadata.get("run")
    own_run = path.resolve().parent.parent
    if (own_run / "profile.yaml").is_file():
        run_dir = own_run
    place = ["--profile", str(Path(run_dir) / "profile.yaml"), "--run-dir", str(run_dir)] if run_dir else []
    command = shlex.join(["python", "-m", "c2i_lib", *arguments, *(place or ["--profile", profile])])
    note = "to make it again" if arguments[0] != "run" else "to make it again (delete it first: what is whole stays)"
    return "\n".join([*lines, f"{'profile':<16} {profile}", f"{'versions':<16} {versions}", "", f"{note}:", command])


def _readable(value: Any) -> str:
    """A value of the metadata in one line."""
    if isinstance(value, dict):
        return "; ".join(f"{name}: {item}" for name, item in value.items())
    return "; ".join(map(str, value)) if isinstance(value, list) else str(value)
