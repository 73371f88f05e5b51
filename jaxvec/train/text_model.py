"""What models of running text share: from a segment of ids to blocks of it and their windows."""

import dataclasses
import math
from typing import Annotated, Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxvec.messages.numbers import check_whole
from jaxvec.models import sampling
from jaxvec.models.products import check_products
from jaxvec.models.sgns import Params, init
from jaxvec.text.corpus import Corpus
from jaxvec.train import spectral
from jaxvec.train.contracts import STEPS_A_DRAW
from jaxvec.train.options import Option, Products, VectorSize
from jaxvec.train.segments import TokenSegments
from jaxvec.train.stability import DEFAULT_BLOCKS


class Constants(NamedTuple):
    """What depends on the vocabulary's counts."""

    keep: jax.Array  # uint32[V], see `sampling.keep_thresholds`
    words: Any  # that a prediction is contrasted with; see `TextModel.choices`


class Plan(NamedTuple):
    """A segment after subsampling, padded at both ends; token i is at place `margin` + i."""

    ids: jax.Array  # int32[padded]
    before: jax.Array  # int32[padded], how many of the W tokens before it are of its document
    after: jax.Array  # int32[padded], how many of the W tokens after it
    steps: jax.Array  # int32, how many steps the kept tokens fill


class Text(NamedTuple):
    """The text of a step: `B` blocks of `M` tokens, each with `W` more on both sides, in all
    `X` = M + 2W.

    A token's window is a range: small enough to be kept for many steps, where the weights of all
    pairs, [B, M, X], are not.
    """

    ids: jax.Array  # int32[B, X]
    before: jax.Array  # int32[B, M], how far the window of each token reaches before it
    after: jax.Array  # int32[B, M], and after it
    context: Any  # bool[B, X], the tokens that may be context; () for all


class Sampled(NamedTuple):
    """A batch of a model with negatives."""

    text: Text
    negatives: jax.Array  # int32[B, N]


@dataclasses.dataclass(frozen=True)
class TextModel:
    """A model trained on text, `blocks` blocks of `block_tokens` tokens a step.

    Attributes:
      vector_size: `D`.
      window: `W`, the farthest neighbor that is context, each side.
      sample: threshold of subsampling, as word2vec's; 0 for none.
      symmetric: whether words on both sides are context, or those after the word alone: with
        a `window` of 1 the model predicts the next word.
      shrink_windows: each word's window is drawn evenly from 1 … `window`; or always `window`.
      block_tokens: `M`, words a block.
      blocks: `B`, blocks a step. None for 2, or fewer and smaller ones where steps would be too
        large for a small vocabulary or a very frequent word; see `stability`.
      products: the precision of products, ``"float32"``, ``"tf32"`` or ``"bfloat16"``, see
        `products.einsum`; None for the device's own. Tables and sums are float32 in each.
    """

    vector_size: VectorSize = 100
    window: Annotated[int, Option("farthest context word each side", "W", least=1)] = 5
    sample: Annotated[float, Option("threshold of subsampling; 0 for none", "T", least=0)] = 1e-3
    shrink_windows: Annotated[bool, Option("windows of W words, not a random 1 to W")] = True
    block_tokens: int = 32
    blocks: Annotated[
        int | None, Option("blocks of 32 words a step; by default at most 2", "B", least=1)
    ] = None
    symmetric: Annotated[bool, Option("only the words that follow are context")] = True
    products: Products = None

    loss_unit = "pair"
    traced: ClassVar[tuple[str, ...]] = ("sample",)

    def __post_init__(self):
        check_products(self.products)
        check_whole("vector_size", self.vector_size)
        check_whole("window", self.window)
        check_whole("block_tokens", self.block_tokens)
        check_whole("blocks", 1 if self.blocks is None else self.blocks)
        if not 0 <= self.sample < np.inf:
            raise ValueError(f"sample must be 0 (keep all) or positive; got {self.sample}")

    def keep_probability(self, counts: np.ndarray) -> np.ndarray:
        """The probability that subsampling keeps a token, by word: float64[V].

        Args:
          counts: of the vocabulary, int[V].
        """
        return sampling.keep_probability(counts, self.sample)

    @property
    def step_tokens(self) -> int:
        """How many tokens a step takes."""
        return (self.blocks or DEFAULT_BLOCKS) * self.block_tokens

    def init(self, key: jax.Array, vocab_size: int) -> Params:
        """word2vec's start; see `sgns.init`."""
        return init(key, vocab_size, self.vector_size)

    def segments(
        self, data: Corpus, valid: float, key: jax.Array, workers: int = 1
    ) -> tuple[TokenSegments, TokenSegments | None]:
        """See `contracts.Source.segments`; the end of the corpus is held out."""
        del key
        if not isinstance(data, Corpus):
            raise ValueError(
                f"this model trains on text, and this is a {data!r}: train GloVe on it"
            )
        if np.diff(data.offsets).max() < 2:
            raise ValueError(
                "there is nothing to learn from: no two words stand together in a document"
            )
        if not valid:
            return TokenSegments.for_workers(data, workers), None
        train, held_out = data.split(valid)
        return TokenSegments.for_workers(train, workers), TokenSegments(held_out)

    def constants(self, data: Corpus) -> Any:
        """The arrays that depend on the vocabulary's counts and on `traced` options."""
        counts = data.vocab.counts
        return Constants(
            keep=sampling.keep_thresholds(self.keep_probability(counts)),
            words=self.choices(counts),
        )

    def max_steps(self, segment: tuple[jax.Array, jax.Array]) -> int:
        """The most steps that a segment can take: if no token is left out."""
        return -(-len(segment[0]) // self.step_tokens)

    def plan(
        self, constants: Constants, key: jax.Array, segment: tuple[jax.Array, jax.Array]
    ) -> Plan:
        """Subsamples a segment of token ids and their documents; see `contracts.Source.plan`."""
        ids, docs, count = sampling.subsample(key, *segment, constants.keep)
        return self.padded(ids, *sampling.sides(docs, self.window), count)

    def padded(self, ids: jax.Array, before: jax.Array, after: jax.Array, count: jax.Array) -> Plan:
        """The plan of `count` tokens, padded; see `Plan`.

        Args:
          ids: token ids, int32[S].
          before, after: from `sampling.sides`, int32[S].
          count: how many tokens the steps cover, int32.
        """
        room = (self.margin, self.step_tokens + self.margin + STEPS_A_DRAW * self.block_tokens)
        ids, before, after = (jnp.pad(tokens, room) for tokens in (ids, before, after))
        return Plan(ids, before, after, steps=-(-count // self.step_tokens))

    @property
    def margin(self) -> int:
        """A window, rounded up to whole blocks."""
        return -(-self.window // self.block_tokens) * self.block_tokens

    def texts(self, plan: Plan, bits: jax.Array, first: jax.Array) -> Text:
        """The text of `T` consecutive steps and its windows: `Text`, with a first axis of `T`.

        Block b of a step follows on block b of the step before, so that the blocks of all steps
        are `B` slices of the plan.

        Args:
          plan: from `plan`.
          bits: random, uint32[T, B, M], one of each token's window.
          first: the first step, int32[].
        """
        steps, blocks, size = bits.shape
        starts = (jnp.arange(blocks, dtype=jnp.int32) * plan.steps + first) * size
        width = steps * size + 2 * self.margin

        def cut(tokens):  # [B, T + 2k, M], with k blocks of margin on each side
            slices = jax.vmap(lambda start: lax.dynamic_slice(tokens, (start,), (width,)))(starts)
            return slices.reshape(blocks, -1, size)

        def own(tokens):  # [T, B, M]
            k = self.margin // size
            return cut(tokens)[:, k : k + steps].swapaxes(0, 1)

        ids = cut(plan.ids)
        around = [ids[:, k : k + steps] for k in range(ids.shape[1] - steps + 1)]
        ids = jnp.concatenate(around, axis=2)  # of each block, from a margin before to one after
        inner = slice(self.margin - self.window, self.margin + size + self.window)
        sides = self.windows(own(plan.before), own(plan.after), bits)
        return Text(ids[:, :, inner].swapaxes(0, 1), *sides, context=())

    def batch(self, constants: Constants, plan: Plan, bits: jax.Array, step: jax.Array) -> Any:
        """The batch of a step; see `contracts.Source.batch`."""
        batches = self.batches(constants, plan, bits[None], step)
        return jax.tree.map(lambda part: part[0], batches)

    def batches(self, constants: Constants, plan: Plan, bits: jax.Array, first: jax.Array) -> Any:
        """The batches of consecutive steps; see `contracts.Draws`."""
        raise NotImplementedError

    def windows(
        self, before: jax.Array, after: jax.Array, bits: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        """How far the windows of tokens reach to each side: two arrays int32[..., M], 0 … W.

        Args:
          before, after: how many tokens of its document stand on each side of a token, up to
            `W`, int32[..., M].
          bits: random, uint32[..., M].
        """
        if self.shrink_windows:
            reach = 1 + sampling.scale(bits, self.window)
            before, after = jnp.minimum(before, reach), jnp.minimum(after, reach)
        return (before if self.symmetric else jnp.zeros_like(before)), after

    def weights(self, text: Text, width: int | None = None) -> jax.Array:
        """The weight of each pair of center and context, 1 in the window: float32[B, M, X].

        Args:
          text: of one step.
          width: the length of the last axis, by default `X`; 0 beyond `X`.
        """
        near = sampling.in_window(text.before, text.after, self.window, width)
        if isinstance(text.context, jax.Array):
            beyond = near.shape[-1] - text.context.shape[-1]
            near &= jnp.pad(text.context, ((0, 0), (0, beyond)))[:, None]
        return near.astype(jnp.float32)

    def centers(self, ids: jax.Array) -> jax.Array:
        """The tokens of the blocks themselves: int32[..., M]."""
        return ids[..., self.window : self.window + self.block_tokens]

    def weight(self, batch) -> jax.Array:
        """How many pairs a batch holds."""
        return self.pairs(batch.text).sum()

    def pairs(self, text: Text) -> jax.Array:
        """How many tokens are in the window of each token of a step: float32[B, M]."""
        if isinstance(text.context, jax.Array):
            return self.weights(text).sum(-1)
        return (text.before + text.after).astype(jnp.float32)

    def context_vector(self, vectors: np.ndarray) -> np.ndarray:
        """The mean of the context's input vectors, [C, D]."""
        return vectors.sum(axis=0) / len(vectors)

    @property
    def pairs_a_token(self) -> float:
        """`P`, the mean number of pairs that a token predicts."""
        sides = 2 if self.symmetric else 1
        return sides * (self.window + 1) / 2 if self.shrink_windows else sides * self.window

    def choices(self, counts: np.ndarray) -> Any:
        """What a prediction is contrasted with: an alias table of noise, or all word ids.

        Args:
          counts: of the vocabulary, int[V].
        """
        raise NotImplementedError


@dataclasses.dataclass(frozen=True)
class NegativeSampling(TextModel):
    """A text model whose predictions are contrasted with noise; see `TextModel`.

    Attributes:
      negative: `K`, negatives a prediction.
      ns_exponent: noise is drawn from counts to this power.
      block_negatives: `N`, negatives drawn a block. None for M · ⌈max(K / 5, K · P / 32)⌉, where
        `P` is the mean number of pairs a token, so that a negative stands for about one negative
        of a token at most. Fewer make steps too large.
      spectral_words: how many words of the text, spread over it, are counted for a warm start;
        see `spectral`. 0 for word2vec's start, random vectors.
    """

    negative: Annotated[int, Option("negative samples of a prediction", "K", least=1)] = 5
    ns_exponent: Annotated[float, Option("draw negatives by counts to the power A", "A")] = 0.75
    block_negatives: int | None = None
    spectral_words: Annotated[
        int, Option("words counted for the spectral start; 0 for a random start", least=0)
    ] = 1 << 22

    traced: ClassVar[tuple[str, ...]] = (*TextModel.traced, "ns_exponent")
    start_options: ClassVar[tuple[str, ...]] = ("spectral_words",)

    def __post_init__(self):
        super().__post_init__()
        check_whole("spectral_words", self.spectral_words, least=0)
        check_whole("negative", self.negative)
        check_whole("block_negatives", self.negatives)
        if not np.isfinite(self.ns_exponent):
            raise ValueError(f"ns_exponent must be a finite number; got {self.ns_exponent}")

    @property
    def negatives(self) -> int:
        """`N`."""
        if self.block_negatives is not None:
            return self.block_negatives
        stands_for = max(self.negative / 5, self.negative * self.pairs_a_token / 32)
        return self.block_tokens * math.ceil(stands_for)

    def head_start(self, segments: TokenSegments) -> Params | None:
        """`spectral.tables` of the text; None if `spectral_words` is 0."""
        if not self.spectral_words:
            return None
        return spectral.tables(
            segments.corpus,
            self.vector_size,
            words=self.spectral_words,
            window=self.window,
            symmetric=self.symmetric,
        )

    def untrained_loss(self, data: Corpus) -> float:
        """(1 + K) log 2."""
        del data
        return (1 + self.negative) * math.log(2)

    def choices(self, counts: np.ndarray) -> sampling.AliasTable:
        """The noise distribution's alias table."""
        return sampling.alias_table(sampling.noise_distribution(counts, self.ns_exponent))

    def bits(self) -> tuple[int, int]:
        """Shape of the uint32 random bits of one step, [B, 2N + M]: two per negative (a draw from
        the alias table), one per token (its window)."""
        return self.step_tokens // self.block_tokens, 2 * self.negatives + self.block_tokens

    def batches(
        self, constants: Constants, plan: Plan, bits: jax.Array, first: jax.Array
    ) -> Sampled:
        """The text of steps, and negatives for each block; see `contracts.Draws.batches`.

        Args:
          constants, plan: from `constants` and `plan`.
          bits: random, uint32[T, B, 2N + M]; see `bits`.
          first: the first step, int32[].
        """
        noise, windows = jnp.split(bits, [2 * self.negatives], axis=-1)
        pairs = noise.reshape(*noise.shape[:2], self.negatives, 2)
        return Sampled(self.texts(plan, windows, first), sampling.draw(constants.words, pairs))

    def steepest_share(self, counts: np.ndarray, share: np.ndarray) -> float:
        """See `contracts.StepSize`: a row as input, or as output, its negatives included."""
        noise = sampling.noise_distribution(counts, self.ns_exponent)
        as_input = share * (1 + self.negative)
        as_output = share + noise * self.negative
        return float(max(as_input.max(), as_output.max()))

    @property
    def step_norm(self) -> float:
        """P · sqrt(1 + K² M / N): a band of positive pairs, beside a constant for negatives."""
        ratio = self.block_tokens / self.negatives
        return self.pairs_a_token * float(np.sqrt(1 + self.negative**2 * ratio))
