"""Columns of the tables of stages 06 to 08: those that a run wrote are those named beside the code that writes them."""

import pandas as pd
import pytest

from c2i_lib.config import load_profile
from c2i_lib.records.files import write_table
from c2i_lib.stages import analysis
from c2i_lib.stages.evaluation import closeness, frontier, hypothesis, known_answers, means, scores
from c2i_lib.stages.survey import build, ratings
from c2i_lib.statistics.effects import COMPARISON_COLUMNS

OF_PEOPLE = {"validity"}  # tables that simulated raters have not
SURVEY = {
    "06_survey/items.parquet": build.ITEMS_COLUMNS,
    "06_survey/orders.parquet": build.ORDERS_COLUMNS,
    "06_survey/ratings/ratings.parquet": ratings.RATINGS_COLUMNS,
}
ANALYSIS = {
    f"07_analysis/{name}.parquet": columns
    for name, columns in analysis.columns(load_profile("smoke").survey.scale_points).items()
    if name not in OF_PEOPLE
}
EVALUATION = {
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
TABLES = {**SURVEY, **ANALYSIS, **EVALUATION}
WITH_R = {"07_analysis/mixed_model/effects.parquet": analysis.MIXED_MODEL_COLUMNS}


def columns_of(table: pd.DataFrame) -> list[tuple[str, str]]:
    return [(name, str(dtype)) for name, dtype in table.dtypes.items()]


@pytest.mark.parametrize("path", [*TABLES, *WITH_R])
def test_a_table_has_the_columns_that_its_list_names(smoke_run, path):
    """In their order, and with their types: also where a table is empty, as that of further judges is here."""
    if path in WITH_R and not (smoke_run / path).is_file():
        pytest.skip("R's package ordinal is not installed")
    assert columns_of(pd.read_parquet(smoke_run / path)) == list({**TABLES, **WITH_R}[path].items())


def test_every_table_of_these_stages_has_a_list(smoke_run):
    written = {path.relative_to(smoke_run).as_posix() for path in smoke_run.glob("0[678]_*/**/*.parquet")}
    assert written - set(WITH_R) == set(TABLES)


def test_a_table_is_written_with_the_columns_of_its_list_and_no_others(tmp_path):
    table = pd.DataFrame({"more": [1], "n": [2.0], "name": ["a"]})
    for rows in (table, table.head(0)):
        write_table(tmp_path / "table.parquet", rows, {"name": "str", "n": "int64"})
        assert columns_of(pd.read_parquet(tmp_path / "table.parquet")) == [("name", "str"), ("n", "int64")]
    with pytest.raises(KeyError, match="absent"):
        write_table(tmp_path / "table.parquet", table, {"absent": "str"})
