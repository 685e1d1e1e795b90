"""The section ``captions`` of a profile: where captions come from, and what is done to them."""

from __future__ import annotations

from typing import Literal

from c2i_lib.config.section import Count, Section, Share


class Captions(Section):
    """Stage 01. Four splits without a common caption."""

    source: str  # "embedded", a file, folder, glob or URL (.parquet .csv .tsv .jsonl .txt), or "hub:<data set id>"
    revision: str | None = None  # of a hub data set
    text_column: str | None = None  # None: found by name (text or caption, in any case)
    # Numbers that say how good the picture of a caption is, the more the better, such as LAION's aesthetic; None: none.
    quality_column: str | None = None  # the embedded world knows its pictures and takes none
    n_finetune: Count
    eval_share: Share  # of n_finetune, kept for evaluation
    n_mining: Count
    n_length: Count
    shrink: bool = False  # splits shrink in proportion when the source is too small; else that is an error
    max_characters: Count = 2000  # longer captions are dropped
    duplicates: Literal["none", "url_text", "text", "near"] = "text"  # what counts as a duplicate within a split
    explicit_words: str | None = None  # file with a blacklist, an entry a line; None: that of better-profanity
    disguised_words: bool = False  # also drop "p0rn" and "p.o.r.n"
    languages: tuple[str, ...] | None = None  # such as [en]; None: all
    drop_nsfw: tuple[str, ...] | None = None  # values of a column NSFW to drop, such as [NSFW]
    min_similarity: float | None = None  # of a column similarity
    on_bad_shard: Literal["error", "skip"] = "error"
