"""Rules for leaving raters out: each says what it is declared to say, at its very limit, and nothing without data."""

import numpy as np
import pandas as pd
import pytest

from c2i_lib.statistics.exclusions import EXCLUSIONS_COLUMNS, Rules, find_broken_rules, median_seconds

ITEMS = pd.DataFrame(
    [("c1", "check", 1.0, 2.0), ("c2", "check", 3.0, 3.0), ("i0", "image", np.nan, np.nan)],
    columns=["item_id", "kind", "expected_quality", "expected_faithfulness"],
)
START = pd.Timestamp("2026-05-20T13:00:00Z")


def rows(rater, points, seconds=5.0, kind="image", items=None):
    """Answers of a rater to as many items, one question each, so many seconds apart."""
    times = [(START + pd.Timedelta(seconds=seconds * n)).isoformat() for n in range(len(points))]
    items = items or [f"i{n}" for n in range(len(points))]
    table = pd.DataFrame({"rater": rater, "item_id": items, "rating": points, "answered_at": times, "kind": kind})
    return table.assign(question="quality")


def broken(ratings, **rules):
    table = find_broken_rules(ratings, ITEMS, Rules(**rules))
    assert {name: str(dtype) for name, dtype in table.dtypes.items()} == EXCLUSIONS_COLUMNS
    return table.set_index("rater")["broken"].to_dict()


def test_a_rater_may_fail_so_many_checks_and_no_more():
    """A check with one wrong answer is failed once, however many questions it has; "cannot judge" is wrong."""
    checks = [rows("two", [4.0, np.nan], kind="check", items=["c1", "c2"])]
    checks += [rows("one", [1.0, 1.0], kind="check", items=["c1", "c2"])]
    checks += [rows("one", [4.0], kind="check", items=["c2"]).assign(question="faithfulness")]
    checks += [rows("none", [1.0, 3.0], kind="check", items=["c1", "c2"]), rows("unchecked", [1.0, 2.0])]
    ratings = pd.concat(checks)
    assert broken(ratings, failed_checks_above=1) == {"none": "", "one": "", "two": "2 failed checks", "unchecked": ""}
    assert [rater for rater, why in broken(ratings, failed_checks_above=0).items() if why] == ["one", "two"]
    assert set(broken(ratings, failed_checks_above=2).values()) == {""}


def test_the_same_answer_again_and_again_is_found_only_over_enough_answers():
    straight = rows("straight", [3.0] * 9 + [1.0])
    never = rows("never", [np.nan] * 10)
    ratings = pd.concat([straight, never, rows("short", [3.0] * 9), rows("varied", [1.0, 2.0] * 5)])
    found = broken(ratings, same_answer_share=0.9, same_answer_over=10)
    assert found == {"straight": "90% the same answer", "never": "100% the same answer", "short": "", "varied": ""}
    assert broken(straight, same_answer_share=0.91, same_answer_over=10) == {"straight": ""}


def test_checks_do_not_count_as_pictures_with_the_same_answer():
    ratings = pd.concat([rows("r", [3.0] * 9), rows("r", [1.0], kind="check", items=["c1"])])
    assert broken(ratings, same_answer_share=0.9, same_answer_over=10) == {"r": ""}


def test_who_answers_faster_than_anybody_can_look_is_found():
    ratings = pd.concat([rows("fast", [1.0, 2.0, 3.0], 0.9), rows("slow", [1.0, 2.0, 3.0], 1.0)])
    assert broken(ratings, median_seconds_below=1.0) == {"fast": "0.9 s an answer", "slow": ""}


@pytest.mark.parametrize("times", [["", ""], ["2026-05-20T13:00:00Z"] * 9, ["2026-05-20T13:00:00Z"]])
def test_a_form_that_is_sent_as_a_whole_tells_no_speed(times):
    """Nobody is left out because a tool keeps no times."""
    assert np.isnan(median_seconds(pd.Series(times)))
    assert broken(rows("r", [1.0] * len(times)).assign(answered_at=times), median_seconds_below=60.0) == {"r": ""}


def test_a_break_makes_nobody_slow_and_the_order_of_rows_does_not_count():
    seconds = [0, 2, 4, 3600, 3602]
    times = pd.Series([(START + pd.Timedelta(seconds=n)).isoformat() for n in reversed(seconds)])
    assert median_seconds(times) == 2.0


def test_no_rule_leaves_nobody_out_and_several_are_all_named():
    ratings = rows("r", [1.0] * 20, 0.1)
    assert broken(ratings) == {"r": ""} and not Rules().declared
    rules = {"same_answer_share": 0.9, "median_seconds_below": 1.0}
    assert Rules(**rules).declared and broken(ratings, **rules) == {"r": "100% the same answer; 0.1 s an answer"}
    assert Rules(failed_checks_above=0).declared
