from .bitext import BitextTask as BitextTask
from .corpus import ParallelCorpus as ParallelCorpus
from .corpus import RetrievalTask as RetrievalTask
from .overlaps import Overlap as Overlap
from .overlaps import overlap as overlap
from .overlaps import sentence_overlap as sentence_overlap
from .parallel import load_parallel as load_parallel
from .registry import (
    checksums as checksums,
)
from .registry import (
    kinds as kinds,
)
from .registry import (
    load_bitext as load_bitext,
)
from .registry import (
    load_corpus as load_corpus,
)
from .registry import (
    load_task as load_task,
)
