"""What of a panel has room in the TTI model's window."""

import pytest

from c2i_lib.errors import C2IError
from c2i_lib.stages.prompts import Window
from c2i_lib.stories.window_budget import Asked, within_window

STYLE = "flat vector, clean lines"


class Words(Window):
    """A window of so many words."""

    def __init__(self, size: int):
        self.size = size

    def count(self, text: str) -> int:
        return len(text.split())


@pytest.mark.parametrize(
    "size, expected",
    [
        (10, Asked("a red fox running in a wood", "flat vector", ["style: clean lines"])),
        (8, Asked("a red fox running in a wood", "", [f"style: {STYLE}"])),
        (6, Asked("a red fox running", "flat vector", ["place: in a wood", "style: clean lines"])),
        (3, Asked("a red fox", "", ["action: running", "place: in a wood", f"style: {STYLE}"])),
        (11, Asked("a red fox running in a wood", STYLE)),
    ],
)
def test_the_style_goes_first_then_the_place_then_the_action_and_all_is_told(size, expected):
    assert within_window("a red fox running", "in a wood", STYLE, Words(size)) == expected


def test_a_panel_without_place_or_style_drops_nothing():
    assert within_window(" a red  fox ", "", "", Words(4)) == Asked("a red fox")
    with pytest.raises(C2IError, match="concept is empty"):
        within_window(" ", "in a wood", STYLE, Words(4))
