"""c2i: concept to image. One module a stage; see ARCHITECTURE.md."""

__version__ = "0.1.0"
