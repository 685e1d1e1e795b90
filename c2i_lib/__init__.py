"""c2i: a concept in, a picture out, by way of a language model finetuned on image captions.

``from c2i_lib import ConceptToImage, draw_story, …``: what a program needs (``__all__``). Each name is loaded when it
is first asked for, because torch and diffusers take seconds.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"
_HOMES = {
    "ConceptToImage": "generator",
    "Wishes": "generator",
    "plan_story": "stories.planning",
    "plan_findings": "stories.structured",
    "draw_story": "stories.drawing",
    "Asset": "assets.listing",
    "read_assets": "assets.listing",
    "draw_assets": "assets.drawing",
}
__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"c2i_lib has no {name!r}: use one of {', '.join(_HOMES)}")
    return getattr(import_module(f"c2i_lib.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
