"""Plans → prompts, pictures, one page and a table, on tiny random models."""

import json
import re
import shlex
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from steered_run import make_run

from c2i_lib.cli import main
from c2i_lib.errors import C2IError
from c2i_lib.generator import ConceptToImage, Picture
from c2i_lib.stages.images import read_metadata
from c2i_lib.stories.drawing import draw_story
from c2i_lib.stories.illustrating import PanelPicture, noise_seed, place_phrase, write_panels
from c2i_lib.stories.panels import PANEL_COLUMNS
from c2i_lib.stories.pdf import write_pdf
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


def made(images, prompts) -> list[PanelPicture]:
    """Panels of ``PLAN`` with such pictures; the first one lacks its style."""
    pictures = [Picture(prompt, 0, image) for image, prompt in zip(images, prompts, strict=True)]
    return [
        PanelPicture(panel, picture, ["style: <flat>"] * (number == 0), [])
        for number, (panel, picture) in enumerate(zip(PLAN.panels, pictures, strict=True))
    ]


def test_a_place_is_said_where_the_concept_does_not_say_it():
    assert [place_phrase(PLAN, panel) for panel in PLAN.panels] == ["in a wood", "", "", ""]


def test_panels_of_a_place_and_of_a_pair_share_their_noise():
    first, second, third, fourth = (noise_seed(panel, 0) for panel in PLAN.panels)
    assert first == second != third == fourth
    assert len({noise_seed(PLAN.panels[0], seed, sample) for seed in (0, 1) for sample in (0, 1)}) == 4


def test_the_page_is_one_file_and_shows_what_is_written_and_what_was_dropped():
    """It opens without a network, and a story is no place for scripts."""
    images = [np.full((4, 4, 3), 60 * number, np.uint8) for number in range(4)]
    page = storyboard_html(PLAN.title, made(images, ["<script>", "b", "c", "d"]))
    assert page.count("data:image/png;base64,") == 4
    assert "He &lt;ran&gt;." in page and "Fox &amp; &lt;Crow&gt;" in page and "<script>" not in page
    assert page.count("no room for") == 1 and "no room for style: &lt;flat&gt;" in page
    assert not re.search(r"https?://", page)


def test_the_contact_sheet_has_all_pictures_in_their_order():
    images = [np.full((4, 6, 3), number, np.uint8) for number in (10, 20, 30)]
    sheet = contact_sheet(images)
    assert sheet.shape == (2 * 12 + 8, 2 * 14 + 8, 3)
    assert [sheet[8, 8, 0], sheet[8, 22, 0], sheet[20, 8, 0], sheet[20, 22, 0]] == [10, 20, 30, 255]


def test_the_pdf_has_a_page_for_six_panels_and_no_date(tmp_path):
    """The same panels give the same bytes."""
    panels = made([np.zeros((4, 4, 3), np.uint8)] * 4, ["$a$ " * 200, "b", "c", "d"]) * 2
    write_pdf(tmp_path / "story.pdf", PLAN.title, panels[:7])
    content = (tmp_path / "story.pdf").read_bytes()
    assert content.startswith(b"%PDF") and content.count(b"/Type /Page ") == 2
    assert b"Date" not in content


@pytest.fixture(scope="module")
def run(tmp_path_factory, tiny_language_model, tiny_tti):
    return make_run(tmp_path_factory.mktemp("story") / "run", tiny_language_model, tiny_tti)


@pytest.fixture(scope="module")
def told(run, tmp_path_factory):
    """The folder of a story that the command has drawn, each panel out of three pictures."""
    folder = tmp_path_factory.mktemp("told")
    events = [{"who": "fox", "verb": "run", "where": "in a wood"}, {"who": "fox", "verb": "see", "whom": "crow"}]
    (folder / "fox.json").write_text(json.dumps({"entities": ["fox", "crow"], "events": events}), encoding="utf-8")
    options = ["--run-dir", str(run.directory), "--arm", "concept_only", "--best-of", "3"]
    assert main(["story", str(folder / "fox.json"), "--out", str(folder / "out"), *options]) == 0
    return folder / "out"


def test_the_command_writes_all_files_of_a_storyboard(told):
    names = ["contact_sheet.png", "panels", "panels.parquet", "plan.yaml", "storyboard.html", "storyboard.pdf"]
    assert sorted(path.name for path in told.iterdir()) == names
    assert (told / "storyboard.html").read_text(encoding="utf-8").count("base64,") == 2
    assert Image.open(told / "contact_sheet.png").size == (56, 32)


def test_the_table_says_what_each_panel_was_made_from(told):
    table = pd.read_parquet(told / "panels.parquet")
    assert {name: str(dtype) for name, dtype in table.dtypes.items()} == PANEL_COLUMNS
    assert table["panel"].tolist() == [1, 2] and table["on_stage"].tolist() == ["fox", "fox; crow"]
    assert table["best_of"].tolist() == [3, 3]
    assert table[["quality", "faithfulness", "likeness"]].notna().all(axis=None)
    assert table["likeness"][0] == pytest.approx(table["likeness"][1])  # each to the other
    for row in table.itertuples():
        kept = read_metadata(told / row.file)
        assert (kept["prompt"], kept["seed"], kept["best_of"]) == (row.prompt, row.seed, 3)


def test_the_command_of_a_panel_makes_it_again(told, tmp_path):
    first = pd.read_parquet(told / "panels.parquet").iloc[0]
    program, *command = shlex.split(first["command"])
    assert program == "c2i" and main([*command, "--out", str(tmp_path)]) == 0
    (again,) = tmp_path.glob("*.png")
    assert np.abs(np.int16(Image.open(again)) - np.int16(Image.open(told / first["file"]))).max() <= 1


def test_more_candidates_do_not_change_the_first_and_one_needs_no_judge(run, tmp_path):
    tool = ConceptToImage(run, "concept_only")
    one, three = (write_panels(tool, PLAN, best_of=n) for n in (1, 3))
    assert [own.prompts[0] for own in one] == [own.prompts[0] for own in three]
    assert all(len({prompt.seed for prompt in own.prompts}) == 3 for own in three)
    (panel, *_), _ = draw_story(tool, replace(PLAN, panels=PLAN.panels[:1]), tmp_path)
    assert panel.picture.quality is None and np.isnan(panel.likeness) and panel.picture.path.is_file()


def test_a_style_that_is_too_long_is_cut_and_told(run):
    """Elsewhere that is refused; here the panel comes first."""
    styled = replace(PLAN, style=", ".join(f"brush {number}" for number in range(200)))
    for own in write_panels(ConceptToImage(run, "concept_only"), styled):
        (one,), dropped = own.prompts, own.dropped[-1]
        assert one.prompt.startswith(one.concept) and one.concept.startswith(("a red fox", "crow"))
        assert dropped.startswith("style: brush ") and one.prompt.count("brush") + dropped.count("brush") == 200


def test_a_panel_whose_candidates_are_all_flagged_shows_the_first_and_has_no_scores(run, tmp_path, monkeypatch):
    tool = ConceptToImage(run, "concept_only")
    monkeypatch.setattr(tool.renderer, "draw", lambda texts, *_: iter([(np.zeros((16, 16, 3)), "blank")] * len(texts)))
    found, _ = draw_story(tool, PLAN, tmp_path, best_of=2)
    assert [(one.picture.flagged, one.picture.source.sample, one.picture.quality) for one in found] == [
        ("blank", 0, None)
    ] * 4


def test_a_plan_without_panels_and_a_choice_without_judges_are_refused_before_anything_is_drawn(run, tmp_path):
    tool = ConceptToImage(run, "concept_only")
    with pytest.raises(C2IError, match="with panels, found none"):
        draw_story(tool, replace(PLAN, panels=[]), tmp_path)
    judges = run.profile.judges.model_copy(update={"selection": None})
    tool.run = replace(run, profile=run.profile.model_copy(update={"judges": judges}))
    with pytest.raises(C2IError, match="no judges to select by"):
        draw_story(tool, PLAN, tmp_path, best_of=2)
    assert not list(tmp_path.iterdir())
