from .config import EncoderConfig as EncoderConfig, TrainingConfig as TrainingConfig
from .encoders.loading import load_encoder as load_encoder
from .encoders.making import make_encoder as make_encoder
from .encoders.vocabulary import trim_vocabulary as trim_vocabulary
from .history import History as History
from .losses import InfoNCE as InfoNCE, info_nce as info_nce
from .pairs import PairDataset as PairDataset, pair_batches as pair_batches, pair_dataset as pair_dataset
from .samplers import (
    SAMPLINGS as SAMPLINGS,
    Kind as Kind,
    PairBatch as PairBatch,
    PairBatchSampler as PairBatchSampler,
    Sampling as Sampling,
)
from .trainer import fine_tune as fine_tune
