"""Where models run: bf16 is taken where the hardware has it, or where it is asked for."""

import pytest

from c2i_lib.models import device


@pytest.mark.parametrize(
    ("precision", "has_bf16", "expected"),
    [("auto", True, True), ("auto", False, False), ("bf16", False, True), ("fp32", True, False)],
)
def test_bf16_is_taken_where_asked_for_or_in_hardware(precision, has_bf16, expected, monkeypatch):
    monkeypatch.setattr(device, "has_bf16", lambda: has_bf16)
    assert device.use_bf16(precision) is expected
