"""Calibrate the faithfulness judges of scenes and print how well they do on scenes that they have not seen.

In: folders of trained networks. Out: their ``judge.json``, and figures on the screen. Calibrated and tested on
different seeds; the combinations of things, colours, numbers and places in both are those that no training shows.
Half of the pictures are speckled as the TTI model's are, and three in ten have a flaw.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from judge_training import write_facts
from judged_scenes import KINDS, Shown, draw_shown, speckle
from pictures import to_tensor
from scene_labels import UNKNOWN, describe, names_of_things
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from train_tti import load_autoencoder

from c2i_lib.config.judges import JudgeModel
from c2i_lib.embedded import grammar
from c2i_lib.embedded.scenes import Scene, Thing
from c2i_lib.embedded.visible_parts import CLASSES, accepted_names
from c2i_lib.models.judges import load_judge
from c2i_lib.models.judges.scene_match import KIND as MATCH
from c2i_lib.models.judges.scene_parts import KIND as PARTS
from c2i_lib.models.judges.scene_parts import classes_of_the_world
from c2i_lib.models.judges.scene_parts_net import HEADS, ScenePartsNet, Seen

N_SCENES = 400
N_RIVALS = 8  # absent things, of which the likeliest stands against one that is there
CALIBRATION_SEED, TEST_SEED = 91_001, 91_002
WITHOUT_HELD_OUT = ("single", "named")  # kinds that have no combination to hold out


def held_out_scenes(seed: int, vae, n: int = N_SCENES, poor: float = 0.3, speckled: float = 0.5) -> list[Shown]:
    """``n`` scenes of all kinds that training has not shown."""
    random_, generator = random.Random(seed), torch.Generator().manual_seed(seed)
    shown = []
    for _ in range(n):
        kind = random_.choices(list(KINDS), KINDS.values())[0]
        one = draw_shown(random_, kind, held_out=kind not in WITHOUT_HELD_OUT, poor=poor)
        if random_.random() < speckled:
            noisy = speckle(to_tensor(one.picture[None]), vae, generator)
            one = one._replace(picture=((noisy[0] + 1) * 127.5).round().byte().permute(1, 2, 0).numpy())
        shown.append(one)
    return shown


@torch.inference_mode()
def see(net: ScenePartsNet, shown: Sequence[Shown], batch_size: int = 64) -> Seen:
    """What the network sees in all pictures."""
    parts = []
    for start in range(0, len(shown), batch_size):
        parts.append(net(to_tensor(np.stack([one.picture for one in shown[start : start + batch_size]]))))
    others = {head: torch.cat([part.others[head] for part in parts]) for head in HEADS}
    things, cells, features = (torch.cat([getattr(part, n) for part in parts]) for n in ("things", "cells", "features"))
    return Seen(things, cells, others, features)


def _asked_things(seen: Seen, said: dict[str, torch.Tensor], seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Of things that are there, and of as many that are not, each the likeliest of some: ``(n, 2)``, the logit and how
    far it is below the top."""
    names, random_ = names_of_things(), random.Random(seed)
    there, absent = [], []
    for row, things in enumerate(said["things"].tolist()):
        known = {name for index in things if index != UNKNOWN for name in accepted_names(names[index])}
        top = float(seen.things[row].max())
        for index in (index for index in things if index != UNKNOWN):
            others = [names.index(name) for name in random_.sample(names, N_RIVALS + len(known)) if name not in known]
            other = max(others[:N_RIVALS], key=lambda one: float(seen.things[row, one]))
            for rows, asked in ((there, index), (absent, other)):
                logit = float(seen.things[row, asked])
                rows.append((logit, logit - top))
    return np.array(there), np.array(absent)


def _labelled(net: ScenePartsNet, seen: Seen, said: dict[str, torch.Tensor], head: str):
    """Logits and classes where the head's class is known."""
    if head != "color":
        known = said[head] != UNKNOWN
        return seen.others[head][known], said[head][known]
    rows, positions = (said["colors"] != UNKNOWN).nonzero(as_tuple=True)
    with torch.inference_mode():
        return net.colors_of(seen, rows, said["things"][rows, positions]), said["colors"][rows, positions]


def _temperature(logits: torch.Tensor, classes: torch.Tensor) -> float:
    """The divisor of logits with the best likelihood (Guo et al. 2017)."""
    choices = torch.logspace(-1.5, 1.5, 61)
    losses = [float(torch.nn.functional.cross_entropy(logits / one, classes)) for one in choices]
    return round(float(choices[int(np.argmin(losses))]), 4)


def _logistic(there: np.ndarray, absent: np.ndarray) -> list[float]:
    """Slopes and intercept of the probability that a row ``(n, features)`` is one of ``there``, as likely as ``absent``
    beforehand."""
    rows = np.concatenate([there, absent])
    fit = LogisticRegression(C=1e6).fit(rows, [1] * len(there) + [0] * len(absent))
    return [round(float(number), 5) for number in (*fit.coef_[0], *fit.intercept_)]


def area(higher: Sequence[float], lower: Sequence[float]) -> float:
    return float(roc_auc_score([1] * len(higher) + [0] * len(lower), [*higher, *lower]))


def concept_of(scene: Scene, seed: int) -> str:
    """What is in the scene, in words of either dialect, without style and flaw."""
    random_ = random.Random(seed)
    return grammar.describe(scene, random_, random_.choice(grammar.DIALECTS))


def _changed(scene: Scene, what: str, random_: random.Random) -> Scene | None:
    """The scene with another number, colour, place or time; None where it has none to change."""
    first, values = scene.things[0] if scene.things else None, dict(vars(scene))
    if first is None:
        return None

    def other(choices: Sequence[str], own: str) -> str:
        return random_.choice([value for value in choices if value != own])

    if what == "number" and first.count > 1:
        values["things"] = (Thing(first.name, None, 5 - first.count), *scene.things[1:])
    elif what == "color" and first.color:
        values["things"] = (Thing(first.name, other(CLASSES["color"], first.color)), *scene.things[1:])
    elif what == "place" and scene.place in grammar.PLACE_PHRASES:
        values["place"] = other(list(grammar.PLACE_PHRASES), scene.place)
    elif what == "time" and scene.time in ("dusk", "night"):
        values["time"] = "night" if scene.time == "dusk" else "dusk"
    else:
        return None
    return Scene(**values)


def judge_figures(judge, shown: Sequence[Shown], seed: int) -> dict[str, float]:
    """How well the scores tell the own concept from others: AUC, and paired accuracy where one part is changed."""
    random_, pictures = random.Random(seed), [one.picture for one in shown]
    concepts = [concept_of(one.scene, seed + index) for index, one in enumerate(shown)]
    own, other = judge.score(pictures, concepts), judge.score(pictures, concepts[7:] + concepts[:7])
    figures = {"matched against mismatched, AUC": area(own, other)}
    figures |= {"mean score, matched": float(own.mean()), "mean score, mismatched": float(other.mean())}
    for what in ("number", "color", "place", "time"):
        changed = [(index, _changed(one.scene, what, random_)) for index, one in enumerate(shown)]
        rows = [index for index, scene in changed if scene is not None]
        texts = [concept_of(scene, seed + index) for index, scene in changed if scene is not None]
        worse = judge.score([pictures[row] for row in rows], texts)
        wins = (own[rows] > worse) + 0.5 * (own[rows] == worse)
        figures[f"own concept above one with another {what}, share of {len(rows)}"] = float(wins.mean())
    return figures


def print_figures(title: str, figures: dict[str, float]) -> None:
    print(f"\n{title}")
    for name, value in figures.items():
        print(f"  {name:<64} {value:.3f}")


def _load_net(folder: Path) -> ScenePartsNet:
    from safetensors.torch import load_file

    classes = classes_of_the_world(names_of_things())
    net = ScenePartsNet({name: len(values) for name, values in classes.items()})
    net.load_state_dict({name: t.float() for name, t in load_file(folder / "model.safetensors").items()}, strict=False)
    return net.eval()


def parts_figures(net: ScenePartsNet, shown: Sequence[Shown], seed: int) -> dict[str, float]:
    """AUC of things, first place of things alone, accuracy of every other head."""
    seen, said = see(net, shown), describe([one.scene for one in shown])
    there, absent = _asked_things(seen, said, seed)
    names = names_of_things()
    singles = [row for row, one in enumerate(shown) if len(one.scene.things) == 1 and one.scene.place is None]
    first = [names[int(seen.things[row].argmax())] == shown[row].scene.things[0].name for row in singles]
    figures = {
        "things, AUC": area(there[:, 0], absent[:, 0]),
        f"things alone, first place, {len(singles)}": float(np.mean(first)),
    }
    for head in (*HEADS, "color"):
        logits, classes = _labelled(net, seen, said, head)
        figures[f"{head}, accuracy, {len(classes)}"] = float((logits.argmax(1) == classes).float().mean())
    return figures


def report_parts(folder: Path, work: Path) -> None:
    """Calibrate the parts judge in ``folder``, write its ``judge.json`` and print its figures."""
    vae, net = load_autoencoder(work), _load_net(folder)
    shown = held_out_scenes(CALIBRATION_SEED, vae)
    seen, said = see(net, shown), describe([one.scene for one in shown])
    calibration = {head: _temperature(*_labelled(net, seen, said, head)) for head in (*HEADS, "color")}
    calibration["things"] = _logistic(*_asked_things(seen, said, CALIBRATION_SEED))
    facts = {"kind": PARTS, "classes": classes_of_the_world(names_of_things()), "calibration": calibration}
    write_facts(folder, facts)
    report(folder, PARTS, vae, facts, lambda some, seed: parts_figures(net, some, seed))


def report_match(folder: Path, work: Path) -> None:
    """Calibrate the match judge in ``folder``, write its ``judge.json`` and print its figures."""
    vae = load_autoencoder(work)
    write_facts(folder, {"kind": MATCH, "slope": 1.0, "intercept": 0.0})
    judge, shown = load_judge(JudgeModel(kind=MATCH, model=str(folder))), held_out_scenes(CALIBRATION_SEED, vae)
    pictures = [one.picture for one in shown]
    concepts = [concept_of(one.scene, index) for index, one in enumerate(shown)]
    own, other = judge.cosines(pictures, concepts), judge.cosines(pictures, concepts[7:] + concepts[:7])
    slope, intercept = _logistic(own.numpy()[:, None], other.numpy()[:, None])
    facts = {"kind": MATCH, "slope": slope, "intercept": intercept}
    write_facts(folder, facts)
    report(folder, MATCH, vae, facts, lambda some, seed: {})


Figures = dict[str, float]


def report(folder: Path, kind: str, vae, facts: dict, more: Callable[[Sequence[Shown], int], Figures]) -> None:
    """Print the figures on clean pictures, on the mixture and on speckled ones, and put them into ``judge.json``."""
    judge = load_judge(JudgeModel(kind=kind, model=str(folder)))
    sets = {"clean": (0.0, 0.0), "three in ten with a flaw, half speckled": (0.3, 0.5), "speckled": (0.0, 1.0)}
    facts = {**facts, "figures": {}}
    for index, (name, (poor, speckled)) in enumerate(sets.items()):
        shown = held_out_scenes(TEST_SEED + index, vae, N_SCENES, poor, speckled)
        figures = more(shown, TEST_SEED) | judge_figures(judge, shown, TEST_SEED)
        print_figures(f"{kind}, {name}, {len(shown)} held-out scenes", figures)
        facts["figures"][name] = {figure: round(value, 4) for figure, value in figures.items()}
    write_facts(folder, facts)
