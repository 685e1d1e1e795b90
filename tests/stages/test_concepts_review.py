"""The review table, driven as a browser drives it: by its widgets' values and clicks."""

import pandas as pd
import pytest

from c2i_lib.stages.concepts.curation import read_decisions
from c2i_lib.stages.concepts.review import ReviewTable


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
        }
    )
    return ReviewTable(candidates, tmp_path / "decisions.yaml", n=3)


def phrases_shown(table):
    cells = table.rows.children[0].children
    return [cell.value for cell in cells[8::7]]


def test_decisions_are_saved_for_every_row_shown(table):
    table.decisions[0].value, table.reasons[0].value = "drop", "too easy"
    table.name.value = "Ada"
    table.save.click()
    found = {entry["phrase"]: (entry["decision"], entry["reason"], entry["by"]) for entry in read_decisions(table.path)}
    assert found["zebra"] == ("drop", "too easy", "Ada") and found["icon"] == ("drop", "a medium", "Ada")
    assert len(found) == 3 and "3 decisions saved" in table.message.value


def test_without_a_name_nothing_is_saved(table):
    table.save.click()
    assert not table.path.exists() and "your name" in table.message.value


def test_sorting_keeps_what_was_clicked(table):
    table.decisions[1].value = "keep"
    for key, expected in (("phrase", "&lt;b&gt;cat"), ("document_frequency", "icon"), ("rank", "zebra")):
        table.sort.value = key
        assert phrases_shown(table)[0] == expected
    assert table.decisions[1].value == "keep"


def test_captions_are_shown_as_text(table):
    assert not any("<script>" in str(getattr(cell, "value", "")) for cell in table.rows.children[0].children)
