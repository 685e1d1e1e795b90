"""The human-evaluation data sheet of a study, and the table of what a methods section needs.

In: a ``Study``. Out: Markdown and a table, filled from the run, with a blank wherever only people know. Ignored: what
the ratings say of the arms.

The sheet has the questions of HEDS 2.0, by their numbers and in short words: Shimorina and Belz, "The Human Evaluation
Datasheet", HumEval 2022 (https://aclanthology.org/2022.humeval-1.6, https://arxiv.org/abs/2103.09710); its full
questions and options: https://github.com/Shimorina/human-evaluation-datasheet.
"""

from __future__ import annotations

import pandas as pd

from c2i_lib.stages.analysis import study_facts as facts
from c2i_lib.stages.analysis.study_facts import Study, blank
from c2i_lib.study import QUESTIONS

_KINDS = {  # of the two criteria: type of quality, aspect, frame of reference
    "quality": ("Goodness", "Form of output", "Quality of output in its own right"),
    "faithfulness": ("Correctness", "Content of output", "Quality of output relative to the input (the concept)"),
}


def methods_table(study: Study) -> pd.DataFrame:
    """``what, value``: all that a methods section says of the raters, the items and the analysis."""
    nobody = "none: the raters are simulated"
    rows = [
        ("Raters", facts.raters(study)),
        ("Recruitment", facts.recruitment(study)),
        ("Payment", nobody if study.simulated else blank("amount, currency, and per hour; or unpaid")),
        (
            "Demographics",
            nobody if study.simulated else blank("age, gender, country, language, expertise; or not asked"),
        ),
        ("Ethics approval", nobody if study.simulated else blank("committee and number; or why none was needed")),
        ("Consent", facts.consent(study)),
        ("Instructions", facts.instructions(study)),
        ("Dates", facts.dates(study)),
        ("Duration", facts.duration(study)),
        ("Answers collected by", _sources(study)),
        ("Items", facts.items(study)),
        ("Order", _order(study)),
        ("Blinding", "raters saw a picture and its concept under an opaque id; no arm, prompt or file data"),
        *(
            (f"Question: {name}", f"“{getattr(study.survey, name).text}” {facts.scale(study, name)}")
            for name in QUESTIONS
        ),
        ("Answers", facts.answers(study)),
        ("Quality assurance", facts.quality_assurance(study)),
        ("Plan", facts.plan(study)),
        ("Power", facts.power(study)),
        ("Statistics", facts.statistics(study)),
        ("Agreement", facts.all_agreement(study)),
        ("Data and code", blank("where answers, pictures and code are published")),
    ]
    return pd.DataFrame(rows, columns=["what", "value"])


def _sources(study: Study) -> str:
    if study.simulated:
        return "nobody: ratings are simulated from judges' scores"
    return "; ".join(study.sources) or blank("paper, an online survey tool, …")


def _order(study: Study) -> str:
    own = "each rater in an order of their own; no concept twice in a row where that can be avoided"
    imported = [source for source in study.sources if source.startswith("imported")]
    return f"in c2i's own web app {own}; elsewhere: {blank('the order in that tool')}" if imported else own


def write_heds(study: Study, label: str) -> str:
    """The data sheet as Markdown. ``label`` says of which run it is, and whether raters were simulated."""
    parts = [
        "# Human Evaluation Datasheet (HEDS 2.0)",
        f"Filled from the run ({label}). {blank('…')} marks what only people know. The full questions and options: "
        "https://github.com/Shimorina/human-evaluation-datasheet.",
    ]
    if study.simulated:
        parts.append("**The raters are simulated: this is a draft of the sheet of a study, and reports no people.**")
    sections = {
        "1 Paper and resources": _paper(),
        "2 System": _system(),
        "3.1 Sample of system outputs": _sample(study),
        "3.2 Evaluators": _evaluators(study),
        "3.3 Experimental design": _design(study),
        **{f"4 Quality criterion: {name}": _criterion(study, name) for name in QUESTIONS},
        "5 Ethics": _ethics(study),
    }
    for title, rows in sections.items():
        parts += [f"## {title}", *(f"**{number} {question}**\n\n{answer}" for number, question, answer in rows)]
    return "\n\n".join(parts) + "\n"


def _paper() -> list[tuple[str, str, str]]:
    return [
        ("1.1", "Paper that reports the experiment", blank("link, and which experiment; or “for preregistration”")),
        ("1.2", "Resources", blank("link to outputs and tools, or N/A")),
        ("1.3", "Who completes this sheet", blank("name, affiliation, e-mail; contact author")),
    ]


def _system() -> list[tuple[str, str, str]]:
    task = (
        "Other: text-to-image. The arms differ in who writes the prompt; the text-to-image model is the same for all."
    )
    return [
        ("2.1", "Input", "text: subsentential unit of text (a concept, such as a noun phrase)"),
        ("2.2", "Output", "visual (a picture)"),
        ("2.3", "Task", task),
        ("2.4", "Input language", blank("language of the concepts")),
        ("2.5", "Output language", "N/A (pictures)"),
    ]


def _sample(study: Study) -> list[tuple[str, str, str]]:
    chosen = "Other: every picture of every arm that was not flagged, of the same concepts in all arms; "
    chosen += (
        f"pictures are dealt evenly to the surveys by a script. Concepts: {blank('rule, or a person: notebook 03')}"
    )
    return [
        ("3.1.1", "Outputs evaluated per system", facts.items(study)),
        ("3.1.2", "How outputs were selected", chosen),
        ("3.1.3", "Statistical power", f"{facts.power(study)}. Script: c2i_lib/statistics/power.py"),
    ]


def _evaluators(study: Study) -> list[tuple[str, str, str]]:
    kinds = "experts or not; paid or not; known to the authors or not; authors among them or not"
    text = f"{facts.instructions(study)}. No practice items." if study.simulated or study.instructions else ""
    training = text or blank("what raters read or practised first")
    if study.instructions:
        training += "\n\n" + "\n".join(f"> {line}".rstrip() for line in study.instructions.splitlines())
    return [
        ("3.2.1", "Number of evaluators", facts.raters(study)),
        ("3.2.2", "Kind of evaluators", "none: simulated" if study.simulated else blank(kinds)),
        ("3.2.3", "Recruitment", facts.recruitment(study)),
        ("3.2.4", "Training and practice", training),
        ("3.2.5", "Other characteristics", "none: simulated" if study.simulated else blank("age, gender, country, …")),
    ]


def _design(study: Study) -> list[tuple[str, str, str]]:
    interface = "One picture at a time with its concept, both questions and “cannot judge”, and a comment field. "
    pace = "Neither: answers are stored at once, can be changed, and a rater may stop and come back. "
    collected = _sources(study) if study.simulated else f"{_sources(study)}. {facts.dates(study)}"
    pace += "" if study.simulated else f"{facts.duration(study)}. "
    elsewhere = blank("if another tool was used: what holds there; link to screenshots")
    questions = "Evaluators may comment on every picture. "
    return [
        ("3.3.1", "Preregistration", f"{blank('yes or no, registry and link')}. Plan: {facts.plan(study)}"),
        ("3.3.2", "How responses were collected", collected),
        ("3.3.3", "Quality assurance", facts.quality_assurance(study)),
        ("3.3.4", "What evaluators see", f"{interface}{elsewhere}"),
        ("3.3.5", "Freedom of time and pace", f"{pace}{elsewhere}"),
        (
            "3.3.6",
            "Questions and feedback",
            f"{questions}{blank('whether they were told that they may ask, and whom')}",
        ),
        ("3.3.7", "Conditions", blank("at a place of their own choosing, or in a lab")),
        ("3.3.8", "Conditions, unless of their own choosing", blank("or N/A")),
    ]


def _criterion(study: Study, name: str) -> list[tuple[str, str, str]]:
    kind, aspect, frame = _KINDS[name]
    asked, points = getattr(study.survey, name), study.survey.scale_points
    definition = "See 3.2.4: the instructions" if study.instructions else blank("definition given to raters, or N/A")
    means = "means of all ratings of an arm (Table 1), and their differences by concept; “cannot judge” is left out"
    return [
        ("4.1.1", "Type of quality", kind),
        ("4.1.2", "Aspect of outputs", aspect),
        ("4.1.3", "Frame of reference", frame),
        ("4.2.1", "Objective or subjective", "Subjective"),
        ("4.2.2", "Absolute or relative", "Absolute"),
        ("4.2.3", "Intrinsic or extrinsic", "Intrinsic"),
        ("4.3.1", "Name of the criterion for evaluators", "N/A (the question stands for it, see 4.3.7)"),
        ("4.3.2", "Definition for evaluators", definition),
        ("4.3.3", "Size of the scale", f"{points}, and “cannot judge”"),
        ("4.3.4", "Values of the scale", facts.scale(study, name)),
        ("4.3.5", "How the scale is presented", "Multiple-choice options"),
        ("4.3.6", "Task without a rating instrument", "N/A"),
        ("4.3.7", "Verbatim question", f"“{asked.text}”"),
        ("4.3.8", "Form of response elicitation", "Direct quality estimation"),
        ("4.3.9", "How responses become scores", means),
        ("4.3.10", "Effect size and significance", facts.statistics(study)),
        ("4.3.11", "Agreement", facts.agreement(study, name)),
    ]


def _ethics(study: Study) -> list[tuple[str, str, str]]:
    kept = "c2i's web app keeps answers, their times, comments, the window's size, and the entry link's parameters"
    personal = f"{kept} (a PROLIFIC_PID is a pseudonym). {blank('yes or no, and how it was addressed')}"
    return [
        ("5.1", "Approval by an ethics committee", blank("committee, or No")),
        ("5.2", "Personal data", "No: the raters are simulated" if study.simulated else personal),
        ("5.3", "Special categories of personal data", blank("yes or no, and how it was addressed")),
        ("5.4", "Impact assessments", blank("yes or no, approach and outcome")),
    ]
