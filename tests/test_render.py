"""Rendering as such: what is repeated and what is shared, stale pages, the same bytes everywhere."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest
from small_books import ROOT, command, make_project, write_books, write_responses

import qa_lib as qa
from qa_lib.errors import DataWarning, ModelError, RenderError
from qa_lib.report import display, lock, plan, shared
from qa_lib.report.kernel import KernelServer
from qa_lib.report.messages import Message
from qa_lib.report.pages import open_page

BRANCHES = {"Harbour": 12, "Old Town": 9, "Tiny": 3, "Least": 2}
COUNT = """\
import pathlib
import qa_lib as qa

display.cards([], {"n": len(page.data)})
described = page.attempt(qa.describe, page.data, page.items)
display.paragraph(f"{described.tidy()['estimate'].iloc[0]:.3f}")"""


@pytest.fixture(scope="module")
def books(tmp_path_factory):
    return write_books(tmp_path_factory.mktemp("books"), {"1_data": COUNT, "2_report": "display.paragraph('hello')"})


@pytest.fixture
def small(tmp_path, books, monkeypatch):
    """A study of four branches, two below the minimum cell, and two notebooks."""
    monkeypatch.setattr(plan, "notebooks_folder", lambda: books)
    return make_project(tmp_path, BRANCHES)


def statuses(result):
    return dict(zip(result.pages["page"], result.pages["status"], strict=True))


def reasons(result):
    return set(result.pages["reason"])


def html_of(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in sorted(root.rglob("*.html"))}


def test_a_run_repeats_only_what_changed_and_says_why(small, tmp_path, books):
    planned = qa.render(small, by="branch", dry_run=True)
    assert set(planned.pages["status"]) == {"planned"}
    assert reasons(planned) == {"new"}
    assert not (tmp_path / "reports").exists()
    assert len(planned.pages) == 2 * 2 * 3  # books × languages × (everyone and two branches; the others are too small)
    first = qa.render(small, by="branch", jobs=2)
    assert set(first.pages["status"]) == {"rendered"}
    assert "12 pages: 12 rendered" in first.summary()
    assert set(qa.render(small, by="branch").pages["status"]) == {"kept"}
    folder = tmp_path / "reports" / "small" / "2026-10"
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["figures"]["branch=Harbour"]["now"] == {"n": 12}
    assert set(manifest["inputs"]) == {"study.yaml", "instrument.yaml", "responses/2026-10.csv"}
    (folder / "1_data.en.html").unlink()
    dry = qa.render(small, dry_run=True)
    assert dict(zip(dry.pages["page"], dry.pages["reason"], strict=True)) == {
        "1_data en": "new",
        "2_report en": "",
        "1_data zh": "",
        "2_report zh": "",
    }
    assert reasons(qa.render(small, lang="en", dry_run=True)) == {"new", "changed: parameters"}  # no link to Chinese
    write_responses(small, {"Harbour": 13, "Old Town": 4})
    assert reasons(qa.render(small, dry_run=True)) == {"new", "changed: inputs"}
    qa.render(small, jobs=2)
    assert not list(folder.glob("branch-Old*"))  # too small to show by now
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["figures"][""] == {"now": {"n": 17}, "restated_from": {"n": 26}}
    assert "branch=Old Town" not in manifest["figures"]


def test_an_analysis_is_computed_once_for_all_pages_that_ask(tmp_path, monkeypatch):
    calls = []

    def analysis(numbers, scale=1):
        calls.append(numbers)
        import warnings

        warnings.warn("few numbers", DataWarning, stacklevel=2)
        return sum(numbers) * scale

    monkeypatch.setattr(analysis, "__qualname__", "analysis")
    computed = shared.outcome(analysis, ([1, 2],), {"scale": 3})
    assert (computed.result, computed.cautions, computed.refusal) == (9, (Message("DataWarning", "few numbers"),), None)
    shared.outcome(analysis, ([1, 2],), {"scale": 3})
    assert len(calls) == 2  # nothing is kept without a rendering
    monkeypatch.setenv(shared.FOLDER, str(tmp_path))
    assert [shared.outcome(analysis, ([1, 2],), {"scale": 3}) for _ in range(3)] == [computed] * 3
    assert len(calls) == 3
    assert shared.outcome(analysis, ([1, 2],), {"scale": 4}).result == 12
    assert shared.outcome(lambda: 5, (), {}).result == 5


def test_a_study_is_read_again_when_it_changed(tmp_path):
    study = make_project(tmp_path, BRANCHES)
    before = open_page(study)
    assert open_page(study, segment="branch=Harbour").study is before.study
    spec = study / "study.yaml"
    spec.write_text(spec.read_text().replace("Small", "Renamed"))
    os.utime(spec, ns=(1, 1))
    write_responses(study, {"Harbour": 20})
    after = open_page(study)
    assert (before.study.title["en"], after.study.title["en"]) == ("Small", "Renamed")
    assert (len(before.data), len(after.data)) == (26, 20)


def test_every_result_of_the_pages_can_be_shared(tmp_path, monkeypatch):
    """Results hold read-only mappings, which pickle refuses by itself: each must reach the folder, and come back."""
    monkeypatch.setenv(shared.FOLDER, str(tmp_path))
    page = open_page(ROOT / "data" / "raw" / "demo", "2026-10")
    means = page.model_data()
    asked = [
        (qa.screen, (page.responses,)),
        (qa.describe, (page.data, page.items)),
        (qa.correlations, (means,)),
        (qa.reliability, (page.data, page.dimensions)),
        (qa.factorability, (page.data[page.items],)),
        (qa.drivers, (means, "satisfaction", list(page.dimensions))),
    ]
    for analysis, arguments in asked:
        before = len(list(tmp_path.iterdir()))
        first = shared.outcome(analysis, arguments, {})
        assert first.refusal is None
        assert len(list(tmp_path.iterdir())) == before + 1, analysis.__name__
        again = shared.outcome(analysis, arguments, {}).result
        assert len(list(tmp_path.iterdir())) == before + 1, f"{analysis.__name__} was asked the same and computed anew"
        table, same = (result.tidy() if hasattr(result, "tidy") else result for result in (first.result, again))
        pd.testing.assert_frame_equal(table, same, check_exact=True)


def test_a_refusal_is_shared_and_other_errors_are_not(tmp_path, monkeypatch):
    monkeypatch.setenv(shared.FOLDER, str(tmp_path))
    assert shared.outcome(_refuses, (), {}).refusal == Message("ModelError", "too few")
    assert shared.outcome(_refuses, (), {}).refusal == Message("ModelError", "too few")
    assert len(list(tmp_path.iterdir())) == 1
    with pytest.raises(ZeroDivisionError):
        shared.outcome(_divides, (0,), {})
    assert len(list(tmp_path.iterdir())) == 1


def _refuses():
    raise ModelError("too few")


def _divides(number):
    return 1 / number


def test_kernels_start_as_usual_where_none_can_be_forked(small, monkeypatch):
    monkeypatch.setattr(KernelServer, "fork", lambda self, **_: None)
    assert set(qa.render(small, lang="en", jobs=2).pages["status"]) == {"rendered"}


def test_a_second_rendering_of_a_study_waits_its_turn(small, tmp_path):
    with lock.only_one(tmp_path / "reports" / "small"), pytest.raises(RenderError, match="another process is render"):
        qa.render(small)
    assert qa.render(small, lang="en", dry_run=True).ok


def test_the_index_marks_failed_pages_and_says_why(small, tmp_path, monkeypatch):
    bad = write_books(
        tmp_path / "bad",
        {"1_raises": "1 / 0", "2_exits": "import sys\nsys.exit(0)", "3_dies": "import os\nos._exit(3)", "4_good": ""},
    )
    book = json.loads((bad / "2_exits.ipynb").read_text())
    book["cells"].append({**book["cells"][-1], "id": "last", "source": "display.paragraph('not reached')"})
    (bad / "2_exits.ipynb").write_text(json.dumps(book))
    monkeypatch.setattr(plan, "notebooks_folder", lambda: bad)
    result = qa.render(small, lang="en", jobs=2)
    errors = dict(zip(result.pages["page"], result.pages["error"], strict=True))
    assert errors["1_raises en"] == "cell 4: ZeroDivisionError: division by zero"
    assert "was not run" in errors["2_exits en"]
    assert "died" in errors["3_dies en"]
    assert errors["4_good en"] == ""
    assert not result.ok
    index = result.index.read_text(encoding="utf-8")
    assert all(words in index for words in ("division by zero", "was not run", "died"))
    folder = tmp_path / "reports" / "small" / "2026-10"
    assert {path.name for path in folder.glob("*.failed.ipynb")} == {
        "1_raises.en.failed.ipynb",
        "2_exits.en.failed.ipynb",
        "3_dies.en.failed.ipynb",
    }
    assert reasons(qa.render(small, lang="en", dry_run=True)) == {"failed before", ""}


def test_a_cell_that_runs_too_long_is_stopped(small, tmp_path, monkeypatch):
    from qa_lib.report import batch

    monkeypatch.setattr(batch, "CELL_TIMEOUT_SECONDS", 2)
    slow = write_books(tmp_path / "slow", {"1_slow": "display.paragraph('so far')\nimport time\ntime.sleep(60)"})
    monkeypatch.setattr(plan, "notebooks_folder", lambda: slow)
    result = qa.render(small, lang="en")
    assert result.pages["error"].item() == "a cell ran longer than 2 s and was stopped"
    partial = tmp_path / "reports" / "small" / "2026-10" / "1_slow.en.failed.ipynb"
    assert "so far" in partial.read_text(encoding="utf-8")


FAKED_CLOCK = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/time.h>
#include <time.h>
static const long AHEAD = 40L * 86400;
int clock_gettime(clockid_t id, struct timespec *t) {
    int (*real)(clockid_t, struct timespec *) = dlsym(RTLD_NEXT, "clock_gettime");
    int done = real(id, t);
    if (id == CLOCK_REALTIME) t->tv_sec += AHEAD;
    return done;
}
time_t time(time_t *t) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (t) *t = now.tv_sec;
    return now.tv_sec;
}
"""


def _clock_ahead(folder: Path) -> dict[str, str]:
    """Environment in which programs believe it is forty days later."""
    compiler = shutil.which("cc")
    if compiler is None or not Path("/proc/self").exists():
        pytest.skip("faking the date needs a C compiler on Linux")
    (folder / "clock.c").write_text(FAKED_CLOCK)
    built = [compiler, "-shared", "-fPIC", "-o", str(folder / "clock.so"), str(folder / "clock.c"), "-ldl"]
    subprocess.run(built, check=True)
    return {"LD_PRELOAD": str(folder / "clock.so")}


def test_another_day_folder_time_zone_and_number_of_jobs_give_the_same_bytes(tmp_path):
    """The demo study's own front page and responses page, by mode of survey, shared results or not."""
    books = tmp_path / "books"
    books.mkdir()
    for name in ("1_responses.ipynb", "4_report.ipynb"):
        shutil.copy(ROOT / "notebooks" / name, books)
    roots = [tmp_path / "one", tmp_path / "another place" / "two"]
    for root in roots:
        responses = root / "data" / "raw" / "demo" / "responses"
        shutil.copytree(ROOT / "data" / "raw" / "demo", responses.parent)
        for export in responses.iterdir():
            if not export.name.startswith(("2026-09", "2026-10")):
                export.unlink()
    later = {**os.environ, **_clock_ahead(tmp_path), "TZ": "Asia/Shanghai", "LC_ALL": "C", "PYTHONHASHSEED": "7"}
    here = {**os.environ, "TZ": "America/New_York", "PYTHONPATH": str(ROOT)}
    first = command(roots[0] / "data" / "raw" / "demo", books, lang=["zh", "en"], jobs=1)
    second = command(roots[1] / "data" / "raw" / "demo", books, lang=["en", "zh"], jobs=2)
    subprocess.run(first, env=here, check=True, cwd=roots[0])
    subprocess.run(second, env={**later, "PYTHONPATH": str(ROOT)}, check=True, cwd=tmp_path)
    pages, others = (html_of(root / "reports") for root in roots)
    assert len(pages) == 7  # two notebooks in two languages, the start page of each language and of the study
    assert pages.keys() == others.keys()
    assert [name for name in pages if pages[name] != others[name]] == []
    assert not any(str(tmp_path).encode() in page for page in pages.values())


def test_cautions_and_figures_travel_with_the_page(monkeypatch):
    shown = []
    monkeypatch.setattr(display, "display", lambda data, raw, metadata: shown.append(metadata))
    display.paragraph("beware", "caution")
    display.paragraph("fine")
    display.cards([{"label": "a", "value": "1"}], {"a": 1.0})
    assert shown == [{"qa_caution": "beware"}, {}, {"qa_figures": {"a": 1.0}}]
