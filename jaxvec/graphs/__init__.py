"""Graphs and random walks on them, whose nodes are the words of a corpus."""

from jaxvec.graphs.graph import Graph as Graph
from jaxvec.graphs.walks import node2vec_walks as node2vec_walks
from jaxvec.graphs.walks import uniform_walks as uniform_walks
