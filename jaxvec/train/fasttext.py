"""fastText's models as runs: `load_run` and `save_run` of ``.fasttext.bin``."""

import os
from pathlib import Path
from typing import Any

import numpy as np

from jaxvec.messages.kinds import kind
from jaxvec.models import sgns, subwords
from jaxvec.storage.files import atomic_write, existing
from jaxvec.text.corpus import Corpus
from jaxvec.text.vocab import Vocab
from jaxvec.train.cbow import CBOW
from jaxvec.train.result import Result
from jaxvec.train.skipgram import SkipGram
from jaxvec.vectors.formats import fasttext
from jaxvec.vectors.formats.format import Options
from jaxvec.vectors.formats.source import opened

_KINDS = {fasttext.CBOW: CBOW, fasttext.SKIPGRAM: SkipGram}


def is_model(path: str | os.PathLike[str]) -> bool:
    """Whether a file, not a pipe, is a fastText model.

    Raises:
      FileNotFoundError: if there is no such file.
    """
    if not existing(path).is_file():
        return False
    with opened(path) as source:
        return fasttext.recognizes(source)


def load(path: str | os.PathLike[str]) -> Result:
    """A fastText model as a run that another can start from, on its three tables.

    Args:
      path: of the file.

    Raises:
      FileNotFoundError: if there is no such file.
      ValueError: if it cannot be read; if it has no output matrix, or one of another loss than
        negative sampling.
    """
    with opened(path) as source:
        model = fasttext.read_model(source, Options(), output=True)
        settings = model.settings
    if model.output is None:
        raise ValueError(
            f"{path} has no output matrix, which training goes on with: begin with its vectors, "
            "init=WordVectors.load(path), --init on the command line"
        )
    if settings.loss != fasttext.NEGATIVE_SAMPLING or model.output.shape != model.own.shape:
        raise ValueError(
            f"{path} was trained by another loss than negative sampling: begin with its vectors, "
            "init=WordVectors.load(path), --init on the command line"
        )
    options: dict[str, Any] = {
        "vector_size": settings.dim, "window": settings.ws, "negative": settings.neg,
        "sample": settings.t, "ns_exponent": 0.5,
    }  # fmt: skip
    kept: Any = (subwords.Params, model.own, model.output, model.ngrams)
    if len(model.ngrams):
        options |= {"subwords": (settings.minn, settings.maxn), "buckets": settings.bucket}
    else:
        kept = (sgns.Params, model.own, model.output)
    make, *tables = kept
    nothing = np.zeros(0, np.int32), np.zeros(1, np.int64)
    try:
        corpus = Corpus(Vocab(model.words, model.counts), *nothing, raw_words=0)
        return Result(make(*tables), [], [], corpus, _KINDS[settings.model](**options))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def save(result: Result, path: str | os.PathLike[str]) -> None:
    """Writes a run as a fastText model: its tables and vocabulary, not the optimizer's state.

    Args:
      result: of skip-gram or CBOW.
      path: of the file.

    Raises:
      ValueError: if the model is another, or a word cannot be in such a file.
    """
    model, params = result.model, result.whole().params
    if not isinstance(model, SkipGram | CBOW):
        raise ValueError(
            f"{path} is to be a fastText model, of SkipGram or CBOW; got {kind(model)}: save the "
            "vectors, or the run by another name"
        )
    vocab = result.data.vocab
    settings = fasttext.Settings(
        dim=params.input.shape[1], ws=model.window, neg=model.negative, t=model.sample,
        epoch=max(len(result.history), 1),
        model=fasttext.SKIPGRAM if isinstance(model, SkipGram) else fasttext.CBOW,
    )  # fmt: skip
    ngrams = np.zeros((0, settings.dim), np.float32)
    if model.subwords is not None:
        least, most = model.subwords
        ngrams = np.asarray(params.ngrams)
        settings = settings._replace(bucket=len(ngrams), minn=least, maxn=most)
    tables = np.asarray(params.input), ngrams, np.asarray(params.output)
    with atomic_write(path) as temporary:
        fasttext.write_model(
            fasttext.Model(settings, vocab.words, vocab.counts, *tables), Path(temporary)
        )
