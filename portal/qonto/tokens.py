"""Where the client gets its tokens from: a protocol that `services/connections/token_keeping.py` fills with rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NoReturn, Protocol

from portal.errors import ConsentEnded
from portal.qonto.errors import Code


class TokenStore(Protocol):
    """Usable access tokens by connection. Every method may raise ConsentEnded or Unavailable."""

    def access_token(self, connection_id: str) -> str:
        """A token that is good for some minutes still; renewed first where needed."""

    def renewed(self, connection_id: str, *, refused: str) -> str:
        """Another token than the `refused` one."""

    def give_up(self, connection_id: str, *, code: str) -> NoReturn:
        """A fresh token was refused too: the consent is gone. Always raises ConsentEnded."""


@dataclass(frozen=True, slots=True)
class OneToken:
    """A token that nobody has stored yet: the first call over a new consent."""

    token: str = field(repr=False)

    def access_token(self, connection_id: str) -> str:
        """The token."""
        del connection_id
        return self.token

    def renewed(self, connection_id: str, *, refused: str) -> str:
        """There is no other one."""
        del refused
        self.give_up(connection_id, code=Code.UNAUTHORIZED)

    def give_up(self, connection_id: str, *, code: str) -> NoReturn:
        """The bank refuses what it has just issued."""
        del connection_id
        raise ConsentEnded("Qonto ended this consent. Please connect again.", status_code=401, code=code)
