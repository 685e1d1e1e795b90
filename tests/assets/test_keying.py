"""Things are cut out of a plain background: soft at the edge, whole within, in frames of one scale."""

import numpy as np
from PIL import Image, ImageDraw

from c2i_lib.assets.keying import background_of, cut_out, framed


def disc(color, ground=(255, 255, 255), side=64, radius=20, hole=0) -> np.ndarray:
    """A disc with a smooth edge, and if wanted a hole in its middle."""
    image, middle, big = Image.new("RGB", (8 * side, 8 * side), ground), 4 * side, 8 * radius
    pen = ImageDraw.Draw(image)
    pen.ellipse((middle - big, middle - big, middle + big, middle + big), fill=color)
    if hole:
        pen.ellipse((middle - 8 * hole, middle - 8 * hole, middle + 8 * hole, middle + 8 * hole), fill=ground)
    return np.asarray(image.resize((side, side), Image.Resampling.BOX))


def on(cut: np.ndarray, ground) -> np.ndarray:
    """A cut-out picture over another ground."""
    alpha = cut[..., 3:] / 255
    return cut[..., :3] * alpha + np.array(ground) * (1 - alpha)


def test_a_thing_looks_the_same_on_another_ground_as_if_it_had_been_drawn_there():
    """No white fringe, which is what one sees first in a sprite."""
    for color in ((180, 20, 20), (20, 20, 30), (240, 220, 40)):
        expected = disc(color, (0, 90, 0)).astype(float)
        error = np.abs(on(cut_out(disc(color)), (0, 90, 0)) - expected)
        assert error.mean() < 1 and error.max() < 50


def test_the_edge_is_soft_and_what_is_away_from_it_is_all_or_nothing():
    alpha = cut_out(disc((180, 20, 20)))[..., 3]
    assert ((alpha > 0) & (alpha < 255)).sum() > 20
    assert (alpha[:10] == 0).all() and (alpha[22:42, 22:42] == 255).all()


def test_white_within_a_thing_stays_and_so_does_what_it_encloses():
    assert (cut_out(disc((180, 20, 20), hole=8))[32, 32] == 255).all()


def test_noise_of_the_background_and_specks_are_no_part_of_the_thing():
    picture = disc((180, 20, 20)).astype(int)
    picture += np.random.default_rng(0).integers(-12, 13, picture.shape)
    picture[3, 3] = 0
    cut = cut_out(picture.clip(0, 255).astype(np.uint8))
    assert (cut[:10] == 0).all() and (cut[28:36, 28:36, 3] == 255).all()


def test_a_background_that_is_not_plain_is_noticed():
    color, share = background_of(disc((180, 20, 20), (200, 220, 240)))
    assert color.tolist() == [200, 220, 240] and share == 1
    half = np.zeros((64, 64, 3), np.uint8)
    half[:, :30] = 255
    assert background_of(half)[1] < 0.6


def test_all_things_have_one_scale_and_stand_in_the_middle_of_their_frame():
    for radius in (8, 20):
        frame = framed(cut_out(disc((180, 20, 20), radius=radius)), 32)
        rows, columns = np.nonzero(frame[..., 3] > 64)
        assert frame.shape == (32, 32, 4)
        edges = np.array([rows.min(), rows.max(), columns.min(), columns.max()])
        assert np.abs(edges - [2, 29, 2, 29]).max() <= 1


def test_a_picture_of_one_colour_is_an_empty_frame():
    assert not framed(cut_out(np.full((16, 16, 3), 255, np.uint8)), 8).any()
