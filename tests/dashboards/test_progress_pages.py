"""Pages of progress, errors, points and the cluster, as a browser asks for them."""

import json
import re
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray
from distributed import Client

import sweep
from dashboards.progress.points import find_point
from dashboards.site.site import Site
from sweep import InputError, NoSweepError, Status, StoreError

CHAIN: dict[str, Any] = {
    "modesweep": 1, "name": "chain", "model": "chain", "zip": [["end_mass_ratio", "atoms"]],
    "axes": {"end_mass_ratio": [0.5, 1, 2], "atoms": [10, 12, 14], "mass_ratio": [1, 2]},
}  # fmt: skip
NONE: dict[str, Any] = {"modesweep": 1, "name": "none", "model": "chain"}
SICK: dict[str, Any] = {
    "modesweep": 1, "name": "sick", "model": "poison",
    "fixed": {"poison": "exception", "at": 3}, "axes": {"x": [1, 3, 5, 7], "slow": [0, 0.001]},
}  # fmt: skip
HOSTILE = '</script><img src=x onerror="alert(1)">'


@pytest.fixture(scope="module")
def stores(plugin: Path, client: Client, tmp_path_factory: pytest.TempPathFactory) -> Path:
    workspace = tmp_path_factory.mktemp("pages")
    for document in (CHAIN, NONE, SICK):
        sweep.run(document, workspace=workspace, scheduler=client)
    line = {"time": "2026-11-28T12:00:00Z", "level": "warning", "sweep": "sick", "worker": "w1"}
    lines = [
        {**line, "block": "square/0", "message": HOSTILE},
        {**line, "block": "square/99", "message": "of another block"},
        {**line, "message": "of no block"},
    ]
    text = "".join(json.dumps(told) + "\n" for told in lines) + '{"cut'
    (workspace / "sick" / "log.jsonl").write_text(text)
    return workspace


class Stub:
    """A service with sweeps at rest, and whatever else is told of it."""

    def __init__(self, workspace: Path, *told: Status) -> None:
        self.workspace = workspace
        self.told = {status.name: status for status in told}
        self.looked = 0
        self.workers: list[dict[str, Any]] = []
        self.fault = ""

    def statuses(self) -> list[Status]:
        return [*sweep.statuses(self.workspace), *self.told.values()]

    def status(self, name: str) -> Status:
        if name in self.told and self.told[name].state == "damaged":
            msg = self.told[name].note
            raise StoreError(msg)
        return self.told.get(name) or sweep.status(name, self.workspace)

    def folder(self, name: str) -> Path:
        if not (self.workspace / name / "data.zarr").is_dir():
            msg = f"There is no sweep {name!r}."
            raise NoSweepError(msg)
        return self.workspace / name

    def document(self, name: str) -> dict[str, Any]:
        return sweep.document(name, self.workspace)

    def cluster(self) -> dict[str, Any]:
        self.looked += 1
        return {
            "scheduler": "tcp://a:1", "fault": self.fault, "address": "tcp://a:1",
            "dashboard": "http://a:8787/status", "workers": self.workers, "carried": ["chain"],
        }  # fmt: skip


@pytest.fixture(scope="module")
def site(stores: Path) -> Site:
    return Site(Stub(stores))


def page(site: Site, path: str, **query: str) -> str:
    reply = site.answer(path, {k: [v] for k, v in query.items()})
    assert reply.status == 200, reply.content
    return reply.content.decode()


def told(site: Site, path: str, **query: str) -> dict[str, Any]:
    """Give what a browser that has nothing yet gets."""
    found: dict[str, Any] = json.loads(page(site, path, _parts="1", **query))
    return found


def parts(site: Site, path: str, **query: str) -> dict[str, Any]:
    return {part["id"]: part for part in told(site, path, **query)["parts"]}


def words(part: dict[str, Any]) -> str:
    """Give the words of a part, without its tags."""
    html = part.get("html", "") + " ".join(part.get("rows", {}).values())
    return " ".join(re.sub("<[^>]*>", " ", html).split())


# --- progress -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["chain", "none", "sick"])
@pytest.mark.parametrize("show", ["status", "seconds", "ratio"])
def test_progress_shows_points_rates_and_workers(site: Site, name: str, show: str) -> None:
    found = parts(site, f"/sweep/{name}", show=show)

    assert "figure" in found["map"]
    assert "figure" in found["rates"]
    assert len(found["workers"]["rows"]) == 1
    assert "100 %" in words(found["workers"])
    assert len(page(site, f"/sweep/{name}")) < 20_000


def test_progress_says_what_is_chosen(site: Site) -> None:
    state = told(site, "/sweep/chain", x="mass_ratio", show="no such thing")["state"]

    assert state == {"show": "status", "x": "mass_ratio", "y": "end_mass_ratio"}
    assert told(site, "/sweep/none")["state"] == {"show": "status"}


def test_progress_leads_to_the_slowest_points_and_to_errors(site: Site) -> None:
    found = parts(site, "/sweep/sick")

    assert found["slowest"]["html"].count("/sweep/sick/point?x=") == 6
    assert "2 × exception: RuntimeError: this number is poison" in eventually_noted(site)
    assert 'data-verb="retry"' in found["buttons"]["html"]


def eventually_noted(site: Site) -> str:
    """Wait for what is looked at beside."""
    for _ in range(100):
        if text := words(parts(site, "/sweep/sick")["note"]):
            return text
        time.sleep(0.05)
    return ""


def test_what_has_not_changed_is_not_sent_again(site: Site) -> None:
    first = told(site, "/sweep/chain")
    have = ",".join(f"{p['id']}:{p['version']}" for p in first["parts"])

    again = told(site, "/sweep/chain", _have=have)["parts"]

    assert {p["id"] for p in again} <= {"facts"}  # how long ago it was begun


def waiting(state: str, name: str, submitted: float, note: str = "") -> Status:
    return Status(
        name, Path("nowhere") / name, "chain", {"todo": 5} if state != "damaged" else {}, 0, 0,
        False, None, state, 0, submitted, note,  # type: ignore[arg-type]
    )  # fmt: skip


def test_a_sweep_that_waits_tells_its_place(stores: Path) -> None:
    site = Site(Stub(stores, waiting("queued", "late", 20.0), waiting("queued", "early", 10.0)))

    assert "place 2. 1 queued before it." in words(parts(site, "/sweep/late")["note"])
    assert "place 1. It is the next to begin." in words(parts(site, "/sweep/early")["note"])
    assert "No point has failed" in words(parts(site, "/sweep/late/errors")["told"])
    assert "late" in page(site, "/sweep/late")


def test_a_damaged_sweep_shows_its_note(stores: Path) -> None:
    site = Site(Stub(stores, waiting("damaged", "broken", 1.0, f"the file is gone {HOSTILE}")))

    for path in ("/sweep/broken", "/sweep/broken/errors"):
        text = page(site, path)
        assert "the file is gone" in text
        assert HOSTILE not in text


def test_there_is_no_page_of_a_sweep_that_is_not_there(site: Site) -> None:
    for path in ("/sweep/nothing", "/sweep/nothing/errors", "/sweep/nothing/point"):
        assert site.answer(path, {}).status == 404


# --- errors -------------------------------------------------------------------------------


def test_errors_come_in_groups_with_their_points(site: Site) -> None:
    found = parts(site, "/sweep/sick/errors")

    assert words(found["told"]).startswith("2 points have failed . Retry Retry computes all")
    assert "RuntimeError: this number is poison" in words(found["groups"])
    assert "Traceback" in words(found["group"])
    assert "<details id=" in found["group"]["html"]
    assert "x=3.0" in found["group"]["html"].partition("data-copy=")[2]
    assert [row.count("/sweep/sick/point?x=3") for row in found["points"]["rows"].values()] == [
        1,
        1,
    ]
    assert "figure" in found["map"]
    assert words(found["map-words"]) == "2 failed"


def test_all_groups_can_be_shown_together(site: Site) -> None:
    found = told(site, "/sweep/sick/errors", group="all")

    assert found["state"]["group"] == "all"
    assert words({p["id"]: p for p in found["parts"]}["map-words"]) == "2 failed"


def test_without_errors_there_is_nothing_to_show(site: Site) -> None:
    found = parts(site, "/sweep/chain/errors")

    assert words(found["told"]) == "No point has failed Every point that was wanted has a result."
    assert not any(words(p) for id, p in found.items() if id != "told")


def test_what_a_model_says_is_only_text(stores: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    groups = sweep.failures("sick", stores)
    failed = groups[0].points[0]
    object.__setattr__(failed, "message", HOSTILE)
    object.__setattr__(failed, "traceback", HOSTILE)
    hostile = sweep.FailureGroup("<b>", "exception", HOSTILE, 2, (failed,))
    monkeypatch.setattr(sweep, "failures", lambda *_, **__: [hostile], raising=False)
    site = Site(Stub(stores))

    for query in ({}, {"group": "all"}):
        assert HOSTILE not in page(site, "/sweep/sick/errors", **query)
        assert "&lt;/script&gt;" in page(site, "/sweep/sick/errors", **query)
        assert "<img" not in json.dumps(told(site, "/sweep/sick/errors", **query))


# --- a point ------------------------------------------------------------------------------


def test_a_point_tells_what_became_of_it(site: Site) -> None:
    found = told(site, "/sweep/sick/point", x="3", slow="0.001")
    there = {p["id"]: p for p in found["parts"]}

    assert found["state"] == {"x": "3", "slow": "0.001"}
    assert "x 3, slow 0.001" in words(there["head"])
    assert "failed" in words(there["head"])
    assert words(there["parameters"]).startswith("Parameters x 3 axis slow 0.001 axis poison")
    assert "diary" in words(there["parameters"]).partition("Defaults of the model")[2]
    assert "starts 1" in words(there["timing"])
    assert "exception in stage square" in words(there["verdict"])
    assert "Traceback" in words(there["errors"])
    assert "modesweep point" in there["reproduce"]["html"].partition("data-copy=")[2]
    assert "point?x=1&amp;slow=0.001" in there["head"]["html"]
    assert "point?x=5&amp;slow=0.001" in there["head"]["html"]
    assert "point?x=3&amp;slow=0" in there["head"]["html"]


def test_the_log_of_a_point_is_that_of_its_block_and_only_text(site: Site) -> None:
    log = parts(site, "/sweep/sick/point", x="1")["log"]

    assert "onerror" in words(log)
    assert "<img" not in log["html"]
    assert "another block" not in words(log)
    assert "no block" not in words(log)


def test_a_point_is_found_by_its_place_and_has_a_picture(site: Site) -> None:
    found = told(site, "/sweep/chain/point", place="3")

    assert found["state"] == {"end_mass_ratio": "1", "atoms": "12", "mass_ratio": "2"}
    assert "figure" in {p["id"]: p for p in found["parts"]}["picture"]
    assert told(site, "/sweep/chain/point", atoms="14")["state"]["end_mass_ratio"] == "2"
    assert told(site, "/sweep/chain/point")["state"]["mass_ratio"] == "1"
    assert told(site, "/sweep/none/point")["state"] == {}


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"atoms": "13"}, "atoms has no value '13'. The nearest is 12. Values: 10, 12, 14."),
        ({"atoms": HOSTILE}, "The nearest is 10."),
        ({"mass_ratio": "nan"}, "The nearest is 1."),
        ({"atoms": "10", "end_mass_ratio": "2"}, "these axes move together"),
        ({"place": "6"}, "There is no point '6': the 6 points are counted from 0."),
        ({"place": "-1"}, "There is no point '-1'"),
        ({"place": "9" * 30}, "There is no point"),
    ],
)
def test_a_value_that_is_on_no_axis_is_told_with_the_nearest(
    site: Site, asked: dict[str, str], said: str
) -> None:
    found = parts(site, "/sweep/chain/point", **asked)

    assert said in words(found["wrong"]).replace("&#39;", "'")
    assert "<img" not in json.dumps(found)
    assert not words(found["head"])


def test_words_have_a_nearest_word() -> None:
    status = (("kind",), np.zeros(2, np.uint8))
    dataset = xarray.Dataset({"status": status}, {"kind": ["one side", "both sides"]})

    with pytest.raises(InputError, match="nearest is both sides"):
        find_point(dataset, {"kind": "both side"})


def test_parameters_of_a_point_say_where_they_stand(stores: Path) -> None:
    found = {
        p.name: p for p in sweep.parameters_at("chain", {"atoms": 12, "mass_ratio": 2}, stores)
    }

    assert (found["end_mass_ratio"].value, found["end_mass_ratio"].origin) == (1, "axis")
    assert found["end_spring_ratio"].origin == "default"
    assert list(found)[:3] == ["end_mass_ratio", "atoms", "mass_ratio"]


def test_points_that_failed_alike_are_those_that_failed(stores: Path) -> None:
    (group,) = sweep.failures("sick", stores)
    dataset = sweep.open("sick", stores)

    np.testing.assert_array_equal(
        sweep.failed_alike("sick", group, stores), dataset["status"].values == 3
    )
    (failed,) = sweep.failures_at("sick", {"x": 3, "slow": 0}, stores)
    assert failed.point == {"x": 3, "slow": 0}
    assert sweep.failures_at("sick", {"x": 1, "slow": 0}, stores) == []


def test_without_a_service_there_is_no_log(stores: Path) -> None:
    assert sweep.log_lines("chain", {"atoms": 10, "mass_ratio": 1}, stores) == []


# --- cluster ------------------------------------------------------------------------------


def worker(i: int, **changes: Any) -> dict[str, Any]:
    return {
        "address": f"tcp://b:{i}", "name": f"w{i:04}", "host": "b", "threads": 2,
        "memory": 5 * 10**8, "memory_limit": 10**9, "cpu": 12.3, "executing": 1, "ready": 3,
        "last_seen": time.time(), "status": "running", **changes,
    }  # fmt: skip


@pytest.fixture
def service(stores: Path) -> Stub:
    return Stub(stores)


def test_the_cluster_tells_of_its_workers(service: Stub) -> None:
    service.workers = [worker(1), worker(2, name=HOSTILE, memory_limit=0, last_seen=0.0)]
    found = parts(Site(service, "/base"), "/cluster")

    assert "w0001 tcp://b:1 2 500 MB of 1 GB 12 % 1 3 just now running" in words(found["workers"])
    assert "<img" not in json.dumps(found)
    assert "width:50.0%" in json.dumps(found)
    assert "http://a:8787/status" in found["facts"]["html"]
    assert "/base/sweep/chain" in found["carried"]["html"]
    assert np.__version__ in words(found["versions"])


def test_of_very_many_workers_the_first_are_shown(service: Stub) -> None:
    service.workers = [worker(i) for i in range(1000)]
    found = told(Site(service), "/cluster")
    there = {p["id"]: p for p in found["parts"]}

    assert len(there["workers"]["rows"]) == 200
    assert "The first 200 of 1,000 workers" in words(there["workers-words"])
    assert len(json.dumps(found)) < 150_000
    assert found["seconds"] == 10


def test_many_open_pages_cost_one_look_at_the_cluster(service: Stub) -> None:
    site = Site(service)
    began = time.monotonic()

    for _ in range(20):
        page(site, "/cluster")

    assert service.looked <= 1 + (time.monotonic() - began) / 2


def test_a_cluster_that_is_gone_says_so(service: Stub) -> None:
    service.fault = f"the scheduler is gone {HOSTILE}"
    text = page(Site(service), "/cluster")

    assert "the scheduler is gone" in text
    assert "There are no workers." in text
    assert HOSTILE not in text
