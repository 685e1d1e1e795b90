"""Stage 03 as a whole: files, what is done once, and decisions between two runs."""

import pandas as pd
import pytest
import yaml

from c2i_lib.config import load_profile
from c2i_lib.errors import CaptionError
from c2i_lib.records.files import write_table
from c2i_lib.records.stage import Stage
from c2i_lib.stages.concepts import decisions_file, mine_concepts, read_concepts, read_groups, write_decisions
from c2i_lib.text.noun_phrases.unlikely_subjects import MEDIUM_WORDS

NOUNS = ("giraffe", "zebra", "bicycle", "umbrella")


def captions_table(folder, texts):
    with Stage(folder, {}):
        table = pd.DataFrame({"caption_id": [f"c{index}" for index in range(len(texts))], "text": texts})
        write_table(folder / "mining.parquet", table)
    return folder / "mining.parquet"


@pytest.fixture
def captions(tmp_path):
    texts = [f"a {noun} in the garden" for noun in NOUNS for _ in range(3)]
    return captions_table(tmp_path / "01_captions", [*texts, *["an icon of freedom"] * 9])


def test_mined_concepts_are_the_chosen_candidates_in_order(captions, tmp_path):
    out = tmp_path / "03_concepts"
    concepts = mine_concepts(captions, out, load_profile("smoke"))
    table = pd.read_parquet(out / "candidates.parquet")
    assert concepts == table.loc[table["chosen"], "phrase"].tolist() == read_concepts(out / "concepts.yaml")
    assert len(concepts) == 3 and not MEDIUM_WORDS & set(concepts)
    assert "freedom" in table["phrase"].tolist()


def test_candidates_carry_example_captions(captions, tmp_path):
    mine_concepts(captions, tmp_path / "03_concepts", load_profile("smoke"))
    table = pd.read_parquet(tmp_path / "03_concepts" / "candidates.parquet").set_index("phrase")
    assert list(table.loc["zebra", "examples"]) == ["a zebra in the garden"] * 3


def test_other_weights_do_not_count_the_phrases_again(captions, tmp_path, monkeypatch):
    out = tmp_path / "03_concepts"
    mine_concepts(captions, out, load_profile("smoke"))
    monkeypatch.setattr("c2i_lib.stages.concepts._EXTRACTORS", {})  # counting again would raise
    mine_concepts(captions, out, load_profile("smoke", {"concepts.length_weight": 0.5}))
    assert (out / "phrases" / "stage.json").is_file()


def test_a_persons_decisions_are_used_by_the_next_run(captions, tmp_path):
    out, profile = tmp_path / "03_concepts", load_profile("smoke")
    before = mine_concepts(captions, out, profile)
    write_decisions(decisions_file(tmp_path, profile.concepts), {before[0]: ("drop", "too easy")}, "Ada")
    after = mine_concepts(captions, out, profile)
    assert before[0] not in after and after[:2] == before[1:]
    assert yaml.safe_load((out / "concepts.yaml").read_text())["decided_by"] == ["Ada"]


def test_a_file_of_decisions_can_be_given(captions, tmp_path):
    write_decisions(tmp_path / "mine.yaml", {"freedom": ("keep", "")}, "Ada")
    profile = load_profile("smoke", {"concepts.decisions": str(tmp_path / "mine.yaml")})
    assert "freedom" in mine_concepts(captions, tmp_path / "03_concepts", profile)


def test_the_lexicon_finds_the_same_concepts_here(captions, tmp_path):
    found = [
        mine_concepts(captions, tmp_path / name / "03_concepts", load_profile("smoke", {"concepts.extractor": name}))
        for name in ("parser", "lexicon")
    ]
    assert found[0] == found[1]


@pytest.mark.parametrize("texts", [["a giraffe", "a giraffe"], ["404", "12 x 12"]])
def test_too_few_concepts_are_told_with_the_keys_to_change(tmp_path, texts):
    captions = captions_table(tmp_path / "01_captions", texts)
    with pytest.raises(CaptionError, match=r"concepts\.n_concepts is 3.*min_frequency.*captions\.n_mining"):
        mine_concepts(captions, tmp_path / "03_concepts", load_profile("smoke"))


def test_given_concepts_take_the_place_of_mined_ones_and_of_decisions(captions, tmp_path):
    """Those that captions do not know are concepts all the same, and the captions' phrases are mined to tell which."""
    given = {"known": ["umbrella", "giraffe"], "unseen": ["walrus"]}
    profile, out = load_profile("smoke", {"concepts.given": given}), tmp_path / "03_concepts"
    write_decisions(decisions_file(tmp_path, profile.concepts), {"giraffe": ("drop", "")}, "Ada")
    assert mine_concepts(captions, out, profile) == ["umbrella", "giraffe", "walrus"]
    assert read_concepts(out / "concepts.yaml") == ["umbrella", "giraffe", "walrus"]
    assert read_groups(out / "concepts.yaml") == {"umbrella": "known", "giraffe": "known", "walrus": "unseen"}
    table = pd.read_parquet(out / "candidates.parquet")
    assert set(table.loc[table["chosen"], "phrase"]) == {"umbrella", "giraffe"}
    assert {"zebra", "bicycle"} <= set(table["phrase"])


def test_given_concepts_need_no_captions_that_know_them(tmp_path):
    captions = captions_table(tmp_path / "01_captions", ["a giraffe", "a giraffe"])
    profile = load_profile("smoke", {"concepts.given": {"unseen": ["walrus", "tuba", "vase"]}})
    assert mine_concepts(captions, tmp_path / "03_concepts", profile) == ["walrus", "tuba", "vase"]


def test_mined_concepts_have_no_groups(captions, tmp_path):
    mine_concepts(captions, tmp_path / "03_concepts", load_profile("smoke"))
    assert read_groups(tmp_path / "03_concepts" / "concepts.yaml") == {}
