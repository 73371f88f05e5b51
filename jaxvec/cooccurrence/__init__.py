"""Co-occurrence counts: how often words stand near each other, as a sparse matrix."""

from jaxvec.cooccurrence.counting import count as count
from jaxvec.cooccurrence.matrix import Cooccurrence as Cooccurrence
