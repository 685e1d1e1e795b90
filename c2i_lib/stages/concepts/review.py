"""The table in notebook 03 in which a person keeps or drops candidates.

In: candidates of stage 03. Out: ``concept_decisions.yaml``, when the button is pressed. It works in JupyterLab; a batch
run only draws it. Ignored: what the rule decides (``curation.py``).
"""

from __future__ import annotations

import html
from pathlib import Path

import ipywidgets as widgets
import pandas as pd

from c2i_lib.stages.concepts.curation import DROP, KEEP, write_decisions

SORT_BY = ("rank", "phrase", "document_frequency", "senses", "length", "decision")
_LARGEST_FIRST = ("document_frequency", "senses", "decision")
_HEADINGS = ("rank", "phrase", "captions", "senses", "examples", "decision", "reason")
_GRID = "4em 11em 6em 5em minmax(15em, 1fr) 12em 18em"


class ReviewTable:
    """The best ``n`` candidates as rows with keep or drop and a reason, sortable; ``widget`` is what to display.

    The button saves the decision on every row shown, with the name in the field above and the time: who presses it has
    looked at them all.
    """

    def __init__(self, candidates: pd.DataFrame, path: Path, n: int = 50):
        self.candidates, self.path = candidates.head(n).reset_index(drop=True), Path(path)
        self.decisions = [
            widgets.ToggleButtons(options=[KEEP, DROP], value=decision, style={"button_width": "5em"})
            for decision in self.candidates["decision"]
        ]
        self.reasons = [
            widgets.Text(value=row.reason, layout={"width": "17em"}) for row in self.candidates.itertuples()
        ]
        self.name = widgets.Text(description="your name", placeholder="who decides")
        self.sort = widgets.Dropdown(options=SORT_BY, description="sort by")
        self.save = widgets.Button(description="Save decisions", button_style="primary")
        self.message = widgets.HTML()
        self.rows = widgets.VBox()
        self.sort.observe(lambda change: self._draw(), "value")
        self.save.on_click(lambda button: self._save())
        self._draw()
        self.widget = widgets.VBox([widgets.HBox([self.name, self.sort, self.save]), self.message, self.rows])

    def _draw(self) -> None:
        """Put the rows in the chosen order; what was clicked and typed stays."""
        table, key = self.candidates, self.sort.value
        values = pd.Series([button.value for button in self.decisions]) if key == "decision" else table[key]
        order = values.sort_values(
            ascending=key not in ("document_frequency", "senses", "decision"), kind="stable"
        ).index
        heading = [widgets.HTML(f"<b>{name}</b>") for name in _HEADINGS]
        cells = [cell for index in order for cell in self._row(index)]
        self.rows.children = [widgets.GridBox([*heading, *cells], layout={"grid_template_columns": _GRID})]

    def _row(self, index: int) -> list[widgets.Widget]:
        row = self.candidates.loc[index]
        examples = "<br>".join(html.escape(text[:120]) for text in row["examples"])
        texts = [row["rank"], html.escape(row["phrase"]), row["document_frequency"], row["senses"]]
        cells = [
            widgets.HTML(str(text))
            for text in [*texts, f"<div style='line-height: 1.3'><small>{examples}</small></div>"]
        ]
        return [*cells, self.decisions[index], self.reasons[index]]

    def _save(self) -> None:
        name = self.name.value.strip()
        if not name:
            self.message.value = "<b>Not saved:</b> give your name, because the file says who decided."
            return
        rows = zip(self.candidates["phrase"], self.decisions, self.reasons, strict=True)
        decided = {phrase: (decision.value, reason.value.strip()) for phrase, decision, reason in rows}
        write_decisions(self.path, decided, name)
        place = html.escape(str(self.path))
        self.message.value = f"{len(decided)} decisions saved to {place}. Run this notebook again to apply them."
