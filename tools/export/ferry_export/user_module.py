"""Loads a user's own sampler, FILE.py:CLASS, and makes TorchScript of it around the traced model."""

import ast
import dataclasses
import importlib.util
import pathlib
import re
import sys
import traceback
import warnings

import torch

from .combined_inputs import hint_of, input_facts, output_index, require_typed_numbers
from .refusal import BAD_DATA, NO_INPUT, USAGE, Refusal
from .script_errors import explain


def split_module_name(text: str) -> tuple[pathlib.Path, str]:
    file, colon, name = text.rpartition(":")
    if not colon or not name.isidentifier():
        raise Refusal(USAGE, f"--module {text}: FILE.py:CLASS is expected")
    path = pathlib.Path(file)
    if not path.is_file():
        raise Refusal(NO_INPUT, f"--module {file}: no such file")
    return path.resolve(), name


def load_user_class(path: pathlib.Path, name: str) -> type:
    """Runs the file: it is the user's own."""
    module_name = "combined_module_" + re.sub(r"\W", "_", path.stem)
    spec = importlib.util.spec_from_file_location(module_name, path)
    if spec is None:
        raise Refusal(USAGE, f"--module {path.name}: the name has to end in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module  # where inspect finds the source of classes
    sys.path.append(str(path.parent))  # at the end: its neighbours hide no library
    writes_bytecode, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        spec.loader.exec_module(module)
    except SyntaxError as error:
        raise Refusal(BAD_DATA, f"{path.name}:{error.lineno}: {error.msg}") from None
    except Exception as error:  # anything can go wrong in a file of somebody else's
        raise Refusal(BAD_DATA, f"{place_of(error, path)}: {describe(error)}") from None
    finally:
        sys.path.remove(str(path.parent))
        sys.dont_write_bytecode = writes_bytecode
    found = getattr(module, name, None)
    if not isinstance(found, type):
        raise Refusal(BAD_DATA, f"{path.name}: there is no class {name}")
    if not issubclass(found, torch.nn.Module):
        raise Refusal(
            BAD_DATA,
            f"{path.name}: write class {name}(torch.nn.Module); TorchScript takes no other",
        )
    return found


def describe(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def place_of(error: Exception, path: pathlib.Path) -> str:
    lines = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename == str(path)
    ]
    return f"{path.name}:{lines[-1]}" if lines else path.name


def check_type_hints(path: pathlib.Path, name: str) -> None:
    """Before torch sees the file: without hints it complains somewhere else, or not at all."""
    forward = find_forward(ast.parse(path.read_text(encoding="utf-8")), name)
    if forward is None:
        return  # inherited; the schema tells
    if forward.args.vararg or forward.args.kwarg or forward.args.kwonlyargs:
        raise Refusal(
            BAD_DATA,
            f"{path.name}:{forward.lineno}: forward takes *args or **kwargs; name each argument, "
            "with its type",
        )
    untyped = [argument for argument in forward.args.args[1:] if argument.annotation is None]
    if untyped:
        hints = ", ".join(hint_of(argument.arg) for argument in untyped)
        names = ", ".join(argument.arg for argument in untyped)
        raise Refusal(
            BAD_DATA,
            f"{path.name}:{untyped[0].lineno}: no type hint for {names}: TorchScript takes "
            f"everything without one for a Tensor; write {hints}",
        )


def find_forward(tree: ast.Module, class_name: str) -> ast.FunctionDef | None:
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name == class_name:
            for item in node.body:
                if isinstance(item, ast.FunctionDef) and item.name == "forward":
                    return item
    return None


@dataclasses.dataclass
class UserClass:
    path: pathlib.Path
    kind: type

    def namespace(self) -> dict:
        """The names at the top of the file, as its methods see them."""
        return getattr(self.kind.forward, "__globals__", {})


def find_user_class(text: str) -> UserClass:
    """What can be told without a model, which takes long to trace, is told here."""
    path, name = split_module_name(text)
    kind = load_user_class(path, name)
    check_type_hints(path, name)
    return UserClass(path, kind)


def script_user_class(user: UserClass, traced):
    """The scripted module, its inputs for the manifest and the index of its output."""
    file = user.path.name
    try:
        module = user.kind(traced)
    except Exception as error:
        raise Refusal(
            BAD_DATA,
            f"{place_of(error, user.path)}: {user.kind.__name__}(model) fails: {describe(error)}; "
            "the class is given the traced model and nothing else",
        ) from None
    scripted = script(module.eval(), user.path, user.namespace())
    schema = scripted.forward.schema
    facts = input_facts(schema, file)
    require_typed_numbers(facts, schema, file)
    return scripted, facts, output_index(schema, file)


def script(module: torch.nn.Module, path: pathlib.Path, namespace: dict):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return torch.jit.script(module)
        except Exception as error:  # torch raises many kinds for what it does not take
            raise Refusal(BAD_DATA, explain(error, path, namespace)) from None
