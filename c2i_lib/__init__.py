"""c2i: a concept in, a picture out, by way of a language model finetuned on image captions."""

__version__ = "0.1.0"
