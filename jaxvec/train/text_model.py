"""What models of running text share: from a segment of ids to blocks of it and their windows."""

import dataclasses
from typing import Annotated, Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxvec.messages.numbers import check_whole
from jaxvec.models import sampling
from jaxvec.models.products import check_products
from jaxvec.models.sgns import Params, init, init_rows
from jaxvec.text.corpus import Corpus
from jaxvec.train.contracts import STEPS_A_DRAW
from jaxvec.train.devices import Device, segment_length, step_blocks
from jaxvec.train.options import Option, Products, VectorSize
from jaxvec.train.segments import TokenSegments
from jaxvec.train.stability import DEFAULT_BLOCKS


class Constants(NamedTuple):
    """What depends on the vocabulary's counts."""

    keep: jax.Array  # uint32[V], see `sampling.keep_thresholds`
    words: Any  # that a prediction is contrasted with; see `TextModel.choices`
    ngrams: Any = ()  # `subwords.Lists` of the vocabulary; () for a model without


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
      blocks: `B`, blocks a step. None for the device's default: on a CPU 2, or fewer and smaller
        ones where steps would be too large for a small vocabulary or a very frequent word, see
        `stability`; on an accelerator up to 256, as each step costs it the same launches, and
        fewer where the text is too small to learn from few large steps, see `devices`.
      segment_tokens: the most words of a segment. None for the device's default: a million on
        a CPU, 8 million on an accelerator, which waits for the host between segments. With
        several workers, whose copies are merged after each, see `TokenSegments.for_workers`.
      products: the precision of products, ``"float32"``, ``"tf32"`` or ``"bfloat16"``, see
        `products.einsum`; None for the device's own. Tables and sums are float32 in each.
    """

    vector_size: VectorSize = 100
    window: Annotated[int, Option("farthest context word each side", "W", least=1)] = 5
    sample: Annotated[float, Option("threshold of subsampling; 0 for none", "T", least=0)] = 1e-3
    shrink_windows: Annotated[bool, Option("windows of W words, not a random 1 to W")] = True
    block_tokens: int = 32
    blocks: Annotated[
        int | None,
        Option(
            "blocks of 32 words a step; by default at most 2, 256 on an accelerator", "B", least=1
        ),
    ] = None
    symmetric: Annotated[bool, Option("only the words that follow are context")] = True
    segment_tokens: int | None = None
    products: Products = None

    loss_unit = "pair"
    traced: ClassVar[tuple[str, ...]] = ("sample",)
    device_options: ClassVar[tuple[str, ...]] = ("blocks", "segment_tokens")

    def __post_init__(self):
        check_products(self.products)
        check_whole("vector_size", self.vector_size)
        check_whole("window", self.window)
        check_whole("block_tokens", self.block_tokens)
        check_whole("blocks", 1 if self.blocks is None else self.blocks)
        check_whole("segment_tokens", 1 if self.segment_tokens is None else self.segment_tokens)
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

    def init_rows(self, key: jax.Array, rows: jax.Array) -> Params:
        """Rows of `init`'s tables, by their ids; see `contracts.InitRows`."""
        return init_rows(key, rows, self.vector_size)

    def segments(
        self, data: Corpus, valid: float, key: jax.Array, workers: int = 1
    ) -> tuple[TokenSegments, TokenSegments | None]:
        """See `contracts.Source.segments`; the end of the corpus is held out."""
        del key
        if not isinstance(data, Corpus):
            raise ValueError(
                f"this model trains on text, and this is a {data!r}: train GloVe on it"
            )
        if data.longest_document() < 2:
            raise ValueError(
                "there is nothing to learn from: no two words stand together in a document"
            )
        if not valid:
            return TokenSegments.for_workers(data, workers, self.segment_tokens), None
        train, held_out = data.split(valid)
        return (
            TokenSegments.for_workers(train, workers, self.segment_tokens),
            TokenSegments(held_out, self.segment_tokens),
        )

    def for_device(self, device: Device, data: Any, workers: int = 1) -> dict[str, int | None]:
        """See `contracts.ByDevice`, and `devices` for the rules.

        Args:
          device: that trains.
          data: the text.
          workers: `N`, who share it out.
        """
        counts = data.vocab.counts
        kept = counts * self.keep_probability(counts)
        repeats = float(np.square(kept / kept.sum()).sum())
        return {
            "blocks": step_blocks(device, self.block_tokens, kept.sum() / workers, repeats),
            "segment_tokens": segment_length(device),
        }

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
