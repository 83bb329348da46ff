"""Maps the arguments of a combined model's forward to the kinds of input in the manifest."""

from .refusal import BAD_DATA, Refusal

# Names that people give them; the first is shown in advice.
NAMES = {
    "ids": ("ids", "input_ids"),
    "new_tokens": ("n", "new_tokens", "max_new_tokens", "length"),
    "temperature": ("temperature",),
    "top_k": ("top_k",),
    "top_p": ("top_p",),
    "min_p": ("min_p",),
    "repetition_penalty": ("repetition_penalty",),
    "seed": ("seed",),
}
TYPES = {
    "ids": "Tensor",
    "new_tokens": "int",
    "temperature": "float",
    "top_k": "int",
    "top_p": "float",
    "min_p": "float",
    "repetition_penalty": "float",
    "seed": "int",
}
# A TorchScript that somebody finished long ago may take its numbers as tensors.
TENSOR_DTYPES = {"int": "int64", "float": "float32"}


def kind_of(name: str) -> str | None:
    return next((kind for kind, names in NAMES.items() if name in names), None)


def hint_of(name: str) -> str:
    """How an argument is to be written."""
    wanted = TYPES.get(kind_of(name), "…")
    return f"{name}: torch.Tensor" if wanted == "Tensor" else f"{name}: {wanted}"


def all_names() -> str:
    return ", ".join(" or ".join(names) for names in NAMES.values())


def input_facts(schema, where: str) -> list[dict]:
    """The manifest's inputs, in positional order. Raises Refusal for what ferry cannot fill."""
    arguments = list(schema.arguments)[1:]  # without self
    while arguments and kind_of(arguments[-1].name) is None and arguments[-1].has_default_value():
        arguments.pop()
    facts = [input_fact(argument, where) for argument in arguments]
    kinds = [fact["kind"] for fact in facts]
    for kind in kinds:
        if kinds.count(kind) > 1:
            names = [one.name for one in arguments if kind_of(one.name) == kind]
            raise Refusal(BAD_DATA, f"{where}: {' and '.join(names)} mean the same; keep one")
    for kind in ("ids", "new_tokens"):
        if kind not in kinds:
            raise Refusal(
                BAD_DATA,
                f"{where}: forward takes no {' or '.join(NAMES[kind])}; ferry needs the argument "
                f"{hint_of(NAMES[kind][0])}",
            )
    return facts


def input_fact(argument, where: str) -> dict:
    kind, given = kind_of(argument.name), str(argument.type)
    if kind is None:
        raise Refusal(
            BAD_DATA,
            f"{where}: ferry does not know the argument {argument.name} of forward; it fills "
            f"{all_names()}. Rename it, or set it in __init__",
        )
    wanted = TYPES[kind]
    if given == wanted:
        return {"kind": kind, "dtype": "int64" if wanted == "Tensor" else wanted}
    if given == "Tensor" and kind != "new_tokens":
        return {"kind": kind, "dtype": TENSOR_DTYPES[wanted]}
    also = ", which can be counted and capped" if kind == "new_tokens" else ""
    raise Refusal(
        BAD_DATA,
        f"{where}: the argument {argument.name} of forward is a {given}; ferry gives {wanted}{also}: "
        f"write {hint_of(argument.name)}",
    )


def require_typed_numbers(facts: list[dict], schema, where: str) -> None:
    """In a file that its author can still change, numbers are numbers."""
    for fact, argument in zip(facts, list(schema.arguments)[1:]):
        if fact["kind"] != "ids" and fact["dtype"] in TENSOR_DTYPES.values():
            raise Refusal(
                BAD_DATA,
                f"{where}: the argument {argument.name} of forward is a Tensor, as everything "
                f"without a type hint; write {hint_of(argument.name)}",
            )


def output_index(schema, where: str) -> int:
    """Which element of the result holds the ids: the first tensor of a tuple."""
    returned = schema.returns[0].type
    kinds = [str(one) for one in returned.elements()] if is_tuple(returned) else [str(returned)]
    if "Tensor" in kinds:
        return kinds.index("Tensor")
    raise Refusal(
        BAD_DATA,
        f"{where}: forward returns {returned}; ferry needs a tensor of ids: annotate it with "
        "-> torch.Tensor and return torch.cat([ids, new_ids], dim=1), or torch.tensor(list) for a "
        "list; on every path",
    )


def is_tuple(kind) -> bool:
    return kind.kind() == "TupleType"
