from . import bias as bias, debias as debias, mining as mining
from .bias.measures import PANEL as PANEL
from .bias.panel import chance as chance
from .encoding import encode_task as encode_task
from .evaluation import Evaluation as Evaluation
from .evaluator import evaluate as evaluate, evaluate_embeddings as evaluate_embeddings
from .index import Index as Index
from .mteb import mteb_bitext as mteb_bitext, mteb_retrieval as mteb_retrieval
from .rankers import RANKERS as RANKERS, made_evaluation as made_evaluation
from .sentence_evaluator import RetrievalBiasEvaluator as RetrievalBiasEvaluator
from .shards.encoding import encode_corpus as encode_corpus
from .shards.judging import judge_collection as judge_collection
from .shards.search import top_passages as top_passages
from .shards.trec import read_run as read_run, run_scores as run_scores, write_run as write_run
