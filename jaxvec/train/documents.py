"""Paragraph vectors (PV-DBOW) as a `contracts.Model`: documents that predict their words."""

import dataclasses
from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxvec.messages.gensim import explained_model
from jaxvec.models import documents as pure
from jaxvec.models import sampling
from jaxvec.storage.arrays import release, still_whole
from jaxvec.text.corpus import Corpus
from jaxvec.train.contracts import STEPS_A_DRAW
from jaxvec.train.devices import Device
from jaxvec.train.ngrams import DEFAULT_BUCKETS
from jaxvec.train.noise import NegativeSampling
from jaxvec.train.segments import Tokens, TokenSegments
from jaxvec.train.text_model import Constants

DOCUMENTS = "documents"
"""The name of the table whose rows are of documents."""


class DocumentPlan(NamedTuple):
    """A segment after subsampling, padded at its end."""

    ids: jax.Array  # int32[padded]
    docs: jax.Array  # int32[padded], the document of each token in the corpus; -1 for padding
    steps: jax.Array  # int32


class DocumentSegments(TokenSegments):
    """Segments of a corpus whose documents are numbered through the whole of it."""

    def _read(self, i: int) -> Tokens:
        ids, docs = super()._read(i)
        still_whole(self.corpus.offsets)
        first = np.searchsorted(self.corpus.offsets, self.bounds[i], "right") - 1
        release(self.corpus.offsets)
        docs[: self.sizes[i]] += np.int32(first)
        return Tokens(ids, docs)


@explained_model
@dataclasses.dataclass(frozen=True)
class ParagraphVectors(NegativeSampling):
    """Paragraph vectors, PV-DBOW: a document's vector predicts each of its words, in contrast with
    noise.

    A step takes `blocks` · `block_tokens` tokens, each from another place of the segment, so that
    they are of many documents. For its other options see `TextModel` and `NegativeSampling`; it
    has no window.

    Attributes:
      documents: `N`, how many documents the text has; None for `fit` to count them.
      longest_document: the tokens of the longest, which a step may have many of; None as above.
    """

    documents: int | None = None
    longest_document: int | None = None
    window: ClassVar[int] = 1  # type: ignore[misc]
    shrink_windows: ClassVar[bool] = False  # type: ignore[misc]
    symmetric: ClassVar[bool] = True  # type: ignore[misc]
    subwords: ClassVar[None] = None  # type: ignore[misc]
    buckets: ClassVar[int] = DEFAULT_BUCKETS  # type: ignore[misc]

    default_optimizer = "sgd"
    default_learning_rate = 0.03
    default_vectors = "documents"
    loss_every: ClassVar[int] = 8  # see `contracts.SparseLoss`
    device_options: ClassVar[tuple[str, ...]] = (
        *NegativeSampling.device_options, "documents", "longest_document",
    )  # fmt: skip
    init_rows = None  # type: ignore[assignment]  # tables of two lengths

    def init(self, key: jax.Array, vocab_size: int) -> Any:
        """See `documents.init`."""
        if self.documents is None:
            raise ValueError("documents=None is for fit to count: give the number of documents")
        return pure.init(key, vocab_size, self.documents, self.vector_size)

    def for_device(self, device: Device, data: Any, workers: int = 1) -> dict[str, int | None]:
        """The device's blocks and segments, and the documents counted.

        Args:
          device: that trains.
          data: the text.
          workers: `N`, who share it out.
        """
        counted = self.of(data)
        return super().for_device(device, data, workers) | {
            "documents": counted.documents, "longest_document": counted.longest_document
        }  # fmt: skip

    def of(self, data: Any) -> "ParagraphVectors":
        """The model with the documents of a text counted.

        Args:
          data: the text.

        Raises:
          ValueError: if it is counts.
        """
        if not isinstance(data, Corpus):
            raise ValueError(f"this model trains on text, and this is a {data!r}")
        return dataclasses.replace(
            self, documents=len(data.offsets) - 1, longest_document=data.longest_document()
        )

    def segments(
        self, data: Corpus, valid: float, key: jax.Array, workers: int = 1
    ) -> tuple[TokenSegments, None]:
        """See `contracts.Source.segments`. Nothing is held out: a document that is not trained on
        has no vector."""
        del valid, key
        if self.documents != self.of(data).documents:
            raise ValueError(
                f"the text has {len(data.offsets) - 1:,} documents, and documents={self.documents}"
            )
        return DocumentSegments.for_workers(data, workers, self.segment_tokens), None

    def head_start(self, segments: TokenSegments) -> Any:
        """`spectral.tables` of the words; documents begin at random."""
        found = super().head_start(segments)
        if found is None:
            return None
        return pure.Params(found.output, jnp.zeros((0, self.vector_size), jnp.float32))

    def plan(
        self, constants: Constants, key: jax.Array, segment: tuple[jax.Array, jax.Array]
    ) -> Any:
        """Subsamples a segment of token ids and their documents; see `contracts.Source.plan`."""
        ids, docs, count = sampling.subsample(key, *segment, constants.keep)
        room = (0, self.step_tokens + STEPS_A_DRAW)
        ids, docs = jnp.pad(ids, room), jnp.pad(docs, room, constant_values=-1)
        return DocumentPlan(ids, docs, steps=-(-count // self.step_tokens))

    def batches(self, constants: Constants, plan: Any, bits: jax.Array, first: jax.Array) -> Any:
        """Tokens of all parts of the segment, and negatives for each block; see
        `contracts.Draws.batches`.

        Token t of a step follows on token t of the step before, so that a document's tokens are
        met one by one, in steps that follow each other.

        Args:
          constants, plan: from `constants` and `plan`.
          bits: random, uint32[T, B, 2N + M]; see `NegativeSampling.bits`.
          first: the first step, int32[].
        """
        steps, blocks, _ = bits.shape
        starts = jnp.arange(self.step_tokens, dtype=jnp.int32) * plan.steps + first

        def cut(tokens):  # [T, B, M]
            lanes = jax.vmap(lambda start: lax.dynamic_slice(tokens, (start,), (steps,)))(starts)
            return lanes.T.reshape(steps, blocks, self.block_tokens)

        words, docs = cut(plan.ids), cut(plan.docs)
        draws = bits[..., : 2 * self.negatives].reshape(steps, blocks, self.negatives, 2)
        negatives = sampling.draw(constants.words, draws)
        weights = (docs >= 0).astype(jnp.float32)
        docs = jnp.where(docs < 0, self.documents or 0, docs)  # no row's
        scale = self.negative / self.negatives
        return pure.Batch(docs, words, negatives, weights, weights * scale)

    def rows(self, batch: Any) -> Any:
        """See `documents.rows`."""
        return pure.rows(batch)

    def rows_loss(self, vectors: Any, batch: Any) -> jax.Array:
        """See `documents.loss`, by token: [B, M]."""
        return pure.rows_loss(vectors, batch, products=self.products)

    def rows_curvature(self, vectors: Any, batch: Any) -> Any:
        """See `documents.typical_curvature`."""
        return pure.typical_curvature(vectors, batch)

    def weight(self, batch: Any) -> jax.Array:
        """How many tokens a batch holds."""
        return batch.weights.sum()

    @property
    def pairs_a_token(self) -> float:
        """1: the document and the token."""
        return 1.0

    def steepest_share(self, counts: np.ndarray, share: np.ndarray, words: Sequence[str]) -> float:
        """See `contracts.StepSize`: a word, or the longest document."""
        of_longest = (self.longest_document or 0) / counts.sum() * (1 + self.negative)
        return max(super().steepest_share(counts, share, words), of_longest)
