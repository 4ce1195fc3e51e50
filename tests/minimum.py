"""Print the oldest versions that pyproject.toml allows, one requirement a line."""

import tomllib
from pathlib import Path

if __name__ == "__main__":
    project = tomllib.loads(Path(__file__).parents[1].joinpath("pyproject.toml").read_text())
    for line in project["project"]["dependencies"]:
        print(line.replace(">=", "=="))
    for line in project["project"]["optional-dependencies"]["dev"]:
        print(line)
