"""Where models run, and how loudly their libraries speak. Shared by all stages that load a model."""

from __future__ import annotations

import warnings

import torch


def device() -> torch.device:
    """The GPU when there is one, else the processor."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def quiet_libraries() -> None:
    """Silence loading bars, reports and advice of transformers and diffusers; errors still come through."""
    import diffusers
    import transformers

    for library in (transformers, diffusers):
        library.utils.logging.set_verbosity_error()
        library.utils.logging.disable_progress_bar()
    warnings.filterwarnings("ignore", category=FutureWarning, module="diffusers|transformers")
