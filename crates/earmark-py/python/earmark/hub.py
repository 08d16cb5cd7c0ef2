"""How the Hub is reached."""

from __future__ import annotations

import os
from typing import TypedDict


class HubSettings(TypedDict):
    """As the environment says, where it is `None` or false."""

    revision: str | None
    token: str | None
    cache_dir: str | None
    offline: bool


def hub_settings(
    revision: str | None, token: str | None, cache_dir: str | os.PathLike[str] | None, offline: bool
) -> HubSettings:
    folder = None if cache_dir is None else os.fspath(cache_dir)
    return {"revision": revision, "token": token, "cache_dir": folder, "offline": offline}
