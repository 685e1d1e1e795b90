import numpy as np
import pandas as pd
import pytest

from c2i_lib.reporting import tables
from c2i_lib.reporting.tables import (
    format_agreement,
    format_comparison,
    format_numbers,
    format_table1,
    save_table,
    to_latex,
    to_markdown,
)

TABLE1 = pd.DataFrame(
    [
        ("quality", "base", 10, 2.124, 1.9, 2.305, 0.5),
        ("quality", "ft_tags", 10, 3.0, 2.5, 3.5, 1.004),
        ("faithfulness", "base", 10, 1.5, 1.25, 1.75, 0.25),
        ("faithfulness", "ft_tags", 10, 2.0, 1.0, 3.0, 0.75),
    ],
    columns=["question", "arm", "n", "mean", "low", "high", "sd"],
)


def test_table1_has_a_row_per_measure_and_a_column_per_arm():
    table = format_table1(TABLE1)
    assert list(table.columns) == ["", "base", "ft_tags"]
    assert table[""].tolist() == ["Q", "σ(Q)", "F", "σ(F)"]
    assert table["base"].tolist() == ["2.12 [1.90, 2.31]", "0.50", "1.50 [1.25, 1.75]", "0.25"]
    assert table["ft_tags"].tolist() == ["3.00 [2.50, 3.50]", "1.00", "2.00 [1.00, 3.00]", "0.75"]


def test_numbers_have_their_decimals_and_a_true_minus_sign():
    table = format_numbers(pd.DataFrame({"arm": ["a-b"], "difference": [-0.12345], "n": [10]}), decimals=2)
    assert table.iloc[0].tolist() == ["a-b", "−0.12", "10"]


def test_what_is_not_defined_is_a_dash():
    assert format_numbers(pd.DataFrame({"kappa": [0.5, float("nan")]}), 2)["kappa"].tolist() == ["0.50", "–"]


def test_agreement_has_a_row_per_coefficient_and_a_column_per_question():
    rows = [
        (question, name, weights, value, -0.1, 0.9)
        for question, value in (("quality", 0.25), ("faithfulness", float("nan")))
        for name, weights in (("Light", "linear"), ("Light", "quadratic"), ("alpha", "ordinal"))
    ]
    table = format_agreement(pd.DataFrame(rows, columns="question coefficient weights value low high".split()))
    assert list(table.columns) == ["coefficient", "weights", "quality", "faithfulness"]
    assert table["weights"].tolist() == ["linear", "quadratic", "ordinal"]
    assert set(table["quality"]) == {"0.25 [−0.10, 0.90]"} and set(table["faithfulness"]) == {"–"}


def test_a_comparison_has_intervals_and_p_values_as_papers_print_them():
    names = "question arm baseline difference low high delta delta_low delta_high p p_holm".split()
    row = ("quality", "ft", "base", -0.3, -0.5, -0.1, -0.25, -0.4, 0.0, 0.0002, 0.0456)
    table = format_comparison(pd.DataFrame([row], columns=names))
    expected = ["quality", "ft − base", "−0.30 [−0.50, −0.10]", "−0.25 [−0.40, 0.00]", "< 0.001", "0.046"]
    assert table.iloc[0].tolist() == expected
    latex = to_latex(table, "Differences.", "tab:x")
    assert "$-$0.30 [$-$0.50" in latex and "$<$ 0.001" in latex  # a bare < is another sign in LaTeX's text fonts


def test_a_comparison_of_a_planned_study_says_what_was_planned_and_what_follows():
    names = "question arm baseline difference low high delta delta_low delta_high p p_holm primary margin verdict"
    rows = [
        ("quality", "ft", "base", *[0.0] * 6, 0.5, 0.5, True, 0.3, "equivalent within ±0.3"),
        ("faithfulness", "ft", "base", *[0.0] * 6, 0.5, 0.5, False, np.nan, ""),
    ]
    planned = pd.DataFrame(rows, columns=names.split())
    table = format_comparison(planned)
    assert table["contrast"].tolist() == ["primary", "exploratory"]
    assert table["verdict"].tolist() == ["equivalent within ±0.3", "–"]
    assert r"within $\pm$0.3" in to_latex(table, "Differences.", "tab:x")
    bare = format_comparison(planned.assign(primary=False, margin=np.nan, verdict=""))
    assert list(bare) == ["question", "arms", "difference", "Cliff's delta", "p", "p (Holm)"]


def test_exclusions_show_means_with_and_without_and_who_broke_what():
    raters = pd.DataFrame({"rater": ["anna", "ben"], "broken": ["", "2 failed checks"]})
    means = pd.DataFrame({"question": ["quality"], "arm": ["ft"], "mean_all": [2.346], "mean": [float("nan")]})
    expected = [["raters", "2", "1"], ["Q, ft", "2.35", "–"], ["ben", "2 failed checks", "left out"]]
    assert tables.format_exclusions(raters, means).to_numpy().tolist() == expected


def test_latex_is_a_booktabs_table_with_equal_rows():
    text = to_latex(format_table1(TABLE1), "Mean ratings.", "tab:table1")
    lines = text.splitlines()
    assert [line for line in lines if line.endswith("rule")] == [r"\toprule", r"\midrule", r"\bottomrule"]
    assert {r"\begin{table}[t]", r"\caption{Mean ratings.}", r"\label{tab:table1}", r"\end{table}"} <= set(lines)
    rows = [line for line in lines if line.endswith(r"\\")]
    assert len(rows) == 5 and {row.count("&") for row in rows} == {2}
    assert text.count(r"\begin{") == text.count(r"\end{") == 2
    assert text.count("{") == text.count("}")


def test_latex_of_our_numbers_is_plain_ascii():
    # pdflatex stops at a Greek letter or a minus sign of Unicode.
    text = to_latex(format_table1(TABLE1), "c", "l") + to_latex(
        format_numbers(TABLE1 * 1).replace("1.500", "−1"), "c", "l"
    )
    assert text.isascii()
    assert r"$\sigma(Q)$" in text and "$-$1" in text


@pytest.mark.parametrize(
    ("raw", "escaped"), [("ft_tags", r"ft\_tags"), ("95%", r"95\%"), ("a & b", r"a \& b"), ("$9 #1", r"\$9 \#1")]
)
def test_latex_escapes_cells_and_headers(raw, escaped):
    text = to_latex(pd.DataFrame({raw: [raw]}), "c", "l")
    assert text.count(escaped) == 2
    assert raw not in text.replace(escaped, "")


def test_markdown_has_a_line_per_row_and_escapes_bars():
    text = to_markdown(pd.DataFrame({"arm": ["ft", "a|b"], "n": [1, 2]}))
    assert text == "| arm | n |\n| --- | --- |\n| ft | 1 |\n| a\\|b | 2 |\n"


def test_both_files_hold_the_caption_and_the_same_numbers(tmp_path):
    caption = "Ratings of ft_tags, with 95% intervals & R&D (cpu profile).\n"
    tex, md = save_table(format_table1(TABLE1), tmp_path / "new", "07_table1", caption)
    assert (tex.name, md.name) == ("07_table1.tex", "07_table1.md")
    assert r"\caption{Ratings of ft\_tags, with 95\% intervals \& R\&D (cpu profile).}" in tex.read_text()
    assert md.read_text().endswith("\nRatings of ft_tags, with 95% intervals & R&D (cpu profile).\n")
    for cell in ("2.12 [1.90, 2.31]", "1.00"):
        assert cell in tex.read_text() and cell in md.read_text()


def test_saving_again_gives_the_same_bytes(tmp_path):
    first = [path.read_bytes() for path in save_table(format_table1(TABLE1), tmp_path, "t", "c")]
    assert first == [path.read_bytes() for path in save_table(format_table1(TABLE1), tmp_path, "t", "c")]


def test_intervals_become_a_wide_table_in_the_order_of_appearance():
    rows = [("z", "ft", 1.0), ("z", "base", 2.0), ("a", "ft", 3.0), ("a", "base", -4.0)]
    table = pd.DataFrame(
        [(*row, row[2] - 1, row[2] + 1) for row in rows], columns=["measure", "arm", "mean", "low", "high"]
    )
    wide = tables.format_intervals(table, "mean", "arm", "measure")
    assert wide.columns.tolist() == ["arm", "z", "a"] and wide["arm"].tolist() == ["ft", "base"]
    assert wide["a"].tolist() == ["3.00 [2.00, 4.00]", "−4.00 [−5.00, −3.00]"]


def test_effects_have_a_star_where_the_adjusted_p_is_small():
    rows = [
        ("all", "quality", "ft", "base", 0.2, 0.1, 0.3, 0.01),
        ("all", "faithfulness", "ft", "base", 0.2, -0.1, 0.5, 0.2),
    ]
    names = ["group", "question", "arm", "baseline", "difference", "low", "high", "p_holm"]
    table = tables.format_effects(pd.DataFrame(rows, columns=names))
    assert table.loc[0].tolist() == ["ft − base", "all", "0.20 [0.10, 0.30]*", "0.20 [−0.10, 0.50]"]
    stricter = tables.format_effects(pd.DataFrame(rows, columns=names), confidence=0.995)
    assert "*" not in stricter.loc[0, "quality"], "p = .01 is no evidence at 99.5 %"


def test_the_numbers_behind_a_table_are_kept_unrounded(tmp_path):
    numbers = pd.DataFrame({"mean": [1 / 3]})
    paths = tables.save_table(tables.format_numbers(numbers), tmp_path, "08_x", "A table.", numbers)
    assert [path.suffix for path in paths] == [".tex", ".md", ".parquet"]
    assert pd.read_parquet(paths[2])["mean"].item() == 1 / 3


def test_known_answers_have_a_row_per_test_and_a_dash_where_a_judge_took_no_part():
    rows = [("sharp", "clean against blur", "AUC", 0.9, 0.8, 1.0), ("true", "wrong number", "AUC", 0.75, 0.6, 0.9)]
    rows += [("sharp", "clean against blur", "paired accuracy", 1.0, 1.0, 1.0)]
    table = pd.DataFrame(rows, columns="judge test measure value low high".split())
    found = tables.format_known_answers(table)
    assert found.to_dict("list") == {
        "test": ["clean against blur", "wrong number"],
        "sharp": ["0.90 [0.80, 1.00]", "–"],
        "true": ["–", "0.75 [0.60, 0.90]"],
    }
