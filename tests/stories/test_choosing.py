"""Candidates of several panels → one of each: faithful first, then alike, then good looking."""

import itertools

import numpy as np
import pytest

from c2i_lib.stories.choosing import Judged, choose_together, faithful_half, likenesses


def judged(faithfulness, features, quality=None) -> Judged:
    features = np.array(features, float)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    return Judged(np.array(quality or [0.0] * len(features)), np.array(faithfulness), features)


RED, BLUE, VIOLET = [1, 0], [0, 1], [1, 1]


def test_only_the_more_faithful_half_may_be_kept():
    assert faithful_half(np.array([0.1, 0.9, 0.5, 0.9])) == [1, 3]
    assert faithful_half(np.array([0.1, 0.9, 0.5])) == [1, 2]
    unfaithful = judged([0.9, 0.8, 0.1, 0.1], [RED, RED, BLUE, BLUE], [0, 0, 1, 1])
    alone = judged([0.9], [BLUE])
    assert choose_together([unfaithful, alone], [["fox"], ["fox"]]) == [0, 0]


def test_of_faithful_pictures_those_of_a_character_are_kept_that_are_alike():
    first = judged([0.9, 0.8, 0.1, 0.1], [RED, BLUE, RED, RED])
    second = judged([0.9, 0.8, 0.1, 0.1], [BLUE, RED, RED, RED], [1, 0, 0, 0])
    assert choose_together([first, second], [["fox"], ["fox", "crow"]]) == [1, 0]
    assert likenesses([first, second], [["fox"], ["fox"]], [1, 0]) == pytest.approx([1, 1], abs=1e-3)


def test_quality_decides_where_no_character_is_shared_or_all_are_equally_alike():
    panels = [judged([0.9, 0.9, 0, 0], [RED, BLUE, RED, RED], [0, 1, 2, 2]) for _ in range(2)]
    assert choose_together(panels, [["fox"], ["crow"]]) == [1, 1]
    assert np.isnan(likenesses(panels, [["fox"], ["crow"]], [1, 1])).all()


def test_no_other_choice_of_one_panel_is_more_alike():
    """The search is greedy: it ends, and no single change betters it. It is seldom far from the best of all choices."""
    random, found = np.random.default_rng(0), []
    on_stage = [["fox"], ["fox", "crow"], ["crow"], ["fox", "crow"]]
    for _ in range(20):
        panels = [judged(random.random(6), random.normal(size=(6, 8)), random.random(6).tolist()) for _ in range(4)]
        halves = [faithful_half(one.faithfulness) for one in panels]
        pairs = [(a, b, len({*on_stage[a]} & {*on_stage[b]})) for a, b in itertools.combinations(range(4), 2)]

        def total(kept, panels=panels, pairs=pairs):
            return sum(n * panels[a].features[kept[a]] @ panels[b].features[kept[b]] for a, b, n in pairs)

        kept = choose_together(panels, on_stage)
        for place, half in enumerate(halves):
            changed = [total([*kept[:place], index, *kept[place + 1 :]]) for index in half]
            assert max(changed) <= total(kept) + 1e-3
        found.append(total(kept) / max(map(total, itertools.product(*halves))))
    assert np.mean(found) > 0.8
