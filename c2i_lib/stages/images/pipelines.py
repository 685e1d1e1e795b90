"""A profile's TTI model → a ``diffusers`` pipeline, and prompts with seeds → pictures. The model is never modified.

In: a folder or hub id of any ``diffusers`` text-to-image pipeline with latents (Stable Diffusion 1, 2 and XL, turbo and
LCM variants, the embedded one). Out: float images. An image follows from its prompt and seed, and its noise comes from
a generator of its own. What is promised of one that is rendered again, in fp32: on the same machine, by the same
versions, with the same number of threads and in the same batch, the same bytes. In another batch or order, with other
threads or on another processor, the same picture to within one level of 255: kernels are chosen by all of these, and
add in another order. fp16 and bf16 round thousands of times more coarsely: there it is a picture much alike, and no
more is promised. Ignored: files.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import torch

from c2i_lib.config import Images
from c2i_lib.embedded.models import resolve
from c2i_lib.errors import C2IError, ModelError
from c2i_lib.models.device import device, has_bf16, quiet_libraries

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline

_DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
# Names of a profile; "model" is the model's own, which turbo and LCM variants need.
SCHEDULERS = {
    "dpm++": "DPMSolverMultistepScheduler",
    "ddim": "DDIMScheduler",
    "euler": "EulerDiscreteScheduler",
    "euler_a": "EulerAncestralDiscreteScheduler",
    "unipc": "UniPCMultistepScheduler",
    "lcm": "LCMScheduler",
}
_FOR_FLOWS = ("dpm++", "unipc")  # they know what a model of flow matching predicts


def precision_of(settings: Images) -> str:
    """``fp32``, ``fp16`` or ``bf16``; ``auto`` is bf16 where the hardware has it, else fp16 on a GPU, else fp32.

    Raises ``C2IError`` for fp16 on a processor, which computes it many times slower than fp32, if at all.
    """
    on_gpu = device().type == "cuda"
    if settings.precision == "auto":
        return "bf16" if has_bf16() else "fp16" if on_gpu else "fp32"
    if settings.precision == "fp16" and not on_gpu:
        raise C2IError("images.precision is fp16, which needs a GPU, and there is none: set it to auto")
    return settings.precision


def load_pipeline(settings: Images) -> DiffusionPipeline:
    """The ``DiffusionPipeline`` of ``settings.model`` on ``device()``, with the scheduler of the settings.

    The scheduler keeps the model's own betas and prediction type; its steps are spaced from the last one ("trailing";
    Lin et al. 2024, "Common diffusion noise schedules and sample steps are flawed"). A safety checker stays where the
    model has one. Raises ``ModelError`` when the model is not there or is of another kind, ``C2IError`` for a precision
    that the device does not have.
    """
    from diffusers import DiffusionPipeline

    quiet_libraries()
    dtype = _DTYPES[precision_of(settings)]
    try:
        pipeline = DiffusionPipeline.from_pretrained(
            resolve(settings.model), revision=settings.revision, torch_dtype=dtype, use_safetensors=True
        )
    except (OSError, ValueError) as error:
        raise ModelError(
            f"TTI model {settings.model!r} (revision {settings.revision}) cannot be loaded: {error}"
        ) from error
    for part in ("scheduler", "vae"):
        if not hasattr(pipeline, part):
            raise ModelError(
                f"{settings.model!r} is a {type(pipeline).__name__}, which has no {part}: expected a "
                "latent text-to-image pipeline, such as Stable Diffusion"
            )
    _set_scheduler(pipeline, settings)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.vae.enable_slicing()  # decodes one by one: less memory
    if settings.save_memory:
        # Attention is PyTorch's, which never holds all scores; slicing it as well would cost time and save nothing.
        pipeline.vae.enable_tiling()
    if settings.save_memory and device().type == "cuda":
        pipeline.enable_model_cpu_offload(gpu_id=torch.cuda.current_device())
        return pipeline
    return pipeline.to(device())


def _set_scheduler(pipeline: DiffusionPipeline, settings: Images) -> None:
    import diffusers

    if settings.scheduler == "model":
        return
    own = type(pipeline.scheduler).__name__
    if own.startswith("FlowMatch"):
        raise ModelError(
            f"{settings.model!r} needs a scheduler for flow matching, its own is {own}: set images.scheduler to model"
        )
    if pipeline.scheduler.config.get("use_flow_sigmas") and settings.scheduler not in _FOR_FLOWS:
        raise ModelError(
            f"{settings.model!r} needs a scheduler for flow matching, which {settings.scheduler} is not: set "
            f"images.scheduler to model, {' or '.join(_FOR_FLOWS)}"
        )
    config = dict(pipeline.scheduler.config) | {"timestep_spacing": "trailing"}
    pipeline.scheduler = getattr(diffusers, SCHEDULERS[settings.scheduler]).from_config(config)


@contextmanager
def _memory_errors(settings: Images) -> Iterator[None]:
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise C2IError(
            f"the GPU's memory is too small for images.batch_size {settings.batch_size} at {settings.size} pixels in "
            f"{precision_of(settings)}: set a smaller images.batch_size, or images.save_memory to true. Finished "
            "images are kept"
        ) from error


def render_and_flag(
    pipeline: DiffusionPipeline, prompts: Sequence[str], seeds: Sequence[int], settings: Images
) -> Iterator[tuple[np.ndarray, str]]:
    """As ``render``, each with its ``flag``, batch by batch. Raises ``C2IError`` when a GPU's memory is too small."""
    for start in range(0, len(prompts), settings.batch_size):
        batch = slice(start, start + settings.batch_size)
        with _memory_errors(settings):
            images, unsafe = _render_batch(pipeline, list(prompts[batch]), list(seeds[batch]), settings)
        yield from ((image, flag(image, bad)) for image, bad in zip(images, unsafe, strict=True))


def _render_batch(
    pipeline: DiffusionPipeline, prompts: list[str], seeds: list[int], settings: Images
) -> tuple[np.ndarray, list[bool]]:
    output = pipeline(
        prompts,
        negative_prompt=[settings.negative_prompt] * len(prompts) if settings.negative_prompt else None,
        generator=[torch.Generator().manual_seed(int(seed)) for seed in seeds],
        height=settings.size,
        width=settings.size,
        num_inference_steps=settings.steps,
        guidance_scale=settings.guidance,
        output_type="np",
    )
    unsafe = getattr(output, "nsfw_content_detected", None) or [False] * len(prompts)
    return output.images, unsafe


def render(
    pipeline: DiffusionPipeline, prompts: Sequence[str], seeds: Sequence[int], settings: Images
) -> list[np.ndarray]:
    """One ``(size, size, 3)`` float image in [0, 1] per prompt; NaN pixels stay NaN, unsafe images are black.

    The noise of an image comes from its own seed, whatever else is in its batch.
    """
    return [image for image, _ in render_and_flag(pipeline, prompts, seeds, settings)]


def flag(image: np.ndarray, unsafe: bool = False) -> str:
    """Why an image should not be shown: ``"unsafe"`` (the model's own checker), ``"nan"``, ``"blank"`` (no contrast) or
    ``""`` (nothing wrong)."""
    if unsafe:
        return "unsafe"
    if not np.isfinite(image).all():
        return "nan"
    return "blank" if image.std() < 0.01 else ""
