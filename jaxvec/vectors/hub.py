"""Folders as model hubs have them, which model2vec and sentence-transformers open.

A folder holds ``model.safetensors`` (a row a word, and one of zeros for unknown words),
``tokenizer.json`` (of the word-level kind: a token is what stands between white space),
``config.json``, ``modules.json`` and ``README.md``, the model's card. In model2vec the vector of a
text is that of `texts.encode`, plain means. sentence-transformers counts unknown words in the mean,
so that there it has the same direction, and is shorter.
"""

import contextlib
import json
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from jaxvec.storage.door import reading
from jaxvec.storage.files import expanded, synced_folder, to_json, umask, writable
from jaxvec.storage.tensors import Tensors
from jaxvec.vectors.formats.archive import import_safetensors
from jaxvec.vectors.formats.checks import check_numbers
from jaxvec.vectors.table import WordTable

_MODEL, _TOKENIZER = "model.safetensors", "tokenizer.json"
_EMBEDDINGS, _COUNTS, _METADATA = "embeddings", "counts", "jaxvec"


def save(
    vectors: WordTable,
    folder: str | os.PathLike[str],
    *,
    lowercase: bool = False,
    scores: Mapping[str, Any] | None = None,
    license: str | None = None,
) -> None:
    """Writes a folder; it appears whole or not at all, even after a power failure.

    Args:
      vectors: the words, their vectors, counts and metadata; other attributes are left out.
      folder: a name that is free, or an empty folder.
      lowercase: whether texts are to be put into lower case, for vectors of lower-case words.
      scores: a figure, or text, for each name in the card's table.
      license: of the vectors, for the card, such as ``"cc-by-4.0"``.

    Raises:
      FileNotFoundError: if there is no folder to make it in.
      ValueError: if there is a file or a folder with files; for a word with white space, or with
        capitals if `lowercase`, which no text would find; for vectors that are not finite; without
        the package safetensors.

    >>> folder = getfixture("tmp_path") / "cats"
    >>> save(WordTable(["cat", "dog"], np.eye(2), counts=[5, 3]), folder)
    >>> load(folder).counts.tolist()
    [5, 3]
    """
    module = import_safetensors(folder)
    for word in vectors.index_to_key:
        if word.split() != [word]:
            raise ValueError(f"the word {word!r} holds white space, at which the tokenizer splits")
        if lowercase and word != word.lower():
            raise ValueError(f"the word {word!r} has capitals, which lowercase=True takes away")
    check_numbers(vectors, vectors.vectors.dtype)
    if vectors.subwords is not None:
        warnings.warn(f"{folder}: a folder for hubs holds no n-grams: they are left out; save as "
                      ".npz to keep them", stacklevel=3)  # fmt: skip
    unknown = "[UNK]"
    while unknown in vectors.key_to_index:
        unknown = f"[{unknown}]"
    dtype = vectors.vectors.dtype
    rows = np.concatenate([vectors.vectors, np.zeros((1, vectors.vector_size), dtype)])
    tensors = {_EMBEDDINGS: rows}
    if vectors.counts is not None:
        tensors[_COUNTS] = vectors.counts
    config = {
        "model_type": "model2vec", "architectures": ["StaticModel"], "normalize": False,
        "max_length": None, "hidden_dim": vectors.vector_size, "embedding_dtype": str(dtype),
    }  # fmt: skip
    modules = [{"idx": 0, "name": "0", "path": ".",
                "type": "sentence_transformers.models.StaticEmbedding"}]  # fmt: skip
    with _new_folder(folder) as made:
        module.numpy.save_file(tensors, made / _MODEL, {_METADATA: to_json(vectors.metadata)})
        _write(made / _TOKENIZER, json.dumps(_tokenizer(vectors, unknown, lowercase)))
        _write(made / "config.json", json.dumps(config, indent=2))
        _write(made / "modules.json", json.dumps(modules, indent=2))
        _write(made / "README.md", card(vectors, expanded(folder).name, scores, license))


def load(folder: str | os.PathLike[str]) -> WordTable:
    """Reads a folder of `save`, or another of a model2vec model whose tokenizer is word-level.

    Args:
      folder: on this machine; of a hub, ``huggingface_hub.snapshot_download(name)`` fetches one.

    Returns:
      The words and their vectors; the row of unknown words is left out if it is all zeros.

    Raises:
      FileNotFoundError: if there is no such folder, or a file is missing in it.
      ValueError: if its tokens are parts of words, or words and vectors do not fit; for any other
        error that is one of the files' content.
    """
    place = expanded(folder)
    for path in (place, place / _MODEL, place / _TOKENIZER):
        if not path.exists():
            raise FileNotFoundError(
                f"there is no {path}: of a hub, huggingface_hub.snapshot_download(name) fetches "
                "a folder with it"
            )
    with reading(folder, "a folder of a model"), open(place / _MODEL, "rb") as file:
        tokens = json.loads((place / _TOKENIZER).read_text("utf-8"))["model"]
        kind, places, unknown = (tokens.get(name) for name in ("type", "vocab", "unk_token"))
        if kind != "WordLevel":
            raise ValueError(f"the tokenizer of {folder} is {kind}, of parts of words: only "
                             "WordLevel, of words, can be read")  # fmt: skip
        tensors = Tensors(file)
        names = set(tensors.found)
        name = next(iter({_EMBEDDINGS, "embedding.weight"} & names), None)
        if name is None or names & {"mapping", "weights"}:
            raise ValueError(f"{folder} holds {sorted(names)}; expected a row for each word in "
                             f"{_EMBEDDINGS}, and no mapping or weights")  # fmt: skip
        rows, counts = tensors.read(name), tensors.read(_COUNTS) if _COUNTS in names else None
        metadata = json.loads(tensors.metadata.get(_METADATA, "{}"))
        words = sorted(places, key=places.__getitem__)
        if rows.ndim != 2 or [places[word] for word in words] != list(range(len(rows))):
            raise ValueError(f"{folder} has {len(words)} words and vectors {list(rows.shape)}")
        if unknown in places and places[unknown] == len(rows) - 1 and not rows[-1].any():
            words, rows = words[:-1], rows[:-1]
        return WordTable(words, rows, counts=counts, metadata=metadata, dtype=rows.dtype)


def push(vectors: WordTable, repo_id: str, *, token: str | None = None, private: bool | None = None,
         **options: Any) -> str:  # fmt: skip
    """Makes a repository on the Hugging Face Hub if it is missing, and uploads the folder.

    Args:
      vectors: the vectors.
      repo_id: ``"name/of-model"``.
      token: of the account; by default that of ``hf auth login``.
      private: whether a new repository is private; by default as the account has it.
      options: of `save`.

    Returns:
      The address of the commit.

    Raises:
      ValueError: without the package huggingface_hub; as `save`.
    """
    api = _hub().HfApi(token=token)
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent) / repo_id.rpartition("/")[2]
        save(vectors, folder, **options)
        api.create_repo(repo_id, private=private, exist_ok=True)
        return str(api.upload_folder(repo_id=repo_id, folder_path=folder))


def card(
    vectors: WordTable,
    name: str,
    scores: Mapping[str, Any] | None = None,
    license: str | None = None,
) -> str:
    """A model's card, Markdown that begins with YAML.

    Args:
      vectors: with what is known of them in their metadata.
      name: of the model.
      scores, license: as for `save`.
    """
    tags = ["word-vectors", "static-embeddings", "sentence-transformers", "jaxvec"]
    head = ["library_name: model2vec", "tags:", *(f"- {tag}" for tag in tags)]
    head += [f"license: {json.dumps(license)}"] * (license is not None)
    facts = {"words": f"{len(vectors):,}", "numbers a word": vectors.vector_size}
    if vectors.counts is not None:
        facts["words of the text"] = f"{int(vectors.counts.sum()):,}"
    lines = ["---", *head, "---", "", f"# {name}", "", "Vectors of words, made by jaxvec.", ""]
    for title, table in (("of", {**facts, **vectors.metadata}), ("score of", scores or {})):
        if table:
            lines += [f"| {title} | |", "|---|---|"]
            lines += [f"| {_cell(key)} | {_cell(value)} |" for key, value in table.items()]
            lines.append("")
    lines += ["```python", "model = model2vec.StaticModel.from_pretrained(folder)",
              "vectors = jaxvec.WordVectors.from_pretrained(folder)", "```", ""]  # fmt: skip
    return "\n".join(lines)


def _cell(value: Any) -> str:
    text = value if isinstance(value, str) else to_json(value)
    return " ".join(text.split()).replace("|", "\\|")


def _tokenizer(vectors: WordTable, unknown: str, lowercase: bool) -> dict[str, Any]:
    vocab = {**vectors.key_to_index, unknown: len(vectors)}
    return {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": [],
        "normalizer": {"type": "Lowercase"} if lowercase else None,
        "pre_tokenizer": {"type": "WhitespaceSplit"}, "post_processor": None, "decoder": None,
        "model": {"type": "WordLevel", "vocab": vocab, "unk_token": unknown},
    }  # fmt: skip


def _write(temporary: Path, text: str) -> None:
    temporary.write_text(text, "utf-8", newline="\n")


@contextlib.contextmanager
def _new_folder(folder: str | os.PathLike[str]) -> Iterator[Path]:
    """A folder beside the one asked for, which is on the disk and takes its name if the block
    succeeds."""
    target = writable(folder)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ValueError(f"{folder} exists: give a name that is free, or an empty folder")
    made = Path(tempfile.mkdtemp(prefix=f".{target.name[:40]}.", suffix=".part", dir=target.parent))
    try:
        yield made
        for path in made.iterdir():
            with open(path, "rb+") as file:
                os.fsync(file.fileno())
        synced_folder(made)
        made.chmod(0o777 & ~umask())
        made.replace(target)
    except BaseException:
        shutil.rmtree(made)
        raise
    synced_folder(target.parent)


def _hub() -> ModuleType:
    try:
        import huggingface_hub
    except ImportError:
        raise ValueError(
            "this needs the package huggingface_hub: pip install 'jaxvec[hub]'"
        ) from None
    return huggingface_hub
