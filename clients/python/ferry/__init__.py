"""Client of ferryd, the daemon that runs a traced BERT for many clients at once.

    import ferry

    with ferry.Client() as client:
        vectors = client.embed(["hello world", "good morning"])   # numpy, float32, [2, width]

AsyncClient is the same for asyncio. Nothing here can hang: every request ends by its deadline
(30 s unless said otherwise), and within 4 s when nobody answers at the endpoint.
"""

from .async_client import AsyncClient
from .client import Client
from .endpoint import default_endpoint
from .errors import (
    BadData,
    BadRequest,
    Busy,
    Cancelled,
    DeadlineExceeded,
    DeviceLost,
    EngineError,
    FerryError,
    InternalError,
    InvalidInput,
    NotFound,
    OutOfMemory,
    ShuttingDown,
    Timeout,
    TooLarge,
    TooLong,
    Unauthorized,
    Unavailable,
    Unsupported,
)
from .results import EmbedResult, ModelInfo, Times, TokenizeResult, Tokens

__version__ = "0.1.0"

__all__ = [
    "AsyncClient",
    "BadData",
    "BadRequest",
    "Busy",
    "Cancelled",
    "Client",
    "DeadlineExceeded",
    "DeviceLost",
    "EmbedResult",
    "EngineError",
    "FerryError",
    "InternalError",
    "InvalidInput",
    "ModelInfo",
    "NotFound",
    "OutOfMemory",
    "ShuttingDown",
    "Timeout",
    "Times",
    "TokenizeResult",
    "Tokens",
    "TooLarge",
    "TooLong",
    "Unauthorized",
    "Unavailable",
    "Unsupported",
    "default_endpoint",
]
