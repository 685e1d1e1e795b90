"""The command ``c2i assets``: sprites, sheet and atlas, on tiny random models."""

import json

import numpy as np
import pytest
from PIL import Image
from steered_run import make_run

from c2i_lib.assets import drawing
from c2i_lib.assets.atlas import sprite_sheet
from c2i_lib.assets.drawing import draw_assets
from c2i_lib.assets.listing import Asset
from c2i_lib.cli import main
from c2i_lib.errors import C2IError
from c2i_lib.generator import ConceptToImage
from c2i_lib.stages.images import describe, read_metadata


def test_the_atlas_says_where_each_sprite_is_in_the_layout_that_engines_read():
    sprites = {f"{number}.png": np.full((4, 4, 4), number, np.uint8) for number in (10, 20, 30)}
    sheet, atlas = sprite_sheet(sprites, "sheet.png")
    assert sheet.shape == (10, 10, 4)
    for number, (name, entry) in zip((10, 20, 30), atlas["frames"].items(), strict=True):
        x, y, width, height = (entry["frame"][key] for key in "xywh")
        assert name == f"{number}.png" and (sheet[y : y + height, x : x + width] == number).all()
        assert set(entry) == {"frame", "rotated", "trimmed", "spriteSourceSize", "sourceSize"}
    assert atlas["meta"]["image"] == "sheet.png" and atlas["meta"]["size"] == {"w": 10, "h": 10}
    assert (sheet[4:6] == 0).all()  # frames do not touch


@pytest.fixture(scope="module")
def run(tmp_path_factory, tiny_language_model, tiny_tti):
    return make_run(tmp_path_factory.mktemp("assets") / "run", tiny_language_model, tiny_tti)


def test_a_list_becomes_sprites_that_know_how_they_were_made(run, tmp_path, capsys):
    (tmp_path / "list.csv").write_text("name,description,style\nFox,a red fox,\nKey,,pixel art\n", encoding="utf-8")
    options = ["--out", str(tmp_path / "out"), "--run-dir", str(run.directory), "--size", "24"]
    assert main(["assets", str(tmp_path / "list.csv"), *options]) == 0
    told = capsys.readouterr().out
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "atlas.json", "originals", "sprites", "sprites.png",
    ]  # fmt: skip
    assert "background is not plain" in told  # a random model draws noise
    atlas = json.loads((tmp_path / "out" / "atlas.json").read_text(encoding="utf-8"))
    assert list(atlas["frames"]) == ["fox.png", "key.png"]
    assert Image.open(tmp_path / "out" / "sprites.png").size == (50, 24)
    prompts = ["a red fox on a white background, flat vector illustration", "Key on a white background, pixel art"]
    for name, prompt in zip(("fox.png", "key.png"), prompts, strict=True):
        sprite = tmp_path / "out" / "sprites" / name
        kept = read_metadata(sprite)
        assert kept["prompt"] == prompt and prompt in told
        assert Image.open(sprite).mode == "RGBA" and Image.open(sprite).size == (24, 24)
        original = read_metadata(tmp_path / "out" / "originals" / kept["cut_out_of"])
        assert original["command"] == kept["command"] and "to make it again" in describe(sprite)


def test_of_several_pictures_the_judges_take_one(run, tmp_path, monkeypatch):
    asked = []

    def imagine(self, concept, n, seed, out_dir, best_of, wishes):
        asked.append((concept, n, best_of))
        return self.render(self.write(concept, 1, seed, wishes), out_dir)

    monkeypatch.setattr(drawing.ConceptToImage, "imagine", imagine)
    draw_assets(ConceptToImage(run, "concept_only"), [Asset("fox")], tmp_path, best_of=3)
    assert asked == [("fox on a white background", 1, 3)]


@pytest.mark.parametrize(
    "assets, side, message",
    [
        ([], 16, "found none"),
        ([Asset("a"), Asset("A")], 16, "a.png in 'a' and in 'A'"),
        ([Asset("a")], 5000, "8 to 4,096"),
    ],
)
def test_what_cannot_be_drawn_is_refused_before_anything_is(run, tmp_path, assets, side, message):
    with pytest.raises(C2IError, match=message):
        draw_assets(ConceptToImage(run, "concept_only"), assets, tmp_path, side=side)
    assert not list(tmp_path.iterdir())
