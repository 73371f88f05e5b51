"""jaxvec: word vectors in JAX.

Text to ids (`Corpus`, `Vocab`) and counts (`cooccurrence`), pure losses (`sgns`, `glove`),
training (`fit`), and vectors to query (`WordVectors`).
"""

from importlib.metadata import version

from jaxvec import cbow as cbow
from jaxvec import cooccurrence as cooccurrence
from jaxvec import evaluate as evaluate
from jaxvec import formats as formats
from jaxvec import glove as glove
from jaxvec import neighbours as neighbours
from jaxvec import optim as optim
from jaxvec import sampling as sampling
from jaxvec import sgns as sgns
from jaxvec import softmax as softmax
from jaxvec import stanford as stanford
from jaxvec.text.corpus import Corpus as Corpus
from jaxvec.text.docstrings import documentation as documentation
from jaxvec.text.vocab import Vocab as Vocab
from jaxvec.train.cbow import CBOW as CBOW
from jaxvec.train.checkpoint import Checkpoints as Checkpoints
from jaxvec.train.fit import Report as Report
from jaxvec.train.fit import Result as Result
from jaxvec.train.fit import fit as fit
from jaxvec.train.glove import GloVe as GloVe
from jaxvec.train.optimizers import OPTIMIZERS as OPTIMIZERS
from jaxvec.train.optimizers import linear_decay as linear_decay
from jaxvec.train.skipgram import SkipGram as SkipGram
from jaxvec.train.softmax import Softmax as Softmax
from jaxvec.train.workers import use_cores as use_cores
from jaxvec.vectors import WordVectors as WordVectors

__version__ = version("jaxvec")
