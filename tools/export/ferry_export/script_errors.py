"""Turns what torch.jit.script says about a user's file into what to change, and where."""

import pathlib
import re
import types

from .combined_inputs import hint_of

PLACE = re.compile(r'File "([^"]+)", line (\d+)')
OWN_MODULES = ("torch", "math", "typing")

# What torch says, and what to do about it. The first that fits is shown.
ADVICE: list[tuple[str, str]] = [
    (
        r"Inferred '(?P<name>\w+)' to be of type 'Tensor' because it was not annotated",
        "the argument {name} has no type hint, so TorchScript takes it for a Tensor; write {hint}",
    ),
    (
        r"inputs of range must be ints, found Tensor",
        "range() gets a Tensor; give the number a type hint (n: int), or use .size(0) or int(...)",
    ),
    (
        r"function definitions aren't supported",
        "a function inside a function; make it a method of the class, with type hints, or a function "
        "at the top of the file",
    ),
    (
        r"Lambda aren't supported",
        "a lambda; make it a method of the class, with type hints, or write its content in place",
    ),
    (
        r"import statements aren't supported",
        "an import inside a method; import at the top of the file, and use only torch and math in "
        "forward and what it calls",
    ),
    (
        r"try blocks aren't supported",
        "try and except; TorchScript has no exceptions to catch: test beforehand with if",
    ),
    (
        r"JoinedStr",
        "a format inside an f-string; use '{{}}'.format(value), or leave the text away",
    ),
    (
        r"variable number of arguments",
        "*args or **kwargs (or arguments after *); name each argument, with its type",
    ),
    (r"Yield aren't supported", "yield; collect the ids in a tensor and return them together"),
    (r"global variables aren't supported", "global; keep the value in an argument or in self"),
    (
        r"(\w+Comp|GeneratorExp)\w* aren't supported",
        "a comprehension of this kind; only [... for x in a_list] is known: write a loop",
    ),
    (r"Comprehension ifs", "an if inside [... for ...]; write a loop"),
    (
        r"aren't supported|is not supported in TorchScript|Unsupported",
        "Python that TorchScript does not know; write it with if, for, while, tensors, lists and "
        "dictionaries",
    ),
    (
        r"has no attribute '(?P<name>\w+)' \(This attribute exists on the Python module",
        "the type of self.{name} cannot be found out; annotate it in the class, above __init__, such "
        "as {name}: List[int] or {name}: Dict[str, float], or use a buffer",
    ),
    (
        r"nonexistent attribute: (?P<name>\w+)",
        "self.{name} is set for the first time outside __init__; set it there, with its final type",
    ),
    (
        r"Wrong type for attribute assignment",
        "an attribute gets a value of another type than in __init__; annotate it in the class, such "
        "as limit: Optional[int]",
    ),
    (
        r"has no attribute '(generate|config|transformer|lm_head|device|dtype)'",
        "the model given to the class is a trace: it has forward alone, ids of [1, length] in, logits "
        "of [1, length, vocabulary] out",
    ),
    (
        r"'Tensor' object has no attribute or method '(logits|last_hidden_state|past_key_values)'",
        "the traced model returns the logits themselves: write self.model(ids)",
    ),
    (
        r"logits_trace\.\S*Logits self[\s\S]*(Expected at most|Keyword argument \w+ unknown)",
        "the model given to the class is a trace and takes ids alone: write self.model(ids)",
    ),
    (
        r"has no attribute '(?P<name>\w+)' \(This function exists",
        "self.{name} is a Python function that TorchScript cannot compile; make it a method of the "
        "class, with type hints",
    ),
    (
        r"Module '\w+' has no attribute '(?P<name>\w+)'",
        "there is no self.{name}; set it in __init__, where self.model is set (a constant of the class "
        "needs the hint Final[int])",
    ),
    (
        r"Tried to lookup unknown attribute on class",
        "a method called by the name of its class; write self. in front of it",
    ),
    (
        r"Cannot instantiate class",
        "an object made inside a method; make it in __init__, and call it here",
    ),
    (
        r"(of type number|found number)",
        "item() gives a number of unknown type; write int(...) or float(...) instead",
    ),
    (
        r"Type variable 't' previously matched to type Tensor is matched to type (?P<new>\S+?)\.",
        "a list made by [] holds tensors; write values: List[{new}] = []",
    ),
    (
        r"cannot statically infer the expected size",
        "a list of unknown length is taken apart; use indices",
    ),
    (
        r"does not return along all paths",
        "a way through it has no return; every path returns a tensor",
    ),
    (
        r"'Tensor' object has no attribute or method '(?P<name>\w+)'",
        "a Tensor has no {name} in TorchScript; use torch operations",
    ),
    (
        r"Variable '(?P<name>\w+)' is annotated with type (?P<old>\S+) but is being assigned to a "
        r"value of type (?P<new>[^\s:]+)",
        "{name} is annotated as {old} and gets {new}; convert it, or change the hint",
    ),
    (
        r"Expected a single top-level function",
        "forward has to be a plain method: no async, no decorator",
    ),
    (
        r"method '(?P<name>\w+)' is called recursively|is called recursively",
        "a method that calls itself; write a loop",
    ),
    (
        r"Expected type hint for result of tolist",
        "tolist() without a type; write values: List[int] = tensor.tolist()",
    ),
    (
        r"Variable '(?P<name>\w+)' previously had type (?P<old>\S+) but is now being assigned to a "
        r"value of type (?P<new>\S+)",
        "{name} is {old} first and {new} later; one name has one type: convert it, or use two names",
    ),
    (
        r"closed over global variable",
        "a variable from outside the class; put it into self in __init__, or annotate it as "
        "Final[int] in the class",
    ),
    (
        r"^(?P<name>\w+) is not defined in the \w+ branch",
        "{name} is set on one way only; give it a value before the if",
    ),
    (
        r"undefined value (?P<name>\w+)",
        "{name} is unknown there; TorchScript sees torch, math, self, arguments and what was set before",
    ),
    (
        r"Expected a value of type '(?P<old>[^']+)' for argument '(?P<name>\w+)' but instead found "
        r"type '(?P<new>[^']+)'",
        "the argument {name} wants {old} and gets {new}; convert it, or change the type hint",
    ),
    (
        r"Return value was annotated as having type (?P<old>\S+) but is actually of type (?P<new>[^\s:]+)",
        "the type after -> is {old}, but {new} is returned; make them the same",
    ),
    (
        r"Previous return statement returned a value of type",
        "two returns give different types; every path has to return a tensor",
    ),
    (
        r"Arguments for call are not valid",
        "no form of this function takes these arguments; the forms that there are stand below",
    ),
    (
        r"Unknown type name",
        "a type hint that TorchScript does not know; use torch.Tensor, int, float",
    ),
    (
        r"not currently supported in Torchscript|is currently not supported in Torchscript|"
        r"cannot be used as a value|on python value of type|could not convert|Could not cast",
        "a Python function or value that TorchScript does not know; use torch operations, or compute "
        "it in __init__",
    ),
]
FALLBACK = "TorchScript does not take this"


def explain(error: Exception, path: pathlib.Path, namespace: dict) -> str:
    """One line with file, line and what to change; torch's own words below."""
    text = str(error).strip()
    line = line_in(text, path)
    advice = library_advice(path, line, namespace, text) or advice_for(text)
    place = f"{path.name}:{line}" if line else path.name
    return f"{place}: {advice}\ntorch.jit.script says:\n{indented(text)}"


def line_in(text: str, path: pathlib.Path) -> int | None:
    """The innermost place in the user's own file comes first."""
    for file, number in PLACE.findall(text):
        if pathlib.Path(file).name == path.name:
            return int(number)
    return None


def advice_for(text: str) -> str:
    for pattern, advice in ADVICE:
        found = re.search(pattern, text, re.MULTILINE)
        if found:
            words = found.groupdict()
            return advice.format(**words, hint=hint_of(words.get("name") or "n"))
    return FALLBACK


def library_advice(path: pathlib.Path, line: int | None, namespace: dict, text: str) -> str | None:
    """Whether that line uses another library: a reason that torch never gives by name."""
    if line is None or "Inferred '" in text:
        return None
    source = path.read_text(encoding="utf-8").splitlines()[line - 1]
    for name in re.findall(r"(?<![\w.])([A-Za-z_]\w*)\s*(?=[.(])", source):
        library = library_of(namespace.get(name))
        if library is not None:
            return (
                f"{name} is of the library {library}; TorchScript knows torch and math alone: use "
                "torch operations, or compute it in __init__"
            )
    return None


def library_of(value) -> str | None:
    if isinstance(value, types.ModuleType):
        home = value.__name__
    elif callable(value) and isinstance(getattr(value, "__module__", None), str):
        home = value.__module__
    else:
        return None
    home = home.split(".")[0]
    own = home in OWN_MODULES or home == "builtins" or home.startswith("combined_module")
    return None if own else home


def indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines())
