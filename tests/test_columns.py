"""Columns of tables: those that a run wrote are those named beside the code that writes them."""

from pathlib import Path

import pandas as pd
import pytest

from c2i_lib.config import load_profile
from c2i_lib.records.files import write_table
from c2i_lib.stages import STUDY, analysis, captions, concepts, images, prompts
from c2i_lib.stages.captions import length, sources, splits
from c2i_lib.stages.evaluation import closeness, frontier, hypothesis, known_answers, means, scores
from c2i_lib.stages.finetuning import evaluation, training
from c2i_lib.stages.survey import build, ratings
from c2i_lib.stages.survey import training as training_items
from c2i_lib.statistics.effects import COMPARISON_COLUMNS
from c2i_lib.text.noun_phrases import parser

OF_PEOPLE = {"validity"}  # tables that simulated raters have not
OF_RULES = {"exclusions", "exclusion_means"}  # tables of profiles that declare rules for leaving raters out
TABLES = {  # pattern of paths in a run → column → dtype, in the order of the table
    "01_captions/finetune_*.parquet": splits.SPLIT_COLUMNS,
    "01_captions/[ml]*.parquet": splits.SPLIT_COLUMNS,  # mining, length
    "01_captions/pairs.parquet": sources.PAIR_COLUMNS,
    "01_captions/length/lengths.parquet": length.LENGTH_COLUMNS,
    "02_models/*/training_log.parquet": training.LOG_COLUMNS,
    "02_models/perplexity/perplexity.parquet": evaluation.PERPLEXITY_COLUMNS,
    "02_models/samples/samples.parquet": prompts.SAMPLE_COLUMNS,
    "03_concepts/phrases/phrases.parquet": parser.PHRASE_COLUMNS,
    "03_concepts/candidates.parquet": concepts.CANDIDATE_COLUMNS,
    "04_prompts/prompts.parquet": prompts.PROMPT_COLUMNS,
    "05_images/images.parquet": images.IMAGE_COLUMNS,
    "06_survey/items.parquet": build.ITEMS_COLUMNS,
    "06_survey/orders.parquet": build.ORDERS_COLUMNS,
    "06_survey/training.parquet": training_items.TRAINING_COLUMNS,
    "06_survey/ratings/ratings.parquet": ratings.RATINGS_COLUMNS,
    **{
        f"07_analysis/{name}.parquet": columns
        for name, columns in analysis.columns(load_profile("smoke").survey.scale_points).items()
        if name not in OF_PEOPLE | OF_RULES
    },
    "08_judges/scores/scores.parquet": scores.SCORES_COLUMNS,
    "08_judges/others/others.parquet": scores.OTHERS_COLUMNS,
    "08_judges/selecting/selecting.parquet": scores.SELECTING_COLUMNS,
    "08_judges/validity/validity.parquet": known_answers.KNOWN_ANSWERS_COLUMNS,
    "08_judges/analysis/means.parquet": means.JUDGE_MEANS_COLUMNS,
    "08_judges/analysis/comparison.parquet": COMPARISON_COLUMNS,
    "08_judges/analysis_others/means.parquet": means.JUDGE_MEANS_COLUMNS,
    "08_judges/analysis_others/comparison.parquet": COMPARISON_COLUMNS,
    "08_judges/frontier/frontier.parquet": frontier.FRONTIER_COLUMNS,
    "08_judges/closeness/closeness.parquet": closeness.CLOSENESS_COLUMNS,
    "08_judges/closeness/clouds.parquet": closeness.CLOUDS_COLUMNS,
    **{f"08_judges/hypothesis/{name}.parquet": columns for name, columns in hypothesis.COLUMNS.items()},
}
WITH_R = {"07_analysis/mixed_model/effects.parquet": analysis.MIXED_MODEL_COLUMNS}
# The embedded captions have none.
ABSENT = {"01_captions/finetune_*.parquet": {"url"}, "01_captions/[ml]*.parquet": {"url"}}


def columns_of(path: Path) -> list[tuple[str, str]]:
    return [(name, str(dtype)) for name, dtype in pd.read_parquet(path).dtypes.items()]


@pytest.mark.notebooks
@pytest.mark.parametrize("pattern", [*TABLES, *WITH_R])
def test_a_table_has_the_columns_that_its_list_names(smoke_run, pattern):
    """In their order, and with their types: also where a table is empty, as that of further judges is here."""
    columns = {**TABLES, **WITH_R}[pattern]
    expected = [pair for pair in columns.items() if pair[0] not in ABSENT.get(pattern, ())]
    tables = {path.relative_to(smoke_run).as_posix(): columns_of(path) for path in smoke_run.glob(pattern)}
    if pattern in WITH_R and not tables:
        pytest.skip("R's package ordinal is not installed")
    assert tables and tables == dict.fromkeys(tables, expected)


@pytest.mark.notebooks
def test_no_table_is_empty_but_those_of_judges_that_the_profile_does_not_name(smoke_run):
    paths = {path.relative_to(smoke_run).as_posix() for pattern in TABLES for path in smoke_run.glob(pattern)}
    assert {path for path in paths if pd.read_parquet(smoke_run / path).empty} == {
        path for path in paths if "others" in path
    }


@pytest.mark.notebooks
@pytest.mark.parametrize("stage", STUDY, ids=lambda stage: stage.name)
def test_every_table_of_a_stage_has_a_list(smoke_run, stage):
    """Found in the run's folder, so that a new table cannot be forgotten here."""
    tables = set((smoke_run / stage.folder).rglob("*.parquet"))
    assert tables and tables <= {path for pattern in (*TABLES, *WITH_R) for path in smoke_run.glob(pattern)}


def test_captions_that_have_urls_keep_them_as_their_list_says(tmp_path):
    source = pd.DataFrame({"TEXT": [f"a cat number {n}" for n in range(60)], "URL": [f"u{n}" for n in range(60)]})
    source.to_parquet(tmp_path / "source.parquet")
    sizes = {"captions.n_finetune": 20, "captions.n_mining": 10, "captions.n_length": 10}
    settings = load_profile("smoke", {"captions.source": str(tmp_path / "source.parquet"), **sizes}).captions
    captions.prepare_captions(tmp_path / "01_captions", settings)
    paths = list((tmp_path / "01_captions").glob("*.parquet"))
    assert len(paths) == 4
    assert all(columns_of(path) == list(splits.SPLIT_COLUMNS.items()) for path in paths)


def test_a_table_is_written_with_the_columns_of_its_list_and_no_others(tmp_path):
    table = pd.DataFrame({"more": [1], "n": [2.0], "name": ["a"]})
    for rows in (table, table.head(0)):
        write_table(tmp_path / "table.parquet", rows, {"name": "str", "n": "int64"})
        assert columns_of(tmp_path / "table.parquet") == [("name", "str"), ("n", "int64")]
    with pytest.raises(KeyError, match="absent"):
        write_table(tmp_path / "table.parquet", table, {"absent": "str"})
