"""Gate of the stage "scenes": combinations that training never showed, recognised among near ones.

    python tools/embedded_world/check_scenes.py

For each kind 100 held-out scenes are drawn by the model from a caption. A picture counts as right when, of several
composed scenes that differ in the one respect, the right one is nearest by EfficientNet-lite0 features (colours: by
pixels):

- thing: 40 other things in the same place; place: all other places (bar 80 % for both at once)
- count: one, two and three of the thing (bar 80 %); colour: all colours (bar 80 %)
- ordered pair: swapped, and either thing replaced by 20 others (bar 60 %)

Needs requirements-benchmarks.txt. About ten minutes on two cores.
"""

from __future__ import annotations

import argparse
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from check_singles import features, load_network
from contact_sheet import lay_out, load_model, to_images
from model import DEFAULT_WORK, draw
from pictures import to_tensor
from torch.nn import functional

from c2i_lib.embedded.grammar import write_caption
from c2i_lib.embedded.recoloring import COLORS
from c2i_lib.embedded.sampling import PLACES, draw_scene, fits, scene_things
from c2i_lib.embedded.scenes import Scene, Thing, compose

BARS = {"thing and place": 0.8, "count": 0.8, "color": 0.8, "ordered pair": 0.6}


def _other_things(scene: Scene, position: int, n: int, random_: random.Random) -> list[Scene]:
    """``scene`` with the thing at ``position`` replaced by ``n`` others that fit its place."""
    used = {thing.name for thing in scene.things}
    names = [sprite.name for sprite in scene_things() if sprite.name not in used and fits(sprite.name, scene.place)]
    others = []
    for name in random_.sample(names, min(n, len(names))):
        things = list(scene.things)
        things[position] = Thing(name, None, things[position].count)
        others.append(replace(scene, things=tuple(things)))
    return others


def held_out_scenes(respect: str, n: int, random_: random.Random) -> list[Scene]:
    """``n`` distinct held-out scenes in which ``respect``, a key of ``BARS``, can be judged."""
    kind = {"thing and place": "placed", "count": "several", "color": "colored", "ordered pair": "pair"}[respect]
    found: list[Scene] = []
    while len(found) < n:
        scene = draw_scene(random_, kind, held_out=True)
        suits = {
            "thing and place": scene.place is not None,
            "count": True,
            "color": bool(scene.things[0].color),
            "ordered pair": scene.relation == "and",
        }[respect]
        if suits and scene not in found:
            found.append(scene)
    return found


def rivals(scene: Scene, respect: str, random_: random.Random) -> list[list[Scene]]:
    """Groups of wrong scenes: the right one must win against each group."""
    first = scene.things[0]
    if respect == "count":
        return [[replace(scene, things=(replace(first, count=n),)) for n in (1, 2, 3) if n != first.count]]
    if respect == "color":
        return [[replace(scene, things=(replace(first, color=c),)) for c in COLORS if c != first.color]]
    if respect == "ordered pair":
        swapped = replace(scene, things=scene.things[::-1])
        return [[swapped, *_other_things(scene, 0, 20, random_), *_other_things(scene, 1, 20, random_)]]
    places = [replace(scene, place=place) for place in PLACES if place not in (scene.place, "plain")]
    return [_other_things(scene, 0, 40, random_), places]


def similarity(network, pictures: torch.Tensor, picture: torch.Tensor, respect: str) -> torch.Tensor:
    """``(n,)``, higher is nearer. Colours are compared as pixels: the features hardly tell brown from orange."""
    if respect == "color":
        small = [functional.interpolate(p, (32, 32), mode="area") for p in (pictures, picture[None])]
        return -(small[0] - small[1]).abs().mean((1, 2, 3))
    return features(network, pictures) @ features(network, picture[None])[0]


def is_right(network, picture: torch.Tensor, scene: Scene, groups: list[list[Scene]], respect: str) -> list[bool]:
    """For each group whether ``picture (3, h, w)`` is nearer to the right composition than to any in the group."""
    scenes = [scene, *(wrong for group in groups for wrong in group)]
    near = similarity(network, to_tensor(np.stack([np.asarray(compose(one)) for one in scenes])), picture, respect)
    results, start = [], 1
    for group in groups:
        results.append(bool(near[0] > near[start : start + len(group)].max()))
        start += len(group)
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=DEFAULT_WORK)
    parser.add_argument("--n", type=int, default=100, help="scenes of each kind")
    parser.add_argument("--plain", action="store_true", help="captions without style words")
    parser.add_argument("--sheet", type=Path, help="write 16 pictures of each kind to this PNG")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    pipeline, trained, done = load_model(args.work)
    network, shown = load_network(), []
    print(f"pictures seen: {done}; {'trained' if trained else 'linear'} decoder; {args.n} scenes of each kind")
    for respect, bar in BARS.items():
        random_ = random.Random(respect)
        scenes = held_out_scenes(respect, args.n, random_)
        captions = [write_caption(scene, random_, "A", styled=not args.plain) for scene in scenes]
        pictures = draw(pipeline, captions, linear=not trained)
        right = [
            is_right(network, picture, scene, rivals(scene, respect, random_), respect)
            for picture, scene in zip(pictures, scenes, strict=True)
        ]
        shares = " / ".join(f"{share:.0%}" for share in np.mean(right, 0))
        both = float(np.mean([all(parts) for parts in right]))
        print(f"{respect}: {both:.0%} (parts {shares}), bar {bar:.0%}: {'passed' if both >= bar else 'not passed'}")
        shown += list(zip(to_images(pictures[:16]), captions[:16], strict=True))
    if args.sheet:
        lay_out(*map(list, zip(*shown, strict=True))).save(args.sheet)


if __name__ == "__main__":
    main()
