"""What pyproject.toml cannot say: the notebooks lie at the top of the repository and are installed inside c2i_lib."""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["c2i_lib*"]), "c2i_lib.notebooks"],
    package_dir={"c2i_lib.notebooks": "notebooks"},
)
