"""Finding and importing the modules that add to `tfnoisy.catalogue`.

A plugin is a Python module that registers something when it is imported.  It
is named by its module name or by the path of its .py file (or of its package's
folder), or it belongs to an installed package that has an entry point in the
group `tfnoisy.plugins`:

    [project.entry-points."tfnoisy.plugins"]
    my_plugin = "my_package.my_module"
"""

import dataclasses
import hashlib
import importlib
import importlib.metadata
import importlib.util
import os
import pathlib
import sys
import traceback
import types
from collections.abc import Callable, Iterable

from tfnoisy import errors, registry

GROUP = "tfnoisy.plugins"

# Canonical name: the module.
_loaded: dict[str, types.ModuleType] = {}
_installed_are_loaded = False
# The names of all modules that were loaded as plugins.
_modules: set[str] = set()


def load(named: str | Iterable[str]) -> list[str]:
    """Imports plugins; those that are imported already stay as they are.

    Args:
        named: module names or paths, several of them separated by commas.

    Returns:
        Their names as a run folder records them: paths are absolute.

    Raises:
        UserError: for a plugin that is not found, cannot be imported or
            registers nothing.
    """
    names = []
    for text in split(named):
        try:
            names.append(_load(text))
        except errors.UserError as error:
            raise errors.UserError(f"--plugin={text}: {error}") from None
    return list(dict.fromkeys(names))


def load_recorded(named: str, run: object) -> list[str]:
    """Imports the plugins that a run folder records.

    Args:
        named: as for `load`.
        run: the folder, for the message.

    Raises:
        UserError: as `load`; it tells what to do if a plugin has moved.
    """
    try:
        return load(named)
    except errors.UserError as error:
        raise errors.UserError(
            f"{error}; {run} records it, and --plugin names another place"
        ) from None


def split(named: str | Iterable[str]) -> list[str]:
    """Returns the single names in texts that are separated by commas."""
    texts = [named] if isinstance(named, str) else named
    words = [word.strip() for text in texts for word in text.split(",")]
    return list(dict.fromkeys(word for word in words if word))


def loaded() -> list[str]:
    """Returns the names of all that `load` has imported."""
    return list(_loaded)


def has_module(name: str) -> bool:
    """Returns whether a module is a plugin's, or of its package."""
    return any(
        name == module or name.startswith(f"{module}.") for module in _modules
    )


def load_installed() -> None:
    """Imports the plugins of installed packages, once.

    Raises:
        UserError: for one that cannot be imported or registers nothing.
    """
    global _installed_are_loaded
    if _installed_are_loaded:
        return
    for entry in importlib.metadata.entry_points(group=GROUP):
        package = entry.dist.name if entry.dist else "an installed package"
        try:
            _imported(entry.value.partition(":")[0], entry.load)
        except errors.UserError as error:
            raise errors.UserError(
                f"the plugin {entry.name} of {package}: {error}; mend the "
                f"package or uninstall it"
            ) from None
    _installed_are_loaded = True


@dataclasses.dataclass(frozen=True)
class _Source:
    """Where a plugin's module is.

    Attributes:
        canonical: what a run folder records.
        name: the module's name.
        file: its file, or None for one found by its name.
    """

    canonical: str
    name: str
    file: pathlib.Path | None = None


def _load(text: str) -> str:
    source = _find(text)
    if source.canonical not in _loaded:
        _loaded[source.canonical] = _imported(
            source.name, lambda: _import(source)
        )
    return source.canonical


def _find(text: str) -> _Source:
    """Returns where a plugin is; nothing is imported but its packages."""
    path = pathlib.Path(text).expanduser()
    if text.endswith(".py") or path.name != text:
        return _at(pathlib.Path(os.path.abspath(path)))
    spec = _spec(text)
    if spec is not None and spec.origin is not None:
        file = pathlib.Path(spec.origin)
        # Found because Python was started here: elsewhere it would not be.
        if not file.is_relative_to(pathlib.Path.cwd()) or _is_installed(file):
            return _Source(text, text)
        return _at(file)
    here = pathlib.Path.cwd().joinpath(*text.split("."))
    for candidate in (here.with_name(f"{here.name}.py"), here):
        if candidate.exists():
            return _at(candidate)
    raise errors.UserError(
        "there is no module of that name, neither installed nor here; name a "
        "module or the path of a .py file"
    )


def _is_installed(file: pathlib.Path) -> bool:
    return any(part.endswith("-packages") for part in file.parts)


def _spec(name: str):
    try:
        return importlib.util.find_spec(name)
    except (ImportError, ValueError):
        # A parent that is not there, or no name of a module.
        return None


def _at(path: pathlib.Path) -> _Source:
    """Returns the source of a file, or of a package's folder."""
    if path.name == "__init__.py":
        path = path.parent
    file = path / "__init__.py" if path.is_dir() else path
    if not file.is_file():
        raise errors.UserError(
            f"{path} is a folder without __init__.py"
            if path.is_dir()
            else f"there is no file {path}"
        )
    module = path if path.is_dir() else path.with_suffix("")
    names = [module.name]
    while (module.parent / "__init__.py").is_file():
        module = module.parent
        names.insert(0, module.name)
    # Beside it may be modules that it imports.
    if str(module.parent) not in sys.path:
        sys.path.append(str(module.parent))
    return _Source(str(path), _free(".".join(names), file), file)


def _free(name: str, file: pathlib.Path) -> str:
    """Returns the name, changed if another module has it."""
    spec = _spec(name)
    origin = getattr(spec, "origin", None)
    if spec is None or (
        origin and pathlib.Path(origin).exists() and file.samefile(origin)
    ):
        return name
    digest = hashlib.sha256(str(file).encode()).hexdigest()[:8]
    return f"{name.replace('.', '_')}_{digest}"


def _import(source: _Source) -> types.ModuleType:
    if source.file is None or _spec(source.name) is not None:
        return importlib.import_module(source.name)
    spec = importlib.util.spec_from_file_location(source.name, source.file)
    if spec is None or spec.loader is None:
        raise ImportError(f"{source.file} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[source.name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[source.name]
        raise
    return module


def _imported(name: str, load_module: Callable) -> types.ModuleType:
    """Returns what a function imports, if that registers something."""
    before = registry.count()
    try:
        module = load_module()
    except errors.UserError:
        raise
    except (Exception, SystemExit) as error:
        raise errors.UserError(
            f"it cannot be imported: {type(error).__name__}: "
            f"{_first_line(error)}{_place(error)}"
        ) from error
    if registry.count() == before and not registry.registered_by(name):
        raise errors.UserError(
            "it registers nothing: decorate a class or function with "
            "@register, see tfnoisy/README.md"
        )
    _modules.add(name)
    return module


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [""])[0]


def _place(error: BaseException) -> str:
    """Returns the line of the plugin's own that failed, in brackets."""
    if isinstance(error, SyntaxError) and error.filename:
        return f" ({error.filename}:{error.lineno})"
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith("<")
        and frame.filename != __file__
        and "importlib" not in pathlib.Path(frame.filename).parts
    ]
    return f" ({frames[0].filename}:{frames[0].lineno})" if frames else ""
