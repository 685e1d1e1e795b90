"""The live curve: one picture that is replaced, not a picture a step."""

import matplotlib.pyplot as plt

from c2i_lib.reporting import training_curve as live


def test_one_picture_is_drawn_and_then_updated(monkeypatch):
    shown, updated = [], []

    class Handle:
        def update(self, figure):
            updated.append(figure)

    monkeypatch.setattr(live, "display", lambda figure, display_id: shown.append(figure) or Handle())
    curve = live.LiveCurve("ft", seconds=0.0)
    for step in range(1, 4):
        curve({"step": step, "loss": 5.0 - step, "eval_loss": None})
    assert len(shown) == 1 and len(updated) == 2
    assert updated[-1].axes[0].lines[0].get_xdata().tolist() == [1, 2, 3]
    assert plt.get_fignums() == [], "a figure that stays open would be shown again"


def test_pictures_are_not_drawn_more_often_than_asked_for(monkeypatch):
    monkeypatch.setattr(live, "display", None)  # drawing would raise
    curve = live.LiveCurve("ft", seconds=1000.0)
    for step in range(100):
        curve({"step": step, "loss": 1.0, "eval_loss": None})
    assert len(curve.rows) == 100
