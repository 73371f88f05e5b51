import jax
import numpy as np
import pytest

from jaxvec import Checkpoints, Corpus, GloVe, SkipGram, StopTraining, cooccurrence, fit
from jaxvec.train import segments
from jaxvec.train.fit import Stopped

KEY = jax.random.key(0)
CORPUS = Corpus.from_documents([["the", "cat", "sat", "on", "the", "mat"]] * 20, min_count=1)
MODEL = SkipGram(vector_size=4, sample=0)
CASES = {"sgns": (CORPUS, MODEL), "glove": (cooccurrence.count(CORPUS), GloVe(vector_size=4))}


@pytest.fixture
def checkpoints(tmp_path):
    made = Checkpoints(tmp_path, {"text": "cats"})
    yield made
    made.close()


@pytest.mark.parametrize("case", CASES)
def test_a_callback_ends_a_run_that_keeps_its_result(case, checkpoints):
    data, model = CASES[case]
    seen = []

    def stop_after_two(report, result):
        if report.epoch == 2:
            raise StopTraining

    def run():
        return fit(
            data, model, key=KEY, epochs=5, checkpoints=checkpoints, should_stop=lambda: bool(seen),
            callbacks=[stop_after_two, lambda report, result: seen.append(result.vectors())],
        )  # fmt: skip

    with pytest.raises(Stopped):  # by `should_stop`, after an epoch: to be resumed
        run()
    assert (checkpoints.progress().epoch, checkpoints.progress().ended) == (1, False)
    result = run()
    assert [report.epoch for report in result.history] == [1, 2]
    assert len(seen) == 2  # the callbacks after the one that ended it were called, too
    assert np.array_equal(result.vectors().vectors, seen[-1].vectors)
    progress = checkpoints.progress()
    assert (progress.epoch, progress.segment, progress.ended) == (2, 0, True)
    again = run()
    assert len(seen) == 2  # it is done: nothing is trained, nobody called
    assert again.history == result.history
    for one, other in zip(jax.tree.leaves(again[:2]), jax.tree.leaves(result[:2]), strict=True):
        assert np.array_equal(one, other)


def test_the_epochs_before_an_early_end_are_those_of_the_whole_run():
    def stop(report, result):
        raise StopTraining

    kept = []
    keep = [lambda report, so_far: kept.append((report, so_far.vectors()))]
    fit(CORPUS, MODEL, key=KEY, epochs=3, callbacks=keep)
    ended = fit(CORPUS, MODEL, key=KEY, epochs=3, callbacks=[stop])
    assert np.array_equal(ended.vectors().vectors, kept[0][1].vectors)
    assert ended.history[0].learning_rate == kept[0][0].learning_rate


def test_a_step_callback_ends_a_run_after_its_segment(monkeypatch, checkpoints):
    monkeypatch.setattr(segments, "SEGMENT_TOKENS", 60)
    reports = []

    def stop(report):
        raise StopTraining

    def run():
        return fit(
            CORPUS, MODEL, key=KEY, epochs=2, checkpoints=checkpoints, report_every=1,
            step_callbacks=[stop], callbacks=[lambda report, result: reports.append(report)],
        )  # fmt: skip

    result = run()
    (report,) = result.history
    assert reports == [report]
    assert (report.epoch, report.words) == (1, 60)  # of 120
    assert report.learning_rate == pytest.approx(0.03 * (1 - 0.25 * (1 - 1e-4)))
    assert checkpoints.progress().ended
    assert np.array_equal(run().params.input, result.params.input)


def test_another_exception_of_a_callback_is_raised():
    def fails(report, result):
        raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine"):
        fit(CORPUS, MODEL, key=KEY, epochs=2, callbacks=[fails])


@pytest.mark.parametrize(("case", "unit"), [("sgns", "pair"), ("glove", "cell")])
def test_a_report_says_what_its_loss_is_of(case, unit):
    assert CASES[case][1].loss_unit == unit
    data, model = CASES[case]
    assert fit(data, model, key=KEY, epochs=1).history[0].loss_unit == unit
