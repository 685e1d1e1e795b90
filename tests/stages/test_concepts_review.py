"""The review table, driven as a browser drives it: by its widgets' values and clicks."""

import pandas as pd
import pytest

from c2i_lib.stages.concepts.curation import decide, read_decisions
from c2i_lib.stages.concepts.review import ReviewTable


def proposals(decisions):
    """Candidates of the rule, the best first: ``"k"`` keeps, ``"d"`` drops."""
    names = {"k": "keep", "d": "drop"}
    return pd.DataFrame(
        {
            "rank": range(1, len(decisions) + 1),
            "phrase": [f"phrase {number}" for number in range(1, len(decisions) + 1)],
            "document_frequency": 9,
            "senses": 1,
            "length": 2,
            "proposal": [names[letter] for letter in decisions],
            "reason": "",
            "examples": [["a caption"]] * len(decisions),
        }
    )


@pytest.fixture
def table(tmp_path):
    candidates = pd.DataFrame(
        {
            "rank": [1, 2, 3],
            "phrase": ["zebra", "icon", "<b>cat"],
            "document_frequency": [9, 50, 20],
            "senses": [1, 3, 2],
            "length": 1,
            "decision": ["keep", "drop", "keep"],
            "reason": ["", "a medium", ""],
            "examples": [["a <script>"], ["b"], ["c", "d"]],
            "chosen": [True, False, True],
        }
    )
    return ReviewTable(candidates, tmp_path / "decisions.yaml", n_concepts=2)


def phrases_in(table):
    cells = table.rows.children[0].children
    return [cell.value for cell in cells[8::7]]


def save_as(table, name):
    table.name.value = name
    table.save.click()


def test_every_concept_is_in_the_table_wherever_it_ranks(tmp_path):
    """Most of the best candidates of the default profile name no subject, so that concepts rank below the 50th."""
    candidates = decide(proposals("kk" + "d" * 60 + "kkk" + "d" * 20 + "kk" + "k" * 30), [], 4)
    table = ReviewTable(candidates, tmp_path / "decisions.yaml", n_concepts=4)
    assert set(candidates.loc[candidates["chosen"], "phrase"]) <= set(phrases_in(table))
    assert set(candidates["phrase"].head(50)) <= set(phrases_in(table))  # of which a person may keep more
    assert len(phrases_in(table)) < 60, "not all that the rule keeps: there may be thousands"


@pytest.mark.parametrize("n_dropped", range(5))
def test_what_moves_up_for_a_dropped_concept_has_been_in_the_table(tmp_path, n_dropped):
    """So that every concept has been decided on by the person whose name is in the file."""
    proposed = proposals("kk" + "d" * 60 + "kkk" + "d" * 20 + "kk" + "k" * 30)
    table = ReviewTable(decide(proposed, [], 4), tmp_path / "decisions.yaml", n_concepts=4)
    chosen = table.candidates.index[table.candidates["chosen"]]
    for index in chosen[:n_dropped]:
        table.decisions[index].value = "drop"
    save_as(table, "Ada")
    after = decide(proposed, read_decisions(table.path), 4)
    assert after["chosen"].sum() == 4
    assert set(after.loc[after["chosen"], "decided_by"]) == {"Ada"}


def test_dropping_so_many_that_unseen_ones_move_up_is_said_and_the_next_table_has_them(tmp_path):
    proposed = proposals("k" * 4 + "d" * 60 + "k" * 30)
    table = ReviewTable(decide(proposed, [], 4), tmp_path / "decisions.yaml", n_concepts=4)
    for button in table.decisions[:-1]:
        button.value = "drop"
    save_as(table, "Ada")
    assert "review 3 more" in table.message.value
    after = decide(proposed, read_decisions(table.path), 4)
    again = ReviewTable(after, table.path, n_concepts=4)
    assert set(after.loc[after["chosen"], "phrase"]) <= set(phrases_in(again))
    save_as(again, "Ada")
    assert "more" not in again.message.value


def test_decisions_are_saved_for_every_row_of_the_table(table):
    table.decisions[0].value, table.reasons[0].value = "drop", "too easy"
    save_as(table, "Ada")
    saved = {entry["phrase"]: (entry["decision"], entry["reason"], entry["by"]) for entry in read_decisions(table.path)}
    assert saved["zebra"] == ("drop", "too easy", "Ada") and saved["icon"] == ("drop", "a medium", "Ada")
    assert len(saved) == 3 and "3 decisions saved" in table.message.value


def test_without_a_name_nothing_is_saved(table):
    table.save.click()
    assert not table.path.exists() and "your name" in table.message.value


def test_sorting_keeps_what_was_clicked(table):
    table.decisions[1].value = "keep"
    for key, expected in (("phrase", "&lt;b&gt;cat"), ("document_frequency", "icon"), ("rank", "zebra")):
        table.sort.value = key
        assert phrases_in(table)[0] == expected
    assert table.decisions[1].value == "keep"


def test_captions_are_shown_as_text(table):
    assert not any("<script>" in str(getattr(cell, "value", "")) for cell in table.rows.children[0].children)
