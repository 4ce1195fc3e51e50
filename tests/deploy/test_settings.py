"""The settings that are written down for Dask are those of the embedded cluster."""

from pathlib import Path

import yaml

from sweep.cluster import CONFIG

FILE = Path(__file__).parents[2] / "deploy" / "dask.yaml"


def test_the_file_says_what_the_embedded_cluster_has() -> None:
    written = yaml.safe_load(FILE.read_text())
    for name, value in CONFIG.items():
        found = written
        for key in name.split("."):
            found = found[key]
        assert found == value, name
