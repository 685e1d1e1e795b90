"""A story on the page, on tiny random models."""

import pytest
from steered_run import make_run

from c2i_lib.app.storyteller import draw_panels, make_plan, put_together, read_edited, story_command, story_folder
from c2i_lib.app.studio import Studio
from c2i_lib.errors import C2IError
from c2i_lib.stages.images import read_metadata
from c2i_lib.stories.command import plan_into
from c2i_lib.stories.plan import plan_text, read_plan

STORY = "A fox ran in a wood. The fox saw a crow."


def test_the_page_makes_the_plan_that_the_command_makes(tmp_path):
    (tmp_path / "story.txt").write_text(STORY, encoding="utf-8")
    plan = make_plan(STORY, None, 2)
    assert plan == plan_into(tmp_path / "plan.yaml", tmp_path / "story.txt", 2)[0]
    assert read_edited(plan_text(plan)) == plan == make_plan("", tmp_path / "story.txt", 2)


@pytest.mark.parametrize(
    ("text", "says"),
    [("", "is empty"), (" \n", "is empty"), ("A fox ran. " * 100_000, "at most 100,000 characters, found 1,100,000")],
    ids=["none", "blank", "1 MB"],
)
def test_a_story_that_is_none_is_told(text, says):
    with pytest.raises(C2IError, match=says):
        make_plan(text)


def test_files_that_are_no_stories_are_told_by_their_own_names(tmp_path):
    for name, content, says in (
        ("story.spacy", b"x", r"\.txt, \.json, \.conllu"),
        ("big.txt", b"a" * 2_000_000, "at most 100,000"),
        ("picture.txt", b"\x89PNG\xff\xfe", r"^picture\.txt should be text in UTF-8"),
        ("found.json", b"{", r"^found\.json should be JSON"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(C2IError, match=says):
            make_plan("", tmp_path / name)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no plan yet"),
        ("title: [", "^the plan should be a plan in YAML"),
        ("title: <b>\npanels: []", "1 to 24 panels, found 0"),
        ("title: a\npanels: [{concept: '{wolf}'}]", "the plan, panel 1"),
        ("title: a\npanels: [" + "{concept: cat}, " * 30 + "]", "found 30"),
        ("a: &a [1]\n" * 100_000, "at most 400,000 characters"),
    ],
    ids=["none", "no YAML", "no panels", "an unknown character", "many panels", "1 MB"],
)
def test_an_edited_plan_that_is_none_is_told(text, says):
    with pytest.raises(C2IError, match=says):
        read_edited(text)


@pytest.fixture(scope="module")
def studio(tmp_path_factory, tiny_language_model, tiny_tti):
    folder = tmp_path_factory.mktemp("studio")
    return Studio(make_run(folder / "run", tiny_language_model, tiny_tti), folder / "pictures")


def test_panels_come_one_by_one_and_become_a_storyboard(studio):
    plan = make_plan(STORY, None, 2)
    drawing = draw_panels(studio, plan, 0, "concept_only")
    made = [next(drawing)]
    assert made[0].picture.path.is_file()
    made += drawing
    paths = put_together(studio, plan, 0, "concept_only", made)
    folder = story_folder(studio, plan, 0, "concept_only")
    files = ["panels.parquet", "storyboard.html", "storyboard.pdf", "contact_sheet.png", "plan.yaml"]
    assert [path.name for path in paths[:5]] == files
    assert all(path.is_relative_to(folder) for path in paths) and read_plan(paths[4]) == plan
    assert [read_metadata(path)["prompt"] for path in paths[5:]] == [one.picture.prompt for one in made]
    assert story_folder(studio, plan, 1, "concept_only") != folder
    assert story_command(studio, plan, 0, "base").startswith("c2i story story.txt --panels 2 --arm base --seed 0")


def test_an_explicit_panel_is_named(studio):
    plan = read_edited("title: a\npanels: [{concept: cat}, {concept: porn}]")
    drawing = draw_panels(studio, plan, 0, "concept_only")
    next(drawing)
    with pytest.raises(C2IError, match="panel 2"):
        next(drawing)
