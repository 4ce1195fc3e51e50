"""The OpenAPI document is what the handlers do, and is kept as docs/openapi.json."""

import http.client
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from tornado.web import RequestHandler

from sweep.service.handlers import Api, rules
from sweep.service.pages import Assets, Login, Pages
from sweep.service.routes import BASE, ROUTES, openapi
from tests.faults.tools import wait
from tests.service.inside import Inside
from tests.service.stores import chains, finished

KEPT = Path(__file__).parents[2] / "docs" / "openapi.json"
REWRITE = (
    ".venv/bin/python -c 'import json; from sweep.service.routes import openapi; "
    "print(json.dumps(openapi(), indent=1))' > docs/openapi.json"
)
DOCUMENT = openapi()
OPERATIONS = [
    pytest.param(method.upper(), path, told, id=told["operationId"])
    for path, methods in DOCUMENT["paths"].items()
    for method, told in methods.items()
]
NAMES = {"remove": "unwanted", "extend": "grown"}
"""Operations that leave a sweep as another have one of their own."""
BODIES: dict[str, Any] = {
    "planned": chains("other", 2, 2), "submit": chains("other", 2, 2),
    "extend": {"values": {"mass_ratio": [6.0]}}, "prioritize": {"priority": 3},
}  # fmt: skip
QUERIES: dict[str, dict[str, Any]] = {
    "planned": {"file": "other.toml"}, "submit": {"file": "other.toml"},
    "model": {"schema_only": "true"},
    "explanation": {"point": ["mass_ratio=0.2", "end_mass_ratio=0.3"]},
    "rows": {"where": "frequency_squared > 0", "select": ["mass_ratio=0.2"],
             "vars": ["frequency_squared"], "unit": "THz", "limit": 3},
    "files": {"format": "csv", "out": "table.csv", "select": ["mass_ratio=0.2"],
              "vars": ["frequency_squared"], "unit": "THz"},
}  # fmt: skip


@pytest.fixture(scope="module")
def inside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inside]:
    workspace = tmp_path_factory.mktemp("results")
    finished(workspace, chains("chains", 3, 3))
    for name in NAMES.values():
        finished(workspace, chains(name, 3, 3))
    service = Inside(workspace).start()
    yield service
    service.stop()


def address(path: str, told: dict[str, Any]) -> str:
    """Put a name that there is into a path."""
    if "/models/" in path:
        return path.replace("{name}", "chain")
    return path.replace("{name}", NAMES.get(told["operationId"], "chains"))


# --- the document itself --------------------------------------------------------------------


def test_the_kept_document_is_the_one_that_is_served() -> None:
    kept, served = json.loads(KEPT.read_text()), json.loads(json.dumps(DOCUMENT))
    for document in (kept, served):
        document["info"].pop("version")

    assert kept == served, f"docs/openapi.json is out of date. Write it anew:\n{REWRITE}"


def test_operations_have_names_of_their_own_and_say_what_they_do() -> None:
    told = [p.values[2] for p in OPERATIONS]
    names = [t["operationId"] for t in told]

    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z_]+", n) for n in names)
    assert all(t["summary"].endswith(".") for t in told)


def test_the_document_is_openapi_3_1() -> None:
    assert set(DOCUMENT) == {"openapi", "info", "servers", "security", "paths", "components"}
    assert DOCUMENT["openapi"] == "3.1.0"
    assert {"title", "version"} <= set(DOCUMENT["info"])
    assert DOCUMENT["servers"] == [{"url": BASE}]
    schemes = DOCUMENT["components"]["securitySchemes"]
    assert schemes == {"token": {"type": "http", "scheme": "bearer"}}
    assert DOCUMENT["security"] == [{"token": []}]
    for path, methods in DOCUMENT["paths"].items():
        assert path.startswith("/")
        assert set(methods) <= {"get", "post", "delete"}


@pytest.mark.parametrize(("method", "path", "told"), OPERATIONS)
def test_an_operation_is_an_operation(method: str, path: str, told: dict[str, Any]) -> None:
    known = {"summary", "operationId", "parameters", "requestBody", "responses", "security"}
    assert {"summary", "operationId", "parameters", "responses"} <= set(told) <= known
    parameters = told["parameters"]
    assert len({(p["name"], p["in"]) for p in parameters}) == len(parameters)
    for p in parameters:
        assert {"name", "in", "required", "schema"} <= set(p) <= {
            "name", "in", "required", "schema", "description"
        }  # fmt: skip
        assert p["in"] in ("path", "query")
        assert isinstance(p["required"], bool)
    in_path = {p["name"] for p in parameters if p["in"] == "path"}
    assert in_path == set(re.findall(r"{(\w+)}", path))
    assert all(p["required"] for p in parameters if p["in"] == "path")
    assert ("requestBody" in told) <= (method == "POST")
    assert set(told["responses"]) == {"2XX", "4XX", "5XX"}
    for code, response in told["responses"].items():
        assert response["description"]
        assert response["content"]
        assert ("application/problem+json" in response["content"]) == (code != "2XX")
    assert told.get("security", [{"token": []}]) == ([] if path == "/health" else [{"token": []}])


def test_every_reference_leads_somewhere() -> None:
    text = json.dumps(DOCUMENT)
    for reference in set(re.findall(r'"\$ref": "([^"]*)"', text)):
        found: Any = DOCUMENT
        for step in reference.removeprefix("#/").split("/"):
            found = found[step]
        assert found


def test_every_schema_has_words_that_json_schema_knows() -> None:
    known = {
        "type", "enum", "const", "default", "pattern", "description", "title", "items", "anyOf",
        "properties", "required", "additionalProperties", "propertyNames", "minLength", "maxLength",
        "minimum", "maximum", "minItems", "maxItems", "minProperties", "maxProperties",
    }  # fmt: skip
    types = {"string", "integer", "number", "boolean", "array", "object", "null"}

    def check(schema: Any) -> None:
        if isinstance(schema, bool):
            return
        assert set(schema) <= known
        assert schema.get("type", "object") in types
        if "pattern" in schema:
            re.compile(schema["pattern"])
        inner = [*schema.get("properties", {}).values(), *schema.get("anyOf", [])]
        inner += [
            schema[k] for k in ("items", "additionalProperties", "propertyNames") if k in schema
        ]
        for one in inner:
            check(one)

    for _, _, told in (p.values for p in OPERATIONS):
        for p in told["parameters"]:
            check(p["schema"])
        for content in told.get("requestBody", {}).get("content", {}).values():
            check(content["schema"])
    check(DOCUMENT["components"]["schemas"]["Problem"])


# --- the document and the handlers ----------------------------------------------------------


def test_every_handler_is_in_the_document(inside: Inside) -> None:
    documented = {BASE + path for path in DOCUMENT["paths"]}
    pages: list[type[RequestHandler]] = [Assets, Login, Pages]
    for pattern, handler, _ in rules(inside.house, inside.site):
        plain = re.sub(r"\\(.)", r"\1", re.sub(r"\(\[.*?\)", "{name}", pattern))
        assert handler in pages or plain in documented or (handler is Api and plain == "/health")
    assert {(r.method, r.path) for r in ROUTES} <= {p.values[:2] for p in OPERATIONS}


@pytest.mark.parametrize(("method", "path", "told"), OPERATIONS)
def test_an_operation_is_served_to_whoever_has_the_token(
    inside: Inside, method: str, path: str, told: dict[str, Any]
) -> None:
    where = address(path, told)

    assert inside.ask(method, where, token=None).status == (200 if path == "/health" else 401)
    for other in {"GET", "POST", "DELETE", "PUT", "PATCH", "HEAD", "OPTIONS"} - {
        m.upper() for m in DOCUMENT["paths"][path]
    }:
        assert inside.ask(other, where, token=None).status == 401
        assert inside.ask(other, where).status == 405


@pytest.mark.parametrize(("method", "path", "told"), OPERATIONS)
def test_what_is_documented_is_taken_and_nothing_else(
    inside: Inside, method: str, path: str, told: dict[str, Any]
) -> None:
    name = told["operationId"]
    query, body, where = QUERIES.get(name, {}), BODIES.get(name), address(path, told)
    assert set(query) == {p["name"] for p in told["parameters"] if p["in"] == "query"}
    assert (body is not None) == ("requestBody" in told)

    unknown = inside.ask(method, where, {**query, "nonsense": 1}, body)
    assert (unknown.status, unknown.told["exit_code"]) == (422, 2)
    assert "parameter nonsense" in unknown.told["detail"]
    if body is None:
        meant = inside.ask(method, where, query, {"nonsense": 1})
        assert (meant.status, meant.told["exit_code"]) == (422, 2)
        assert "it has a body" in meant.told["detail"]
    else:
        typed = inside.ask(method, where, query, {**body, "nonsense": 1})
        assert (typed.status, typed.told["exit_code"]) == (422, 2)
        assert "nonsense" in typed.told["detail"]
        kinds = told["requestBody"]["content"]
        other = inside.ask(method, where, query, "x", {"Content-Type": "text/plain"})
        assert other.status == 415
        assert ("application/yaml" in kinds) == (
            inside.ask(method, where, query, "{", {"Content-Type": "application/yaml"}).status
            == 422
        )
    if name == "follow":
        return  # it goes on until the client goes
    reply = inside.ask(method, where, query, body)
    given = reply.headers["Content-Type"].partition(";")[0]
    assert reply.status in (200, 201), reply.body
    assert given in told["responses"]["2XX"]["content"]
    for required in {p["name"] for p in told["parameters"] if p["required"] and p["in"] == "query"}:
        left = {k: v for k, v in query.items() if k != required}
        assert inside.ask(method, where, left, body).status == 422


def test_the_description_is_served_with_the_prefix_of_the_service(inside: Inside) -> None:
    reply = inside.ask("GET", "/openapi.json")

    assert reply.told == json.loads(json.dumps(DOCUMENT))


def test_events_are_sent_and_the_place_is_given_up(inside: Inside) -> None:
    url = urlsplit(inside.told["url"])
    link = http.client.HTTPConnection(url.hostname or "", url.port, timeout=60)
    link.request("GET", f"{BASE}/sweeps/chains/events",
                 headers={"Authorization": f"Bearer {inside.told['token']}"})  # fmt: skip
    answer = link.getresponse()
    lines = [answer.readline() for _ in range(2)]

    assert answer.headers["Content-Type"] == "text/event-stream"
    assert lines[0] == b"event: status\n"
    assert json.loads(lines[1].removeprefix(b"data: "))["counts"] == {"ok": 9}
    assert inside.house.streams == 1
    answer.close()
    link.close()
    wait(lambda: inside.house.streams == 0, "the place of a client that is gone")
