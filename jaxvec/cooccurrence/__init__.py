"""Co-occurrence counts: how often words stand near each other, as a sparse matrix."""

from jaxvec.cooccurrence.counting import count as count
from jaxvec.cooccurrence.engines import dask_map as dask_map
from jaxvec.cooccurrence.engines import engine as engine
from jaxvec.cooccurrence.matrix import Cooccurrence as Cooccurrence
from jaxvec.cooccurrence.sharded import count_shards as count_shards
from jaxvec.cooccurrence.shards import count_shard as count_shard
from jaxvec.cooccurrence.shards import merge_range as merge_range
