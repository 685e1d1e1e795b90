"""Where models run, and how loudly their libraries speak. Shared by all stages that load a model."""

from __future__ import annotations

import warnings

import torch


def device() -> torch.device:
    """The GPU when there is one, else the processor."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def has_bf16() -> bool:
    """Whether ``device()`` computes bf16 in hardware; elsewhere bf16 is several times slower than fp32."""
    if torch.cuda.is_available():
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


def use_bf16(precision: str) -> bool:
    """``precision`` of a profile: ``fp32``, ``bf16``, or ``auto`` (bf16 where the hardware has it)."""
    return precision == "bf16" or (precision == "auto" and has_bf16())


def quiet_libraries() -> None:
    """Silence loading bars, reports and advice of transformers and diffusers; errors still come through."""
    import diffusers
    import transformers

    for library in (transformers, diffusers):
        library.utils.logging.set_verbosity_error()
        library.utils.logging.disable_progress_bar()
    warnings.filterwarnings("ignore", category=FutureWarning, module="diffusers|transformers")
