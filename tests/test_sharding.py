"""Tables split over 8 devices: the bits of whole ones, and no more of a table anywhere."""

import math
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

from jaxvec import (
    CBOW,
    Corpus,
    GloVe,
    SkipGram,
    Softmax,
    cooccurrence,
    fit,
    load_run,
    save_run,
)
from jaxvec.cli import main
from jaxvec.optim.named import resolve_optimizer
from jaxvec.train import dealing, drawing, parallel
from jaxvec.train.contracts import State
from jaxvec.train.dealing import dealt_mask, dealt_places, exchanged
from jaxvec.train.epoch import train_segment
from jaxvec.train.fit import Checkpoints, Stopped
from jaxvec.train.parallel.contract import Program
from jaxvec.train.parallel.copies import train_copies
from jaxvec.train.placement import Placement, resolved
from jaxvec.train.segments import TokenSegments
from jaxvec.train.workers import shared_out

KEY = jax.random.key(0)
SMALL = SkipGram(vector_size=16, window=3, sample=0, blocks=4)
ROWS, DIM = P("a", None), P(None, "a")


def over(spec, *sizes, axes=("a", "b")):
    """A sharding on a mesh of these sizes."""
    axes = axes[: len(sizes)]
    devices = jax.devices()[: math.prod(sizes)]
    return NamedSharding(
        jax.make_mesh(sizes, axes, (AxisType.Auto,) * len(sizes), devices=devices), spec
    )


def in_groups(spec, workers, size):
    return over(spec, workers, size, axes=("workers", "a"))


@pytest.fixture(scope="module")
def cells(topic_corpus):
    return cooccurrence.count(topic_corpus, window=5)


CASES = {  # model, optimizer, sharding, and how far from the whole tables
    "skip-gram, rows": (SMALL, None, over(ROWS, 8), 0),
    "skip-gram, dimensions": (SMALL, None, over(DIM, 8), 1e-5),
    "skip-gram, both": (SMALL, "row_adagrad", over(P("a", "b"), 2, 4), 1e-5),
    "CBOW, rows along two axes": (CBOW(vector_size=8), "adam", over(P(("a", "b")), 2, 2), 0),
    "CBOW, dimensions": (CBOW(vector_size=8), None, over(DIM, 2), 1e-5),
    "softmax, rows": (Softmax(vector_size=8, window=2), None, over(ROWS, 2), 1e-5),
    "GloVe, rows": (GloVe(vector_size=8, x_max=20.0), None, over(ROWS, 8), 0),
    "GloVe, dimensions": (GloVe(vector_size=8, x_max=20.0), "adagrad", over(DIM, 4), 1e-5),
    "2 workers, rows": (SMALL, "adagrad", in_groups(ROWS, 2, 4), 0),
    "2 workers, dimensions": (SMALL, None, in_groups(DIM, 2, 4), 1e-5),
    "2 workers of GloVe, rows": (GloVe(vector_size=8), None, in_groups(ROWS, 2, 4), 0),
    "2 workers of GloVe, dimensions": (GloVe(vector_size=8), None, in_groups(DIM, 2, 2), 1e-5),
}


@pytest.mark.parametrize("case", CASES)
def test_shards_are_as_the_whole(case, topic_corpus, cells):
    model, optimizer, sharding, distance = CASES[case]
    data = cells if isinstance(model, GloVe) else topic_corpus
    workers = sharding.mesh.shape.get("workers", 1)
    options = {"key": KEY, "epochs": 1, "optimizer": optimizer, "workers": workers}
    whole = fit(data, model, **options)
    shards = fit(data, model, **options, sharding=sharding)
    pairs = zip(jax.tree.leaves(shards.whole()[:2]), jax.tree.leaves(whole[:2]), strict=True)
    for mine, theirs in pairs:
        np.testing.assert_allclose(mine, theirs, distance, distance * np.abs(theirs).max())
    for table in shards.params:
        parts = math.prod(table.sharding.shard_shape(table.shape))
        split = {axis for part in table.sharding.spec if part for axis in np.atleast_1d(part)}
        assert split or table.ndim == 1  # biases by rows alone
        count = math.prod(sharding.mesh.shape[axis] for axis in split)
        assert parts * count == table.size
        assert not np.asarray(table)[len(data.vocab) :].any()
        assert all(s.data.size == parts for s in table.addressable_shards)
    assert shards.history[0].loss == pytest.approx(whole.history[0].loss, rel=1e-6)


def test_rows_are_dealt_out_and_back():
    place = Placement(over(ROWS, 8).mesh, ("a",))
    rows = place.length(100)
    assert rows == 128
    for spec, table in ((P("a", None), np.arange(2.0 * rows).reshape(rows, 2)),
                        (P("a"), np.arange(1.0 * rows))):  # fmt: skip
        sharding = NamedSharding(place.mesh, spec)
        dealt = exchanged(jax.device_put(table, sharding), place.mesh, ("a",), spec, back=False)
        for n, shard in enumerate(dealt.addressable_shards):
            assert np.array_equal(shard.data, table[n::8])
        places = dealt_places(jnp.arange(rows), rows, 8)
        assert np.array_equal(np.asarray(dealt)[places], table)
        again = exchanged(dealt, place.mesh, ("a",), spec, back=True)
        assert np.array_equal(again, table)
    mask = np.random.default_rng(0).random(100) < 0.5
    assert np.array_equal(dealt_mask(mask, rows, 8)[places[:100]], mask)


def test_no_device_makes_a_whole_table(monkeypatch):
    """Neither to begin with, nor to deal rows out."""
    monkeypatch.setattr(dealing, "_PIECE", 1 << 16)
    monkeypatch.setattr(drawing, "ROWS", 1 << 10)
    words, size = 1 << 17, 32
    model, place = SkipGram(vector_size=size), Placement(over(ROWS, 8).mesh, ("a",))
    share = 4 * words * size // 8
    like = jax.eval_shape(lambda: model.init(KEY, words))
    specs = jax.tree.map(place.spec, like)
    drawn = jax.jit(place._drawn(model, KEY, words, specs)).lower().compile()
    used = drawn.memory_analysis()
    assert used.output_size_in_bytes < 2.1 * share
    assert used.temp_size_in_bytes < share / 2
    (table, _), (spec, _) = like, specs
    sharded = jax.ShapeDtypeStruct(
        table.shape, table.dtype, sharding=NamedSharding(place.mesh, spec)
    )
    for back in (False, True):
        moved = exchanged.lower(sharded, place.mesh, ("a",), spec, back=back).compile()
        used = moved.memory_analysis()
        assert used.alias_size_in_bytes == share
        assert used.temp_size_in_bytes < share / 4


def collectives(program: str) -> list[tuple[str, int]]:
    """The kind of each collective of a program, and the bytes of the largest array it takes."""
    found = []
    for result, kind in re.findall(
        r"= (\([^=]*?\)|\S+) (all-reduce|all-gather|all-to-all|collective-permute|reduce-scatter)"
        r"(?:-start)?\(", program,
    ):  # fmt: skip
        shapes = re.findall(r"[a-z]+\d+\[([\d,]*)\]", result)
        found.append(
            (kind, max(4 * math.prod(map(int, filter(None, s.split(",")))) for s in shapes))
        )
    return found


@pytest.mark.parametrize("optimizer", ["sgd", "adagrad"])
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("spec", [ROWS, DIM])
def test_a_step_moves_no_more_than_its_rows(spec, workers, optimizer):
    words, model = 1 << 14, SkipGram(vector_size=16, window=3, blocks=4)
    rng = np.random.default_rng(0)
    documents = [[str(w) for w in rng.integers(words, size=1000)] for _ in range(4)]
    corpus = Corpus.from_documents([*documents, map(str, range(words))], min_count=1)
    sharding = in_groups(spec, 2, 4) if workers == 2 else over(spec, 8)
    place, _ = resolved(sharding, workers, model)
    optimize, _ = resolve_optimizer(optimizer, False, None, None)
    constants, segments = model.constants(corpus), TokenSegments(corpus, 4096, workers)
    state = place.entered(optimize, place.begun(optimize, place.born(model, KEY, words)))
    how = parallel.on(workers, Program(model, optimize, constants, None, None), words, place)
    key = np.asarray(jax.random.key_data(KEY))
    part = how.share([[(segments.epoch(KEY)(i), key) for i in range(workers)]])
    if workers == 1:
        lowered = train_segment.lower(
            model, optimize, state, how.program.constants, *part, np.ones(2, np.float32), None,
            place.shards,
        )  # fmt: skip
    else:
        lowered = train_copies.lower(
            place, model, optimize, how.begin([place.left(optimize, state)]),
            how.program.constants, *part, np.ones((1, 2), np.float32),
        )  # fmt: skip
    compiled = lowered.compile()
    found = collectives(compiled.as_text())
    centers, others = 4 * 32, 4 * 70  # of 4 blocks; contexts and negatives
    step = 4 * (32 * others if spec == DIM else 16 * (centers + others))
    merged = 4 * 2048 * 16 * (workers > 1)  # of a table, in pieces, once a segment
    assert {kind for kind, _ in found} <= {"all-reduce", "all-gather"}
    assert max(size for kind, size in found if kind == "all-reduce") <= max(step, merged)
    assert all(size < 2**14 for kind, size in found if kind == "all-gather")  # losses
    if workers == 1:
        assert [kind for kind, _ in found] == ["all-reduce"]
    share = 4 * words * 16 // 8 * workers  # that a device has of a table; there are two
    assert compiled.memory_analysis().temp_size_in_bytes < (5 + (optimizer == "adagrad")) * share


@pytest.mark.parametrize(("first", "then"), [(8, 0), (0, 4), (4, 2)])
def test_resumes_on_another_number_of_devices(topic_corpus, tmp_path, first, then):
    model = SkipGram(vector_size=8, window=2, segment_tokens=4000)
    options = {"key": KEY, "epochs": 1, "optimizer": "adagrad", "workers": 1}

    def where(devices):
        return {"sharding": over(ROWS, devices)} if devices else {}

    whole = fit(topic_corpus, model, **options)
    checkpoints = Checkpoints(tmp_path, {}, steps=1)
    asked = iter([False, True])
    with pytest.raises(Stopped):
        fit(topic_corpus, model, **options, **where(first), checkpoints=checkpoints,
            should_stop=lambda: next(asked))  # fmt: skip
    checkpoints.close()
    checkpoints = Checkpoints(tmp_path, {}, steps=10**9)
    resumed = fit(topic_corpus, model, **options, **where(then), checkpoints=checkpoints)
    checkpoints.close()
    for a, b in zip(whole.whole()[:2], resumed.whole()[:2], strict=True):
        assert jax.tree.all(jax.tree.map(np.array_equal, a, b))


def test_starts_frozen_words_and_bounds(short_corpus, tmp_path):
    """As whole tables have them; and the run in a file, its vectors and predictions."""
    options = {"key": KEY, "epochs": 1, "max_norm": 0.7, "freeze": ["the", "t1w1"], "workers": 1}
    sharding = over(ROWS, 8)
    earlier = fit(short_corpus, SMALL, **options)
    init = earlier.vectors()
    for begun in ({"init": init}, {"start": earlier}, {"start": State(earlier.params, None)}):
        begun = begun | {"workers": 1}
        whole = fit(short_corpus, SMALL, **options | begun)
        shards = fit(short_corpus, SMALL, **options | begun, sharding=sharding)
        assert np.array_equal(shards.vectors().vectors, whole.vectors().vectors)
        assert np.array_equal(shards.vectors()["t1w1"], init["t1w1"])
    assert shards.predict_output_word(["t1w1"], 3) == whole.predict_output_word(["t1w1"], 3)
    mapped = shards.vectors(folder=tmp_path)
    assert np.array_equal(mapped.vectors, whole.vectors().vectors)
    assert not list(tmp_path.iterdir())  # the file has no name
    save_run(shards, tmp_path / "run")
    again = load_run(tmp_path / "run")
    assert np.array_equal(again.params.input, whole.params.input)
    on = {"sharding": over(ROWS, 2), "start": shards}
    from_shards = fit(short_corpus, SMALL, **options | on)
    from_file = fit(short_corpus, SMALL, **options | {"start": again})
    assert np.array_equal(from_shards.vectors().vectors, from_file.vectors().vectors)


def test_a_checkpoint_is_of_as_many_words(topic_corpus, tmp_path):
    """A larger vocabulary is not cut off, though rows of zeros may be."""
    checkpoints = Checkpoints(tmp_path, {})
    fit(topic_corpus, SMALL, key=KEY, epochs=1, sharding=over(ROWS, 8), checkpoints=checkpoints)
    checkpoints.close()
    fewer = Corpus.from_documents([["t1w1", "the", "of"]] * 300, min_count=1)
    checkpoints = Checkpoints(tmp_path, {})
    with pytest.raises(ValueError, match="it has 99 words, and these are 3"):
        fit(fewer, SMALL, key=KEY, epochs=2, workers=1, checkpoints=checkpoints)
    checkpoints.close()


def test_keys_of_any_kind_and_an_init_of_ones_own(topic_corpus):
    key = jax.random.key(0, impl="rbg")
    whole = SMALL.init(key, 99).input
    assert np.array_equal(Placement(over(ROWS, 8).mesh, ("a",)).born(SMALL, key, 99).input[:99],
                          whole)  # fmt: skip
    assert len(np.unique(whole)) > 1000

    class Own(SkipGram):
        def init(self, key, vocab_size):
            return super().init(key, vocab_size)

    with pytest.raises(TypeError, match="Own has an init of its own, and NgramRows's init_rows"):
        fit(topic_corpus, Own(), key=KEY)


BAD = {
    "rows": (TypeError, "a jax.sharding.NamedSharding of tables"),
    over(P("a", None, None), 2): (ValueError, r"two axes, \[V, D\]"),
    over(P("workers"), 2, axes=("workers",)): (ValueError, "split tables along others"),
    over(P("a"), 2, 2): (ValueError, "nothing is split along 'b'"),
    over(DIM, 3): (ValueError, "16 columns cannot be split over 3 devices"),
}


@pytest.mark.parametrize("sharding", BAD)
def test_bad_shardings(topic_corpus, sharding):
    kind, message = BAD[sharding]
    with pytest.raises(kind, match=message):
        fit(topic_corpus, SMALL, key=KEY, sharding=sharding)


def test_mittens_are_whole(topic_corpus, cells):
    init = fit(topic_corpus, SMALL, key=KEY, epochs=1).vectors()
    with pytest.raises(ValueError, match="mittens goes without sharding"):
        fit(cells, GloVe(vector_size=16, mittens=0.1), key=KEY, init=init, sharding=over(ROWS, 8))


def test_workers_are_an_axis_of_the_mesh(topic_corpus):
    with pytest.raises(ValueError, match="workers=2 need an axis 'workers' of that size"):
        fit(topic_corpus, SMALL, key=KEY, workers=2, sharding=over(ROWS, 8))
    with pytest.raises(ValueError, match="each of 3 workers needs equally many devices"):
        shared_out("rows", 3)


def test_the_shell(tmp_path, monkeypatch, topic_documents):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.txt").write_text("\n".join(map(" ".join, topic_documents)))
    train = ["train", "text.txt", "--vector-size", "8", "--epochs", "1", "--workers", "1"]
    for output, shard in (("whole.bin", []), ("rows.bin", ["--shard", "rows"])):
        assert main([*train, "-o", output, *shard]) == 0
    assert (tmp_path / "whole.bin").read_bytes() == (tmp_path / "rows.bin").read_bytes()
    assert main([*train, "-o", "odd.bin", "--shard", "dim", "--vector-size", "9"]) == 2
    assert sorted(p.name for p in tmp_path.iterdir()) == ["rows.bin", "text.txt", "whole.bin"]
