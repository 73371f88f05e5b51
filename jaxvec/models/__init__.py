"""The losses of the models as pure functions of arrays, and the random draws they need."""

from jaxvec.models import cbow as cbow
from jaxvec.models import checks as checks
from jaxvec.models import glove as glove
from jaxvec.models import products as products
from jaxvec.models import sampling as sampling
from jaxvec.models import sgns as sgns
from jaxvec.models import softmax as softmax
from jaxvec.models import tables as tables
