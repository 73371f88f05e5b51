"""Word vectors in flax models: as the embedding of a model, and skip-gram as a module.

flax is loaded with it, when it is first used.

What an id means is a `Vocab`'s to say. `vocabulary` makes one of vectors, with rows of its
own for padding and for unknown words; `encode` turns texts into its ids; `nnx_embed` and
`linen_embed` make the layer whose rows are in its order; and `word_vectors` gives the words
their vectors back when the layer has been trained.
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
