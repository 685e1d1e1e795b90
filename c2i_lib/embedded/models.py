"""Model ids of the embedded world → ordinary Hugging Face folders on disk, made once and cached.

``embedded:smollm2-135m`` is converted from the GGUF file of its package; ``embedded:scenes``, which draws, is put
together from the repository's weights and the text encoder's package; the judges lie in the repository:
``embedded:quality`` and ``embedded:parts``, which report, ``embedded:quality-selecting`` and ``embedded:match``, which
select.
"""

from __future__ import annotations

import shutil
import warnings
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from c2i_lib.config import cache_dir
from c2i_lib.embedded.packages import minilm_folder, smollm2_file
from c2i_lib.errors import ModelError
from c2i_lib.records.files import atomic_dir, hash_of, sha256_of

if TYPE_CHECKING:
    from diffusers import StableDiffusionPipeline

WEIGHTS = Path(__file__).parent / "weights"
PROMPT_TOKENS = 32  # tokens of a prompt that the embedded TTI model was trained to see


def _language_model_folder() -> Path:
    """SmolLM2-135M-Instruct as a fp16 Hugging Face checkpoint (Apache-2.0)."""
    source = smollm2_file()
    folder = cache_dir() / f"smollm2-135m-{source.stat().st_size}"
    if not (folder / "config.json").is_file():
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        print(f"converting {source.name} once into {folder}")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tokenizer = AutoTokenizer.from_pretrained(source.parent, gguf_file=source.name)
            model = AutoModelForCausalLM.from_pretrained(source.parent, gguf_file=source.name, dtype=torch.float16)
        # The weights are no longer quantised; without this, saving would try to write GGUF tensors.
        model.hf_quantizer = None
        if hasattr(model.config, "quantization_config"):
            del model.config.quantization_config
        with atomic_dir(folder) as temporary:
            model.save_pretrained(temporary)
            tokenizer.save_pretrained(temporary)
    return folder


def tti_weights() -> Path:
    """Where the trained parts of ``embedded:scenes`` lie: ``unet``, ``vae`` and ``scheduler``."""
    return WEIGHTS / "scenes"


def _tti_folder() -> Path:
    """The TTI model of scenes as a ``StableDiffusionPipeline`` folder, with MiniLM as its text encoder."""
    import_module("c2i_lib.embedded.autoencoder")  # diffusers loads parts of imported modules only
    weights = tti_weights()
    files = sorted(path for path in weights.rglob("*") if path.suffix in (".json", ".safetensors"))
    version = hash_of([PROMPT_TOKENS, *(sha256_of(path) for path in files)])
    folder = cache_dir() / f"scenes-{version[:12]}"
    if not (folder / "model_index.json").is_file():
        with atomic_dir(folder) as temporary:
            assemble_pipeline(weights).save_pretrained(temporary)
            shutil.copy(WEIGHTS / "LICENSE", temporary / "LICENSE")
    return folder


def assemble_pipeline(weights: Path) -> StableDiffusionPipeline:
    """A ``StableDiffusionPipeline`` from ``weights/{unet,vae,scheduler}`` and the packaged MiniLM."""
    import torch
    from diffusers import DPMSolverMultistepScheduler, StableDiffusionPipeline, UNet2DConditionModel
    from transformers import AutoModel, AutoTokenizer

    from c2i_lib.embedded.autoencoder import PatchAutoencoder

    tokenizer = AutoTokenizer.from_pretrained(minilm_folder())
    tokenizer.model_max_length = PROMPT_TOKENS
    text_encoder = AutoModel.from_pretrained(minilm_folder(), add_pooling_layer=False)
    text_encoder.config.use_attention_mask = True  # the pipeline then hands the mask to the text encoder
    return StableDiffusionPipeline(
        vae=PatchAutoencoder.from_pretrained(weights / "vae", torch_dtype=torch.float32),
        text_encoder=text_encoder,
        tokenizer=tokenizer,
        unet=UNet2DConditionModel.from_pretrained(weights / "unet", torch_dtype=torch.float32),
        scheduler=DPMSolverMultistepScheduler.from_pretrained(weights / "scheduler"),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


_FOLDERS = {
    "embedded:smollm2-135m": _language_model_folder,
    "embedded:scenes": _tti_folder,
    "embedded:quality": lambda: WEIGHTS / "quality",
    "embedded:quality-selecting": lambda: WEIGHTS / "quality_selecting",
    "embedded:parts": lambda: WEIGHTS / "parts",
    "embedded:match": lambda: WEIGHTS / "match",
}


def resolve(model: str) -> str:
    """The folder of an ``embedded:`` id; any other id (folder or hub id) as it is.

    Raises ``ModelError`` for an unknown embedded id, ``MissingPackageError`` when a package is missing.
    """
    if not model.startswith("embedded:"):
        return model
    if model not in _FOLDERS:
        raise ModelError(f"unknown embedded model {model!r}: use one of {', '.join(_FOLDERS)}, a folder or a hub id")
    return str(_FOLDERS[model]())
