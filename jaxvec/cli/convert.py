"""`jaxvec convert` and `jaxvec info`: word vectors in another format, and what a file holds."""

import argparse
import json

from jaxvec.cli.common import Flags, check_output, path, say, whole
from jaxvec.vectors import formats
from jaxvec.vectors.table import FLOATING
from jaxvec.vectors.word_vectors import WordVectors

_FORCE_SIZE = "read a compressed file even if it holds over 64 times its size"


def add_convert_options(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of `convert` to a parser."""
    parser.description = (
        "Reads word vectors, in a format found by content, and writes them in the "
        "format that the suffix of OUT names: .txt or .vec (word2vec text), .bin (word2vec "
        "binary, always float32), .glove.txt (GloVe text), .npz, .safetensors, or .projector, a "
        "folder for TensorBoard's embedding projector: tensorboard --logdir OUT."
    )
    parser.epilog = (
        "examples:\n  jaxvec convert vectors.npz vectors.bin\n"
        "  jaxvec convert glove.txt small.npz --limit 50000 --dtype float16\n"
        "  jaxvec convert glove.txt glove.projector --limit 10000"
    )
    add = Flags(parser)
    add("input IN", "word vectors in any of these formats", path)
    add("output OUT", "where they go", path)
    add("--limit N", "take only the first N words", whole(1))
    add(
        "--dtype",
        "round or widen the numbers (default: as stored; text is read as float32)",
        choices=[str(dtype) for dtype in FLOATING],
    )
    add(
        "--errors",
        "what to do about words that are not UTF-8 (default: strict)",
        choices=["strict", "replace", "ignore"],
        default="strict",
    )
    add("--header", "start GloVe text with the number of vectors and their size")
    add("--force", "overwrite the output")
    add("--force-size", _FORCE_SIZE)
    parser.set_defaults(run=convert)


def add_info_options(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of `info` to a parser."""
    parser.description = (
        "Prints format, number of words, dimension, dtype, size on disk, metadata, lengths and "
        "buckets of n-grams, and first words of a file of word vectors, without reading all of its "
        "numbers."
    )
    parser.epilog = "example:\n  jaxvec info vectors.npz"
    add = Flags(parser)
    add("file FILE", "word vectors in any format", path)
    add("--json", "print JSON")
    add("--force-size", _FORCE_SIZE)
    parser.set_defaults(run=info)


def convert(options: argparse.Namespace) -> None:
    """Reads the vectors and writes them."""
    files = formats.outputs(options.output)
    folder = files[0].parent
    if len(files) > 1 and not folder.exists():  # save makes it
        check_output(str(folder), force=options.force, inputs=[options.input])
    else:
        for file in files:
            check_output(str(file), force=options.force, inputs=[options.input])
    vectors = WordVectors.load(
        options.input, limit=options.limit, dtype=options.dtype, errors=options.errors,
        force_size=options.force_size,
    )  # fmt: skip
    formats.save(vectors, options.output, header=options.header)
    say(f"{len(vectors):,} vectors of {vectors.vector_size} numbers are in {options.output}")


def info(options: argparse.Namespace) -> None:
    """Prints what a file holds."""
    found = formats.info(options.file, force_size=options.force_size)
    if options.json:
        print(json.dumps(found._asdict(), ensure_ascii=False))
        return
    print(f"format     {found.format}")
    print(f"words      {found.words:,}")
    print(f"dimension  {found.vector_size}")
    print(f"dtype      {found.dtype}")
    print(f"bytes      {found.bytes:,}")
    if found.metadata:
        print(f"metadata   {json.dumps(found.metadata, ensure_ascii=False)}")
    if found.ngrams:
        least, most = found.ngrams["lengths"]
        print(f"n-grams    {least} to {most} characters in {found.ngrams['buckets']:,} buckets")
    print(f"first      {' '.join(found.first)}")
