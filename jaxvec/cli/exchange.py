"""`jaxvec convert` and `jaxvec info`: files of word vectors from one format to another."""

import argparse
import json

from jaxvec.cli.common import check_output, path, say, whole
from jaxvec.vectors import formats
from jaxvec.vectors.table import FLOATING
from jaxvec.vectors.word_vectors import WordVectors


def add_convert_options(parser: argparse.ArgumentParser) -> None:
    """Makes a parser that of `convert`."""
    parser.description = (
        "Reads word vectors, their format told by content, and writes them in the "
        "format that the suffix of OUT names: .txt or .vec (word2vec text), .bin (word2vec "
        "binary, always float32), .glove.txt (GloVe text), .npz, .safetensors, or .projector, a "
        "folder for TensorBoard's embedding projector: tensorboard --logdir OUT."
    )
    parser.epilog = (
        "examples:\n  jaxvec convert vectors.npz vectors.bin\n"
        "  jaxvec convert glove.txt small.npz --limit 50000 --dtype float16\n"
        "  jaxvec convert glove.txt glove.projector --limit 10000"
    )
    add = parser.add_argument
    add("input", type=path, metavar="IN", help="word vectors in any of these formats")
    add("output", type=path, metavar="OUT", help="where they go")
    add("--limit", type=whole(1), metavar="N", help="take the first N words only")
    add("--dtype", choices=[str(dtype) for dtype in FLOATING],
        help="round or widen the numbers (default: as stored; text is read as float32)"
        )  # fmt: skip
    add("--errors", choices=["strict", "replace", "ignore"], default="strict",
        help="what to do about words that are not UTF-8 (default: strict)")  # fmt: skip
    add("--header", action="store_true",
        help="begin GloVe text with the number of vectors and their size")  # fmt: skip
    add("--force", action="store_true", help="overwrite the output")
    parser.set_defaults(run=convert)


def add_info_options(parser: argparse.ArgumentParser) -> None:
    """Makes a parser that of `info`."""
    parser.description = (
        "Tells format, number of words, dimension, dtype, size on disk, metadata and "
        "the first words of a file of word vectors, without reading all of its numbers."
    )
    parser.epilog = "example:\n  jaxvec info vectors.npz"
    parser.add_argument("file", type=path, metavar="FILE", help="word vectors in any format")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=info)


def convert(options: argparse.Namespace) -> None:
    """Reads and writes."""
    files = formats.outputs(options.output)
    folder = files[0].parent
    if len(files) > 1 and not folder.exists():  # which is made
        check_output(str(folder), force=options.force, inputs=[options.input])
    else:
        for file in files:
            check_output(str(file), force=options.force, inputs=[options.input])
    vectors = WordVectors.load(
        options.input, limit=options.limit, dtype=options.dtype, errors=options.errors
    )
    formats.save(vectors, options.output, header=options.header)
    say(f"{len(vectors):,} vectors of {vectors.vector_size} numbers are in {options.output}")


def info(options: argparse.Namespace) -> None:
    """Prints what is in a file."""
    found = formats.info(options.file)
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
    print(f"first      {' '.join(found.first)}")
