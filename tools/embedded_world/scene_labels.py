"""What the parts judge is to see in a scene, as class indices.

In: scenes. Out: tensors of the classes of ``visible_parts.CLASSES`` and of the things' names.
"""

from __future__ import annotations

import torch
from judged_scenes import shown_things

from c2i_lib.embedded.named_scenes import named_scenes
from c2i_lib.embedded.scenes import Scene
from c2i_lib.embedded.sprites import load_sprites
from c2i_lib.embedded.visible_parts import CLASSES, visible_surroundings
from c2i_lib.models.judges.scene_parts_net import HEADS

MOST_THINGS = 6  # kinds in one picture
UNKNOWN = -1


def names_of_things() -> list[str]:
    return [sprite.name for sprite in load_sprites()]


def surroundings_of(scene: Scene) -> dict[str, str]:
    """Place, time and weather that the picture shows, named scenes' too."""
    if scene.named is None:
        return visible_surroundings(scene.place, scene.time, scene.weather)
    recipe = named_scenes()[scene.named]
    return visible_surroundings(recipe.place, scene.time or recipe.time, scene.weather or recipe.weather)


def describe(scenes: list[Scene]) -> dict[str, torch.Tensor]:
    """Class indices: "things" and "colors" ``(n, MOST_THINGS)``, each of ``HEADS`` ``(n,)``; ``UNKNOWN`` elsewhere."""
    rows = {name: index for index, name in enumerate(names_of_things())}
    said = {name: torch.full((len(scenes), MOST_THINGS), UNKNOWN) for name in ("things", "colors")}
    said |= {head: torch.full((len(scenes),), UNKNOWN) for head in HEADS}
    for index, scene in enumerate(scenes):
        things = shown_things(scene)[:MOST_THINGS]
        for position, thing in enumerate(things):
            said["things"][index, position] = rows[thing.name]
            if thing.color:
                said["colors"][index, position] = CLASSES["color"].index(thing.color)
        for head, value in surroundings_of(scene).items():
            said[head][index] = CLASSES[head].index(value)
        said["style"][index] = CLASSES["style"].index(scene.style)
        if len(things) == 1 and scene.named is None:
            said["number"][index] = CLASSES["number"].index(things[0].count)
    return said
