"""Chooses the length, in tokens, that the trace is made at. It is the model's limit from then on.

Precedence: the command line; sentence-transformers' max_seq_length; the tokenizer's model_max_length.
Nothing may be longer than the table of position embeddings. The truncation and padding that
tokenizer.json may carry are leftovers of the training and are ignored.
"""

from .refusal import BAD_DATA, USAGE, Refusal

# transformers writes int(1e30) where a tokenizer has no limit.
NO_LIMIT = 10**9


def position_table_length(config) -> int | None:
    """Positions that the model has; None when it has no table."""
    positions = getattr(config, "max_position_embeddings", None)
    if positions is None or positions <= 0:
        return None
    # These count positions from the padding id + 1.
    if config.model_type in ("roberta", "xlm-roberta", "camembert", "mpnet"):
        return positions - (config.pad_token_id or 0) - 1
    return positions


def choose_length(
    asked: int | None,
    sentence_limit: int | None,
    tokenizer_limit: int | None,
    positions: int | None,
    special_tokens: int,
) -> tuple[int, str]:
    """The length and where it comes from."""
    shortest = special_tokens + 1
    if asked is not None:
        if asked < shortest:
            raise Refusal(USAGE, f"--length {asked}: at least {shortest} tokens are needed")
        if positions is not None and asked > positions:
            raise Refusal(USAGE, f"--length {asked}: the model has only {positions} positions")
        return asked, "--length"
    if sentence_limit:
        length, source = sentence_limit, "max_seq_length of sentence-transformers"
    elif tokenizer_limit and tokenizer_limit < NO_LIMIT:
        length, source = tokenizer_limit, "model_max_length of the tokenizer"
    elif positions is not None:
        length, source = positions, "the table of positions"
    else:
        raise Refusal(USAGE, "the model names no length limit: give one with --length")
    if positions is not None and length > positions:
        length, source = positions, f"the table of positions ({source} is {length})"
    if length < shortest:
        raise Refusal(BAD_DATA, f"{source} is {length}: at least {shortest} tokens are needed")
    return length, source
