"""Stories → plans that people edit: the same each time, kept when edited, refused with reasons."""

import json
import textwrap

import pytest

from c2i_lib.cli import main
from c2i_lib.errors import C2IError
from c2i_lib.stories.command import describe, plan_into
from c2i_lib.stories.parsing import load_pipeline
from c2i_lib.stories.plan import drawn, plan_text, read_plan
from c2i_lib.stories.planning import plan_story
from c2i_lib.stories.reading import plan_file
from c2i_lib.stories.selection import choose
from c2i_lib.stories.structured import plan_findings

STORY = textwrap.dedent("""\
    A little mouse lived in a forest. One day she ran across the paw of a lion.
    He caught her, but he let her go.

    "Thank you," said the mouse. That night the lion was caught in a net by hunters.
    The mouse gnawed the ropes.
    """)


@pytest.fixture
def story(tmp_path):
    path = tmp_path / "lion.txt"
    path.write_text(STORY, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def planned(tmp_path_factory):
    """The plan of ``STORY`` as a file has it, made once."""
    folder = tmp_path_factory.mktemp("planned")
    (folder / "lion.txt").write_text(STORY, encoding="utf-8")
    plan, _ = plan_into(folder / "plan.yaml", folder / "lion.txt")
    return plan, (folder / "plan.yaml").read_text(encoding="utf-8")


def test_a_plan_says_who_does_what_where_and_when(story):
    plan = plan_file(story, 20)
    assert [one.name for one in plan.characters] == ["mouse", "lion", "hunter"]
    assert [drawn(plan, panel) for panel in plan.panels] == [
        "a little mouse living in a forest",
        "a little mouse running across the paw of a lion",
        "a lion catching a little mouse",
        "a little mouse going",
        "a little mouse talking",
        "hunters catching a lion in a net",
        "a little mouse gnawing the ropes",
    ]
    caught = plan.panels[5]
    assert (caught.event.who, caught.event.whom, caught.event.when) == (["hunter"], ["lion"], "That night")
    assert caught.on_stage == ["hunter", "lion"]
    assert STORY[slice(*caught.span)] == caught.text == caught.caption
    assert (plan.panels[6].place, plan.panels[6].time) == ("forest", "that night")  # carried over


def test_the_same_text_gives_the_same_plan_whatever_was_planned_before(story):
    first = plan_text(plan_file(story, 3))
    plan_story("A dog barked.", "another")
    assert plan_text(plan_file(story, 3)) == first


def test_fewer_panels_are_the_weightiest_in_the_order_of_the_story(story):
    plan = plan_file(story, 3)
    spans = [panel.span for panel in plan.panels]
    assert len(spans) == 3 and spans == sorted(spans)
    assert "hunters catching a lion in a net" in [drawn(plan, panel) for panel in plan.panels]


def test_panels_that_say_the_same_are_not_both_chosen():
    texts = ["a fox jumping", "a fox jumping", "a king in a castle"]
    assert choose([2.0, 2.0, 1.0], texts, [0, 1, 2], 2) == [0, 2]


def test_a_plan_is_read_as_it_was_written(planned, tmp_path):
    plan, text = planned
    (tmp_path / "plan.yaml").write_text(text, encoding="utf-8")
    assert read_plan(tmp_path / "plan.yaml") == plan and not plan.is_edited
    assert "characters: mouse (a little mouse)" in describe(plan)[1]


def test_an_edited_plan_is_kept_and_never_overwritten(story, planned, tmp_path):
    """Hours of a person's work are in it."""
    path = tmp_path / "plan.yaml"
    path.write_text(planned[1].replace("look: a lion", "look: a golden lion"), encoding="utf-8")
    edited = path.read_bytes()
    plan, news = plan_into(path, story)
    assert "kept" in news and "a golden lion catching a little mouse" in [drawn(plan, one) for one in plan.panels]
    with pytest.raises(C2IError, match="was edited"):
        plan_into(path, story, 2)
    story.write_text("A dog barked.", encoding="utf-8")
    with pytest.raises(C2IError, match="was edited"):
        plan_into(path, story)
    assert path.read_bytes() == edited


def test_a_plan_that_nobody_edited_follows_its_story(story, tmp_path):
    path = tmp_path / "plan.yaml"
    assert len(plan_into(path, story, 2)[0].panels) == 2
    assert len(plan_into(path, story, 3)[0].panels) == 3
    assert plan_into(path, story, 3)[1] == "as it was"


@pytest.mark.parametrize(
    "old, new, message",
    [
        ("on_stage: [lion", "on_stage: [bear", "'bear', which is no character"),
        ("concept: '{lion}", "concept: '{bear}", "{bear}, which is no character"),
        ("name: lion", "name: mouse", "'mouse' twice"),
        ("gender: m", "sex: m", "unknown key 'sex'"),
        ("look: a lion", "look: 3", "should be a text"),
        ("characters:", "characters: {", "should be a plan in YAML"),
    ],
)
def test_an_edit_that_makes_no_sense_is_told_with_its_place(planned, tmp_path, old, new, message):
    path, text = tmp_path / "plan.yaml", planned[1]
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(C2IError, match=message):
        read_plan(path)


def test_events_and_entities_of_another_system_become_panels():
    found = {
        "entities": [{"name": "fox", "aliases": ["Reynard"], "attributes": ["red"]}, "Alice"],
        "events": [
            {"who": ["Reynard"], "verb": "meet", "whom": "Alice", "where": "in a wood"},
            {"who": "Alice", "verb": "run away"},
        ],
    }
    plan = plan_findings(found, "found", None)
    assert [drawn(plan, one) for one in plan.panels] == ["a red fox meeting Alice in a wood", "Alice running away"]
    assert [one.place for one in plan.panels] == ["in a wood", "in a wood"]
    assert plan.panels[0].on_stage == ["fox", "Alice"]
    with pytest.raises(C2IError, match="at most as many events as panels"):
        plan_findings(found, "found", 1)


def test_a_summary_is_parsed_and_entities_say_more():
    found = {
        "summary": ["A fox saw a crow.", "The crow flew away."],
        "entities": [{"name": "fox", "look": "a blue fox"}],
    }
    plan = plan_findings(found, "found", None)
    assert drawn(plan, plan.panels[0]) == "a blue fox seeing a crow"


@pytest.mark.parametrize(
    "found, message",
    [
        ([], "should have text, summary or events"),
        ({"text": "A fox ran.", "entity": []}, "unknown key 'entity'"),
        ({"events": [{"who": "fox"}]}, "event 1 should have a verb"),
        ({"events": [{"verb": "run"}]}, "who or whom"),
        ({"text": 3}, "should be a text"),
        ({"text": "Once upon a time."}, "nothing happens"),
    ],
)
def test_findings_that_are_none_are_told_with_their_place(found, message):
    with pytest.raises(C2IError, match=message):
        plan_findings(found, "found", None)


def test_docbin_and_conllu_keep_their_sentences(story, tmp_path):
    from spacy.tokens import DocBin

    doc = load_pipeline()(STORY.replace("\n", " "))
    DocBin(docs=[doc]).to_disk(tmp_path / "story.spacy")
    rows = ["# sent_id = 1"]
    for sentence in doc.sents:
        tokens = [token for token in sentence if not token.is_space]
        spaces = ["_" if token.whitespace_ else "SpaceAfter=No" for token in tokens]
        rows += [
            "\t".join([str(n), t.text, *["_"] * 7, s]) for n, (t, s) in enumerate(zip(tokens, spaces, strict=True), 1)
        ]
        rows.append("")
    (tmp_path / "story.conllu").write_text("\n".join(rows), encoding="utf-8")
    wanted = [drawn(plan, one) for plan in [plan_file(story, 20)] for one in plan.panels]
    for name in ("story.spacy", "story.conllu"):
        plan = plan_file(tmp_path / name, 20)
        assert [drawn(plan, one) for one in plan.panels] == wanted


@pytest.mark.parametrize(
    "name, content, message",
    [
        ("story.json", b"{", "should be JSON"),
        ("story.txt", b"\xff\xfe\xfa", "UTF-8"),
        ("story.txt", b"  ", "is empty"),
        ("story.spacy", b"no docbin", "DocBin"),
        ("story.conllu", b"1 A B", "10 columns"),
    ],
)
def test_files_that_are_none_are_refused_before_anything_is_written(tmp_path, name, content, message, capsys):
    (tmp_path / name).write_bytes(content)
    assert main(["story", str(tmp_path / name), "--plan-only", "--out", str(tmp_path / "out")]) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_command_tells_the_panels(story, tmp_path, capsys):
    (tmp_path / "found.json").write_text(json.dumps({"events": [{"who": "a fox", "verb": "run"}]}), encoding="utf-8")
    assert main(["story", str(tmp_path / "found.json"), "--plan-only", "--out", str(tmp_path / "out")]) == 0
    assert "1. a fox running" in capsys.readouterr().out
    assert read_plan(tmp_path / "out" / "plan.yaml").panels[0].event.verb == "run"
