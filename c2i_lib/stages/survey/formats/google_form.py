"""Google Forms: a script that makes the form of a survey, whose answers come back without editing.

In: items in the order in which they are shown, and their pictures. Out: a folder to hand over: ``create_form.gs``
(Google Apps Script), ``pictures/`` and ``README.md``. A rater is told the item's id and concept, and nothing else; the
titles of questions hold item and question, by which ``wide`` reads the CSV of the answers. Ignored: how many raters
there will be.

The script uses https://developers.google.com/apps-script/reference/forms and .../drive. It was executed against a
stand-in for these services, and not in a Google account.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd

from c2i_lib.config import Survey
from c2i_lib.errors import C2IError
from c2i_lib.records.files import atomic_path
from c2i_lib.stages.survey.formats.answers import CANNOT_JUDGE
from c2i_lib.stages.survey.formats.mapping import COMMENT, own_title
from c2i_lib.study import QUESTIONS

RATER = "Rater"  # the title of the first question; a column of this name is the rater's
_SCRIPT = """// Makes a Google Form of this survey. How to run it: README.md.
const PICTURES_FOLDER = ""; // the id of the folder of pictures in Google Drive: what follows folders/ in its address
const SURVEY = %s;

function createForm() {
  if (!PICTURES_FOLDER) throw new Error("Write the id of the folder of pictures into the second line.");
  const folder = DriveApp.getFolderById(PICTURES_FOLDER);
  const pictures = {};
  for (const page of SURVEY.pages) {
    const files = folder.getFilesByName(page.picture);
    if (!files.hasNext()) throw new Error("The folder lacks " + page.picture + ": upload it and run again.");
    pictures[page.picture] = files.next();
  }
  const form = FormApp.create(SURVEY.title);
  form.setDescription(SURVEY.instructions).setProgressBar(true).setAllowResponseEdits(false);
  form.addTextItem().setTitle(SURVEY.rater.title).setHelpText(SURVEY.rater.help).setRequired(true);
  for (const page of SURVEY.pages) {
    form.addPageBreakItem().setTitle(page.concept);
    form.addImageItem().setTitle(page.concept).setImage(pictures[page.picture].getBlob());
    for (const question of page.questions) {
      form.addMultipleChoiceItem().setTitle(question.title).setChoiceValues(question.choices).setRequired(true);
    }
    form.addParagraphTextItem().setTitle(page.comment);
  }
  Logger.log("For raters: " + form.getPublishedUrl());
  Logger.log("For you: " + form.getEditUrl());
}
"""
_README = """# A survey for Google Forms

1. Upload the folder `pictures` to Google Drive. Open it there and copy its id: what follows `folders/` in the address.
2. Open https://script.google.com, New project, and paste `create_form.gs`. Put the id between the quotes in its second
   line.
3. Run `createForm` and allow what it asks for. Its log shows the address for raters and the one for you; there, press
   Publish if Google has not published it. Google ends a
   script after six minutes: a survey of more than about a hundred pictures may not get through, so give it fewer.
4. Change no title: item and question stand in it. Give each rater a code of their own for the first question.
5. When all are done: Responses, the three dots, Download responses (.csv). Unpack the file and give it to
   `python -m c2i_lib survey import`.

All raters see one order: Google Forms cannot shuffle pages. Look through the form once before you send it: this script
was never run in Google's own product.
"""


def survey_pages(items: pd.DataFrame, settings: Survey) -> list[dict]:
    """What is shown and asked of each item, in the order of ``items``. No arm, image id, sample or kind is among it,
    because it would unblind the raters."""
    pages = []
    for item in items.itertuples():
        questions = []
        for question in QUESTIONS:
            asked = getattr(settings, question)
            choices = [f"{point} - {label}" for point, label in enumerate(asked.labels, start=1)]
            questions.append(
                {"title": own_title(asked.text, item.item_id, question), "choices": [*choices, CANNOT_JUDGE]}
            )
        concept = "" if pd.isna(item.concept) else str(item.concept)
        comment = own_title("Comment, if you like", item.item_id, COMMENT)
        picture = f"{item.item_id}.png"
        pages.append({"concept": concept, "picture": picture, "questions": questions, "comment": comment})
    return pages


def write_google_form(folder: Path, items: pd.DataFrame, settings: Survey, pictures: Path, instructions: str) -> None:
    """Write the script for ``items``, in their order, and copy their pictures from ``pictures``.

    ``instructions``: what raters read first. For a form per survey, give the items of one. Raises ``C2IError`` when a
    picture is missing.
    """
    folder, pages = Path(folder), survey_pages(items, settings)
    for page in pages:
        source = Path(pictures) / page["picture"]
        if not source.is_file():
            raise C2IError(f"the picture {source} is missing: build the survey again (notebook 06)")
        with atomic_path(folder / "pictures" / page["picture"]) as temporary:
            shutil.copyfile(source, temporary)
    rater = {"title": RATER, "help": "The name or code that you were given. By answering you agree to the text above."}
    survey = {"title": "Rating pictures", "instructions": instructions.strip(), "rater": rater, "pages": pages}
    # Only ASCII, so that no editor changes a letter on its way into the browser.
    contents = {"create_form.gs": _SCRIPT % json.dumps(survey, indent=1), "README.md": _README}
    for name, text in contents.items():
        with atomic_path(folder / name) as temporary:
            temporary.write_text(text, encoding="utf-8")
