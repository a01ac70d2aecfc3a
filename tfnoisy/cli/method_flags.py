"""Flags for the arguments of a method's constructor.

For bin/train.py and bin/pretrain.py, which train what has no script of its
own: each argument of the class becomes a flag of its name, type and default,
and the docstring says what it does.
"""

from absl import flags
from etils import epy

from tfnoisy import errors, registry
from tfnoisy.cli import flag_groups

with epy.lazy_imports():
    from tfnoisy.methods import arguments as method_arguments
    from tfnoisy.methods import base

FLAGS = flags.FLAGS

# Arguments that a run settles, see `budget.Budget`.
_OF_THE_RUN = ("num_steps", "num_examples", "num_ids")
# Those of `fit` alone, where a run knows them from its data.
_OF_FIT = ("flip", "value_range")

_DEFINE = {
    bool: flags.DEFINE_boolean,
    int: flags.DEFINE_integer,
    float: flags.DEFINE_float,
    str: flags.DEFINE_string,
}


def of_method(entry):
    """Returns an entry that has proved to be one of a method.

    Args:
        entry: a `registry.Entry`.

    Raises:
        UserError: if it names something else.
    """
    cls = registry.resolve(entry.target)
    if not (isinstance(cls, type) and issubclass(cls, base.Method)):
        raise errors.UserError(
            f"--method={entry.name}: {entry.module} should register a subclass "
            "of tfnoisy.methods.base.Method"
        )
    return entry


def make(entry, student, budget, run):
    """Returns the method that the flags describe, to be compiled.

    Args:
        entry: a `catalogue.methods.Method`.
        student: the network, or the pair of them.
        budget: a `budget.Budget`.
        run: {argument: value} of the flags that all trainers share, see
            `trainer_flags.method_arguments`.
    """
    cls = entry.load()
    settled = {name: getattr(budget, name) for name in _OF_THE_RUN}
    known = method_arguments.accepted(cls, {**settled, **run})
    return cls(student, **{**known, **values(entry)})


def define(entry) -> None:
    """Defines the flags of a method's arguments.

    An argument that has the name of a flag that is there already, such as
    --batch_size, takes that flag's value.

    Args:
        entry: a `catalogue.methods.Method`.

    Raises:
        UserError: for an argument that must be given and cannot be by a flag.
    """
    with flag_groups.group(flag_groups.METHOD):
        for argument in arguments(entry).values():
            if argument.name in FLAGS:
                continue
            if argument.type is None:
                if argument.default is method_arguments.REQUIRED:
                    raise errors.UserError(
                        f"--method={entry.name}: its argument {argument.name} "
                        "has no default and no type that a flag can have; "
                        "annotate it as bool, int, float or str"
                    )
                continue
            _define(argument)


def values(entry) -> dict[str, object]:
    """Returns {argument: value} of the flags, for the constructor.

    Args:
        entry: a `catalogue.methods.Method`.

    Raises:
        UserError: for a list with a wrong value in it.
    """
    return {
        argument.name: _value(argument)
        for argument in arguments(entry).values()
        if argument.name in FLAGS
        and (argument.type is not None or FLAGS[argument.name].present)
    }


def arguments(entry) -> dict:
    """Returns {name: `arguments.Argument`} of those that flags can set.

    Args:
        entry: a `catalogue.methods.Method`.
    """
    found = method_arguments.of(registry.resolve(entry.target), entry.arguments)
    left_out = (*_OF_THE_RUN, *_OF_FIT)
    return {n: one for n, one in found.items() if n not in left_out}


def _define(argument):
    required = argument.default is method_arguments.REQUIRED
    default = None if required else argument.default
    text = argument.help or f"The argument {argument.name} of the method."
    if argument.is_list:
        words = None if default is None else [str(value) for value in default]
        flags.DEFINE_list(argument.name, words, text)
    elif argument.choices:
        flags.DEFINE_enum(argument.name, default, argument.choices, text)
    else:
        _DEFINE[argument.type](argument.name, default, text)
    if required:
        flags.mark_flag_as_required(argument.name)


def _value(argument):
    value = FLAGS[argument.name].value
    if not argument.is_list or value is None:
        return value
    try:
        return [argument.type(word) for word in value]
    except ValueError:
        raise errors.UserError(
            f"--{argument.name}={','.join(value)}: values of the type "
            f"{argument.type.__name__}, separated by commas"
        ) from None
