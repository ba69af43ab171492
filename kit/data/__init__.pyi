from .bitext import BitextTask as BitextTask
from .corpus import ParallelCorpus as ParallelCorpus, RetrievalTask as RetrievalTask
from .judged.collection import JudgedCollection as JudgedCollection
from .overlaps import Overlap as Overlap, overlap as overlap, sentence_overlap as sentence_overlap
from .parallel import load_parallel as load_parallel
from .registry import (
    checksums as checksums,
    kinds as kinds,
    load_bitext as load_bitext,
    load_corpus as load_corpus,
    load_judged as load_judged,
    load_task as load_task,
)
