"""Build the native core; everything else about the package stands in pyproject.toml.

    native/engine.pyx ──Cython──▶ build/<variant>/c/ ──C compiler──▶ fsm/engine/_native.so

    FSM_PURE=1                         no extension: the mirror runs everywhere Python does
    FSM_DEBUG=1                        -O0 -g, assertions on
    FSM_SANITIZE=address,undefined     the core under these sanitizers

A build without a C compiler fails: a package that is quietly a hundred times slower helps nobody.
"""

import os
from glob import glob
from hashlib import sha256
from pathlib import Path
from shutil import rmtree

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.errors import CCompilerError, ExecError, PlatformError

PURE = os.environ.get("FSM_PURE", "") not in ("", "0")
DEBUG = os.environ.get("FSM_DEBUG", "") not in ("", "0")
SANITIZE = os.environ.get("FSM_SANITIZE", "")
# Each variant builds in a folder of its own: what is built with other flags is something else.
VARIANT = "pure" if PURE else f"sanitize-{SANITIZE.replace(',', '-')}" if SANITIZE else "debug" if DEBUG else "release"

# No vectors: a wide load right after the narrow stores that made a record waits for them (1 ns of a step of 10).
RELEASE = ["-O2", "-fno-tree-vectorize", "-fno-tree-slp-vectorize", "-g0", "-DNDEBUG"]
DIRECTIVES = {
    "language_level": 3,
    "boundscheck": False,
    "wraparound": False,
    "cdivision": True,
    "initializedcheck": False,
    "nonecheck": False,
    "binding": False,
}


class BuildCore(build_ext):
    """The usual build of an extension, with a way out named where it fails."""

    def copy_extensions_to_source(self) -> None:
        # Or a core of another variant, which was put there since, would stay.
        self.force = True
        super().copy_extensions_to_source()

    def build_extension(self, extension: Extension) -> None:
        try:
            super().build_extension(extension)
        except (CCompilerError, ExecError, PlatformError) as error:
            raise SystemExit(
                f"fsm: the native core was not built: {error}\n"
                "A C compiler and the headers of Python are needed (Debian: apt install gcc python3-dev).\n"
                "To build without the core, on the slow pure-Python engine, set FSM_PURE=1 and run this again."
            ) from error


def empty_if_changed(folder: Path, sources: list[str], flags: list[str]) -> None:
    """Forget what was built from other sources or with other flags.

    Setuptools and Cython look at dates only, and Cython lays copies of the headers beside the C file, where the
    compiler finds them first: a header that was put back, or that changed while it was compiled, would be missed.
    """
    parts = [Path(source).read_bytes() for source in sources] + [repr((flags, os.environ.get("CFLAGS"))).encode()]
    digest = sha256(b"".join(sha256(part).digest() for part in parts)).hexdigest()
    stamp = folder / "sources.sha256"
    if not stamp.exists() or stamp.read_text() != digest:
        rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        stamp.write_text(digest)


def extensions() -> list[Extension]:
    """The core, or nothing in a pure build."""
    if PURE:
        return []
    from Cython.Build import cythonize

    debug_flags = ["-O1", "-g", "-fno-omit-frame-pointer"] if SANITIZE else ["-O0", "-g"]
    flags = [*debug_flags, "-UNDEBUG"] if SANITIZE or DEBUG else RELEASE
    sanitizers = [f"-fsanitize={SANITIZE}", "-fno-sanitize-recover=all"] if SANITIZE else []
    sources = sorted(glob("native/*.[ph]*") + glob("fsm/**/*.pxd", recursive=True) + glob("fsm/include/fsm/*.h"))
    empty_if_changed(Path("build") / VARIANT, sources, flags + sanitizers)
    core = Extension(
        "fsm.engine._native",
        ["native/engine.pyx"],
        include_dirs=["fsm/include", "native"],
        depends=sources,
        extra_compile_args=flags + sanitizers,
        extra_link_args=sanitizers,
    )
    return cythonize(
        [core], build_dir=f"build/{VARIANT}/c", compiler_directives=DIRECTIVES, include_path=[".", "native"]
    )


setup(
    ext_modules=extensions(),
    cmdclass={"build_ext": BuildCore},
    options={"build": {"build_base": f"build/{VARIANT}"}},
)
