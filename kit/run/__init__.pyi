from . import pipeline as pipeline, profiles as profiles
from .audits import audit as audit
from .evaluating import load_test as load_test
from .pipeline import (
    evaluate_all as evaluate_all,
    load_data as load_data,
    load_model as load_model,
    model_folder as model_folder,
    train_all as train_all,
    with_remedies as with_remedies,
)
from .profiles import command as command
from .settings import Settings as Settings
from .training import watched_query as watched_query
