"""The same API without asyncio: `tenure.sync.connect(...)`."""

from ._sync._client import Client, Namespace, Sessions, connect
from ._sync._credentials import Credentials
from ._sync._watch import Watch

__all__ = ["Client", "Credentials", "Namespace", "Sessions", "Watch", "connect"]
