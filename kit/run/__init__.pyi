from . import pipeline as pipeline
from . import profiles as profiles
from .audits import audit as audit
from .evaluating import load_test as load_test
from .pipeline import (
    evaluate_all as evaluate_all,
)
from .pipeline import (
    load_data as load_data,
)
from .pipeline import (
    load_model as load_model,
)
from .pipeline import (
    model_folder as model_folder,
)
from .pipeline import (
    train_all as train_all,
)
from .pipeline import (
    with_remedies as with_remedies,
)
from .profiles import command as command
from .settings import Settings as Settings
from .training import watched_query as watched_query
