import argparse
import json
from importlib import metadata

import pytest

from benchmarks import common


def test_figures_are_written_where_gensim_is_not_installed(tmp_path, monkeypatch, capsys):
    def version(package):
        if package == "gensim":
            raise metadata.PackageNotFoundError(package)
        return metadata.version(package)

    monkeypatch.setattr(common, "version", version)
    common.report([{"seconds": 1.5}], {"rounds": 1}, str(tmp_path / "all.json"))
    assert "| 1.5 |" in capsys.readouterr().out
    written = json.loads((tmp_path / "all.json").read_text())
    assert written["runs"] == [{"seconds": 1.5}]
    assert written["machine"]["gensim"] == "not installed"
    assert written["machine"]["jax"] == metadata.version("jax")


def test_files_and_packages_are_there_before_anything_is_measured(tmp_path):
    parser = argparse.ArgumentParser(exit_on_error=False)
    common.add_options(parser, epochs=1)
    corpus = tmp_path / "text"
    corpus.write_text("a b")
    taken = parser.parse_args([str(corpus), "--json", str(tmp_path / "all.json")])
    assert (taken.corpus, taken.json) == (str(corpus), str(tmp_path / "all.json"))
    for arguments, message in {
        (f"{corpus}x",): "no such file",
        (str(corpus), "--pairs", f"{corpus}x"): "no such file",
        (str(corpus), "--json", f"{corpus}x/all.json"): "there is no folder",
        (str(corpus), "--json", str(tmp_path)): "cannot write",
    }.items():
        with pytest.raises(argparse.ArgumentError, match=message):
            parser.parse_args(arguments)
    with pytest.raises(SystemExit, match="needs the package no_such_package"):
        common.need("json", "no_such_package")
