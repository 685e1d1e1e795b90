"""Paper-ready tables: LaTeX (booktabs) and Markdown of the same numbers.

In: data frames of the analysis. Out: ``<name>.tex`` and ``<name>.md`` in the figures folder.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from c2i_lib.files import atomic_path

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


def format_numbers(table: pd.DataFrame, decimals: int = 3) -> pd.DataFrame:
    """``table`` with every float as text of ``decimals`` places and a true minus sign."""
    return table.apply(
        lambda column: (
            column.map(lambda value: f"{value:.{decimals}f}".replace("-", "−"))
            if pd.api.types.is_float_dtype(column)
            else column.astype(str)
        )
    )


def to_markdown(table: pd.DataFrame) -> str:
    """A Markdown table of text columns."""
    lines = ["| " + " | ".join(map(str, table.columns)) + " |", "|" + " --- |" * table.shape[1]]
    for row in table.astype(str).itertuples(index=False):
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |")
    return "\n".join(lines) + "\n"


def to_latex(table: pd.DataFrame, caption: str, label: str) -> str:
    """A booktabs table for ``\\usepackage{booktabs}``, with special characters escaped."""
    for sign in "&%$#_":
        caption = caption.replace(sign, "\\" + sign)
    text = table.to_latex(index=False, escape=True, caption=caption, label=label, position="t")
    return text.replace("σ(Q)", r"$\sigma(Q)$").replace("σ(F)", r"$\sigma(F)$").replace("−", "$-$")


def save_table(table: pd.DataFrame, folder: Path, name: str, caption: str) -> list[Path]:
    """Write ``<name>.tex`` and ``<name>.md`` with ``caption``. Returns both paths."""
    caption = caption.strip()
    texts = {".tex": to_latex(table, caption, f"tab:{name}")}
    texts[".md"] = f"{to_markdown(table)}\n{caption}\n"
    paths = []
    for suffix, text in texts.items():
        paths.append(Path(folder) / f"{name}{suffix}")
        with atomic_path(paths[-1]) as temporary:
            temporary.write_text(text, encoding="utf-8")
    return paths
