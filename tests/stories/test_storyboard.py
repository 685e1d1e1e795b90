"""Plans → prompts, pictures and one page, on tiny random models."""

import re

import numpy as np
import pytest
from PIL import Image
from steered_run import make_run

from c2i_lib.cli import main
from c2i_lib.stages.images import read_metadata
from c2i_lib.stories.illustrating import noise_seed, panel_concept
from c2i_lib.stories.plan import Character, Panel, Place, Plan
from c2i_lib.stories.storyboard import contact_sheet, storyboard_html

PLAN = Plan(
    "Fox & <Crow>",
    [Character("fox", look="a red fox"), Character("crow", look="")],
    [Place("wood", "in a wood")],
    [
        Panel(on_stage=["fox"], place="wood", concept="{fox} running", caption="He <ran>."),
        Panel(on_stage=["fox", "crow"], place="wood", concept="{fox} and {crow} in a wood"),
        Panel(on_stage=["crow", "fox"], concept="{crow} watching {fox}"),
        Panel(on_stage=["fox", "crow"], concept="{fox} leaving"),
    ],
)


def test_looks_are_pasted_and_the_place_is_said_once():
    assert [panel_concept(PLAN, panel) for panel in PLAN.panels] == [
        "a red fox running in a wood",
        "a red fox and crow in a wood",
        "crow watching a red fox",
        "a red fox leaving",
    ]


def test_panels_of_a_place_and_of_a_pair_share_their_noise():
    first, second, third, fourth = (noise_seed(panel, 0) for panel in PLAN.panels)
    assert first == second != third == fourth
    assert noise_seed(PLAN.panels[0], 1) != first


def test_the_page_is_one_file_and_shows_what_is_written():
    """It opens without a network, and a story is no place for scripts."""
    images = [np.full((4, 4, 3), 60 * number, np.uint8) for number in range(4)]
    page = storyboard_html(PLAN, images, ["<script>", "b", "c", "d"])
    assert page.count("data:image/png;base64,") == 4
    assert "He &lt;ran&gt;." in page and "Fox &amp; &lt;Crow&gt;" in page and "<script>" not in page
    assert not re.search(r"https?://", page)


def test_the_contact_sheet_has_all_pictures_in_their_order():
    images = [np.full((4, 6, 3), number, np.uint8) for number in (10, 20, 30)]
    sheet = contact_sheet(images)
    assert sheet.shape == (2 * 12 + 8, 2 * 14 + 8, 3)
    assert [sheet[8, 8, 0], sheet[8, 22, 0], sheet[20, 8, 0], sheet[20, 22, 0]] == [10, 20, 30, 255]


@pytest.fixture(scope="module")
def run(tmp_path_factory, tiny_language_model, tiny_tti):
    return make_run(tmp_path_factory.mktemp("story") / "run", tiny_language_model, tiny_tti)


def test_a_story_becomes_a_storyboard_and_each_panel_can_be_made_again(run, tmp_path, capsys):
    (tmp_path / "fox.txt").write_text("A fox ran in a wood. The fox saw a crow.", encoding="utf-8")
    options = ["--run-dir", str(run.directory), "--arm", "concept_only"]
    assert main(["story", str(tmp_path / "fox.txt"), "--out", str(tmp_path / "out"), *options]) == 0
    panels = sorted((tmp_path / "out" / "panels").glob("*.png"))
    assert len(panels) == 2 and str(panels[0]) in capsys.readouterr().out
    assert (tmp_path / "out" / "storyboard.html").read_text(encoding="utf-8").count("base64,") == 2
    assert Image.open(tmp_path / "out" / "contact_sheet.png").size == (56, 32)
    kept = [read_metadata(panel) for panel in panels]
    assert kept[0]["seed"] == kept[1]["seed"]  # both in the wood
    again = [*kept[0]["command"], "--out", str(tmp_path / "again"), "--run-dir", str(run.directory)]
    assert main(again) == 0
    (made,) = (tmp_path / "again").glob("*.png")
    assert np.abs(np.int16(Image.open(made)) - np.int16(Image.open(panels[0]))).max() <= 1
