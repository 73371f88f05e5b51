"""Word vectors in flax models: pretrained embedding layers, and skip-gram as a module.

Importing `jaxvec.nn` imports flax.

A `Vocab` maps words to ids. `vocabulary` makes one from vectors, with ids for padding and for
unknown words; `encode` turns texts into padded ids; `nnx_embed` and `linen_embed` make an
embedding layer with a row per id; `word_vectors` turns a trained table back into `WordVectors`.
"""

from jaxvec.nn.batches import Padded as Padded
from jaxvec.nn.batches import encode as encode
from jaxvec.nn.batches import pad as pad
from jaxvec.nn.embed import Frozen as Frozen
from jaxvec.nn.embed import frozen_labels as frozen_labels
from jaxvec.nn.embed import linen_embed as linen_embed
from jaxvec.nn.embed import nnx_embed as nnx_embed
from jaxvec.nn.rows import table as table
from jaxvec.nn.rows import vocabulary as vocabulary
from jaxvec.nn.rows import word_vectors as word_vectors
from jaxvec.nn.skipgram import SkipGramNeg as SkipGramNeg
from jaxvec.nn.skipgram import negative_sampling_loss as negative_sampling_loss
