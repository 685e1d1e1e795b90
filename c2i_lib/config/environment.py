"""The environment: the one place that reads its variables."""

from __future__ import annotations

import os
from pathlib import Path


def cache_dir() -> Path:
    """Where converted models are kept: ``$C2I_CACHE``, or ``c2i`` in the user's cache folder."""
    if os.environ.get("C2I_CACHE"):
        return Path(os.environ["C2I_CACHE"])
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "c2i"
