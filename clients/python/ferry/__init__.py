"""Client of ferryd, the daemon that runs a traced BERT or GPT-2 for many clients at once.

    import ferry

    with ferry.Client() as client:
        vectors = client.embed(["hello world", "good morning"])   # numpy, float32, [2, width]
        for part in client.generate_stream("Once upon a time"):
            print(part.text, end="", flush=True)

AsyncClient is the same for asyncio. Nothing here can hang: every request ends by its deadline
(30 s, of generate 10 minutes, unless said otherwise), and within 4 s when nobody answers at the endpoint.
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
from .language import Choice, Generation, LanguageResult, NextTokens, Part, Score
from .results import EmbedResult, ModelInfo, Times, TokenizeResult, Tokens
from .streams import AsyncStream, Stream

__version__ = "0.1.0"

__all__ = [
    "AsyncClient",
    "AsyncStream",
    "BadData",
    "BadRequest",
    "Busy",
    "Cancelled",
    "Choice",
    "Client",
    "DeadlineExceeded",
    "DeviceLost",
    "EmbedResult",
    "EngineError",
    "FerryError",
    "Generation",
    "InternalError",
    "InvalidInput",
    "LanguageResult",
    "ModelInfo",
    "NextTokens",
    "NotFound",
    "OutOfMemory",
    "Part",
    "Score",
    "ShuttingDown",
    "Stream",
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
