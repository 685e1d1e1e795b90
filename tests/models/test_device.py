"""Where models run: bf16 is taken where the hardware has it, or where it is asked for."""

import os
import subprocess
import sys

import pytest

from c2i_lib.models import device


@pytest.mark.parametrize(
    ("precision", "has_bf16", "expected"),
    [("auto", True, True), ("auto", False, False), ("bf16", False, True), ("fp32", True, False)],
)
def test_bf16_is_taken_where_asked_for_or_in_hardware(precision, has_bf16, expected, monkeypatch):
    monkeypatch.setattr(device, "has_bf16", lambda: has_bf16)
    assert device.use_bf16(precision) is expected


def test_bf16_is_left_alone_where_its_instructions_are_switched_off():
    """It would be emulated, several times slower than fp32."""
    code = "from c2i_lib.models.device import has_bf16; print(has_bf16())"
    limits = {**os.environ, "ONEDNN_MAX_CPU_ISA": "AVX2", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run([sys.executable, "-c", code], env=limits, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False"]
