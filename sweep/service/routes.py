"""What can be asked of a service over HTTP: one table, which handlers and OpenAPI file share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from sweep import layout
from sweep.schema import file_schema
from sweep.service import answers
from sweep.service.answers import Answer, Asked
from sweep.service.questions import (
    Files,
    MoreValues,
    NoParameters,
    Point,
    Priority,
    Question,
    Rows,
    Schema,
    SweepFile,
)
from sweep.versions import versions

BASE = "/api/v1"
NAME = layout.NAME.pattern
Method: TypeAlias = Literal["GET", "POST", "DELETE"]
SWEEP_FILE = "sweep file"
"""A body that is a sweep file, in JSON, TOML or YAML."""


@dataclass(frozen=True)
class Route:
    """One thing that can be asked."""

    method: Method
    path: str
    """Below the base; {name} stands for a sweep or a model."""
    answer: Callable[[Asked], Answer]
    query: type[Question] = NoParameters
    body: type[Question] | str | None = None
    open: bool = False
    """No token is needed."""
    gives: str = "application/json"

    @property
    def summary(self) -> str:
        """What it does, in a line."""
        return (self.answer.__doc__ or "").partition("\n")[0]


ROUTES = (
    Route("GET", "/health", answers.health, open=True),
    Route("GET", "/about", answers.about),
    Route("GET", "/metrics", answers.metrics, gives="text/plain"),
    Route("GET", "/models", answers.models),
    Route("GET", "/models/{name}", answers.model, Schema),
    Route("POST", "/plan", answers.planned, SweepFile, SWEEP_FILE),
    Route("GET", "/sweeps", answers.sweeps),
    Route("POST", "/sweeps", answers.submit, SweepFile, SWEEP_FILE),
    Route("GET", "/sweeps/{name}", answers.show),
    Route("DELETE", "/sweeps/{name}", answers.remove),
    Route("GET", "/sweeps/{name}/file", answers.file),
    Route("GET", "/sweeps/{name}/errors", answers.failures),
    Route("GET", "/sweeps/{name}/explain", answers.explanation, Point),
    Route("GET", "/sweeps/{name}/query", answers.rows, Rows, gives="application/x-ndjson"),
    Route("GET", "/sweeps/{name}/export", answers.files, Files, gives="application/x-tar"),
    Route("POST", "/sweeps/{name}/pause", answers.pause),
    Route("POST", "/sweeps/{name}/resume", answers.resume),
    Route("POST", "/sweeps/{name}/cancel", answers.cancel),
    Route("POST", "/sweeps/{name}/retry", answers.retry),
    Route("POST", "/sweeps/{name}/extend", answers.extend, body=MoreValues),
    Route("POST", "/sweeps/{name}/priority", answers.prioritize, body=Priority),
)
EVENTS = "/sweeps/{name}/events"
OPENAPI = "/openapi.json"
LOGIN = "/login-links"


def paths() -> dict[str, dict[str, Route]]:
    """Give the routes by path and method."""
    found: dict[str, dict[str, Route]] = {}
    for route in ROUTES:
        found.setdefault(route.path, {})[route.method] = route
    return found


def openapi() -> dict[str, Any]:
    """Describe everything that can be asked, as OpenAPI 3.1."""
    listed: dict[str, dict[str, Any]] = {
        path: {method.lower(): _operation(route) for method, route in methods.items()}
        for path, methods in paths().items()
    }
    follow = "Follow a sweep: its status whenever it changes, as server-sent events."
    follower = _plain(follow, "text/event-stream", named=True)
    listed[EVENTS] = {"get": follower | {"operationId": "follow"}}
    described = _plain("This description.", "application/json")
    listed[OPENAPI] = {"get": described | {"operationId": "description"}}
    link = "Make a link that opens one browser session."
    listed[LOGIN] = {"post": _plain(link, "application/json") | {"operationId": "login_link"}}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "modesweep",
            "version": versions()["modesweep"],
            "description": "Parameter sweeps of vibrational modes. Every request but /health "
            "needs the token: `Authorization: Bearer TOKEN`.",
        },
        "servers": [{"url": BASE}],
        "security": [{"token": []}],
        "paths": listed,
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": {"Problem": _problem()},
        },
    }


def _operation(route: Route) -> dict[str, Any]:
    told = _plain(route.summary, route.gives, named="{name}" in route.path)
    told["operationId"] = route.answer.__name__
    schema = route.query.model_json_schema()
    for name, one in schema.get("properties", {}).items():
        described = {k: v for k, v in one.items() if k not in ("title", "description")}
        told["parameters"].append(
            {"name": name, "in": "query", "required": name in schema.get("required", ()),
             "description": one.get("description", ""), "schema": described}
        )  # fmt: skip
    if route.body is not None:
        told["requestBody"] = {"required": True, "content": _body(route.body)}
    if route.open:
        told["security"] = []
    return told


def _plain(summary: str, gives: str, *, named: bool = False) -> dict[str, Any]:
    parameters = []
    if named:
        pattern = {"type": "string", "pattern": f"^{NAME}$"}
        parameters.append({"name": "name", "in": "path", "required": True, "schema": pattern})
    problem = {"content": {"application/problem+json": {
        "schema": {"$ref": "#/components/schemas/Problem"}}}}  # fmt: skip
    return {
        "summary": summary,
        "parameters": parameters,
        "responses": {
            "2XX": {"description": "As asked.", "content": {gives: {}}},
            "4XX": {"description": "What is wrong, in the words of the command line.", **problem},
            "5XX": {"description": "The scheduler, the disk, or a fault of ours.", **problem},
        },
    }


def _body(body: type[Question] | str) -> dict[str, Any]:
    if isinstance(body, str):
        text = {"schema": {"type": "string"}}
        document = {k: v for k, v in file_schema().items() if k in ("type", "required")}
        return {
            "application/json": {"schema": document},
            "application/toml": text,
            "application/yaml": text,
        }
    return {"application/json": {"schema": body.model_json_schema()}}


def _problem() -> dict[str, Any]:
    """Describe errors: RFC 9457."""
    return {
        "type": "object",
        "required": ["type", "title", "status", "detail", "exit_code"],
        "properties": {
            "type": {"type": "string", "description": "urn:modesweep: and the kind of error."},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string", "description": "What the command line says."},
            "exit_code": {"type": "integer", "description": "What the command line ends with."},
        },
    }
