"""How the API refuses: the shapes that the reference documents, raised wherever the refusal is found."""

from __future__ import annotations

from typing import Any


class ApiError(Exception):
    """An answer of the API that is not the one asked for."""

    def __init__(self, status: int, body: dict[str, Any] | None, headers: dict[str, str] | None = None) -> None:
        super().__init__(status)
        self.status, self.body, self.headers = status, body, headers or {}


class GatewayNotFound(Exception):
    """The gateway knows no such route."""


class DoorError(Exception):
    """The control door refuses."""

    def __init__(self, status: int, error: str, **more: Any) -> None:
        super().__init__(error)
        self.status, self.body = status, {"error": error, **more}


def refuse(status: int, code: str, detail: str, **source: str) -> ApiError:
    """An error in the documented envelope."""
    error: dict[str, Any] = {"code": code, "detail": detail}
    if source:
        error["source"] = source
    return ApiError(status, {"errors": [error]})


def refuse_with_message(code: str, message: str) -> ApiError:
    """How the transactions list complains: `message` instead of `detail`."""
    return ApiError(400, {"errors": [{"code": code, "message": message}]})


def not_found() -> ApiError:
    """An unknown id, or one of another organisation: nobody can tell which."""
    return refuse(404, "not_found", "Not found")


def unauthorized() -> ApiError:
    """No token, an unknown one or an old one."""
    return refuse(401, "unauthorized", "Invalid credentials")


def missing_scope(scope: str) -> ApiError:
    """The token may not."""
    return refuse(403, "forbidden", f"missing required oauth scope: {scope}")


def not_in_plan() -> ApiError:
    """The organisation's plan does not include this."""
    return refuse(403, "unknown", "Unknown error")
