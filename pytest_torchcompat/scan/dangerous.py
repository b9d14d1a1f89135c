"""
Names with which a pickle can run whatever it likes, as data.

This list only sharpens a warning: a name that is missing here is still beyond torch's allow-list,
so that it is listed and refused until a person allows it. It is never what makes a file safe.
"""

from __future__ import annotations

from typing import Final

# Every name of these modules and of what lies in them.
MODULES: Final = frozenset(
    [
        *("_ctypes", "_io", "_operator", "_pickle", "_posixsubprocess", "_socket", "_thread"),
        *("asyncio", "atexit", "bdb", "cffi", "cloudpickle", "code", "codeop", "commands"),
        *("cProfile", "ctypes", "dill", "distutils", "doctest", "ensurepip", "ftplib", "gc"),
        *("http", "idlelib", "imp", "importlib", "inspect", "io", "lib2to3", "linecache"),
        *("marshal", "multiprocessing", "nt", "ntpath", "operator", "os", "pdb", "pickle"),
        *("pip", "pkgutil", "platform", "posix", "posixpath", "profile", "pty", "py_compile"),
        *("pydoc", "runpy", "setuptools", "shutil", "signal", "site", "smtplib", "socket"),
        *("socketserver", "ssl", "subprocess", "sys", "sysconfig", "tempfile", "test", "timeit"),
        *("trace", "urllib", "uuid", "venv", "webbrowser", "xmlrpc", "zipimport"),
    ]
)

NAMES: Final = frozenset(
    [
        *(
            f"builtins.{name}"
            for name in (
                *("__import__", "breakpoint", "compile", "delattr", "dir", "eval", "exec"),
                *("getattr", "globals", "help", "input", "locals", "open", "setattr", "vars"),
            )
        ),
        "codecs.open",
        "copyreg.add_extension",
        "functools.reduce",
        "joblib.load",
        "logging.FileHandler",
        "logging.config.dictConfig",
        "logging.config.fileConfig",
        "logging.config.listen",
        "numpy.load",
        "numpy.testing._private.utils.runstring",
        "pandas.eval",
        "pandas.read_pickle",
        "sqlite3.connect",
        "torch._inductor.codecache.compile_file",
        "torch.fx.graph_module._deserialize_graph_module",
        "torch.fx.graph_module.reduce_deploy_graph_module",
        "torch.fx.graph_module.reduce_graph_module",
        "torch.fx.graph_module.reduce_package_graph_module",
        "torch.hub.load",
        "torch.hub.load_state_dict_from_url",
        "torch.jit.load",
        "torch.jit.unsupported_tensor_ops.execWrapper",
        "torch.load",
        # The bytes of a whole pickle, read with weights_only=False.
        "torch.storage._load_from_bytes",
        "torch.serialization.load",
        "torch.utils._config_module.ConfigModule.load_config",
        "torch.utils.collect_env.run",
        "torch.utils.cpp_extension.load",
        "torch.utils.cpp_extension.load_inline",
        "types.CodeType",
        "types.FunctionType",
        "types.LambdaType",
        "types.MethodType",
        "weakref.finalize",
        "yaml.load",
        "yaml.unsafe_load",
    ]
)


def runs_code(module: str, name: str) -> bool:
    """
    Whether a global can run code that the file names.

    From protocol 4 on a name may have dots, and leads through attributes: from an innocent module
    to one that it imported, or over a double underscore to all of Python.
    """
    if f"{module}.{name}" in NAMES or module.partition(".")[0] in MODULES:
        return True
    head, *rest = name.split(".")
    return bool(rest) and (
        any(part.startswith("__") for part in (head, *rest)) or runs_code(head, ".".join(rest))
    )
