"""The tool: a concept → prompts → pictures, from the finished checkpoints of a run.

``writing.py`` writes prompts and says what it did, ``sheet.py`` keeps them as JSON that a person may edit,
``rendering.py`` renders them, ``choosing.py`` finds the best of several, and ``tool.py`` does it all in one go.
"""

from c2i_lib.generator.choosing import Choice
from c2i_lib.generator.rendering import Picture, Renderer
from c2i_lib.generator.sheet import Sheet, Written, edit, read_sheet, sheet_of
from c2i_lib.generator.tool import ConceptToImage
from c2i_lib.generator.writing import PromptWriter
from c2i_lib.stages.prompts import Wishes

__all__ = [
    "Choice",
    "ConceptToImage",
    "Picture",
    "PromptWriter",
    "Renderer",
    "Sheet",
    "Wishes",
    "Written",
    "edit",
    "read_sheet",
    "sheet_of",
]
