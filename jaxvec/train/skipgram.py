"""Skip-gram as the trainer sees it: from a segment of ids to blocks of pairs."""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxvec import sampling, sgns
from jaxvec.text.corpus import Corpus
from jaxvec.train.segments import TokenSegments

DEFAULT_BLOCKS = 4


class Noise(NamedTuple):
    """What depends on the vocabulary's counts."""

    keep: jax.Array  # uint32[V], see `sampling.keep_thresholds`
    table: sampling.AliasTable


class Plan(NamedTuple):
    """A segment after subsampling, with room for a window at its start and a block at its end."""

    ids: jax.Array  # int32[W + S + B·M + W]
    docs: jax.Array  # the same; -1 where there is no token
    steps: jax.Array  # int32, how many steps the tokens left fill


@dataclasses.dataclass(frozen=True)
class SkipGram:
    """Skip-gram with negative sampling: what is trained, and on which pairs.

    A step takes `blocks` stretches of `block_tokens` words, from as many places of the
    segment, and pairs each word with its neighbours and with the block's negatives.

    Attributes:
      vector_size: `D`.
      window: `W`, the farthest neighbour that is context, each side.
      negative: `K`, negatives a pair.
      ns_exponent: noise is drawn from counts to this power.
      sample: threshold of subsampling, as word2vec's; 0 for none.
      shrink_windows: each word's window is drawn evenly from 1 … `window`; or always `window`.
      block_tokens: `M`, words a block.
      block_negatives: `N`, negatives drawn a block; None for `block_tokens`, or more if
        `negative` is over 5: fewer make each one's step too large.
      blocks: `B`, blocks a step. None for 4, or fewer and smaller ones if the vocabulary
        is so small, or a word so frequent, that steps would grow too large; see `stable`.
    """

    vector_size: int = 100
    window: int = 5
    negative: int = 5
    ns_exponent: float = 0.75
    sample: float = 1e-3
    shrink_windows: bool = True
    block_tokens: int = 32
    block_negatives: int | None = None
    blocks: int | None = None

    def __post_init__(self):
        for name in (
            "vector_size",
            "window",
            "negative",
            "block_tokens",
            "block_negatives",
            "blocks",
        ):
            value = getattr(self, name)
            if value is None and name in ("block_negatives", "blocks"):
                continue
            if isinstance(value, bool) or value != int(value) or value < 1:
                raise ValueError(f"{name} must be a whole number of at least 1; got {value}")
        if not np.isfinite(self.ns_exponent):
            raise ValueError(f"ns_exponent must be a finite number; got {self.ns_exponent}")
        if not 0 <= self.sample < np.inf:
            raise ValueError(f"sample must be 0 (keep all) or positive; got {self.sample}")

    default_optimizer = "sgd"
    default_vectors = "input"

    rows = staticmethod(sgns.rows)
    take = staticmethod(sgns.take)
    rows_loss = staticmethod(sgns.rows_loss)

    def stable(self, counts: np.ndarray, rate: float) -> "SkipGram":
        """The same with `blocks` chosen so that plain SGD at that rate stays stable.

        All pairs of a step push from the same point. A row that n of them share moves by
        up to n · rate times its partners, and they by as much times it: beyond a product
        of about 1 the two can drive each other to infinity. word2vec, which takes pairs
        one by one, cannot. So a step takes as many tokens as keep the most frequent
        row's product, on average, below 2.
        """
        if self.blocks is not None:
            return self
        kept = counts * sampling.keep_probability(counts, self.sample)
        share = kept / kept.sum()
        noise = sampling.noise_distribution(counts, self.ns_exponent)
        pairs = self.window + 1 if self.shrink_windows else 2 * self.window  # a token, on average
        as_input = share * (1 + self.negative)
        as_output = share + noise * self.negative
        tokens = 2 / (rate * pairs * max(as_input.max(), as_output.max()))
        size = int(np.clip(tokens, 1, self.block_tokens))
        return dataclasses.replace(
            self, block_tokens=size, blocks=int(np.clip(tokens / size, 1, DEFAULT_BLOCKS))
        )

    @property
    def _step(self) -> tuple[int, int, int]:
        """Blocks a step, and a block's tokens and negatives."""
        size = self.block_tokens
        negatives = self.block_negatives or size * max(1, -(-self.negative // 5))
        return self.blocks or DEFAULT_BLOCKS, size, negatives

    def init(self, key: jax.Array, vocab_size: int) -> sgns.Params:
        return sgns.init(key, vocab_size, self.vector_size)

    def segments(
        self, data: Corpus, valid: float, key: jax.Array
    ) -> tuple[TokenSegments, TokenSegments | None]:
        """What to train on, and what is held out: the corpus's end."""
        del key
        if not isinstance(data, Corpus):
            raise ValueError(f"skip-gram trains on text, and this is a {data!r}: train GloVe on it")
        if np.diff(data.offsets).max() < 2:
            raise ValueError(
                "there is nothing to learn from: no two words stand together in a document"
            )
        if not valid:
            return TokenSegments(data), None
        train, held_out = data.split(valid)
        return TokenSegments(train), TokenSegments(held_out)

    def constants(self, data: Corpus) -> Noise:
        """Tables of the vocabulary's counts."""
        counts = data.vocab.counts
        distribution = sampling.noise_distribution(counts, self.ns_exponent)
        return Noise(
            keep=sampling.keep_thresholds(sampling.keep_probability(counts, self.sample)),
            table=sampling.alias_table(distribution),
        )

    def max_steps(self, segment: tuple[jax.Array, jax.Array]) -> int:
        """The most steps that a segment can take: if no token is left out."""
        blocks, size, _ = self._step
        return -(-len(segment[0]) // (blocks * size))

    def plan(self, constants: Noise, key: jax.Array, segment: tuple[jax.Array, jax.Array]) -> Plan:
        """Subsamples a segment: token ids and their documents."""
        ids, docs, count = sampling.subsample(key, *segment, constants.keep)
        blocks, size, _ = self._step
        room = (self.window, blocks * size + self.window)
        return Plan(
            ids=jnp.pad(ids, room),
            docs=jnp.pad(docs, room, constant_values=-1),
            steps=-(-count // (blocks * size)),
        )

    def bits(self) -> tuple[int, int]:
        """The shape of the random words of a step: for each block, two a negative, one a centre."""
        blocks, size, negatives = self._step
        return blocks, 2 * negatives + size

    def batch(self, constants: Noise, plan: Plan, bits: jax.Array, step: jax.Array) -> sgns.Blocks:
        """The blocks of a step."""
        window = self.window
        blocks, size, negatives = self._step
        starts = (jnp.arange(blocks) * plan.steps + step) * size

        def stretch(tokens, start):  # a block's tokens and a window's width on each side
            return lax.dynamic_slice(tokens, (start,), (size + 2 * window,))

        ids = jax.vmap(stretch, (None, 0))(plan.ids, starts)
        docs = jax.vmap(stretch, (None, 0))(plan.docs, starts)
        noise_bits, window_bits = bits[:, : 2 * negatives], bits[:, 2 * negatives :]
        if self.shrink_windows:
            reach = 1 + sampling.scale(window_bits, window)
        else:
            reach = jnp.full(window_bits.shape, window)
        weights = jax.vmap(sampling.window_weights, (0, 0, None))(docs, reach, window)
        return sgns.Blocks(
            centres=ids[:, window : window + size],
            contexts=ids,
            negatives=sampling.draw(constants.table, noise_bits.reshape(blocks, negatives, 2)),
            weights=weights,
            negative_weights=weights.sum(-1) * (self.negative / negatives),
        )

    def weight(self, batch: sgns.Blocks) -> jax.Array:
        """How many pairs a batch holds."""
        return batch.weights.sum()
