"""The Lambda service's Invoke operation, answered by our function processes instead of moto (which wants Docker)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING
from urllib.parse import unquote

from local.functions import FunctionNotDeployedError, Functions

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_INVOKE = re.compile(r"/2015-03-31/functions/([^/]+)/invocations")


class LambdaApi:
    """A WSGI application in front of moto."""

    def __init__(self, app: WSGIApplication, functions: Functions) -> None:
        self._app = app
        self._functions = functions

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        found = _INVOKE.fullmatch(environ.get("PATH_INFO", ""))
        if found is None or environ["REQUEST_METHOD"] != "POST":
            return self._app(environ, start_response)
        payload: bytes = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)) or b"{}"
        function = unquote(found.group(1))
        headers = [("Content-Type", "application/json"), ("X-Amz-Executed-Version", "$LATEST")]
        status, body = "200 OK", b""
        try:
            if environ.get("HTTP_X_AMZ_INVOCATION_TYPE") == "Event":
                self._functions.invoke_async(function, payload)
                status = "202 Accepted"
            else:
                result = self._functions.invoke(function, payload)
                body = result.payload
                if result.function_error is not None:
                    headers.append(("X-Amz-Function-Error", result.function_error))
        except FunctionNotDeployedError as error:
            status, body = "404 Not Found", json.dumps({"Message": str(error)}).encode()
            headers.append(("X-Amzn-ErrorType", "ResourceNotFoundException"))
        start_response(status, [*headers, ("Content-Length", str(len(body)))])
        return [body]
