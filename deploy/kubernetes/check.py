"""Look at the manifests: their schema, what they name, what their commands say.

`kubectl` and the package dask-kubernetes (`pip install --no-deps dask-kubernetes`: only its schemas
are read) are used where they are installed.
"""

from __future__ import annotations

import copy
import re
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import yaml

from deploy.checks import ROOT, Report, free_port, has, run, started, until
from deploy.container.check import PROGRAM, VERSION, strange_names, unknown_options

HERE = Path(__file__).parent
RELEASE = "1.32"
"""The oldest release of Kubernetes that the manifests are held against, beside the newest."""
OWN = "kubernetes.dask.org/"
CHECKED_POD = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
CHECKED_CONTAINER = {
    "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}  # fmt: skip
Manifest = dict[str, Any]


def manifests(folder: Path = HERE) -> list[Manifest]:
    """Read all manifests of both ways."""
    files = sorted(p for p in folder.rglob("*.yaml") if p.name != "kustomization.yaml")
    return [m for path in files for m in yaml.safe_load_all(path.read_text())]


def pods(manifest: Manifest) -> Iterator[tuple[str, Manifest, Manifest]]:
    """Give name, labels and specification of the pods that a manifest makes."""
    name, spec = manifest["metadata"]["name"], manifest.get("spec", {})
    if manifest["kind"] == "Deployment":
        yield name, spec["template"]["metadata"]["labels"], spec["template"]["spec"]
    if manifest["kind"] == "DaskCluster":
        for part in ("scheduler", "worker"):
            labels = {"dask.org/cluster-name": name, "dask.org/component": part}
            labels |= spec[part]["metadata"]["labels"]
            yield f"{name}-{part} of the operator", labels, spec[part]["spec"]


def fault(manifest: Manifest, release: str) -> str:
    """Say what Kubernetes would have against a manifest; empty: nothing."""
    try:
        kubernetes_validate.validate(manifest, release, strict=True)
    except kubernetes_validate.ValidationError as error:
        return str(error)
    return ""


def look_at_schemas(report: Report, all_of_them: list[Manifest]) -> None:
    """Hold everything against the schemas of Kubernetes, strictly."""
    plain = [m for m in all_of_them if not m["apiVersion"].startswith(OWN)]
    made = [
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "pod"}, "spec": spec}
        for m in all_of_them
        if m["kind"] == "DaskCluster"
        for _, _, spec in pods(m)
    ]
    made += [{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "service"},
              "spec": m["spec"]["scheduler"]["service"]}
             for m in all_of_them if m["kind"] == "DaskCluster"]  # fmt: skip
    for release in (RELEASE, kubernetes_validate.latest_version()):
        faults = [f"{m['kind']}: {said}" for m in plain + made if (said := fault(m, release))]
        report.that(f"{len(plain)} manifests, and {len(made)} parts of the operator's, are those "
                    f"of Kubernetes {release}", not faults, "\n".join(faults))  # fmt: skip
    wrong = copy.deepcopy(next(m for m in plain if m["kind"] == "Deployment"))
    wrong["spec"]["replicas"] = "two"
    report.that("replicas: two is seen", "two" in fault(wrong, RELEASE))
    wrong["spec"]["replicas"] = 2
    wrong["spec"]["template"]["spec"]["containers"][0]["livenesProbe"] = {}
    report.that("a misspelt name is seen", "livenesProbe" in fault(wrong, RELEASE))


def look_at_operator(report: Report, all_of_them: list[Manifest]) -> None:
    """Hold the operator's resources against the schemas that it installs."""
    found = find_spec("dask_kubernetes")
    if found is None or not found.submodule_search_locations:
        report.not_run("the schemas of the operator's own resources",
                       "dask-kubernetes is not installed")  # fmt: skip
        return
    known = {}
    for path in Path(found.submodule_search_locations[0]).rglob("crds/*.yaml"):
        definition = yaml.safe_load(path.read_text())["spec"]
        for version in definition["versions"]:
            kind = f"{definition['group']}/{version['name']}", definition["names"]["kind"]
            known[kind] = version["schema"]["openAPIV3Schema"]
    own = [m for m in all_of_them if m["apiVersion"].startswith(OWN)]
    for manifest in own:
        schema = closed(known[manifest["apiVersion"], manifest["kind"]])
        errors = [e.message for e in jsonschema.Draft7Validator(schema).iter_errors(manifest)]
        report.that(f"the operator knows {manifest['kind']}", not errors, "\n".join(errors))
    wrong = copy.deepcopy(next(m for m in own if m["kind"] == "DaskCluster"))
    wrong["spec"]["worker"]["replicas"] = "two"
    schema = closed(known[wrong["apiVersion"], wrong["kind"]])
    seen = list(jsonschema.Draft7Validator(schema).iter_errors(wrong))
    report.that("the operator would refuse replicas: two", seen)


def closed(schema: Any) -> Any:
    """Give a schema of the operator as plain JSON schema that refuses names it does not know."""
    if isinstance(schema, list):
        return [closed(x) for x in schema]
    if not isinstance(schema, dict):
        return schema
    plain = {k: closed(v) for k, v in schema.items() if not k.startswith("x-kubernetes-")}
    if schema.get("x-kubernetes-int-or-string"):
        plain = {"type": ["integer", "string"]}
    if plain.get("type") == "object" and "properties" in plain and plain["properties"]:
        plain.setdefault("additionalProperties", False)
        plain["properties"] = {"apiVersion": {}, "kind": {}, "metadata": {}, **plain["properties"]}
    return plain


def look_at_pods(report: Report, all_of_them: list[Manifest]) -> None:
    """See that pods are hardened and limited, and that all that they name is there."""
    secrets = secrets_of_readme()
    claims = {m["metadata"]["name"] for m in all_of_them if m["kind"] == "PersistentVolumeClaim"}
    for manifest in all_of_them:
        for name, _, spec in pods(manifest):
            said = spec["securityContext"]
            report.that(f"{name}: no root, no account of Kubernetes",
                        said.items() >= CHECKED_POD.items() and said["runAsUser"] > 0
                        and spec["automountServiceAccountToken"] is False)  # fmt: skip
            for container in (*spec.get("initContainers", []), *spec["containers"]):
                look_at_container(report, f"{name}, {container['name']}", container, spec, secrets)
            gone = {v["persistentVolumeClaim"]["claimName"] for v in spec["volumes"]
                    if "persistentVolumeClaim" in v} - claims  # fmt: skip
            asked = {v["secret"]["secretName"] for v in spec["volumes"] if "secret" in v}
            report.that(f"{name}: its volumes are there, its secrets in the README",
                        not gone and asked <= secrets.keys(),
                        f"{gone} {asked - secrets.keys()}")  # fmt: skip


def look_at_container(
    report: Report, name: str, container: Manifest, spec: Manifest, secrets: dict[str, set[str]]
) -> None:
    """See that a container is hardened, and that its command and files fit."""
    limits = container["resources"]["requests"].keys() >= {"cpu", "memory"}
    report.that(f"{name}: hardened, with requests and limits, of this version",
                container["securityContext"] == CHECKED_CONTAINER and limits
                and "memory" in container["resources"]["limits"]
                and container["image"] == f"modesweep:{VERSION}")  # fmt: skip
    volumes = {v["name"]: v for v in spec["volumes"]}
    mounts = {m["mountPath"]: m["name"] for m in container["volumeMounts"]}
    report.that(f"{name}: what it mounts are volumes", set(mounts.values()) <= set(volumes))
    if container["name"] == "token":
        return
    environment = {e["name"]: e["value"] for e in container["env"]}
    threads = {environment.get(f"{n}_NUM_THREADS") for n in ("OMP", "OPENBLAS", "MKL")}
    report.that(f"{name}: one BLAS thread", threads == {"1"})
    words = [*container.get("command", ["modesweep"]), *container["args"]]
    unknown = [*unknown_options(words), *strange_names(environment)]
    report.that(f"{name}: `{' '.join(words[:2])}` and Dask know its settings", not unknown,
                str(unknown))  # fmt: skip
    files = {Path(w).name for w in (*environment.values(), *words) if w.startswith("/tls/")}
    given = secrets.get(volumes[mounts["/tls"]]["secret"]["secretName"], set())
    report.that(f"{name}: its secret holds the files that it names, no others", files == given,
                str(files ^ given))  # fmt: skip


def secrets_of_readme() -> dict[str, set[str]]:
    """Give the secrets that the README makes, and the files in each."""
    text = (HERE / "README.md").read_text().replace("\\\n", " ")
    found = re.findall(r"create secret generic (\S+)((?: +--from-\S+)+)", text)
    return {
        name: {Path(x).name for x in re.findall(r"--from-file=(\S+)", rest)} for name, rest in found
    }


def look_at_names(report: Report, all_of_them: list[Manifest]) -> None:
    """See that services, addresses and policies name pods and ports that there are."""
    made = [(labels, spec) for m in all_of_them for _, labels, spec in pods(m)]
    ports = {p["name"]: p["containerPort"] for _, spec in made for c in spec["containers"]
             for p in c["ports"]}  # fmt: skip
    services = {m["metadata"]["name"]: m["spec"] for m in all_of_them if m["kind"] == "Service"}
    services |= {f"{m['metadata']['name']}-scheduler of the operator":
                 m["spec"]["scheduler"]["service"]
                 for m in all_of_them if m["kind"] == "DaskCluster"}  # fmt: skip
    for name, service in services.items():
        chosen = [s for labels, s in made if labels.items() >= service["selector"].items()]
        here = {p["name"] for s in chosen for c in s["containers"] for p in c["ports"]}
        report.that(f"service {name} leads to pods and their ports", chosen
                    and service["type"] == "ClusterIP"
                    and all(p["targetPort"] in here and p["port"] == ports[p["targetPort"]]
                            for p in service["ports"]))  # fmt: skip
    asked = {w for _, s in made for c in s["containers"] for w in c["args"]
             if w.startswith("tls://")}  # fmt: skip
    there = {f"tls://{n}:{p['port']}" for n, s in services.items() for p in s["ports"]}
    report.that("the scheduler's address is that of its service", asked and asked <= there,
                str(asked - there))  # fmt: skip
    policies = [m["spec"] for m in all_of_them if m["kind"] == "NetworkPolicy"]
    components = {labels["app.kubernetes.io/component"] for labels, _ in made}
    named = set(re.findall(r"\bcomponent: (\w+)", yaml.safe_dump(policies)))
    numbers = {int(x) for x in re.findall(r"\bport: (\d+)", yaml.safe_dump(policies))} - {53}
    report.that("policies name pods and ports that there are",
                named == components and numbers == set(ports.values()),
                f"{named ^ components} {numbers ^ set(ports.values())}")  # fmt: skip
    nobody = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    report.that("what no policy allows is refused", nobody in policies)


def look_at_service(report: Report, all_of_them: list[Manifest]) -> None:
    """See that the service is alone at a workspace that all see, and looked at rightly."""
    workspace = next(m for m in all_of_them if m["kind"] == "PersistentVolumeClaim")
    report.that("the workspace is written from several nodes",
                workspace["spec"]["accessModes"] == ["ReadWriteMany"])  # fmt: skip
    named = ("Deployment", "modesweep")
    spec = next(m["spec"] for m in all_of_them if (m["kind"], m["metadata"]["name"]) == named)
    report.that("the service has one pod, never two",
                spec["replicas"] == 1 and spec["strategy"] == {"type": "Recreate"})  # fmt: skip
    container = spec["template"]["spec"]["containers"][0]
    port = container["args"][container["args"].index("--port") + 1]
    report.that("it listens at the port that it names",
                container["ports"] == [{"name": "https", "containerPort": int(port)}])  # fmt: skip
    wanted = {"path": "/health", "port": "https", "scheme": "HTTPS",
              "httpHeaders": [{"name": "Host", "value": f"localhost:{port}"}]}  # fmt: skip
    asked = [container[f"{p}Probe"]["httpGet"] for p in ("startup", "readiness", "liveness")]
    report.that("its probes ask /health, by a name that it knows",
                all(p == wanted for p in asked), str(asked))  # fmt: skip


def look_at_kustomizations(report: Report) -> None:
    """See that each kustomization lists the files beside it, and that kubectl puts it together."""
    for path in sorted(HERE.rglob("kustomization.yaml")):
        listed = set(yaml.safe_load(path.read_text())["resources"])
        files = {p.name for p in path.parent.glob("*.yaml")} - {path.name}
        report.that(f"{path.relative_to(HERE)} lists the files beside it",
                    files <= listed and all((path.parent / x).exists() for x in listed),
                    str(files - listed))  # fmt: skip
    if not has("kubectl"):
        report.not_run("kubectl kustomize", "kubectl is not installed")
        return
    for folder in (HERE, HERE / "operator"):
        code, said = run("kubectl", "kustomize", folder)
        whole = list(yaml.safe_load_all(said)) if code == 0 else []
        faults = [f for m in whole if not m["apiVersion"].startswith(OWN)
                  and (f := fault(m, RELEASE))]  # fmt: skip
        report.that(f"kubectl puts {folder.relative_to(ROOT)} together", whole and not faults,
                    said if code else "\n".join(faults))  # fmt: skip


def ask_scheduler(report: Report, all_of_them: list[Manifest], folder: Path) -> None:
    """Run the operator's scheduler as a process, and ask what the operator asks."""
    cluster = next(m for m in all_of_them if m["kind"] == "DaskCluster")
    container = cluster["spec"]["scheduler"]["spec"]["containers"][0]
    name = "DASK_DISTRIBUTED__SCHEDULER__HTTP__ROUTES"
    routes = next(e["value"] for e in container["env"] if e["name"] == name)
    page, port = free_port(), free_port()
    here = {"tls": "tcp", "0.0.0.0": "127.0.0.1", "8786": str(port), ":8787": f"127.0.0.1:{page}"}
    words = [here.get(w, w) for w in container["args"]]

    def status(path: str) -> int:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{page}{path}") as response:
                return int(response.status)
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return 0

    with started([PROGRAM, *words], folder / "scheduler.log", {name: routes}):
        until(lambda: status("/health"), "the scheduler")
        report.that("the operator's scheduler answers /health and the operator",
                    status("/health") == status("/api/v1/adaptive_target") == 200)  # fmt: skip
        others = {p: status(p) for p in ("/status", "/info/main/workers.html", "/metrics")}
        report.that("and nothing else", set(others.values()) == {404}, str(others))


if __name__ == "__main__":
    report = Report("kubernetes: manifests")
    known = manifests()
    look_at_schemas(report, known)
    look_at_operator(report, known)
    look_at_pods(report, known)
    look_at_names(report, known)
    look_at_service(report, known)
    look_at_kustomizations(report)
    with tempfile.TemporaryDirectory() as name:
        ask_scheduler(report, known, Path(name))
    report.not_run("kubectl apply", "the check needs no cluster, and uses none")
    report.end()
