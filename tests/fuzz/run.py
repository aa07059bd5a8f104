"""Fuzzes one target with coverage guidance: ``python tests/fuzz/run.py yaml -max_total_time=600``.

Needs atheris (``pip install atheris``), which has wheels for Linux only and is therefore no dependency of the project.
Targets are the files ``fuzz_<target>.py`` beside this one; each has ``check(data)``, which raises when an invariant
named in its docstring breaks, and ``seeds()``. Further words are libFuzzer's options. A finding stays in the current
folder as ``crash-…``; once mended it goes to ``found/<target>/``, which the tests replay.
"""

import importlib
import sys
import tempfile
from pathlib import Path

import atheris

HERE = Path(__file__).parent
PARSERS = {
    "yaml": ["yaml"],
    "workbook": ["openpyxl.reader", "openpyxl.worksheet"],
}  # other people's code that is followed, too
LIMITS = ["-timeout=60", "-rss_limit_mb=3000", "-max_len=6000", "-print_final_stats=1"]


def main() -> None:
    target, *options = sys.argv[1:]
    sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent.parent)]
    with atheris.instrument_imports(include=["qa_lib", *PARSERS.get(target, [])]):
        module = importlib.import_module(f"fuzz_{target}")
    with tempfile.TemporaryDirectory() as corpus:
        kept = [path.read_bytes() for path in sorted((HERE / "found" / target).glob("*"))]
        for place, seed in enumerate([*module.seeds(), *kept]):
            (Path(corpus) / f"{place:04}").write_bytes(seed)
        atheris.Setup([sys.argv[0], *LIMITS, *options, corpus], module.check)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
