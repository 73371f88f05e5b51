"""Co-occurrence counts: how often words stand near each other, as a sparse matrix."""

from jaxvec.cooccurrence.cells import Cooccurrence as Cooccurrence
from jaxvec.cooccurrence.count import count as count
