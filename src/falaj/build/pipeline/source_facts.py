"""What the text of one module says about files and modules that no `import` statement names.

A call that imports, runs or starts something is followed where its arguments can be read from the text; any other use
of such a function, under whatever name, is said with its line.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

_IMPORTERS = frozenset(
    {
        "__import__", "builtins.__import__", "importlib.__import__", "importlib.import_module", "runpy.run_module",
        "runpy.run_path", "importlib.util.spec_from_file_location", "importlib.util.find_spec",
        "importlib.machinery.SourceFileLoader", "importlib.machinery.SourcelessFileLoader",
        "importlib.machinery.ExtensionFileLoader", "pkgutil.resolve_name", "ctypes.CDLL", "ctypes.PyDLL",
        "ctypes.cdll.LoadLibrary", "zipimport.zipimporter",
    }
)  # fmt: skip
_RUNNERS = frozenset({"exec", "eval", "compile", "builtins.exec", "builtins.eval", "builtins.compile"})
_STARTERS = frozenset(
    {
        *(f"subprocess.{name}" for name in ("run", "Popen", "call", "check_call", "check_output", "getoutput",
                                            "getstatusoutput")),
        *(f"os.{name}" for name in ("system", "popen", "execl", "execle", "execlp", "execlpe", "execv", "execve",
                                    "execvp", "execvpe", "spawnl", "spawnle", "spawnlp", "spawnv", "spawnve", "spawnvp",
                                    "posix_spawn", "posix_spawnp")),
        "asyncio.create_subprocess_exec", "asyncio.create_subprocess_shell", "pty.spawn",
    }
)  # fmt: skip
_UNKNOWABLE = frozenset(
    {
        "sys.path", "sys.meta_path", "sys.path_hooks", "site.addsitedir", "pkgutil.walk_packages",
        "pkgutil.iter_modules", "importlib.machinery.PathFinder", "importlib.machinery.FileFinder", "imp.load_source",
        "imp.load_module", "imp.find_module", "code.InteractiveInterpreter",
    }
)  # fmt: skip
_LOADERS = frozenset(
    {
        *(f"{library}.{name}" for library in ("pickle", "_pickle", "cloudpickle", "dill", "joblib")
          for name in ("load", "loads", "Unpickler")),
        "torch.load", "pandas.read_pickle", "skops.io.load", "skops.io.loads", "shelve.open", "copyreg.pickle",
    }
)  # fmt: skip
_FOLLOWED = _IMPORTERS | _RUNNERS | _STARTERS
_LIBRARIES = frozenset({"importlib", "runpy", "builtins", "pkgutil", "imp", "subprocess"})
_LAST_NAMES = frozenset(name.rpartition(".")[2] for name in _IMPORTERS | {"exec", "eval"}) - {"CDLL", "PyDLL"}
_PLACES = frozenset({"__file__", "__path__", "__spec__"})
_PLACE_CALLS = ("importlib.resources", "pkgutil.get_data", "inspect.getfile", "inspect.getsourcefile")
_PATHS = frozenset(
    {
        "Path", "PurePath", "PosixPath", "open", "join", "joinpath", "with_name", "listdir", "scandir", "walk", "glob",
        "rglob", "iglob", "files", "iterdir", "copytree", "chdir",
    }
)  # fmt: skip
_KEEPING = frozenset({"str", "Path", "PurePath", "fspath", "join", "dirname", "abspath", "realpath", "joinpath"})
_OF_A_PATH = _KEEPING | {"resolve", "absolute", "with_name", "with_suffix", "as_posix", "parent", "parents", "split"}
_BY_NAME = ("getattr", "attrgetter", "methodcaller", "__getattribute__")
_WRITING = frozenset({"write_text", "write_bytes", "touch", "mkdir", "unlink"})
_SHELL = frozenset("|;&$`<>(){}\n")
_HARMLESS = frozenset(
    {
        "git", "ls", "cat", "cp", "mv", "mkdir", "rm", "tar", "gzip", "gunzip", "unzip", "zip", "curl", "wget", "uname",
        "echo", "true", "false", "test", "date", "head", "tail", "wc", "sort", "which", "nvidia-smi", "free", "df",
    }
)  # fmt: skip


@dataclass(frozen=True)
class SourceFacts:
    """What one module's text says.

    Attributes:
        texts: Every text in it that could name a module or a file.
        paths: Those of them that stand where a path is built, and may name a folder.
        unknown: Line and function of what cannot be followed.
        asks_place: Whether it asks where it lies, and so may read what is beside it.
        starts: Whether it runs files or starts programs.
        loads_objects: Whether it loads pickled objects, whose classes may be in any module.
    """

    texts: frozenset[str]
    paths: frozenset[str]
    unknown: tuple[str, ...]
    asks_place: bool
    starts: bool
    loads_objects: bool


def source_facts(tree: ast.Module) -> SourceFacts:
    """Read a module."""
    return _Reader(tree).facts()


def starts_unknown(command: tuple[str, ...]) -> bool:
    """Whether a program may read anything of the project, so far as its name tells."""
    return not command or PurePosixPath(command[0]).name not in _HARMLESS


def is_python(program: str) -> bool:
    """Whether a program is Python by its name."""
    name = PurePosixPath(program).name
    return name.rstrip("0123456789.") in ("python", "pypy")


class _Reader:
    def __init__(self, tree: ast.Module) -> None:
        self._tree = tree
        self._nodes = [*ast.walk(tree)]
        self._parents = {child: node for node in self._nodes for child in ast.iter_child_nodes(node)}
        self._values = {name: values for name, values in self._assigned().items() if name not in self._varying()}
        self._visiting: set[str] = set()
        self._names = self._bound()

    def facts(self) -> SourceFacts:
        uses = [(node, name) for node in self._nodes if isinstance(node, ast.expr) and (name := self._use(node))]
        names = {name for _, name in uses}
        unknown = [f"{node.lineno} ({name})" for node, name in uses if not self._is_followed(node, name)]
        unknown += [f"{node.lineno} ({what})" for node, what in self._indirect()]
        read = [node for node in self._nodes if not self._is_written(node)]
        texts = {text for node in read if (text := self._text(node)) and len(text) < 1000}
        paths = {text for node in read if self._is_path(node) and (text := self._text(node))}
        words = {word for node, name in uses if name in _STARTERS for word in self._words(node)}
        return SourceFacts(
            texts=frozenset(texts | words),
            paths=frozenset(paths),
            unknown=tuple(dict.fromkeys(unknown)),
            asks_place=self._asks_place(),
            starts=bool(names & (_STARTERS | _IMPORTERS)),
            loads_objects=any(self._dotted(node) in _LOADERS or self._loads_model(node) for node in self._nodes),
        )

    # Names

    def _assigned(self) -> dict[str, list[ast.expr]]:
        """Every value that is given to a plain name."""
        assignments: dict[str, list[ast.expr]] = {}
        for node in self._nodes:
            match node:
                case ast.Assign(targets=targets, value=value):
                    for target in targets:
                        if isinstance(target, ast.Name):
                            assignments.setdefault(target.id, []).append(value)
                case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                    assignments.setdefault(name, []).append(value)
                case ast.NamedExpr(target=ast.Name(id=name), value=value):
                    assignments.setdefault(name, []).append(value)
        return assignments

    def _varying(self) -> set[str]:
        """Names that are given values in another way than by a plain assignment."""
        plain = {id(target) for node in self._nodes if isinstance(node, ast.Assign) for target in node.targets}
        plain |= {id(node.target) for node in self._nodes if isinstance(node, ast.AnnAssign | ast.NamedExpr)}
        varying_names = {node.arg for node in self._nodes if isinstance(node, ast.arg)}
        for node in self._nodes:
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and id(node) not in plain:
                varying_names.add(node.id)
        return varying_names

    def _bound(self) -> dict[str, str]:
        """What local names stand for, as dotted names; those that the module defines itself stand for nothing."""
        bindings = dict(binding for node in self._nodes for binding in _imports(node))
        own = (ast.FunctionDef, ast.ClassDef, ast.AsyncFunctionDef)
        bindings |= {node.name: "" for node in self._tree.body if isinstance(node, own)}
        for _ in range(3):  # a name for a name
            for name, values in self._values.items():
                for value in values:
                    dotted = _dotted(value, bindings)
                    if dotted in _FOLLOWED | _UNKNOWABLE | _LOADERS or dotted in _LIBRARIES:
                        bindings[name] = dotted
        return bindings

    def _dotted(self, node: ast.AST) -> str:
        return _dotted(node, self._names)

    def _use(self, node: ast.AST) -> str:
        """The name of a followed or unknowable thing that an expression is; empty for everything else."""
        if not isinstance(node, ast.Name | ast.Attribute) or not isinstance(node.ctx, ast.Load):
            return "sys.path" if isinstance(node, ast.Attribute) and self._dotted(node) == "sys.path" else ""
        name = self._dotted(node)
        return name if name in _FOLLOWED or name in _UNKNOWABLE else ""

    # Calls

    def _is_followed(self, node: ast.AST, name: str) -> bool:
        parent = self._parents.get(node)
        if name in _UNKNOWABLE:
            return False
        if isinstance(parent, ast.Assign | ast.AnnAssign) and node is parent.value:
            return True  # another name for it, which is followed in its place
        if not isinstance(parent, ast.Call) or node is not parent.func:
            return False
        if name in _RUNNERS:
            return self._runs_known_text(parent)
        return self._starts_known(parent) if name in _STARTERS else self._all_known(parent)

    def _all_known(self, call: ast.Call) -> bool:
        named = [each.value for each in call.keywords if each.arg in (None, "name", "location", "path_name", "package")]
        return all(self._is_constant_path(each) for each in (*call.args, *named))

    def _runs_known_text(self, call: ast.Call) -> bool:
        text = self._text(call.args[0]) if call.args else None
        if text is None:
            return bool(call.args) and isinstance(call.args[0], ast.Call) and self._use(call.args[0].func) in _RUNNERS
        try:
            return not _Reader(ast.parse(text.strip())).facts().unknown and "import" not in text
        except (SyntaxError, ValueError):
            return True

    def _starts_known(self, call: ast.Call) -> bool:
        where = [each.value for each in call.keywords if each.arg in ("cwd", "executable")]
        command = self._command(call)
        if not command or not all(self._is_constant_path(each) for each in where):
            return False
        program = command[0]
        if self._dotted(program) == "sys.executable" or is_python(self._text(program) or ""):
            return len(command) > 1 and self._is_constant_path(command[1]) and self._runs_known_python(command)
        text = self._text(program)
        return text is not None and not starts_unknown(tuple(text.split()[:1]))

    def _runs_known_python(self, command: list[ast.expr]) -> bool:
        option = self._text(command[1])
        if option == "-m":
            return len(command) > 2 and self._text(command[2]) is not None
        return option is None or not option.startswith("-")

    def _command(self, call: ast.Call) -> list[ast.expr]:
        """Program and arguments that a call starts."""
        named = [each.value for each in call.keywords if each.arg == "args"]
        first = [*call.args, *named]
        if first and isinstance(first[0], ast.List | ast.Tuple):
            return first[0].elts
        if first and isinstance(first[0], ast.Name):
            values = self._values.get(first[0].id, [])
            if len(values) == 1 and isinstance(values[0], ast.List | ast.Tuple):
                return values[0].elts
        text = self._text(first[0]) if len(first) == 1 else None
        if text is not None:
            return [] if _SHELL & {*text} else [ast.Constant(word) for word in text.split()]
        return first

    def _words(self, node: ast.AST) -> Iterator[str]:
        """The words of commands that are one text."""
        parent = self._parents.get(node)
        for argument in parent.args if isinstance(parent, ast.Call) else ():
            yield from (self._text(argument) or "").split()

    def _indirect(self) -> Iterator[tuple[ast.expr, str]]:
        """A library of imports that is handed on, or asked for something by name."""
        for node in self._nodes:
            parent = self._parents.get(node)
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and self._names.get(node.id) in _LIBRARIES:
                plain = isinstance(parent, ast.Attribute | ast.Assign)
                if not plain:
                    yield node, node.id
            elif isinstance(node, ast.Constant) and node.value in _LAST_NAMES and _asks_by_name(parent):
                yield node, str(node.value)

    def _loads_model(self, node: ast.AST) -> bool:
        name = self._dotted(node)
        return name.startswith("mlflow.") and name.endswith(".load_model")

    def _asks_place(self) -> bool:
        for node in self._nodes:
            if isinstance(node, ast.Name | ast.Attribute):
                name = self._dotted(node) or (node.id if isinstance(node, ast.Name) else node.attr)
                if name in _PLACES or name.rpartition(".")[2] in _PLACES or name.startswith(_PLACE_CALLS):
                    return True
        return False

    # Texts

    def _text(self, node: ast.AST) -> str | None:
        """The text that an expression always is; None when it is none, or depends on something."""
        match node:
            case ast.Constant(value=str(text)):
                return text
            case ast.BinOp(left=left_node, op=ast.Add() | ast.Div() as op, right=right):
                return _joined(self._text(left_node), self._text(right), "/" if isinstance(op, ast.Div) else "")
            case ast.JoinedStr(values=values):
                parts = [self._text(each) for each in values]
                return None if None in parts else "".join(part for part in parts if part)
            case ast.FormattedValue(value=value, format_spec=None):
                return self._text(value)
            case ast.Name(id=name) if len(self._values.get(name, ())) == 1:
                value = self._values[name][0]
                return self._text(value) if isinstance(value, ast.Constant) else None
            case ast.Call(func=ast.Name(id="Path" | "str" | "PurePath"), args=[argument], keywords=[]):
                return self._text(argument)
        return None

    def _is_constant_path(self, node: ast.AST) -> bool:
        """Whether an expression is built of texts and of where the module lies alone."""
        match node:
            case ast.Constant():
                return True
            case ast.Name(id=name):
                return name in _PLACES or self._all_values_known(name)
            case ast.Attribute(value=value, attr=attribute):
                return self._dotted(node) in ("sys.executable", "sys.argv") or (
                    attribute in _OF_A_PATH and self._is_constant_path(value)
                )
            case ast.Subscript(value=value, slice=index):
                return self._is_constant_path(value) and self._is_constant_path(index)
            case ast.BinOp(left=left_node, right=right, op=ast.Add() | ast.Div()):
                if not self._is_constant_path(left_node) or not self._is_constant_path(right):
                    return False
                return isinstance(node.op, ast.Div) or self._text(node) is not None
            case ast.JoinedStr():
                return self._text(node) is not None
            case ast.List(elts=items) | ast.Tuple(elts=items):
                return all(self._is_constant_path(each) for each in items)
            case ast.Call(func=function, args=arguments):
                return self._is_of_paths(function) and all(self._is_constant_path(each) for each in arguments)
        return False

    def _all_values_known(self, name: str) -> bool:
        values = self._values.get(name, ())
        if not values or name in self._visiting:
            return False
        self._visiting.add(name)
        try:
            return all(self._is_constant_path(each) for each in values)
        finally:
            self._visiting.discard(name)

    def _is_of_paths(self, function: ast.expr) -> bool:
        match function:
            case ast.Name(id=name):
                return name in _KEEPING
            case ast.Attribute(value=value, attr=attribute):
                module = isinstance(value, ast.Name | ast.Attribute) and bool(self._dotted(value))
                return attribute in _OF_A_PATH and (module or self._is_constant_path(value))
        return False

    def _is_written(self, node: ast.AST) -> bool:
        """Whether an expression names a file that is only written."""
        parent = self._parents.get(node)
        if isinstance(parent, ast.Attribute) and parent.attr in _WRITING:
            return True
        if not isinstance(parent, ast.Call) or not parent.args or node is not parent.args[0]:
            return False
        if isinstance(parent.func, ast.Name) and parent.func.id == "open" and len(parent.args) > 1:
            mode = self._text(parent.args[1]) or ""
            return mode[:1] in ("w", "a", "x") and "+" not in mode
        return isinstance(parent.func, ast.Name) and parent.func.id in ("Path", "str") and self._is_written(parent)

    def _is_path(self, node: ast.AST) -> bool:
        """Whether an expression stands where a path is built."""
        parent = self._parents.get(node)
        if isinstance(parent, ast.BinOp):
            return isinstance(parent.op, ast.Div)
        if not isinstance(parent, ast.Call) or node is parent.func:
            return False
        function = parent.func
        name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
        return name in _PATHS


def _imports(node: ast.AST) -> Iterator[tuple[str, str]]:
    """Local names that a statement binds, and what they stand for."""
    match node:
        case ast.Import(names=names):
            for alias in names:
                first = alias.name.partition(".")[0]
                yield alias.asname or first, alias.name if alias.asname else first
        case ast.ImportFrom(module=str(module), names=names, level=0):
            for alias in names:
                yield alias.asname or alias.name, f"{module}.{alias.name}"


def _dotted(node: ast.AST, names: dict[str, str]) -> str:
    """`a.b.c` with `a` as what it stands for; a name that nothing binds is a builtin."""
    match node:
        case ast.Name(id=name):
            return names.get(name, name)
        case ast.Attribute(value=value, attr=attribute):
            before = _dotted(value, names)
            return f"{before}.{attribute}" if before else ""
    return ""


def _asks_by_name(node: ast.AST | None) -> bool:
    return isinstance(node, ast.Call) and _dotted(node.func, {}).rpartition(".")[2] in _BY_NAME


def _joined(left_text: str | None, right: str | None, mark: str) -> str | None:
    return None if left_text is None or right is None else f"{left_text}{mark}{right}"
