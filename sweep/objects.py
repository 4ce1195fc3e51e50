"""Object stores: a place in a bucket, with puts that are whole or not there.

The address and what is no secret stand in a file; keys come from the environment, as every tool
for the store takes them (AWS_ACCESS_KEY_ID, GOOGLE_APPLICATION_CREDENTIALS, AZURE_STORAGE_...).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from datetime import timedelta
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from sweep.problems import InputError, ObjectsError, nearest

try:
    import obstore
    import obstore.exceptions as refusals
    import obstore.store
except ImportError:  # an extra: only workspaces whose arrays lie elsewhere need it
    obstore = None

SCHEMES = ("s3", "gs", "az")
LOOPBACK = ("127.0.0.1", "localhost", "::1")
MESSAGE = re.compile("<Message>(.*?)</Message>")
"""Where answers of S3-like stores say in words what is wrong."""
PATIENCE_SECONDS = 60.0
"""A request that fails for a reason that may pass is repeated for so long."""


@dataclass(frozen=True)
class Objects:
    """A place in an object store: everything under a prefix.

    Parameters
    ----------
    url : such as "s3://bucket/prefix"
    endpoint : where the store is asked, if not at its provider
    region : of the bucket, where the store wants to know
    plain_http : the endpoint may be asked without TLS, over a network that is trusted
    """

    url: str
    endpoint: str = ""
    region: str = ""
    plain_http: bool = False

    def __post_init__(self) -> None:
        problems = list(self._problems())
        if problems:
            msg = f"The object store {self.url!r} cannot be used: {' '.join(problems)}"
            raise InputError(msg)

    def _problems(self) -> Iterator[str]:
        parts = urlsplit(self.url)
        if parts.scheme not in SCHEMES or not parts.netloc:
            yield f"Give a url such as s3://bucket/prefix; kinds: {', '.join(SCHEMES)}."
        if parts.username or parts.query or parts.fragment:
            yield "Keys and options do not stand in the url: keys come from the environment."
        endpoint = urlsplit(self.endpoint)
        if self.endpoint and (endpoint.scheme not in ("http", "https") or not endpoint.netloc):
            yield f"The endpoint {self.endpoint!r} is no address such as https://host:9000."
        if endpoint.scheme == "http" and not self._may_be_plain(endpoint.hostname):
            yield (
                f"The endpoint {self.endpoint} has no TLS, so that anybody on the way may read and "
                "change results. Use https, or write plain_http = true on a network you trust."
            )

    def _may_be_plain(self, host: str | None) -> bool:
        return self.plain_http or host in LOOPBACK

    @classmethod
    def of(cls, told: Any) -> Objects:
        """Take a place as it was written down.

        Raises
        ------
        InputError : lists everything that is wrong
        """
        known = {field.name: type(getattr(cls("s3://any"), field.name)) for field in fields(cls)}
        given = told if isinstance(told, dict) else {}
        problems = [
            f"{name!r} is no setting.{nearest(name, known)}" for name in given if name not in known
        ]
        problems += [
            f"{name} is {given[name]!r}; it should be a {kind.__name__}."
            for name, kind in known.items()
            if name in given and not isinstance(given[name], kind)
        ]
        if "url" not in given:
            problems.append('`url` is missing: give one such as "s3://bucket/prefix".')
        if problems:
            problems.append(f"Settings: {', '.join(known)}; keys come from the environment.")
            raise InputError(" ".join(problems))
        return cls(**given)

    def told(self) -> dict[str, Any]:
        """Write it down; only what is not at its default."""
        plain = asdict(Objects(self.url))
        return {n: v for n, v in asdict(self).items() if n == "url" or v != plain[n]}

    def below(self, name: str) -> Objects:
        """Give the place under a name in this one."""
        return replace(self, url=f"{self.url.rstrip('/')}/{name}")

    @property
    def store(self) -> Any:
        """The store as obstore and zarr take it.

        Raises
        ------
        InputError : obstore is not installed, or the store cannot be set up
        """
        return _opened(self)

    def read(self, key: str) -> bytes | None:
        """Read an object; None if there is none."""
        with refused(self):
            try:
                return bytes(obstore.get(self.store, key).bytes())
            except (FileNotFoundError, refusals.NotFoundError):
                return None

    def put(self, key: str, content: bytes) -> None:
        """Write an object, whole or not at all; it lasts when this returns."""
        with refused(self):
            # in one piece: parts of a put that was killed would stay, unseen and paid for
            obstore.put(self.store, key, content, use_multipart=False)

    def listed(self) -> list[str]:
        """List what is there."""
        with refused(self):
            return [found["path"] for batch in obstore.list(self.store) for found in batch]

    def names(self, prefix: str) -> list[str]:
        """List the names that stand directly under a prefix."""
        with refused(self):
            found = obstore.list_with_delimiter(self.store, prefix=prefix or None)
        paths = [*found["common_prefixes"], *(each["path"] for each in found["objects"])]
        return [str(path).rstrip("/").rpartition("/")[2] for path in paths]

    def remove(self) -> None:
        """Remove everything under the prefix."""
        with refused(self):
            obstore.delete(self.store, self.listed())

    def drop(self, key: str) -> None:
        """Remove one object, if it is there."""
        with refused(self):
            obstore.delete(self.store, key)


@lru_cache(maxsize=32)
def _opened(place: Objects) -> Any:
    _check_installed(place)
    config = {n: v for n in ("endpoint", "region") if (v := getattr(place, n))}
    plain = place.endpoint.startswith("http:")
    try:
        return obstore.store.from_url(
            place.url, config=config or None, client_options={"allow_http": plain},
            retry_config={"retry_timeout": timedelta(seconds=PATIENCE_SECONDS)},
        )  # fmt: skip
    except (ValueError, refusals.BaseError) as error:
        msg = f"The object store {place.url!r} cannot be used: {_words(error)}"
        raise InputError(msg) from None


@contextmanager
def refused(place: Objects) -> Iterator[None]:
    """Tell what an object store refuses as failures of the machine, which may pass."""
    _check_installed(place)
    try:
        yield
    except (FileNotFoundError, refusals.NotFoundError) as error:
        raise _refusal(place, error, "Is there such a bucket?") from error
    except (refusals.PermissionDeniedError, refusals.UnauthenticatedError) as error:
        remedy = "Check the keys in the environment of whoever runs sweeps, and of the workers."
        raise _refusal(place, error, remedy) from error
    except refusals.BaseError as error:
        raise _refusal(place, error, "Check the address and the network.") from error


def _check_installed(place: Objects) -> None:
    if obstore is None:
        msg = (
            f"{place.url} is reached by obstore, which is not installed. "
            "Install modesweep[objects], here and on every worker."
        )
        raise InputError(msg)


def _refusal(place: Objects, error: Exception, remedy: str) -> ObjectsError:
    text = f"The object store {place.url} refuses: {_words(error)} What is finished is safe."
    return ObjectsError(f"{text} {remedy}")


def _words(error: Exception) -> str:
    """Give what the store itself says, or the first line of obstore's error."""
    own = MESSAGE.search(str(error))
    text = own[1] if own else str(error).strip().partition("\n")[0]
    return text if text.endswith(".") else f"{text}."
