"""What the benchmarks share: how long a call takes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any


def seconds_of(function: Callable, *arguments: Any) -> tuple[float, Any]:
    """Wall-clock seconds of one call, and its result."""
    start = time.perf_counter()
    result = function(*arguments)
    return time.perf_counter() - start, result
