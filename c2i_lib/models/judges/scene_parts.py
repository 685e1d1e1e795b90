"""The reporting judge of faithfulness on scenes: which parts of the concept are in the picture?

In: pictures and concepts. Out: the share of the concept's parts that are there, as DSG (Cho et al. 2024) and GenEval
(Ghosh et al. 2023) take a prompt apart: things, their number and colours, place, time, weather, style. Things come
first: where they are not there, the rest hardly counts. Ignored: relations, and quality.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch

from c2i_lib.config.judges import JudgeModel
from c2i_lib.embedded.concept_parts import ConceptParts, readings, words_of_the_world
from c2i_lib.embedded.models import resolve
from c2i_lib.embedded.visible_parts import CLASSES, NONE, accepted_names, visible_surroundings
from c2i_lib.models.judges.scene_encoder import BATCH_SIZE, read_judge, to_pixels
from c2i_lib.models.judges.scene_parts_net import ScenePartsNet, Seen
from c2i_lib.text.embeddings import embed_texts

KIND = "scene_parts"
NEAR = 0.62  # cosine of sentence embeddings: above it a noun is taken for the nearest word of the world
LEAST = 0.1  # of their weight that number, place and so on keep where no thing is


@lru_cache(maxsize=1)
def _vocabulary() -> tuple[tuple[str, ...], torch.Tensor]:
    words = words_of_the_world()
    return words, embed_texts(words)


@lru_cache(maxsize=4096)
def nearest_word(phrase: str) -> str | None:
    """The word of the world that is nearest in meaning to ``phrase``; None when none is near."""
    words, embedded = _vocabulary()
    cosines = embedded @ embed_texts([phrase])[0]
    return words[int(cosines.argmax())] if cosines.max() > NEAR else None


@lru_cache(maxsize=4096)
def _readings(concept: str) -> tuple[ConceptParts, ...]:
    return readings(concept, nearest_word)


def share_of_parts(things: Sequence[float], others: Sequence[float]) -> float:
    """The share of the parts that are there, from the probability of each.

    Without things the ``others`` keep ``LEAST`` of their weight, and all of it where every thing is there or none is
    asked for. A concept without any part has 0.
    """
    weight = LEAST + (1 - LEAST) * sum(things) / len(things) if things else 1.0
    return (sum(things) + weight * sum(others)) / max(len(things) + len(others), 1)


class SceneParts:
    """The share of the concept's parts that the picture shows, from 0 to 1."""

    measures = "faithfulness"

    def __init__(self, settings: JudgeModel):
        facts, tensors = read_judge(resolve(settings.model), KIND)
        self.classes, self.calibration = facts["classes"], facts["calibration"]
        self.rows = {name: index for index, name in enumerate(self.classes["things"])}
        self.net = ScenePartsNet({name: len(classes) for name, classes in self.classes.items()})
        self.net.load_state_dict(tensors, strict=False)
        self.net.eval()

    @torch.inference_mode()
    def score(self, pictures: Sequence[np.ndarray], concepts: Sequence[str]) -> np.ndarray:
        scores = []
        for start in range(0, len(pictures), BATCH_SIZE):
            seen = self.net(to_pixels(pictures[start : start + BATCH_SIZE]))
            named = concepts[start : start + BATCH_SIZE]
            for row, concept in enumerate(named):
                scores.append(max(share_of_parts(*self._parts(seen, row, one)) for one in _readings(concept)))
        return np.array(scores)

    def _probability(self, head: str, logits: torch.Tensor, value: int | str) -> float:
        """That ``value`` is the class of ``head`` in the picture whose logits are given ``(n_classes,)``."""
        return float((logits / self.calibration[head]).softmax(0)[self.classes[head].index(value)])

    def _presence(self, logit: float, top: float) -> float:
        """That a thing is there, from its logit and that of the surest thing: in a dark picture all are low."""
        slope, slope_below, intercept = self.calibration["things"]
        return float(torch.tensor(slope * logit + slope_below * (logit - top) + intercept).sigmoid())

    def _parts(self, seen: Seen, row: int, asked: ConceptParts) -> tuple[list[float], list[float]]:
        """Probabilities of the things of ``asked``, and of its other parts, in picture ``row``. Unknown things: 0."""
        things, others = [0.0] * len(asked.unknown), []
        for thing in asked.things:
            candidates = torch.tensor([self.rows[name] for name in accepted_names(thing.name)])
            logits = seen.things[row, candidates]
            best = candidates[int(logits.argmax())]
            things.append(self._presence(float(logits.max()), float(seen.things[row].max())))
            if thing.color:
                colors = self.net.colors_of(seen, torch.tensor([row]), best[None])[0]
                others.append(self._probability("color", colors, thing.color))
            if thing.number:
                others.append(self._probability("number", seen.others["number"][row], thing.number))
        visible = visible_surroundings(asked.place, asked.time, asked.weather)
        for head in ("place", "time", "weather"):
            if getattr(asked, head) and visible[head] != NONE:
                others.append(self._probability(head, seen.others[head][row], visible[head]))
        if asked.style:
            others.append(self._probability("style", seen.others["style"][row], asked.style))
        return things, others


def classes_of_the_world(things: Sequence[str]) -> dict[str, list]:
    """What ``judge.json`` has as "classes": the ``things`` and the classes of all other heads."""
    return {"things": list(things), **{name: list(classes) for name, classes in CLASSES.items()}}
