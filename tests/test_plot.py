"""Maps, heat maps and grids: label placement, layouts, fonts, files."""

import subprocess
import sys
from itertools import combinations, pairwise

import numpy as np
import pytest
from scipy.cluster.hierarchy import linkage
from sklearn.decomposition import PCA

from jaxvec import WordVectors
from jaxvec.plot.curves import curves
from jaxvec.plot.figure import lettering, save, style
from jaxvec.plot.grid import som_map
from jaxvec.plot.heat import clustered, heat_map
from jaxvec.plot.labels import place
from jaxvec.plot.layout import group, layout, pca, with_neighbors
from jaxvec.plot.wordmap import word_map


def clumps(count=240, groups=6, size=10):
    """Vectors of words in clusters, and the cluster of each word."""
    rng = np.random.default_rng(0)
    members = np.arange(count) % groups
    table = 3 * rng.normal(size=(groups, size))[members] + rng.normal(size=(count, size))
    return WordVectors([f"word{i}" for i in range(count)], table), members


def overlapping(boxes):
    return [
        (a, b)
        for a, b in combinations(boxes, 2)
        if min(a[2], b[2]) - max(a[0], b[0]) > 0 and min(a[3], b[3]) - max(a[1], b[1]) > 0
    ]


def drawn(figure):
    """The boxes of a map's labels as drawn, in dots."""
    figure.draw_without_rendering()
    return [text.get_window_extent().extents for text in figure.axes[0].texts]


def test_labels_do_not_overlap_nor_stand_outside():
    vectors, _ = clumps()
    words = vectors.index_to_key
    figure = word_map(words, layout(vectors, words).points, important=words[:3])
    boxes = drawn(figure)
    assert len(boxes) > 0.75 * len(words)
    assert overlapping(boxes) == []
    frame = figure.axes[0].get_window_extent().extents
    assert all((b[:2] >= frame[:2]).all() and (b[2:] <= frame[2:]).all() for b in boxes)


def test_labels_without_room_are_left_out_and_counted():
    words = [f"a_long_word_number_{i}" for i in range(200)]
    points = np.random.default_rng(1).normal(size=(200, 2))
    figure = word_map(words, points, size=(4, 3), important=[words[150]])
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert 10 < len(texts) < 200
    assert words[150] in texts  # important words are placed first
    (note,) = [text.get_text() for text in figure.texts]
    assert note == f"{200 - len(texts)} of 200 words have no label, for lack of space"
    assert overlapping(drawn(figure)) == []


def test_lines_tie_labels_to_their_points():
    points = np.full((9, 2), 50.0)
    placed = place(points, np.full((9, 2), [20.0, 8.0]), (0, 0, 100, 100))
    boxes = placed.boxes[~np.isnan(placed.boxes[:, 0])]
    assert len(boxes) >= 5
    assert overlapping(boxes) == []
    far = ~np.isnan(placed.leaders[:, 0])
    assert 0 < far.sum() < len(boxes)
    for box, (*start, x, y) in zip(placed.boxes[far], placed.leaders[far], strict=True):
        assert start == [50, 50]
        assert (box[:2] <= (x, y)).all()
        assert ((x, y) <= box[2:]).all()
        for other in boxes:  # along the line: nothing but its own label, at its end
            for t in np.linspace(0, 0.99, 50):
                at = np.array(start) * (1 - t) + np.array([x, y]) * t
                assert not ((other[:2] + 0.1 < at) & (at < other[2:] - 0.1)).all()


def test_labels_keep_off_given_lines_and_other_points():
    line = np.array([[0.0, 50, 100, 50]])
    placed = place(np.array([[50.0, 48]]), np.array([[20.0, 8]]), (0, 0, 100, 100), lines=line)
    assert placed.boxes[0, 3] <= 50
    crowd = np.array([[50.0, 50], [60, 50], [70, 50], [60, 56]])
    box = place(crowd, np.full((4, 2), [20.0, 8.0]), (0, 0, 100, 100)).boxes[0]
    assert not ((box[:2] < crowd[1:]) & (crowd[1:] < box[2:])).all(axis=1).any()


def test_pca_is_that_of_scikit_learn():
    table = np.random.default_rng(2).normal(size=(60, 7)) * np.arange(1, 8)
    ours, theirs = pca(table), PCA(2, svd_solver="full").fit(table)
    points = theirs.transform(table)
    signs = np.sign((ours.points * points).sum(axis=0))
    np.testing.assert_allclose(ours.points, points * signs, atol=1e-10)
    np.testing.assert_allclose(ours.shares, theirs.explained_variance_ratio_)
    np.testing.assert_allclose(pca(-table).points, -ours.points)  # axes keep their signs
    assert pca(table[:, :1]).points[:, 1].tolist() == [0] * 60
    assert pca(np.ones((5, 3))).shares.tolist() == [0, 0]


def test_tsne_keeps_groups_together_and_goes_by_its_seed():
    vectors, members = clumps(90, 3)
    words = vectors.index_to_key
    points, again, other = (
        layout(vectors, words, "tsne", seed=seed, perplexity=10).points for seed in (1, 1, 2)
    )
    assert np.array_equal(points, again)
    assert points.shape == other.shape == (90, 2)
    gaps = np.linalg.norm(points[:, None] - points, axis=2)
    np.fill_diagonal(gaps, np.inf)
    assert (members[gaps.argmin(axis=1)] == members).mean() > 0.95


def test_layout_refuses():
    vectors = clumps(10, 2)[0]
    words = vectors.index_to_key
    with pytest.raises(ValueError, match="'pca' or 'tsne'; got 'umap'"):
        layout(vectors, words, "umap")
    with pytest.raises(ValueError, match="3 words at least; got 2"):
        layout(vectors, words[:2])
    with pytest.raises(ValueError, match="perplexity must be below 10"):
        layout(vectors, words, "tsne", perplexity=10)
    with pytest.raises(KeyError, match="close matches"):
        layout(vectors, ["word1", "word2", "wordd1"])


def test_kmeans_finds_the_groups_and_names_them_by_central_words():
    vectors, members = clumps()
    words = vectors.index_to_key
    names = group(vectors, words, 6)
    pairs = set(zip(names, members.tolist(), strict=True))
    assert len(pairs) == len(set(names)) == 6
    assert names == group(vectors, words, 6)
    units = vectors.get_normed_vectors()
    for name, member in pairs:
        inside = np.flatnonzero(members == member)
        scores = units[inside] @ units[inside].mean(axis=0)
        assert name.split(", ") == [words[inside[i]] for i in np.argsort(-scores)[:3]]
    same = WordVectors(["a", "b", "c"], [[1, 0], [2, 0], [0, 1]])
    assert len(set(group(same, ["a", "b", "c"], 3))) == 2  # two directions, no more groups
    with pytest.raises(ValueError, match="got 0"):
        group(same, ["a", "b"], 0)


@pytest.mark.parametrize("shift", [1013.25, 101325])
def test_vectors_far_from_zero_are_laid_out_as_by_float64(shift):
    rng = np.random.default_rng(3)
    blobs = rng.normal(size=(3, 5)) * 8
    points = np.repeat(blobs, 20, axis=0) + rng.normal(size=(60, 5)) + shift
    wv = WordVectors([f"w{i}" for i in range(60)], points)
    units = wv.vectors.astype(np.float64)
    units /= np.linalg.norm(units, axis=1, keepdims=True)
    found = layout(wv, wv.index_to_key).points
    expected = pca(units).points
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6 * np.abs(expected).max())
    names = group(wv, wv.index_to_key, 3)
    assert [len(set(names[i : i + 20])) for i in (0, 20, 40)] == [1, 1, 1]
    assert len(set(names)) == 3
    assert wv.distance("w0", "w1") == pytest.approx(np.sum((units[0] - units[1]) ** 2) / 2, 1e-5)


def test_a_neighbor_of_two_words_belongs_to_the_nearer():
    angles = np.radians([0, 40, 15, 30, 45])
    words = ["a", "b", "near_a", "near_b", "far"]
    vectors = WordVectors(words, np.column_stack([np.cos(angles), np.sin(angles)]))
    found, of = with_neighbors(vectors, ["a", "b", "a"], 4)
    assert dict(zip(found, of, strict=True)) == {
        "a": "a", "b": "b", "near_a": "a", "near_b": "b", "far": "b"
    }  # fmt: skip
    assert found[:2] == ["a", "b"]


def test_groups_have_colors_markers_and_a_legend():
    words = [f"w{i}" for i in range(12)]
    groups = ["_hidden", "$x$", "c"] * 4
    figure = word_map(words, np.random.default_rng(3).normal(size=(12, 2)), groups)
    (legend,) = figure.legends
    assert [t.get_text() for t in legend.get_texts()] == ["_hidden (4)", "$x$ (4)", "c (4)"]
    assert len(figure.axes[0].collections) == 3 + 1  # and the lines
    looks = [tuple(style(i).values()) for i in range(64)]
    assert len(set(looks)) == 64
    right = legend.get_window_extent().extents[2]
    assert figure.axes[0].get_window_extent().extents[2] < legend.get_window_extent().extents[0]
    assert right <= figure.bbox.extents[2]


def test_many_groups_are_cut_in_the_legend_and_counted():
    words = [f"w{i}" for i in range(100)]
    points = np.random.default_rng(3).normal(size=(100, 2))
    figure = word_map(words, points, words, size=(6, 4))
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert texts[-1] == f"and {100 - len(texts) + 1} more groups"
    assert figure.legends[0].get_window_extent().extents[1] >= 0


@pytest.mark.parametrize(
    ("points", "groups", "pairs", "message"),
    [
        (np.zeros((3, 2)), None, [], r"2 words need points \[2, 2\]; got \(3, 2\)"),
        (np.full((2, 2), np.nan), None, [], "finite"),
        (np.zeros((2, 2)), ["g"], [], "a group each; got 1 groups"),
        (np.zeros((2, 2)), None, [("a", "x")], r"these are not: \['x'\]"),
    ],
)
def test_a_map_refuses(points, groups, pairs, message):
    with pytest.raises(ValueError, match=message):
        word_map(["a", "b"], points, groups, pairs=pairs)


ODD = ["$x$", "a_b^c", "\\frac", "_hidden", "日本語", "عربي", "😀", "\u200d", "a\tb", "\ud800",
       "x" * 200, "%", "{}"]  # fmt: skip


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_any_word_can_be_drawn(tmp_path, suffix):
    count = len(ODD)
    points = np.random.default_rng(4).normal(size=(count, 2))
    run = [{"epoch": 1, "loss": 1.0, "words_per_second": 1.0}]
    figures = [
        word_map(ODD, points, ODD, title="$a_b\\"),
        heat_map(ODD, np.eye(count), title="$a_b\\"),
        som_map(ODD, np.arange(count) % 4, np.ones((2, 2)), title="$a_b\\"),
        curves(dict.fromkeys(ODD, run), title="$a_b\\"),
    ]
    magic = {".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF"}[suffix]
    for number, figure in enumerate(figures):
        path = tmp_path / f"{number}{suffix}"
        save(figure, path)  # warnings are errors here
        assert path.read_bytes().startswith(magic)


def test_letters_that_no_font_has_are_marked():
    families, shown = lettering(["naïve", "a\u200d\U000f0000b", "\ud800x", "a\tb", "$_\\"])
    assert shown[0] == "naïve"
    assert shown[1].replace("\u200d", "") == "a\N{REPLACEMENT CHARACTER}b"
    assert shown[2:] == ["\N{REPLACEMENT CHARACTER}x", "a\N{REPLACEMENT CHARACTER}b", "$_\\"]
    assert families


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_the_same_picture_is_the_same_bytes(tmp_path, suffix):
    vectors, _ = clumps(40)
    for name in "ab":
        words = vectors.index_to_key
        groups = group(vectors, words, 3)
        save(word_map(words, layout(vectors, words).points, groups), tmp_path / f"{name}{suffix}")
    assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()


def test_a_size_without_room_is_refused():
    with pytest.raises(ValueError, match=r"1 x 3 inches leave no room .* give at least 1\.8 x"):
        som_map(["a"], [0], np.ones((2, 2)), size=(1, 3))
    with pytest.raises(ValueError, match="no room beside title and legend"):
        word_map(["a", "b"], [[0, 0], [1, 1]], ["a" * 30, "b"], size=(3, 3))


def test_other_suffixes_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"must end in \.png, \.svg or \.pdf"):
        save(word_map(["a"], [[0, 0]]), tmp_path / "a.jpeg")


def test_a_heat_map_follows_the_tree():
    vectors, members = clumps(30, 3)
    units = vectors.get_normed_vectors()
    cosines = units @ units.T
    order = clustered(cosines)
    assert sorted(order) == list(range(30))
    assert len([1 for a, b in pairwise(order) if members[a] != members[b]]) == 2
    upper = np.triu_indices(30, 1)
    tree = linkage(1 - cosines[upper], "average")
    clusters = {i: {i} for i in range(30)}
    place = {word: i for i, word in enumerate(order)}
    for number, (a, b, *_) in enumerate(tree, 30):  # the words of each cluster are adjacent
        clusters[number] = clusters[int(a)] | clusters[int(b)]
        places = [place[word] for word in clusters[number]]
        assert max(places) - min(places) == len(places) - 1
    steps = sum(cosines[a, b] for a, b in pairwise(order))
    assert steps >= sum(cosines[a, b] for a, b in zip(range(29), range(1, 30), strict=True))


def test_a_heat_map_shows_the_cosines():
    words = ["a", "b", "c"]
    cosines = np.array([[1, 0.5, -0.25], [0.5, 1, 0.125], [-0.25, 0.125, 1]])
    figure = heat_map(words, cosines)
    ax = figure.axes[0]
    assert [label.get_text() for label in ax.get_yticklabels()] == words
    image = ax.images[0].get_array()
    np.testing.assert_array_equal(np.asarray(image)[~np.eye(3, dtype=bool)],
                                  cosines[~np.eye(3, dtype=bool)])  # fmt: skip
    assert np.ma.getmaskarray(image)[np.eye(3, dtype=bool)].all()
    assert ax.images[0].get_clim() == (-0.25, 0.5)
    gray = ax.images[0].cmap.get_bad()[:3]
    assert 0.7 < min(gray) == max(gray) < 0.95
    assert figure.axes[1].get_ylabel() == "cosine (light gray: a word with itself, 1)"
    written = {text.get_position(): text.get_text() for text in ax.texts}
    assert len(written) == 6
    assert written[(2, 0)] == "-0.25"
    many = [f"w{i}" for i in range(40)]
    assert not heat_map(many, np.eye(40)).axes[0].texts
    with pytest.raises(ValueError, match=r"cosines \[3, 3\]; got \(2, 2\)"):
        heat_map(words, np.eye(2))


def test_a_cell_holds_its_words_and_counts_the_rest():
    words = [f"w{i}" for i in range(30)] + ["x" * 30]
    figure = som_map(words, [0] * 20 + [3] * 10 + [1], np.arange(4.0).reshape(2, 2))
    figure.draw_without_rendering()
    ax = figure.axes[0]
    cells = {}
    for text in ax.texts:
        corners = ax.transData.inverted().transform(text.get_window_extent().get_points())
        (column, row), (right, low) = np.round(corners).astype(int)
        assert (column, row) == (right, low)  # in one cell
        cells.setdefault((row, column), []).append(text.get_text())
    shown = len(cells[0, 0]) - 1
    assert cells[0, 0] == [*words[:shown], f"{20 - shown} more"]
    assert cells[1, 1][0] == "w20"
    assert len(cells[0, 1]) == 1
    assert (1, 0) not in cells
    assert overlapping([text.get_window_extent().extents for text in ax.texts]) == []
    with pytest.raises(ValueError, match="a unit each, from 0 to 3"):
        som_map(["a"], [4], np.ones((2, 2)))


def test_matplotlib_is_asked_for_by_its_extra_and_only_then():
    script = """
import sys
import jaxvec.plot.wordmap, jaxvec.plot.curves, jaxvec.plot.heat, jaxvec.plot.grid
import jaxvec.plot.layout, jaxvec.cli.plot
assert not {"matplotlib", "sklearn", "scipy", "jax"} & set(sys.modules)
sys.modules["matplotlib"] = sys.modules["sklearn"] = None
try:
    jaxvec.plot.wordmap.word_map(["a"], [[0, 0]])
except ValueError as error:
    print(error)
vectors = jaxvec.WordVectors(["a", "b", "c"], [[1, 0], [0, 1], [1, 1]])
try:
    jaxvec.plot.layout.layout(vectors, ["a", "b", "c"], "tsne")
except ValueError as error:
    print(error)
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert run.stdout.splitlines() == [
        "plots need the package matplotlib: pip install 'jaxvec[plot]'",
        "t-SNE needs the package scikit-learn: pip install 'jaxvec[plot]'",
    ], run.stderr
