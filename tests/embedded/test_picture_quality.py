"""What the embedded world says of a caption's picture: the arm ft_good learns from it."""

from c2i_lib.embedded.degradations import DEGRADATIONS
from c2i_lib.embedded.pairs import make_pairs
from c2i_lib.embedded.picture_quality import picture_quality
from c2i_lib.embedded.scenes import Scene, Thing


def test_every_flaw_makes_a_picture_poorer():
    scene = Scene((Thing("dog"),))
    flawed = [picture_quality(Scene(scene.things, degradation=flaw)) for flaw in DEGRADATIONS]
    assert max(flawed) < picture_quality(scene)


def test_captions_without_style_words_belong_to_good_and_to_poor_pictures():
    """Else a model could tell quality by the words alone, and a tag of it would teach nothing."""
    plain = [picture_quality(pair.scene) for pair in make_pairs(2000) if pair.kind == "ordinary" and not pair.styled]
    assert 0.2 < sum(value > 0.5 for value in plain) / len(plain) < 0.8
