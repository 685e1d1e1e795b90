"""Raters of a study that runs: added, replaced and withdrawn without a restart, and nobody gets another name."""

import httpx
import pandas as pd
import pytest
from survey_run import RESEARCHER, make_run, served

from c2i_lib.errors import C2IError
from c2i_lib.stages.survey.raters import Raters, read_orders, write_links
from c2i_lib.stages.survey.responses import read_tables
from c2i_lib.stages.survey.web.store import read_answers

GOOD = {"question": "quality", "rating": 3, "version": 1}


@pytest.fixture
def run(tmp_path):
    return make_run(tmp_path / "run", 12)


def rate_one(link):
    """Agree and answer the first question. Returns the ids of the rater's items."""
    items = [item["item_id"] for item in httpx.post(f"{link}/consent", json={}).json()["items"]]
    assert httpx.put(f"{link}/answers/{items[0]}", json=GOOD).status_code == 200
    return items


def test_a_rater_who_comes_later_is_served_at_once(run):
    """Before, a study took the raters that it was built with."""
    built = read_orders(run / "06_survey")
    with served(run) as (base_url, survey):
        first = f"{base_url}/r/{survey.tokens['rater_1']}"
        write_links(survey.folder, [("rater_1", "survey_1", first)])
        rate_one(first)
        with Raters(run / "06_survey", seed=5) as raters:
            assert [raters.add([]), raters.add(["survey_1"])] == ["rater_3", "rater_4"]
            links = raters.update_links()
        assert list(links) == ["rater_1", "rater_2", "rater_3", "rater_4"] and links["rater_1"] == first
        table = pd.read_csv(survey.folder / "links.csv", index_col="rater")
        assert table["link"].to_dict() == links and set(table["surveys"]) == {"survey_1"}
        items = rate_one(links["rater_3"])
        assert "rater_4" in httpx.get(f"{base_url}/researcher/{RESEARCHER}").text
    orders = read_orders(run / "06_survey")
    pd.testing.assert_frame_equal(orders[orders["rater"].isin(["rater_1", "rater_2"])], built)
    assert orders.loc[orders["rater"] == "rater_3", "item_id"].tolist() == items
    assert sorted(items) == sorted(built["item_id"].unique())
    assert items != orders.loc[orders["rater"] == "rater_4", "item_id"].tolist()
    with served(run) as (_, survey):  # and after a restart
        assert list(survey.items["rater_3"]) == items and f"/r/{survey.tokens['rater_3']}" in links["rater_3"]


def test_a_rater_who_leaves_cannot_answer_any_more_and_is_replaced(run):
    with served(run) as (base_url, survey):
        links = {rater: f"{base_url}/r/{token}" for rater, token in survey.tokens.items()}
        items = {rater: rate_one(link) for rater, link in links.items()}
        with Raters(run / "06_survey", seed=5) as raters:
            assert raters.replace("rater_1") == "rater_3"
            raters.withdraw("rater_2", leave_out=True)
            for gone in ("rater_1", "rater_2", "rater_9"):
                with pytest.raises(C2IError, match=f"no rater '{gone}' takes part: expected one of rater_3"):
                    raters.withdraw(gone)
            assert raters.update_links() == {}, "the address is not known before links.csv is there"
        for rater, link in links.items():
            assert httpx.get(link).status_code == 404 and "has ended" in httpx.get(f"{link}/state").json()["detail"]
            assert httpx.put(f"{link}/answers/{items[rater][0]}", json=GOOD | {"version": 2}).status_code == 404
        page = httpx.get(f"{base_url}/researcher/{RESEARCHER}").text
        assert "withdrawn" in page and links["rater_1"] not in page
    assert set(read_answers(survey.responses.path)["rater"]) == {"rater_1"}
    tables = read_tables(run / "06_survey")
    assert tables["consents"].set_index("rater")["replaces"].dropna().to_dict() == {"rater_3": "rater_1"}
    assert set(tables["answers"]["rater"]) == {"rater_1"} and set(tables["history"]["rater"]) == {"rater_1", "rater_2"}
    assert set(read_orders(run / "06_survey")["rater"]) == {"rater_3"}
    with Raters(run / "06_survey", seed=5) as raters:
        assert raters.add([]) == "rater_4", "numbers are never given twice"


def test_a_survey_that_is_not_there_is_named(run):
    with Raters(run / "06_survey", seed=5) as raters, pytest.raises(C2IError, match="--survey with survey_1; found"):
        raters.add(["survey_7"])
