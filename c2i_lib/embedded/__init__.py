"""The offline world: captions, language model, TTI model and judge that need no download.

It is a small stand-in. Figures from it are no claim about Stable Diffusion or LAION.
"""
