import pandas as pd
import pytest
import yaml

from c2i_lib.config import load_profile
from c2i_lib.errors import CaptionError
from c2i_lib.stages.concepts.curation import decide, propose, read_decisions, write_concepts, write_decisions
from c2i_lib.stages.concepts.scoring import score

PHRASES = {
    "vector icon": "medium",
    "freedom": "not a physical thing",
    "cat": "",
    "black cat": "as cat",
    "qwertyx": "not in WordNet",
    "germany": "a country",
    "front": "a view",
    "dozen": "a measure",
    "person": "too vague",
    "apple": "",
    "giraffe": "",
}


@pytest.fixture
def proposed():
    table = pd.DataFrame({"phrase": list(PHRASES), "document_frequency": range(90, 90 - len(PHRASES), -1)})
    table = table.assign(head=table["phrase"].str.split().str[-1], frequency=1, rows=[[0]] * len(table))
    weights = {"concepts.ambiguity_weight": 0.0, "concepts.length_weight": 0.0}
    return propose(score(table, load_profile("smoke", weights).concepts))


@pytest.mark.parametrize("phrase", PHRASES)
def test_the_rule_keeps_things_and_says_why_it_drops_others(phrase, proposed):
    row = proposed.set_index("phrase").loc[phrase]
    assert PHRASES[phrase] in row["reason"]
    assert (row["proposal"] == "keep") == (PHRASES[phrase] == "") == (row["reason"] == "")


def test_without_a_person_the_rule_decides(proposed):
    table = decide(proposed, [], 2)
    assert table.loc[table["chosen"], "phrase"].tolist() == ["cat", "apple"]
    assert set(table["decided_by"]) == {"rule"} and (table["decision"] == table["proposal"]).all()


def test_a_persons_decision_goes_before_the_rule(proposed, tmp_path):
    path = tmp_path / "concept_decisions.yaml"
    write_decisions(path, {"freedom": ("keep", "draw it"), "cat": ("drop", "too easy")}, "Ada")
    table = decide(proposed, read_decisions(path), 3).set_index("phrase")
    assert table.index[table["chosen"]].tolist() == ["freedom", "apple", "giraffe"]
    assert table.loc["freedom", ["decided_by", "reason"]].tolist() == ["Ada", "draw it"]
    assert table.loc["apple", "decided_by"] == "rule"


def test_the_newest_decision_counts_and_others_stay(tmp_path):
    path = tmp_path / "decisions.yaml"
    write_decisions(path, {"cat": ("drop", ""), "dog": ("keep", "")}, "Ada")
    write_decisions(path, {"cat": ("keep", "after all")}, "Bob")
    found = {entry["phrase"]: (entry["decision"], entry["by"]) for entry in read_decisions(path)}
    assert found == {"dog": ("keep", "Ada"), "cat": ("keep", "Bob")}
    assert all(entry["at"].startswith("20") for entry in read_decisions(path))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("- cat", "list named decisions"),
        ("decisions: [", "list named decisions"),
        ("decisions: [cat]", "decision 1"),
        ("decisions: [{phrase: cat, decision: maybe, reason: '', by: Ada, at: now}]", "decision 1.*maybe"),
    ],
)
def test_a_damaged_file_of_decisions_names_the_entry(content, expected, tmp_path):
    (tmp_path / "decisions.yaml").write_text(content)
    with pytest.raises(CaptionError, match=f"(?s)decisions.yaml.*{expected}|{expected}.*decisions.yaml"):
        read_decisions(tmp_path / "decisions.yaml")


def test_the_file_says_whether_a_human_has_looked(proposed, tmp_path):
    decisions = [{"phrase": "cat", "decision": "keep", "reason": "", "by": "Ada", "at": "2026-11-24T10:00:00+00:00"}]
    notes = []
    for known in ([], decisions):
        write_concepts(tmp_path / "concepts.yaml", decide(proposed, known, 2), known, {})
        content = yaml.safe_load((tmp_path / "concepts.yaml").read_text())
        assert content["concepts"] == ["cat", "apple"]
        notes.append((content["note"], content["decided_by"], content["decided_at"]))
    assert notes == [
        ("no human has looked at this list: a rule proposed it", ["rule"], None),
        ("reviewed by Ada", ["Ada"], "2026-11-24T10:00:00+00:00"),
    ]


def test_the_file_says_that_the_profile_gave_the_concepts(proposed, tmp_path):
    """And not that a person decided, although there are decisions."""
    decisions = [{"phrase": "cat", "decision": "keep", "reason": "", "by": "Ada", "at": "2026-11-24T10:00:00+00:00"}]
    given = {"b": ("walrus",), "a": ("tuba", "cat")}
    write_concepts(tmp_path / "concepts.yaml", decide(proposed, decisions, 2), decisions, given)
    content = yaml.safe_load((tmp_path / "concepts.yaml").read_text())
    assert (content["note"], content["decided_by"]) == ("given by the profile", ["profile"])
    assert content["concepts"] == ["walrus", "tuba", "cat"] and content["decisions"] == []
    assert content["groups"] == {"b": ["walrus"], "a": ["tuba", "cat"]}
