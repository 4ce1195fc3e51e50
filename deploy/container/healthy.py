"""Say by the exit code whether one of some addresses of this container answers with 200."""

import ssl
import sys
import urllib.request

ITSELF = ssl._create_unverified_context()
"""On loopback nobody stands between: the certificate is for others to check."""


def answers(url: str) -> bool:
    """Ask one address."""
    try:
        with urllib.request.urlopen(url, timeout=5, context=ITSELF) as response:
            return bool(response.status == 200)
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(0 if any(map(answers, sys.argv[1:])) else 1)
