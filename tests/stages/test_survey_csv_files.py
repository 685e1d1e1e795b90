"""CSV that we write: no cell is a formula in a spreadsheet, and every cell comes back as it was."""

import csv
import io
import random
import unicodedata

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from c2i_lib.config import load_profile
from c2i_lib.stages.survey import formats
from c2i_lib.stages.survey.formats.csv_files import csv_text, guard_formula, read_rows, unguard_formula

KNOWN = [
    "=1+1",
    " =1+1",
    "＝1+1",
    "\u3000＠SUM(A1)",
    "\t=1",
    "\r",
    "\n+1",
    "'=1+1",
    "' =1",
    "''",
    "-3",
    "=cmd|' /C calc'!A0",
]
HARMLESS = ["", "a=b", "'quoted'", "3", "good, really", "猫", 'a "b"\r\nc', "|x", "%x", "  well"]
ITEM = "i00000000000a"


def any_texts(n):
    """``n`` texts of characters that CSV files and spreadsheets treat in a way of their own."""
    chance = random.Random(0)
    characters = "=+-@＝＋－＠'\"\t\r\n ,;|%\u00a0\u3000\u2028\x1f\ufeffa3猫"
    return ["".join(chance.choices(characters, k=chance.randrange(8))) for _ in range(n)]


def runs(cell):
    """Whether a spreadsheet may run a cell: by the list of OWASP, after what spreadsheets take away at its start."""
    start = unicodedata.normalize("NFKC", cell.strip())[:1]
    return cell[:1] in ("\t", "\r", "\n") or start in tuple("=+-@")


@pytest.mark.parametrize("text", KNOWN)
def test_what_may_be_a_formula_gets_an_apostrophe_and_loses_it_again(text):
    assert unguard_formula(guard_formula(text)) == text and not runs(guard_formula(text))
    if runs(text):
        assert guard_formula(text) == f"'{text}"


@pytest.mark.parametrize("text", HARMLESS)
def test_other_text_stays_as_it_is(text):
    assert guard_formula(text) == text == unguard_formula(text)


def test_no_cell_is_a_formula_and_every_cell_comes_back(tmp_path):
    """Thousands of texts, as cells of one file that any CSV reader can read."""
    texts = any_texts(6000)
    rows = [["first", "second", "third"], *(["x", *pair] for pair in zip(texts[::2], texts[1::2], strict=True))]
    written = csv_text(rows)
    cells = [cell for row in csv.reader(io.StringIO(written, newline="")) for cell in row]
    assert [cell for cell in cells if cell and runs(cell)] == []
    (tmp_path / "a.csv").write_text(written, encoding="utf-8", newline="")
    assert [[unguard_formula(cell) for cell in row.cells] for row in read_rows(tmp_path / "a.csv")] == rows
    assert sum(runs(text) for text in texts if text) > 1000, "the texts of this test must have something to guard"


def test_answers_come_back_whatever_raters_type(tmp_path):
    items, settings = pd.DataFrame({"item_id": [ITEM]}), load_profile("smoke").survey
    texts = any_texts(2000)
    raters = [f"{text}{number}" for number, text in enumerate(texts)]
    table = pd.DataFrame({"rater": raters, "item_id": ITEM, "question": "quality"})
    table["rating"] = [np.nan if number % 5 == 0 else float(number % 5) for number in range(len(texts))]
    table = table.assign(answered_at="", comment=texts[::-1])[formats.COLUMNS]
    formats.write_answers_csv(tmp_path / "answers.csv", table)
    assert_frame_equal(formats.read_answers(tmp_path / "answers.csv", items, settings), table)


def test_a_nul_is_left_out_before_a_cell_is_guarded():
    assert csv_text([["\0=1+1"]]) == "'=1+1\r\n"
