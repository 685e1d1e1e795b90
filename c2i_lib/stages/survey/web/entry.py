"""The entry link of a survey: who opens it gets a free place, which is the personal link of a rater.

In: a visit, with the parameters that a panel such as Prolific adds to the address, and the cookie of an earlier visit.
Out: a redirect to the place, which is kept in the table ``places``; or a page that says why there is none. Who comes
again gets the same place. Ignored: what they answer, and how they are paid.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from fastapi import HTTPException
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from c2i_lib.config import Survey
from c2i_lib.stages.survey.raters import Raters
from c2i_lib.stages.survey.web.served import ServedSurvey
from c2i_lib.study import QUESTIONS

PERSON = "PROLIFIC_PID"  # the parameter that names a person
COOKIE = "c2i_place"  # holds the token of the browser's place
_MOST, _LONGEST = 20, 200  # parameters, and characters of each name and value
_COOKIE_DAYS = 90


def read_parameters(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The parameters of an address that are kept: the first ``_MOST``, each cut at ``_LONGEST`` characters."""
    cut = [[text.replace("\0", "")[:_LONGEST] for text in pair] for pair in list(pairs)[:_MOST]]
    return {name: value for name, value in cut if name}


def name_person(parameters: dict[str, str]) -> str:
    """By whom the panel knows a visitor; "" where it does not say, or sends its own placeholder ``{{%PROLIFIC_PID%}}``,
    which would make one person of all."""
    person = parameters.get(PERSON, "").strip()
    return "" if set(person) & set("{}%") else person


class Entry:
    """The entry of a served survey. ``page``: a function that makes a page of ``title``, ``text``, ``link`` and
    ``leave``. One visit at a time: two that find the same free place would share it."""

    def __init__(self, survey: ServedSurvey, settings: Survey, seed: int, base_url: str, page: Callable[..., str]):
        self.survey, self.settings, self.seed, self._page = survey, settings, seed, page
        self.responses, self.token = survey.responses, survey.responses.entry_token()
        self.link, self._address = f"{base_url}/join/{self.token}", urlsplit(base_url)

    def join(self, token: str, pairs: Iterable[tuple[str, str]], cookie: str = "") -> Response:
        """The answer to a visit with the parameters ``pairs``. 404 when ``token`` is not the entry's."""
        texts = self.survey.texts
        self.survey.follow()
        if not secrets.compare_digest(token.encode("utf-8", "surrogatepass"), self.token.encode()):
            raise HTTPException(404, texts["invalid_text"])
        parameters = read_parameters(pairs)
        person = name_person(parameters)
        rater = self._known(person, cookie)
        if rater in self.survey.withdrawn:
            return self._refusal(texts["thanks"], texts["ended"])
        if rater is None and self.responses.closed:
            return self._refusal(texts["closed"], texts["closed_text"])
        rater = rater or self._free() or self._take_back()
        if rater is None:
            return self._refusal(texts["full"], texts["full_text"])
        self.responses.give_place(rater, person, json.dumps(parameters, ensure_ascii=False))
        return self._redirect(rater)

    def _redirect(self, rater: str) -> Response:
        prefix, token = self._address.path, self.survey.tokens[rater]
        answer = RedirectResponse(f"{prefix}/r/{token}", 303)
        safe = {"path": f"{prefix}/join", "secure": self._address.scheme == "https", "httponly": True}
        answer.set_cookie(COOKIE, token, max_age=_COOKIE_DAYS * 86400, samesite="lax", **safe)
        return answer

    def _refusal(self, title: str, text: str) -> Response:
        leave = self.survey.texts["leave"]
        return HTMLResponse(self._page(title=title, text=text, link=self.settings.screen_out_url, leave=leave), 409)

    def _known(self, person: str, cookie: str) -> str | None:
        """The rater that a visitor has already: by their name at the panel, or else by their browser's cookie, unless
        it is another person's (a browser that several share). Who left without any answer counts as new."""
        places, progress = self.responses.places(), self.responses.progress()
        found = [rater for rater, (_, holder) in places.items() if person and holder == person]
        if not found:
            holder = self.survey.holder(cookie)
            same = not person or places.get(holder, ("", ""))[1] in ("", person)
            found = [holder] if holder and same else []
        left = [rater for rater in found if rater in self.survey.withdrawn and not progress[rater][1]]
        return next((rater for rater in reversed(found) if rater not in left), None)

    def _free(self) -> str | None:
        """The first rater who has not agreed, has no answers and was not given away."""
        places, progress = self.responses.places(), self.responses.progress()
        untouched = {rater for rater, (agreed, answered, _) in progress.items() if not agreed and not answered}
        return next((rater for rater in self.survey.items if rater in untouched and rater not in places), None)

    def _abandoned(self) -> str | None:
        """Of the places whose holders have not finished and not answered for ``survey.place_minutes``: one without
        answers before one with, and then the one that was left first."""
        limit = datetime.now(UTC) - timedelta(minutes=self.settings.place_minutes)
        before, progress = limit.isoformat(timespec="milliseconds"), self.responses.progress()
        found = []
        for rater, (given_at, _) in self.responses.places().items():
            agreed, answered, last = progress[rater]
            seen = max(given_at, agreed or "", last or "")
            items = self.survey.items.get(rater, {})  # none: withdrawn
            if seen < before and answered < len(QUESTIONS) * len(items):
                found.append((answered > 0, seen, rater))
        return min(found)[2] if found else None

    def _take_back(self) -> str | None:
        """Replace the rater of an abandoned place by a new one, whose name is returned; None where there is none.

        The link of the former holder ends, so that no two people share one; what they answered stays and counts.
        """
        rater = self._abandoned()
        if rater is None:
            return None
        with Raters(self.survey.survey_dir, self.seed) as raters:
            new = raters.replace(rater)
            raters.update_links()
        self.survey.follow()
        return new
