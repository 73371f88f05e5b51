"""The model of the recipe wikitext-sgns, with what only that tutorial does."""

import dataclasses
import warnings
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from jaxvec.messages.gensim import explained_model
from jaxvec.models import sampling
from jaxvec.models.sgns import Params
from jaxvec.text.corpus import Corpus
from jaxvec.train.segments import TokenSegments
from jaxvec.train.skipgram import SkipGram
from jaxvec.train.text_model import Constants, Plan, Text

LEAST_TOKENS = 4_000_000  # with fewer, five epochs leave most vectors near their initial values


@explained_model
@dataclasses.dataclass(frozen=True)
class NormalSkipGram(SkipGram):
    """`SkipGram` with the initial tables, subsampling and windows of `recipes.wikitext_sgns`.

    Both tables start from N(0, 0.1²). A token that subsampling drops is neither center nor
    context, but keeps its place: windows do not close over it. A center has pairs only if its
    document has `window` tokens before and after it, dropped ones included (only after it, if
    not `symmetric`).

    Attributes:
      sample_percentile: subsample by `keep_probability` of this percentile, 0 to 100, and not by
        `sample`. None for word2vec's subsampling by `sample`.
    """

    sample_percentile: float | None = None

    traced: ClassVar[tuple[str, ...]] = (*SkipGram.traced, "sample_percentile")

    def __post_init__(self):
        super().__post_init__()
        if self.subwords is not None:
            raise ValueError("NormalSkipGram, of wikitext-sgns, has no n-grams: leave out subwords")
        if self.sample_percentile is not None and not 0 <= self.sample_percentile <= 100:
            raise ValueError(
                f"sample_percentile must be between 0 and 100; got {self.sample_percentile}"
            )

    init_rows = None  # type: ignore[assignment]  # tables are drawn whole

    def init(self, key: jax.Array, vocab_size: int) -> Params:
        """Draws both tables from N(0, 0.1²): float32[V, D] each.

        Args:
          key: a `jax.random` key.
          vocab_size: `V`.
        """
        shape = (vocab_size, self.vector_size)
        keys = jax.random.split(key)
        return Params(*(0.1 * jax.random.normal(k, shape, jnp.float32) for k in keys))

    def segments(
        self, data: Corpus, valid: float, key: jax.Array, workers: int = 1
    ) -> tuple[TokenSegments, TokenSegments | None]:
        """The segments of `SkipGram`, see there; warns if the text is too small for this recipe."""
        if len(data) < LEAST_TOKENS:
            warnings.warn(
                f"{len(data):,} words are too few for wikitext-sgns, whose author had 77 million: "
                f"below {LEAST_TOKENS:,}, five epochs leave most vectors near their random initial "
                "values, and neighbors mean little; use more text or epochs, or the recipe "
                "word2vec-skipgram, which needs less text",
                stacklevel=3,
            )
        return super().segments(data, valid, key, workers)

    def keep_probability(self, counts: np.ndarray) -> np.ndarray:
        """The probability sqrt(t / (f + t)) to keep each word, float64[V].

        f is a word's share of all tokens, and t the percentile `sample_percentile` of the `V`
        shares.

        Args:
          counts: of the words, [V].

        >>> NormalSkipGram(sample_percentile=50).keep_probability(np.array([900, 100])).round(3)
        array([0.598, 0.913])
        """
        if self.sample_percentile is None:
            return super().keep_probability(counts)
        shares = sampling.shares(counts)
        t = np.percentile(shares, self.sample_percentile)
        return np.sqrt(t / (shares + t))

    def plan(
        self, constants: Constants, key: jax.Array, segment: tuple[jax.Array, jax.Array]
    ) -> Plan:
        """The plan of all tokens of a segment: of a dropped one `ids` has ``-1 - id``.

        Args:
          constants: of the vocabulary; see `TextModel.constants`.
          key: a `jax.random` key.
          segment: token ids and their documents, int32[S] each; document -1 is padding.
        """
        ids, docs = segment
        kept = sampling.random_bits(key, ids.shape) <= constants.keep[ids]
        count = (docs >= 0).sum(dtype=jnp.int32)
        return self.padded(
            jnp.where(kept, ids, -1 - ids), *sampling.sides(docs, self.window), count
        )

    def texts(self, plan: Plan, bits: jax.Array, first: jax.Array) -> Text:
        """The text of steps: only centers that were kept and have a whole window have pairs.

        Args:
          plan: from `plan`.
          bits: random, uint32[T, B, M], one of each token's window.
          first: the first step, int32[].
        """
        text = super().texts(plan, bits, first)
        kept = text.ids >= 0
        chosen = self.centers(kept)
        before, after = (jnp.where(chosen, side, 0) for side in (text.before, text.after))
        return Text(jnp.where(kept, text.ids, -1 - text.ids), before, after, context=kept)

    def windows(
        self, before: jax.Array, after: jax.Array, bits: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        """See `TextModel.windows`; empty for a token whose window is not whole.

        Args:
          before, after: how many tokens of its document stand on each side of a token, dropped
            ones included, up to `W`, int32[..., M].
          bits: random, uint32[..., M].
        """
        whole = after == self.window
        if self.symmetric:
            whole &= before == self.window
        return super().windows(jnp.where(whole, before, 0), jnp.where(whole, after, 0), bits)
