"""Asks the process of this machine how it is: `python -m streamlabel.runtime.probe [livez|readyz]`.

For a container's health check, where no curl is: exit code 0 for yes, 1 for no, the reasons on standard output.
Only the standard library is imported, since it runs every few seconds beside the service.
"""

from __future__ import annotations

import http.client
import os
import ssl
import sys
from collections.abc import Mapping, Sequence

TLS_KEY = "STREAMLABEL_HTTP_TLS_CERT_FILE"
_DEFAULT_PORT = "8080"
_TIMEOUT_S = 3.0
_QUESTIONS = ("livez", "readyz")
_USAGE = 64  # EX_USAGE of sysexits.h


def ask(question: str, environ: Mapping[str, str]) -> tuple[bool, str]:
    """Whether the process answers yes to `question`, and its words."""
    host = environ.get("STREAMLABEL_HTTP_HOST") or "127.0.0.1"
    port = environ.get("STREAMLABEL_HTTP_PORT") or _DEFAULT_PORT
    # A server that listens everywhere listens here too.
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    connection = probe_connection(host, int(port), environ, timeout_s=_TIMEOUT_S)
    try:
        connection.request("GET", f"/{question}")
        answer = connection.getresponse()
        return answer.status == http.client.OK, answer.read().decode(errors="replace")
    except OSError as error:
        return False, f"nobody answers on port {port}: {error}"
    finally:
        connection.close()


def probe_connection(
    host: str, port: int, environ: Mapping[str, str], *, timeout_s: float
) -> http.client.HTTPConnection:
    """To the HTTP port of the service with this environment, on this machine."""
    if not environ.get(TLS_KEY):
        return http.client.HTTPConnection(host, port, timeout=timeout_s)
    # Whether it is the right certificate is the clients' question: it names the service, not this machine.
    return http.client.HTTPSConnection(host, port, timeout=timeout_s, context=_unverified())


def _unverified() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def main(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Ask once; the exit code is the answer."""
    question = argv[0] if argv else "livez"
    if question not in _QUESTIONS or len(argv) > 1:
        sys.stderr.write(f"usage: python -m streamlabel.runtime.probe [{'|'.join(_QUESTIONS)}]\n")
        return _USAGE
    yes, words = ask(question, environ)
    sys.stdout.write(words + "\n")
    return 0 if yes else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
