"""The offline world: scenes with captions, language model, TTI model and judges that need no download.

It is a small stand-in. Figures from it are no claim about Stable Diffusion or LAION.
"""
