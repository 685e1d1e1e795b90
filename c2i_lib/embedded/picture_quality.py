"""How good the picture of a scene is, as a data set of captions with scores would say.

In: a ``Scene``. Out: a number. The one place to put a judge's score in, which takes minutes for all pairs: each
scene must be drawn. Ignored: what the picture shows.
"""

from __future__ import annotations

from c2i_lib.embedded.scenes import Scene


def picture_quality(scene: Scene) -> float:
    """1 for a picture without a flaw, 0 for one with any of ``degradations``; higher is better."""
    return float(scene.degradation is None)
