"""Paper-ready tables: LaTeX (booktabs) and Markdown of the same numbers.

In: data frames of the analysis. Out: ``<name>.tex`` and ``<name>.md``, and on request ``<name>.parquet``, in the
figures folder.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from c2i_lib.records.files import atomic_path, write_table

QUESTION_NAMES = {"quality": "Q", "faithfulness": "F"}


def format_table1(table: pd.DataFrame) -> pd.DataFrame:
    """``effects.table1`` as the paper prints it: one row per measure, one column per arm, intervals in brackets."""
    columns: dict[str, list[str]] = {"": []}
    for question in dict.fromkeys(table["question"]):
        name = QUESTION_NAMES.get(question, question)
        columns[""] += [name, f"σ({name})"]
    for arm in dict.fromkeys(table["arm"]):
        rows = table[table["arm"] == arm]
        columns[arm] = [
            text
            for row in rows.itertuples()
            for text in (f"{row.mean:.2f} [{row.low:.2f}, {row.high:.2f}]", f"{row.sd:.2f}")
        ]
    return pd.DataFrame(columns)


def format_exclusions(raters: pd.DataFrame, means: pd.DataFrame) -> pd.DataFrame:
    """Means of Table 1 of all raters and without those who broke a rule, and below who they are and what they broke."""
    broke = raters[raters["broken"] != ""]
    rows = [("raters", str(len(raters)), str(len(raters) - len(broke)))]
    for row in means.itertuples():
        name = f"{QUESTION_NAMES.get(row.question, row.question)}, {row.arm}"
        rows.append((name, *("–" if pd.isna(mean) else f"{mean:.2f}" for mean in (row.mean_all, row.mean))))
    rows += [(row.rater, row.broken, "left out") for row in broke.itertuples()]
    return pd.DataFrame(rows, columns=["", "all raters", "without the excluded"])


def format_numbers(table: pd.DataFrame, decimals: int = 3) -> pd.DataFrame:
    """``table`` with every float as text of ``decimals`` places and a true minus sign; a dash where there is none."""
    return table.apply(
        lambda column: (
            column.map(lambda value: "–" if pd.isna(value) else f"{value:.{decimals}f}".replace("-", "−"))
            if pd.api.types.is_float_dtype(column)
            else column.astype(str)
        )
    )


def _interval(value: float, low: float, high: float) -> str:
    """``0.39 [0.31, 0.46]``, with true minus signs; a dash where there is no value."""
    if pd.isna(value):
        return "–"
    return f"{value:.2f} [{low:.2f}, {high:.2f}]".replace("-", "−")


def format_known_answers(table: pd.DataFrame) -> pd.DataFrame:
    """The AUC of each test with its interval: a row per test, a column per judge; a dash where it took no part."""
    areas = table[table["measure"] == "AUC"]
    text = [_interval(row.value, row.low, row.high) for row in areas.itertuples()]
    wide = areas.assign(text=text).pivot(index="test", columns="judge", values="text").fillna("–")
    wide = wide.loc[list(dict.fromkeys(areas["test"])), list(dict.fromkeys(areas["judge"]))]
    return wide.reset_index().rename_axis(columns=None)


def format_agreement(table: pd.DataFrame) -> pd.DataFrame:
    """``agreement.agreement_table`` with a row per coefficient and its weights, and a column per question."""
    text = [_interval(row.value, row.low, row.high) for row in table.itertuples()]
    wide = table.assign(text=text).pivot(index=["coefficient", "weights"], columns="question", values="text")
    order = list(dict.fromkeys(zip(table["coefficient"], table["weights"], strict=True)))
    return wide.loc[order, list(dict.fromkeys(table["question"]))].reset_index().rename_axis(columns=None)


def format_comparison(table: pd.DataFrame) -> pd.DataFrame:
    """``effects.compare_arms`` with a row per pair of arms: difference and Cliff's delta with intervals, p-values.
    Where a study named primary contrasts, which these are, and where it has a margin, what follows."""
    rows = []
    for row in table.itertuples():
        p_values = ["< 0.001" if p < 0.001 else f"{p:.3f}" for p in (row.p, row.p_holm)]
        difference, delta = (
            _interval(row.difference, row.low, row.high),
            _interval(row.delta, row.delta_low, row.delta_high),
        )
        rows.append((row.question, f"{row.arm} − {row.baseline}", difference, delta, *p_values))
    shown = pd.DataFrame(rows, columns=["question", "arms", "difference", "Cliff's delta", "p", "p (Holm)"])
    if "primary" in table and table["primary"].any():
        shown["contrast"] = ["primary" if is_primary else "exploratory" for is_primary in table["primary"]]
    if "verdict" in table and table["margin"].notna().any():
        shown["verdict"] = table["verdict"].replace("", "–").to_list()
    return shown


def format_intervals(table: pd.DataFrame, value: str, rows: str, columns: str) -> pd.DataFrame:
    """A long table of values with ``low`` and ``high`` as a wide one of text, in the order of appearance."""
    text = [_interval(row[value], row["low"], row["high"]) for row in table.to_dict("records")]
    wide = table.assign(text=text).pivot(index=rows, columns=columns, values="text")
    order = [list(dict.fromkeys(table[name])) for name in (rows, columns)]
    return wide.loc[order[0], order[1]].reset_index().rename_axis(columns=None)


def format_effects(table: pd.DataFrame, part: str = "group", confidence: float = 0.95) -> pd.DataFrame:
    """``hypothesis`` effects with a row per pair of arms and ``part``, and a column per question. A star stands where
    Holm's p is below 1 − ``confidence``."""
    text = [
        f"{_interval(row.difference, row.low, row.high)}{'*' * (row.p_holm < 1 - confidence)}"
        for row in table.itertuples()
    ]
    named = table.assign(text=text, arms=table["arm"] + " − " + table["baseline"])
    wide = named.pivot(index=["arms", part], columns="question", values="text")
    order = list(dict.fromkeys(zip(named["arms"], named[part], strict=True)))
    return wide.loc[order, list(dict.fromkeys(table["question"]))].reset_index().rename_axis(columns=None)


def to_markdown(table: pd.DataFrame) -> str:
    """A Markdown table of text columns."""
    lines = ["| " + " | ".join(map(str, table.columns)) + " |", "|" + " --- |" * table.shape[1]]
    for row in table.astype(str).itertuples(index=False):
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |")
    return "\n".join(lines) + "\n"


def to_latex(table: pd.DataFrame, caption: str, label: str) -> str:
    """A booktabs table for ``\\usepackage{booktabs}``, with special characters escaped."""
    for character in "&%$#_":
        caption = caption.replace(character, "\\" + character)
    text = table.to_latex(index=False, escape=True, caption=caption, label=label, position="t")
    commands = {
        "σ(Q)": r"$\sigma(Q)$",
        "σ(F)": r"$\sigma(F)$",
        "σ": r"$\sigma$",
        "−": "$-$",
        "±": r"$\pm$",
        "< 0.": "$<$ 0.",
    }
    for characters, command in commands.items():
        text = text.replace(characters, command)
    return text


def save_document(text: str, folder: Path, name: str) -> Path:
    """Write a text as ``<name>.md``. Returns its path."""
    path = Path(folder) / f"{name}.md"
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path


def save_table(
    table: pd.DataFrame, folder: Path, name: str, caption: str, numbers: pd.DataFrame | None = None
) -> list[Path]:
    """Write ``<name>.tex`` and ``<name>.md`` with ``caption``, and the unrounded ``numbers`` behind the table, if
    given, as ``<name>.parquet``. Returns all paths."""
    caption = caption.strip()
    texts = {".tex": to_latex(table, caption, f"tab:{name}")}
    texts[".md"] = f"{to_markdown(table)}\n{caption}\n"
    paths = []
    for suffix, text in texts.items():
        paths.append(Path(folder) / f"{name}{suffix}")
        with atomic_path(paths[-1]) as temporary:
            temporary.write_text(text, encoding="utf-8")
    if numbers is not None:
        paths.append(Path(folder) / f"{name}.parquet")
        write_table(paths[-1], numbers)
    return paths
